//! Reading what rules need from the plain tree.

use std::borrow::Cow;

use model::json::Json;
use model::types;

/// A member that is a string and not empty.
pub(super) fn text<'a>(json: &'a Json, name: &str) -> Option<&'a str> {
    json.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// A scalar as its text: strings, numbers with their digits, booleans.
pub(super) fn scalar(json: &Json) -> Option<Cow<'_, str>> {
    match json {
        Json::String(text) => Some(Cow::Borrowed(text)),
        Json::Number(number) => Some(Cow::Borrowed(number.as_str())),
        Json::Bool(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
        _ => None,
    }
}

/// Whether a member is `true`.
pub(super) fn is_true(json: &Json, name: &str) -> bool {
    json.get(name) == Some(&Json::Bool(true))
}

/// The type and the value of a choice, for example of `value` the `valueQuantity`.
pub(super) fn choice<'a>(json: &'a Json, name: &str) -> Option<(&'static str, &'a Json)> {
    json.as_object()?.iter().find_map(|(member, value)| Some((type_of(member.strip_prefix(name)?)?, value)))
}

/// The name of the type that ends the name of a choice: `dateTime` for `DateTime`.
fn type_of(suffix: &str) -> Option<&'static str> {
    if !suffix.starts_with(|letter: char| letter.is_ascii_uppercase()) {
        return None;
    }
    // Extension.value[x] may be of every type that any choice has.
    let (_, element, of_type) = types::r4().find("Extension")?.1.find(&format!("value{suffix}"))?;
    element.is_choice.then_some(of_type.name)
}

/// The extensions of a canonical on an element.
pub(super) fn extensions<'a>(json: &'a Json, url: &str) -> impl Iterator<Item = &'a Json> {
    json.items("extension").iter().filter(move |extension| extension.get("url").and_then(Json::as_str) == Some(url))
}

/// The first extension of a canonical on an element.
pub(super) fn extension<'a>(json: &'a Json, url: &str) -> Option<&'a Json> {
    extensions(json, url).next()
}

/// The value of the first extension of a canonical that has one.
pub(super) fn extension_value<'a>(json: &'a Json, url: &str) -> Option<(&'static str, &'a Json)> {
    extensions(json, url).find_map(|extension| choice(extension, "value"))
}

/// The same as a text.
pub(super) fn extension_text<'a>(json: &'a Json, url: &str) -> Option<Cow<'a, str>> {
    extension_value(json, url).and_then(|(_, value)| scalar(value))
}

/// The companion of a primitive member: what has its extensions.
pub(super) fn companion<'a>(json: &'a Json, name: &str) -> Option<&'a Json> {
    json.as_object()?.iter().find(|(member, _)| member.strip_prefix('_') == Some(name)).map(|(_, value)| value)
}

/// Whether any coding of one concept is a coding of the other.
pub(super) fn share_coding(one: &Json, other: &Json) -> bool {
    let key = |coding: &Json| (text(coding, "system").map(str::to_owned), text(coding, "code").map(str::to_owned));
    one.items("coding").iter().any(|coding| {
        let wanted = key(coding);
        wanted.1.is_some() && other.items("coding").iter().any(|known| key(known) == wanted)
    })
}
