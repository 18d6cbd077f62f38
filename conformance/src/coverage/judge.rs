//! What became of each row of the guide.

use std::collections::{BTreeMap, BTreeSet};

use crate::lint::view::View;

use super::guide::{Guide, GuideRow, Level, Way};
use super::ours::{Cited, Ours, Reason, Served};
use super::{Coverage, Mistake, Status};

pub(super) fn judge(guide: &Guide, view: &View, ours: &Ours) -> Coverage {
    let mut used: BTreeMap<usize, usize> = BTreeMap::new();
    let mut needless: BTreeMap<usize, usize> = BTreeMap::new();
    let mut rows = Vec::new();
    for row in &guide.rows {
        let found = match row.level {
            Level::Messages => message(row, ours),
            _ => made(row, ours.cited.get(&row.citation()).map_or(&[], Vec::as_slice), view),
        };
        let citation = row.citation();
        let fitting: Vec<(usize, &Reason)> =
            ours.reasons.iter().enumerate().filter(|(_, reason)| reason.fits(&citation, &row.target)).collect();
        for (number, _) in &fitting {
            *used.entry(*number).or_default() += 1;
            if matches!(found, Some(Status::Implemented { .. })) {
                *needless.entry(*number).or_default() += 1;
            }
        }
        // A reason for this very row says more than that another row is made of it.
        let reason = fitting.iter().find(|(_, reason)| !reason.prefix).or(fitting.first()).map(|(_, reason)| *reason);
        let said = |reason: &Reason| Status::Reasoned {
            reason: reason.text.clone(),
            at: format!("{}:{}", reason.file, reason.line),
        };
        let status = match (found, reason) {
            (Some(Status::OtherTarget { .. }), Some(reason)) if !reason.prefix => said(reason),
            (Some(status), _) => status,
            (None, _) if row.target.is_empty() && row.maps.is_empty() => Status::NoTarget,
            (None, Some(reason)) => said(reason),
            (None, None) => Status::Open,
        };
        rows.push((row.clone(), status));
    }
    let mut mistakes = citations(guide, ours);
    for (number, reason) in ours.reasons.iter().enumerate() {
        let mistake =
            |message: &str| Mistake { file: reason.file.clone(), line: reason.line, message: message.to_owned() };
        let (used, needless) = (used.get(&number).copied().unwrap_or(0), needless.get(&number).copied().unwrap_or(0));
        if reason.text.is_empty() {
            mistakes.push(mistake("expected a reason"));
        }
        if used == 0 {
            mistakes.push(mistake("the guide has no such row"));
        } else if used == needless {
            mistakes.push(mistake("a row of the package implements it: no reason is needed"));
        }
    }
    mistakes.sort();
    Coverage { book: guide.book, rows, mistakes, sources: sources(ours) }
}

/// What the rows of ours that cite a row of a segment, data type or vocabulary make of it.
fn made(row: &GuideRow, cited: &[Cited], view: &View) -> Option<Status> {
    let (dropped, made): (Vec<&Cited>, Vec<&Cited>) = cited.iter().partition(|cited| cited.dropped.is_some());
    let same: Vec<String> =
        made.iter().filter(|cited| is_same(row, &cited.target, view)).map(|cited| cited.at()).collect();
    if !same.is_empty() {
        return Some(Status::Implemented { at: same });
    }
    if !made.is_empty() {
        let targets: BTreeSet<String> = made.iter().map(|cited| cited.target.clone()).collect();
        let at = made.iter().map(|cited| cited.at()).collect();
        return Some(match row.target.is_empty() && row.maps.is_empty() {
            // The guide has no target: ours is one.
            true => Status::Implemented { at },
            false => Status::OtherTarget { at, targets: targets.into_iter().collect() },
        });
    }
    let dropped = dropped.first()?;
    Some(Status::Reasoned { reason: dropped.dropped.clone().unwrap_or_default(), at: dropped.at() })
}

/// Whether our target is the guide's, as far as the names of elements tell.
fn is_same(row: &GuideRow, ours: &str, view: &View) -> bool {
    if row.level == Level::Codes {
        return row.target.eq_ignore_ascii_case(ours);
    }
    if row.target.is_empty() || row.target.starts_with('$') {
        return true;
    }
    if !row.url.is_empty() && row.target.contains("extension") && row.target.ends_with("url") {
        return names(ours).any(|name| view.url(name).as_deref() == Some(row.url.as_str()));
    }
    if row.way == Way::Back {
        return is_same_place(&row.target, ours);
    }
    let theirs = elements(&row.target);
    let ours = elements(ours.split_once('.').map_or("", |(_, path)| path));
    let equal = |a: &str, b: &str| a == b || chosen(a, b) || chosen(b, a);
    let begins = |short: &[String], long: &[String]| {
        short.len() <= long.len() && short.iter().zip(long).all(|(a, b)| equal(a, b))
    };
    let last = matches!((theirs.last(), ours.last()), (Some(a), Some(b)) if equal(a, b));
    // Our tables of data types begin where the type does.
    let inside = row.level == Level::ToFhir && ours.len() > 1 && theirs.windows(ours.len()).any(|part| part == ours);
    last || inside || begins(&theirs, &ours) || begins(&ours, &theirs)
}

