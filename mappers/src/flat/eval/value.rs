//! What a row makes of a text, and where it puts it.

use std::borrow::Cow;

use model::json::{Json, Object};
use model::outcome::{Issue, Severity};
use smol_str::SmolStr;

use crate::build::{self, Indexes, Located, Shared};
use crate::eval::constants::constant_beside;
use crate::eval::put::{absent, beside, coding, is_missing, put};
use crate::function::{self, Call, Output};
use crate::map::{Place, Row, Test, Via, Way};
use crate::path::{At, Holds};
use crate::quick::trim;
use crate::trace::Account;

use super::super::numeral::reads_numbers;
use super::super::plan::COMPOSITE;
use super::read::{clock, reads_dates};
use super::{End, Eval, Here, Known, LEXEME, Made, Value};

const NO_DATE: &str = "expected a date as the package says the column writes it";

impl<'a> Eval<'a> {
    #[expect(clippy::too_many_arguments, reason = "a value, and where it goes")]
    pub(super) fn value(
        &mut self,
        row: &'a Row,
        place: &Place,
        text: &str,
        object: &mut Object,
        own: usize,
        shared: &mut Shared,
        here: Here<'_, '_>,
    ) {
        if let Via::Drop(why) = &row.via {
            for (position, _) in self.columns_of(place, here) {
                self.mark(position, here.line, Known::Dropped, why);
            }
            return;
        }
        let at = self.locate(row, object, shared);
        if at.taken {
            return;
        }
        if let Via::Table { table, map } = &row.via {
            if !at.exists {
                self.element(row, (*table, *map), place, text, object, own, &at, here);
            }
            return;
        }
        let Some((json, lossy)) = self.made_of(row, place, text, here) else { return };
        if at.exists {
            // Two columns that say the same are both said.
            if build::find(object, &row.target.steps, &at.indexes) == Some(&json) {
                let to = if self.account == Account::Full {
                    self.path(own, &row.target.steps, &at.indexes)
                } else {
                    String::new()
                };
                self.credit(place, here, &to);
            }
            return;
        }
        let items = matches!(row.target.steps.last(), Some(step) if step.at == At::Append)
            .then(|| has_item(object, row, &at.indexes, &json));
        if items == Some(true) {
            let to = if self.account == Account::Full {
                self.path(own, &row.target.steps, &at.indexes)
            } else {
                String::new()
            };
            return self.credit(place, here, &to);
        }
        put(object, &row.target.steps, &at.indexes, json);
        if let Some(why) = lossy {
            let kept = Json::from(trim(text));
            beside(object, &row.target.steps, &at.indexes, LEXEME, "valueString", kept);
            if !why.is_empty() {
                self.issue(Severity::Information, "value", why, place, here, row.rule);
            }
        }
        self.settle(row, object, &at.indexes, own, here, Some(place));
        if let Via::Function { arguments, .. } = &row.via {
            let to = if self.account == Account::Full {
                self.path(own, &row.target.steps, &at.indexes)
            } else {
                String::new()
            };
            for argument in arguments {
                self.credit(argument, here, &to);
            }
        }
    }

    /// What a row makes of a text, and whether it says less.
    pub(super) fn made_of(
        &mut self,
        row: &'a Row,
        place: &Place,
        text: &str,
        here: Here<'_, '_>,
    ) -> Option<(Json, Option<&'static str>)> {
        match &row.via {
            Via::Code { map } => self.coded(row, *map, place, text, here),
            Via::System { map } => {
                let map = self.compiled.maps.get(*map)?;
                let name = trim(text);
                let (uri, lossy) = match map.forward(name) {
                    Some(concept) => {
                        let back = map.backward(None, &concept.target);
                        (concept.target.clone(), (back.map(SmolStr::as_str) != Some(name)).then_some(""))
                    }
                    None => function::system_uri(name),
                };
                Some((Json::String(uri), lossy))
            }
            Via::Function { function, arguments } => {
                let texts: Vec<Cow<'_, str>> = arguments.iter().map(|place| self.text(place, here)).collect();
                let mut value =
                    if reads_dates(function) { self.digits(place, text, here.line) } else { Cow::Borrowed(text) };
                let numeral = self.numeral(place, here.line).filter(|_| reads_numbers(function));
                if let Some(numeral) = numeral {
                    value = numeral.plain(text).unwrap_or(Cow::Borrowed(""));
                }
                if value.is_empty() && function.name == "time" {
                    value = Cow::Owned(clock(trim(text)).into());
                }
                let call = Call {
                    value: &value,
                    arguments: &texts,
                    zone: self.zone.as_ref(),
                    authorities: self.authorities(),
                };
                match (function.forward)(&call) {
                    Ok(Output { value, lossy }) => {
                        // Groups of thousands do not come back by themselves.
                        let same = numeral.is_none_or(|numeral| {
                            function.backward.is_none() || trim(text).ends_with(&numeral.written(&value))
                        });
                        let exact = (!same).then_some("");
                        Some((row.target.holds.json(value)?, lossy.or(exact)))
                    }
                    Err(failure) => {
                        let text = if reads_dates(function) { NO_DATE } else { failure.0 };
                        self.issue(Severity::Warning, "value", text, place, here, row.rule);
                        None
                    }
                }
            }
            _ => None,
        }
    }

