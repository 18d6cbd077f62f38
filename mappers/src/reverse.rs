//! Runs rows the other way: from a resource or an element to the pieces of a segment.

mod codes;
mod conditions;
mod items;
mod library;
mod paths;
mod pieces;
mod share;

use std::collections::BTreeMap;

use model::json::{Json, Object};
use smol_str::SmolStr;

use crate::compile::Compiled;
use crate::concept::CodeMap;
use crate::eval::{KEPT, LEXEME, PLACE, WIRE};
use crate::function::{Authorities, Back};
use crate::map::{AliasId, Place, Row, SELF, SegmentId, Source, Table, Test, Via, Way};
use crate::path::{At, Step};

pub(crate) use items::{items_of_kind, own_item, own_items};
pub(crate) use library::Library;
pub(crate) use paths::{address, resolve, says};
pub(crate) use pieces::{Base, Key, Pieces};

use conditions::{allowed, demand};
use items::foreign_item;
use paths::{companion, consts_hold, extension, has_const, merges, own_words, system_name, told_elsewhere};

/// One way back.
pub(crate) struct Reverse<'a, 'b> {
    pub(crate) compiled: &'a Compiled,
    pub(crate) library: &'a Library<'b>,
    /// Names of the receiver for the systems of identifiers.
    pub(crate) authorities: &'a [(String, String)],
    /// Leaves that went into the message, by address, and where to.
    pub(crate) taken: Vec<(usize, SegmentId, Key)>,
    /// Numbers of the resources that were read.
    pub(crate) read: Vec<usize>,
    pub(crate) segment: SegmentId,
    /// The item of an array whose group is being written: the role, the array, the item.
    pub(crate) item: Option<(AliasId, SmolStr, usize)>,
    /// Constants of the row at hand that stand as the package set them, by address.
    pub(crate) ours: Vec<usize>,
}

/// The resources of the roles a segment's tables speak of, by number.
pub(crate) type Roles = Vec<(AliasId, usize)>;

/// The role's resource, the innermost first.
pub(crate) fn role(roles: &Roles, alias: AliasId) -> Option<usize> {
    roles.iter().rev().find(|(kind, _)| *kind == alias).map(|(_, number)| *number)
}

/// Items of one array, given out to the rows that want them.
#[derive(Default)]
struct Share {
    /// By row number: item numbers.
    of: BTreeMap<usize, Vec<usize>>,
}

