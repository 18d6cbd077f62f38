//! The text that a row would have made a value of.

use model::json::{Json, Object};
use model::outcome::Issue;
use smol_str::SmolStr;

use crate::function::{Authorities, Back, Call, Function, compared, is_number};
use crate::map::{Form, Place, Row, Source, Test, Via, Way};
use crate::path::Holds;
use crate::quick::trim;

use super::super::eval::{LEXEME, reads_dates};
use super::super::numeral::reads_numbers;
use super::super::plan::{COMPOSITE, FlatTable};
use super::cells::Line;
use super::walk::{Walk, any_at, chosen, says};
use super::{Reverse, Taken};

impl<'a> Reverse<'a> {
    /// A cell that a condition asks for a text is that text where the row has set its value.
    pub(super) fn conditions(&self, row: &Row, object: &Object, line: &mut Line, set: Option<u32>) {
        if row.way != Way::Both {
            return;
        }
        if set.is_none() {
            let Via::Literal(wanted) = &row.via else { return };
            if !any_at(object, &row.target.steps, &|json| says(json, wanted)) {
                return;
            }
        }
        for term in row.when.iter().filter(|term| !term.negated) {
            if let Test::In(Place::Own { field, .. }, values) = &term.test
                && Some(*field) != set
                && *field < COMPOSITE
                && let Some(first) = values.first()
            {
                line.set(*field, first);
            }
        }
    }

    /// Whether the conditions of a row that speak of its own column hold for what would stand there.
    pub(super) fn allowed(&self, flat: &FlatTable, row: &Row, text: &str) -> bool {
        let Source::Place(own) = &row.source else { return true };
        let numeral = match own {
            Place::Own { field, .. } => flat.numeral(flat.members(*field).first().copied().unwrap_or(*field)),
            _ => None,
        };
        let plain = match numeral {
            Some(numeral) => numeral.plain(text).unwrap_or_default(),
            None => text.into(),
        };
        row.when.iter().all(|term| {
            let holds = match &term.test {
                Test::Form(Form::Number, place) if place == own => is_number(&plain),
                // The comparator and its number are written one after the other.
                Test::Form(Form::Compared, place) if place == own => {
                    matches!(text, "<" | "<=" | ">" | ">=") || compared(&plain).is_some() || is_number(&plain)
                }
                Test::In(place, values) if place == own => {
                    values.iter().any(|value| value.eq_ignore_ascii_case(trim(text)))
                }
                _ => return true,
            };
            holds != term.negated
        })
    }

    /// The text of a column for a value, or of the members of several, which are then set.
    pub(super) fn text(
        &mut self,
        flat: &FlatTable,
        field: u32,
        row: &Row,
        json: &Json,
        beside: Option<&Json>,
        line: &mut Line,
    ) -> Option<String> {
        let text = match &row.via {
            Via::Table { table, .. } => return self.members(flat, field, *table, json, line),
            Via::Function { function, .. } => self.undone(flat, field, function, row, json, beside)?,
            Via::Code { map } | Via::System { map } => self.code(*map, row, json, beside)?,
            _ => return None,
        };
        if field < COMPOSITE {
            return Some(text);
        }
        let members = flat.members(field);
        // A date whose time nobody knows stands in the first of the two columns.
        if let (Via::Function { function, .. }, [date, _]) = (&row.via, members)
            && reads_dates(function)
            && !text.contains(' ')
        {
            line.set(*date, &text);
            return Some(text);
        }
        let parts: Vec<&str> = text.splitn(members.len(), ' ').collect();
        if parts.len() != members.len() {
            let text = "a text cannot be divided again among the columns it came from: it is not written";
            self.issue(flat, members.first().copied(), text, row);
            return None;
        }
        for (member, part) in members.iter().zip(parts) {
            line.set(*member, part);
        }
        Some(text)
    }

