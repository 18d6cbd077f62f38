//! Narratives that a browser would do something with: run a script, open a frame, fetch from elsewhere.
//!
//! Asked of the text itself and not of the sanitiser's rules: what made it cannot say that it is safe.

use model::json::Json;

/// Elements that run, fetch, embed or ask for something.
const ELEMENTS: [&str; 18] = [
    "script", "style", "iframe", "frame", "frameset", "object", "embed", "applet", "form", "input", "button", "link",
    "meta", "base", "svg", "math", "video", "audio",
];

/// Adds the place of each narrative of a resource or Bundle that is not plain text and tables.
pub(super) fn unsafe_ones(output: &Json, out: &mut Vec<String>) {
    walk("", "", output, out);
}

fn walk(place: &str, name: &str, json: &Json, out: &mut Vec<String>) {
    match json {
        Json::Object(object) => {
            let of_type = object.get("resourceType").and_then(Json::as_str);
            for (name, value) in object.iter() {
                walk(&format!("{}.{name}", of_type.unwrap_or(place)), name, value, out);
            }
        }
        Json::Array(items) => items.iter().for_each(|item| walk(place, name, item, out)),
        Json::String(text) if name == "div" => out.extend(is_active(text).then(|| place.to_owned())),
        _ => {}
    }
}

/// Whether any tag of it is active. Reads tags as a browser does, leniently.
fn is_active(html: &str) -> bool {
    html.split('<').skip(1).any(|after| {
        let tag = after.split('>').next().unwrap_or_default().to_ascii_lowercase();
        let name: String = tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        ELEMENTS.contains(&name.as_str())
            || (tag.starts_with('!') && !tag.starts_with("!--"))
            || tag.starts_with('?')
            || has_active_attribute(&tag)
    })
}

fn has_active_attribute(tag: &str) -> bool {
    let plain: String = tag.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
    let scheme = |word: &str| ["\"", "'", "="].iter().any(|before| plain.contains(&format!("{before}{word}")));
    scheme("javascript:")
        || scheme("vbscript:")
        || scheme("data:text")
        || scheme("data:application")
        || plain.contains("expression(")
        || tag.split_whitespace().skip(1).any(|word| {
            let name = word.split('=').next().unwrap_or_default();
            name.len() > 2
                && name.starts_with("on")
                && word.contains('=')
                && name.bytes().all(|b| b.is_ascii_alphabetic())
        })
}

#[cfg(test)]
mod tests;
