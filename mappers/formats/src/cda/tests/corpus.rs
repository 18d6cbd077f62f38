//! Every document and entry of the corpus is read, or refused as its expectation says.
//!
//! The corpus is not part of the repository: `$ANCHORLINE_CORPUS` names it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::*;

/// Inputs, sorted; `None` and a word on standard error if there is no corpus.
fn inputs(test: &str) -> Option<Vec<PathBuf>> {
    let Some(corpus) = std::env::var_os("ANCHORLINE_CORPUS") else {
        // Past the test harness, which would keep it to itself.
        let _ = writeln!(std::io::stderr(), "skipped: {test}: ANCHORLINE_CORPUS is not set");
        return None;
    };
    let sets =
        std::fs::read_dir(Path::new(&corpus).join("ccda")).expect("ANCHORLINE_CORPUS is set, but has no folder ccda");
    let files = sets.flat_map(|set| std::fs::read_dir(set.expect("a set").path()).into_iter().flatten());
    let mut found: Vec<_> =
        files.map(|file| file.expect("a file").path()).filter(|p| p.extension().is_some_and(|e| e == "xml")).collect();
    found.sort();
    assert!(found.len() > 500, "ANCHORLINE_CORPUS is set, but holds few documents");
    Some(found)
}

/// Whether the file may be refused and whether it must be.
fn expectation(path: &Path) -> (bool, bool) {
    let name = path.file_name().expect("a name").to_string_lossy();
    if name.starts_with("NT_BadXml") {
        return (true, true);
    }
    let Ok(expect) = std::fs::read_to_string(path.with_extension("expect.json")) else { return (false, false) };
    let said = expect.split("\"expect\": \"").nth(1).and_then(|rest| rest.split('"').next()).expect("an expectation");
    (said.contains("rejected"), said == "rejected with a reason")
}

#[test]
fn every_document_is_read_or_refused_as_expected() {
    let Some(inputs) = inputs("every_document_is_read_or_refused_as_expected") else { return };
    let mut wrong = Vec::new();
    for path in &inputs {
        let bytes = std::fs::read(path).expect("a readable file");
        let (may, must) = expectation(path);
        match Document::parse(&bytes, &Limits::default()) {
            Ok(document) if !must => laws::check_each(&document, 1 + document.len() / 40),
            Ok(_) => wrong.push(format!("{}: read, but should be refused", path.display())),
            Err(refused) if may && refused.line > 0 => {}
            Err(refused) => wrong.push(format!("{}: {refused}", path.display())),
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), inputs.len(), wrong.join("\n"));
}
