//! From R4 to another version and back: the same again, or the difference stands in the loss account.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may stop with a message, and says what it skips")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use model::canonical;
use model::json::{Json, Limits, parse};
use versions::{Options, Version, convert};

fn corpus(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("ANCHORLINE_CORPUS")?;
    let path = Path::new(&root).join(folder);
    assert!(path.is_dir(), "ANCHORLINE_CORPUS is set, but {} is not there", path.display());
    Some(path)
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|end| end == "json") {
            found.push(path);
        }
    }
}

fn resources(folder: &Path) -> Vec<(PathBuf, Json)> {
    let mut found = Vec::new();
    files(folder, &mut found);
    let read = |path: PathBuf| {
        let resource = parse(&std::fs::read(&path).unwrap(), &Limits::default()).ok()?;
        resource.get("resourceType").is_some().then_some((path, resource))
    };
    found.into_iter().filter_map(read).collect()
}

/// Where two trees differ first.
fn difference(left: &Json, right: &Json, at: &str) -> Option<String> {
    match (left, right) {
        (Json::Object(a), Json::Object(b)) => {
            let of = |name: &str, value: &Json| match b.get(name) {
                Some(other) => difference(value, other, &format!("{at}.{name}")),
                None => Some(format!("{at}.{name} is gone")),
            };
            a.iter().find_map(|(name, value)| of(name, value)).or_else(|| {
                b.iter().find(|(name, _)| !a.contains_key(name)).map(|(name, _)| format!("{at}.{name} came"))
            })
        }
        (Json::Array(a), Json::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(index, (a, b))| difference(a, b, &format!("{at}[{index}]")))
        }
        (Json::Array(a), Json::Array(b)) => Some(format!("{at} has {} items, then {}", a.len(), b.len())),
        (a, b) => (a != b).then(|| format!("{at} is another value")),
    }
}

/// How many come back as they were, and what differs of the others.
fn round(other: Version, resources: &[(PathBuf, Json)]) -> (usize, usize, Vec<String>) {
    let (mut same, mut listed, mut broken) = (0, 0, Vec::new());
    for (path, resource) in resources {
        let there = convert(resource, Version::R4, other, &Options { account: true }).unwrap();
        let back = convert(&there.resource, other, Version::R4, &Options { account: true }).unwrap();
        if canonical::bytes(resource) == canonical::bytes(&back.resource) {
            same += 1;
        } else if is_odd(path) || !there.loss.dropped.is_empty() || !back.loss.dropped.is_empty() {
            listed += 1;
        } else {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            broken.push(format!("{name}: {}", difference(resource, &back.resource, "").unwrap_or_default()));
        }
    }
    (same, listed, broken)
}

/// Examples that come back otherwise for a reason of their own.
const ODD: [(&str, &str); 1] =
    [("DeviceUseStatement-example.json", "refers to a Procedure where R4 does not allow it: kept in an extension")];

fn is_odd(path: &Path) -> bool {
    ODD.iter().any(|(odd, _)| path.file_name().is_some_and(|name| name.eq_ignore_ascii_case(odd)))
}

fn check(other: Version) {
    let Some(folder) = corpus("fhir-r4/examples") else {
        println!("skipped: R4 to {other} and back needs ANCHORLINE_CORPUS");
        return;
    };
    let resources = resources(&folder);
    assert!(resources.len() > 100, "expected the examples of R4");
    let (same, listed, broken) = round(other, &resources);
    println!("R4 to {other} and back: {} resources, {same} the same, {listed} with a listed loss", resources.len());
    assert!(broken.is_empty(), "{} differ:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn r4_comes_back_from_r4b() {
    check(Version::R4b);
}

#[test]
fn r4_comes_back_from_r5() {
    check(Version::R5);
}

#[test]
fn r4_comes_back_from_stu3() {
    check(Version::Stu3);
}

#[test]
fn every_piece_is_accounted_for() {
    let Some(folder) = corpus("fhir-r4/examples") else {
        println!("skipped: the account of R4 examples needs ANCHORLINE_CORPUS");
        return;
    };
    let mut wrong = BTreeMap::new();
    for (path, resource) in resources(&folder) {
        for other in [Version::Stu3, Version::R4b, Version::R5] {
            let converted = convert(&resource, Version::R4, other, &Options { account: true }).unwrap();
            let pieces = leaves(&resource);
            if converted.loss.total() != pieces {
                wrong.insert(path.clone(), (other, pieces, converted.loss.total()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of the resources: {:#?}", wrong.len(), wrong.iter().take(10).collect::<Vec<_>>());
}

fn leaves(value: &Json) -> usize {
    match value {
        Json::Null => 0,
        Json::Array(items) => items.iter().map(leaves).sum(),
        Json::Object(object) => object.iter().map(|(_, value)| leaves(value)).sum(),
        _ => 1,
    }
}
