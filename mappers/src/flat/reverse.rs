//! FHIR to flat files, by the same rows run backwards.
//!
//! A row of a file is written for each resource of the role that the table is about; the other roles are found by the
//! references that the table's own rows set. What no row reads back comes from the extensions the way here has left.

use std::collections::{BTreeMap, HashMap, HashSet};

use formats::flat::Writer;
use model::json::{Json, Object};
use model::outcome::{Issue, Severity};
use smol_str::SmolStr;

use crate::compile::Compiled;
use crate::function::{Authorities, Back, Call, Function, unescaped};
use crate::map::{AliasId, Place, Row, Source, Table, Test, Via, Way};
use crate::package::Package;
use crate::path::{At, Holds, Step};
use crate::quick::trim;

use super::eval::{KEPT, LEXEME, TABLE_SYSTEM, reads_dates};
use super::plan::{COMPOSITE, FlatTable};

/// A file made of resources. Holds patient data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// Name of the table.
    pub table: String,
    /// The file.
    pub bytes: Vec<u8>,
    /// Its rows, without the header.
    pub rows: usize,
}

/// What a way back gives. Holds patient data.
#[derive(Clone, Debug, Default)]
pub struct RenderedFlat {
    /// A file for each table of the package that has rows.
    pub files: Vec<Rendered>,
    /// Findings.
    pub issues: Vec<Issue>,
    /// `Type/id` of resources that no row was written of.
    pub unused: Vec<String>,
}

impl Package {
    /// Writes resources, or those of Bundles, as the files of this package's tables.
    pub fn render_flat(&self, resources: &[Json]) -> RenderedFlat {
        let compiled = self.compiled();
        let mut all: Vec<&Json> = Vec::new();
        let mut index = HashMap::new();
        for resource in resources {
            if resource.text_at(&["resourceType"]) == Some("Bundle") {
                for entry in model::bundle::entries(resource) {
                    if let (Some(url), Some(_)) = (entry.full_url(), entry.resource()) {
                        index.insert(url.to_owned(), all.len());
                    }
                    all.extend(entry.resource());
                }
            } else {
                all.push(resource);
            }
        }
        for (number, resource) in all.iter().enumerate() {
            if let (Some(kind), Some(id)) = (resource.text_at(&["resourceType"]), resource.text_at(&["id"])) {
                index.insert(format!("{kind}/{id}"), number);
            }
        }
        let mut referring: HashMap<(usize, &str), Vec<usize>> = HashMap::new();
        for (number, resource) in all.iter().enumerate() {
            let kind = resource.text_at(&["resourceType"]).unwrap_or_default();
            references(resource, &mut |to| {
                if let Some(to) = index.get(to) {
                    let list = referring.entry((*to, kind)).or_default();
                    if list.last() != Some(&number) {
                        list.push(number);
                    }
                }
            });
        }
        let mut back = Reverse {
            compiled,
            all: &all,
            index: &index,
            referring: &referring,
            used: vec![false; all.len()],
            issues: Vec::new(),
        };
        let mut files = Vec::new();
        for (number, flat) in compiled.flat.tables.iter().enumerate() {
            let rows = if flat.adds { back.items(flat) } else { back.table(flat) };
            if !rows.is_empty() {
                files.push(back.write(number, flat, &rows));
            }
        }
        let unused = all.iter().zip(&back.used).filter(|(_, used)| !**used).map(|(resource, _)| {
            let text = |name| resource.text_at(&[name]).unwrap_or("?");
            format!("{}/{}", text("resourceType"), text("id"))
        });
        RenderedFlat { files, unused: unused.collect(), issues: back.issues }
    }
}

/// Every reference of a resource.
fn references<'r>(json: &'r Json, take: &mut impl FnMut(&'r str)) {
    match json {
        Json::Object(object) => {
            for (name, value) in object.iter() {
                match value {
                    Json::String(text) if name == "reference" => take(text),
                    _ => references(value, take),
                }
            }
        }
        Json::Array(items) => items.iter().for_each(|item| references(item, take)),
        _ => {}
    }
}

