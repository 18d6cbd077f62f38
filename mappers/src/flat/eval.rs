//! Runs the rows of a package over one row of a file, with the rows it belongs to.

use std::borrow::Cow;

use formats::flat::Row as Cells;
use jiff::tz::TimeZone;
use model::id::UuidName;
use model::json::{Json, Number, Object};
use model::outcome::{Issue, Severity};
use smol_str::{SmolStr, format_smolstr};

use crate::build::{self, Indexes, Located, Shared, SharedKind};
use crate::compile::Compiled;
use crate::eval::constants::constant_beside;
use crate::eval::identity::names;
use crate::eval::put::{absent, beside, coding, is_missing, put, reference};
use crate::eval::zone;
use crate::function::{self, Authorities, Call, Function, Output, escaped};
use crate::map::{AliasId, Form, Identity, Part, Place, Row, SELF, Source, Table, Term, Test, Via, Way};
use crate::needs::bit;
use crate::path::{At, Holds, Step};
use crate::quick::trim;
use crate::trace::{Account, NO_INDEX, Trace};
use crate::types::Context;

use super::plan::{COMPOSITE, FlatTable, Plan};
use super::shape::Shape;

/// Extension that holds the text of a cell no row reads; the table and the column follow.
pub(crate) const KEPT: &str = "urn:anchorline:flat:";
/// Extension beside a primitive that says less than the cell it came from: that cell.
pub(crate) const LEXEME: &str = "urn:anchorline:flat-lexeme";
/// System of the code of a Basic resource that keeps a row nothing is made of: the table is the code.
pub(crate) const TABLE_SYSTEM: &str = "urn:anchorline:flat-table";

/// A row of a file and where it has the columns of its table.
#[derive(Clone, Debug)]
pub(crate) struct Line<'r> {
    pub(crate) table: usize,
    pub(crate) shape: &'r Shape,
    pub(crate) cells: Cells<'r>,
}

/// A resource that a row became. Holds patient data.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its type.
    pub kind: SmolStr,
    /// Its id.
    pub id: SmolStr,
    /// The resource.
    pub object: Object,
    /// `Type/id`
    pub(crate) name: SmolStr,
    alias: AliasId,
}

impl Resource {
    /// Appends it as compact JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.object.write(out);
    }
}

/// What became of a cell.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// It stands here.
    Mapped(String),
    /// It is kept here.
    Kept(String),
    /// It is not in the output, for a reason.
    Dropped(SmolStr),
}

/// A cell, and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// `row,column`
    pub(crate) at: SmolStr,
    pub(crate) end: End,
}

/// An element and what made it.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) to: String,
    pub(crate) from: Option<SmolStr>,
    pub(crate) rule: u32,
}

/// What is known of a cell; what says more counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    /// It has no value, or is none of the file.
    Empty,
    Nothing,
    Dropped,
    Kept,
    Mapped,
}

/// Runs rows one after the other.
pub(crate) struct Eval<'a> {
    compiled: &'a Compiled,
    plan: &'a Plan,
    context: &'a Context<'a>,
    zone: Option<TimeZone>,
    account: Account,
    name: UuidName,
    /// What the row at hand has become.
    pub(crate) resources: Vec<Resource>,
    /// Roles of rows above: what to refer to.
    above: Vec<(AliasId, SmolStr)>,
    pub(crate) issues: Vec<Issue>,
    known: Vec<Known>,
    pub(crate) events: Vec<Event>,
    pub(crate) made: Vec<Made>,
    /// Cells with a value, mapped, kept, dropped.
    pub(crate) counts: [usize; 4],
    trace: Trace,
    /// Whether places carry the table's name: there are several.
    several: bool,
}

/// Where rows run: the row of the file, those above it, and within a datatype the value.
#[derive(Clone, Copy)]
struct Here<'h, 'r> {
    line: &'h Line<'r>,
    above: &'h [Line<'r>],
    value: Value<'h>,
}

