use super::*;

const SET: &str = r#"{"resourceType":"ValueSet","url":"urn:own","compose":{"include":[{"system":"urn:ours","concept":[{"code":"A"}]}]}}"#;
const TABLE: &str = "system,match,code,label,source\nurn:ours,code,B,HIV,ours\n";

/// A folder with these files, and what loading the entries says.
fn with(files: &[(&str, &str)], entries: &[&str]) -> Result<SensitivityMap, String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let named: Vec<Named> = entries.iter().map(|entry| Named::parse(entry, folder.path())).collect();
    load(&named).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        lines.join("\n").replace(&format!("{}/", folder.path().display()), "")
    })
}

#[test]
fn own_files_are_added_to_the_map_that_comes_with_the_gateway() {
    let seed = load(&[]).unwrap();
    let map =
        with(&[("psy.json", SET), ("sets/own.csv", TABLE), ("sets/README", "x")], &["PSY=psy.json", "sets"]).unwrap();
    assert_eq!(map.len(), seed.len() + 2);
    assert_ne!(map.version(), seed.version());
    assert_eq!(map.parts().skip(seed.parts().count()).collect::<Vec<_>>(), ["psy.json", "own.csv"]);
    let described = described(&map);
    assert_eq!(described.get("version").and_then(Json::as_str), Some(map.version().as_str()));
    assert!(described.to_text().contains("http://loinc.org"));
}

#[test]
fn everything_that_is_wrong_is_said_with_its_file_and_place() {
    #[track_caller]
    fn check(files: &[(&str, &str)], entries: &[&str], says: &str) {
        assert_eq!(with(files, entries).unwrap_err(), says);
    }
    check(&[("a.csv", "x")], &["a.csv"], "a.csv: line 1: expected the header system,match,code,label,source");
    check(&[("a.txt", TABLE)], &["a.txt"], "a.txt: expected a file that ends in .csv or .json");
    check(
        &[("a.csv", TABLE)],
        &["HIV=a.csv"],
        "a.csv: a table says itself which label a code brings; leave LABEL= out",
    );
    check(&[("d/x.txt", "")], &["d"], "d: expected files that end in .csv or .json");
    check(&[], &["none.json"], "none.json: No such file or directory (os error 2)");
    check(&[("a.json", SET)], &["AIDS=a.json"], "a.json: useContext: expected a sensitivity code of v3 ActCode");
    let filter = SET.replace(r#""concept":[{"code":"A"}]"#, r#""filter":[{}]"#);
    let found = with(&[("a.json", &filter), ("b.json", "{")], &["PSY=a.json", "PSY=b.json"]).unwrap_err();
    let lines: Vec<&str> = found.lines().collect();
    assert!(lines[0].starts_with("a.json: compose.include[0].filter: expected "), "{found}");
    assert!(lines[1].starts_with("b.json: "), "{found}");
}

#[test]
fn a_path_with_an_equals_sign_is_a_path() {
    assert_eq!(Named::parse("sets/a=b.json", Path::new("/x")).path, Path::new("/x/sets/a=b.json"));
    assert_eq!(
        Named::parse("PSY=a=b.json", Path::new("/x")),
        Named { label: Some("PSY".into()), path: "/x/a=b.json".into() }
    );
}
