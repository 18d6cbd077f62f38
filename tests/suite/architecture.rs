//! The rules of ARCHITECTURE.md that a compiler does not guard: who may import whom, which crate may name which heavy
//! package, which features and packages stay out of the build.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Crate, then the crates of ours it may name. A new edge changes this table, ARCHITECTURE.md and the code together.
const EDGES: &[(&str, &[&str])] = &[
    ("formats", &[]),
    ("ledger", &[]),
    ("auth", &[]),
    ("model", &[]),
    ("typed", &["model"]),
    ("search", &["model"]),
    ("mappers", &["model", "formats"]),
    ("consent", &["model"]),
    ("definitions", &["model"]),
    ("fhirpath", &["model"]),
    ("terminology", &["model"]),
    ("conformance", &["model", "mappers", "formats", "definitions", "fhirpath", "terminology"]),
    ("suites", &["model", "formats", "fhirpath", "consent", "ledger", "conformance"]),
    ("store", &["model", "ledger"]),
    (
        "gateway",
        &[
            "model",
            "typed",
            "formats",
            "mappers",
            "ledger",
            "definitions",
            "fhirpath",
            "terminology",
            "conformance",
            "suites",
            "auth",
            "consent",
            "search",
            "store",
        ],
    ),
    (
        "tests",
        &[
            "model",
            "typed",
            "formats",
            "mappers",
            "ledger",
            "definitions",
            "fhirpath",
            "terminology",
            "conformance",
            "suites",
            "auth",
            "consent",
            "search",
            "store",
            "gateway",
        ],
    ),
];

/// Outside packages that isolate a cost or a risk, and the only crates that may name them.
const EXCLUSIVE: &[(&str, &[&str])] = &[
    ("fhir-sdk", &["typed"]),
    ("k256", &["ledger"]),
    ("sled", &["store"]),
    ("hyper", &["gateway", "suites", "tests"]),
    ("tower", &["gateway", "tests"]),
    ("tokio-rustls", &["gateway", "suites", "tests"]),
    ("rcgen", &["gateway", "tests"]),
];

/// Crates that do no input or output: no async runtime, no sockets.
const PURE: &[&str] = &[
    "formats",
    "ledger",
    "auth",
    "model",
    "typed",
    "search",
    "mappers",
    "consent",
    "definitions",
    "fhirpath",
    "terminology",
    "conformance",
];

/// Packages that must not be in the build at all, with the reason.
const BANNED: &[(&str, &str)] = &[
    ("aws-lc-rs", "ring is the one cryptographic provider of rustls here; two of them panic at run time"),
    ("openssl-sys", "no C library is needed to build"),
    ("reqwest", "hyper is the client"),
    ("axum", "FHIR routes are regular; api/router matches them"),
    ("hl7-parser", "loses the rest of a message and panics on escapes"),
    ("rust-hl7", "panics on escapes and prints fields"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_path_buf()
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--all-features"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
}

/// Name of each workspace crate, with its dependencies by name; development dependencies apart.
fn members(metadata: &Value) -> BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> {
    let ids: BTreeSet<&str> =
        metadata["workspace_members"].as_array().unwrap().iter().flat_map(Value::as_str).collect();
    let mut members = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        if !ids.contains(package["id"].as_str().unwrap()) {
            continue;
        }
        let (mut normal, mut development) = (BTreeSet::new(), BTreeSet::new());
        for dependency in package["dependencies"].as_array().unwrap() {
            let name = dependency["name"].as_str().unwrap().to_owned();
            if dependency["kind"] == "dev" {
                development.insert(name);
            } else {
                normal.insert(name);
            }
        }
        members.insert(package["name"].as_str().unwrap().to_owned(), (normal, development));
    }
    members
}

#[test]
fn dependencies_point_one_way() {
    let members = members(&metadata());
    let allowed: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    let ours: BTreeSet<&str> = allowed.keys().copied().collect();
    assert_eq!(members.keys().map(String::as_str).collect::<BTreeSet<_>>(), ours, "every crate stands in the table");
    for (name, (normal, development)) in &members {
        for dependency in normal.iter().filter(|dependency| ours.contains(dependency.as_str())) {
            assert!(allowed[name.as_str()].contains(&dependency.as_str()), "{name} must not depend on {dependency}");
        }
        for dependency in development.iter().filter(|dependency| ours.contains(dependency.as_str())) {
            let upward = EDGES.iter().any(|(other, edges)| other == dependency && edges.contains(&name.as_str()));
            assert!(!upward, "the tests of {name} must not depend on {dependency}, which stands above it");
        }
    }
}

#[test]
fn heavy_packages_have_one_home() {
    for (name, (normal, _)) in members(&metadata()) {
        for (package, homes) in EXCLUSIVE {
            assert!(!normal.contains(*package) || homes.contains(&name.as_str()), "{name} must not name {package}");
        }
        if PURE.contains(&name.as_str()) {
            assert!(!normal.contains("tokio"), "{name} does no input or output");
        }
    }
}

#[test]
fn banned_packages_stay_out_of_the_build() {
    let metadata = metadata();
    let resolved: BTreeSet<&str> =
        metadata["packages"].as_array().unwrap().iter().filter_map(|package| package["name"].as_str()).collect();
    for (package, reason) in BANNED {
        assert!(!resolved.contains(package), "{package} is in the build: {reason}");
    }
}

/// With this feature fhir-sdk loses decimals and choice elements in silence, and features unify over a whole build.
#[test]
fn serde_json_keeps_arbitrary_precision_off() {
    let metadata = metadata();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let mut seen = false;
    for node in nodes {
        if !node["id"].as_str().unwrap().contains("#serde_json@") {
            continue;
        }
        seen = true;
        let features: Vec<&str> = node["features"].as_array().unwrap().iter().flat_map(Value::as_str).collect();
        assert!(!features.contains(&"arbitrary_precision"), "arbitrary_precision is on: {features:?}");
    }
    assert!(seen, "serde_json is in the build");
}

#[test]
fn every_dependency_has_a_licence_we_can_ship() {
    const FIT: &[&str] = &[
        "MIT",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "Zlib",
        "Unlicense",
        "CC0-1.0",
        "Unicode-3.0",
        "0BSD",
        "BSL-1.0",
        "CDLA-Permissive-2.0",
        "MIT-0",
    ];
    for package in metadata()["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let Some(licence) = package["license"].as_str() else {
            panic!("{name} names no licence");
        };
        // An SPDX expression: one alternative of every conjunct must fit.
        let fits = licence.replace(['(', ')'], " ").split(" AND ").all(|part| {
            part.split(" OR ")
                .flat_map(|one| one.split('/'))
                .any(|one| FIT.contains(&one.split(" WITH ").next().unwrap_or_default().trim()))
        });
        assert!(fits, "{name}: {licence}");
    }
}

#[test]
fn unsafe_code_is_forbidden_everywhere() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"forbid\""));
    for package in metadata()["packages"].as_array().unwrap() {
        let path = Path::new(package["manifest_path"].as_str().unwrap());
        if path.starts_with(root()) {
            let text = std::fs::read_to_string(path).unwrap();
            assert!(text.contains("[lints]\nworkspace = true"), "{} takes the workspace's lints", path.display());
        }
    }
}

/// Mapping packages are data: adding a vendor adds a folder and edits no Rust.
#[test]
fn packages_hold_no_code() {
    let mut folders = vec![root().join("mappers/packages")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                assert!(!name.ends_with(".rs") && name != "Cargo.toml", "{}", path.display());
            }
        }
    }
}
