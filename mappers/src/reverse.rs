//! Runs rows the other way: from a resource or an element to the pieces of a segment.

mod codes;
mod pieces;
mod share;

use std::collections::BTreeMap;

use model::json::{Json, Object};

use crate::compile::Compiled;
use crate::concept::CodeMap;
use crate::eval::{KEPT, LEXEME, WIRE};
use crate::function;
use crate::map::{AliasId, Place, Row, SELF, SegmentId, Source, Table, Test, Via, Way, WithValue};
use crate::path::{At, Step};

pub(crate) use pieces::{Base, Key, Pieces};

/// Extension that says which field an element came from, where its content does not tell.
const PLACE: &str = "urn:anchorline:hl7v2-place";

/// The resources of a Bundle, by reference.
pub(crate) struct Library<'b> {
    pub(crate) resources: Vec<&'b Json>,
    by_name: BTreeMap<String, usize>,
}

impl<'b> Library<'b> {
    pub(crate) fn new(bundle: &'b Json) -> Self {
        let mut resources = Vec::new();
        let mut by_name = BTreeMap::new();
        for entry in bundle.items("entry") {
            let Some(resource) = entry.get("resource") else { continue };
            if let (Some(kind), Some(id)) = (model::resource::resource_type(resource), model::resource::id(resource)) {
                by_name.insert(format!("{kind}/{id}"), resources.len());
            }
            if let Some(url) = entry.get("fullUrl").and_then(Json::as_str) {
                by_name.insert(url.to_owned(), resources.len());
            }
            resources.push(resource);
        }
        Self { resources, by_name }
    }

    /// The number of the resource a Reference names; versions and absolute URLs of entries are understood.
    pub(crate) fn find(&self, reference: &Json) -> Option<usize> {
        let text = reference.get("reference").and_then(Json::as_str)?;
        if let Some(number) = self.by_name.get(text) {
            return Some(*number);
        }
        let text = text.split_once("/_history").map_or(text, |(text, _)| text);
        let mut tail = text.rsplitn(3, '/');
        let (id, kind) = (tail.next()?, tail.next()?);
        self.by_name.get(&format!("{kind}/{id}")).copied()
    }
}

impl Library<'_> {
    /// The resource of a type a Reference leads to: itself, or what its PractitionerRole names.
    fn find_as(&self, reference: &Json, kind: &str) -> Option<usize> {
        let number = self.find(reference)?;
        let resource = self.resources.get(number)?;
        let member = match (model::resource::resource_type(resource)?, kind) {
            (same, _) if same == kind => return Some(number),
            ("PractitionerRole", "Practitioner") => "practitioner",
            ("PractitionerRole", "Organization") if resource.get("practitioner").is_none() => "organization",
            _ => return None,
        };
        let found = self.find(resource.get(member)?)?;
        let fits = self.resources.get(found).and_then(|json| model::resource::resource_type(json)) == Some(kind);
        fits.then_some(found)
    }
}

