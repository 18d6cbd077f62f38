use super::*;

/// The files that come back, by table.
fn back(packages: &Packages, name: &str, bundle: &Json) -> (BTreeMap<String, String>, Vec<Issue>) {
    let rendered = packages.named(name).unwrap().render_flat(std::slice::from_ref(bundle));
    let text = |file: &Rendered| (file.table.clone(), String::from_utf8_lossy(&file.bytes).into_owned());
    assert!(rendered.unused.is_empty(), "{:?}", rendered.unused);
    (rendered.files.iter().map(text).collect(), rendered.issues)
}

#[track_caller]
fn comes_back(csv: &str) {
    let packages = load(&files()).expect("loads");
    let (bundle, ..) = map(&packages, "inn", csv);
    let (files, issues) = back(&packages, "inn", &bundle);
    assert_eq!(files["visits"], csv, "{}", bundle.pretty());
    assert!(issues.is_empty(), "{issues:?}");
}

#[test]
fn rows_come_back_as_they_were() {
    comes_back(&format!("{HEADER}7,Okafor,Ben,02/29/1988,M,06/14/2024,a;b,71.50,\n"));
    comes_back(&format!("{HEADER}7,Okafor,,,,,,70,\n8,,Lund,,F,,,65,\n"));
}

#[test]
fn what_was_kept_comes_back() {
    comes_back(&format!("{HEADER}7,Okafor,Ben,31.12.1988,?,,,70,see chart\n"));
    comes_back(&format!("{HEADER},Okafor,,,,,,,\n"));
}

#[test]
fn one_patient_in_two_rows_comes_back_in_two_rows() {
    comes_back(&format!("{HEADER}7,Okafor,Ben,,,06/14/2024,,70,\n7,Okafor,Ben,,,06/15/2024,,71,\n"));
}

#[test]
fn joined_files_come_back() {
    let packages = Packages::embedded().expect("loads");
    let all = Packages::embedded_files();
    let cases = cases("flat-harbor", &all);
    let package = packages.named("flat-harbor").unwrap();
    let converted = package.convert_flat(&cases["day"], &Context::default(), false).unwrap();
    let rendered = package.render_flat(std::slice::from_ref(&converted.bundle));
    let again: Vec<(String, Vec<u8>)> =
        rendered.files.iter().map(|file| (format!("{}.csv", file.table), file.bytes.clone())).collect();
    let again: Vec<File<'_>> = again.iter().map(|(name, bytes)| File { name, bytes }).collect();
    let second = package.convert_flat(&again, &Context::default(), false).unwrap();
    // Rows that belong to nobody are about their place in the file: nothing else may differ.
    let without = |bundle: &Json| {
        let mut entries: Vec<String> = model::bundle::resources(bundle)
            .filter(|resource| resource.text_at(&["resourceType"]) != Some("Basic"))
            .map(Json::to_text)
            .collect();
        entries.sort();
        entries
    };
    assert_eq!(without(&second.bundle), without(&converted.bundle));
}

/// Where each value of the resources went: `path -> cell` or `path: why not`.
fn account(packages: &Packages, name: &str, json: &str) -> (Vec<String>, RenderedFlat) {
    let json = model::json::parse(json.as_bytes(), &model::json::Limits::default()).expect("JSON");
    let held = Held::new(std::slice::from_ref(&json));
    let rendered = packages.named(name).unwrap().render_flat_held(&held, true);
    let mapped = rendered.loss.mapped.iter().map(|(at, to)| format!("{at} -> {to}"));
    let dropped = rendered.loss.dropped.iter().map(|(at, why)| format!("{at}: {why}"));
    (mapped.chain(dropped).collect(), rendered)
}

const GUESTS: &str = r#"{"resourceType":"Bundle","type":"collection","entry":[
 {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","id":"a","active":true,
  "identifier":[{"system":"urn:example:mrn","value":"7"}],"gender":"male","birthDate":"1988-02",
  "name":[{"use":"official","family":"Okafor","given":["Ben"],"prefix":["Dr"]}]}},
 {"resource":{"resourceType":"Observation","id":"o","status":"final","code":{"text":"weight"},
  "subject":{"reference":"urn:uuid:1"},"valueQuantity":{"value":71.5,"unit":"kg"}}},
 {"resource":{"resourceType":"Device","id":"d","status":"active"}}]}"#;

#[test]
fn what_has_no_column_is_accounted_for() {
    let (lines, rendered) = account(&load(&files()).expect("loads"), "inn", GUESTS);
    for expected in [
        "Patient/a#Patient.identifier[0].value -> 2,id",
        "Patient/a#Patient.name[0].family -> 2,last",
        "Patient/a#Patient.name[0].use -> 2",
        "Patient/a#Patient.name[0].given[0] -> 2,first",
        "Patient/a#Patient.gender -> 2,sex",
        "Observation/o#Observation.valueQuantity.value -> 2,weight",
        "Observation/o#Observation.subject.reference -> 2",
        "Patient/a#Patient.active: no column of the file says it",
        "Patient/a#Patient.name[0].prefix[0]: no column of the file says it",
        "Patient/a#Patient.birthDate: no column of the file says it",
        "Patient/a#Patient.id: an id is made anew of what tells the row apart",
        "Device/d#Device.status: the package writes no row of this resource",
    ] {
        let (path, _) = expected.split_once([' ', ':']).unwrap();
        let found: Vec<&String> = lines.iter().filter(|line| line.starts_with(path)).collect();
        assert!(lines.iter().any(|line| line == expected), "{expected}: {found:?}");
    }
    assert_eq!(rendered.unused, ["Device/d"]);
    let rule = |to: &str| rendered.explain.iter().find(|made| made.to == to).map(|made| made.from.clone());
    assert_eq!(rule("2,weight"), Some(vec!["Observation/o#Observation.valueQuantity.value".to_owned()]));
    // A date that the file's format cannot say is said too.
    assert!(rendered.issues.iter().any(|issue| issue.at.as_deref() == Some("visits,dob")), "{:?}", rendered.issues);
}

#[test]
fn every_value_of_joined_resources_has_an_end() {
    let packages = Packages::embedded().expect("loads");
    let all = Packages::embedded_files();
    let package = packages.named("flat-harbor").unwrap();
    let converted = package.convert_flat(&cases("flat-harbor", &all)["day"], &Context::default(), false).unwrap();
    let (lines, rendered) = account(&packages, "flat-harbor", &converted.bundle.to_text());
    let values: usize = model::bundle::resources(&converted.bundle).map(leaf_count).sum();
    assert_eq!((lines.len(), rendered.loss.total()), (values, values), "each value once");
    let lost: Vec<_> = rendered.loss.dropped.iter().filter(|(_, why)| !why.starts_with("an id")).collect();
    assert!(lost.is_empty(), "what came from the files goes back into them: {lost:?}");
    assert!(rendered.loss.mapped.iter().any(|(at, to)| at.contains("telecom") && to.starts_with("phones:")));
}

fn leaf_count(json: &Json) -> usize {
    match json {
        Json::Object(object) => {
            object.iter().filter(|(name, _)| *name != "resourceType").map(|(_, value)| leaf_count(value)).sum()
        }
        Json::Array(items) => items.iter().map(leaf_count).sum(),
        Json::Null => 0,
        _ => 1,
    }
}
