//! Rows that can never do anything, proven from the tables alone.
//!
//! A row is reported only if for every message there is a reason: its condition contradicts itself, an earlier row has
//! always filled its element, the segment or role it asks for is in no message table, no message type leads to it.

use std::collections::{BTreeMap, BTreeSet};

use model::outcome::Severity;

use super::Finding;
use super::view::{Row, View};
use super::when::{At, Term, Test, contradiction, facts, implies, terms};

pub(super) fn findings(view: &View, out: &mut Vec<Finding>) {
    let segments = segments(view);
    let roles = roles(view, "");
    let of_header = self::roles(view, "MSH-");
    for level in ["segments", "datatypes"] {
        for (stem, rows) in view.level(level) {
            // MSH stands first (HL7 v2.8.2 chapter 2, "Message header segment"): what its tables build is all there is.
            let roles = if stem.starts_with("MSH-") { &of_header } else { &roles };
            for row in rows.iter().filter(|row| row.is_of(&view.name)) {
                never(row, &segments, roles, out);
            }
            shadowed(view, rows, out);
        }
    }
    messages(view, &roles, out);
}

/// Names of the segments that some message table has.
fn segments(view: &View) -> BTreeSet<&str> {
    view.level("messages").flat_map(|(_, rows)| rows.iter().map(|row| row.cell("segment"))).collect()
}

/// Roles that the table of a segment builds, whose name begins so: it has an id row, or takes one over by `include`.
fn roles<'v>(view: &'v View, segment: &str) -> BTreeSet<&'v str> {
    let id = |rows: &[Row]| rows.iter().any(|row| row.cell("source") == "id");
    let taken = |row: &Row| {
        let from = format!("segments/{}", row.cell("via"));
        row.cell("source") == "include" && view.tables.get(&from).is_some_and(|rows| id(rows))
    };
    let builds = |rows: &[Row]| id(rows) || rows.iter().any(taken);
    view.level("segments")
        .filter(|(stem, rows)| stem.starts_with(segment) && builds(rows))
        .filter_map(|(stem, _)| stem.split_once('-').map(|(_, r)| r))
        .collect()
}

fn find(row: &Row, code: &'static str, message: String, suggestion: &str) -> Finding {
    Finding::new(Severity::Error, code, &row.file, row.line, message).suggest(suggestion)
}

/// Segments that any table may ask about though none reads them: they say what is done with the record below them.
const OF_FILES: [&str; 1] = ["MFE"];

fn never(row: &Row, segments: &BTreeSet<&str>, roles: &BTreeSet<&str>, out: &mut Vec<Finding>) {
    let facts = facts(row);
    if let Some((one, other)) = contradiction(&facts).filter(|_| row.is_forward()) {
        let text = format!("the row never gives a value: {one} and {other} cannot both hold");
        out.push(find(row, "dead-row", text, "mend the condition, or take the row out"));
        return;
    }
    for fact in &facts {
        if fact.test == Test::Role {
            let role = fact.at.head.trim_start_matches('@');
            if !roles.contains(role) {
                let text = format!("the condition asks for the role {role}, which no table builds");
                out.push(find(row, "unknown-role", text, "name a role that a segment's table with an id row builds"));
            }
        } else if let Some((segment, _)) = fact.at.field()
            && !segments.contains(segment)
            && !OF_FILES.contains(&segment)
        {
            let text = format!("the row asks for {segment}, a segment that no message table has");
            out.push(find(row, "unreachable-row", text, "name the segment in a message table, or take the row out"));
        }
    }
    // `@Role*` stands for every resource of the role's type.
    if let Some(role) = row.cell("source").strip_prefix('@').map(|role| role.trim_end_matches('*'))
        && !roles.contains(role)
    {
        let text = format!("refers to the role {role}, which no table has built by then: the reference is never set");
        out.push(find(row, "unknown-role", text, "name a role that a segment's table with an id row builds"));
    }
}

/// Functions that give a value for every text that is there.
const TOTAL: [&str; 3] = ["text", "trimmed", "lines"];

