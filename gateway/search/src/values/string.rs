//! Strings: the folded text, a zero byte, the text as it is. FHIR R4 search.html, "string".

use model::json::Json;

use crate::fold::fold;
use crate::row::Test;
use crate::values::{Sink, Value};

/// Bytes of a text that are searched; what stands behind them is not looked at.
pub(crate) const TEXT_BYTES: usize = 500;

pub(crate) fn rows(value: &Value<'_>, sink: &mut Sink<'_>) {
    each_text(value, &mut |text| {
        let param = sink.parameter.param;
        sink.put_as(param, form(text));
    });
}

/// Every text of a value: the parts of a name and of an address are found each for itself.
pub(crate) fn each_text(value: &Value<'_>, take: &mut dyn FnMut(&str)) {
    let members: &[&str] = match value.of {
        "HumanName" => &["text", "family", "given", "prefix", "suffix"],
        "Address" => &["text", "line", "city", "district", "state", "postalCode", "country"],
        "CodeableConcept" => {
            value.json.text_at(&["text"]).into_iter().for_each(&mut *take);
            let codings = value.json.items("coding");
            return codings.iter().filter_map(|coding| coding.text_at(&["display"])).for_each(take);
        }
        "Coding" => &["display"],
        "Reference" => &["display"],
        "Annotation" => &["text"],
        "ContactPoint" | "Identifier" => &["value"],
        _ => return value.text().into_iter().for_each(take),
    };
    for name in members {
        match value.json.get(name) {
            Some(Json::Array(items)) => items.iter().filter_map(Json::as_str).for_each(&mut *take),
            Some(Json::String(text)) => take(text),
            _ => {}
        }
    }
}

pub(crate) fn form(text: &str) -> Vec<u8> {
    let text = cut(text);
    let mut value = cut(&fold(text)).as_bytes().to_vec();
    value.push(0);
    value.extend(text.bytes());
    value
}

fn cut(text: &str) -> &str {
    let end = text.floor_char_boundary(TEXT_BYTES);
    text.get(..end).unwrap_or_default()
}

/// How a text of a query is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Begins,
    Exact,
    Contains,
    Ends,
    /// All of it, folded.
    Equals,
}

pub(crate) fn test(text: &str, how: How) -> Test {
    let folded = || cut(&fold(text)).as_bytes().to_vec();
    let ended = || {
        let mut text = folded();
        text.push(0);
        text
    };
    match how {
        How::Begins => Test::Prefix(folded()),
        How::Exact => Test::Equals(form(text)),
        How::Contains => Test::Contains(folded()),
        // The zero byte that ends the folded text is part of what `Contains` looks at.
        How::Ends => Test::Contains(ended()),
        How::Equals => Test::Prefix(ended()),
    }
}
