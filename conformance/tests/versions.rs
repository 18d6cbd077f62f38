//! What becomes of resources of other versions is valid R4.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may stop with a message, and says what it skips")]

use std::path::{Path, PathBuf};

use conformance::validate::{Options, Validator};
use model::json::{Json, Limits, parse};
use model::outcome::Issue;
use versions::{Version, convert};

fn errors(resource: &Json) -> Vec<String> {
    let issues = Validator::r4().validate(resource, &Options::default());
    issues.iter().filter(|issue| issue.is_error()).map(Issue::to_string).collect()
}

fn to_r4(bytes: &[u8], from: Version) -> Json {
    let resource = parse(bytes, &Limits::default()).unwrap();
    convert(&resource, from, Version::R4, &versions::Options::default()).unwrap().resource
}

#[test]
fn samples_of_stu3_become_valid_r4() {
    let Some(root) = std::env::var_os("ANCHORLINE_CORPUS") else {
        println!("skipped: samples of STU3 need ANCHORLINE_CORPUS");
        return;
    };
    let mut files: Vec<PathBuf> = Vec::new();
    for set in std::fs::read_dir(Path::new(&root).join("fhir-stu3")).unwrap() {
        files.extend(std::fs::read_dir(set.unwrap().path()).unwrap().map(|file| file.unwrap().path()));
    }
    files.retain(|path| path.to_string_lossy().ends_with(".stu3.json"));
    files.sort();
    assert!(files.len() >= 49, "expected the samples of STU3");
    let mut wrong = Vec::new();
    for path in &files {
        let found = errors(&to_r4(&std::fs::read(path).unwrap(), Version::Stu3));
        wrong.extend(found.into_iter().map(|error| format!("{}: {error}", path.display())));
    }
    println!("{} samples of STU3, {} errors", files.len(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn examples_of_each_version_become_valid_r4() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mappers/versions/tests/examples");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let version = Version::parse(&format!("fhir-{}", name.split('-').next().unwrap_or_default())).unwrap();
        let found = errors(&to_r4(&std::fs::read(&path).unwrap(), version));
        assert!(found.is_empty(), "{name}: {}", found.join("\n"));
    }
}

/// What the mapping packages make, by their tables' names: `PID-Patient`, `PatientRole-Patient`.
fn made_by_packages() -> std::collections::BTreeSet<String> {
    let files = mappers::Packages::embedded_files();
    let tables = files.keys().filter_map(|path| {
        let mut parts = path.split('/').skip(1);
        let level = parts.next().filter(|level| matches!(*level, "templates" | "segments"))?;
        let stem = parts.next()?.strip_suffix(".csv")?;
        let (_, target) = stem.split_once('-')?;
        // `Patient.contact` is a part of a resource, `Organization@payor` one of several.
        let name = target.split(['@', '.', '-']).next().unwrap_or_default();
        (!level.is_empty() && name.starts_with(char::is_uppercase) && name != "None").then(|| name.to_owned())
    });
    tables.collect()
}

#[test]
fn what_packages_make_has_a_type_in_every_version() {
    let made = made_by_packages();
    assert!(made.len() > 35 && made.contains("Patient") && made.contains("Observation"), "{made:?}");
    let mut without = Vec::new();
    for name in &made {
        let resource = Json::object([("resourceType", Json::from(name.as_str())), ("id", Json::from("a"))]);
        for to in [Version::Stu3, Version::R4b, Version::R5] {
            // A table of a part of a resource is named alike: `Timing` is no type to convert.
            let Ok(there) = convert(&resource, Version::R4, to, &versions::Options::default()) else { continue };
            let there = there.resource;
            if name != "Basic" && there.text_at(&["resourceType"]) == Some("Basic") {
                without.push(format!("{name} in {to}"));
            }
        }
    }
    // docs/fhir-versions.md, "Limits".
    assert_eq!(without, ["Media in R5"]);
}

#[test]
fn examples_of_r4_stay_valid_there_and_back() {
    let Some(root) = std::env::var_os("ANCHORLINE_CORPUS") else {
        println!("skipped: examples of R4 need ANCHORLINE_CORPUS");
        return;
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(Path::new(&root).join("fhir-r4/examples/r4"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        // Large ones say nothing that small ones do not.
        .filter(|path| path.metadata().is_ok_and(|about| about.len() < 20_000))
        .collect();
    files.sort();
    assert!(files.len() > 50, "expected the examples of R4, found {}", files.len());
    let (mut tried, mut wrong) = (0, Vec::new());
    for path in files.iter().step_by(3) {
        let resource = parse(&std::fs::read(path).unwrap(), &Limits::default()).unwrap();
        if !errors(&resource).is_empty() {
            continue;
        }
        tried += 1;
        for other in [Version::Stu3, Version::R4b, Version::R5] {
            let options = versions::Options::default();
            let there = convert(&resource, Version::R4, other, &options).unwrap().resource;
            let back = convert(&there, other, Version::R4, &options).unwrap().resource;
            wrong.extend(errors(&back).into_iter().map(|error| format!("{} by {other}: {error}", path.display())));
        }
    }
    println!("{tried} examples of R4 by three versions, {} errors", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
