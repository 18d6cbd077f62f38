use super::*;
use crate::package::tests::tgz;

fn ids(list: &[(&str, &str)]) -> Vec<Dependency> {
    let list = list.iter();
    list.map(|(name, version)| Dependency { name: (*name).to_owned(), version: (*version).to_owned() }).collect()
}

/// A package of one value set.
fn archive(name: &str, version: &str, dependencies: &str, text: &str) -> Vec<u8> {
    let manifest = format!(
        r#"{{"name":"{name}","version":"{version}","fhirVersions":["4.0.1"],"dependencies":{{{dependencies}}}}}"#
    );
    let definition =
        format!(r#"{{"resourceType":"ValueSet","url":"urn:{name}","version":"{version}","name":"{text}"}}"#);
    tgz(&[
        ("package/package.json", b'0', manifest.as_bytes()),
        ("package/ValueSet-a.json", b'0', definition.as_bytes()),
        ("package/other/notes.md", b'0', b"notes"),
    ])
}

fn cache(packages: &[(&str, &str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, version, dependencies) in packages {
        install(folder.path(), &archive(name, version, dependencies, "x"), Existing::Keep).unwrap();
    }
    folder
}

#[track_caller]
fn closes(packages: &[(&str, &str, &str)], name: &str, expect: &[&str], missing: &[&str]) {
    let folder = cache(packages);
    let found = closure(folder.path(), name).unwrap();
    let loaded: Vec<String> = found.packages.iter().map(|each| format!("{}#{}", each.name, each.version)).collect();
    assert_eq!(loaded, expect);
    let not: Vec<String> = found.missing.iter().map(|each| format!("{}#{}", each.name, each.version)).collect();
    assert_eq!(not, missing);
}

#[track_caller]
fn chooses(wish: &str, expect: Option<&str>) {
    let all = ids(&[
        ("a", "1.9.0"),
        ("a", "1.10.0"),
        ("a", "2.0.0-ballot"),
        ("a", "2.1.0-snapshot1"),
        ("a", "current"),
        ("b", "3.0.0"),
    ]);
    let found = version::choose(&all, &Dependency { name: "a".to_owned(), version: wish.to_owned() });
    assert_eq!(found.map(|each| each.version.as_str()), expect, "{wish}");
}

#[test]
fn versions_are_chosen_among_the_installed() {
    chooses("1.9.0", Some("1.9.0"));
    chooses("latest", Some("1.10.0"));
    chooses("1.x", Some("1.10.0"));
    chooses("1.9.x", Some("1.9.0"));
    chooses("1.9", Some("1.9.0"));
    chooses("1", Some("1.10.0"));
    chooses("1.*", Some("1.10.0"));
    chooses("2.0.x", Some("2.0.0-ballot"));
    chooses("current", Some("current"));
    chooses("current$branch", Some("current"));
    chooses("dev", Some("1.10.0"));
    chooses("^1.2.0", Some("1.10.0"));
    chooses("~1.9.3", Some("1.9.0"));
    chooses("1.1", None);
    chooses("4.x", None);
}

#[test]
fn dependencies_come_first_and_once() {
    let packages = [
        ("org.app", "1.0.0", r#""org.base":"2.x","org.tools":"1.0.0","hl7.fhir.r4.core":"4.0.1""#),
        ("org.tools", "1.0.0", r#""org.base":"1.0.0","org.gone":"0.1.x""#),
        ("org.base", "1.0.0", ""),
        ("org.base", "2.3.0", ""),
    ];
    closes(
        &packages,
        "org.app#1.0.0",
        &["org.base#1.0.0", "org.base#2.3.0", "org.tools#1.0.0", "org.app#1.0.0"],
        &["org.gone#0.1.x"],
    );
}

#[test]
fn packages_that_build_on_each_other_end() {
    let packages = [("org.a", "1.0.0", r#""org.b":"1.0.0""#), ("org.b", "1.0.0", r#""org.a":"1.0.0""#)];
    closes(&packages, "org.a", &["org.b#1.0.0", "org.a#1.0.0"], &[]);
}

#[test]
fn short_names_are_ends_of_ids() {
    let packages = [
        ("hl7.fhir.us.core", "5.0.0", ""),
        ("hl7.fhir.us.core", "6.1.0", ""),
        ("hl7.fhir.uv.ips", "2.0.0", ""),
        ("hl7.fhir.uv.extensions.r4", "5.1.0", ""),
    ];
    closes(&packages, "us-core", &["hl7.fhir.us.core#6.1.0"], &[]);
    closes(&packages, "us-core#5.0.0", &["hl7.fhir.us.core#5.0.0"], &[]);
    closes(&packages, "ips", &["hl7.fhir.uv.ips#2.0.0"], &[]);
    closes(&packages, "extensions", &["hl7.fhir.uv.extensions.r4#5.1.0"], &[]);
    closes(&packages, "hl7.fhir.r4.core#4.0.1", &[], &[]);
    let folder = cache(&packages);
    for name in ["core2", "ore", "us-core#7", "hl7.fhir.eu.core"] {
        assert!(matches!(closure(folder.path(), name), Err(PackageError::NotInstalled { .. })), "{name}");
    }
    install(folder.path(), &archive("hl7.fhir.eu.core", "1.0.0", "", "x"), Existing::Keep).unwrap();
    assert!(matches!(closure(folder.path(), "core"), Err(PackageError::Ambiguous { .. })));
}

#[test]
fn folder_that_is_not_there_has_nothing() {
    let gone = std::path::Path::new("/nonexistent/packages");
    assert!(installed(gone).unwrap().is_empty());
    assert!(matches!(closure(gone, "us-core"), Err(PackageError::NotInstalled { .. })));
}

#[test]
fn installing_again_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = archive("org.a", "1.0.0", "", "x");
    let first = install(folder.path(), &bytes, Existing::Keep).unwrap();
    assert_eq!((first.outcome, first.definitions), (Outcome::Added, 1));
    assert!(first.path.join("package/other/notes.md").is_file());
    assert_eq!(install(folder.path(), &bytes, Existing::Keep).unwrap().outcome, Outcome::Unchanged);
    let other = archive("org.a", "1.0.0", "", "y");
    assert!(matches!(install(folder.path(), &other, Existing::Keep), Err(PackageError::Exists { .. })));
    assert_eq!(install(folder.path(), &other, Existing::Replace).unwrap().outcome, Outcome::Replaced);
    let found = closure(folder.path(), "org.a").unwrap();
    let set = crate::Definitions::r4().with(found.packages);
    assert_eq!(set.find(None, "urn:org.a").unwrap().text_at(&["name"]), Some("y"));
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["org.a#1.0.0"]);
}

#[test]
fn names_that_are_no_folders_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (name, version) in [("..", "1"), ("a/b", "1"), ("a#b", "1"), ("", "1"), ("a", ""), ("a", "../1"), ("a", "1#2")]
    {
        let refused = install(folder.path(), &archive(name, version, "", "x"), Existing::Keep);
        assert!(matches!(refused, Err(PackageError::Content { .. })), "{name}#{version}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn index_that_is_not_of_the_folder_is_not_believed() {
    let folder = cache(&[("org.a", "1.0.0", "")]);
    let inside = folder.path().join("org.a#1.0.0/package");
    std::fs::write(inside.join("ValueSet-b.json"), r#"{"resourceType":"ValueSet","url":"urn:b"}"#).unwrap();
    let package = Package::read_dir(&folder.path().join("org.a#1.0.0")).unwrap();
    assert_eq!(package.iter().map(|(_, url, _)| url).collect::<Vec<_>>(), ["urn:org.a", "urn:b"]);
}

#[test]
fn guide_says_what_an_archive_without_manifest_is() {
    let guide =
        br#"{"resourceType":"ImplementationGuide","url":"http://example.org/guide/ImplementationGuide/org.guide",
        "packageId":"org.guide","version":"2.0.0","fhirVersion":["4.0.1"],
        "dependsOn":[{"packageId":"org.base","version":"1.x"},{"uri":"urn:x"}]}"#;
    let bytes = tgz(&[("package/ImplementationGuide-org.guide.json", b'0', guide)]);
    let folder = cache(&[("org.base", "1.2.0", "")]);
    let added = install(folder.path(), &bytes, Existing::Keep).unwrap();
    assert_eq!((added.name.as_str(), added.version.as_str()), ("org.guide", "2.0.0"));
    assert_eq!(install(folder.path(), &bytes, Existing::Keep).unwrap().outcome, Outcome::Unchanged);
    let found = closure(folder.path(), "guide").unwrap();
    let names: Vec<&str> = found.packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(names, ["org.base", "org.guide"]);
    assert_eq!(found.packages[1].canonical.as_deref(), Some("http://example.org/guide"));
}

#[test]
fn packages_for_another_fhir_are_left_out() {
    let folder = cache(&[("org.app", "1.0.0", r#""org.r5":"1.0.0""#)]);
    let manifest = br#"{"name":"org.r5","version":"1.0.0","fhirVersions":["5.0.0"]}"#;
    install(folder.path(), &tgz(&[("package/package.json", b'0', manifest)]), Existing::Keep).unwrap();
    let found = closure(folder.path(), "org.app").unwrap();
    assert_eq!((found.packages.len(), found.missing.len()), (1, 1));
    let error = closure(folder.path(), "org.r5").unwrap_err();
    assert_eq!(error.to_string(), "org.r5 is for FHIR 5.0.0, not R4 (4.0.1)");
}
