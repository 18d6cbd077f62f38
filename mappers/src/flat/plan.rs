//! The tables of a flat extract, compiled: columns by number, joins, and which rows make what.

use std::collections::{BTreeMap, HashMap};

use formats::flat::Dialect;
use smol_str::SmolStr;

use crate::compile::Compiled;
use crate::map::{AliasId, Part, Place, SELF};
use crate::package::LoadError;

use super::numeral::Numeral;
use super::pattern::{PIVOT, Pattern};
use super::settings::{FlatSettings, folded};

mod roles;

use roles::{identity, referred, sorted, unsupported};

/// Numbers of columns from here on stand for several columns together.
pub(crate) const COMPOSITE: u32 = 10_000;

/// Every table of a package.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) tables: Vec<FlatTable>,
}

/// One table.
#[derive(Debug)]
pub(crate) struct FlatTable {
    pub(crate) name: SmolStr,
    pub(crate) dialect: Dialect,
    pub(crate) header: bool,
    /// By their numbers, from 1.
    pub(crate) columns: Vec<Column>,
    /// Numbers by the name in its plain form; short names too.
    by_name: HashMap<String, u32>,
    /// Columns that stand together, by their number from [`COMPOSITE`] on.
    pub(crate) composites: Vec<Vec<u32>>,
    composite_names: HashMap<String, u32>,
    nulls: Vec<SmolStr>,
    pub(crate) dates: Vec<Pattern>,
    number: Option<Numeral>,
    /// Lines before the header and after the rows on the way back.
    pub(crate) write_head: Vec<String>,
    pub(crate) write_foot: Option<String>,
    pub(crate) file: Vec<String>,
    pub(crate) matches: Vec<u32>,
    pub(crate) parent: Option<usize>,
    pub(crate) key: Vec<u32>,
    pub(crate) on: Vec<u32>,
    /// The maps that are run for a row, each after those it refers to.
    pub(crate) roles: Vec<FlatRole>,
    /// Number, among the roles, of the one a row is about: what no row reads is kept there.
    pub(crate) main: usize,
    /// Whether its rows add to the resources of the parent's row.
    pub(crate) adds: bool,
    row: Option<SmolStr>,
    ancestry: Option<(String, Vec<String>)>,
}

/// A column.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: SmolStr,
    pub(crate) dates: Vec<Pattern>,
    number: Option<Numeral>,
    nulls: Vec<SmolStr>,
    /// What divides the values of a cell.
    pub(crate) list: Option<SmolStr>,
    pub(crate) optional: bool,
}

/// What a row becomes by one file of the package.
#[derive(Clone, Debug)]
pub(crate) struct FlatRole {
    /// `results-Observation@covid`
    pub(crate) file: SmolStr,
    /// Number of its rows among the tables of the package.
    pub(crate) table: usize,
    pub(crate) alias: AliasId,
}

impl Plan {
    /// The tables without their rows; faults of settings have been said.
    pub(crate) fn new(settings: &BTreeMap<String, FlatSettings>) -> Self {
        let mut tables: Vec<FlatTable> =
            settings.iter().map(|(name, settings)| FlatTable::new(name, settings)).collect();
        let numbers: HashMap<SmolStr, usize> =
            tables.iter().enumerate().map(|(number, table)| (table.name.clone(), number)).collect();
        for number in 0..tables.len() {
            let Some((parent, on)) = tables.get(number).and_then(|table| table.ancestry.clone()) else { continue };
            let Some(above) = numbers.get(parent.as_str()).copied() else { continue };
            let on: Vec<u32> = if on.is_empty() {
                let names: Vec<SmolStr> = tables.get(above).map(FlatTable::key_names).unwrap_or_default();
                names.iter().filter_map(|name| tables.get(number)?.column(name)).collect()
            } else {
                on.iter().filter_map(|name| tables.get(number)?.column(name)).collect()
            };
            if let Some(table) = tables.get_mut(number) {
                (table.parent, table.on) = (Some(above), on);
            }
        }
        Self { tables }
    }

