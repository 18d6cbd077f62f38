//! Who refers to whom, and which fields no row reads.

use std::collections::{BTreeMap, BTreeSet};

use model::outcome::Severity;

use super::view::{Row, View, rows, table};
use super::when::{At, terms};
use super::{Files, Finding};

pub(super) fn findings(view: &View, files: &Files, out: &mut Vec<Finding>) {
    let referred: BTreeSet<String> = files.iter().flat_map(|(path, bytes)| references(path, bytes)).collect();
    let prefix = format!("{}/", view.name);
    for path in files.range(prefix.clone()..).map(|(path, _)| path).take_while(|path| path.starts_with(&prefix)) {
        let Some((_, level, stem)) = table(path) else { continue };
        // An overlay's table with the name of a base's table is the base's, changed.
        let inherited = view.tables.get(&format!("{level}/{stem}")).is_some_and(|rows| {
            let other = |row: &Row| !row.is_of(&view.name);
            rows.iter().any(other)
        });
        if !matches!(level, "messages" | "rows") && !inherited && !referred.contains(&format!("{level}/{stem}")) {
            let text = format!("no row refers to this table: expected its name in {}", place(level));
            out.push(Finding::new(Severity::Warning, "unused-table", path, 0, text).suggest("use it, or delete it"));
        }
    }
    read_places(view, out);
}

fn place(level: &str) -> &'static str {
    match level {
        "segments" => "the column tables of a message table",
        "datatypes" => "the column via of a row",
        _ => "the column via of a row, after a colon",
    }
}

/// The tables that the rows of a file refer to, as `level/stem`.
fn references(path: &str, bytes: &[u8]) -> Vec<String> {
    let mut out = Vec::new();
    let Some((_, level, _)) = table(path) else { return out };
    for row in rows(path, bytes) {
        match level {
            "messages" => {
                let segment = row.cell("segment");
                out.extend(row.cell("tables").split_whitespace().map(|name| format!("segments/{segment}-{name}")));
            }
            "segments" | "datatypes" | "rows" => {
                let (table, map) = row.cell("via").split_once(':').unwrap_or((row.cell("via"), ""));
                // A row of a segment may use another segment's table too.
                out.push(format!("datatypes/{table}"));
                out.push(format!("segments/{table}"));
                out.push(format!("codes/{map}"));
                if table == "authority" {
                    out.push("codes/AssigningAuthority".to_owned());
                }
            }
            _ => {}
        }
    }
    out
}

/// The number of fields of a segment, or of components of a data type, in the latest version of HL7 v2 that has it
/// (HL7 v2.9 chapters 2 to 15, attribute tables). Senders may add to the end; nobody can have a field 99.
const LENGTHS: &[(&str, u32)] = &[
    ("ACC", 13),
    ("AIG", 15),
    ("AIL", 13),
    ("AIP", 13),
    ("AIS", 13),
    ("AL1", 7),
    ("ARV", 9),
    ("CON", 27),
    ("DG1", 26),
    ("DRG", 33),
    ("DSC", 2),
    ("EVN", 8),
    ("FT1", 56),
    ("GT1", 57),
    ("IAM", 30),
    ("IN1", 56),
    ("IN2", 73),
    ("IN3", 29),
    ("MRG", 7),
    ("MSA", 8),
    ("MSH", 28),
    ("NK1", 42),
    ("NTE", 9),
    ("OBR", 57),
    ("OBX", 33),
    ("ORC", 38),
    ("PD1", 23),
    ("PID", 40),
    ("PR1", 25),
    ("PRB", 31),
    ("PRD", 14),
    ("PRT", 27),
    ("PV1", 55),
    ("PV2", 50),
    ("ROL", 15),
    ("RXA", 29),
    ("RXC", 11),
    ("RXD", 36),
    ("RXE", 46),
    ("RXG", 32),
    ("RXO", 37),
    ("RXR", 6),
    ("SCH", 28),
    ("SFT", 6),
    ("SPM", 36),
    ("TQ1", 14),
    ("TXA", 28),
    ("UB1", 23),
    ("UB2", 17),
    ("CNN", 11),
    ("CQ", 2),
    ("CWE", 22),
    ("CX", 12),
    ("DLN", 3),
    ("DR", 2),
    ("ED", 5),
    ("EI", 4),
    ("FN", 7),
    ("HD", 3),
    ("NR", 2),
    ("PL", 11),
    ("RP", 4),
    ("SAD", 3),
    ("SN", 4),
    ("XAD", 23),
    ("XCN", 25),
    ("XON", 10),
    ("XPN", 15),
    ("XTN", 18),
];

/// Places that no message has, and, by segment, fields that no row reads.
fn read_places(view: &View, out: &mut Vec<Finding>) {
    let length = |name: &str| LENGTHS.iter().find(|(listed, _)| *listed == name).map(|(_, length)| *length);
    let mut read: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    let mut named: BTreeMap<&str, String> = BTreeMap::new();
    for level in ["segments", "datatypes"] {
        for (stem, rows) in view.level(level) {
            let own = stem.split('-').next().unwrap_or_default();
            for row in rows {
                let mut places: Vec<At> = terms(row.cell("when")).into_iter().map(|term| term.at).collect();
                places.extend(At::read(row.cell("source")));
                if row.cell("source") == "id" {
                    places.extend(row.cell("target").split(['+', '|']).filter_map(At::read));
                }
                for at in places {
                    let number = match at.field() {
                        Some((segment, number)) => length(segment).map(|length| (segment.to_owned(), number, length)),
                        None => length(&at.head).zip(at.parts().first().copied()).map(|(l, n)| (at.head.clone(), n, l)),
                    };
                    if let Some((name, number, length)) = number
                        && row.is_of(&view.name)
                        && number > length
                    {
                        let text = format!("{name} has no place {number}: it ends with {length}");
                        let finding = Finding::new(Severity::Error, "no-such-place", &row.file, row.line, text);
                        out.push(finding.suggest("a place of the segment or type, see HL7 v2.9"));
                    }
                    if let Some((segment, number)) = at.field().filter(|(segment, _)| *segment == own) {
                        let _ = segment;
                        read.entry(own).or_default().insert(number);
                        if row.is_of(&view.name) {
                            named.entry(own).or_insert_with(|| row.file.clone());
                        }
                    }
                }
            }
        }
    }
    for (segment, file) in named {
        let (Some(length), Some(read)) = (length(segment), read.get(segment)) else { continue };
        let unread: Vec<String> = (1..=length).filter(|n| !read.contains(n)).map(|n| n.to_string()).collect();
        if !unread.is_empty() {
            let text = format!(
                "{} of {length} fields of {segment} are read by no row (kept as they are): {}",
                unread.len(),
                unread.join(" ")
            );
            out.push(Finding::new(Severity::Information, "unread-fields", &file, 0, text));
        }
    }
}

/// The lines of a table that hold rules, for telling which of them are used.
pub(super) fn rule_lines(path: &str, bytes: &[u8]) -> Vec<usize> {
    match table(path) {
        Some((_, "segments" | "datatypes", _)) => {
            let silent = |row: &Row| {
                let via = row.cell("via");
                matches!(row.cell("source"), "id" | "default")
                    || via == "ordinal"
                    || via.starts_with("drop:")
                    || matches!(row.cell("way"), "<" | "off")
            };
            rows(path, bytes).iter().filter(|row| !silent(row)).map(|row| row.line).collect()
        }
        _ => Vec::new(),
    }
}