/// One way back.
pub(crate) struct Reverse<'a, 'b> {
    pub(crate) compiled: &'a Compiled,
    pub(crate) library: &'a Library<'b>,
    /// Leaves that went into the message, by address, and where to.
    pub(crate) taken: Vec<(usize, SegmentId, Key)>,
    /// Numbers of the resources that were read.
    pub(crate) read: Vec<usize>,
    pub(crate) segment: SegmentId,
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
    fn take(&mut self, json: &'b Json, at: Base) {
        self.taken.push((address(json), self.segment, at.key()));
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
        let Some(own) = role(roles, table.alias) else { return };
        let compiled = self.compiled;
        let mut shares: BTreeMap<AliasId, Share> = BTreeMap::new();
        let mut done: Vec<(AliasId, &[Step])> = Vec::new();
        for (number, row) in table.rows.iter().enumerate().filter(|(_, row)| row.way != Way::Forward) {
            if matches!(row.via, Via::Ordinal) {
                if let Source::Place(Place::Own { field, .. }) = &row.source {
                    out.set(Base::field(*field, 1), &ordinal.to_string());
                }
                continue;
            }
            let resource = if row.alias == table.alias { Some(own) } else { role(roles, row.alias) };
            let Some(object) =
                resource.and_then(|number| self.library.resources.get(number)).and_then(|json| json.as_object())
            else {
                continue;
            };
            let shared = match (row.alias == table.alias, item) {
                (true, Some(item)) => Some(item),
                _ => foreign_item(table, row, object, roles, self.library),
            };
            let share = shares.entry(row.alias).or_insert_with(|| self.share(table, row.alias, object));
            let items = share.of.get(&number).cloned().unwrap_or_default();
            if done.iter().any(|(alias, steps)| *alias == row.alias && *steps == row.target.steps.as_slice())
                && !appends(row)
                && !merges(row)
            {
                continue;
            }
            let _ = compiled;
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
            (Source::Place(_), Via::Drop(_)) | (Source::Constant | Source::Alias(_), _) => return,
            (Source::Place(_), _) => {}
        }
        if appends(row) {
            for (n, item) in (1u32..).zip(items) {
                self.place(row, object, Some(*item), shared, base, n, out);
            }
        } else {
            self.place(row, object, None, shared, base, 1, out);
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
        if item.is_none() && !consts_hold(row, object, item, shared) {
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
                } else if let Some(display) = value.get("display").filter(|_| inner.root != "Location") {
                    // A name without a resource: the family name of a person, the name of an organization.
                    let component = if inner.root == "Practitioner" { 2 } else { 1 };
                    if let (Some(text), Some(at)) = (display.as_str(), at.part(component, 0)) {
                        self.take(display, at);
                        out.set(at, text);
                    }
                }
            } else if let Some(element) = value.as_object() {
                self.part_table(inner, element, at, map, out);
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
            Via::Function { function, .. } => match (lexeme, function.backward) {
                (_, Some(backward)) => backward(&text),
                _ => return,
            },
            Via::Code { map } => self
                .compiled
                .maps
                .get(*map)
                .and_then(|map| map.backward(None, &text))
                .map(|code| vec![code.to_string()]),
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
        self.part_rows(table, object, base, 0, out);
    }

    fn part_rows(&mut self, table: &Table, object: &'b Object, base: Base, skip: usize, out: &mut Pieces) {
        let share = self.share(table, SELF, object);
        let mut done: Vec<&[Step]> = Vec::new();
        for (number, row) in table.rows.iter().enumerate().filter(|(_, row)| row.way != Way::Forward) {
            if done.contains(&row.target.steps.as_slice()) && !appends(row) {
                continue;
            }
            let items = share.of.get(&number).cloned().unwrap_or_default();
            let before = out.texts.len();
            let last = table.rows.iter().skip(number + 1).all(|other| other.target.steps != row.target.steps);
            if let (true, [first, rest @ ..]) = (appends(row) && last, items.as_slice())
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
            let _ = skip;
            self.row(row, object, &items, None, Some(base), out);
            if out.texts.len() > before {
                done.push(row.target.steps.as_slice());
            }
        }
    }
}

/// The lexeme kept beside a member.
fn extension_of<'j>(object: &'j Json, companion: &str) -> Option<&'j str> {
    object
        .get(companion)
        .and_then(Json::as_object)
        .and_then(|companion| extension(companion, LEXEME))
        .and_then(Json::as_str)
}

fn extension<'j>(companion: &'j Object, url: &str) -> Option<&'j Json> {
    let items = companion.get("extension").and_then(Json::as_array)?;
    items.iter().find(|item| item.get("url").and_then(Json::as_str) == Some(url))?.get("valueString")
}

/// The name of a coding system: of the table, of an HL7 table, or the one the URI was made of.
pub(crate) fn system_name(map: &CodeMap, uri: &str) -> String {
    if let Some(name) = map.backward(None, uri) {
        return name.to_string();
    }
    if let Some(number) = function::hl7_table_number(uri) {
        return format!("HL7{number}");
    }
    match uri.strip_prefix(function::CODING_SYSTEM) {
        Some(name) => function::unescaped(name),
        None => uri.to_owned(),
    }
}

pub(crate) fn address(json: &Json) -> usize {
    std::ptr::from_ref(json) as usize
}

/// Whether rows of several fields may fill one element (a value and its unit).
fn merges(row: &Row) -> bool {
    matches!(row.via, Via::Table { .. }) && matches!(row.source, Source::Place(Place::Own { .. }))
}

fn appends(row: &Row) -> bool {
    row.target.steps.iter().any(|step| matches!(step.at, At::Append | At::AppendExtension(_)))
}

/// The value at the end of a row's path; `item` stands for `[+]`, `shared` for `[$]`.
pub(crate) fn resolve<'j>(
    object: &'j Object,
    steps: &[Step],
    item: Option<usize>,
    shared: Option<usize>,
) -> Option<&'j Json> {
    let mut here = object;
    let mut last = None;
    for (n, step) in steps.iter().enumerate() {
        let value = step_into(here, step, item, shared)?;
        last = Some(value);
        if n + 1 < steps.len() {
            here = value.as_object()?;
        }
    }
    last
}

fn step_into<'j>(here: &'j Object, step: &Step, item: Option<usize>, shared: Option<usize>) -> Option<&'j Json> {
    let value = here.get(&step.name)?;
    match &step.at {
        At::Single => Some(value),
        At::Index(index) => value.item(*index),
        At::Append | At::AppendExtension(_) => value.item(item.unwrap_or(0)),
        At::PerSegment => value.item(shared?),
        At::Extension(url) => {
            value.as_array()?.iter().find(|item| item.get("url").and_then(Json::as_str) == Some(url.as_str()))
        }
    }
}

/// `_name` beside the last member of a path.
fn companion<'j>(object: &'j Object, steps: &[Step], item: Option<usize>, shared: Option<usize>) -> Option<&'j Object> {
    let (last, before) = steps.split_last()?;
    let mut here = object;
    for step in before {
        here = step_into(here, step, item, shared)?.as_object()?;
    }
    here.get(&format!("_{}", last.name))?.as_object()
}

