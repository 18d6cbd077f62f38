//! Reads the files of a package.

use include_dir::Dir;
use smol_str::{SmolStr, format_smolstr};

use super::target::{self, Target};
use super::{Beside, Default_, LoadError, Map, Rule, TypeRow, Via, When};

const COLUMNS: [&str; 7] = ["source", "target", "via", "with", "when", "way", "guide"];
const SHORT_COLUMNS: [&str; 4] = ["source", "target", "way", "guide"];

/// A row of a file as it stands there.
struct Line {
    file: String,
    line: u64,
    cells: Vec<String>,
}

impl Line {
    fn cell(&self, at: usize) -> &str {
        self.cells.get(at).map(String::as_str).unwrap_or_default()
    }

    fn error(&self, message: impl Into<String>) -> LoadError {
        LoadError { file: self.file.clone(), line: self.line, message: message.into() }
    }

    fn label(&self) -> SmolStr {
        format_smolstr!("{}:{}", self.file, self.line)
    }
}

/// Fills a map with the rows of a package; `to_r4`: as they stand, else the other way round.
pub(super) fn package(folder: &Dir<'_>, to_r4: bool, map: &mut Map, errors: &mut Vec<LoadError>) {
    let mut lines = Vec::new();
    gather(folder, &mut lines, errors);
    // Code maps first: rows name them.
    for line in &lines {
        let Some(name) = line.file.split_once("/codes/").and_then(|(_, name)| name.strip_suffix(".csv")) else {
            continue;
        };
        map.count.codes += 1;
        let (from, to) = ends(line, to_r4);
        let (forth, back) = ways(line.cell(2), to_r4);
        map.codes.entry(name.into()).or_default().add(from, to, forth, back);
    }
    for line in &lines {
        if line.file.ends_with("/types.csv") {
            map.count.types += 1;
            let (from, to) = ends(line, to_r4);
            if !ways(line.cell(2), to_r4).0 {
                continue;
            }
            if map.from.resource(from).is_none() || map.to.resource(to).is_none() {
                errors.push(line.error(format!("expected resource types, found {from} and {to}")));
            }
            map.types.push(TypeRow { from: from.into(), to: to.into() });
        } else if line.file.ends_with("/systems.csv") {
            map.count.codes += 1;
            let (from, to) = ends(line, to_r4);
            if ways(line.cell(2), to_r4).0 {
                map.systems.entry(from.into()).or_insert_with(|| to.into());
            }
        } else if line.file.contains("/rows/") {
            map.count.rows += 1;
            if let Err(message) = row(line, to_r4, map) {
                errors.push(line.error(message));
            }
        }
    }
}

/// Source and target of a row, seen from the direction.
fn ends(line: &Line, to_r4: bool) -> (&str, &str) {
    if to_r4 { (line.cell(0), line.cell(1)) } else { (line.cell(1), line.cell(0)) }
}

/// Whether a row counts in this direction, and in the other.
fn ways(way: &str, to_r4: bool) -> (bool, bool) {
    let (to, from) = (way != "<", way != ">");
    if to_r4 { (to, from) } else { (from, to) }
}

fn gather(folder: &Dir<'_>, lines: &mut Vec<Line>, errors: &mut Vec<LoadError>) {
    let is_table = |path: &std::path::Path| path.extension().is_some_and(|end| end == "csv");
    let mut files: Vec<_> = folder.files().filter(|file| is_table(file.path())).collect();
    files.sort_unstable_by_key(|file| file.path());
    for file in files {
        let path = file.path().to_string_lossy().replace('\\', "/");
        let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).flexible(true).from_reader(file.contents());
        let wanted: &[&str] = if path.contains("/rows/") { &COLUMNS } else { &SHORT_COLUMNS };
        let fault = |line, message: &str| LoadError { file: path.clone(), line, message: message.to_owned() };
        if !reader.headers().is_ok_and(|found| found.iter().eq(wanted.iter().copied())) {
            errors.push(fault(1, &format!("expected the columns {}", wanted.join(","))));
            continue;
        }
        for record in reader.records() {
            let Ok(record) = record else {
                errors.push(fault(0, "expected a row of comma-separated values"));
                continue;
            };
            let line = record.position().map_or(0, csv::Position::line);
            if record.len() != wanted.len() {
                errors.push(fault(line, &format!("expected {} cells", wanted.len())));
                continue;
            }
            if record.iter().next_back().is_none_or(str::is_empty) {
                errors.push(fault(line, "expected the row's origin in guide"));
            }
            lines.push(Line { file: path.clone(), line, cells: record.iter().map(str::to_owned).collect() });
        }
    }
    let mut folders: Vec<_> = folder.dirs().collect();
    folders.sort_unstable_by_key(|each| each.path());
    for each in folders {
        gather(each, lines, errors);
    }
}

