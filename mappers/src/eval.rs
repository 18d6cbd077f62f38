//! Runs the rows of a package over a message and fills the resources.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use jiff::tz::{Offset, TimeZone};

use model::json::{Json, Number, Object};
use model::outcome::{Issue, Severity};
use smol_str::{SmolStr, format_smolstr};

use crate::build::{self, Indexes, Shared};
use crate::compile::Compiled;
use crate::function::{self, Authorities, Call, Output};
use crate::input::{Cursor, Depth, Input};
use crate::map::{
    AliasId, MessageRow, MessageTable, Place, Row, Source, Table, Test, UNKNOWN, Via, Way, With, WithValue,
};
use crate::path::{At, Holds};
use crate::scope::{Layer, Scopes};
use crate::trace::{Fate, NO_INDEX, NO_PIECE, Node, Trace};
use crate::types::Context;

mod attach;
mod element;
mod home;
mod identity;
mod keep;
mod places;
mod put;
mod rivals;

use attach::Attached;
use home::Home;
pub(crate) use put::reference;
use put::{absent, beside, is_missing, put};

/// Extension that holds the text of a piece no row has a home for: the place follows.
pub(crate) const KEPT: &str = "urn:anchorline:hl7v2:";
/// The same for a field of several pieces, as it stood with its delimiters and escapes.
pub(crate) const KEPT_RAW: &str = "urn:anchorline:hl7v2-raw:";
/// Extension beside a primitive that says less than the text it came from: that text.
pub(crate) const LEXEME: &str = "urn:anchorline:hl7v2-lexeme";
/// Extension beside a text that the sender has divided: as it stood with its delimiters and escapes.
pub(crate) const WIRE: &str = "urn:anchorline:hl7v2-wire";
/// Extension that says which field an element came from, where its content does not tell.
pub(crate) const PLACE: &str = "urn:anchorline:hl7v2-place";
/// System of the code of a Basic resource that keeps a segment: its name is the code.
pub(crate) const SEGMENT_SYSTEM: &str = "urn:anchorline:hl7v2-segment";
/// FHIR R4 extensibility, "data-absent-reason".
pub(crate) const ABSENT: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";

/// A resource being built.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) kind: SmolStr,
    pub(crate) id: SmolStr,
    pub(crate) object: Object,
    pub(crate) node: Node,
    alias: AliasId,
}

/// One run.
pub(crate) struct Eval<'a, 'm> {
    compiled: &'a Compiled,
    input: &'a Input<'m>,
    context: &'a Context<'a>,
    zone: Option<TimeZone>,
    pub(crate) resources: Vec<Resource>,
    /// Numbers of the resources by `Type/id`.
    by_name: HashMap<SmolStr, usize>,
    /// How often an identity was met, by the first one's name.
    repeats: HashMap<SmolStr, u32>,
    scopes: Scopes,
    used: Vec<bool>,
    pub(crate) trace: Trace,
    pub(crate) issues: Vec<Issue>,
    /// What names this message among those of its source.
    message: [String; 4],
    /// Tables run per resource, for their defaults.
    ran: Vec<(usize, usize, u32)>,
    ordinal: u32,
    /// Number of the resource whose segment row runs.
    filling: usize,
    /// Fields that share an array with others.
    filled: Vec<rivals::Filled>,
    /// Texts that several segments add to.
    attached: Vec<Attached>,
}

/// Where a row runs: the segment, and within a datatype the value.
#[derive(Clone, Copy)]
struct Here {
    segment: u32,
    value: Option<Cursor>,
}

impl<'a, 'm> Eval<'a, 'm> {
    pub(crate) fn new(compiled: &'a Arc<Compiled>, input: &'a Input<'m>, context: &'a Context<'a>) -> Self {
        let message = input.message;
        let header = message.segment("MSH");
        let time = header.map(|msh| msh.field(7).text().into_owned()).unwrap_or_default();
        let places = input.pieces.iter().map(|piece| piece.place).collect();
        let trace = Trace::new(places, input.nulls.clone(), Arc::clone(compiled));
        let mut eval = Self {
            compiled,
            input,
            context,
            zone: None,
            resources: Vec::with_capacity(16),
            by_name: HashMap::new(),
            repeats: HashMap::new(),
            scopes: Scopes::new(),
            used: vec![false; input.pieces.len()],
            trace,
            issues: Vec::new(),
            message: [message.sending_application(), message.sending_facility(), time, message.control_id()],
            ran: Vec::new(),
            ordinal: 0,
            filling: 0,
            filled: Vec::new(),
            attached: Vec::new(),
        };
        if let Some(name) = context.timezone {
            eval.zone = zone(name);
            if eval.zone.is_none() {
                let text =
                    "the source's timezone is no IANA name and no offset: times without a zone keep their date only";
                eval.issues.push(Issue::warning("not-supported", text));
            }
        }
        eval
    }

