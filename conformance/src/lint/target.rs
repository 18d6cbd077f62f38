//! What rows build, against the types of R4: the kind of value, codes, references, what is required, what is made up.

use std::collections::BTreeSet;

use model::outcome::Severity;
use model::types::{self, Element, Kind, Primitive, Shape, ValueSet};

use super::Finding;
use super::view::{Row, View};
use super::when::At;

/// The element at the end of a target path.
struct Found {
    kind: Kind,
    binding: Option<&'static ValueSet>,
    /// Path of types without indexes: `Patient.name.family`.
    path: String,
    in_extension: bool,
}

pub(super) fn findings(view: &View, out: &mut Vec<Finding>) {
    for level in ["segments", "datatypes", "rows"] {
        for (stem, rows) in view.level(level) {
            for row in rows.iter().filter(|row| row.is_of(&view.name)) {
                origin(row, stem, out);
                if matches!(row.cell("source"), "id") || row.cell("target").is_empty() {
                    continue;
                }
                let Some(found) = resolve(root(row.cell("target")), row.cell("target")) else { continue };
                value(view, row, &found, out);
                beside(view, row, out);
                made_up(row, &found, out);
            }
            required(view, level, stem, rows, out);
        }
    }
}

fn error(row: &Row, code: &'static str, message: String) -> Finding {
    Finding::new(Severity::Error, code, &row.file, row.line, message)
}

fn root(target: &str) -> &str {
    let head = target.split('.').next().unwrap_or_default();
    head.split('@').next().unwrap_or_default()
}

/// Walks a path such as `Patient.name[+].family` below its root type.
fn resolve(root: &str, target: &str) -> Option<Found> {
    let table = types::r4();
    let (_, mut shape) = table.find(root)?;
    let mut path = root.to_owned();
    let mut found = None;
    let mut in_extension = false;
    for step in steps(target).into_iter().skip(1) {
        let name = step.split('[').next().unwrap_or_default();
        in_extension |= name == "extension";
        let (_, element, kind) = shape.find(name).or_else(|| table.element().find(name))?;
        path.push('.');
        path.push_str(name);
        shape = match kind.kind {
            Kind::Object(id) | Kind::Reference(id, _) => table.shape(id),
            Kind::Primitive(_) | Kind::Resource => table.element(),
        };
        let binding = element.binding.and_then(|index| table.value_set(index));
        found = Some(Found { kind: kind.kind, binding, path: path.clone(), in_extension });
    }
    found
}

/// Steps of a path; a point inside of brackets parts nothing.
fn steps(path: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut depth = 0_i32;
    for c in path.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        if c == '.' && depth == 0 {
            out.push(String::new());
        } else if let Some(last) = out.last_mut() {
            last.push(c);
        }
    }
    out
}

/// The row says where it comes from: the guide's row must be of the place it reads.
fn origin(row: &Row, stem: &str, out: &mut Vec<Finding>) {
    // Of several rows the first is the one of the place; the others say the same of another type.
    let first = row.cell("guide").split_whitespace().next().unwrap_or_default();
    let Some((table, cited)) = first.split_once('#') else { return };
    let (Some(read), Some(cited)) = (At::read(row.cell("source")), At::read(cited)) else { return };
    let own = stem.split(['-', '@']).next().unwrap_or_default();
    let of_own = read.head.split('-').next() == Some(own);
    // A type of one component (ID, IS): the whole value is its first component.
    if of_own && !read.head.contains('-') && read.head == own && cited.parts() == [1, 0] {
        return;
    }
    let differs = read.head != cited.head
        || cited.parts().first().is_some_and(|part| *part > 0 && read.parts().first().unwrap_or(&1) != part);
    if of_own && differs {
        let text = format!("reads {} and cites the guide's row for another place", row.cell("source"));
        out.push(
            error(row, "origin-differs", text).suggest("read the place that is cited, or cite the row that is meant"),
        );
    }
    if table.split('[').next().is_some_and(|name| name != own) && of_own {
        out.push(error(row, "origin-differs", format!("cites the guide's table {table} in a table of {own}")));
    }
}

fn value(view: &View, row: &Row, found: &Found, out: &mut Vec<Finding>) {
    let (source, via) = (row.cell("source"), row.cell("via"));
    if let Some(role) = source.strip_prefix('@') {
        return refers(row, found, role.split('@').next().unwrap_or_default(), out);
    }
    if matches!(source, "const" | "default") {
        return constant(view, row, found, via, out);
    }
    let (table, map) = via.split_once(':').map_or((via, None), |(table, map)| (table, Some(map)));
    if let (Kind::Reference(..), Some((_, built))) = (found.kind, table.split_once('-')) {
        return refers(row, found, built.split(['@', '+']).next().unwrap_or_default(), out);
    }
    let function = table.split('(').next().unwrap_or_default();
    // A cell of a flat extract has no type of its own: its code may become a word.
    let word = function == "code" && map.is_some() && row.file.contains("/rows/");
    if let Kind::Primitive(primitive) = found.kind
        && !word
        && !gives(function).is_empty()
        && !gives(function).contains(&primitive)
    {
        let text = format!("{function} does not give what {} holds", found.path);
        out.push(error(row, "type-mismatch", text).suggest("use the function of the element's type"));
    }
    if let (Some(map), Some(binding), Kind::Primitive(_)) = (map.filter(|_| table == "code"), found.binding, found.kind)
    {
        bound(view, row, found, map, binding, out);
    }
}

