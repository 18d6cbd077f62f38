//! What another system makes of the same input: a second opinion, never the truth.
//!
//! For each resource that is expected the output's best match of the same type is found (most leaves in common, each
//! used once); counted are the expected leaves that it has at the same place. Ids, references, narrative, meta and
//! extensions are each system's own.

use std::collections::BTreeSet;
use std::path::Path;

use model::json::{Json, Limits, parse};

use super::facts::fold;
use super::report::Tally;

/// Leaves by place, indexes left out.
type Leaves = BTreeSet<(String, String)>;

/// Compares outputs with an expected file; `None` if that is no FHIR.
pub(super) fn compare(expected: &[u8], outputs: &[Json]) -> Option<Tally> {
    let expected = parse(expected.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(expected), &Limits::default()).ok()?;
    let mut ours: Vec<Option<(String, Leaves)>> = outputs.iter().flat_map(resources).map(Some).collect();
    let mut tally = Tally::default();
    for (of_type, wanted) in resources(&expected) {
        let shared = |one: &Leaves| wanted.iter().filter(|leaf| holds(one, leaf)).count();
        let best = ours
            .iter()
            .enumerate()
            .filter_map(|(n, one)| one.as_ref().filter(|(kind, _)| *kind == of_type).map(|(_, one)| (shared(one), n)))
            .max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        tally.all += wanted.len();
        if let Some((shared, n)) = best {
            tally.found += shared;
            if let Some(slot) = ours.get_mut(n) {
                *slot = None;
            }
        }
    }
    (tally.all > 0).then_some(tally)
}

/// The name of the system in `X.expected-NAME.json`.
pub(super) fn system(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let (_, rest) = name.split_once(".expected-")?;
    rest.strip_suffix(".json").map(str::to_owned)
}

fn resources(json: &Json) -> Vec<(String, Leaves)> {
    let Some(of_type) = model::resource::resource_type(json) else { return Vec::new() };
    if of_type == "Bundle" {
        return model::bundle::resources(json).flat_map(resources).collect();
    }
    let mut leaves = Leaves::new();
    collect("", json, &mut leaves);
    vec![(of_type.to_owned(), leaves)]
}

fn collect(place: &str, json: &Json, out: &mut Leaves) {
    match json {
        Json::Object(object) => {
            for (name, value) in object.iter() {
                let own = ["resourceType", "id", "meta", "reference", "text", "extension", "fullUrl"];
                // `text` is narrative at the top alone; below it is a CodeableConcept's.
                if !own.contains(&name) || (name == "text" && !place.is_empty()) {
                    collect(&format!("{place}.{name}"), value, out);
                }
            }
        }
        Json::Array(items) => items.iter().for_each(|item| collect(place, item, out)),
        Json::String(text) => drop(out.insert((place.to_owned(), fold(text)))),
        Json::Number(number) => drop(out.insert((place.to_owned(), number.as_str().to_owned()))),
        Json::Bool(value) => drop(out.insert((place.to_owned(), value.to_string()))),
        Json::Null => {}
    }
}

fn holds(leaves: &Leaves, (place, value): &(String, String)) -> bool {
    let of_place = leaves.range((place.clone(), String::new())..).take_while(|(other, _)| other == place);
    let dated = |text: &str| text.len() >= 4 && text.starts_with(|c: char| c.is_ascii_digit()) && text.contains('-');
    of_place.into_iter().any(|(_, ours)| {
        ours == value
            || (dated(value) && dated(ours) && (ours.starts_with(value.as_str()) || value.starts_with(ours.as_str())))
    })
}
