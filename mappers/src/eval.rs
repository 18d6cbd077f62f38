//! Runs the rows of a package over a message and fills the resources.

use std::collections::HashMap;

use jiff::tz::{Offset, TimeZone};
use model::id::UuidName;
use model::json::Object;
use model::outcome::{Issue, Severity};
use smol_str::SmolStr;
use uuid::Uuid;

use crate::build::Shared;
use crate::compile::Compiled;
use crate::function::Authorities;
use crate::input::{Cursor, Input};
use crate::map::{AliasId, MessageRow, MessageTable, Row, SELF, SegmentId, Table, UNKNOWN};
use crate::scope::{Layer, Scopes};
use crate::trace::{Account, Fate, Node, Trace};
use crate::types::Context;

mod attach;
pub(crate) mod constants;
mod element;
mod home;
pub(crate) mod identity;
mod keep;
mod places;
pub(crate) mod put;
mod rivals;
mod rows;

use attach::Attached;
pub(crate) use constants::constant_beside;
use home::Home;
use identity::Ids;
pub(crate) use identity::names;
pub(crate) use put::{absent, beside, coding, is_missing, put, reference};
use rows::Filling;

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
    /// `Type/id`
    pub(crate) name: SmolStr,
    pub(crate) object: Object,
    pub(crate) node: Node,
    alias: AliasId,
}

impl Resource {
    pub(crate) fn new(kind: SmolStr, id: SmolStr, name: SmolStr, object: Object, node: Node, role: AliasId) -> Self {
        Self { kind, id, name, object, node, alias: role }
    }

    /// Its role within the package.
    pub(crate) fn role(&self) -> AliasId {
        self.alias
    }
}

/// One run.
pub(crate) struct Eval<'a, 'm> {
    compiled: &'a Compiled,
    input: &'a Input<'m>,
    context: &'a Context<'a>,
    zone: Option<TimeZone>,
    pub(crate) resources: Vec<Resource>,
    ids: Ids,
    /// How often an identity was met, by the first one's id.
    repeats: HashMap<Uuid, u32>,
    /// For ids to be made of.
    name: UuidName,
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
    attached: Vec<Attached<'a>>,
    /// Answers to conditions that rows share: the number of the asking, and a bit for yes.
    answers: Vec<u64>,
    /// Number of the segment's table that runs, from 1.
    asking: u64,
}

/// Where a row runs: the segment, and within a datatype the value.
#[derive(Clone, Copy)]
struct Here {
    segment: u32,
    value: Option<Cursor>,
}

impl<'a, 'm> Eval<'a, 'm> {
    pub(crate) fn new(
        compiled: &'a Compiled,
        input: &'a Input<'m>,
        context: &'a Context<'a>,
        account: Account,
    ) -> Self {
        let message = input.message;
        let header = message.segment("MSH");
        let time = header.map(|msh| msh.field(7).text().into_owned()).unwrap_or_default();
        let mut eval = Self {
            compiled,
            input,
            context,
            zone: None,
            resources: Vec::with_capacity(16),
            ids: Ids::default(),
            repeats: HashMap::new(),
            name: UuidName::default(),
            scopes: Scopes::new(),
            used: vec![false; input.pieces.len()],
            trace: Trace::new(account, input.pieces.len()),
            issues: Vec::new(),
            message: [message.sending_application(), message.sending_facility(), time, message.control_id()],
            ran: Vec::new(),
            ordinal: 0,
            filling: 0,
            filled: Vec::new(),
            attached: Vec::new(),
            answers: Vec::new(),
            asking: 0,
        };
        eval.zone = zone_of(context, &mut eval.issues);
        eval
    }