/// The cells of a row: by number of the column, and those of columns the table does not have.
#[derive(Clone, Debug, Default)]
struct Line {
    cells: Vec<String>,
    others: BTreeMap<String, String>,
}

impl Line {
    fn new(flat: &FlatTable) -> Self {
        Self { cells: vec![String::new(); flat.columns.len()], others: BTreeMap::new() }
    }

    fn get(&self, column: u32) -> &str {
        (column as usize).checked_sub(1).and_then(|at| self.cells.get(at)).map_or("", String::as_str)
    }

    /// Fills an empty cell; a comparator takes its number. Gives back whether the cell now says it.
    fn set(&mut self, column: u32, text: &str) -> bool {
        let Some(cell) = (column as usize).checked_sub(1).and_then(|at| self.cells.get_mut(at)) else { return false };
        if cell.is_empty() {
            text.clone_into(cell);
        } else if matches!(cell.as_str(), "<" | "<=" | ">" | ">=") {
            cell.push_str(text);
        }
        cell.as_str() == text
    }
}

/// Items of arrays that were written, by role and path.
type Taken = HashSet<(AliasId, String, usize)>;

struct Reverse<'a> {
    compiled: &'a Compiled,
    all: &'a [&'a Json],
    index: &'a HashMap<String, usize>,
    referring: &'a HashMap<(usize, &'a str), Vec<usize>>,
    used: Vec<bool>,
    issues: Vec<Issue>,
}

/// A resource for each role.
type Bound = HashMap<AliasId, usize>;

