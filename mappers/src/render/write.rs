//! Lines into bytes: for a version, with delimiters, in a character set.

use std::collections::BTreeMap;

use formats::hl7v2::{Charset, Delimiters, MessageBuilder};
use model::outcome::{Issue, Severity};
use smol_str::SmolStr;

use crate::reverse::{Base, Pieces};
use crate::versions::{Instead, Near, Version, Versions};

use super::Line;

/// Name of UTF-8 in HL7 table 0211.
const UTF_8: &str = "UNICODE UTF-8";

/// Writes the lines in the character set that MSH-18 names, else in UTF-8, and says so where it matters.
pub(super) fn bytes(lines: &mut [Line], delimiters: Delimiters, issues: &mut Vec<Issue>) -> Vec<u8> {
    let text = built(lines, delimiters);
    let header = lines.first_mut().filter(|line| line.name == "MSH");
    let said: Vec<String> = header
        .iter()
        .flat_map(|line| line.pieces.iter())
        .filter(|((field, _, component, _), _)| (*field, *component) == (18, 1))
        .map(|(_, name)| name.clone())
        .collect();
    let ascii = |name: &String| name.to_ascii_uppercase().contains("ASCII");
    for charset in
        said.iter().filter(|name| !ascii(name) && !name.contains("16")).filter_map(|name| Charset::named(name))
    {
        if let Some(bytes) = charset.encode_whole(&text) {
            return bytes;
        }
    }
    if text.is_ascii() {
        return text.into_bytes();
    }
    if !said.is_empty() {
        let why = "the character set of the message cannot hold its text: UTF-8 is written, and MSH-18 says so";
        issues.push(Issue::new(Severity::Information, "not-supported", why).at("MSH-18"));
    }
    if let Some(header) = header {
        header.pieces.replace(18, UTF_8);
    }
    built(lines, delimiters).into_bytes()
}

fn built(lines: &mut [Line], delimiters: Delimiters) -> String {
    let usual = delimiters == Delimiters::default();
    let mut builder = MessageBuilder::new(delimiters);
    let narrow = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
    for line in lines {
        if !usual {
            line.pieces.spread();
        }
        let segment = builder.segment(&line.name);
        for ((field, repetition, component, subcomponent), text) in line.pieces.iter() {
            if !(line.name == "MSH" && *field < 3) {
                segment.set(narrow(*field), narrow(*repetition), narrow(*component), narrow(*subcomponent), text);
            }
        }
        for (field, raw) in &line.pieces.raw {
            segment.set_raw(narrow(*field), raw);
        }
    }
    builder.to_text()
}

/// Takes out what a version does not have: to where that version says it, else with an issue.
pub(super) fn fit(lines: &mut Vec<Line>, versions: &Versions, version: Version, name: &str, issues: &mut Vec<Issue>) {
    let mut left_out: BTreeMap<String, u32> = BTreeMap::new();
    let mut number = 0;
    while let Some(line) = lines.get_mut(number) {
        line.pieces.spread();
        let before = line.pieces.texts().len();
        let against = |key: &(u32, u32, u32, u32)| versions.against(version, &line.name, key.0, key.2).is_some();
        let away: Vec<_> =
            line.pieces.iter().filter(|(key, _)| against(key)).map(|(key, text)| (*key, text.clone())).collect();
        let segment = line.name.clone();
        for (key, _) in &away {
            line.pieces.remove(*key);
        }
        let mut moves = Moves { lines, at: number, repetitions: BTreeMap::new() };
        for (key, text) in &away {
            let Some(entry) = versions.against(version, &segment, key.0, key.2) else { continue };
            let moved = entry.instead.as_ref().is_some_and(|instead| moves.to(instead, entry.is_whole(), *key, text));
            if !moved && key.0 > 0 {
                let component = if key.2 > 1 { format!(".{}", key.2) } else { String::new() };
                *left_out.entry(format!("{segment}-{}{component}", key.0)).or_insert(0) += 1;
            }
        }
        // A segment of which only its number is left says nothing.
        let rest = lines.get(number).map(|line| line.pieces.iter().filter(|(key, _)| key.0 > 1).count());
        if rest == Some(0) && !away.is_empty() && before > 0 {
            lines.remove(number);
        } else {
            number += 1;
        }
    }
    for place in left_out.keys() {
        let text = format!("version {name} of HL7 v2 has no such place: left out");
        issues.push(Issue::new(Severity::Information, "not-supported", text).at(place.clone()));
    }
}

/// Values of one segment on their way to other places.
struct Moves<'l> {
    lines: &'l mut Vec<Line>,
    at: usize,
    /// Repetition a value's field has got in another field.
    repetitions: BTreeMap<(u32, u32, u32), u32>,
}

impl Moves<'_> {
    /// Moves a value, with its component if it moves as a whole field; false if its new place is taken or not there.
    fn to(&mut self, instead: &Instead, whole: bool, key: (u32, u32, u32, u32), text: &str) -> bool {
        let place = &instead.place;
        let Some(number) = self.line(&place.segment, instead.near) else { return false };
        let Some(line) = self.lines.get_mut(number) else { return false };
        let own = instead.near == Near::Same && (place.component == 0 || !instead.constants.is_empty());
        let repetition = if !own {
            1
        } else {
            let next = line.pieces.repetitions(place.field) + 1;
            *self.repetitions.entry((key.0, key.1, place.field)).or_insert(next)
        };
        let (component, subcomponent) = match (place.component, place.subcomponent) {
            (0, _) if whole => (key.2, key.3),
            (0, _) => (key.3, 1),
            (component, 0) => (component, if key.2 > 1 { key.2 } else { key.3 }),
            (component, subcomponent) => (component, subcomponent),
        };
        let base = Base::field(place.field, repetition).within(component, subcomponent);
        if line.pieces.is_set(base) {
            return line.pieces.get(base) == Some(text);
        }
        line.pieces.set(base, text);
        for (place, text) in &instead.constants {
            let repetition = if place.field == instead.place.field { repetition } else { 1 };
            let base = Base::field(place.field, repetition).within(place.component, place.subcomponent);
            if !line.pieces.is_set(base) {
                line.pieces.set(base, text);
            }
        }
        true
    }

    /// The line of a segment name that is meant.
    fn line(&mut self, name: &SmolStr, near: Near) -> Option<usize> {
        let own = self.lines.get(self.at)?.name.clone();
        match near {
            Near::Same => Some(self.at),
            Near::Before => self.lines.get(..self.at)?.iter().rposition(|line| line.name == *name),
            Near::Behind => {
                let behind = self.lines.get(self.at + 1..).unwrap_or_default();
                let end = behind.iter().position(|line| line.name == own).unwrap_or(behind.len());
                let found = behind.iter().take(end).position(|line| line.name == *name);
                if let Some(found) = found {
                    return Some(self.at + 1 + found);
                }
                self.lines.insert(self.at + 1, Line { name: name.clone(), pieces: Pieces::default() });
                Some(self.at + 1)
            }
        }
    }
}
