//! Code tables by themselves: codes that lead nowhere, targets that cannot be what they say.

use std::collections::BTreeMap;

use model::outcome::Severity;
use terminology::check_digit::{is_sctid, mod10};

use super::Finding;
use super::view::{Row, View};

/// What is known about a code system: the display of a code, or that there is no such code.
pub(super) trait CodeSystems {
    /// `None` if the system is not known; `Some(None)` if it is and does not have the code.
    fn display(&self, system: &str, code: &str) -> Option<Option<String>>;
}

pub(super) fn findings(view: &View, systems: &dyn CodeSystems, out: &mut Vec<Finding>) {
    for level in ["segments", "datatypes", "rows"] {
        for row in view.level(level).flat_map(|(_, rows)| rows).filter(|row| row.is_of(&view.name)) {
            constants(view, row, systems, out);
        }
    }
    let mut displays: BTreeMap<(String, String), &Row> = BTreeMap::new();
    for (_, rows) in view.level("codes") {
        let table = rows.iter().find(|row| row.cell("code") == "@table").and_then(|row| view.url(row.cell("system")));
        for row in rows.iter().filter(|row| !row.cell("code").starts_with('@')) {
            let system = view.url(row.cell("system")).unwrap_or_default();
            if row.is_of(&view.name) {
                target(row, &system, systems, out);
                same_system(row, &system, table.as_deref(), out);
                crossed(row, rows, table.as_deref(), systems, out);
            }
            one_display(row, system, &mut displays, view, out);
        }
        twice(view, rows, out);
    }
}

/// Codes that a row sets by itself: `system|code|display`.
fn constants(view: &View, row: &Row, systems: &dyn CodeSystems, out: &mut Vec<Finding>) {
    let via = matches!(row.cell("source"), "const" | "default").then(|| row.cell("via"));
    let with = row.cell("with").split(';').filter_map(|piece| piece.split_once('=').map(|(_, value)| value));
    for value in via.into_iter().chain(with) {
        let mut parts = value.trim().split('|');
        let (Some(system), Some(code)) = (parts.next().and_then(|name| view.url(name)), parts.next()) else { continue };
        let display = parts.next().unwrap_or_default();
        match systems.display(&system, code) {
            Some(None) => {
                let text = format!("{system} does not have the code {code}");
                out.push(
                    find(row, unknown_in(&system), "code-unknown", text)
                        .suggest("a code of the system, or another system"),
                );
            }
            Some(Some(known)) if !display.is_empty() && !known.is_empty() && !alike(&known, display) => {
                let text = format!("the display is not the one {code} has in its system");
                out.push(find(row, Severity::Error, "code-against-display", text).suggest(&known));
            }
            _ => {}
        }
    }
}

/// HL7 v2 tables grow with each version; those that R4 brings are of version 2.9 at its beginning.
fn unknown_in(system: &str) -> Severity {
    match system.strip_prefix("http://terminology.hl7.org/CodeSystem/v2-") {
        Some(_) => Severity::Information,
        None => Severity::Error,
    }
}

fn find(row: &Row, severity: Severity, code: &'static str, message: String) -> Finding {
    Finding::new(severity, code, &row.file, row.line, message)
}

fn target(row: &Row, system: &str, systems: &dyn CodeSystems, out: &mut Vec<Finding>) {
    let (target, display) = (row.cell("target"), row.cell("display"));
    let unmatched = matches!(row.cell("equivalence"), "unmatched" | "off");
    if row.cell("code").is_empty() || row.cell("code") == "\"\"" {
        let text = "an empty code or the HL7 null is no code: nothing may be made of it".to_owned();
        out.push(find(row, Severity::Error, "null-code", text).suggest("take the row out"));
    }
    if target.is_empty() {
        if !unmatched {
            let text = "expected a target, or the equivalence unmatched".to_owned();
            out.push(find(row, Severity::Error, "code-without-target", text));
        }
        return;
    }
    if system == "http://snomed.info/sct" && !is_sctid(target) {
        let text = "the target is no SNOMED CT identifier: its check digit is wrong".to_owned();
        out.push(find(row, Severity::Error, "code-unknown", text).suggest("look the concept up again"));
    }
    if system == "http://loinc.org" && !is_loinc(target) {
        let text = "the target is no LOINC code: its check digit is wrong".to_owned();
        out.push(find(row, Severity::Error, "code-unknown", text).suggest("look the code up again"));
    }
    match systems.display(system, target) {
        Some(None) => {
            let text = format!("{system} does not have the target's code");
            out.push(
                find(row, unknown_in(system), "code-unknown", text).suggest("a code of the system, or another system"),
            );
        }
        Some(Some(known)) if !display.is_empty() && !known.is_empty() && !alike(&known, display) => {
            let text = "the display is not the one the code has in its system".to_owned();
            out.push(find(row, Severity::Error, "code-against-display", text).suggest(&known));
        }
        _ => {}
    }
}