fn row(line: &Line, to_r4: bool, map: &mut Map) -> Result<(), String> {
    if line.cell(0) == "default" {
        return default(line, to_r4, map);
    }
    let via = via(line.cell(2), map)?;
    let (from, to) = ends(line, to_r4);
    if !ways(line.cell(5), to_r4).0 || from.is_empty() {
        return Ok(());
    }
    let is_fresh = from.contains("[+]") || to.contains("[+]");
    let source = target::find(map.from, &from.replace("[+]", ""))?;
    let target = if to.is_empty() { None } else { Some(target::find(map.to, &to.replace("[+]", ""))?) };
    if target.is_none() && !matches!(via, Via::Drop(_) | Via::Modifier) {
        return Err("expected a target, or drop: with a reason".to_owned());
    }
    let (system, beside) = match line.cell(3).split_once('=') {
        None if line.cell(3).is_empty() => (None, None),
        Some(("system", uri)) => (Some(uri.into()), None),
        Some((member, value)) if is_fresh => {
            let (system, code) = value.split_once('|').ok_or("expected NAME=SYSTEM|CODE")?;
            (None, Some(Beside { member: member.into(), system: system.into(), code: code.into() }))
        }
        _ => {
            return Err("expected system=URI, or NAME=SYSTEM|CODE (NAME=|CODE for a bare code) for items of their own"
                .to_owned());
        }
    };
    // A condition is about the source of the row; the way back has it only where the row has no other way.
    let when = if to_r4 || line.cell(5) == "<" { when(line.cell(4)) } else { Vec::new() };
    for (member, of_type) in source.names {
        let target = target.as_ref().map(|named| {
            let mut steps = named.parents.clone();
            // The same type of the choice; without one the engine looks for one that fits.
            let same = named.names.iter().find(|(_, end)| *end == of_type);
            let only = if let [only] = named.names.as_slice() { Some(only) } else { None };
            steps.push(same.or(only).map_or_else(|| named.base.clone(), |(name, _)| name.clone()));
            Target { root: named.root.clone(), steps }
        });
        map.rules.entry(source.shape).or_default().push(Rule {
            member,
            target,
            via: via.clone(),
            system: system.clone(),
            when: when.clone(),
            is_fresh,
            beside: beside.clone(),
            order: map.count.rows,
            label: line.label(),
        });
    }
    Ok(())
}

/// Defaults are for R4, those with `<` for the other version.
fn default(line: &Line, to_r4: bool, map: &mut Map) -> Result<(), String> {
    if (line.cell(5) != "<") != to_r4 {
        return Ok(());
    }
    let named = target::find(map.to, line.cell(1))?;
    let value = match line.cell(2) {
        "absent" => None,
        text => Some(SmolStr::new(text)),
    };
    let Some((member, _)) = named.names.into_iter().next() else { return Ok(()) };
    let unless = match line.cell(4).strip_prefix('!') {
        Some(name) => Some(name.into()),
        None if line.cell(4).is_empty() => None,
        None => return Err("expected !NAME for a default".to_owned()),
    };
    map.defaults.entry(named.shape).or_default().push(Default_ { member, value, unless, label: line.label() });
    Ok(())
}

fn via(cell: &str, map: &Map) -> Result<Via, String> {
    Ok(match cell {
        "" => Via::Plain,
        "concept" => Via::Concept,
        "reference" => Via::Reference,
        "modifier" => Via::Modifier,
        _ => match (cell.strip_prefix("code:"), cell.strip_prefix("drop: ")) {
            (Some(name), _) if map.codes.contains_key(name) => Via::Code(name.into()),
            (Some(name), _) => return Err(format!("there is no codes/{name}.csv")),
            (None, Some(reason)) => Via::Drop(reason.into()),
            (None, None) => return Err(format!("expected a function, found {cell}")),
        },
    })
}

fn when(cell: &str) -> Vec<When> {
    cell.split(" and ").filter(|part| !part.is_empty()).map(one_when).collect()
}

fn one_when(part: &str) -> When {
    if let Some(types) = part.strip_prefix("type(").and_then(|rest| rest.strip_suffix(')')) {
        return When::Type(types.split(' ').map(SmolStr::new).collect());
    }
    if let Some((name, values)) = part.split_once(" in ") {
        return When::Is(name.into(), values.split(' ').map(SmolStr::new).collect());
    }
    if let Some((name, value)) = part.split_once('=') {
        return When::Is(name.into(), vec![value.into()]);
    }
    match part.strip_prefix('!') {
        Some(name) => When::HasNot(name.into()),
        None => When::Has(part.into()),
    }
}