/// Each code a map gives must be one the element may have.
fn bound(view: &View, row: &Row, found: &Found, map: &str, binding: &ValueSet, out: &mut Vec<Finding>) {
    let Some(codes) = view.tables.get(&format!("codes/{map}")) else { return };
    for code in codes.iter().filter(|code| !code.cell("code").starts_with('@') && !code.cell("target").is_empty()) {
        if !binding.has_code(code.cell("target")) && code.cell("equivalence") != "unmatched" {
            let text = format!(
                "{} is used for {} ({}:{}), which does not have this code",
                map, found.path, row.file, row.line
            );
            let finding = Finding::new(Severity::Error, "code-not-allowed", &code.file, code.line, text);
            out.push(finding.suggest(&format!("a code of {}", binding.name)));
        }
    }
}

fn constant(view: &View, row: &Row, found: &Found, via: &str, out: &mut Vec<Finding>) {
    if via == "absent" {
        return;
    }
    let code = match found.kind {
        Kind::Primitive(Primitive::Code) => via,
        Kind::Object(_) => via.split('|').nth(1).unwrap_or_default(),
        _ => "",
    };
    if let Some(binding) = found.binding.filter(|binding| !code.is_empty() && !binding.has_code(code)) {
        let text = format!("{} does not have this code", found.path);
        out.push(error(row, "code-not-allowed", text).suggest(&format!("a code of {}", binding.name)));
    }
    if let Some(url) = via.strip_prefix('$').filter(|name| view.url(name).is_none()) {
        out.push(error(row, "unknown-name", format!("{url} is no name of the package")));
    }
}

/// The constants beside a value, by the same rules.
fn beside(view: &View, row: &Row, out: &mut Vec<Finding>) {
    let target = row.cell("target");
    let all = steps(target);
    let anchor = all.iter().rposition(|step| step.contains('[')).map_or(1, |last| last + 1);
    let base: Vec<String> = all.into_iter().take(anchor).collect();
    for piece in row.cell("with").split(';').filter(|piece| !piece.trim().is_empty()) {
        let Some((path, value)) = piece.split_once('=') else { continue };
        let path = path.trim().trim_end_matches('?');
        // A copy of another element, or data-absent-reason: no constant of the table's.
        if value.trim().starts_with('^') || value.trim() == "!absent" {
            continue;
        }
        if let Some(found) = resolve(root(target), &format!("{}.{path}", base.join("."))) {
            constant(view, row, &found, value.trim(), out);
            made_up_constant(row, &found, value.trim(), out);
        }
    }
}

fn refers(row: &Row, found: &Found, kind: &str, out: &mut Vec<Finding>) {
    let Kind::Reference(_, targets) = found.kind else { return };
    if !targets.is_empty() && !targets.split('|').any(|target| target == kind) {
        let text = format!("{} does not refer to {kind}", found.path);
        out.push(error(row, "reference-target", text).suggest(&format!("one of {}", targets.replace('|', ", "))));
    }
}

/// The primitive types a function's result is a value of; empty where the function says nothing.
fn gives(function: &str) -> &'static [Primitive] {
    use Primitive::{
        Base64Binary, Boolean, Canonical, Code, Date, DateTime, Decimal, Id, Instant, Integer, Markdown, Oid,
        PositiveInt, String, Time, UnsignedInt, Uri, Url, Uuid,
    };
    match function {
        "text" | "trimmed" | "lines" | "phone" => &[String, Markdown],
        "code" => &[Code, Id],
        "universal_id" => &[Uri, Url, Canonical, Oid, Uuid, String],
        "uri" | "authority" | "system" => &[Uri, Url, Canonical, Oid, Uuid],
        "date" => &[Date],
        "dateTime" => &[DateTime],
        "instant" => &[Instant],
        "time" => &[Time],
        "decimal" | "number_of" => &[Decimal],
        "integer" => &[Integer, PositiveInt, UnsignedInt, Decimal],
        "positiveInt" => &[PositiveInt, UnsignedInt],
        "boolean" => &[Boolean],
        "comparator" | "comparator_of" | "mime" => &[Code],
        "base64" => &[Base64Binary],
        _ => &[],
    }
}

fn made_up(row: &Row, found: &Found, out: &mut Vec<Finding>) {
    if matches!(row.cell("source"), "const" | "default") && row.cell("via") != "absent" {
        made_up_constant(row, found, row.cell("via"), out);
    }
}