/// Within one system a code is itself.
fn same_system(row: &Row, system: &str, table: Option<&str>, out: &mut Vec<Finding>) {
    let (code, target) = (row.cell("code"), row.cell("target"));
    if table.is_some_and(|table| table == system)
        && !target.is_empty()
        && !code.eq_ignore_ascii_case(target)
        && matches!(row.cell("equivalence"), "" | "equivalent")
    {
        let text = "a code becomes another one of the same system and is called equivalent".to_owned();
        out.push(find(row, Severity::Error, "code-changed", text).suggest("the same code, or another equivalence"));
    }
}

/// Two rows with their targets exchanged: what the code is called is what another row's target is called.
fn crossed(row: &Row, rows: &[Row], table: Option<&str>, systems: &dyn CodeSystems, out: &mut Vec<Finding>) {
    let Some(Some(called)) = table.and_then(|table| systems.display(table, row.cell("code"))) else { return };
    let name = |row: &Row| match row.cell("display") {
        "" => row.cell("target").to_owned(),
        display => display.to_owned(),
    };
    if row.cell("target").is_empty() || alike(&called, &name(row)) {
        return;
    }
    let other = rows.iter().find(|other| {
        let elsewhere = (other.cell("target"), other.cell("system")) != (row.cell("target"), row.cell("system"));
        elsewhere && !other.cell("target").is_empty() && same(&called, &name(other))
    });
    if let Some(other) = other {
        let text = format!("the code is called what the target of line {} is called", other.line);
        out.push(find(row, Severity::Error, "codes-crossed", text).suggest("that target"));
    }
}

/// A code has one display in all tables of a package.
fn one_display<'v>(
    row: &'v Row,
    system: String,
    displays: &mut BTreeMap<(String, String), &'v Row>,
    view: &View,
    out: &mut Vec<Finding>,
) {
    if system.is_empty() || row.cell("target").is_empty() || row.cell("display").is_empty() {
        return;
    }
    let first = *displays.entry((system, row.cell("target").to_owned())).or_insert(row);
    if !alike(first.cell("display"), row.cell("display")) && row.is_of(&view.name) {
        let text = format!("{}:{} gives the same code another display", first.file, first.line);
        out.push(find(row, Severity::Warning, "two-displays", text));
    }
}

/// The way back takes the first equivalent row of a target: a second one is never written.
fn twice(view: &View, rows: &[Row], out: &mut Vec<Finding>) {
    let mut seen: BTreeMap<(&str, &str), &Row> = BTreeMap::new();
    for row in rows {
        if row.cell("code").starts_with('@')
            || row.cell("target").is_empty()
            || !matches!(row.cell("equivalence"), "" | "equivalent")
        {
            continue;
        }
        let first = *seen.entry((row.cell("system"), row.cell("target"))).or_insert(row);
        if first.line != row.line && row.is_of(&view.name) {
            let text =
                format!("line {} has the same target and is equivalent too: this code never comes back", first.line);
            out.push(find(row, Severity::Warning, "target-twice", text).suggest("wider, narrower or inexact"));
        }
    }
}

/// Equal but for case and punctuation.
fn same(one: &str, other: &str) -> bool {
    let fold =
        |text: &str| -> String { text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect() };
    fold(one) == fold(other)
}

/// The same name in other words: one contains the other, or most words are shared.
fn alike(one: &str, other: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
    };
    let (a, b) = (words(one), words(other));
    let near = |x: &str, y: &str| {
        x == y || (x.len() > 3 && y.len() > 3 && (x.starts_with(y) || y.starts_with(x) || common(x, y) >= 4))
    };
    let shared = a.iter().filter(|word| b.iter().any(|other| near(word, other))).count();
    same(one, other) || shared * 2 >= a.len().min(b.len()).max(1)
}

fn common(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count()
}

/// LOINC code: digits, a hyphen and a mod 10 check digit. LOINC Users' Guide, appendix "Calculating Mod 10 Check Digits".
pub(super) fn is_loinc(code: &str) -> bool {
    let Some((number, check)) = code.split_once('-') else { return code.starts_with("LA") || code.starts_with("LP") };
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) || check.len() != 1 {
        return false;
    }
    check.chars().next().and_then(|c| c.to_digit(10)) == Some(mod10(number))
}

#[cfg(test)]
mod tests;
