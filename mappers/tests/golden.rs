//! Every package's examples give what stands in `expected/`; adding a package edits no Rust.
//!
//! `UPDATE_GOLDEN=1` writes the files anew; the difference is read before it is committed.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it does not expect")]

use std::fs;
use std::path::{Path, PathBuf};

use formats::hl7v2::Message;
use mappers::{CONVERT_NAMESPACE, Context, Package, Packages};
use model::json::{Json, Limits, parse};

fn packages_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packages")
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut out: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    out.sort();
    out
}

/// Each example of each package.
fn examples() -> Vec<(String, PathBuf)> {
    let mut out = Vec::new();
    for package in sorted(&packages_folder()) {
        let name = package.file_name().unwrap().to_string_lossy().into_owned();
        out.extend(sorted(&package.join("examples")).into_iter().map(|example| (name.clone(), example)));
    }
    out
}

fn convert(package: &Package, raw: &[u8]) -> Json {
    let message = Message::parse(raw).unwrap().message;
    let context =
        Context { namespace: &CONVERT_NAMESPACE, source: "", timezone: None, authorities: &[], received: None };
    undated(package.map(&message, &context).bundle)
}

/// The digest of the package changes with every edit of a table: a golden file that held it would always differ.
fn undated(json: Json) -> Json {
    match json {
        Json::String(text) if text.starts_with("sha256:") => Json::from("sha256:"),
        Json::Array(items) => Json::Array(items.into_iter().map(undated).collect()),
        Json::Object(object) => Json::object(object.into_iter().map(|(name, value)| (name, undated(value)))),
        other => other,
    }
}

/// Differences as `path: expected, found`, at most twenty.
fn differences(path: &str, expected: &Json, found: &Json, out: &mut Vec<String>) {
    match (expected, found) {
        (Json::Object(left), Json::Object(right)) => {
            for (name, value) in left.iter() {
                differences(&format!("{path}.{name}"), value, right.get(name).unwrap_or(&Json::Null), out);
            }
            for (name, value) in right.iter().filter(|(name, _)| !left.contains_key(name)) {
                out.push(format!("{path}.{name}: expected nothing, found {value}"));
            }
        }
        (Json::Array(left), Json::Array(right)) if left.len() == right.len() => {
            for (n, (left, right)) in left.iter().zip(right).enumerate() {
                differences(&format!("{path}[{n}]"), left, right, out);
            }
        }
        _ if expected == found => {}
        _ => out.push(format!("{path}: expected {expected}, found {found}")),
    }
    out.truncate(20);
}

#[test]
fn examples_give_what_is_expected() {
    let packages = Packages::embedded().unwrap();
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut problems = Vec::new();
    for (name, example) in examples() {
        let package = packages.named(&name).unwrap();
        let bundle = convert(package, &fs::read(&example).unwrap());
        let stem = example.file_stem().unwrap().to_string_lossy().into_owned();
        let file = example.parent().unwrap().parent().unwrap().join("expected").join(format!("{stem}.json"));
        let back = package.render(&bundle, &mappers::RenderContext::default()).bytes;
        let back_file = file.with_extension("hl7");
        if update {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, bundle.pretty() + "\n").unwrap();
            fs::write(&back_file, back).unwrap();
            continue;
        }
        if fs::read(&back_file).unwrap_or_default() != back {
            problems.push(format!("{name}/{stem}: comes back in other words than {}", back_file.display()));
        }
        let expected = parse(&fs::read(&file).unwrap_or_default(), &Limits::default()).unwrap_or(Json::Null);
        let mut out = Vec::new();
        differences(&format!("{name}/{stem}"), &expected, &bundle, &mut out);
        problems.append(&mut out);
    }
    assert!(problems.is_empty(), "UPDATE_GOLDEN=1 rewrites the files.\n{}", problems.join("\n"));
}

/// What is found about each example: severity, code, place.
#[test]
fn examples_have_the_findings_that_are_expected() {
    let packages = Packages::embedded().unwrap();
    let mut found = std::collections::BTreeMap::<String, Vec<(String, Json)>>::new();
    for (name, example) in examples() {
        let message = Message::parse(&fs::read(&example).unwrap()).unwrap().message;
        let context =
            Context { namespace: &CONVERT_NAMESPACE, source: "", timezone: None, authorities: &[], received: None };
        let mapped = packages.named(&name).unwrap().map(&message, &context);
        let stem = example.file_stem().unwrap().to_string_lossy().into_owned();
        let lines = mapped.issues.iter().map(|issue| {
            let at = issue.at.as_deref().unwrap_or_default();
            Json::from(format!("{} {} {at}", issue.severity.as_str(), issue.code))
        });
        found.entry(name).or_default().push((stem, Json::array(lines)));
    }
    for (name, found) in found {
        let file = packages_folder().join(&name).join("expected/issues.json");
        let now = Json::object(found);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&file, now.pretty() + "\n").unwrap();
            continue;
        }
        let expected = parse(&fs::read(&file).unwrap_or_default(), &Limits::default()).unwrap_or(Json::Null);
        let mut out = Vec::new();
        differences(&name, &expected, &now, &mut out);
        assert!(out.is_empty(), "UPDATE_GOLDEN=1 rewrites the file.\n{}", out.join("\n"));
    }
}