/// A constant may say what kind of thing the segment is; it may not say a fact about the patient.
fn made_up_constant(row: &Row, found: &Found, value: &str, out: &mut Vec<Finding>) {
    if found.in_extension {
        return;
    }
    let last = found.path.rsplit('.').next().unwrap_or_default();
    let personal = found.path.starts_with("Patient.")
        && matches!(last, "gender" | "birthDate" | "family" | "given" | "deceasedBoolean" | "maritalStatus");
    let fact = match found.kind {
        Kind::Primitive(Primitive::Date | Primitive::DateTime | Primitive::Instant | Primitive::Time) => true,
        Kind::Primitive(Primitive::Decimal | Primitive::Integer) => true,
        // A label in `type.text` says what kind of thing the field is, not what is so of the patient.
        Kind::Primitive(Primitive::String | Primitive::Markdown) => {
            !matches!(last, "unit" | "display" | "version") && !found.path.ends_with(".type.text")
        }
        _ => personal && value != "unknown",
    };
    if fact {
        let text = format!("a constant in {} would be said of every patient", found.path);
        out.push(error(row, "made-up", text).suggest("read it from the message, or leave it absent"));
    }
}

/// A table that builds a resource must be able to fill what R4 requires, or say that it is absent.
fn required(view: &View, level: &str, stem: &str, rows: &[Row], out: &mut Vec<Finding>) {
    let Some(id) = rows.iter().find(|row| row.cell("source") == "id") else { return };
    let Some((_, role)) = stem.split_once('-') else { return };
    let kind = role.split(['@', '+']).next().unwrap_or_default();
    let Some(shape) = types::r4().resource(kind) else { return };
    let own = rows.iter().any(|row| row.is_of(&view.name)) || level == "datatypes";
    if !own {
        return;
    }
    // Another segment's table of the same role may fill it too (a note's, a referring one's).
    let filled: BTreeSet<String> = ["segments", "datatypes", "rows"]
        .into_iter()
        .flat_map(|level| view.level(level))
        .flat_map(|(_, rows)| rows)
        .filter(|row| row.is_forward() && !row.cell("target").is_empty() && row.cell("source") != "id")
        .filter(|row| row.cell("target").split('.').next() == Some(role))
        .filter_map(|row| Some(steps(row.cell("target")).get(1)?.split('[').next()?.to_owned()))
        .collect();
    let sure = |name: &str| {
        let of = |row: &&Row| {
            let all = steps(row.cell("target"));
            all.first().map(String::as_str) == Some(role)
                && all
                    .get(1)
                    .and_then(|step| step.split('[').next())
                    .is_some_and(|step| is_json_name(shape, name, step))
        };
        let certain = |row: &Row| matches!(row.cell("source"), "default" | "const") && row.cell("way") != "<";
        rows.iter().filter(of).any(certain)
    };
    for element in shape.elements.iter().filter(|element| element.min > 0 && !made_by_engine(kind, element.name)) {
        if !filled.iter().any(|step| is_json_name(shape, element.name, step)) {
            let text = format!("{kind}.{} is required and no row fills it", element.name);
            out.push(error(id, "required-unfilled", text).suggest("a row, or a default row"));
        } else if !sure(element.name) && !always(element, rows, shape, role) {
            let text =
                format!("{kind}.{} is required and has no default row for messages that do not say it", element.name);
            out.push(
                error(id, "required-without-default", text)
                    .suggest("a default row: a code the standard has for it, or absent"),
            );
        }
    }
    // What is below: a backbone element that is built must have what it requires, too.
    for row in rows.iter().filter(|row| row.cell("source") == "default" && row.is_of(&view.name)) {
        if resolve(kind, row.cell("target")).is_none() {
            out.push(error(row, "unknown-target", "a default for an element that R4 does not have".to_owned()));
        }
    }
}

/// What the engine itself writes: the form of the Bundle, and what a Provenance speaks of.
fn made_by_engine(kind: &str, name: &str) -> bool {
    matches!((kind, name), ("Bundle", "type") | ("Provenance", "target" | "agent"))
}

fn is_json_name(shape: &Shape, name: &str, step: &str) -> bool {
    shape.find(step).is_some_and(|(_, element, _)| element.name == name)
}

/// Rows without a condition from two sides: the reference to a role the group always has.
fn always(element: &Element, rows: &[Row], shape: &Shape, role: &str) -> bool {
    rows.iter().any(|row| {
        let all = steps(row.cell("target"));
        all.first().map(String::as_str) == Some(role)
            && all.get(1).and_then(|step| step.split('[').next()).is_some_and(|s| is_json_name(shape, element.name, s))
            && row.cell("when").is_empty()
            && row.cell("source").starts_with('@')
            && row.is_forward()
    })
}

#[cfg(test)]
mod tests;
