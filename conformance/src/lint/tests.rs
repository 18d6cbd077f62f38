use std::path::Path;

use super::*;

/// Writes a package that extends nothing and looks at it.
fn check(files: &[(&str, &str)]) -> Vec<(String, &'static str, usize)> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let package = folder.path().join("p");
    for (path, text) in files {
        let path = package.join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("writable");
        std::fs::write(path, text).expect("writable");
    }
    let findings = lint(&[package]).expect("a readable package");
    findings.into_iter().map(|f| (f.file, f.code, f.line)).collect()
}

/// Codes and lines of the errors about one file of a package in memory.
pub(super) fn errors(files: &[(&str, &str)], file: &str) -> Vec<(&'static str, usize)> {
    let files: Files = files.iter().map(|(path, text)| (format!("p/{path}"), text.as_bytes().to_vec())).collect();
    let findings = lint_files(&["p".to_owned()], &files, &Files::new());
    let about =
        findings.into_iter().filter(|finding| finding.file == file && finding.is_error() && finding.code != "load");
    about.map(|finding| (finding.code, finding.line)).collect()
}

pub(super) const MANIFEST: &str = "name = \"p\"\nversion = \"1\"\nformat = \"hl7v2\"\ndescription = \"a test\"\n";

#[test]
fn reports_what_the_loader_refuses() {
    let found =
        check(&[("package.toml", "name = \"other\"\nversion = \"1\"\nformat = \"hl7v2\"\ndescription = \"x\"\n")]);
    assert!(found.contains(&("p/package.toml".to_owned(), "load", 0)), "{found:?}");
}

#[test]
fn reports_tables_that_nothing_refers_to_and_codes_without_target() {
    let codes = "code,system,target,display,equivalence,guide\nA,,x,,,own\nB,,,,,own\nC,,,,unmatched,own\n";
    let found = check(&[("package.toml", MANIFEST), ("codes/Local.csv", codes)]);
    assert!(found.contains(&("p/codes/Local.csv".to_owned(), "unused-table", 0)), "{found:?}");
    assert!(found.contains(&("p/codes/Local.csv".to_owned(), "code-without-target", 3)), "{found:?}");
    assert!(!found.iter().any(|(_, code, line)| *code == "code-without-target" && *line != 3), "{found:?}");
}

#[test]
fn misses_examples() {
    let found = check(&[("package.toml", MANIFEST)]);
    assert!(found.contains(&("p/examples".to_owned(), "no-example", 0)), "{found:?}");
}

#[test]
fn says_which_folder_it_cannot_read() {
    let missing = lint(&[Path::new("/nonexistent/package").to_owned()]).expect_err("no such folder");
    assert!(missing.to_string().contains("/nonexistent/package"), "{missing}");
}

#[test]
fn finds_no_error_in_the_packages_of_the_program() {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mappers/packages");
    let folders: Vec<_> = std::fs::read_dir(packages)
        .expect("the packages are there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.is_dir())
        .collect();
    let errors: Vec<_> = lint(&folders).expect("readable packages").into_iter().filter(Finding::is_error).collect();
    let lines: Vec<_> = errors.iter().map(Finding::to_line).collect();
    assert!(errors.is_empty(), "{}", lines.join("\n"));
}
