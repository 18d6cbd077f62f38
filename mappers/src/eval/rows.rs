//! Runs one row: finds its value, or each of them, and puts what it becomes at the target.

use std::borrow::Cow;

use model::json::{Json, Object};
use model::outcome::Severity;
use smol_str::SmolStr;

use crate::build::{self, Indexes, Shared};
use crate::function::{self, Call, Output};
use crate::input::{Cursor, Depth};
use crate::map::{AliasId, Place, Row, Source, Test, Via};
use crate::path::At;
use crate::quick::trim;
use crate::trace::{Fate, NO_PIECE, Node};

use super::put::{beside, put};
use super::{Eval, Here, LEXEME, WIRE};

/// What rows fill: an object taken out of its place, and what they share there.
pub(super) struct Filling<'o> {
    pub(super) object: &'o mut Object,
    /// Role of the resource it is in.
    pub(super) owner: AliasId,
    pub(super) node: Node,
    pub(super) shared: &'o mut Shared,
    /// Vocabulary map of the row that asked for it.
    pub(super) map: Option<usize>,
}

impl<'a> Eval<'a, '_> {
    /// Runs one row into an object.
    pub(super) fn row(&mut self, row: &'a Row, to: &mut Filling<'_>, here: Here) {
        let place = match &row.source {
            Source::Place(place) => place,
            Source::Alias(alias) => {
                if let Some(other) = self.scopes.resource(*alias) {
                    self.reference(row, other, to, here);
                }
                return;
            }
            Source::Each(alias) => {
                for other in 0..self.resources.len() {
                    if self.resources.get(other).is_some_and(|resource| resource.alias == *alias) {
                        self.reference(row, other, to, here);
                    }
                }
                return;
            }
            Source::Constant if matches!(row.via, Via::New(_)) => {
                if self.holds(&row.when, here, None) {
                    self.made(row, to, here);
                }
                return;
            }
            Source::Constant => {
                if self.holds(&row.when, here, None)
                    && let Some(at) = self.constant(row, to)
                {
                    self.settle(row, to.object, &at.indexes, at.node, here);
                }
                return;
            }
        };
        match place {
            Place::Own { field, .. } if matches!(row.via, Via::Lines | Via::Attached) => {
                let range = self.input.field(here.segment, *field);
                let value = Cursor { segment: here.segment, lo: range.start, hi: range.end, depth: Depth::Field };
                if !value.is_empty() && self.holds(&row.when, here, None) {
                    self.value(row, value, to, here);
                }
            }
            Place::Own { field, repetition: 0, component, subcomponent } if row.each => {
                let range = self.input.field(here.segment, *field);
                let mut from = range.start;
                while let Some(value) = self.input.next_repetition(here.segment, &range, from) {
                    from = value.hi;
                    let part = self.input.part(value, *component, *subcomponent);
                    if !part.is_empty() && self.holds(&row.when, here, Some(value)) {
                        self.value(row, part, to, here);
                    }
                }
            }
            _ => {
                let value = self.first(place, here);
                if !value.is_empty() && self.holds(&row.when, here, None) {
                    self.value(row, value, to, here);
                }
            }
        }
    }

    fn value(&mut self, row: &'a Row, value: Cursor, to: &mut Filling<'_>, here: Here) {
        match &row.via {
            Via::Drop(why) => return self.drop_pieces(value, why),
            Via::Ordinal => {
                let text = self.input.text(value);
                let canonical = text.starts_with(|first: char| matches!(first, '1'..='9'));
                if canonical && text.parse() == Ok(self.ordinal) {
                    let why = SmolStr::new_static("the number of the segment in its group: its order says it");
                    self.drop_pieces(value, &why);
                }
                return;
            }
            Via::Attached => return self.attach(row, value, to, here),
            _ => {}
        }
        let at = build::locate(to.object, to.owner, &row.target.steps, to.shared, &mut self.trace, to.node);
        if at.taken {
            return;
        }
        if let Via::Table { table, map } = &row.via {
            let nested = Here { segment: here.segment, value: Some(value) };
            let Some(inner) = self.compiled.tables.get(*table) else { return };
            if !inner.resource {
                return self.element(row, *table, map.or(to.map), nested, to.object, &at);
            }
            if at.exists {
                // A field that says the same as another is said by the same reference.
                if row.when.iter().any(|term| matches!(term.test, Test::Same(..))) {
                    self.mapped(value, at.node, row.rule);
                }
                return;
            }
            let Some(reference) = self.nested_resource(*table, nested, row.through, here) else { return };
            put(to.object, &row.target.steps, &at.indexes, reference);
            self.settle(row, to.object, &at.indexes, at.node, here);
            self.distinguish(row, to.object, &at.indexes, here);
            self.trace.record(NO_PIECE, at.node, row.rule, Fate::Mapped);
            return;
        }
        if at.exists {
            if row.when.iter().any(|term| matches!(term.test, Test::Same(..))) {
                self.mapped(value, at.node, row.rule);
            }
            return;
        }
        let Some((json, lossy)) = self.primitive(row, value, here) else { return };
        self.put_primitive(row, value, json, lossy, to.object, &at.indexes, at.node, here);
    }

    #[expect(clippy::too_many_arguments, reason = "a value, what it became, and where it goes")]
    fn put_primitive(
        &mut self,
        row: &Row,
        value: Cursor,
        json: Json,
        lossy: Option<&'static str>,
        object: &mut Object,
        indexes: &Indexes,
        at: Node,
        here: Here,
    ) {
        let steps = &row.target.steps;
        let list = matches!(steps.last(), Some(step) if matches!(step.at, At::Append));
        if list && self.same_item(object, row, indexes, &json, at) {
            self.mapped(value, at, row.rule);
            return;
        }
        put(object, steps, indexes, json);
        if self.input.usual && self.input.pieces(value.range()).len() > 1 {
            // A text that the sender has divided: the way back must not take the delimiters for text.
            beside(object, steps, indexes, WIRE, "valueString", Json::from(self.input.wire(value)));
        }
        self.mapped(value, at, row.rule);
        if let Via::Function { arguments, .. } = &row.via {
            for place in arguments {
                let argument = self.first(place, here);
                self.mapped(argument, at, row.rule);
            }
        }
        if let Some(why) = lossy {
            let text = self.input.text(value);
            beside(object, steps, indexes, LEXEME, "valueString", Json::from(text.trim()));
            // What another segment says is reported where it is read first.
            if !why.is_empty() && !matches!(row.source, Source::Place(Place::Other { .. } | Place::Beside(_))) {
                self.issue_at(Severity::Information, "value", why, value, row.rule);
            }
        }
        if row.when.iter().any(|term| term.negated && matches!(term.test, Test::Form(..))) {
            let why = "the value is not of the form its type asks for: kept as text";
            self.issue_at(Severity::Warning, "value", why, value, row.rule);
        }
        self.settle(row, object, indexes, at, here);
        self.distinguish(row, object, indexes, here);
    }

    fn drop_pieces(&mut self, value: Cursor, why: &SmolStr) {
        for piece in value.range() {
            self.consume(piece);
            self.trace.drop_piece(piece, why);
        }
    }

    /// A repeating primitive that is there already is not said twice.
    fn same_item(&mut self, object: &Object, row: &Row, indexes: &Indexes, json: &Json, at: Node) -> bool {
        let found = build::place_of(object, &row.target.steps, indexes, json);
        if let Some(found) = found {
            self.trace.set_index(at, found);
        }
        found.is_some()
    }

    /// The primitive a row makes of a value, and whether it says less.
    fn primitive(&mut self, row: &Row, value: Cursor, here: Here) -> Option<(Json, Option<&'static str>)> {
        let text = self.input.text(value);
        match &row.via {
            Via::Lines => (!text.trim().is_empty()).then(|| (Json::from(&*text), None)),
            Via::Code { map } => {
                let code_map = self.compiled.maps.get(*map)?;
                let Some(concept) = code_map.forward(&text) else {
                    let text = format!("the code is not in {}", code_map.name);
                    self.issue_at(Severity::Warning, "code-invalid", &text, value, row.rule);
                    return None;
                };
                let back = code_map.backward(None, &concept.target);
                let lossy = (back.map(SmolStr::as_str) != Some(trim(&text))).then_some("");
                Some((Json::String(concept.target.clone()), lossy))
            }
            Via::System { map } => {
                let code_map = self.compiled.maps.get(*map)?;
                let name = trim(&text);
                if name.is_empty() {
                    return None;
                }
                let (uri, lossy) = match code_map.forward(name) {
                    Some(concept) => {
                        let back = code_map.backward(None, &concept.target);
                        (concept.target.clone(), (back.map(SmolStr::as_str) != Some(name)).then_some(""))
                    }
                    None => function::system_uri(name),
                };
                Some((Json::String(uri), lossy))
            }
            Via::Function { function, arguments } => {
                let mut texts: Vec<Cow<'_, str>> = Vec::new();
                for place in arguments {
                    texts.push(self.text(place, here));
                }
                let call =
                    Call { value: &text, arguments: &texts, zone: self.zone.as_ref(), authorities: self.authorities() };
                match (function.forward)(&call) {
                    Ok(Output { value: lexeme, lossy }) => Some((row.target.holds.json(lexeme)?, lossy)),
                    Err(failure) => {
                        self.issue_at(Severity::Warning, "value", failure.0, value, row.rule);
                        None
                    }
                }
            }
            _ => None,
        }
    }
}
