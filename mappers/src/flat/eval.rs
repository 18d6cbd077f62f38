//! Runs the rows of a package over one row of a file, with the rows it belongs to.

use formats::flat::Row as Cells;
use jiff::tz::TimeZone;
use model::id::UuidName;
use model::json::{Json, Object};
use model::outcome::{Issue, Severity};
use smol_str::{SmolStr, format_smolstr};

use crate::build::{self, Located, Shared, SharedKind};
use crate::compile::Compiled;
use crate::eval::identity::names;
use crate::eval::put::{put, reference};
use crate::eval::zone;
use crate::identity::seed;
use crate::map::{AliasId, Identity, Part, Row, SELF, Source, Table};
use crate::needs::bit;
use crate::quick::trim;
use crate::trace::{Account, Trace};
use crate::types::Context;

use super::plan::{FlatTable, Plan};
use super::shape::Shape;

mod keep;
mod read;
mod value;

pub(crate) use read::reads_dates;

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
    pub(crate) alias: AliasId,
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
        // Two organisations that are the same one: what refers to either refers to it.
        if self.resources.iter().any(|resource| resource.name == name) {
            let text = "two roles of the row name the same record: the rows of the first fill it";
            let at = self.plan.place_of(here.line.table, here.line.cells.number());
            let issue = Issue::new(Severity::Information, "duplicate", text).at(at);
            self.issues.push(issue.rule(self.compiled.rule(identity.rule)));
            self.above.push((table.alias, name));
            return;
        }
        let mut object = Object::with_capacity(12);
        object.insert(SmolStr::new_static("resourceType"), Json::String(table.root.clone()));
        object.insert(SmolStr::new_static("id"), Json::String(id.clone()));
        self.resources.push(Resource { kind: table.root.clone(), id, object, name, alias: table.alias });
    }

    /// The id of an identity, if the row says what it is made of.
    fn seed(&mut self, kind: &str, identity: &Identity, here: Here<'_, '_>) -> Option<uuid::Uuid> {
        let mut name = std::mem::take(&mut self.name);
        let id = seed(&mut name, self.context, kind, &identity.alternatives, |name, _, part| match part {
            Part::Alias(alias) => {
                let role = self.named(*alias).unwrap_or_default();
                name.push(role.split_once('/').map_or("", |(_, id)| id));
                None
            }
            Part::Position => {
                self.position(here.line, name);
                Some(true)
            }
            Part::Word(word) => {
                name.push(word);
                None
            }
            Part::Place(place) => {
                let text = self.text(place, here);
                let text = trim(&text);
                name.push(text);
                Some(!text.is_empty())
            }
        });
        self.name = name;
        id.map(|(id, _)| id)
    }

    /// What tells a row from every other: its place and all it says, as another file has the same places.
    fn position(&self, line: &Line<'_>, name: &mut UuidName) {
        name.push(self.table(line).map_or("", |table| &table.name));
        name.push(&format_smolstr!("{}", line.cells.number()));
        for cell in line.cells.cells() {
            name.push(cell);
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
}
