//! Plants faults into copies of the packages and asks which check notices: the tables alone, the examples, the score.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at what it does not expect")]

#[path = "mutation/faults.rs"]
mod faults;
#[path = "mutation/table.rs"]
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use conformance::lint::{Finding, lint_files};
use table::Files;

/// Errors, by code and place: what makes `anchorline conformance lint` fail.
fn errors(files: &Files) -> Vec<Finding> {
    let names = ["hl7v2-base".to_owned(), "northgate-ward".to_owned()];
    lint_files(&names, files, &Files::new()).into_iter().filter(Finding::is_error).collect()
}

/// Whether a finding comes from comparing examples and code tables with what is expected of them.
fn is_golden(finding: &Finding) -> bool {
    matches!(finding.code, "example-differs" | "example-back-differs" | "example-issues-differ" | "codes-differ")
}

/// At least so many of a hundred planted faults are noticed.
const FLOOR: usize = 95;

#[test]
fn planted_faults_are_noticed() {
    let files = mappers::Packages::embedded_files();
    assert!(errors(&files).is_empty(), "the packages themselves have errors");
    let mut planted = faults::all(&files);
    let kinds: BTreeSet<&str> = planted.iter().map(|fault| fault.kind).collect();
    assert!(planted.len() >= 70 && kinds.len() >= 12, "{} faults of {} kinds", planted.len(), kinds.len());
    let names: BTreeSet<&str> = planted.iter().map(|fault| fault.name.as_str()).collect();
    assert_eq!(names.len(), planted.len(), "two faults are the same");
    // Without optimization each takes a second: a spread sample says as much about the code.
    if cfg!(debug_assertions) {
        let mut number = 0;
        planted.retain(|_| {
            number += 1;
            number % 8 == 0
        });
    }
    let mut tally: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    let (mut missed, mut by_tables, mut by_examples) = (Vec::new(), 0, 0);
    let halves = planted.split_at(planted.len() / 2);
    let found: Vec<Vec<Finding>> = std::thread::scope(|scope| {
        let look = |half: &[faults::Fault]| half.iter().map(|fault| errors(&fault.files)).collect::<Vec<_>>();
        let other = scope.spawn(move || look(halves.1));
        let mut found = look(halves.0);
        found.extend(other.join().unwrap());
        found
    });
    for (fault, errors) in planted.iter().zip(found) {
        let of_tables = errors.iter().any(|finding| !is_golden(finding));
        let of_examples = errors.iter().any(is_golden);
        by_tables += usize::from(of_tables);
        by_examples += usize::from(of_examples);
        let row = tally.entry(fault.kind).or_default();
        row[0] += 1;
        row[1] += usize::from(of_tables);
        row[2] += usize::from(of_examples);
        if errors.is_empty() {
            row[3] += 1;
            missed.push(fault.name.as_str());
        }
    }
    let caught = planted.len() - missed.len();
    let mut out = std::io::stderr();
    let _ = writeln!(
        out,
        "{caught} of {} planted faults noticed; by the tables alone {by_tables}, by examples {by_examples}",
        planted.len()
    );
    for (kind, [all, tables, examples, unnoticed]) in tally {
        let _ = writeln!(out, "  {kind:32} {all:3}  tables {tables:3}  examples {examples:3}  unnoticed {unnoticed}");
    }
    for name in &missed {
        let _ = writeln!(out, "  unnoticed: {name}");
    }
    assert!(caught * 100 >= planted.len() * FLOOR, "{caught} of {} planted faults noticed", planted.len());
}
