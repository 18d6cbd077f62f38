//! What a package's examples give: the files that stand in `expected/` beside them.
//!
//! A change of a table is seen as a difference of these files, and read before it is kept. They are written by
//! `anchorline conformance lint --accept` and compared by the package's own tests.

use std::collections::BTreeMap;

use formats::hl7v2::{Message, Place};
use model::json::{Json, Object};

use crate::flat;
use crate::package::Package;
use crate::types::{Context, RenderContext};

/// The files of `expected/` of a package, by `NAME/expected/FILE`, made of its examples and code tables as they are.
///
/// `files` are the package's own, by `NAME/path`. `X.json` is the Bundle of the example `X.hl7`, `X.hl7` what it comes
/// back as, `issues.json` what is found, `lost.json` what does not come back, `codes.json` what each code becomes and
/// which code comes back. An example that is no message gives nothing. The package's digest is left out of Bundles,
/// since it changes with every edit.
pub fn expectations(package: &Package, files: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    let name = package.name();
    if package.format() == flat::FORMAT {
        return flat::expectations(package, files, code_tables(package, files));
    }
    let (examples, folder) = (format!("{name}/examples/"), format!("{name}/expected"));
    let mut out = BTreeMap::new();
    let (mut issues, mut lost) = (Object::new(), Object::new());
    let below = files.range(examples.clone()..).take_while(|(path, _)| path.starts_with(&examples));
    for (path, bytes) in below {
        let stem = path.strip_prefix(&examples).and_then(|file| file.strip_suffix(".hl7"));
        let (Some(stem), Ok(parsed)) = (stem, Message::parse(bytes)) else { continue };
        let example = Example::of(package, &parsed.message);
        out.insert(format!("{folder}/{stem}.json"), text(&example.bundle));
        out.insert(format!("{folder}/{stem}.hl7"), example.back);
        issues.insert(stem, Json::array(example.issues));
        if !example.lost.is_empty() {
            lost.insert(stem, Json::array(example.lost));
        }
    }
    let codes = code_tables(package, files);
    if !codes.is_empty() {
        out.insert(format!("{folder}/codes.json"), text(&Json::Object(codes)));
    }
    if !issues.is_empty() {
        out.insert(format!("{folder}/issues.json"), text(&Json::Object(issues)));
        out.insert(format!("{folder}/lost.json"), text(&Json::Object(lost)));
    }
    out
}

struct Example {
    bundle: Json,
    back: Vec<u8>,
    issues: Vec<Json>,
    lost: Vec<Json>,
}

impl Example {
    fn of(package: &Package, message: &Message) -> Self {
        let mapped = package.map(message, &Context::default());
        let issues = mapped.issues.iter().map(|issue| {
            let at = issue.at.as_deref().unwrap_or_default();
            Json::from(format!("{} {} {at}", issue.severity.as_str(), issue.code))
        });
        let issues = issues.collect();
        let dropped: Vec<String> = mapped.loss().dropped.into_iter().map(|(at, _)| at).collect();
        let bundle = undated(mapped.bundle);
        let back = package.render(&bundle, &RenderContext::default()).bytes;
        let lost = lost(message, &dropped, &back).into_iter().map(Json::from).collect();
        Self { bundle, back, issues, lost }
    }
}

/// Places of pieces that were not dropped and do not stand in the message that comes back.
fn lost(before: &Message, dropped: &[String], back: &[u8]) -> Vec<String> {
    let after = Message::parse(back).ok().map(|parsed| parsed.message);
    let key = |place: &Place| {
        let whole = |n: Option<u32>| n.unwrap_or(1);
        (place.field, whole(place.repetition), whole(place.component), whole(place.subcomponent))
    };
    let mut out = Vec::new();
    for segment in before.segments() {
        let again = after.as_ref().and_then(|after| {
            after.segments().find(|other| other.name() == segment.name() && other.ordinal() == segment.ordinal())
        });
        let again: Vec<_> =
            again.into_iter().flat_map(|again| again.leaves()).map(|l| (key(&l.place), l.raw)).collect();
        let pieces = segment.leaves().map(|leaf| (leaf.place.to_string(), (key(&leaf.place), leaf.raw)));
        let missing = pieces.filter(|(place, piece)| !dropped.contains(place) && !again.contains(piece));
        out.extend(missing.map(|(place, _)| place));
    }
    out
}

/// What the package's own code tables say, by table.
fn code_tables(package: &Package, files: &BTreeMap<String, Vec<u8>>) -> Object {
    let prefix = format!("{}/codes/", package.name());
    let own = files.range(prefix.clone()..).map(|(path, _)| path).take_while(|path| path.starts_with(&prefix));
    let maps = own.filter_map(|path| path.strip_prefix(&prefix)?.strip_suffix(".csv"));
    maps.filter_map(|map| Some((map, package.vocabulary(map)?))).collect()
}

fn undated(json: Json) -> Json {
    match json {
        Json::String(text) if text.starts_with("sha256:") => Json::from("sha256:"),
        Json::Array(items) => Json::Array(items.into_iter().map(undated).collect()),
        Json::Object(object) => Json::object(object.into_iter().map(|(name, value)| (name, undated(value)))),
        other => other,
    }
}

pub(crate) fn text(json: &Json) -> Vec<u8> {
    (json.pretty() + "\n").into_bytes()
}