    /// The number of a table.
    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        self.tables.iter().position(|table| table.name == name)
    }

    /// Notes the rows of a table.
    pub(crate) fn add(&mut self, number: usize, file: &str, table: usize) {
        if let Some(flat) = self.tables.get_mut(number) {
            flat.roles.push(FlatRole { file: file.into(), table, alias: SELF });
        }
    }

    /// Reads a place: `column`, `#3`, `first+second`, `parent.column`.
    pub(crate) fn place(&mut self, table: &str, text: &str) -> Result<Place, String> {
        let own = self.number(table).ok_or_else(|| format!("unknown table {table}"))?;
        let column = |field| Place::Own { field, repetition: 0, component: 0, subcomponent: 0 };
        if let Some(field) = self.tables.get(own).and_then(|table| table.column(text)) {
            return Ok(column(field));
        }
        if let Some((other, name)) = text.split_once('.')
            && let Some(above) = self.number(other)
        {
            if !self.ancestors(own).contains(&above) {
                return Err(format!("{other} is not above {table}: its columns are not at hand"));
            }
            let field = self.tables.get(above).and_then(|table| table.column(name));
            let field = field.ok_or_else(|| format!("unknown column {name} of {other}"))?;
            let segment = u16::try_from(above).unwrap_or(u16::MAX);
            return Ok(Place::Other { segment, field, component: 0, subcomponent: 0 });
        }
        if text.contains('+') {
            let flat = self.tables.get_mut(own).ok_or("expected a table")?;
            let mut members = Vec::new();
            for name in text.split('+').map(str::trim) {
                members.push(flat.column(name).ok_or_else(|| format!("unknown column {name}"))?);
            }
            return Ok(column(flat.composite(text, members)));
        }
        Err(format!("unknown column {text:?} of {table}"))
    }

    /// A row as issues name it: with the table where there are several.
    pub(crate) fn place_of(&self, table: usize, row: u64) -> String {
        match self.tables.get(table).filter(|_| self.tables.len() > 1) {
            Some(table) => format!("{}:{row}", table.name),
            None => row.to_string(),
        }
    }

    /// The tables above one, the nearest first.
    pub(crate) fn ancestors(&self, table: usize) -> Vec<usize> {
        let mut out = Vec::new();
        let mut at = table;
        while let Some(above) = self.tables.get(at).and_then(|table| table.parent) {
            // A ring of parents has been said already.
            if out.contains(&above) {
                break;
            }
            out.push(above);
            at = above;
        }
        out
    }

    /// The tables above one, the nearest first, as they are.
    pub(crate) fn ancestors_of(&self, table: &FlatTable) -> Vec<&FlatTable> {
        let own = self.number(&table.name);
        let numbers = own.map(|own| self.ancestors(own)).unwrap_or_default();
        numbers.iter().filter_map(|number| self.tables.get(*number)).collect()
    }

    /// Sorts the roles and says what cannot be run.
    pub(crate) fn finish(&mut self, compiled: &Compiled, errors: &mut Vec<LoadError>) {
        for number in 0..self.tables.len() {
            let above: Vec<AliasId> = self.built_above(number, compiled);
            let Some(flat) = self.tables.get_mut(number) else { continue };
            let mut error = |role: Option<&FlatRole>, message: String| {
                let file = role.map_or_else(|| "package.toml".to_owned(), |role| format!("rows/{}.csv", role.file));
                errors.push(LoadError { file, line: 0, message });
            };
            flat.roles.retain_mut(|role| match compiled.tables.get(role.table) {
                Some(table) => {
                    role.alias = table.alias;
                    true
                }
                None => false,
            });
            flat.roles = sorted(std::mem::take(&mut flat.roles), compiled);
            let own: Vec<AliasId> =
                flat.roles.iter().filter(|role| identity(role, compiled).is_some()).map(|role| role.alias).collect();
            let name = |alias: AliasId| compiled.aliases.get(usize::from(alias)).map_or("", SmolStr::as_str);
            for role in &flat.roles {
                if !own.contains(&role.alias) && !above.contains(&role.alias) {
                    error(Some(role), "expected an id row: nothing else makes this resource".to_owned());
                }
                let Some(table) = compiled.tables.get(role.table) else { continue };
                if table.within.is_some() {
                    error(Some(role), "a table of a flat extract does not start within an array".to_owned());
                }
                for row in table.rows.iter().chain(&table.defaults) {
                    if let Some(text) = unsupported(row) {
                        error(Some(role), format!("{}: {text}", compiled.rule(row.rule)));
                    }
                    for alias in referred(row) {
                        if !own.contains(&alias) && !above.contains(&alias) {
                            let text = format!("{}: no table makes @{}", compiled.rule(row.rule), name(alias));
                            error(Some(role), text);
                        }
                    }
                }
            }
            if flat.roles.is_empty() {
                error(None, format!("[tables.{}]: no rows/{}-Role.csv says what it becomes", flat.name, flat.name));
            }
            flat.adds = flat.parent.is_some() && !flat.roles.is_empty() && own.is_empty();
            let by_position = |role: &FlatRole| {
                identity(role, compiled).is_some_and(|identity| {
                    identity.alternatives.iter().flatten().any(|part| matches!(part, Part::Position))
                })
            };
            flat.main = match &flat.row {
                Some(wanted) => match flat.roles.iter().position(|role| name(role.alias) == wanted) {
                    Some(found) => found,
                    None => {
                        error(None, format!("[tables.{}]: row: no rows make {wanted}", flat.name));
                        0
                    }
                },
                None => flat.roles.iter().position(by_position).unwrap_or(flat.roles.len().saturating_sub(1)),
            };
        }
        for number in 0..self.tables.len() {
            let wrong = self.tables.get(number).filter(|flat| flat.adds).and_then(|flat| {
                let parent = self.tables.get(flat.parent?)?;
                (parent.adds || self.tables.iter().any(|below| below.parent == Some(number))).then(|| flat.name.clone())
            });
            if let Some(name) = wrong {
                let message = format!(
                    "[tables.{name}]: rows that add to a parent's resources have no rows below, and the parent makes resources"
                );
                errors.push(LoadError { file: "package.toml".to_owned(), line: 0, message });
            }
        }
    }

    /// The roles that tables above make.
    fn built_above(&self, number: usize, compiled: &Compiled) -> Vec<AliasId> {
        let tables = self.ancestors(number);
        let roles = tables.iter().filter_map(|above| self.tables.get(*above)).flat_map(|table| &table.roles);
        roles
            .filter_map(|role| compiled.tables.get(role.table))
            .filter(|table| table.identity.is_some())
            .map(|table| table.alias)
            .collect()
    }
}

