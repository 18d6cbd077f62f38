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
