//! The rules of ARCHITECTURE.md that a compiler does not guard: who may import whom, which crate may name which heavy
//! package, which features and packages stay out of the build.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Crate, then the crates of ours it may name. A new edge changes this table, ARCHITECTURE.md and the code together.
const EDGES: &[(&str, &[&str])] = &[
    ("xml", &[]),
    ("formats", &["xml"]),
    ("ledger", &[]),
    ("auth", &[]),
    ("model", &["xml"]),
    ("typed", &["model"]),
    ("search", &["model", "fhirpath"]),
    ("mappers", &["model", "formats"]),
    ("versions", &["model"]),
    ("consent", &["model"]),
    ("definitions", &["model"]),
    ("fhirpath", &["model"]),
    ("terminology", &["model"]),
    ("conformance", &["model", "mappers", "versions", "formats", "definitions", "fhirpath", "terminology"]),
    ("suites", &["model", "formats", "fhirpath", "consent", "ledger", "conformance"]),
    ("store", &["model", "ledger"]),
    (
        "gateway",
        &[
            "model",
            "typed",
            "formats",
            "mappers",
            "versions",
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
    "xml",
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

/// Files of the gateway that read what nobody has decided on yet, each with the reason. `store::Resources` cannot be used
/// without its name: a new way out either asks `api::release`, or is written into this table and looked at.
const READ_UNDECIDED: &[(&str, &str)] = &[
    ("api/ips.rs", "walks the index rows of a summary and names its author; content comes from Asking"),
    ("api/release.rs", "makes Released"),
    ("api/release/followed.rs", "looks what a Binary belongs to, and asks Asking about that"),
    ("api/release/held.rs", "hands out Held, which says where something is and not what"),
    ("api/release/placed.rs", "hands out Held by the rows of a summary"),
    ("api/release/recorded.rs", "looks whether there is a patient whose log could be looked at"),
    ("app.rs", "looks at start for the latest audit event, by whose time the clock is judged"),
    ("cli/args.rs", "the word in a help text"),
    ("egress/decide.rs", "makes Permitted for a destination"),
    ("emergency.rs", "grants and counts of searches"),
    ("emergency/declare.rs", "looks for the Patient of a declaration, and shows the birth year to compare"),
    ("emergency/find.rs", "finds a patient whatever the consents say, as decided for emergencies"),
    ("emergency/reviews.rs", "counts reviews that nobody has closed"),
    ("merges.rs", "links of records"),
    ("parameters.rs", "compiles the stored SearchParameters, which are about nobody"),
    ("patient/exchanges.rs", "exchanges of a patient's own record"),
    ("patient/filing.rs", "a patient's own Consents, to change them"),
    ("patient/names.rs", "names of the directory for a patient's own log"),
    ("patient/rows.rs", "a patient's own AuditEvents"),
    ("pipeline/merge.rs", "writes what a merge changes"),
    ("pipeline/rollback.rs", "looks whether an older Consent comes back"),
    ("pipeline/supersede.rs", "looks which version of a document of the same source is stored"),
    ("policies.rs", "reads the consents themselves"),
    ("sealing/audit.rs", "digests of audit events"),
];

/// Every file below `folder`, by its path in there, with its text; files of tests are left out.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") && !name.ends_with("tests.rs") && !name.contains("tests/") {
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// The words of a source text, comments left out.
fn words(text: &str) -> BTreeSet<&str> {
    let code = text.lines().filter_map(|line| line.split("//").next());
    code.flat_map(|line| line.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')).collect()
}

#[test]
fn what_nobody_decided_on_is_read_in_known_places_alone() {
    let sources = sources(&root().join("gateway/src"));
    assert!(sources.iter().any(|(name, _)| name == "api/fhir/read.rs"), "the sources are found");
    for (name, text) in &sources {
        let words = words(text);
        let reads = words.contains("Resources");
        let known = READ_UNDECIDED.iter().any(|(file, _)| file == name);
        assert!(!reads || known, "{name} names store::Resources: ask api::release, or say why in READ_UNDECIDED");
        // Handlers do not even hold a version: they hold Held and Released.
        let is_handler = name.starts_with("api/") && !name.starts_with("api/release") && name != "api/ips.rs";
        assert!(!is_handler || !words.contains("Stored"), "{name}: a handler holds a version that is not decided");
    }
}

#[test]
fn only_the_deciders_make_what_may_leave() {
    for (name, text) in sources(&root().join("gateway/src")) {
        let opens = text.contains(".into_inner()") && words(&text).contains("consent");
        let may_open = name == "api/release.rs" || name.starts_with("egress/");
        assert!(!opens || may_open, "{name} takes permitted content out of its proof");
        assert!(name == "api/release.rs" || !text.contains("Released {"), "{name} makes Released by hand");
    }
    let consent = std::fs::read_to_string(root().join("gateway/consent/src/filter.rs")).unwrap();
    assert!(consent.contains("pub struct Permitted<T>(T);"), "the content of Permitted is private");
}