/// Whether our row's place is the C-CDA element that the guide names, as far as names tell: the row may stand at the
/// element's holder or at an attribute of it.
fn is_same_place(theirs: &str, ours: &str) -> bool {
    let names = |path: &str| -> Vec<String> {
        let mut depth = 0usize;
        let outside = path.chars().filter(|letter| {
            match letter {
                '[' => depth += 1,
                ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && *letter != ']'
        });
        let outside: String = outside.collect();
        outside.split(['/', '@', '.', ' ']).filter(|name| !name.is_empty()).map(str::to_ascii_lowercase).collect()
    };
    // A template is named by its title: which element it is, the row's own predicates say.
    if theirs.contains(' ') {
        return true;
    }
    let (theirs, ours) = (names(theirs), names(ours));
    let same =
        |a: Option<&String>, b: Option<&String>| matches!((a, b), (Some(a), Some(b)) if b.starts_with(a.as_str()));
    let (last, holder) = (theirs.last(), theirs.iter().rev().nth(1));
    let near = ours.iter().rev().take(2).any(|name| same(last, Some(name)));
    near || same(holder, ours.last())
}

/// `value` and `valueQuantity`.
fn chosen(short: &str, long: &str) -> bool {
    long.strip_prefix(short).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// The names in square brackets of a target of ours.
fn names(target: &str) -> impl Iterator<Item = &str> {
    target.split('[').skip(1).filter_map(|part| part.split_once(']')).map(|(name, _)| name.trim_start_matches('+'))
}

/// The elements of a path without indexes, types in brackets and assignments.
fn elements(path: &str) -> Vec<String> {
    let path = path.split(['=', ' ', ';']).next().unwrap_or_default();
    let mut out = vec![String::new()];
    let mut depth = 0usize;
    for letter in path.chars() {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '.' if depth == 0 => out.push(String::new()),
            _ if depth == 0 => {
                if let Some(last) = out.last_mut() {
                    last.push(letter);
                }
            }
            _ => {}
        }
    }
    out.retain(|element| !element.is_empty());
    out
}

/// What the message table of a structure makes of a segment.
fn message(row: &GuideRow, ours: &Ours) -> Option<Status> {
    if row.target.is_empty() && row.maps.is_empty() {
        return None;
    }
    let served = ours.structures.get(&row.table).or(Some(&ours.fallback))?;
    let read = |served: &Served| served.segments.get(row.segment()).cloned().unwrap_or_default();
    let tables = [read(served), read(&ours.fallback)].concat();
    let base = |name: &str| name.split(['-', '@', '[', '(', '.']).next().unwrap_or_default().to_owned();
    let cites = |table: &str| {
        let stem = format!("{}-{table}", row.segment());
        ours.tables.get(&stem).is_some_and(|cited| row.maps.iter().any(|map| cited.contains(map)))
    };
    let same: BTreeSet<String> = tables
        .iter()
        .filter(|(name, _)| if row.maps.is_empty() { base(name) == base(&row.target) } else { cites(name) })
        .map(|(_, cited)| cited.at())
        .collect();
    if !same.is_empty() {
        return Some(Status::Implemented { at: same.into_iter().collect() });
    }
    if tables.is_empty() {
        return None;
    }
    let at: BTreeSet<String> = tables.iter().map(|(_, cited)| cited.at()).collect();
    let targets: BTreeSet<String> = tables.into_iter().map(|(name, _)| name).collect();
    Some(Status::OtherTarget { at: at.into_iter().collect(), targets: targets.into_iter().collect() })
}

/// Citations of what the guide does not have.
fn citations(guide: &Guide, ours: &Ours) -> Vec<Mistake> {
    let mut out = Vec::new();
    let mut mistake = |cited: &Cited, message: String| {
        out.push(Mistake { file: cited.file.clone(), line: cited.line, message });
    };
    for (citation, rows) in &ours.cited {
        if guide.known.contains(citation) {
            continue;
        }
        let table = citation.split_once('#').map_or(citation.as_str(), |(table, _)| table);
        let known = guide.tables.contains_key(table);
        for cited in rows {
            let what = if known { "row" } else { "table" };
            mistake(cited, format!("the guide has no {what} {}", if known { citation } else { table }));
        }
    }
    for (citation, cited) in &ours.astray {
        mistake(cited, format!("the row does not go the way of {citation}"));
    }
    for (table, cited) in &ours.whole {
        match guide.tables.get(table) {
            None => mistake(cited, format!("the guide has no table {table}")),
            Some(Level::Segments | Level::Datatypes | Level::ToFhir | Level::FromFhir) => {
                mistake(cited, format!("expected a row of {table}, as {table}#…"))
            }
            Some(_) => {}
        }
    }
    out
}

/// Our files by the table of the guide they cite.
fn sources(ours: &Ours) -> BTreeMap<String, BTreeSet<String>> {
    let mut out: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let cited = ours.cited.iter().flat_map(|(citation, rows)| rows.iter().map(move |cited| (citation, cited)));
    for (citation, cited) in cited.chain(ours.whole.iter().map(|(table, cited)| (table, cited))) {
        let table = citation.split_once('#').map_or(citation.as_str(), |(table, _)| table);
        let file = cited.file.split_once('/').map_or(cited.file.as_str(), |(_, file)| file);
        out.entry(table.to_owned()).or_default().insert(file.to_owned());
    }
    out
}
