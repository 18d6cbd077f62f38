use std::collections::BTreeMap;
use std::path::PathBuf;

use model::json::{Limits, parse};

use super::*;

/// The corpus of decision cases, if the environment says where it is; set but missing is a failure.
fn corpus(test: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("ANCHORLINE_CORPUS") else {
        eprintln!("skipped {test}: ANCHORLINE_CORPUS is not set");
        return None;
    };
    Some(PathBuf::from(folder).join("consent"))
}

fn load(path: &std::path::Path) -> Suite {
    let bytes = std::fs::read(path).unwrap();
    Suite::read(&parse(&bytes, &Limits::default()).unwrap()).unwrap()
}

#[test]
fn answers_every_case_of_the_corpus_as_expected() {
    let Some(folder) = corpus("answers_every_case_of_the_corpus_as_expected") else { return };
    let mut failed = Vec::new();
    for file in ["decision-cases.json", "generated-cases.json"] {
        let mut topics: BTreeMap<SmolStr, (usize, usize)> = BTreeMap::new();
        for result in load(&folder.join(file)).run() {
            let counts = topics.entry(result.topic.clone()).or_default();
            counts.1 += 1;
            if result.pass == Some(true) {
                counts.0 += 1;
            } else {
                failed.push(result.json.to_text());
            }
        }
        for (topic, (passed, all)) in topics {
            eprintln!("{file} {topic}: {passed}/{all}");
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
