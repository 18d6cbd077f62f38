//! Every package's examples give what stands in `expected/`; adding a package edits no Rust.
//!
//! `UPDATE_GOLDEN=1` writes the files anew; the difference is read before it is committed.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it does not expect")]

use std::fs;
use std::path::{Path, PathBuf};

use formats::cda::{self, Document};
use formats::hl7v2::Message;
use mappers::{Context, Packages};
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

/// Bundles, messages that come back, findings, what is lost, and what codes become.
///
/// `lost.json` lists by example what does not come back yet: it is to get shorter.
#[test]
fn examples_give_what_is_expected() {
    let files = Packages::embedded_files();
    let mut problems = Vec::new();
    for package in Packages::embedded().unwrap().iter() {
        for (path, now) in mappers::expectations(package, &files) {
            let file = packages_folder().join(&path);
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(&file, now).unwrap();
                continue;
            }
            let then = fs::read(&file).unwrap_or_default();
            if path.ends_with(".json") {
                let json = |bytes: &[u8]| parse(bytes, &Limits::default()).unwrap_or(Json::Null);
                differences(&path, &json(&then), &json(&now), &mut problems);
            } else if then != now {
                problems.push(format!("{path}: comes back in other words"));
            }
        }
    }
    assert!(problems.is_empty(), "UPDATE_GOLDEN=1 rewrites the files.\n{}", problems.join("\n"));
}

/// Every piece of an example is mapped, kept or dropped, once.
#[test]
fn examples_account_for_every_piece() {
    let packages = Packages::embedded().unwrap();
    for (name, example) in examples().into_iter().filter(|(_, example)| !is_record(example)) {
        let (package, bytes) = (packages.named(&name).unwrap(), || fs::read(&example).unwrap());
        let context = Context::default();
        let (loss, mut pieces): (_, Vec<String>) = match package.format() {
            "ccda" => {
                let document = Document::parse(&bytes(), &cda::Limits::default()).unwrap();
                let pieces = (0..document.leaves()).map(|leaf| document.leaf_path(leaf)).collect();
                (package.map_cda(&document, &context).loss(), pieces)
            }
            "hl7v2" => {
                let message = Message::parse(&bytes()).unwrap().message;
                let leaves = message.segments().flat_map(|segment| segment.leaves().map(|leaf| leaf.place.to_string()));
                (package.map(&message, &context).loss(), leaves.collect())
            }
            _ => continue,
        };
        let mut said: Vec<&String> =
            loss.mapped.iter().chain(&loss.kept).chain(&loss.dropped).map(|(at, _)| at).collect();
        said.sort();
        pieces.sort();
        assert_eq!(said, pieces.iter().collect::<Vec<_>>(), "{}", example.display());
    }
}

/// FHIR that never was a document.
fn is_record(example: &Path) -> bool {
    example.to_string_lossy().ends_with(".fhir.json")
}

/// Every leaf of a record is written or listed as dropped, once; names of resources are theirs alone.
#[test]
fn records_account_for_every_leaf() {
    fn leaves(json: &Json) -> usize {
        match json {
            Json::Object(object) => object.iter().map(|(_, value)| leaves(value)).sum(),
            Json::Array(items) => items.iter().map(leaves).sum(),
            _ => 1,
        }
    }
    let packages = Packages::embedded().unwrap();
    let mut records = 0;
    for (name, example) in examples().into_iter().filter(|(_, example)| is_record(example)) {
        records += 1;
        let record = parse(&fs::read(&example).unwrap(), &Limits::default()).unwrap();
        let (_, loss) = packages.named(&name).unwrap().write_cda_with_loss(&record, &mappers::RenderContext::default());
        let mut said: Vec<&String> = loss.mapped.iter().chain(&loss.dropped).map(|(at, _)| at).collect();
        let count = said.len();
        said.sort();
        said.dedup();
        assert_eq!(said.len(), count, "{}", example.display());
        let members = record.items("entry").iter().filter_map(|entry| entry.get("resource")?.as_object());
        let own = members.flat_map(|resource| resource.iter());
        let asked = own.filter(|(name, _)| !matches!(*name, "resourceType" | "id" | "meta"));
        // A Composition that is made for a record without one says what is its own.
        let made = said.iter().filter(|at| at.starts_with("Composition/#")).count();
        assert_eq!(count - made, asked.map(|(_, value)| leaves(value)).sum::<usize>(), "{}", example.display());
    }
    assert!(records > 1);
}

/// Every cell with a value of an example is mapped, kept or dropped, once.
#[test]
fn flat_examples_account_for_every_cell() {
    let packages = Packages::embedded().unwrap();
    let files = Packages::embedded_files();
    for package in packages.iter().filter(|package| package.format() == mappers::flat::FORMAT) {
        for (case, example) in mappers::flat::cases(package.name(), &files) {
            let converted = package.convert_flat(&example, &Context::default(), true).unwrap();
            let loss = converted.loss;
            let mut said: Vec<&String> =
                loss.mapped.iter().chain(&loss.kept).chain(&loss.dropped).map(|(at, _)| at).collect();
            let count = said.len();
            said.sort();
            said.dedup();
            assert_eq!(said.len(), count, "{}/{case}", package.name());
            let mut cells = 0;
            for file in &example {
                let found = package
                    .flat_tables()
                    .into_iter()
                    .find(|table| example.len() == 1 || (table.names_files() && table.takes_file(file.name)));
                let table = found.unwrap();
                let mut reader = formats::flat::Reader::new(table.dialect().clone());
                reader.push(file.bytes);
                reader.finish();
                let mut rows = formats::flat::Rows::default();
                reader.read(&mut rows, usize::MAX);
                let header = usize::from(table.has_header());
                cells += rows
                    .iter()
                    .skip(header)
                    .flat_map(|row| row.cells().map(str::to_owned).collect::<Vec<_>>())
                    .filter(|cell| !cell.trim().is_empty())
                    .count();
            }
            assert_eq!(count, cells, "{}/{case}", package.name());
        }
    }
}
