//! The page of a coverage: counts by table, our files, our reasons. No word of the guide.

use std::fmt::Write;

use super::{Book, Counts, Coverage, Level, Status};

pub(super) fn page(coverage: &Coverage) -> String {
    let mut out = String::from(match coverage.book {
        Book::Hl7v2 => HL7V2,
        Book::Cda => CDA,
    });
    out.push_str("\n| level | rows | implemented | other target | left out | open | no target |\n");
    out.push_str("| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    for &level in coverage.book.levels() {
        line(&mut out, &[level.as_str()], coverage.counts(level));
    }
    line(&mut out, &["all"], coverage.total());
    for &level in coverage.book.levels() {
        let _ = write!(out, "\n## {}\n\n", title(level));
        out.push_str("| table | our files | rows | implemented | other target | left out | open | no target |\n");
        out.push_str("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n");
        for (_, table, counts) in coverage.tables().into_iter().filter(|(of, _, _)| *of == level) {
            let files = coverage.sources.get(table).map(|files| files.iter().cloned().collect::<Vec<_>>().join(" "));
            line(&mut out, &[table, &files.unwrap_or_default()], counts);
        }
    }
    reasons(&mut out, coverage);
    open(&mut out, coverage);
    out
}

const HL7V2: &str = "# Coverage of the HL7 v2-to-FHIR guide

Written by `anchorline conformance coverage --reference DIR --report docs/coverage-hl7v2.md`; do not edit. It compares the
rows of `hl7v2-base` with those of the guide (hl7.fhir.uv.v2mappings 1.0.0), each row by its citation in the column `guide`.

A row of the guide is *implemented* if a row of ours does what it says; *other target* if ours puts the same value into
another element or code; *left out* if `coverage.csv` says why; *open* if nothing is said of it; *no target* if the guide
names no element or code for it (what arrives there is kept, see [mapping-packages.md](mapping-packages.md)). A
row of a message is implemented if the structure's message table, or the fallback, reads the segment by tables that come
from the segment map it names. The command with `--segment PID` lists each row with the file and line of ours.
";

const CDA: &str = "# Coverage of C-CDA on FHIR

Written by `anchorline conformance coverage --package ccda-base --reference DIR --report docs/coverage-ccda.md`; do not edit.
It compares the rows of `ccda-base` with those of the guide (hl7.fhir.us.ccda 2.0.0), in both directions, each row by its
citation in the column `guide`: `CF-` is C-CDA to FHIR, `FC-` FHIR to C-CDA, `CDA-To-FHIR` and `FHIR-To-CDA` the data types.
A row that a table of the guide has more than once is counted in its order: `CF-allergy#id:2`.

A row of the guide is *implemented* if a row of ours does what it says; *other target* if ours puts the same value into
another element or code; *left out* if `coverage.csv` says why; *open* if nothing is said of it; *no target* if the guide
names no element or code for it (what arrives there is kept, see [document-packages.md](document-packages.md)). Code maps
named with `_` are the guide's sheets of terms, older than its ConceptMaps (with `-`): where the two differ the ConceptMap
counts. What the guide describes in pages without a table (encounters, results, social history, vital signs, notes,
participations) is mapped too, cited by page, and not counted here. The command with `--segment CF-allergy` lists each row
with the file and line of ours.
";

fn title(level: Level) -> &'static str {
    match level {
        Level::Messages => "Messages",
        Level::Segments => "Segments",
        Level::ToFhir => "C-CDA to FHIR",
        Level::FromFhir => "FHIR to C-CDA",
        Level::Datatypes => "Data types",
        Level::Codes => "Codes",
    }
}

fn line(out: &mut String, names: &[&str], counts: Counts) {
    // Writing to a String does not fail.
    let _ = writeln!(
        out,
        "| {} | {} | {} | {} | {} | {} | {} |",
        names.join(" | "),
        counts.rows,
        counts.implemented,
        counts.other,
        counts.reasoned,
        counts.open,
        counts.none
    );
}

/// What is left out, by reason.
fn reasons(out: &mut String, coverage: &Coverage) {
    out.push_str("\n## Left out, and why\n\n| rows | reason |\n| --- | --- |\n");
    let mut said: Vec<(&str, Vec<String>)> = Vec::new();
    for (row, status) in &coverage.rows {
        let Status::Reasoned { reason, .. } = status else { continue };
        match said.iter_mut().find(|(text, _)| text == reason) {
            Some((_, rows)) => rows.push(row.citation()),
            None => said.push((reason, vec![row.citation()])),
        }
    }
    for (reason, mut rows) in said {
        rows.dedup();
        let _ = writeln!(out, "| {} | {reason} |", shortened(&rows).replace('|', "\\|"));
    }
}

/// Rows of one table share its name.
fn shortened(rows: &[String]) -> String {
    let mut out = String::new();
    let mut table = "";
    for citation in rows {
        let (of, row) = citation.split_once('#').unwrap_or((citation, ""));
        if of == table {
            let _ = write!(out, " {row}");
        } else {
            let comma = if out.is_empty() { "" } else { ", " };
            let _ = write!(out, "{comma}{of}: {row}");
            table = of;
        }
    }
    out
}

fn open(out: &mut String, coverage: &Coverage) {
    let mut rows: Vec<String> =
        coverage.rows.iter().filter(|(_, s)| *s == Status::Open).map(|(row, _)| row.citation()).collect();
    rows.dedup();
    if !rows.is_empty() {
        let _ = write!(out, "\n## Open\n\n{}\n", shortened(&rows));
    }
}