    /// A code by a vocabulary map: as a code, a flag, or a concept with the sender's own code after it.
    pub(super) fn coded(
        &mut self,
        row: &Row,
        map: usize,
        place: &Place,
        text: &str,
        here: Here<'_, '_>,
    ) -> Option<(Json, Option<&'static str>)> {
        let map = self.compiled.maps.get(map)?;
        let code = trim(text);
        let found = map.forward(code);
        if found.is_none() {
            let text = format!("the code is not in {}", map.name);
            self.issue(Severity::Warning, "code-invalid", &text, place, here, row.rule);
        }
        let own = map.table.as_ref().map(|system| coding(system, &SmolStr::new(code), &SmolStr::default()));
        let concept = |mapped: Option<Json>| {
            let same = mapped.is_some() && mapped == own;
            let codings: Vec<Json> = mapped.into_iter().chain(own.filter(|_| !same)).collect();
            let mut object = Object::with_capacity(2);
            if !codings.is_empty() {
                object.insert(SmolStr::new_static("coding"), Json::Array(codings));
            }
            object
        };
        match (row.target.holds, found) {
            (Holds::Complex("CodeableConcept"), found) => {
                let mapped = found.map(|to| coding(&to.system, &to.target, &to.display));
                let back = found.and_then(|to| {
                    map.backward(Some(&to.system).filter(|s| !s.is_empty()).map(SmolStr::as_str), &to.target)
                });
                let mut object = concept(mapped);
                // What the way back could not tell from another code of the map is said as text.
                if map.table.is_none() && back.map(SmolStr::as_str) != Some(code) {
                    object.insert(SmolStr::new_static("text"), Json::from(code));
                }
                Some((Json::Object(object), None))
            }
            (Holds::Complex(_), Some(to)) => Some((coding(&to.system, &to.target, &to.display), None)),
            (holds, Some(to)) => {
                let back = map.backward(None, &to.target);
                let lossy = (back.map(SmolStr::as_str) != Some(code)).then_some("");
                let json = if holds == Holds::Boolean {
                    Json::Bool(to.target == "true")
                } else {
                    Json::String(to.target.clone())
                };
                Some((json, lossy))
            }
            (_, None) => None,
        }
    }

    /// Builds a complex element of several columns by a datatype's table.
    #[expect(clippy::too_many_arguments, reason = "a value, how it is read, and where it goes")]
    pub(super) fn element(
        &mut self,
        row: &'a Row,
        (table, _): (usize, Option<usize>),
        place: &Place,
        text: &str,
        object: &mut Object,
        own: usize,
        at: &Located,
        here: Here<'_, '_>,
    ) {
        let (compiled, flat) = (self.compiled, self.table(here.line));
        let (Some(table), Some(flat)) = (compiled.tables.get(table), flat) else { return };
        let members = match place {
            Place::Own { field, .. } if *field >= COMPOSITE => flat.members(*field),
            _ => &[],
        };
        let value = if members.is_empty() { Value::Text(text) } else { Value::Columns(members) };
        let inner = Here { value, ..here };
        let mut built = Object::with_capacity(4);
        let mut shared = Shared::new();
        let (account, events, made) = (self.account, self.events.len(), self.made.len());
        for row in &table.rows {
            if row.way != Way::Backward && row.way != Way::Foreign {
                self.row(row, &mut built, own, &mut shared, inner);
            }
        }
        // Paths within the element begin at the element.
        if account == Account::Full {
            let base = self.path(own, &[], &at.indexes);
            let to = self.path(own, &row.target.steps, &at.indexes);
            let within = |path: &str| format!("{to}{}", path.strip_prefix(base.as_str()).unwrap_or_default());
            for event in self.events.iter_mut().skip(events) {
                if let End::Mapped(path) = &mut event.end {
                    *path = within(path);
                }
            }
            for made in self.made.iter_mut().skip(made) {
                made.to = within(&made.to);
            }
        }
        if built.is_empty() {
            return;
        }
        put(object, &row.target.steps, &at.indexes, Json::Object(built));
        let place = members.is_empty().then_some(place);
        self.settle(row, object, &at.indexes, own, here, place);
    }

