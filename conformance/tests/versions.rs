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
