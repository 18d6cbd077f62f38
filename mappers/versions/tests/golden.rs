//! Invented examples of each version and the R4 they become. `UPDATE_GOLDEN=1` rewrites what is expected.
#![expect(clippy::unwrap_used, reason = "a test may stop with a message")]

use std::path::{Path, PathBuf};

use model::json::{Json, Limits, parse};
use versions::{Options, Version, convert, detect};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn examples() -> Vec<(String, Version, Json)> {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(folder("examples")).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let version = Version::parse(&format!("fhir-{}", name.split('-').next().unwrap_or_default())).unwrap();
        (name, version, parse(&std::fs::read(&path).unwrap(), &Limits::default()).unwrap())
    };
    found.into_iter().map(read).collect()
}

#[test]
fn examples_of_each_version_become_the_expected_r4() {
    for (name, version, resource) in examples() {
        let converted = convert(&resource, version, Version::R4, &Options { account: true }).unwrap();
        let result = format!("{}\n", converted.resource.pretty());
        let path = folder("expected").join(format!("{name}.json"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::create_dir_all(folder("expected")).unwrap();
            std::fs::write(&path, &result).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap();
        assert_eq!(result, expected, "{name}");
        assert!(converted.loss.dropped.iter().all(|entry| !entry.to.is_empty()), "{name}");
    }
}

#[test]
fn examples_of_each_version_are_told_apart() {
    for (name, version, resource) in examples() {
        let detected = detect(&resource);
        assert!(detected.candidates.contains(&version), "{name}: {detected:?}");
    }
}

#[test]
fn examples_come_back_from_r4() {
    for (name, version, resource) in examples() {
        if version == Version::Dstu2 {
            continue;
        }
        let there = convert(&resource, version, Version::R4, &Options::default()).unwrap();
        let back = convert(&there.resource, Version::R4, version, &Options::default()).unwrap();
        let kinds = |resource: &Json| {
            // Of the two types that became ServiceRequest the way back takes ProcedureRequest.
            let kind = |each: &Json| {
                each.text_at(&["resourceType"]).map(|kind| kind.replace("ReferralRequest", "ProcedureRequest"))
            };
            let entries: Vec<_> =
                resource.items("entry").iter().filter_map(|entry| entry.get("resource")).map(kind).collect();
            (kind(resource), entries)
        };
        assert_eq!(kinds(&back.resource), kinds(&resource), "{name}");
    }
}