fn shadowed(view: &View, rows: &[Row], out: &mut Vec<Finding>) {
    let ordinary: Vec<&Row> = rows.iter().filter(|row| !matches!(row.cell("source"), "id" | "default")).collect();
    for (number, row) in ordinary.iter().enumerate() {
        if !row.is_of(&view.name) || !row.is_forward() || row.cell("target").is_empty() {
            continue;
        }
        let known = facts(row);
        for earlier in ordinary.iter().take(number).filter(|earlier| earlier.is_forward()) {
            if earlier.cell("target") != row.cell("target") || sees_repetitions(earlier, row) {
                continue;
            }
            // Nothing else is needed for the earlier row to run: all that it asks for follows.
            if !facts(earlier).iter().all(|term| implies(&known, term)) {
                continue;
            }
            let (one, other) = (earlier.cell("via"), row.cell("via"));
            let same = earlier.cell("source") == row.cell("source") && one == other;
            let appends = row.cell("target").contains("[+");
            let nested =
                view.tables.contains_key(&format!("datatypes/{}", other.split(':').next().unwrap_or_default()));
            let constant = matches!(earlier.cell("source"), "const");
            let wins = (constant || TOTAL.contains(&one) || same) && !appends && !nested;
            let (code, text) = if same && earlier.cell("with") == row.cell("with") {
                ("duplicate-row", format!("line {} does the same whenever this row would", earlier.line))
            } else if wins {
                let why = "has always filled the element when this row would";
                ("shadowed-row", format!("the row never gives a value: line {} {why}", earlier.line))
            } else {
                continue;
            };
            out.push(find(row, code, text, "take the row out, put it before, or make the earlier condition stricter"));
            break;
        }
    }
}

/// Whether a condition of either row speaks of the field whose repetitions a row goes through: it may then hold for
/// one repetition and not for another, and nothing is proven. Two rows of one source see the same repetition.
fn sees_repetitions(one: &Row, other: &Row) -> bool {
    if one.cell("source") == other.cell("source") {
        return false;
    }
    let field =
        |row: &Row| At::read(row.cell("source")).map(|at| at.head).filter(|_| row.cell("target").contains("[+"));
    let fields: Vec<String> = [one, other].into_iter().filter_map(field).collect();
    let speaks = |row: &Row| terms(row.cell("when")).iter().any(|term: &Term| fields.contains(&term.at.head));
    speaks(one) || speaks(other)
}

fn messages(view: &View, roles: &BTreeSet<&str>, out: &mut Vec<Finding>) {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for (table, served) in &view.served {
        for (kind, line) in &served.types {
            if let Some(first) = seen.insert(kind, table)
                && served.file.starts_with(&format!("{}/", view.name))
            {
                let text = format!("the type is served by {first} too: one of the two is never selected");
                out.push(Finding::new(Severity::Error, "type-twice", &served.file, *line, text));
            }
        }
    }
    for (stem, rows) in view.level("messages") {
        let Some(own) = rows.iter().find(|row| row.is_of(&view.name)) else { continue };
        begins_again(view, rows, out);
        let served = view.served.get(stem);
        if served.is_none_or(|served| served.types.is_empty() && !served.fallback) {
            let text = "no message type leads to this table: it is never selected".to_owned();
            let finding = Finding::new(Severity::Error, "never-selected", &own.file, 0, text);
            out.push(finding.suggest("name its types in package.toml, [messages.NAME.types]"));
        }
        for row in rows.iter().filter(|row| row.is_of(&view.name)) {
            driver(row, roles, out);
            let key = (row.cell("group"), row.cell("segment"));
            let first = rows
                .iter()
                .find(|other| (other.cell("group"), other.cell("segment")) == key && other.cell("segment") != "*");
            if let Some(first) = first.filter(|first| first.line != row.line && first.file == row.file) {
                let known = terms(row.cell("when"));
                if first.line < row.line && terms(first.cell("when")).iter().all(|term| implies(&known, term)) {
                    let text = format!("the row is never reached: line {} takes the segment", first.line);
                    out.push(find(
                        row,
                        "shadowed-row",
                        text,
                        "take the row out, or make the earlier condition stricter",
                    ));
                }
            }
        }
    }
}

/// A group that is repeated needs a segment it begins with, or a second one is read into the first.
fn begins_again(view: &View, rows: &[Row], out: &mut Vec<Finding>) {
    let group = |row: &Row| row.cell("group").to_owned();
    let repeated = |row: &&Row| row.cell("segment") == "*" && row.cell("from") != "once";
    for row in rows.iter().filter(repeated).filter(|row| row.is_of(&view.name)) {
        if !rows.iter().any(|other| group(other) == group(row) && other.cell("mode") == "new") {
            let text = format!("the group {} is repeated and no segment begins it again", row.cell("group"));
            out.push(find(row, "group-never-begins", text, "mode new at the segment it begins with"));
        }
    }
}

/// What a group is repeated for on the way back must be something that is built.
fn driver(row: &Row, roles: &BTreeSet<&str>, out: &mut Vec<Finding>) {
    let words = row.cell("from").split(|c: char| !c.is_alphanumeric() && c != '@');
    for word in words.filter(|word| word.starts_with(char::is_uppercase) && !roles.contains(word)) {
        let text = format!("the group is repeated for the role {word}, which no table builds");
        out.push(find(row, "unknown-role", text, "name a role that a segment's table with an id row builds"));
    }
}

#[cfg(test)]
mod tests;