/// Whether the constants beside a row's target are there: they tell whose value it is.
fn consts_hold(row: &Row, object: &Object, item: Option<usize>, shared: Option<usize>) -> bool {
    let Some(anchor) = row.target.steps.get(..row.target.anchor) else { return false };
    let base =
        if anchor.is_empty() { Some(object) } else { resolve(object, anchor, item, shared).and_then(Json::as_object) };
    let Some(base) = base else { return row.with.is_empty() };
    row.with.iter().filter(|with| !with.soft).all(|with| has_const(base, object, with))
}

fn has_const(base: &Object, root: &Object, with: &crate::map::With) -> bool {
    let Some(there) = resolve(base, &with.target.steps, None, None) else { return false };
    match &with.value {
        WithValue::Copy(steps) => resolve(root, steps, None, None) == Some(there),
        WithValue::Literal(json) => says(there, json),
    }
}

/// Whether an element says what a constant says.
pub(crate) fn says(there: &Json, wanted: &Json) -> bool {
    match wanted {
        Json::Object(wanted) => {
            wanted.iter().filter(|(name, _)| *name != "display").all(|(name, value)| match (there.get(name), value) {
                (Some(Json::Array(items)), Json::Array(wanted)) => {
                    wanted.iter().all(|wanted| items.iter().any(|item| says(item, wanted)))
                }
                (Some(there), value) => says(there, value),
                (None, _) => false,
            })
        }
        _ => there == wanted,
    }
}

/// The item of another resource's `[$]` array that refers to this table's resource.
fn foreign_item(table: &Table, row: &Row, object: &Object, roles: &Roles, library: &Library<'_>) -> Option<usize> {
    let depth = row.target.steps.iter().position(|step| step.at == At::PerSegment)?;
    let array = row.target.steps.get(..=depth)?;
    let anchor = table.rows.iter().find(|other| {
        matches!(other.source, Source::Alias(_))
            && other.alias == row.alias
            && other.target.steps.get(..=depth) == Some(array)
    })?;
    let Source::Alias(alias) = anchor.source else { return None };
    let wanted = role(roles, alias)?;
    let items = array.last().and_then(|step| object.get(&step.name)).and_then(Json::as_array)?;
    let rest = anchor.target.steps.get(depth + 1..)?;
    items.iter().position(|item| {
        let reference =
            item.as_object().and_then(|item| if rest.is_empty() { None } else { resolve(item, rest, None, None) });
        reference.or(Some(item)).and_then(|reference| library.find(reference)) == Some(wanted)
    })
}

/// How many items a table's own `[$]` array has that its constants fit; none if it has no such array.
pub(crate) fn own_items(table: &Table, object: &Object) -> Option<Vec<usize>> {
    let row = table.rows.iter().find(|row| {
        row.alias == table.alias
            && matches!(row.source, Source::Place(_))
            && row.target.steps.iter().any(|step| step.at == At::PerSegment)
    })?;
    let first = row.target.steps.first()?;
    let items = object.get(&first.name).and_then(Json::as_array).unwrap_or_default();
    let fitting = (0..items.len()).filter(|item| {
        table
            .rows
            .iter()
            .filter(|row| row.target.steps.first().is_some_and(|step| step.at == At::PerSegment))
            .all(|row| consts_hold(row, object, None, Some(*item)))
    });
    Some(fitting.collect())
}

/// Whether nothing that stands in the segment already speaks against the row.
fn allowed(row: &Row, at: Base, base: Option<Base>, out: &Pieces) -> bool {
    row.when.iter().all(|term| {
        let here = |place: &Place| place_at(place, at, base);
        match (&term.test, term.negated) {
            (Test::Exists(place), true) => here(place).is_none_or(|at| !out.is_set(at)),
            (Test::In(place, values), negated) => {
                let Some(there) = here(place) else { return true };
                match out.get(there) {
                    Some(text) => values.iter().any(|value| value.eq_ignore_ascii_case(text)) != negated,
                    None => row.way != Way::Held || negated,
                }
            }
            _ => true,
        }
    })
}

/// Sets what the row's conditions ask for.
fn demand(row: &Row, at: Base, base: Option<Base>, out: &mut Pieces) {
    for term in row.when.iter().filter(|term| !term.negated) {
        if let Test::In(place, values) = &term.test
            && let (Some(there), Some(value)) = (place_at(place, at, base), values.first())
            && !out.is_set(there)
        {
            out.set(there, value);
        }
    }
}

fn place_at(place: &Place, at: Base, base: Option<Base>) -> Option<Base> {
    match (place, base) {
        (Place::Own { field, component, subcomponent, .. }, None) => {
            let repetition = if *field == at.field { at.repetition } else { 1 };
            Some(Base { field: *field, repetition, component: *component, subcomponent: *subcomponent })
        }
        (Place::Part { component, subcomponent }, Some(base)) => base.part(*component, *subcomponent),
        _ => None,
    }
}