impl FlatTable {
    fn new(name: &str, settings: &FlatSettings) -> Self {
        let names = settings.columns();
        let mut by_name = HashMap::new();
        for (number, name) in (1u32..).zip(&names) {
            by_name.insert(folded(name), number);
        }
        for (alias, name) in &settings.names {
            if let Some(number) = by_name.get(&folded(name)).copied() {
                by_name.entry(folded(alias)).or_insert(number);
            }
        }
        let pivot = settings.pivot.unwrap_or(PIVOT);
        let patterns =
            |list: &[String]| list.iter().filter_map(|text| Pattern::parse(text, pivot).ok()).collect::<Vec<_>>();
        let numeral = |text: &String| Numeral::parse(text).ok();
        let trimmed = |list: &Vec<String>| list.iter().map(|text| text.trim().into()).collect::<Vec<SmolStr>>();
        let number = |name: &str| by_name.get(&folded(name)).copied();
        let numbers = |list: &[String]| list.iter().filter_map(|name| number(name)).collect::<Vec<_>>();
        let columns = (1u32..).zip(&names).map(|(at, name)| {
            let dates = settings.dates.iter().find(|(column, _)| number(column) == Some(at));
            let list = settings.lists.iter().find(|(column, _)| number(column) == Some(at));
            let numbers = settings.numbers.iter().find(|(column, _)| number(column) == Some(at));
            let nulls = settings.nulls.iter().find(|(column, _)| number(column) == Some(at));
            Column {
                number: numbers.and_then(|(_, text)| numeral(text)),
                nulls: nulls.map(|(_, list)| trimmed(list)).unwrap_or_default(),
                name: (*name).into(),
                dates: dates.map(|(_, list)| patterns(list)).unwrap_or_default(),
                list: list.map(|(_, by)| by.as_str().into()),
                optional: settings.optional.iter().any(|column| number(column) == Some(at)),
            }
        });
        let dates = settings.date.as_deref().map(patterns).unwrap_or_default();
        Self {
            name: name.into(),
            dialect: settings.dialect().unwrap_or_default(),
            header: settings.has_header(),
            columns: columns.collect(),
            composites: Vec::new(),
            composite_names: HashMap::new(),
            nulls: settings.null.as_ref().map(trimmed).unwrap_or_default(),
            number: settings.number.as_ref().and_then(numeral),
            write_head: settings.envelope.as_ref().map(|lines| lines.write_head.clone()).unwrap_or_default(),
            write_foot: settings.envelope.as_ref().and_then(|lines| lines.write_foot.clone()),
            dates: if dates.is_empty() { vec![Pattern::Iso, Pattern::Hl7] } else { dates },
            file: settings.file.clone(),
            matches: numbers(&settings.matches),
            parent: None,
            key: numbers(&settings.key),
            on: Vec::new(),
            roles: Vec::new(),
            main: 0,
            adds: false,
            row: settings.row.as_deref().map(SmolStr::new),
            ancestry: settings.parent.clone().map(|parent| (parent, settings.on.clone())),
            by_name,
        }
    }

