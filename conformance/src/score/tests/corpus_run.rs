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
    never_drops(&corpus, &[Format::Hl7v2], 1, Level::Structure);
}

/// Apart from messages, so that both cores have something to do; the questions of honesty, which take two more
/// conversions of each document, are asked of documents elsewhere.
#[test]
fn quality_of_documents_versions_and_extracts_never_drops() {
    let Some(corpus) = corpus("quality_of_documents_versions_and_extracts_never_drops") else { return };
    never_drops(&corpus, &[Format::Ccda, Format::Stu3, Format::Flat], 0, Level::Profile);
}

fn never_drops(corpus: &Path, formats: &[Format], honesty: usize, level: Level) {
    let packages = Packages::embedded().expect("the embedded packages load");
    let options = Options { formats: formats.to_vec(), validate: Some(judge(level)), honesty, ..Options::default() };
    let report = score(corpus, &packages, &options, &mut |_, _| {}).expect("a readable corpus");
    assert_eq!(report.total().panicked, 0, "the program failed on an input");
    for format in formats {
        assert!(!report.of_format(*format).files.is_empty(), "no input of {}", format.as_str());
    }
    if let Some(path) = std::env::var_os("SCORE_REPORT") {
        std::fs::write(path, report.to_json().pretty()).expect("the report is writable");
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("ratchet.json");
    let read = || json(&std::fs::read_to_string(&file).expect("the ratchet is readable"));
    if std::env::var_os("UPDATE_RATCHET").is_some() {
        static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _alone = ONE_AT_A_TIME.lock().expect("no test stopped while it wrote");
        let text = merged(&ratchet(&report), &read(), formats).pretty() + "\n";
        std::fs::write(&file, text).expect("the ratchet is writable");
        return;
    }
    let kept = read();
    for format in formats.iter().filter(|format| **format != Format::Hl7v2) {
        assert!(kept.at(&["formats", format.as_str()]).is_some(), "ratchet.json has no figures of {}", format.as_str());
    }
    let worse = compare_with_ratchet(&report, &kept);
    assert!(worse.is_empty(), "worse than before:\n{}", worse.join("\n"));
}

/// The new figures of these formats, and the old ones of the others.
fn merged(new: &Json, old: &Json, formats: &[Format]) -> Json {
    let of_messages = formats.contains(&Format::Hl7v2);
    let (messages, others) = if of_messages { (new, old) } else { (old, new) };
    let members = messages.as_object().into_iter().flat_map(|object| object.iter());
    let mut out: Vec<(String, Json)> = members
        .filter(|(name, _)| *name != "formats")
        .map(|(name, figures)| (name.to_owned(), figures.clone()))
        .collect();
    out.extend(others.get("formats").map(|figures| ("formats".to_owned(), figures.clone())));
    Json::object(out)
}