/// What a row of a datatype's table reads.
#[derive(Clone, Copy)]
enum Value<'h> {
    None,
    Text(&'h str),
    Columns(&'h [u32]),
}

impl<'a> Eval<'a> {
    pub(crate) fn new(compiled: &'a Compiled, context: &'a Context<'a>, account: Account) -> Self {
        let mut eval = Self {
            compiled,
            plan: &compiled.flat,
            context,
            zone: context.timezone.and_then(zone),
            account,
            name: UuidName::default(),
            resources: Vec::new(),
            above: Vec::new(),
            issues: Vec::new(),
            known: Vec::new(),
            events: Vec::new(),
            made: Vec::new(),
            counts: [0; 4],
            trace: Trace::new(Account::Counts, 0),
            several: compiled.flat.tables.len() > 1,
        };
        if context.timezone.is_some() && eval.zone.is_none() {
            let text = "the timezone is no IANA name and no offset: times without a zone keep their date only";
            eval.issues.push(Issue::warning("not-supported", text));
        }
        eval
    }

    fn table(&self, line: &Line<'_>) -> Option<&'a FlatTable> {
        self.plan.tables.get(line.table)
    }

    /// Runs a row: `above` are the rows it belongs to, the nearest first; `below` those that add to its resources.
    pub(crate) fn unit(&mut self, line: &Line<'_>, above: &[Line<'_>], below: &[Line<'_>]) {
        self.resources.clear();
        self.above.clear();
        let Some(flat) = self.table(line) else { return };
        for over in above {
            self.name_above(over, above);
        }
        let here = Here { line, above, value: Value::None };
        for role in &flat.roles {
            let Some(table) = self.compiled.tables.get(role.table) else { continue };
            if let Some(identity) = &table.identity {
                self.identify(table, identity, here);
            }
        }
        self.line(here);
        let own = std::slice::from_ref(line);
        for line in below {
            self.line(Here { line, above: own, value: Value::None });
        }
        for role in &flat.roles {
            self.defaults(role.table, here);
        }
    }

    /// Notes what the resources of a row above are called.
    fn name_above(&mut self, line: &Line<'_>, above: &[Line<'_>]) {
        let Some(flat) = self.table(line) else { return };
        let here = Here { line, above, value: Value::None };
        for role in &flat.roles {
            let Some(table) = self.compiled.tables.get(role.table) else { continue };
            let Some(identity) = &table.identity else { continue };
            if !self.holds(&identity.when, here) {
                continue;
            }
            if let Some(id) = self.seed(&table.root, identity, here) {
                self.above.push((table.alias, names(&table.root, id).1));
            }
        }
    }

    fn identify(&mut self, table: &'a Table, identity: &'a Identity, here: Here<'_, '_>) {
        if !self.holds(&identity.when, here) {
            return;
        }
        let Some(id) = self.seed(&table.root, identity, here) else { return };
        let (id, name) = names(&table.root, id);
        let mut object = Object::with_capacity(12);
        object.insert(SmolStr::new_static("resourceType"), Json::String(table.root.clone()));
        object.insert(SmolStr::new_static("id"), Json::String(id.clone()));
        self.resources.push(Resource { kind: table.root.clone(), id, object, name, alias: table.alias });
    }

    /// The id of an identity, if the row says what it is made of.
    fn seed(&mut self, kind: &str, identity: &Identity, here: Here<'_, '_>) -> Option<uuid::Uuid> {
        self.name.truncate(0);
        self.name.push(self.context.source);
        self.name.push(kind);
        let mark = self.name.mark();
        for alternative in &identity.alternatives {
            self.name.truncate(mark);
            let mut decided = None;
            for part in alternative {
                match part {
                    Part::Alias(alias) => {
                        let name = self.named(*alias).unwrap_or_default();
                        self.name.push(name.split_once('/').map_or("", |(_, id)| id));
                    }
                    Part::Position => {
                        decided = decided.or(Some(true));
                        self.position(here.line);
                    }
                    Part::Place(place) => {
                        let text = self.text(place, here);
                        let text = trim(&text);
                        decided = decided.or(Some(!text.is_empty()));
                        self.name.push(text);
                    }
                }
            }
            if decided != Some(false) {
                return Some(self.name.uuid(self.context.namespace));
            }
        }
        None
    }

    /// What tells a row from every other: its place and all it says, as another file has the same places.
    fn position(&mut self, line: &Line<'_>) {
        let table = self.table(line).map(|table| table.name.clone()).unwrap_or_default();
        self.name.push(&table);
        self.name.push(&format_smolstr!("{}", line.cells.number()));
        for cell in line.cells.cells() {
            self.name.push(cell);
        }
    }

    /// `Type/id` of a role.
    fn named(&self, alias: AliasId) -> Option<SmolStr> {
        let own = self.resources.iter().find(|resource| resource.alias == alias).map(|resource| &resource.name);
        own.or_else(|| self.above.iter().find(|(role, _)| *role == alias).map(|(_, name)| name)).cloned()
    }

    /// Runs every role of a row, then keeps what none has read.
    fn line(&mut self, here: Here<'_, '_>) {
        let Some(flat) = self.table(here.line) else { return };
        let (mut present, mut item) = (0, None);
        self.known.clear();
        self.known.resize(here.line.cells.len(), Known::Empty);
        for (number, position) in here.line.shape.columns() {
            if !self.cell(flat, number, here.line).is_empty() {
                present |= bit(number);
            }
            self.note_cell(position, here.line);
        }
        for position in
            here.line.shape.others.iter().map(|(at, _)| *at).chain(here.line.shape.width..here.line.cells.len())
        {
            self.note_cell(position, here.line);
        }
        for role in &flat.roles {
            let Some(table) = self.compiled.tables.get(role.table) else { continue };
            let Some(own) = self.resources.iter().position(|resource| resource.alias == table.alias) else { continue };
            let Some(mut object) = self.resources.get_mut(own).map(|resource| std::mem::take(&mut resource.object))
            else {
                continue;
            };
            let mut shared = Shared::new();
            for row in table.rows_for(present) {
                self.row(row, &mut object, own, &mut shared, here);
            }
            if let Some(resource) = self.resources.get_mut(own) {
                resource.object = object;
            }
            if flat.adds {
                let made = shared.iter().find(|item| item.owner == table.alias && item.kind == SharedKind::Segment);
                item = item.or(made.map(|item| (own, item.name.clone(), item.index)));
            }
        }
        self.keep_rest(flat, here.line, item);
        self.settle_counts();
    }

    fn note_cell(&mut self, position: usize, line: &Line<'_>) {
        if !trim(line.cells.cell(position)).is_empty()
            && let Some(slot) = self.known.get_mut(position)
        {
            *slot = Known::Nothing;
        }
    }

    /// The text of a column; nothing where a marker stands for no value.
    fn cell<'r>(&self, flat: &FlatTable, column: u32, line: &Line<'r>) -> &'r str {
        let Some(position) = line.shape.position(column) else { return "" };
        let text = line.cells.cell(position);
        let plain = trim(text);
        if plain.is_empty() || flat.nulls.iter().any(|null| null.eq_ignore_ascii_case(plain)) { "" } else { text }
    }

    /// The text of a column or of several together.
    fn column<'r>(&self, column: u32, line: &Line<'r>) -> Cow<'r, str> {
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

    fn text<'h>(&self, place: &Place, here: Here<'h, 'h>) -> Cow<'h, str> {
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

    fn holds(&self, terms: &[Term], here: Here<'_, '_>) -> bool {
        terms.iter().all(|term| self.asked(&term.test, here) != term.negated)
    }

    fn asked(&self, test: &Test, here: Here<'_, '_>) -> bool {
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

    fn authorities(&self) -> Authorities<'a> {
        Authorities { source: self.context.authorities, package: self.compiled.authorities() }
    }

    /// What divides the values of a place.
    fn list(&self, place: &Place, line: &Line<'_>) -> Option<&'a str> {
        let Place::Own { field, .. } = place else { return None };
        self.table(line)?.spec(*field)?.list.as_deref()
    }

    /// A date of a place as the functions read it; as it stands where no pattern fits.
    fn digits<'t>(&self, place: &Place, text: &'t str, line: &Line<'_>) -> Cow<'t, str> {
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

    fn row(&mut self, row: &'a Row, object: &mut Object, own: usize, shared: &mut Shared, here: Here<'_, '_>) {
        if row.alias != self.resources.get(own).map_or(SELF, |resource| resource.alias)
            && !matches!(here.value, Value::Columns(_) | Value::Text(_))
        {
            return self.elsewhere(row, here);
        }
        match &row.source {
            Source::Alias(alias) | Source::Each(alias) => {
                let Some(name) = self.named(*alias) else { return };
                if !self.holds(&row.when, here) {
                    return;
                }
                let at = self.locate(row, object, shared);
                if !at.exists && !at.taken {
                    put(object, &row.target.steps, &at.indexes, reference(&name));
                    self.settle(row, object, &at.indexes, own, here, None);
                }
            }
            Source::Constant => {
                if self.holds(&row.when, here) {
                    self.constant(row, object, own, shared, here);
                }
            }
            Source::Place(place) => {
                let text = self.text(place, here);
                if text.is_empty() || !self.holds(&row.when, here) {
                    return;
                }
                match self.list(place, here.line).filter(|_| row.each) {
                    Some(by) => {
                        for part in text.split(by).filter(|part| !part.trim().is_empty()) {
                            self.value(row, place, part.trim(), object, own, shared, here);
                        }
                    }
                    None => self.value(row, place, &text, object, own, shared, here),
                }
            }
        }
    }

    /// A row of one role's table that fills another role.
    fn elsewhere(&mut self, row: &'a Row, here: Here<'_, '_>) {
        let Some(own) = self.resources.iter().position(|resource| resource.alias == row.alias) else { return };
        let Some(mut object) = self.resources.get_mut(own).map(|resource| std::mem::take(&mut resource.object)) else {
            return;
        };
        self.row(row, &mut object, own, &mut Shared::new(), here);
        if let Some(resource) = self.resources.get_mut(own) {
            resource.object = object;
        }
    }

    fn locate(&mut self, row: &Row, object: &Object, shared: &mut Shared) -> Located {
        build::locate(object, row.alias, &row.target.steps, shared, &mut self.trace, 0)
    }

    fn constant(&mut self, row: &Row, object: &mut Object, own: usize, shared: &mut Shared, here: Here<'_, '_>) {
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
    fn settle(
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

    /// Positions of the cells of a place in its own row, with their numbers.
    fn columns_of(&self, place: &Place, here: Here<'_, '_>) -> Vec<(usize, u32)> {
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

    /// Says that the cells of a place stand at an element.
    fn credit(&mut self, place: &Place, here: Here<'_, '_>, to: &str) {
        match place {
            // The usual case, without a list.
            Place::Own { field, .. } if *field < COMPOSITE => {
                if let Some(position) = here.line.shape.position(*field) {
                    self.mark(position, here.line, Known::Mapped, to);
                }
            }
            _ => {
                for (position, _) in self.columns_of(place, here) {
                    self.mark(position, here.line, Known::Mapped, to);
                }
            }
        }
    }

    fn mark(&mut self, position: usize, line: &Line<'_>, known: Known, to: &str) {
        let Some(slot) = self.known.get_mut(position).filter(|slot| **slot != Known::Empty && **slot < known) else {
            return;
        };
        *slot = known;
        if self.account == Account::Full {
            let at = self.at(line, position);
            let end = match known {
                Known::Mapped => End::Mapped(to.to_owned()),
                Known::Kept => End::Kept(to.to_owned()),
                _ => End::Dropped(to.into()),
            };
            self.events.push(Event { at, end });
        }
    }

    /// `row,column` of a cell; with the table before it where there are several.
    fn at(&self, line: &Line<'_>, position: usize) -> SmolStr {
        let Some(flat) = self.table(line) else { return SmolStr::default() };
        let known = line.shape.columns().find(|(_, at)| *at == position).and_then(|(number, _)| flat.spec(number));
        let other = || line.shape.others.iter().find(|(at, _)| *at == position).map(|(_, name)| name.clone());
        let column = known.map(|column| column.name.clone()).or_else(other);
        let column = column.unwrap_or_else(|| format_smolstr!("#{}", position + 1));
        let row = line.cells.number();
        if self.several { format_smolstr!("{}:{row},{column}", flat.name) } else { format_smolstr!("{row},{column}") }
    }

    fn path(&self, own: usize, steps: &[Step], indexes: &Indexes) -> String {
        let Some(resource) = self.resources.get(own) else { return String::new() };
        let mut out = format!("{}#{}", resource.name, resource.kind);
        for (depth, step) in steps.iter().enumerate() {
            out.push('.');
            out.push_str(step.name.strip_prefix('_').unwrap_or(&step.name));
            let index = indexes.get(depth);
            if step.at != At::Single && index != NO_INDEX {
                out.push_str(&format!("[{index}]"));
            }
        }
        out
    }

    fn issue(
        &mut self,
        severity: Severity,
        code: &'static str,
        text: &str,
        place: &Place,
        here: Here<'_, '_>,
        rule: u32,
    ) {
        let issue = Issue::new(severity, code, text).rule(self.compiled.rule(rule));
        let at = self.columns_of(place, here).first().map(|(position, _)| self.at(here.line, *position));
        self.issues.push(match at {
            Some(at) => issue.at(at),
            None => issue.at(self.plan.place_of(here.line.table, here.line.cells.number())),
        });
    }

    #[expect(clippy::too_many_arguments, reason = "a value, and where it goes")]
    fn value(
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
    fn made_of(
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
                        let json = match row.target.holds {
                            Holds::Boolean => Json::Bool(value == "true"),
                            Holds::Integer | Holds::Decimal => Json::Number(Number::parse(&value).ok()?),
                            _ => Json::String(value),
                        };
                        Some((json, lossy))
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
    fn coded(
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
    fn element(
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
        // Paths within the element are said as the element's.
        let (account, events) = (self.account, self.events.len());
        for row in &table.rows {
            if row.way != Way::Backward && row.way != Way::Foreign {
                self.row(row, &mut built, own, &mut shared, inner);
            }
        }
        let to = if account == Account::Full { self.path(own, &row.target.steps, &at.indexes) } else { String::new() };
        for event in self.events.iter_mut().skip(events) {
            if let End::Mapped(path) = &mut event.end {
                path.clone_from(&to);
            }
        }
        if built.is_empty() {
            return;
        }
        put(object, &row.target.steps, &at.indexes, Json::Object(built));
        let place = members.is_empty().then_some(place);
        self.settle(row, object, &at.indexes, own, here, place);
    }

    /// Fills required elements nothing has filled, with an issue for each.
    fn defaults(&mut self, table: usize, here: Here<'_, '_>) {
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

    /// Keeps the cells that no row has read: in the item of an array that the row has added, on the resource the row is
    /// about, else in a Basic resource.
    fn keep_rest(&mut self, flat: &FlatTable, line: &Line<'_>, item: Option<(usize, SmolStr, u32)>) {
        if !self.known.contains(&Known::Nothing) {
            return;
        }
        let main = flat.roles.get(flat.main).map(|role| role.alias);
        let mut home = self.resources.iter().position(|resource| Some(resource.alias) == main);
        for position in 0..self.known.len() {
            if self.known.get(position) != Some(&Known::Nothing) {
                continue;
            }
            let text = trim(line.cells.cell(position));
            if flat.nulls.iter().any(|null| null.eq_ignore_ascii_case(text)) {
                self.mark(position, line, Known::Dropped, NULL);
                continue;
            }
            let own = match home.or_else(|| self.resources.len().checked_sub(1)) {
                Some(own) => own,
                None => self.basic(flat, line),
            };
            home = Some(own);
            let column = self.column_name(flat, line, position);
            let url = format!("{KEPT}{}:{}", flat.name, escaped(&column));
            let Some(resource) = self.resources.get_mut(own) else { continue };
            let within = item.as_ref().filter(|(of, name, index)| {
                let list = resource.object.get(name).filter(|_| *of == own);
                list.and_then(|list| list.item(*index as usize)).is_some_and(|item| item.as_object().is_some())
            });
            let object = match within {
                Some((_, name, index)) => {
                    let list = resource.object.get_mut(name).and_then(Json::as_array_mut);
                    list.and_then(|list| list.get_mut(*index as usize)).and_then(Json::as_object_mut)
                }
                None => Some(&mut resource.object),
            };
            let Some(object) = object else { continue };
            let index = build::extend(object, url, "valueString", Json::from(text));
            let within = within.map_or_else(String::new, |(_, name, index)| format!(".{name}[{index}]"));
            let to = format!("{}#{}{within}.extension[{index}]", resource.name, resource.kind);
            self.mark(position, line, Known::Kept, &to);
        }
    }

    fn column_name(&self, flat: &FlatTable, line: &Line<'_>, position: usize) -> SmolStr {
        let known = line.shape.columns().find(|(_, at)| *at == position).and_then(|(number, _)| flat.spec(number));
        let other = || line.shape.others.iter().find(|(at, _)| *at == position).map(|(_, name)| name.clone());
        known.map(|column| column.name.clone()).or_else(other).unwrap_or_else(|| format_smolstr!("#{}", position + 1))
    }

    /// A resource for a row that nothing is made of.
    fn basic(&mut self, flat: &FlatTable, line: &Line<'_>) -> usize {
        let kind = SmolStr::new_static("Basic");
        self.name.truncate(0);
        self.name.push(self.context.source);
        self.name.push(&kind);
        self.position(line);
        let (id, name) = names(&kind, self.name.uuid(self.context.namespace));
        let code = coding(&SmolStr::new_static(TABLE_SYSTEM), &flat.name, &SmolStr::default());
        let mut object = Object::with_capacity(4);
        object.insert(SmolStr::new_static("resourceType"), Json::String(kind.clone()));
        object.insert(SmolStr::new_static("id"), Json::String(id.clone()));
        object.insert(SmolStr::new_static("code"), Json::object([("coding", Json::array([code]))]));
        self.resources.push(Resource { kind, id, object, name, alias: SELF });
        let text = "no map makes a resource of this row: its cells are kept in a Basic resource";
        self.issues.push(Issue::warning("incomplete", text).at(self.plan.place_of(line.table, line.cells.number())));
        self.resources.len() - 1
    }

    fn settle_counts(&mut self) {
        let [total, mapped, kept, dropped] = &mut self.counts;
        for known in &self.known {
            match known {
                Known::Empty => continue,
                Known::Mapped => *mapped += 1,
                Known::Kept => *kept += 1,
                Known::Nothing | Known::Dropped => *dropped += 1,
            }
            *total += 1;
        }
    }
}

const NULL: &str = "null: the file says that there is no value, so the element is absent";
const NO_DATE: &str = "expected a date as the package says the column writes it";

/// Whether a function reads timestamps.
pub(crate) fn reads_dates(function: &Function) -> bool {
    matches!(function.name, "date" | "day" | "dateTime" | "instant" | "time")
}

/// A time alone: its digits.
fn clock(text: &str) -> SmolStr {
    if !text.contains(':') {
        return text.into();
    }
    // Minutes at least, as `9:05` is no time of HL7 v2.
    let mut parts = text.splitn(3, ':').map(trim);
    let (hour, minute, rest) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    format_smolstr!("{hour:0>2}{minute:0>2}{rest}")
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