    fn key_names(&self) -> Vec<SmolStr> {
        self.key.iter().filter_map(|number| self.spec(*number)).map(|column| column.name.clone()).collect()
    }

    /// The number of a column: by name, short name, or position `#3`.
    pub(crate) fn column(&self, name: &str) -> Option<u32> {
        if let Some(position) = name.strip_prefix('#') {
            return position.parse().ok().filter(|number| self.spec(*number).is_some());
        }
        self.by_name.get(&folded(name)).copied()
    }

    /// What is known of a column.
    pub(crate) fn spec(&self, number: u32) -> Option<&Column> {
        self.columns.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    /// How the dates of a column are written.
    pub(crate) fn patterns(&self, number: u32) -> &[Pattern] {
        match self.spec(number).map(|column| column.dates.as_slice()) {
            Some(dates) if !dates.is_empty() => dates,
            _ => &self.dates,
        }
    }

    /// How the numbers of a column are written, if not as the functions read them.
    pub(crate) fn numeral(&self, number: u32) -> Option<Numeral> {
        self.spec(number).and_then(|column| column.number).or(self.number)
    }

    /// Whether a text stands for no value, in every column or in one.
    pub(crate) fn is_null(&self, column: Option<u32>, text: &str) -> bool {
        let own = column.and_then(|column| self.spec(column)).map_or(&[][..], |column| &column.nulls);
        self.nulls.iter().chain(own).any(|null| null.eq_ignore_ascii_case(text))
    }

    fn composite(&mut self, text: &str, members: Vec<u32>) -> u32 {
        if let Some(number) = self.composite_names.get(text) {
            return *number;
        }
        let number = COMPOSITE + u32::try_from(self.composites.len()).unwrap_or(0);
        self.composites.push(members);
        self.composite_names.insert(text.to_owned(), number);
        number
    }

    /// The columns of a number: itself, or those that stand together under it.
    pub(crate) fn members(&self, number: u32) -> &[u32] {
        let at = number.checked_sub(COMPOSITE).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.composites.get(at)).map_or(&[], Vec::as_slice)
    }
}
