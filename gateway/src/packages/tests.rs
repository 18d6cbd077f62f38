use std::fs;

use tempfile::TempDir;

use super::*;

const MANIFEST: &str =
    "name = \"NAME\"\nversion = \"1\"\nformat = \"hl7v2\"\ndescription = \"a test\"\nextends = \"hl7v2-base\"\n";
const CODES: &str = "code,system,target,display,equivalence,guide\n";

fn now(second: i64) -> Instant {
    Instant::from_millis(second * 1000)
}

/// A data directory with packages of these names; `ward` has one code.
fn site(names: &[&str]) -> TempDir {
    let data = tempfile::tempdir().unwrap();
    for name in names {
        package(&data.path().join(FOLDER), name);
    }
    data
}

fn package(folder: &Path, name: &str) {
    fs::create_dir_all(folder.join(name).join("codes")).unwrap();
    fs::write(folder.join(name).join("package.toml"), MANIFEST.replace("NAME", name)).unwrap();
    code(folder, name, "Q1");
}

fn code(folder: &Path, name: &str, code: &str) {
    let row = format!("{CODES}{code},http://terminology.hl7.org/CodeSystem/v3-ActCode,AMB,,,own\n");
    fs::write(folder.join(name).join("codes/PatientClass.csv"), row).unwrap();
}

fn config(text: &str) -> Config {
    Config::parse(text, Path::new(".")).unwrap()
}

fn open(data: &TempDir, text: &str) -> Result<Library, Vec<Fault>> {
    Library::open(&config(text), data.path(), now(1))
}

#[track_caller]
fn refused(result: Result<impl Sized, Vec<Fault>>, expected: &str) {
    let faults = result.err().expect("faults");
    let said = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(said.contains(expected), "{said}");
}

const WARD: &str = "[[source]]\nname = \"a\"\ntransport = \"mllp\"\nformat = \"hl7v2\"\npackages = [\"ward\"]\n";

#[test]
fn a_package_in_the_data_directory_is_there_beside_the_embedded_ones() {
    let data = site(&["ward"]);
    let library = open(&data, WARD).unwrap();
    let set = library.current();
    assert!(set.packages().named("ward").is_some() && set.packages().named("hl7v2-base").is_some());
}

#[test]
fn a_name_that_nobody_has_is_named_with_its_key_and_the_nearest_one() {
    refused(open(&site(&["wards"]), WARD), "source[1].packages: there is no package ward; did you mean \"wards\"?");
    let destination =
        "[[destination]]\nname = \"d\"\ntransport = \"mllp\"\naddress = \"127.0.0.1:1\"\npackages = [\"other\"]\n";
    refused(open(&site(&[]), destination), "destination[1].packages: there is no package other");
}

#[test]
fn a_package_given_by_its_folder_is_read_from_there() {
    let data = site(&[]);
    let elsewhere = tempfile::tempdir().unwrap();
    package(elsewhere.path(), "ward");
    let text = WARD.replace("\"ward\"", &format!("\"{}/ward\"", elsewhere.path().display()));
    let library = open(&data, &text).unwrap();
    assert!(library.current().packages().named("ward").is_some());
    package(&data.path().join(FOLDER), "ward");
    refused(open(&data, &text), "a package of this name is at");
}

#[test]
fn a_change_is_taken_and_what_is_in_use_stays_whole() {
    let data = site(&["ward", "other"]);
    let library = open(&data, WARD).unwrap();
    let before = library.current();
    assert_eq!(library.reload(now(2)), Ok(Reloaded::Unchanged));
    code(&data.path().join(FOLDER), "ward", "Q2");
    assert_eq!(library.reload(now(3)), Ok(Reloaded::Changed(vec!["ward".to_owned()])));
    let after = library.current();
    let codes = |set: &Set| set.packages().named("ward").unwrap().vocabulary("PatientClass").unwrap().to_text();
    assert!(codes(&before).contains("Q1") && codes(&after).contains("Q2"), "{}", codes(&after));
    assert_eq!((after.since["ward"], after.since["other"]), (now(3), now(1)));
}

#[test]
fn a_broken_table_changes_nothing_and_is_told_with_file_and_line() {
    let data = site(&["ward"]);
    let library = open(&data, WARD).unwrap();
    let folder = data.path().join(FOLDER);
    fs::write(folder.join("ward/codes/PatientClass.csv"), format!("{CODES}Q,s,AMB,,\n")).unwrap();
    let place = folder.join("ward/codes/PatientClass.csv").display().to_string();
    refused(library.reload(now(2)), &format!("{place}:2: expected 6 cells, found 5"));
    assert!(library.report().to_text().contains("\"line\":2"));
    assert!(library.current().packages().named("ward").unwrap().vocabulary("PatientClass").is_some());
    code(&folder, "ward", "Q1");
    assert_eq!(library.reload(now(3)), Ok(Reloaded::Unchanged));
    assert!(library.faults().is_empty());
}

#[test]
fn a_package_that_a_source_names_cannot_go_away() {
    let data = site(&["ward", "other"]);
    let library = open(&data, WARD).unwrap();
    fs::remove_dir_all(data.path().join(FOLDER).join("ward")).unwrap();
    refused(library.reload(now(2)), "there is no package ward");
    package(&data.path().join(FOLDER), "ward");
    fs::remove_dir_all(data.path().join(FOLDER).join("other")).unwrap();
    assert_eq!(library.reload(now(3)), Ok(Reloaded::Changed(vec!["other".to_owned()])));
}

#[test]
fn nothing_is_read_from_outside_of_the_folder() {
    let data = site(&["ward"]);
    let outside = tempfile::NamedTempFile::new().unwrap();
    let link = data.path().join(FOLDER).join("ward/codes/Other.csv");
    std::os::unix::fs::symlink(outside.path(), &link).unwrap();
    refused(open(&data, WARD), "Other.csv: leads out of its folder");
    fs::remove_file(&link).unwrap();
    // As mounts do it that change all files at once.
    fs::rename(data.path().join(FOLDER).join("ward/codes/PatientClass.csv"), data.path().join(FOLDER).join("ward/.x"))
        .unwrap();
    std::os::unix::fs::symlink("../.x", data.path().join(FOLDER).join("ward/codes/PatientClass.csv")).unwrap();
    assert!(open(&data, WARD).is_ok());
}

#[test]
fn what_is_no_table_does_no_harm_and_what_is_no_file_is_told() {
    let data = site(&["ward"]);
    let ward = data.path().join(FOLDER).join("ward");
    fs::create_dir_all(ward.join("examples")).unwrap();
    fs::write(ward.join("examples/large.hl7"), "MSH").unwrap();
    fs::write(ward.join("README.md"), "words").unwrap();
    fs::write(ward.join("codes/.PatientClass.csv.swp"), "half").unwrap();
    fs::write(ward.join("codes/PatientClass.csv~"), "old").unwrap();
    fs::write(data.path().join(FOLDER).join("notes.txt"), "words").unwrap();
    assert!(open(&data, WARD).is_ok());
    fs::create_dir(ward.join("codes/Folder.csv")).unwrap();
    refused(open(&data, WARD), "Folder.csv: expected a file");
}

#[test]
fn files_are_bounded() {
    let data = site(&["ward"]);
    let file = fs::File::create(data.path().join(FOLDER).join("ward/codes/Huge.csv")).unwrap();
    file.set_len((16 << 20) + 1).unwrap();
    refused(open(&data, WARD), "Huge.csv: expected at most 16 MiB");
}
