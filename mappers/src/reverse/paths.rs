//! Where a row's path leads in a resource, and what stands beside it.

use model::json::{Json, Object};

use crate::concept::CodeMap;
use crate::eval::PLACE;
use crate::function;
use crate::map::{Place, Row, Source, Via, With, WithValue};
use crate::path::{At, Step};

/// The value of the extension of a URL.
pub(super) fn extension<'j>(companion: &'j Object, url: &str) -> Option<&'j Json> {
    let items = companion.get("extension").and_then(Json::as_array)?;
    items.iter().find(|item| item.get("url").and_then(Json::as_str) == Some(url))?.get("valueString")
}

/// The name of a coding system: of the table, of an HL7 table, or the one the URI was made of.
pub(super) fn system_name(map: &CodeMap, uri: &str) -> String {
    if let Some(name) = map.backward(None, uri) {
        return name.to_string();
    }
    if let Some(number) = function::hl7_table_number(uri) {
        return format!("HL7{number}");
    }
    match (uri.strip_prefix(function::CODING_SYSTEM), uri.strip_prefix("urn:oid:")) {
        (Some(name), _) => function::unescaped(name),
        (None, Some(oid)) => oid.to_owned(),
        (None, None) => uri.to_owned(),
    }
}

pub(crate) fn address(json: &Json) -> usize {
    std::ptr::from_ref(json) as usize
}

/// Whether rows of several fields may fill one element (a value and its unit).
pub(super) fn merges(row: &Row) -> bool {
    matches!(row.via, Via::Table { .. }) && matches!(row.source, Source::Place(Place::Own { .. }))
}

/// The value at the end of a row's path; `item` stands for `[+]`, `shared` for `[$]`.
pub(crate) fn resolve<'j>(
    object: &'j Object,
    steps: &[Step],
    item: Option<usize>,
    shared: Option<usize>,
) -> Option<&'j Json> {
    let mut here = object;
    let mut last = None;
    for (n, step) in steps.iter().enumerate() {
        let value = step_into(here, step, item, shared)?;
        last = Some(value);
        if n + 1 < steps.len() {
            here = value.as_object()?;
        }
    }
    last
}

pub(super) fn step_into<'j>(
    here: &'j Object,
    step: &Step,
    item: Option<usize>,
    shared: Option<usize>,
) -> Option<&'j Json> {
    let value = here.get(&step.name).or_else(|| other_value(here, &step.name))?;
    match &step.at {
        At::Single => Some(value),
        At::Index(index) => value.item(*index),
        At::Append | At::AppendExtension(_) => value.item(item.unwrap_or(0)),
        At::PerSegment => value.item(shared?),
        At::SegmentExtension(url) => {
            value.item(shared?).filter(|item| item.get("url").and_then(Json::as_str) == Some(url.as_str()))
        }
        At::Extension(url) => {
            value.as_array()?.iter().find(|item| item.get("url").and_then(Json::as_str) == Some(url.as_str()))
        }
    }
}

/// The value of an extension under another primitive type than the definition has it: others write a number where a text
/// is meant, or an instant for a time.
fn other_value<'j>(here: &'j Object, name: &str) -> Option<&'j Json> {
    if !matches!(name, "valueString" | "valueDateTime" | "valueCode") || !here.contains_key("url") {
        return None;
    }
    let fits = |(member, json): &(&str, &Json)| {
        let time = matches!(*member, "valueInstant" | "valueDate" | "valueDateTime");
        let text = matches!(json, Json::String(_) | Json::Number(_));
        member.starts_with("value") && text && (time || name != "valueDateTime")
    };
    here.iter().find(fits).map(|(_, json)| json)
}

/// `_name` beside the last member of a path.
pub(super) fn companion<'j>(
    object: &'j Object,
    steps: &[Step],
    item: Option<usize>,
    shared: Option<usize>,
) -> Option<&'j Object> {
    let (last, before) = steps.split_last()?;
    let mut here = object;
    for step in before {
        here = step_into(here, step, item, shared)?.as_object()?;
    }
    here.get(&format!("_{}", last.name))?.as_object()
}

/// Whether what stands beside a primitive names a field that this row does not read.
pub(super) fn told_elsewhere(row: &Row, companion: Option<&Object>) -> bool {
    let place =
        |with: &With| with.target.steps.iter().any(|step| matches!(&step.at, At::Extension(url) if url == PLACE));
    // The rows of a datatype name a component there, not a field.
    let field = companion.and_then(|companion| extension(companion, PLACE)).and_then(Json::as_str);
    field.is_some_and(|field| field.contains('-')) && !row.with.iter().any(place)
}

/// Whether the constants beside a row's target are there: they tell whose value it is.
pub(super) fn consts_hold(row: &Row, object: &Object, item: Option<usize>, shared: Option<usize>) -> bool {
    let Some(anchor) = row.target.steps.get(..row.target.anchor) else { return false };
    let base =
        if anchor.is_empty() { Some(object) } else { resolve(object, anchor, item, shared).and_then(Json::as_object) };
    let Some(base) = base else { return row.with.is_empty() };
    row.with.iter().filter(|with| !with.soft).all(|with| has_const(base, object, with))
}

/// Constants beside a row's target that stand there word for word: no piece is behind them.
///
/// A sender's own code has no display or another one, so it is told from the constant.
pub(super) fn own_words<'j>(
    row: &Row,
    object: &'j Object,
    item: Option<usize>,
    shared: Option<usize>,
) -> Vec<&'j Json> {
    let Some(anchor) = row.target.steps.get(..row.target.anchor) else { return Vec::new() };
    let base =
        if anchor.is_empty() { Some(object) } else { resolve(object, anchor, item, shared).and_then(Json::as_object) };
    let Some(base) = base else { return Vec::new() };
    let same = |with: &crate::map::With| match &with.value {
        WithValue::Literal(json @ Json::Object(_)) => {
            let worded = json.items("coding").iter().any(|coding| coding.get("display").is_some());
            resolve(base, &with.target.steps, None, None).filter(|there| worded && *there == json)
        }
        _ => None,
    };
    row.with.iter().filter_map(same).collect()
}

pub(super) fn has_const(base: &Object, root: &Object, with: &crate::map::With) -> bool {
    // That something is not known tells nothing of whose it is.
    if matches!(with.value, WithValue::Absent(_)) {
        return true;
    }
    let Some(there) = resolve(base, &with.target.steps, None, None) else { return false };
    match &with.value {
        WithValue::Copy(steps) => resolve(root, steps, None, None) == Some(there),
        WithValue::Literal(json) => says(there, json),
        WithValue::Absent(_) => true,
    }
}

/// Whether an element says what a constant says.
pub(crate) fn says(there: &Json, wanted: &Json) -> bool {
    match wanted {
        Json::Object(wanted) => {
            wanted.iter().filter(|(name, _)| *name != "display").all(|(name, value)| match (there.get(name), value) {
                (Some(Json::Array(items)), Json::Array(wanted)) => {
                    wanted.iter().all(|wanted| items.iter().any(|item| says(item, wanted)))
                }
                (Some(there), value) => says(there, value),
                // A code of a type is known without its system too.
                (None, _) => name == "system" && wanted.contains_key("code") && there.get("code").is_some(),
            })
        }
        _ => there == wanted,
    }
}
