//! Published examples are valid: no errors on any of them, also against their own guide.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use definitions::{Definitions, Package};
use model::json::{Json, Limits};

use super::corpus::root;
use super::{Options, Validator};
use crate::file;

const LIMITS: Limits = Limits { bytes: 1 << 30, depth: 128 };

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = Vec::new();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|end| end == "json" || end == "xml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Prints every error and gives how many files have one.
fn check(validator: &Validator, folder: &Path) -> (usize, usize) {
    let (mut all, mut bad) = (0, 0);
    for path in files(folder) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // Not a resource, or invalid as published: items without linkId, a code twice (csd-1).
        if matches!(
            &*name,
            "package.json" | "Questionnaire-qs1.json" | "codesystem-example.json" | "codesystem-example.xml"
        ) {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let report = file::file(validator, &name, &bytes, &LIMITS, &Options::default());
        all += 1;
        if !report.valid {
            bad += 1;
            for issue in report.issues.iter().filter(|issue| issue.is_error()).take(6) {
                eprintln!("{name}: {issue}");
            }
        }
    }
    eprintln!("{}: {bad} of {all} have errors", folder.display());
    (all, bad)
}

fn with(package: &str) -> Validator {
    let path = root().unwrap().join("definitions").join(package);
    Validator::of(Arc::new(Definitions::r4().with(vec![Package::read_file(&path).unwrap()])))
}

#[test]
fn validator_examples() {
    let Some(folder) = root() else {
        eprintln!("skipped: validator_examples: ANCHORLINE_CORPUS is not set");
        return;
    };
    let mut bad = 0;
    for set in ["r4", "us-core-6.1.0", "ips-2.0.0", "ipa", "r4-xml-json"] {
        bad += check(Validator::r4(), &folder.join("examples").join(set)).1;
    }
    bad += check(&with("hl7.fhir.us.core-6.1.0-definitions.tgz"), &folder.join("examples/us-core-6.1.0")).1;
    bad += check(&with("hl7.fhir.uv.ips-2.0.0-differentials.tgz"), &folder.join("examples/ips-2.0.0")).1;
    assert_eq!(bad, 0);
}

#[test]
fn validator_bundles() {
    let Some(folder) = root() else {
        eprintln!("skipped: validator_bundles: ANCHORLINE_CORPUS is not set");
        return;
    };
    let mut bad = 0;
    let us_core = with("hl7.fhir.us.core-6.1.0-definitions.tgz");
    for path in files(&folder.join("bundles")) {
        let (bundle, _) = file::read(&std::fs::read(&path).unwrap(), &LIMITS).unwrap();
        let resources: Vec<&Json> = bundle.items("entry").iter().filter_map(|entry| entry.get("resource")).collect();
        let validators = if path.to_string_lossy().contains("us-core") {
            vec![("base", Validator::r4()), ("us-core", &us_core)]
        } else {
            vec![("base", Validator::r4())]
        };
        for (name, validator) in validators {
            let mut lines = std::collections::BTreeMap::<String, usize>::new();
            for resource in &resources {
                for issue in validator.validate(resource, &Options::default()) {
                    if issue.is_error() {
                        *lines.entry(issue.to_string()).or_default() += 1;
                        bad += usize::from(name == "base");
                    }
                }
            }
            for (line, count) in lines.iter().take(8) {
                eprintln!("{} {name}: {count} x {line}", path.file_name().unwrap().to_string_lossy());
            }
        }
    }
    assert_eq!(bad, 0);
}
