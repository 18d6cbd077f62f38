//! Words of a resource, for `_text` and `_content` (FHIR R4 search.html, "Text search parameters").

use model::json::Json;
use search::words;

#[cfg(test)]
mod tests;

/// Whether each of the words, as [`search::words`] makes them, stands in the narrative, or anywhere in the resource.
pub(super) fn holds(wanted: &[String], resource: &Json, whole: bool) -> bool {
    let mut left: Vec<&str> = wanted.iter().map(String::as_str).collect();
    let mut take = |text: &str| {
        for word in words(text) {
            if left.is_empty() {
                return;
            }
            left.retain(|wanted| *wanted != word);
        }
    };
    match whole {
        true => all(resource, &mut take),
        false => resource.text_at(&["text", "div"]).into_iter().for_each(|div| take(&narrative(div))),
    }
    left.is_empty()
}

fn all(json: &Json, take: &mut dyn FnMut(&str)) {
    match json {
        Json::String(text) => take(text),
        Json::Number(number) => take(number.as_str()),
        Json::Array(items) => items.iter().for_each(|item| all(item, take)),
        Json::Object(members) => {
            for (name, value) in members.iter() {
                match value.as_str() {
                    Some(div) if name == "div" => take(&narrative(div)),
                    // Content as base64 holds no words.
                    Some(_) if name == "data" => {}
                    _ => all(value, take),
                }
            }
        }
        Json::Bool(_) | Json::Null => {}
    }
}

/// The text of a narrative without its tags; entities that stand for signs between words are undone.
fn narrative(div: &str) -> String {
    let mut text = String::with_capacity(div.len());
    let mut rest = div;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        // A tag ends a word.
        text.push(' ');
        rest = after.split_once('>').map_or("", |(_, rest)| rest);
    }
    text.push_str(rest);
    for entity in ["&lt;", "&gt;", "&quot;", "&apos;", "&nbsp;", "&#160;", "&#xa0;", "&#xA0;", "&amp;"] {
        if text.contains(entity) {
            text = text.replace(entity, " ");
        }
    }
    text
}
