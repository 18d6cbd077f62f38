use model::json::{Json, Limits, parse};

use super::*;

fn value_set(url: &str, version: &str, name: &str) -> Json {
    let text = format!(r#"{{"resourceType":"ValueSet","url":"{url}","version":"{version}","name":"{name}"}}"#);
    parse(text.as_bytes(), &Limits::default()).unwrap()
}

fn set() -> Definitions {
    let first = Package::from_resources(vec![
        value_set("urn:a", "1.9.0", "a1.9.0"),
        value_set("urn:a", "1.10.0", "a1.10.0"),
        value_set("urn:b", "3", "b3"),
    ]);
    let second = Package::from_resources(vec![value_set("urn:a", "1.2.0", "later")]);
    Definitions::r4().with(vec![first, second])
}

#[track_caller]
fn check(canonical: &str, expect: Option<&str>) {
    let found = set().find(Some("ValueSet"), canonical);
    assert_eq!(found.as_deref().and_then(|json| json.text_at(&["name"])), expect);
}

#[test]
fn later_package_counts_without_version() {
    check("urn:a", Some("later"));
    check("urn:b", Some("b3"));
}

#[test]
fn version_finds_its_own_in_any_package() {
    check("urn:a|1.9.0", Some("a1.9.0"));
    check("urn:a|1.2.0", Some("later"));
}

#[test]
fn part_of_a_version_finds_the_newest() {
    check("urn:a|1", Some("a1.10.0"));
    check("urn:a|1.1", None);
    check("urn:a|2", None);
}

#[test]
fn kind_decides() {
    assert!(set().find(Some("CodeSystem"), "urn:a").is_none());
    assert!(set().find(None, "urn:a").is_some());
}

#[test]
fn versions_are_ordered_by_number() {
    let mut versions = ["1.10.0", "1.9.0", "2.0.0-ballot", "2.0.0", "1.9"];
    versions.sort_by(|left, right| version_order(Some(left), Some(right)));
    assert_eq!(versions, ["1.9", "1.9.0", "1.10.0", "2.0.0-ballot", "2.0.0"]);
}

/// A package of the corpus; none without `ANCHORLINE_CORPUS`.
pub(crate) fn corpus(name: &str) -> Option<Package> {
    let Ok(corpus) = std::env::var("ANCHORLINE_CORPUS") else {
        eprintln!("skipped: ANCHORLINE_CORPUS is not set");
        return None;
    };
    let folder = std::path::Path::new(&corpus).join("fhir-r4/definitions");
    Some(Package::read_file(&folder.join(name)).unwrap())
}

#[test]
fn every_definition_of_r4_compiles() {
    let set = Definitions::r4();
    let mut compiled = 0;
    for (url, _) in set.iter("StructureDefinition") {
        match set.profile(url) {
            Ok(profile) => assert_eq!(profile.url, url),
            // Two examples in the core package have only a differential.
            Err(error) => assert_eq!(error.to_string(), "the StructureDefinition has no snapshot", "{url}"),
        }
        compiled += 1;
    }
    assert_eq!(compiled, 655);
    for name in ["Patient", "HumanName", "dateTime", "xhtml", "Element", "Resource", "Extension", "ElementDefinition"] {
        assert_eq!(set.base(name).unwrap().type_name, name);
    }
    assert!(set.base("SimpleQuantity").is_none());
}

#[test]
fn published_snapshots_compile() {
    let Some(package) = corpus("hl7.fhir.us.core-6.1.0-definitions.tgz") else { return };
    let set = Definitions::r4().with(vec![package]);
    for (url, _) in set.iter("StructureDefinition").filter(|(url, _)| url.contains("us/core")) {
        set.profile(url).unwrap_or_else(|error| panic!("{url}: {error}"));
    }
}

#[test]
fn supplements_are_found_by_what_they_add_to() {
    let text = br#"{"resourceType":"CodeSystem","url":"urn:s","content":"supplement","supplements":"urn:base|1.0"}"#;
    let set = Definitions::r4().with(vec![Package::read_bytes("s.json", text).unwrap()]);
    assert_eq!(set.supplements("urn:base").len(), 1);
    assert_eq!(set.supplements("urn:other").len(), 0);
    let of_r4 = Pack::r4().supplements().map(|(canonical, _)| canonical.to_owned()).collect::<Vec<_>>();
    assert_eq!(of_r4.len(), 1);
    assert_eq!(set.supplements(&of_r4[0]).len(), 1);
}

#[test]
fn profiles_of_packages_are_those_that_a_resource_may_claim() {
    let definition = |name: &str, more: &str| {
        format!(
            r#"{{"resourceType":"StructureDefinition","url":"urn:{name}","type":"Patient","kind":"resource","text":{{"div":"x"}}{more}}}"#
        )
    };
    let claimed = definition("b", r#","derivation":"constraint","abstract":false,"status":"draft""#);
    let others = [
        definition("abstract", r#","derivation":"constraint","abstract":true"#),
        definition("retired", r#","derivation":"constraint","status":"retired""#),
        definition("type", r#","derivation":"specialization""#),
        definition("extension", r#","derivation":"constraint""#).replace("\"resource\"", "\"complex-type\""),
        definition("set", r#","derivation":"constraint""#).replace("StructureDefinition", "ValueSet"),
        definition("a", r#","derivation":"constraint""#).replace("Patient", "Group"),
    ];
    let of_text: Vec<Package> =
        others.iter().map(|text| Package::read_bytes("x.json", text.as_bytes()).unwrap()).collect();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("b.json"), claimed).unwrap();
    let set = Definitions::r4().with(of_text.into_iter().chain([Package::read_file(folder.path()).unwrap()]).collect());
    let expected = [("Group", "urn:a"), ("Patient", "urn:b")];
    assert_eq!(set.profiles(), expected.map(|(of, url)| (of.to_owned(), url.to_owned())));
    assert_eq!(Definitions::r4().profiles(), []);
}
