use std::io::Write;
use std::path::{Path, PathBuf};

use super::*;

/// The corpus, or nothing (said on standard error) where there is none.
fn corpus(test: &str) -> Option<PathBuf> {
    let Some(corpus) = std::env::var_os("ANCHORLINE_CORPUS") else {
        // Not by eprintln: the test harness swallows what a passing test prints that way.
        let _ = writeln!(std::io::stderr(), "skipped: {test}: ANCHORLINE_CORPUS is not set");
        return None;
    };
    Some(PathBuf::from(corpus))
}

/// `UPDATE_RATCHET=1` writes the figures of this run; the difference is read before it is committed.
#[test]
fn mapping_quality_never_drops() {
    let Some(corpus) = corpus("mapping_quality_never_drops") else { return };
    let packages = Packages::embedded().expect("the embedded packages load");
    let options = Options { validate: Some(judge()), honesty: 1, ..Options::default() };
    let report = score(&corpus, &packages, &options, &mut |_, _| {}).expect("a readable corpus");
    let total = report.total();
    assert_eq!(total.panicked, 0, "the program failed on an input");
    if let Some(path) = std::env::var_os("SCORE_REPORT") {
        std::fs::write(path, report.to_json().pretty()).expect("the report is writable");
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("ratchet.json");
    if std::env::var_os("UPDATE_RATCHET").is_some() {
        std::fs::write(&file, ratchet(&report).pretty() + "\n").expect("the ratchet is writable");
        return;
    }
    let kept = json(&std::fs::read_to_string(&file).expect("the ratchet is readable"));
    let worse = compare_with_ratchet(&report, &kept);
    assert!(worse.is_empty(), "worse than before:\n{}", worse.join("\n"));
}
