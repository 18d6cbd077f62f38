//! The corpus is not part of the repository: `$ANCHORLINE_CORPUS` names it.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::*;

/// The HL7 v2 inputs of a set of the corpus, or nothing (said on standard error) where there is no corpus.
fn inputs(test: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let Some(corpus) = std::env::var_os("ANCHORLINE_CORPUS") else {
        // Not by eprintln: the test harness swallows what a passing test prints that way.
        let _ = writeln!(std::io::stderr(), "skipped: {test}: ANCHORLINE_CORPUS is not set");
        return Vec::new();
    };
    let mut found = Vec::new();
    for kind in ["hl7v2", "roundtrip-hl7v2"] {
        walk(&Path::new(&corpus).join(kind), &mut found);
    }
    assert!(!found.is_empty(), "ANCHORLINE_CORPUS is set, but holds no HL7 v2 input");
    found.sort();
    found
}

fn walk(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).expect("the corpus is readable") {
        let path = entry.expect("the corpus is readable").path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|e| e == "hl7") {
            let bytes = std::fs::read(&path).expect("the corpus is readable");
            found.push((path, bytes));
        }
    }
}

#[test]
fn reads_every_message_of_the_corpus_and_writes_it_back() {
    for (path, bytes) in inputs("reads_every_message_of_the_corpus_and_writes_it_back") {
        for part in split_batch(&bytes).messages {
            let Ok(parsed) = Message::parse(&part.bytes) else { continue };
            assert_eq!(parsed.message.write(), part.bytes.as_ref(), "{}", path.display());
            assert!(parsed.message.segments().flat_map(|s| s.leaves()).count() > 0, "{}", path.display());
        }
    }
}

/// What the corpus holds that is no message, each of them known.
const NO_MESSAGE: [&str; 3] =
    ["guide.hl7", "test-hl7-single-segment-partial.hl7", "FileSingleMessageInvalidSegments.hl7"];

#[test]
fn refuses_only_what_is_no_message() {
    for (path, bytes) in inputs("refuses_only_what_is_no_message") {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for part in split_batch(&bytes).messages {
            let refused = Message::parse(&part.bytes).is_err();
            let expected = NO_MESSAGE.contains(&name.as_str())
                || name.ends_with("__not-hl7.hl7")
                || (name.ends_with("__batch-one-bad-message.hl7") && part.number == 2);
            assert_eq!(refused, expected, "{name} part {}", part.number);
        }
    }
}

#[test]
fn reads_the_wire_variants_as_their_expectations_say() {
    for (path, bytes) in inputs("reads_the_wire_variants_as_their_expectations_say") {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some((_, variant)) = name.trim_end_matches(".hl7").split_once("__") else { continue };
        if !path.to_string_lossy().contains("derived-wire-variants") {
            continue;
        }
        let batch = split_batch(&bytes);
        let read: Vec<_> = batch.messages.iter().filter_map(|part| Message::parse(&part.bytes).ok()).collect();
        let codes: Vec<_> = batch.issues.iter().chain(read.iter().flat_map(|p| &p.issues)).map(|i| i.code).collect();
        let expect = match variant {
            "batch-fhs-bhs" | "batch-no-envelope" | "batch-wrong-count" => 3,
            "batch-one-bad-message" => 2,
            "not-hl7" => 0,
            _ => 1,
        };
        assert_eq!(read.len(), expect, "{name}");
        let expect_code = match variant {
            "batch-wrong-count" => Some("batch-count"),
            "blank-lines-between-segments" => Some("blank-lines"),
            "charset-undeclared-latin1-bytes" => Some("charset-undeclared"),
            "lower-case-segment-in-the-middle" => Some("segment-name"),
            _ => None,
        };
        if let Some(code) = expect_code {
            assert!(codes.contains(&code), "{name}: {codes:?}");
        }
        let names: Vec<_> = read.iter().flat_map(|p| p.message.segments().map(|s| s.name())).collect();
        assert!(!names.contains(&"???") || variant == "truncated", "{name}");
        match variant {
            "z-segments-after-every-segment" => {
                assert!(names.iter().filter(|n| n.starts_with('Z')).count() > 1, "{name}")
            }
            "lower-case-segment-in-the-middle" => assert!(names.contains(&"zzz"), "{name}"),
            "custom-delimiters" => assert_eq!(read[0].message.delimiters().field, b'$', "{name}"),
            "charset-8859-2" => assert_eq!(read[0].message.charset().name(), "ISO-8859-2", "{name}"),
            "explicit-null-phone" => {
                let pid = read[0].message.segment("PID").expect("PID");
                assert!(pid.field(13).is_null(), "{name}");
            }
            _ => {}
        }
    }
}