    pub(super) fn constant(
        &mut self,
        row: &Row,
        object: &mut Object,
        own: usize,
        shared: &mut Shared,
        here: Here<'_, '_>,
    ) {
        let at = self.locate(row, object, shared);
        if at.exists || at.taken {
            return;
        }
        match &row.via {
            Via::Literal(json) => put(object, &row.target.steps, &at.indexes, json.clone()),
            Via::Copy(from) => {
                let there = build::seek(object, row.alias, &from.steps, shared);
                let Some(copy) = build::find(object, &from.steps, &there.indexes).cloned() else { return };
                put(object, &row.target.steps, &at.indexes, copy);
            }
            Via::Absent(reason) => absent(object, &row.target, &at.indexes, reason),
            _ => return,
        }
        self.settle(row, object, &at.indexes, own, here, None);
    }

    /// Sets the constants beside a value, and says what made it.
    pub(super) fn settle(
        &mut self,
        row: &Row,
        object: &mut Object,
        indexes: &Indexes,
        own: usize,
        here: Here<'_, '_>,
        place: Option<&Place>,
    ) {
        for with in &row.with {
            constant_beside(&row.target, with, object, indexes);
        }
        let full = self.account == Account::Full;
        let to = if full { self.path(own, &row.target.steps, indexes) } else { String::new() };
        if row.way == Way::Both {
            for term in row.when.iter().filter(|term| !term.negated) {
                if let Test::In(place @ Place::Own { .. }, values) = &term.test {
                    let text = self.text(place, here);
                    if values.first().is_some_and(|first| first.as_str() == trim(&text)) {
                        self.credit(place, here, &to);
                    }
                }
            }
        }
        if let Some(place) = place {
            self.credit(place, here, &to);
        }
        if full {
            let from =
                place.and_then(|place| self.columns_of(place, here).first().map(|(at, _)| self.at(here.line, *at)));
            self.made.push(Made { to, from, rule: row.rule });
        }
    }

    /// Fills required elements nothing has filled, with an issue for each.
    pub(super) fn defaults(&mut self, table: usize, here: Here<'_, '_>) {
        let compiled = self.compiled;
        let Some(table) = compiled.tables.get(table) else { return };
        for row in &table.defaults {
            let Some(own) = self.resources.iter().position(|resource| resource.alias == table.alias) else { return };
            let missing =
                self.resources.get(own).is_some_and(|resource| is_missing(&resource.object, &row.target.steps));
            if !missing || !self.holds(&row.when, here) {
                continue;
            }
            let Some(mut object) = self.resources.get_mut(own).map(|resource| std::mem::take(&mut resource.object))
            else {
                return;
            };
            self.constant(row, &mut object, own, &mut Shared::new(), here);
            if let Some(resource) = self.resources.get_mut(own) {
                resource.object = object;
            }
            let names: Vec<&str> = row.target.steps.iter().map(|step| step.name.as_str()).collect();
            let text = format!("{}.{} is required and the row does not say it", table.root, names.join("."));
            let issue = Issue::new(Severity::Information, "incomplete", text)
                .at(self.plan.place_of(here.line.table, here.line.cells.number()));
            self.issues.push(issue.rule(compiled.rule(row.rule)));
        }
    }
}

/// Whether an array has an item already.
fn has_item(object: &Object, row: &Row, indexes: &Indexes, json: &Json) -> bool {
    let Some((last, before)) = row.target.steps.split_last() else { return false };
    if indexes.get(before.len()) == 0 {
        return false;
    }
    let items = if before.is_empty() {
        object.get(&last.name)
    } else {
        build::find(object, before, indexes).and_then(|value| value.get(&last.name))
    };
    items.and_then(Json::as_array).is_some_and(|items| items.contains(json))
}