    /// Runs every segment through the message table, what it does not have through the fallback.
    pub(crate) fn run(&mut self, table: &MessageTable, fallback: Option<&MessageTable>) {
        for number in table.order(&self.input.segments) {
            let Some(segment) = self.input.segments.get(number as usize) else { continue };
            let row = match fallback {
                _ if segment.id == UNKNOWN => None,
                Some(fallback) if self.scopes.stays(fallback, segment.id) => {
                    self.enter(fallback, Layer::Fallback, segment.id, number)
                }
                _ => match self.enter(table, Layer::Own, segment.id, number) {
                    Some(row) => Some(row),
                    None => fallback.and_then(|fallback| self.enter(fallback, Layer::Fallback, segment.id, number)),
                },
            };
            self.ordinal = self.scopes.add_segment(segment.id, number);
            let mut primary = None;
            if let Some(row) = row {
                for table in &row.tables {
                    let home = self.segment_table(*table, number);
                    primary = primary.or(home);
                }
            }
            self.keep_rest(number, primary);
        }
        self.finish_attached();
        self.defaults();
    }

    /// The names of assigning authorities that have a URI.
    fn authorities(&self) -> Authorities<'a> {
        Authorities { source: self.context.authorities, package: self.compiled.authorities() }
    }

    /// Opens the group of the row for a segment: among the rows whose conditions hold.
    fn enter<'t>(
        &mut self,
        table: &'t MessageTable,
        layer: Layer,
        id: SegmentId,
        number: u32,
    ) -> Option<&'t MessageRow> {
        let here = Here { segment: number, value: None };
        let mut denied: Vec<&MessageRow> = Vec::new();
        for (_, row) in table.rows_of(id).filter(|(_, row)| !row.when.is_empty()) {
            if !self.holds(&row.when, here, None) {
                denied.push(row);
            }
        }
        self.scopes.enter(table, layer, id, &denied)
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
                    let kind = &SmolStr::new(compiled.alias_type(table.alias));
                    let resource = self.identified(kind, table.alias, identity, here)?;
                    self.scopes.add_resource(table.alias, resource);
                    resource
                }
            },
            None => self.scopes.resource(table.alias)?,
        };
        self.ran.push((own, number, segment));
        self.asking += 1;
        let mut shared = Shared::new();
        for row in table.rows_among(self.chosen(table, here), self.input.present(segment)) {
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
    fn table_within(&mut self, table: &'a Table, within: &SmolStr, here: Here) -> Option<Home> {
        let resource = self.scopes.resource(table.alias)?;
        let index = self.scopes.item(table.alias, within)?;
        let home = Home { resource, item: Some((within.clone(), index)) };
        let (mut object, node) = self.open(&home)?;
        self.filling = resource;
        self.asking += 1;
        let mut shared = Shared::new();
        let mut to = Filling { object: &mut object, owner: SELF, node, shared: &mut shared, map: None };
        for row in table
            .rows_among(self.chosen(table, here), self.input.present(here.segment))
            .filter(|row| row.alias == table.alias)
        {
            self.row(row, &mut to, here);
        }
        self.close(&home, object);
        Some(home)
    }

    fn row_into(&mut self, row: &'a Row, resource: usize, here: Here, shared: &mut Shared) {
        self.filling = resource;
        let Some(target) = self.resources.get_mut(resource) else { return };
        let mut object = std::mem::take(&mut target.object);
        let mut to = Filling { object: &mut object, owner: row.alias, node: target.node, shared, map: None };
        self.row(row, &mut to, here);
        if let Some(target) = self.resources.get_mut(resource) {
            target.object = object;
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

    /// The first resource of a role.
    pub(crate) fn first_of(&self, name: &str) -> Option<&Resource> {
        let alias = self.compiled.alias(name)?;
        self.resources.iter().find(|resource| resource.alias == alias)
    }
}

/// The zone of a source's times, with an issue where its name is none.
pub(crate) fn zone_of(context: &Context<'_>, issues: &mut Vec<Issue>) -> Option<TimeZone> {
    let found = zone(context.timezone?);
    if found.is_none() {
        let text = "the source's timezone is no IANA name and no offset: times without a zone keep their date only";
        issues.push(Issue::warning("not-supported", text));
    }
    found
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