impl<'b> Reverse<'_, 'b> {
    fn authorities(&self) -> Authorities<'_> {
        Authorities { source: self.authorities, package: self.compiled.authorities() }
    }

    fn take(&mut self, json: &'b Json, at: Base) {
        self.taken.push((address(json), self.segment, at.key()));
    }

    /// The resource that plays a role.
    pub(crate) fn resource(&self, roles: &Roles, alias: AliasId) -> Option<&'b Object> {
        role(roles, alias).and_then(|number| self.library.resources.get(number)).and_then(|json| json.as_object())
    }

    /// What a segment's table starts from: a resource, or the item of the group at hand.
    pub(crate) fn home(&self, table: &Table, roles: &Roles) -> Option<&'b Object> {
        let resource = self.resource(roles, table.alias)?;
        let Some(within) = &table.within else { return Some(resource) };
        let (alias, array, item) = self.item.as_ref()?;
        let there = *alias == table.alias && array == within;
        resource.get(array).filter(|_| there)?.item(*item)?.as_object()
    }

    /// The item a segment's table says, if its group is written for one.
    pub(crate) fn item_of(&self, table: &Table) -> Option<usize> {
        let (alias, array, item) = self.item.as_ref()?;
        let row = |row: &&Row| row.alias == table.alias && row.target.steps.first().is_some_and(|s| s.name == *array);
        (*alias == table.alias && table.within.is_none() && table.rows.iter().any(|r| row(&r))).then_some(*item)
    }

    /// Runs a segment's table. `item` is the item of its `[$]` array, where it has one of its own.
    pub(crate) fn segment_table(
        &mut self,
        table: &Table,
        roles: &Roles,
        item: Option<usize>,
        out: &mut Pieces,
        ordinal: u32,
    ) {
        let Some(own) = self.home(table, roles) else { return };
        let made = self.library.made;
        let mut shares: BTreeMap<AliasId, Share> = BTreeMap::new();
        let mut done: Vec<(AliasId, &[Step])> = Vec::new();
        for (number, row) in table.rows.iter().enumerate().filter(|(_, row)| row.way.is_back(made)) {
            if matches!(row.via, Via::Ordinal) {
                if let Source::Place(Place::Own { field, .. }) = &row.source {
                    out.set(Base::field(*field, 1), &ordinal.to_string());
                }
                continue;
            }
            let object = if row.alias == table.alias { Some(own) } else { self.resource(roles, row.alias) };
            let Some(object) = object else { continue };
            let shared = match (row.alias == table.alias, item) {
                (true, Some(item)) => Some(item),
                _ => foreign_item(table, row, object, roles, self.library),
            };
            let share = shares.entry(row.alias).or_insert_with(|| self.share(table, row.alias, object));
            let items = share.of.get(&number).cloned().unwrap_or_default();
            if done.iter().any(|(alias, steps)| *alias == row.alias && *steps == row.target.steps.as_slice())
                && !row.target.appends()
                && !merges(row)
                && !row.when.iter().any(|term| matches!(term.test, Test::Same(..)))
            {
                continue;
            }
            let before = out.texts.len();
            self.row(row, object, &items, shared, None, out);
            if out.texts.len() > before {
                done.push((row.alias, row.target.steps.as_slice()));
            }
        }
    }

    /// Runs one row; `base` is the value's place within a datatype, absent for a segment's row.
    fn row(
        &mut self,
        row: &Row,
        object: &'b Object,
        items: &[usize],
        shared: Option<usize>,
        base: Option<Base>,
        out: &mut Pieces,
    ) {
        match (&row.source, &row.via) {
            (Source::Constant, Via::Literal(json)) => {
                if !row.when.is_empty()
                    && resolve(object, &row.target.steps, None, shared) == Some(json)
                    && allowed(row, Base::field(0, 1), base, out)
                {
                    demand(row, Base::field(0, 1), base, out);
                }
                return;
            }
            (_, Via::New(kind)) => {
                let first = if row.target.appends() { items.first().copied() } else { None };
                if row.target.appends() && first.is_none() {
                    return;
                }
                let Some(value) = resolve(object, &row.target.steps, first, shared) else { return };
                if first.is_none() && !consts_hold(row, object, first, shared) {
                    return;
                }
                if let Some(number) = self.library.find_as(value, kind) {
                    self.read.push(number);
                    self.through(row.through, number, base, out);
                }
                return;
            }
            (Source::Place(_), Via::Drop(_)) | (Source::Constant | Source::Alias(_) | Source::Each(_), _) => return,
            (Source::Place(_), _) => {}
        }
        if row.target.appends() {
            for (n, item) in (1u32..).zip(items) {
                self.place(row, object, Some(*item), shared, base, n, out);
            }
        } else {
            // What another resource says of a component is said of every repetition that lacks it.
            let last = match &row.source {
                Source::Place(Place::Own { field, repetition: 0, component: 1.., .. }) if row.way == Way::Foreign => {
                    out.repetitions(*field).max(1)
                }
                _ => 1,
            };
            for repetition in 1..=last {
                self.place(row, object, None, shared, base, repetition, out);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one value: what, which and where to")]
    fn place(
        &mut self,
        row: &Row,
        object: &'b Object,
        item: Option<usize>,
        shared: Option<usize>,
        base: Option<Base>,
        repetition: u32,
        out: &mut Pieces,
    ) {
        let Some(value) = resolve(object, &row.target.steps, item, shared) else { return };
        if self.ours.contains(&address(value)) {
            return;
        }
        if item.is_none() && !consts_hold(row, object, item, shared) {
            return;
        }
        let single = row.target.steps.last().is_some_and(|step| step.at == At::Single);
        let element = value.as_object().filter(|_| single);
        if told_elsewhere(row, companion(object, &row.target.steps, item, shared)) || told_elsewhere(row, element) {
            return;
        }
        let Source::Place(source) = &row.source else { return };
        let at = match (source, base) {
            (Place::Own { field, repetition: fixed, component, subcomponent }, None) => {
                let repetition = if *fixed > 0 { *fixed } else { repetition };
                Some(Base { field: *field, repetition, component: *component, subcomponent: *subcomponent })
            }
            (Place::Part { component, subcomponent }, Some(base)) => base.part(*component, *subcomponent),
            _ => None,
        };
        let Some(at) = at else { return };
        if !allowed(row, at, base, out) {
            return;
        }
        let before = out.texts.len();
        self.value(row, value, object, item, shared, at, base, out);
        if out.texts.len() > before || out.is_set(at) {
            demand(row, at, base, out);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one value: what, which and where to")]
    fn value(
        &mut self,
        row: &Row,
        value: &'b Json,
        object: &'b Object,
        item: Option<usize>,
        shared: Option<usize>,
        at: Base,
        base: Option<Base>,
        out: &mut Pieces,
    ) {
        if let Via::Table { table, map } = &row.via {
            let compiled = self.compiled;
            let Some(inner) = compiled.tables.get(*table) else { return };
            let map = map.and_then(|map| compiled.maps.get(map));
            if inner.resource {
                if let Some(number) = self.library.find_as(value, &inner.root) {
                    self.read.extend(self.library.find(value));
                    self.read.push(number);
                    if let Some(object) = self.library.resources.get(number).and_then(|json| json.as_object()) {
                        self.part_table(inner, object, at, None, out);
                    }
                    if at.repetition <= 1 {
                        self.through(row.through, number, base, out);
                    }
                } else if let Some(display) = value.get("display").filter(|_| inner.root != "Location") {
                    // A name without a resource: the family name of a person, the name of an organization.
                    let component = if inner.root == "Practitioner" { 2 } else { 1 };
                    if let (Some(text), Some(at)) = (display.as_str(), at.part(component, 0)) {
                        self.take(display, at);
                        out.set(at, text);
                    }
                }
            } else if let Some(element) = value.as_object() {
                let known = self.ours.len();
                self.ours.extend(own_words(row, object, item, shared).into_iter().map(address));
                self.part_table(inner, element, at, map, out);
                self.ours.truncate(known);
            }
            return;
        }
        let companion = companion(object, &row.target.steps, item, shared);
        let lexeme = companion.and_then(|companion| extension(companion, LEXEME)).and_then(Json::as_str);
        if let Some(wire) = companion.and_then(|companion| extension(companion, WIRE)).and_then(Json::as_str) {
            self.take(value, at);
            out.set_wire(at, wire);
            return;
        }
        let text = match value {
            Json::String(text) => text.clone(),
            Json::Number(number) => number.as_str().into(),
            Json::Bool(true) => "true".into(),
            Json::Bool(false) => "false".into(),
            _ => return,
        };
        let texts = match &row.via {
            Via::Function { function, .. } => {
                let Some(backward) = function.backward else { return };
                let back = Back { value: &text, authorities: self.authorities() };
                match backward(&back) {
                    // The text beside a system that a universal id made is not the name of an authority.
                    None if function.name == "authority" && lexeme.is_none_or(|name| !back.names(name)) => return,
                    texts => texts,
                }
            }
            Via::Code { map } => {
                let Some(map) = self.compiled.maps.get(*map) else { return };
                // A text kept beside a code that another field gave is not this field's.
                if lexeme.is_some_and(|lexeme| map.forward(lexeme).is_none_or(|concept| concept.target != text)) {
                    return;
                }
                map.backward(None, &text).map(|code| vec![code.to_string()])
            }
            Via::System { map } => self.compiled.maps.get(*map).map(|map| vec![system_name(map, &text)]),
            Via::Lines => Some(vec![text.to_string()]),
            _ => None,
        };
        let Some(mut texts) = texts.or_else(|| lexeme.map(|lexeme| vec![lexeme.to_owned()])) else { return };
        if let (Some(lexeme), Some(first)) = (lexeme, texts.first_mut()) {
            *first = lexeme.to_owned();
        }
        // Two rows may read one piece (a number with its comparator): the second adds to the first.
        if let (Via::Function { function, .. }, Some(earlier), Some(first)) = (&row.via, out.get(at), texts.first())
            && function.name == "number_of"
        {
            let joined = format!("{earlier}{first}");
            out.texts.insert(at.key(), joined);
            self.take(value, at);
            return;
        }
        self.take(value, at);
        if let Some(first) = texts.first() {
            out.set(at, first);
        }
        if let Via::Function { arguments, .. } = &row.via {
            for (argument, text) in arguments.iter().zip(texts.iter().skip(1)) {
                let at = match (argument, base) {
                    (Place::Own { field, component, subcomponent, .. }, _) => Some(Base {
                        field: *field,
                        repetition: at.repetition,
                        component: *component,
                        subcomponent: *subcomponent,
                    }),
                    (Place::Part { component, subcomponent }, Some(base)) => base.part(*component, *subcomponent),
                    _ => None,
                };
                if let Some(at) = at {
                    out.set(at, text);
                }
            }
        }
    }

    /// Runs the rows that go through a reference over the resource it leads to.
    fn through(&mut self, table: Option<usize>, number: usize, base: Option<Base>, out: &mut Pieces) {
        let compiled = self.compiled;
        let Some(table) = table.and_then(|number| compiled.tables.get(number)) else { return };
        let Some(object) = self.library.resources.get(number).and_then(|json| json.as_object()) else { return };
        let made = self.library.made;
        let share = self.share(table, SELF, object);
        let mut done: Vec<&[Step]> = Vec::new();
        for (number, row) in table.rows.iter().enumerate().filter(|(_, row)| row.way.is_back(made)) {
            if done.contains(&row.target.steps.as_slice()) && !row.target.appends() && !merges(row) {
                continue;
            }
            let items = share.of.get(&number).cloned().unwrap_or_default();
            let before = out.texts.len();
            self.row(row, object, &items, None, base, out);
            if out.texts.len() > before {
                done.push(row.target.steps.as_slice());
            }
        }
    }

    /// Runs a datatype's table over an element or resource.
    fn part_table(&mut self, table: &Table, object: &'b Object, base: Base, map: Option<&CodeMap>, out: &mut Pieces) {
        // What no row had a home for goes back first: it is what stood there.
        for item in object.get("extension").and_then(Json::as_array).unwrap_or_default() {
            let url = item.get("url").and_then(Json::as_str).unwrap_or_default();
            let Some(place) = url.strip_prefix(KEPT).and_then(|place| place.strip_prefix(table.source.as_str())) else {
                continue;
            };
            let mut numbers = place.trim_start_matches('.').split('.').filter_map(|n| n.parse::<u32>().ok());
            let at = numbers.next().and_then(|component| base.part(component, numbers.next().unwrap_or(0)));
            if let (Some(at), Some(value)) = (at, item.get("valueString")) {
                self.take(value, at);
                out.set(at, value.as_str().unwrap_or_default());
            }
        }
        if let Some(map) = map {
            match table.root.as_str() {
                "Coding" if self.mapped_coding(map, object, base, out) => return,
                "CodeableConcept" => {
                    self.mapped_concept(table, map, object, base, out);
                    return;
                }
                _ => {}
            }
        }
        let codings = object.get("coding").and_then(Json::as_array).unwrap_or_default();
        if table.root == "CodeableConcept" && codings.first().is_some_and(codes::is_alternate) {
            let codings: Vec<&'b Json> = codings.iter().collect();
            self.codings(table, None, &codings, 1, base, out);
            self.text_of(table, object, base, out);
            return;
        }
        self.part_rows(table, object, base, out);
    }

    fn part_rows(&mut self, table: &Table, object: &'b Object, base: Base, out: &mut Pieces) {
        let made = self.library.made;
        let share = self.share(table, SELF, object);
        let mut done: Vec<&[Step]> = Vec::new();
        for (number, row) in table.rows.iter().enumerate().filter(|(_, row)| row.way.is_back(made)) {
            if done.contains(&row.target.steps.as_slice()) && !row.target.appends() {
                continue;
            }
            let items = share.of.get(&number).cloned().unwrap_or_default();
            let before = out.texts.len();
            let last = table.rows.iter().skip(number + 1).all(|other| other.target.steps != row.target.steps);
            let list = row.target.steps.last().is_some_and(|step| step.at == At::Append);
            if let (true, [first, rest @ ..]) = (list && last, items.as_slice())
                && !rest.is_empty()
                && matches!(row.via, Via::Function { .. })
            {
                // A component does not repeat: what is left is said in one.
                let all: Vec<&Json> =
                    items.iter().filter_map(|item| resolve(object, &row.target.steps, Some(*item), None)).collect();
                let text = all.iter().filter_map(|json| json.as_str()).collect::<Vec<_>>().join(" ");
                let _ = first;
                if let Source::Place(Place::Part { component, subcomponent }) = &row.source
                    && let Some(at) = base.part(*component, *subcomponent)
                {
                    for json in all {
                        self.take(json, at);
                    }
                    out.set(at, &text);
                }
                continue;
            }
            self.row(row, object, &items, None, Some(base), out);
            if out.texts.len() > before {
                done.push(row.target.steps.as_slice());
            }
        }
    }
}