impl<'a> Reverse<'a> {
    fn object(&self, number: usize) -> Option<&'a Object> {
        self.all.get(number)?.as_object()
    }

    fn kind(&self, number: usize) -> &'a str {
        self.all.get(number).and_then(|resource| resource.text_at(&["resourceType"])).unwrap_or_default()
    }

    /// The rows of a table that makes resources of its own.
    fn table(&mut self, flat: &'a FlatTable) -> Vec<Line> {
        let mut out = Vec::new();
        let Some(main) = flat.roles.get(flat.main) else { return out };
        for number in 0..self.all.len() {
            let kept = self.kept_row(flat, number);
            if let Some(line) = kept {
                self.mark(number);
                out.push(line);
                continue;
            }
            let Some(table) = self.compiled.tables.get(main.table) else { continue };
            if self.kind(number) != table.root || !self.fits(table, number) {
                continue;
            }
            let bound = self.bind(flat, main.alias, number);
            let mut line = Line::new(flat);
            for role in &flat.roles {
                let (Some(own), Some(table)) = (bound.get(&role.alias), self.compiled.tables.get(role.table)) else {
                    continue;
                };
                self.mark(*own);
                self.fill(flat, table, *own, None, &mut line);
            }
            for number in bound.values() {
                self.kept_cells(flat, *number, &mut line);
            }
            self.parent_key(flat, &bound, &mut line);
            out.push(line);
        }
        out
    }

    /// The rows of a table that adds to its parent's resources: one for each item of an array.
    fn items(&mut self, flat: &'a FlatTable) -> Vec<Line> {
        let mut out = Vec::new();
        for role in &flat.roles {
            let Some(table) = self.compiled.tables.get(role.table) else { continue };
            let array = table.rows.iter().find_map(|row| {
                let first = row.target.steps.first()?;
                matches!(first.at, At::PerSegment | At::Append).then(|| first.name.clone())
            });
            let Some(array) = array else { continue };
            for number in 0..self.all.len() {
                if self.kind(number) != table.root {
                    continue;
                }
                let items = self.object(number).and_then(|object| object.get(&array)).and_then(Json::as_array);
                for at in 0..items.map_or(0, <[Json]>::len) {
                    let mut line = Line::new(flat);
                    self.fill(flat, table, number, Some((&array, at)), &mut line);
                    if let Some(item) = items.and_then(|items| items.get(at)) {
                        kept_beside(flat, item, &mut line);
                    }
                    if line.cells.iter().all(String::is_empty) {
                        continue;
                    }
                    self.parent_key(flat, &Bound::from([(role.alias, number)]), &mut line);
                    out.push(line);
                }
            }
        }
        out
    }

    fn mark(&mut self, number: usize) {
        if let Some(slot) = self.used.get_mut(number) {
            *slot = true;
        }
    }

    /// Whether a resource has the constants that every resource of a table has.
    fn fits(&self, table: &Table, number: usize) -> bool {
        let Some(object) = self.object(number) else { return false };
        let constants = table.rows.iter().filter(|row| {
            matches!((&row.source, &row.via), (Source::Constant, Via::Literal(_)))
                && row.when.is_empty()
                && row.way == Way::Both
        });
        constants.into_iter().all(|row| match &row.via {
            Via::Literal(wanted) => any_at(object, &row.target.steps, &|json| says(json, wanted)),
            _ => true,
        })
    }

    /// Finds a resource for each role, from the one the row is about along the references that the rows set.
    fn bind(&self, flat: &FlatTable, main: AliasId, number: usize) -> Bound {
        let mut bound = Bound::from([(main, number)]);
        let above = flat.parent.map(|_| self.compiled.flat.ancestors_of(flat)).unwrap_or_default();
        let roles: Vec<_> = flat.roles.iter().chain(above.iter().flat_map(|table| &table.roles)).collect();
        loop {
            let before = bound.len();
            for role in &roles {
                let Some(table) = self.compiled.tables.get(role.table) else { continue };
                for row in &table.rows {
                    let (Source::Alias(to) | Source::Each(to)) = &row.source else { continue };
                    match (bound.get(&role.alias).copied(), bound.get(to).copied()) {
                        (Some(own), None) => {
                            let found = self.follow(own, &row.target.steps).into_iter().find(|found| {
                                self.kind(*found) == self.compiled.alias_type(*to)
                                    && self.fits_role(&roles, *to, *found)
                            });
                            found.map(|found| bound.insert(*to, found));
                        }
                        (None, Some(target)) => {
                            let list = self.referring.get(&(target, table.root.as_str()));
                            let taken: Vec<usize> = bound.values().copied().collect();
                            let found = list.into_iter().flatten().copied().find(|found| {
                                !taken.contains(found)
                                    && self.follow(*found, &row.target.steps).contains(&target)
                                    && self.fits(table, *found)
                                    && (table.rows.iter().any(is_constant) || flat.roles.len() == 2)
                            });
                            found.map(|found| bound.insert(role.alias, found));
                        }
                        _ => {}
                    }
                }
            }
            if bound.len() == before {
                return bound;
            }
        }
    }

    fn fits_role(&self, roles: &[&super::plan::FlatRole], alias: AliasId, number: usize) -> bool {
        let table = roles.iter().find(|role| role.alias == alias).and_then(|role| self.compiled.tables.get(role.table));
        table.is_none_or(|table| self.fits(table, number))
    }

    /// The resources that references at a path lead to.
    fn follow(&self, number: usize, steps: &[Step]) -> Vec<usize> {
        let mut out = Vec::new();
        let Some(object) = self.object(number) else { return out };
        each_at(object, steps, &mut |json| {
            let text = json.text_at(&["reference"]).unwrap_or_default();
            out.extend(self.index.get(text).copied());
            false
        });
        out
    }

    /// Fills the cells of a row from a resource; of an array the item that is given, where rows speak of one.
    fn fill(
        &mut self,
        flat: &'a FlatTable,
        table: &'a Table,
        number: usize,
        item: Option<(&SmolStr, usize)>,
        line: &mut Line,
    ) {
        let Some(object) = self.object(number) else { return };
        let mut taken = Taken::new();
        let chosen = chosen(table, object);
        // A comparator is written before its number.
        let first = |row: &&Row| matches!(&row.via, Via::Function { function, .. } if function.name == "comparator_of");
        let rows = table.rows.iter().filter(first).chain(table.rows.iter().filter(|row| !first(row)));
        for row in rows.filter(|row| row.way.is_back(true) && row.alias == table.alias) {
            let Source::Place(place) = &row.source else {
                self.conditions(row, object, line, None);
                continue;
            };
            let Place::Own { field, .. } = place else { continue };
            let mut texts: Vec<String> = Vec::new();
            let list = flat.spec(*field).and_then(|column| column.list.as_deref());
            let mut walk = Walk { alias: row.alias, chosen: &chosen, item, taken: &mut taken, all: list.is_some() };
            walk.values(object, row, &mut |json, beside| {
                if let Some(text) = self.text(flat, *field, row, json, beside, line) {
                    texts.push(text);
                    return true;
                }
                false
            });
            if texts.is_empty() || *field >= COMPOSITE {
                continue;
            }
            let text = texts.join(list.unwrap_or_default());
            if self.allowed(row, &text) && line.set(*field, &text) {
                self.conditions(row, object, line, Some(*field));
            }
        }
    }

    /// A cell that a condition asks for a text is that text where the row has set its value.
    fn conditions(&self, row: &Row, object: &Object, line: &mut Line, set: Option<u32>) {
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
    fn allowed(&self, row: &Row, text: &str) -> bool {
        use crate::function::{compared, is_number};
        use crate::map::Form;
        let Source::Place(own) = &row.source else { return true };
        row.when.iter().all(|term| {
            let holds = match &term.test {
                Test::Form(Form::Number, place) if place == own => is_number(text),
                // The comparator and its number are written one after the other.
                Test::Form(Form::Compared, place) if place == own => {
                    matches!(text, "<" | "<=" | ">" | ">=") || compared(text).is_some() || is_number(text)
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
    fn text(
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
    fn undone(
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
        // The text it came from says more, as long as it still says this.
        if let Some(text) = beside.and_then(said_before) {
            let digits = if reads_dates(function) {
                flat.patterns(first).iter().find_map(|pattern| pattern.digits(text)).unwrap_or_default()
            } else {
                text.into()
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
    fn code(&self, map: usize, row: &Row, json: &Json, beside: Option<&Json>) -> Option<String> {
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
    fn members(&mut self, flat: &FlatTable, field: u32, table: usize, json: &Json, line: &mut Line) -> Option<String> {
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

    fn issue(&mut self, flat: &FlatTable, column: Option<u32>, text: &str, row: &Row) {
        let column = column.and_then(|column| flat.spec(column)).map_or("", |column| column.name.as_str());
        let issue = Issue::new(Severity::Warning, "not-supported", text).at(format!("{},{column}", flat.name));
        let issue = issue.rule(self.compiled.rule(row.rule));
        if !self.issues.contains(&issue) {
            self.issues.push(issue);
        }
    }

    /// The row that a Basic resource keeps whole.
    fn kept_row(&self, flat: &FlatTable, number: usize) -> Option<Line> {
        let resource = self.all.get(number)?;
        let code = resource.at(&["code", "coding", "0"]).filter(|_| self.kind(number) == "Basic")?;
        let own = code.text_at(&["system"]) == Some(TABLE_SYSTEM) && code.text_at(&["code"]) == Some(&flat.name);
        own.then(|| {
            let mut line = Line::new(flat);
            self.kept_cells(flat, number, &mut line);
            line
        })
    }

    /// Cells that no row reads.
    fn kept_cells(&self, flat: &FlatTable, number: usize, line: &mut Line) {
        if let Some(resource) = self.all.get(number) {
            kept_beside(flat, resource, line);
        }
    }

    /// The columns that name the row of the parent, as the parent's own row is named.
    fn parent_key(&mut self, flat: &FlatTable, bound: &Bound, line: &mut Line) {
        let Some(parent) = flat.parent.and_then(|parent| self.compiled.flat.tables.get(parent)) else { return };
        let mut above = Line::new(parent);
        for role in &parent.roles {
            let (Some(own), Some(table)) = (bound.get(&role.alias), self.compiled.tables.get(role.table)) else {
                continue;
            };
            self.fill(parent, table, *own, None, &mut above);
            self.kept_cells(parent, *own, &mut above);
        }
        for (on, key) in flat.on.iter().zip(&parent.key) {
            line.set(*on, above.get(*key));
        }
    }

    fn write(&mut self, _: usize, flat: &FlatTable, rows: &[Line]) -> Rendered {
        let mut writer = Writer::new(flat.dialect.clone());
        let mut bytes = Vec::new();
        let names: std::collections::BTreeSet<&str> =
            rows.iter().flat_map(|line| line.others.keys().map(String::as_str)).collect();
        let others: Vec<&str> = if flat.header { names.into_iter().collect() } else { Vec::new() };
        if flat.header {
            let columns = flat.columns.iter().map(|column| column.name.as_str());
            writer.write(columns.chain(others.iter().copied()), &mut bytes);
        }
        for (number, line) in rows.iter().enumerate() {
            let more = others.iter().map(|name| line.others.get(*name).map_or("", String::as_str));
            let unfit = writer.write(line.cells.iter().map(String::as_str).chain(more), &mut bytes);
            for at in unfit {
                let column = flat.columns.get(at).map_or("", |column| column.name.as_str());
                let row = number + 1 + usize::from(flat.header);
                let text = "the file cannot hold this text whole: it is cut or its delimiters are blanks";
                self.issues.push(Issue::warning("too-long", text).at(format!("{}:{row},{column}", flat.name)));
            }
        }
        Rendered { table: flat.name.to_string(), bytes, rows: rows.len() }
    }
}

/// Cells that no row reads, in the extensions of a resource or an element.
fn kept_beside(flat: &FlatTable, element: &Json, line: &mut Line) {
    for extension in element.items("extension") {
        let url = extension.text_at(&["url"]).and_then(|url| url.strip_prefix(KEPT));
        let Some((table, column)) = url.and_then(|rest| rest.split_once(':')) else { continue };
        let Some(text) = extension.text_at(&["valueString"]).filter(|_| table == flat.name) else { continue };
        let name = unescaped(column);
        match flat.column(&name) {
            Some(column) => {
                line.set(column, text);
            }
            None if !name.starts_with('#') => {
                line.others.insert(name, text.to_owned());
            }
            None => {}
        }
    }
}

fn is_constant(row: &Row) -> bool {
    matches!((&row.source, &row.via), (Source::Constant, Via::Literal(_))) && row.when.is_empty()
}

/// The text of a primitive.
fn lexeme(json: &Json) -> Option<SmolStr> {
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

/// Whether a value says at least what is wanted.
fn says(there: &Json, wanted: &Json) -> bool {
    match (there, wanted) {
        (Json::Object(there), Json::Object(wanted)) => wanted.iter().all(|(name, wanted)| {
            // What a coding is called may differ.
            name == "display" || there.get(name).is_some_and(|there| says(there, wanted))
        }),
        (Json::Array(there), Json::Array(wanted)) => {
            wanted.iter().all(|wanted| there.iter().any(|there| says(there, wanted)))
        }
        _ => there == wanted,
    }
}

/// Every value at the end of a path, whichever items its indexes mean.
fn each_at<'o>(object: &'o Object, steps: &[Step], take: &mut dyn FnMut(&'o Json) -> bool) -> bool {
    let Some((step, rest)) = steps.split_first() else { return false };
    let Some(value) = object.get(&step.name) else { return false };
    let items = match (&step.at, value) {
        (At::Single, value) => std::slice::from_ref(value),
        (_, Json::Array(items)) => items.as_slice(),
        _ => return false,
    };
    items.iter().filter(|item| is_of(step, item)).any(|item| match (rest, item) {
        ([], item) => take(item),
        (rest, Json::Object(inner)) => each_at(inner, rest, take),
        _ => false,
    })
}

fn any_at(object: &Object, steps: &[Step], fits: &dyn Fn(&Json) -> bool) -> bool {
    each_at(object, steps, &mut |json| fits(json))
}

/// Whether an item is one that a step means: of extensions those of its URL.
fn is_of(step: &Step, item: &Json) -> bool {
    match &step.at {
        At::Extension(url) | At::AppendExtension(url) | At::SegmentExtension(url) => {
            item.text_at(&["url"]) == Some(url.as_str())
        }
        _ => true,
    }
}

/// The items that numbered steps (`[0]`, `[1]`) mean in a resource, by the path up to there and the number: the first that
/// has all the constants which rows set beside it and that no other number means.
fn chosen(table: &Table, object: &Object) -> HashMap<(String, usize), usize> {
    let mut wanted: BTreeMap<(String, usize), Vec<&Row>> = BTreeMap::new();
    for row in &table.rows {
        if let Some((step, _)) = row.target.steps.split_first()
            && let At::Index(number) = step.at
        {
            wanted.entry((step.name.to_string(), number)).or_default().push(row);
        }
    }
    let mut out: HashMap<(String, usize), usize> = HashMap::new();
    // Those with constants choose first.
    let strict = |rows: &[&Row]| rows.iter().map(|row| hard(row).count()).sum::<usize>();
    let mut order: Vec<_> = wanted.iter().collect();
    order.sort_by_key(|(_, rows)| std::cmp::Reverse(strict(rows)));
    for ((name, number), rows) in order {
        let items = object.get(name).and_then(Json::as_array).unwrap_or_default();
        let free = |at: &usize| !out.iter().any(|((other, _), chosen)| other == name && chosen == at);
        let fits = |at: &usize| {
            let Some(item) = items.get(*at).and_then(Json::as_object) else { return strict(rows) == 0 };
            rows.iter().filter(|row| row.target.anchor == 1).flat_map(|row| hard(row)).all(|with| with.holds(item))
        };
        if let Some(at) = (0..items.len()).filter(free).find(fits) {
            out.insert((name.clone(), *number), at);
        }
    }
    out
}

fn hard(row: &Row) -> impl Iterator<Item = &crate::map::With> {
    row.with.iter().filter(|with| !with.soft)
}

/// Goes along a path to the values that a row has set.
struct Walk<'w> {
    alias: AliasId,
    chosen: &'w HashMap<(String, usize), usize>,
    /// The item of an array that the row of the file is about.
    item: Option<(&'w SmolStr, usize)>,
    taken: &'w mut Taken,
    /// Whether every value is wanted, not the first alone.
    all: bool,
}

impl Walk<'_> {
    /// Hands on each value with what stands beside it, until one is taken; of a list all of them.
    fn values(&mut self, object: &Object, row: &Row, take: &mut dyn FnMut(&Json, Option<&Json>) -> bool) {
        self.step(object, row, 0, String::new(), take);
    }

    fn step(
        &mut self,
        object: &Object,
        row: &Row,
        depth: usize,
        path: String,
        take: &mut dyn FnMut(&Json, Option<&Json>) -> bool,
    ) -> bool {
        let Some(step) = row.target.steps.get(depth) else { return false };
        let last = depth + 1 == row.target.steps.len();
        let path = format!("{path}.{}", step.name);
        if step.at == At::Single {
            let beside = object.get(&format!("_{}", step.name));
            return match object.get(&step.name) {
                Some(json) if last => take(json, beside),
                Some(Json::Object(inner)) => self.step(inner, row, depth + 1, path, take),
                _ => false,
            };
        }
        let items = object.get(&step.name).and_then(Json::as_array).unwrap_or_default();
        let only = match &step.at {
            At::Index(number) if depth == 0 => match self.chosen.get(&(step.name.to_string(), *number)) {
                Some(at) => Some(*at),
                None => return false,
            },
            At::Index(number) => Some(*number),
            At::PerSegment | At::Append => {
                self.item.filter(|(name, _)| depth == 0 && **name == step.name).map(|(_, at)| at)
            }
            _ => None,
        };
        let mut any = false;
        for (at, item) in items.iter().enumerate().filter(|(at, _)| only.is_none_or(|only| only == *at)) {
            let key = (self.alias, path.clone(), at);
            let appended = only.is_none();
            if !is_of(step, item) || (appended && self.taken.contains(&key)) {
                continue;
            }
            // Constants tell whose item it is.
            let anchored = depth + 1 == row.target.anchor;
            if anchored && !item.as_object().is_none_or(|item| hard(row).all(|with| with.holds(item))) {
                continue;
            }
            let here = format!("{path}[{at}]");
            let took = match item {
                json if last => take(json, None),
                Json::Object(inner) => self.step(inner, row, depth + 1, here, take),
                _ => false,
            };
            if took {
                any = true;
                if appended {
                    self.taken.insert(key);
                }
                if !self.all {
                    return true;
                }
            }
        }
        any
    }
}