    /// The text that a function would make this value of.
    pub(super) fn undone(
        &mut self,
        flat: &FlatTable,
        field: u32,
        function: &Function,
        row: &Row,
        json: &Json,
        beside: Option<&Json>,
    ) -> Option<String> {
        let value = lexeme(json)?;
        let first = flat.members(field).first().copied().unwrap_or(field);
        let authorities = Authorities { source: &[], package: self.compiled.authorities() };
        let numeral = flat.numeral(first).filter(|_| reads_numbers(function));
        // The text it came from says more, as long as it still says this.
        if let Some(text) = beside.and_then(said_before) {
            let digits: SmolStr = if reads_dates(function) {
                flat.patterns(first).iter().find_map(|pattern| pattern.digits(text)).unwrap_or_default()
            } else {
                numeral.and_then(|numeral| numeral.plain(text)).map_or_else(|| text.into(), SmolStr::from)
            };
            let call = Call { value: &digits, arguments: &[], zone: None, authorities };
            let same = (function.forward)(&call)
                .is_ok_and(|output| output.value == value || value.starts_with(output.value.as_str()));
            if same {
                return Some(text.to_owned());
            }
        }
        let Some(backward) = function.backward else {
            self.issue(flat, Some(first), "this function has no way back: the cell is left empty", row);
            return None;
        };
        let text = backward(&Back { value: &value, authorities })?.into_iter().next()?;
        if let Some(numeral) = numeral {
            return Some(numeral.written(&text));
        }
        if !reads_dates(function) {
            return Some(text);
        }
        if let [date, time] = flat.members(field)
            && let Some((day, clock)) = text.split_at_checked(8).filter(|(_, clock)| !clock.is_empty())
        {
            let day = flat.patterns(*date).iter().find_map(|pattern| pattern.text(day))?;
            let bare = clock
                .get(..4)
                .map(|clock| format!("{}:{}", &clock.get(..2).unwrap_or(""), &clock.get(2..).unwrap_or("")));
            let clock = flat.patterns(*time).iter().find_map(|pattern| pattern.text(&format!("T{clock}"))).or(bare)?;
            return Some(format!("{day} {clock}"));
        }
        let digits = if function.name == "time" { format!("T{text}") } else { text };
        let mut written = flat.patterns(first).iter().find_map(|pattern| pattern.text(&digits));
        // A zone that the file has no place for is left out: its times are those of the sender.
        if written.is_none()
            && let Some((local, _)) = digits.rsplit_once(['+', '-'])
        {
            written = flat.patterns(first).iter().find_map(|pattern| pattern.text(local));
        }
        if written.is_none() {
            self.issue(
                flat,
                Some(first),
                "no date format of the column can say this date: the cell is left empty",
                row,
            );
        }
        written
    }

    /// The code of a map that becomes this value.
    pub(super) fn code(&self, map: usize, row: &Row, json: &Json, beside: Option<&Json>) -> Option<String> {
        let map = self.compiled.maps.get(map)?;
        let coding = |coding: &Json| {
            let (system, code) = (coding.text_at(&["system"]), coding.text_at(&["code"])?);
            map.backward(system.filter(|system| !system.is_empty()), code).map(ToString::to_string)
        };
        match row.target.holds {
            Holds::Complex("CodeableConcept") => {
                let codings = json.items("coding");
                let own = codings
                    .iter()
                    .find(|coding| map.table.is_some() && coding.text_at(&["system"]) == map.table.as_deref());
                let own = own.and_then(|coding| coding.text_at(&["code"])).map(str::to_owned);
                let text = json.text_at(&["text"]);
                let known = text.filter(|text| map.knows(text)).map(str::to_owned);
                own.or(known).or_else(|| codings.iter().find_map(coding)).or_else(|| text.map(str::to_owned))
            }
            Holds::Complex(_) => coding(json),
            _ => {
                let value = lexeme(json)?;
                if let Some(text) = beside.and_then(said_before)
                    && map.forward(text).is_some_and(|to| to.target == value)
                {
                    return Some(text.to_owned());
                }
                map.backward(None, &value).map(ToString::to_string)
            }
        }
    }

    /// Sets the columns of an element that a datatype's table reads.
    pub(super) fn members(
        &mut self,
        flat: &FlatTable,
        field: u32,
        table: usize,
        json: &Json,
        line: &mut Line,
    ) -> Option<String> {
        let (table, object) = (self.compiled.tables.get(table)?, json.as_object()?);
        let columns: Vec<u32> = if field >= COMPOSITE { flat.members(field).to_vec() } else { vec![field] };
        let (mut taken, mut any) = (Taken::new(), false);
        let chosen = chosen(table, object);
        for row in table.rows.iter().filter(|row| row.way.is_back(true)) {
            let Source::Place(Place::Part { component, .. }) = &row.source else { continue };
            let Some(column) = columns.get((*component as usize).saturating_sub(1)).copied() else { continue };
            let list = flat.spec(column).and_then(|column| column.list.as_deref());
            let mut texts: Vec<String> = Vec::new();
            let mut walk =
                Walk { alias: row.alias, chosen: &chosen, item: None, taken: &mut taken, all: list.is_some() };
            walk.values(object, row, &mut |json, beside| {
                if let Some(text) = self.text(flat, column, row, json, beside, line) {
                    texts.push(text);
                    return true;
                }
                false
            });
            if !texts.is_empty() {
                line.set(column, &texts.join(list.unwrap_or_default()));
                any = true;
            }
        }
        any.then(String::new)
    }

    pub(super) fn issue(&mut self, flat: &FlatTable, column: Option<u32>, text: &'static str, row: &Row) {
        let column = column.and_then(|column| flat.spec(column)).map_or("", |column| column.name.as_str());
        let at = format!("{},{column}", flat.name);
        if self.said.insert((at.clone(), row.rule, text)) {
            self.issues.push(Issue::warning("not-supported", text).at(at).rule(self.compiled.rule(row.rule)));
        }
    }
}

/// The text of a primitive.
pub(super) fn lexeme(json: &Json) -> Option<SmolStr> {
    match json {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.as_str().into()),
        Json::Bool(value) => Some(if *value { "true" } else { "false" }.into()),
        _ => None,
    }
}

/// The text a primitive came from, in the extensions beside it.
fn said_before(beside: &Json) -> Option<&str> {
    let extensions = beside.items("extension").iter();
    let found = extensions.into_iter().find(|extension| extension.text_at(&["url"]) == Some(LEXEME))?;
    found.text_at(&["valueString"])
}