    /// Runs every segment through the message table, what it does not have through the fallback.
    pub(crate) fn run(&mut self, table: &MessageTable, fallback: Option<&MessageTable>) {
        for number in table.order(&self.input.segments) {
            let Some(segment) = self.input.segments.get(number as usize) else { continue };
            let row = match fallback {
                _ if segment.id == UNKNOWN => None,
                Some(fallback) if self.scopes.stays(fallback, segment.id) => {
                    self.scopes.enter(fallback, Layer::Fallback, segment.id)
                }
                _ => self
                    .scopes
                    .enter(table, Layer::Own, segment.id)
                    .or_else(|| fallback.and_then(|fallback| self.scopes.enter(fallback, Layer::Fallback, segment.id))),
            };
            self.ordinal = self.scopes.add_segment(segment.id, number);
            let here = Here { segment: number, value: None };
            let mut primary = None;
            if let Some(row) = row.and_then(|row| self.row_that_holds(row, table, fallback, here)) {
                for table in &row.tables {
                    let home = self.segment_table(*table, number);
                    primary = primary.or(home);
                }
            }
            self.keep_rest(number, primary);
        }
        self.defaults();
    }

    /// The names of assigning authorities that have a URI.
    fn authorities(&self) -> Authorities<'a> {
        Authorities { source: self.context.authorities, package: self.compiled.authorities() }
    }

    /// The row of a group for a segment whose conditions hold: this one, else another of the same group.
    fn row_that_holds<'t>(
        &self,
        row: &'t MessageRow,
        table: &'t MessageTable,
        fallback: Option<&'t MessageTable>,
        here: Here,
    ) -> Option<&'t MessageRow> {
        if self.holds(&row.when, here, None) {
            return Some(row);
        }
        let tables = std::iter::once(table).chain(fallback);
        let among = tables.filter(|table| table.rows.iter().any(|other| std::ptr::eq(other, row)));
        let alike = |other: &&MessageRow| other.group == row.group && other.segment == row.segment;
        among.flat_map(|table| table.rows.iter().filter(alike)).find(|other| self.holds(&other.when, here, None))
    }

    fn segment_name(&self, number: u32) -> &'m str {
        self.input.segments.get(number as usize).map_or("", |segment| segment.view.name())
    }

    fn segment_place(&self, number: u32) -> String {
        self.input.segments.get(number as usize).map_or_else(String::new, |segment| segment.view.place().to_string())
    }

    /// Runs a segment's table; gives back what it fills.
    fn segment_table(&mut self, number: usize, segment: u32) -> Option<Home> {
        let compiled = self.compiled;
        let table = compiled.tables.get(number)?;
        let here = Here { segment, value: None };
        if let Some(within) = &table.within {
            return self.table_within(table, within, here);
        }
        let own = match &table.identity {
            Some(identity) => match self.scopes.own_resource(table.alias) {
                Some(resource) => resource,
                None => {
                    let kind = compiled.alias_type(table.alias);
                    let resource = self.identified(kind, table.alias, identity, here)?;
                    self.scopes.add_resource(table.alias, resource);
                    resource
                }
            },
            None => self.scopes.resource(table.alias)?,
        };
        self.ran.push((own, number, segment));
        let mut shared = Shared::new();
        for row in &table.rows {
            if row.way == Way::Backward {
                continue;
            }
            let Some(target) = (if row.alias == table.alias { Some(own) } else { self.scopes.resource(row.alias) })
            else {
                continue;
            };
            self.row_into(row, target, here, &mut shared);
        }
        let item = if table.identity.is_none() { self.own_item(own, table.alias, &shared) } else { None };
        if let Some((name, index)) = &item {
            self.scopes.add_item(table.alias, name, *index);
        }
        Some(Home { resource: own, item })
    }

    /// Runs a table whose rows fill the item that an earlier segment of the group has made.
    fn table_within(&mut self, table: &Table, within: &SmolStr, here: Here) -> Option<Home> {
        let resource = self.scopes.resource(table.alias)?;
        let index = self.scopes.item(table.alias, within)?;
        let home = Home { resource, item: Some((within.clone(), index)) };
        let (mut object, node) = self.open(&home)?;
        let mut shared = Shared::new();
        for row in table.rows.iter().filter(|row| row.way != Way::Backward && row.alias == table.alias) {
            self.row(row, &mut object, "", node, here, None, &mut shared);
        }
        self.close(&home, object);
        Some(home)
    }

    fn row_into(&mut self, row: &Row, resource: usize, here: Here, shared: &mut Shared) {
        // Most rows of a table find nothing: look before anything is moved.
        if let Source::Place(place) = &row.source
            && self.first(place, here).is_empty()
        {
            return;
        }
        self.filling = resource;
        let Some(target) = self.resources.get_mut(resource) else { return };
        let mut object = std::mem::take(&mut target.object);
        let node = target.node;
        let owner = self.compiled.aliases.get(usize::from(row.alias)).cloned().unwrap_or_default();
        self.row(row, &mut object, &owner, node, here, None, shared);
        if let Some(target) = self.resources.get_mut(resource) {
            target.object = object;
        }
    }

    /// Runs one row into an object.
    #[expect(clippy::too_many_arguments, reason = "the parts of one object, borrowed apart")]
    fn row(
        &mut self,
        row: &Row,
        object: &mut Object,
        owner: &str,
        node: Node,
        here: Here,
        map: Option<usize>,
        shared: &mut Shared,
    ) {
        let place = match &row.source {
            Source::Place(place) => place,
            Source::Alias(alias) => {
                if let Some(other) = self.scopes.resource(*alias) {
                    self.reference(row, other, object, owner, node, here, shared);
                }
                return;
            }
            Source::Each(alias) => {
                for other in 0..self.resources.len() {
                    if self.resources.get(other).is_some_and(|resource| resource.alias == *alias) {
                        self.reference(row, other, object, owner, node, here, shared);
                    }
                }
                return;
            }
            Source::Constant if matches!(row.via, Via::New(_)) => {
                if self.holds(&row.when, here, None) {
                    self.made(row, object, owner, node, here, shared);
                }
                return;
            }
            Source::Constant => {
                if self.holds(&row.when, here, None)
                    && let Some((at, indexes)) = self.constant(row, object, owner, node, shared)
                {
                    self.settle(row, object, &indexes, at, here);
                }
                return;
            }
        };
        let each = row.target.steps.iter().any(|step| matches!(step.at, At::Append | At::AppendExtension(_)));
        match place {
            Place::Own { field, .. } if matches!(row.via, Via::Lines | Via::Attached) => {
                let range = self.input.field(here.segment, *field);
                let value = Cursor { segment: here.segment, lo: range.start, hi: range.end, depth: Depth::Field };
                if !value.is_empty() && self.holds(&row.when, here, None) {
                    self.value(row, value, object, owner, node, here, map, shared);
                }
            }
            Place::Own { field, repetition: 0, component, subcomponent } if each || row.target.steps.is_empty() => {
                let range = self.input.field(here.segment, *field);
                let mut from = range.start;
                while let Some(value) = self.input.next_repetition(here.segment, &range, from) {
                    from = value.hi;
                    let part = self.input.part(value, *component, *subcomponent);
                    if !part.is_empty() && self.holds(&row.when, here, Some(value)) {
                        self.value(row, part, object, owner, node, here, map, shared);
                    }
                }
            }
            _ => {
                let value = self.first(place, here);
                if !value.is_empty() && self.holds(&row.when, here, None) {
                    self.value(row, value, object, owner, node, here, map, shared);
                }
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one object, borrowed apart")]
    fn value(
        &mut self,
        row: &Row,
        value: Cursor,
        object: &mut Object,
        owner: &str,
        node: Node,
        here: Here,
        map: Option<usize>,
        shared: &mut Shared,
    ) {
        let compiled = self.compiled;
        match &row.via {
            Via::Drop(why) => {
                for piece in value.range() {
                    self.consume(piece);
                    self.trace.drop_piece(piece, why);
                }
                return;
            }
            Via::Ordinal => {
                let text = self.input.text(value);
                if text == self.ordinal.to_string() {
                    for piece in value.range() {
                        self.consume(piece);
                        self.trace
                            .drop_piece(piece, &"the number of the segment in its group: its order says it".into());
                    }
                }
                return;
            }
            Via::Attached => return self.attach(row, value, object, owner, node, here, shared),
            _ => {}
        }
        let (indexes, at) = build::locate(object, owner, &row.target.steps, shared, &mut self.trace, node);
        if let Via::Table { table, map: own } = &row.via {
            let Some(inner) = compiled.tables.get(*table) else { return };
            let nested = Here { segment: here.segment, value: Some(value) };
            if inner.resource {
                if build::find(object, &row.target.steps, &indexes).is_some() {
                    // A field that says the same as another is said by the same reference.
                    if row.when.iter().any(|term| matches!(term.test, Test::Same(..))) {
                        self.nested_resource(*table, nested, row.through, here);
                    }
                    return;
                }
                let Some(reference) = self.nested_resource(*table, nested, row.through, here) else { return };
                put(object, &row.target.steps, &indexes, reference);
                self.settle(row, object, &indexes, at, here);
                self.distinguish(row, object, &indexes, here);
                self.trace.record(NO_PIECE, at, row.rule, Fate::Mapped);
                return;
            }
            self.element(row, *table, own.or(map), nested, object, &indexes, at);
            return;
        }
        let exists = build::find(object, &row.target.steps, &indexes).is_some();
        if exists {
            return;
        }
        let Some((json, lossy, arguments)) = self.primitive(row, value, here) else { return };
        let text = lossy.map(|_| self.input.text(value).into_owned());
        let list = matches!(row.target.steps.last(), Some(step) if matches!(step.at, At::Append));
        if list && self.same_item(object, row, &indexes, &json, at) {
            self.mapped(value, at, row.rule);
            return;
        }
        put(object, &row.target.steps, &indexes, json);
        if self.input.usual && self.input.pieces(value.range()).len() > 1 {
            // A text that the sender has divided: the way back must not take the delimiters for text.
            beside(object, &row.target.steps, &indexes, WIRE, "valueString", Json::from(self.input.wire(value)));
        }
        self.mapped(value, at, row.rule);
        for argument in arguments {
            self.mapped(argument, at, row.rule);
        }
        if let (Some(why), Some(text)) = (lossy, text) {
            beside(object, &row.target.steps, &indexes, LEXEME, "valueString", Json::from(text.trim()));
            // What another segment says is reported where it is read first.
            if !why.is_empty() && !matches!(row.source, Source::Place(Place::Other { .. })) {
                self.issue_at(Severity::Information, "value", why, value, row.rule);
            }
        }
        if row.when.iter().any(|term| term.negated && matches!(term.test, Test::Form(..))) {
            let why = "the value is not of the form its type asks for: kept as text";
            self.issue_at(Severity::Warning, "value", why, value, row.rule);
        }
        self.settle(row, object, &indexes, at, here);
        self.distinguish(row, object, &indexes, here);
    }

    /// A repeating primitive that is there already is not said twice.
    fn same_item(&mut self, object: &Object, row: &Row, indexes: &Indexes, json: &Json, at: Node) -> bool {
        let Some((last, before)) = row.target.steps.split_last() else { return false };
        let items = if before.is_empty() {
            object.get(&last.name)
        } else {
            build::find(object, before, indexes).and_then(|value| value.get(&last.name))
        };
        let found = items.and_then(Json::as_array).and_then(|items| items.iter().position(|item| item == json));
        if let Some(found) = found {
            self.trace.set_index(at, u32::try_from(found).unwrap_or(NO_INDEX));
        }
        found.is_some()
    }

    /// The primitive a row makes of a value, whether it says less, and the other places it was made of.
    fn primitive(&mut self, row: &Row, value: Cursor, here: Here) -> Option<(Json, Option<&'static str>, Vec<Cursor>)> {
        let text = self.input.text(value);
        match &row.via {
            Via::Lines => (!text.trim().is_empty()).then(|| (Json::from(&*text), None, Vec::new())),
            Via::Code { map } => {
                let code_map = self.compiled.maps.get(*map)?;
                let Some(concept) = code_map.forward(&text) else {
                    let text = format!("the code is not in {}", code_map.name);
                    self.issue_at(Severity::Warning, "code-invalid", &text, value, row.rule);
                    return None;
                };
                let back = code_map.backward(None, &concept.target);
                let lossy = (back.map(SmolStr::as_str) != Some(text.trim())).then_some("");
                Some((Json::String(concept.target.clone()), lossy, Vec::new()))
            }
            Via::System { map } => {
                let code_map = self.compiled.maps.get(*map)?;
                let name = text.trim();
                if name.is_empty() {
                    return None;
                }
                let (uri, lossy) = match code_map.forward(name) {
                    Some(concept) => {
                        let back = code_map.backward(None, &concept.target);
                        (concept.target.clone(), (back.map(SmolStr::as_str) != Some(name)).then_some(""))
                    }
                    None if function::is_hl7_table(name) => {
                        let number = name.get(3..).unwrap_or_default();
                        (format_smolstr!("{}{number}", function::HL7_TABLE), None)
                    }
                    None if name.contains("://") || name.starts_with("urn:") => (name.into(), None),
                    None => (format_smolstr!("{}{}", function::CODING_SYSTEM, function::escaped(name)), None),
                };
                Some((Json::String(uri), lossy, Vec::new()))
            }
            Via::Function { function, arguments } => {
                let cursors: Vec<Cursor> = arguments.iter().map(|place| self.first(place, here)).collect();
                let texts: Vec<Cow<'_, str>> = cursors.iter().map(|cursor| self.input.text(*cursor)).collect();
                let call =
                    Call { value: &text, arguments: &texts, zone: self.zone.as_ref(), authorities: self.authorities() };
                match (function.forward)(&call) {
                    Ok(Output { value: lexeme, lossy }) => {
                        let json = match row.target.holds {
                            Holds::Boolean => Json::Bool(lexeme == "true"),
                            Holds::Integer | Holds::Decimal => Json::Number(Number::parse(&lexeme).ok()?),
                            _ => Json::String(lexeme),
                        };
                        Some((json, lossy, cursors))
                    }
                    Err(failure) => {
                        self.issue_at(Severity::Warning, "value", failure.0, value, row.rule);
                        None
                    }
                }
            }
            _ => None,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one object, borrowed apart")]
    fn reference(
        &mut self,
        row: &Row,
        other: usize,
        object: &mut Object,
        owner: &str,
        node: Node,
        here: Here,
        shared: &mut Shared,
    ) {
        if !self.holds(&row.when, here, None) {
            return;
        }
        let Some(resource) = self.resources.get(other) else { return };
        let json = reference(&resource.kind, &resource.id);
        let (indexes, at) = build::locate(object, owner, &row.target.steps, shared, &mut self.trace, node);
        if build::find(object, &row.target.steps, &indexes).is_some() {
            return;
        }
        put(object, &row.target.steps, &indexes, json);
        self.settle(row, object, &indexes, at, here);
        self.drop_repeat(row, object, &indexes, at);
        self.trace.record(NO_PIECE, at, row.rule, Fate::Mapped);
    }

    fn constant(
        &mut self,
        row: &Row,
        object: &mut Object,
        owner: &str,
        node: Node,
        shared: &mut Shared,
    ) -> Option<(Node, Indexes)> {
        let (indexes, at) = build::locate(object, owner, &row.target.steps, shared, &mut self.trace, node);
        if build::find(object, &row.target.steps, &indexes).is_some() {
            return None;
        }
        match &row.via {
            Via::Literal(json) => put(object, &row.target.steps, &indexes, json.clone()),
            Via::Copy(from) => {
                let (inner, _) = build::locate(object, owner, &from.steps, shared, &mut Trace::default(), 0);
                let copy = build::find(object, &from.steps, &inner)?.clone();
                put(object, &row.target.steps, &indexes, copy);
            }
            Via::Absent(reason) => absent(object, &row.target, &indexes, reason),
            _ => return None,
        }
        self.trace.record(NO_PIECE, at, row.rule, Fate::Mapped);
        Some((at, indexes))
    }

    /// Sets the constants beside a value and credits the pieces its conditions read.
    fn settle(&mut self, row: &Row, object: &mut Object, indexes: &Indexes, at: Node, here: Here) {
        self.credit(row, at, here);
        for with in &row.with {
            self.constant_beside(row, with, object, indexes);
        }
    }

    /// A piece that a condition asks for by its value is said by what the row sets.
    fn credit(&mut self, row: &Row, at: Node, here: Here) {
        if row.way != Way::Both {
            return;
        }
        for term in row.when.iter().filter(|term| !term.negated) {
            if let Test::In(place @ Place::Own { .. }, values) = &term.test {
                let value = self.first(place, here);
                if values.first().is_some_and(|first| first.as_str() == self.input.text(value)) {
                    self.mapped(value, at, row.rule);
                }
            }
        }
    }

    fn constant_beside(&mut self, row: &Row, with: &With, object: &mut Object, indexes: &Indexes) {
        let json = match &with.value {
            WithValue::Absent(_) => Json::Null,
            WithValue::Literal(json) => json.clone(),
            WithValue::Copy(steps) => {
                let none = *indexes;
                match build::find(object, steps, &none) {
                    Some(json) => json.clone(),
                    None => return,
                }
            }
        };
        let Some(anchor) = row.target.steps.get(..row.target.anchor) else { return };
        let base = if anchor.is_empty() {
            Some(object)
        } else {
            match build::slot(object, anchor, indexes) {
                Some(value) => value.as_object_mut(),
                None => None,
            }
        };
        let Some(base) = base else { return };
        let mut none = Trace::default();
        let (inner, _) = build::locate(base, "", &with.target.steps, &mut Shared::new(), &mut none, 0);
        if build::find(base, &with.target.steps, &inner).is_some() {
            return;
        }
        match &with.value {
            WithValue::Absent(reason) => absent(base, &with.target, &inner, reason),
            _ => put(base, &with.target.steps, &inner, json),
        }
    }

    fn consume(&mut self, piece: u32) {
        if let Some(used) = self.used.get_mut(piece as usize) {
            *used = true;
        }
    }

    fn mapped(&mut self, value: Cursor, at: Node, rule: u32) {
        for piece in value.range() {
            self.consume(piece);
            self.trace.record(piece, at, rule, Fate::Mapped);
        }
    }

    fn issue_at(&mut self, severity: Severity, code: &'static str, text: &str, value: Cursor, rule: u32) {
        let at = self.input.pieces(value.range()).first().map(|piece| piece.place.to_string()).unwrap_or_default();
        self.issues.push(Issue::new(severity, code, text).at(at).rule(self.compiled.rule(rule)));
    }

    fn is_unused(&self, piece: u32) -> bool {
        !self.used.get(piece as usize).copied().unwrap_or(true)
    }

    /// Fills required elements nothing has filled, with an issue for each.
    fn defaults(&mut self) {
        let compiled = self.compiled;
        for (resource, table, segment) in std::mem::take(&mut self.ran) {
            let Some(table) = compiled.tables.get(table) else { continue };
            for row in &table.defaults {
                let Some(target) = self.resources.get_mut(resource) else { continue };
                let mut object = std::mem::take(&mut target.object);
                let node = target.node;
                let missing = is_missing(&object, &row.target.steps);
                let wanted = missing && self.holds(&row.when, Here { segment, value: None }, None);
                if wanted {
                    self.constant(row, &mut object, "", node, &mut Shared::new());
                    let names: Vec<&str> = row.target.steps.iter().map(|step| step.name.as_str()).collect();
                    let name = names.join(".");
                    let text = format!("{}.{name} is required and the message does not say it", table.root);
                    let issue = Issue::new(Severity::Information, "incomplete", text).at(self.segment_place(segment));
                    self.issues.push(issue.rule(compiled.rule(row.rule)));
                }
                if let Some(target) = self.resources.get_mut(resource) {
                    target.object = object;
                }
            }
        }
    }

    /// The first resource of a role.
    pub(crate) fn first_of(&self, name: &str) -> Option<&Resource> {
        let alias = self.compiled.alias(name)?;
        self.resources.iter().find(|resource| resource.alias == alias)
    }
}

/// A zone by its IANA name, or by its offset `+hh:mm`.
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    if name == "Z" {
        return Some(TimeZone::UTC);
    }
    if let Some(sign) = name.chars().next().filter(|c| matches!(c, '+' | '-')) {
        let digits: String = name.chars().filter(char::is_ascii_digit).collect();
        let hours: i32 = digits.get(..2)?.parse().ok()?;
        let minutes: i32 = digits.get(2..4)?.parse().ok()?;
        let seconds = (hours * 60 + minutes) * 60;
        let seconds = if sign == '-' { -seconds } else { seconds };
        return Some(TimeZone::fixed(Offset::from_seconds(seconds).ok()?));
    }
    TimeZone::get(name).ok()
}
