//! What cells and places say, and whether conditions hold.

use std::borrow::Cow;

use smol_str::{SmolStr, format_smolstr};

use crate::function::{self, Authorities, Function};
use crate::map::{Form, Place, Term, Test};
use crate::quick::trim;

use super::super::numeral::Numeral;
use super::super::plan::{COMPOSITE, FlatTable};
use super::{Eval, Here, Line, Value};

impl<'a> Eval<'a> {
    /// The text of a column; nothing where a marker stands for no value.
    pub(super) fn cell<'r>(&self, flat: &FlatTable, column: u32, line: &Line<'r>) -> &'r str {
        let Some(position) = line.shape.position(column) else { return "" };
        let text = line.cells.cell(position);
        let plain = trim(text);
        if plain.is_empty() || flat.is_null(Some(column), plain) { "" } else { text }
    }

    /// The text of a column or of several together.
    pub(super) fn column<'r>(&self, column: u32, line: &Line<'r>) -> Cow<'r, str> {
        let Some(flat) = self.table(line) else { return Cow::Borrowed("") };
        if column < COMPOSITE {
            return Cow::Borrowed(self.cell(flat, column, line));
        }
        let mut out = String::new();
        for member in flat.members(column) {
            let text = trim(self.cell(flat, *member, line));
            if !text.is_empty() {
                if !out.is_empty() {
                    out.push(' ');
                }
                out.push_str(text);
            }
        }
        Cow::Owned(out)
    }

    pub(super) fn text<'h>(&self, place: &Place, here: Here<'h, 'h>) -> Cow<'h, str> {
        match place {
            Place::Own { field, .. } => self.column(*field, here.line),
            Place::Other { segment, field, .. } => {
                let line = here.above.iter().find(|line| line.table == usize::from(*segment));
                line.map_or(Cow::Borrowed(""), |line| self.column(*field, line))
            }
            Place::Part { component, .. } => match here.value {
                Value::None => Cow::Borrowed(""),
                Value::Text(text) if *component <= 1 => Cow::Borrowed(text),
                Value::Text(_) => Cow::Borrowed(""),
                Value::Columns(columns) if *component == 0 => {
                    columns.first().map_or(Cow::Borrowed(""), |column| self.column(*column, here.line))
                }
                Value::Columns(columns) => {
                    let column = columns.get(*component as usize - 1);
                    column.map_or(Cow::Borrowed(""), |column| self.column(*column, here.line))
                }
            },
            Place::Beside(_) => Cow::Borrowed(""),
        }
    }

    pub(super) fn holds(&self, terms: &[Term], here: Here<'_, '_>) -> bool {
        terms.iter().all(|term| self.asked(&term.test, here) != term.negated)
    }

    pub(super) fn asked(&self, test: &Test, here: Here<'_, '_>) -> bool {
        let has = |place: &Place| !self.text(place, here).is_empty();
        match test {
            Test::Exists(place) => has(place),
            Test::Any(places) => places.iter().any(has),
            Test::In(place, values) => {
                let text = self.text(place, here);
                let text = trim(&text);
                values.iter().any(|value| value.eq_ignore_ascii_case(text))
            }
            Test::Repeats(place) => self.list(place, here.line).is_some_and(|by| self.text(place, here).contains(by)),
            Test::Form(form, place) => {
                let text = self.text(place, here);
                let text = match form {
                    Form::Number | Form::RangeLow | Form::RangeHigh | Form::Compared => {
                        self.number(place, &text, here.line)
                    }
                    _ => text,
                };
                match form {
                    Form::Number => function::is_number(&text),
                    Form::Authority => self.authorities().uri(&text).is_some(),
                    Form::RangeLow => function::range(&text).0.is_some(),
                    Form::RangeHigh => function::range(&text).1.is_some(),
                    Form::Compared => function::compared(&text).is_some(),
                    Form::Timestamp => function::is_timestamp(&self.digits(place, &text, here.line)),
                    Form::Time => function::is_time(&self.digits(place, &text, here.line)),
                    Form::Coded(map) => self.compiled.maps.get(*map).is_some_and(|map| map.forward(&text).is_some()),
                }
            }
            Test::Same(left, right) => {
                let (left, right) = (self.text(left, here), self.text(right, here));
                !left.is_empty() && trim(&left) == trim(&right)
            }
            Test::Alias(alias) => self.named(*alias).is_some(),
            Test::Anywhere(_) => false,
        }
    }

    pub(super) fn authorities(&self) -> Authorities<'a> {
        Authorities { source: self.context.authorities, package: self.compiled.authorities() }
    }

    /// What divides the values of a place.
    pub(super) fn list(&self, place: &Place, line: &Line<'_>) -> Option<&'a str> {
        let Place::Own { field, .. } = place else { return None };
        self.table(line)?.spec(*field)?.list.as_deref()
    }

    /// A date of a place as the functions read it; as it stands where no pattern fits.
    pub(super) fn digits<'t>(&self, place: &Place, text: &'t str, line: &Line<'_>) -> Cow<'t, str> {
        let (flat, first) = match place {
            Place::Own { field, .. } => (self.table(line), *field),
            Place::Other { segment, field, .. } => (self.plan.tables.get(usize::from(*segment)), *field),
            _ => return Cow::Borrowed(text),
        };
        let Some(flat) = flat else { return Cow::Borrowed(text) };
        let plain = trim(text);
        let members = flat.members(first);
        let lead = members.first().copied().unwrap_or(first);
        let patterns = flat.patterns(lead);
        if let Some(digits) = patterns.iter().find_map(|pattern| pattern.digits(plain)) {
            return Cow::Owned(digits.into());
        }
        // A date and a time in columns of their own.
        let joined = match members {
            [date, time] => plain.split_once(' ').and_then(|(left, right)| {
                let of = |column: u32, text: &str| flat.patterns(column).iter().find_map(|p| p.digits(trim(text)));
                Some(format!("{}{}", of(*date, left)?, clock(&of(*time, right).or_else(|| Some(right.into()))?)))
            }),
            _ => None,
        };
        // What the file does not write so is no date here, even if it were one of HL7 v2.
        joined.map_or(Cow::Borrowed(""), Cow::Owned)
    }

    /// How the numbers of a place are written, if not as the functions read them.
    pub(super) fn numeral(&self, place: &Place, line: &Line<'_>) -> Option<Numeral> {
        let (flat, first) = match place {
            Place::Own { field, .. } => (self.table(line)?, *field),
            Place::Other { segment, field, .. } => (self.plan.tables.get(usize::from(*segment))?, *field),
            _ => return None,
        };
        flat.numeral(flat.members(first).first().copied().unwrap_or(first))
    }

    /// A number of a place as the functions read it; nothing where it is not written as the file writes numbers.
    pub(super) fn number<'t>(&self, place: &Place, text: &'t str, line: &Line<'_>) -> Cow<'t, str> {
        match self.numeral(place, line) {
            Some(numeral) => numeral.plain(text).unwrap_or(Cow::Borrowed("")),
            None => Cow::Borrowed(text),
        }
    }

    /// Positions of the cells of a place in its own row, with their numbers.
    pub(super) fn columns_of(&self, place: &Place, here: Here<'_, '_>) -> Vec<(usize, u32)> {
        let Some(flat) = self.table(here.line) else { return Vec::new() };
        let numbers: Vec<u32> = match place {
            Place::Own { field, .. } if *field >= COMPOSITE => flat.members(*field).to_vec(),
            Place::Own { field, .. } => vec![*field],
            Place::Part { component, .. } => match here.value {
                Value::Columns(columns) => {
                    columns.get((*component as usize).saturating_sub(1)).copied().into_iter().collect()
                }
                _ => Vec::new(),
            },
            _ => Vec::new(),
        };
        numbers.iter().filter_map(|number| Some((here.line.shape.position(*number)?, *number))).collect()
    }
}

/// Whether a function reads timestamps.
pub(crate) fn reads_dates(function: &Function) -> bool {
    matches!(function.name, "date" | "day" | "dateTime" | "instant" | "time")
}

/// A time alone: its digits.
pub(super) fn clock(text: &str) -> SmolStr {
    if !text.contains(':') {
        return text.into();
    }
    // Minutes at least, as `9:05` is no time of HL7 v2.
    let mut parts = text.splitn(3, ':').map(trim);
    let (hour, minute, rest) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    format_smolstr!("{hour:0>2}{minute:0>2}{rest}")
}