/// What each code of a package's own tables becomes, and which code comes back.
#[test]
fn codes_become_what_is_expected() {
    let packages = Packages::embedded().unwrap();
    for folder in sorted(&packages_folder()) {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let Some(package) = packages.named(&name) else { continue };
        let maps = sorted(&folder.join("codes")).into_iter().map(|file| {
            let map = file.file_stem().unwrap().to_string_lossy().into_owned();
            let vocabulary = package.vocabulary(&map).unwrap();
            (map, vocabulary)
        });
        let now = Json::object(maps);
        let file = folder.join("expected/codes.json");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&file, now.pretty() + "\n").unwrap();
            continue;
        }
        let expected = parse(&fs::read(&file).unwrap_or_default(), &Limits::default()).unwrap_or(Json::Null);
        let mut out = Vec::new();
        differences(&name, &expected, &now, &mut out);
        assert!(out.is_empty(), "UPDATE_GOLDEN=1 rewrites the file.\n{}", out.join("\n"));
    }
}

/// Every piece of an example is mapped, kept or dropped, once.
#[test]
fn examples_account_for_every_piece() {
    let packages = Packages::embedded().unwrap();
    for (name, example) in examples() {
        let message = Message::parse(&fs::read(&example).unwrap()).unwrap().message;
        let context =
            Context { namespace: &CONVERT_NAMESPACE, source: "", timezone: None, authorities: &[], received: None };
        let loss = packages.named(&name).unwrap().map(&message, &context).loss();
        let mut said: Vec<&String> =
            loss.mapped.iter().chain(&loss.kept).chain(&loss.dropped).map(|(at, _)| at).collect();
        said.sort();
        let mut pieces: Vec<String> =
            message.segments().flat_map(|segment| segment.leaves().map(|leaf| leaf.place.to_string())).collect();
        pieces.sort();
        assert_eq!(said, pieces.iter().collect::<Vec<_>>(), "{}", example.display());
    }
}

/// What goes there comes back: each piece of an example stands in its place again, set ids and nulls apart.
///
/// What does not is listed in the package's `expected/lost.json`, by example; the list is to get shorter.
#[test]
fn examples_come_back_field_by_field() {
    let packages = Packages::embedded().unwrap();
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut lost = std::collections::BTreeMap::<String, Vec<(String, Json)>>::new();
    for (name, example) in examples() {
        let package = packages.named(&name).unwrap();
        let mut places = Vec::new();
        let raw = fs::read(&example).unwrap();
        let bundle = convert(package, &raw);
        let rendered = package.render(&bundle, &mappers::RenderContext::default());
        let before = Message::parse(&raw).unwrap().message;
        let after = Message::parse(&rendered.bytes).unwrap().message;
        let dropped: Vec<String> = {
            let context =
                Context { namespace: &CONVERT_NAMESPACE, source: "", timezone: None, authorities: &[], received: None };
            package.map(&before, &context).loss().dropped.into_iter().map(|(at, _)| at).collect()
        };
        for segment in before.segments() {
            let again =
                after.segments().find(|other| other.name() == segment.name() && other.ordinal() == segment.ordinal());
            for leaf in segment.leaves().filter(|leaf| !dropped.contains(&leaf.place.to_string())) {
                let found = again.is_some_and(|again| {
                    again.leaves().any(|other| {
                        let key = |place: &formats::hl7v2::Place| {
                            (
                                place.field,
                                place.repetition.unwrap_or(1),
                                place.component.unwrap_or(1),
                                place.subcomponent.unwrap_or(1),
                            )
                        };
                        key(&other.place) == key(&leaf.place) && other.raw == leaf.raw
                    })
                });
                if !found {
                    places.push(Json::from(leaf.place.to_string()));
                }
            }
        }
        let stem = example.file_stem().unwrap().to_string_lossy().into_owned();
        let lost = lost.entry(name).or_default();
        if !places.is_empty() {
            lost.push((stem, Json::Array(places)));
        }
    }
    for (name, lost) in lost {
        let file = packages_folder().join(&name).join("expected/lost.json");
        let now = Json::object(lost);
        if update {
            fs::write(&file, now.pretty() + "\n").unwrap();
            continue;
        }
        let expected = parse(&fs::read(&file).unwrap_or_default(), &Limits::default()).unwrap_or(Json::Null);
        let mut out = Vec::new();
        differences(&name, &expected, &now, &mut out);
        assert!(out.is_empty(), "UPDATE_GOLDEN=1 rewrites the file.\n{}", out.join("\n"));
    }
}
