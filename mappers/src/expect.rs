//! What a package's examples give: the files that stand in `expected/` beside them.
//!
//! A change of a table is seen as a difference of these files, and read before it is kept. They are written by
//! `anchorline conformance lint --accept` and compared by the package's own tests.

use std::collections::BTreeMap;

use formats::cda::{self, Document};
use formats::hl7v2::{Message, Place};
use model::json::{Json, Limits, Object, parse};
use model::outcome::Issue;

use crate::flat;
use crate::package::Package;
use crate::types::{Context, RenderContext};

/// The files of `expected/` of a package, by `NAME/expected/FILE`, made of its examples and code tables as they are.
///
/// `files` are the package's own, by `NAME/path`. `X.json` is the Bundle of the example `X.hl7` (`X.xml`), `X.hl7`
/// (`X.xml`) what it comes back as, `issues.json` what is found, `lost.json` what does not come back, `codes.json` what
/// each code becomes and which code comes back. Of the example `X.fhir.json`, `X.xml` is the document written of it and
/// `X.json` what is read of that; `lost.json` lists what the document does not say. An example that cannot be read gives
/// nothing. The package's digest is left out of Bundles, since it changes with every edit.
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
        let file = path.strip_prefix(&examples).and_then(|file| file.rsplit_once('.'));
        let (stem, kind, example) = match file {
            Some((stem, "hl7")) => (stem, "hl7", Example::of_message(package, bytes)),
            Some((stem, "xml")) => (stem, "xml", Example::of_document(package, bytes)),
            Some((stem, "json")) if package.format() == "ccda" => {
                (stem.strip_suffix(".fhir").unwrap_or(stem), "xml", Example::of_bundle(package, bytes))
            }
            _ => continue,
        };
        let Some(example) = example else { continue };
        out.insert(format!("{folder}/{stem}.json"), text(&example.bundle));
        out.insert(format!("{folder}/{stem}.{kind}"), example.back);
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
    fn of_message(package: &Package, bytes: &[u8]) -> Option<Self> {
        let message = Message::parse(bytes).ok()?.message;
        let mapped = package.map(&message, &Context::default());
        let issues = findings(&mapped.issues);
        let dropped: Vec<String> = mapped.loss().dropped.into_iter().map(|(at, _)| at).collect();
        let bundle = undated(mapped.bundle);
        let back = package.render(&bundle, &RenderContext::default()).bytes;
        let lost = lost(&message, &dropped, &back).into_iter().map(Json::from).collect();
        Some(Self { bundle, back, issues, lost })
    }

    fn of_document(package: &Package, bytes: &[u8]) -> Option<Self> {
        let document = Document::parse(bytes, &cda::Limits::default()).ok()?;
        let mapped = package.map_cda(&document, &Context::default());
        let issues = findings(&mapped.issues);
        let dropped: Vec<String> = mapped.loss().dropped.into_iter().map(|(at, _)| at).collect();
        let bundle = undated(mapped.bundle);
        let back = package.write_cda(&bundle, &RenderContext::default()).bytes;
        let lost = lost_leaves(&document, &dropped, &back).into_iter().map(Json::from).collect();
        Some(Self { bundle, back, issues, lost })
    }

    /// FHIR that never was a document, and the document that is written of it.
    fn of_bundle(package: &Package, bytes: &[u8]) -> Option<Self> {
        let record = parse(bytes, &Limits::default()).ok()?;
        let (written, loss) = package.write_cda_with_loss(&record, &RenderContext::default());
        let again = Document::parse(&written.bytes, &cda::Limits::default()).ok()?;
        let bundle = undated(package.map_cda(&again, &Context::default()).bundle);
        let lost = loss.dropped.into_iter().map(|(at, _)| Json::from(at)).collect();
        Some(Self { bundle, back: written.bytes, issues: findings(&written.issues), lost })
    }
}

/// `severity code place` of each.
fn findings(issues: &[Issue]) -> Vec<Json> {
    let line = |issue: &Issue| {
        let at = issue.at.as_deref().unwrap_or_default();
        Json::from(format!("{} {} {at}", issue.severity.as_str(), issue.code))
    };
    issues.iter().map(line).collect()
}

/// Places of leaves that were not dropped and do not stand in the document that comes back.
///
/// Positions among siblings do not count, since the order of entries may change: a value has to come back as often as
/// it stood at such places.
fn lost_leaves(before: &Document, dropped: &[String], back: &[u8]) -> Vec<String> {
    let mut again: BTreeMap<(String, String), usize> = BTreeMap::new();
    let after = Document::parse(back, &cda::Limits::default()).ok();
    if let Some(after) = &after {
        for (at, value) in leaves(after) {
            *again.entry((unnumbered(&at), value)).or_default() += 1;
        }
    }
    let mut out = Vec::new();
    for (at, value) in leaves(before).filter(|(at, _)| !dropped.contains(at)) {
        match again.get_mut(&(unnumbered(&at), value)) {
            Some(count) if *count > 0 => *count -= 1,
            _ => out.push(at),
        }
    }
    out
}

/// Each leaf of a document: its path, and its text in words.
fn leaves(document: &Document) -> impl Iterator<Item = (String, String)> + '_ {
    (0..document.leaves()).filter_map(|number| {
        let words: Vec<&str> = document.leaf(number)?.value.split_whitespace().collect();
        Some((document.leaf_path(number), words.join(" ")))
    })
}

/// A path without the positions in it.
fn unnumbered(path: &str) -> String {
    let mut inside = false;
    let outside = |c: &char| {
        let seen = !inside && *c != '[';
        inside = if inside { *c != ']' } else { *c == '[' };
        seen
    };
    path.chars().filter(outside).collect()
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
