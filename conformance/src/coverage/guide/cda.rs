//! The rows of C-CDA on FHIR, both directions: templates, data types, ConceptMaps and the sheets of terms.
//!
//! A row is named by the element it is about; where a table has it several times the second is `id:2`, in the table's
//! order. Codes are named by the code. The guide's pages without a table (encounters, results, social history, vital
//! signs, notes, participations) have no rows here: what cites them is not compared.

use std::collections::BTreeMap;
use std::path::Path;

use model::json::{Json, Limits};

use super::{Book, File, Guide, GuideRow, Level, Way, files, filled, records};
use crate::coverage::CoverageError;

/// The guide's tables by the files' names, and by the names that packages cite.
const TABLES: [(&str, &str); 6] = [
    ("Allergy", "allergy"),
    ("Immunization", "immunization"),
    ("MedicationRequest", "medication"),
    ("Patient", "patient"),
    ("Problem-Condition", "problem"),
    ("Procedure", "procedure"),
];

impl Guide {
    /// Reads the tables of a folder that has `tables-ccda-to-fhir` and its neighbours, or has it under `ccda-on-fhir`.
    ///
    /// # Errors
    /// [`CoverageError::Read`] where a folder or file cannot be read.
    pub fn read_cda(folder: &Path) -> Result<Self, CoverageError> {
        let nested = folder.join("ccda-on-fhir");
        let folder = if nested.is_dir() { nested } else { folder.to_owned() };
        let mut guide = Self { book: Book::Cda, ..Self::default() };
        for (level, name) in [(Level::ToFhir, "tables-ccda-to-fhir"), (Level::FromFhir, "tables-fhir-to-ccda")] {
            for file in files(&folder.join(name), "csv")? {
                guide.template_table(level, &file);
            }
        }
        for file in files(&folder.join("datatypes"), "csv")? {
            guide.type_table(&file);
        }
        for extension in ["xml", "json"] {
            for file in files(&folder.join("conceptmaps"), extension)? {
                guide.concept_map(&file);
            }
        }
        for file in files(&folder.join("terms"), "csv")? {
            guide.terms(&file);
        }
        guide.rows.sort_by_key(|row| row.level);
        Ok(guide)
    }

    fn template_table(&mut self, level: Level, file: &File) {
        let about = file.stem.rsplit('_').next().unwrap_or_default();
        let Some((_, name)) = TABLES.iter().find(|(theirs, _)| *theirs == about) else { return };
        let (prefix, way) = match level {
            Level::ToFhir => ("CF", Way::There),
            _ => ("FC", Way::Back),
        };
        let mut table = Table::new(level, format!("{prefix}-{name}"), way);
        let sheet = Sheet::of(&file.text);
        let [approach, resource, template, element] =
            ["approach", "resource", "ccda template", "element"].map(|name| sheet.column(name, 0));
        for row in &sheet.rows {
            let cell = |column: Option<usize>| column.and_then(|column| row.get(column)).unwrap_or_default();
            let approach = cell(approach).to_ascii_lowercase();
            let holder = if level == Level::ToFhir { cell(resource) } else { cell(template) };
            // What is said of a whole, or of a place without a counterpart, is nothing to map.
            let none = ["not supported", "backbone", "header"].iter().any(|word| approach.contains(word));
            let target = match (none, cell(element).trim_start_matches(['.', '/'])) {
                (true, _) => "",
                (false, "") if approach.is_empty() => "",
                (false, "") => holder.trim_start_matches('.'),
                (false, element) if element.starts_with("extension:") => "extension",
                (false, element) => element.split(" (").next().unwrap_or_default(),
            };
            table.push(row.get(0).unwrap_or_default(), target, sheet.line(row));
        }
        self.add(table);
    }

    fn type_table(&mut self, file: &File) {
        let name = file.stem.rsplit("_-_").next().unwrap_or_default();
        let way = if name == "CDA-To-FHIR" { Way::There } else { Way::Back };
        let mut table = Table::new(Level::Datatypes, name.to_owned(), way);
        let sheet = Sheet::of(&file.text);
        let property = sheet.column("property", 1);
        for row in &sheet.rows {
            let cell = |column: usize| row.get(column).unwrap_or_default();
            let target = property.map_or("", cell).split(" (").next().unwrap_or_default();
            let none = target.starts_with('<') || target.starts_with("See ");
            let source = match cell(1) {
                "" => cell(0).to_owned(),
                part => format!("{}.{part}", cell(0)),
            };
            table.push(&source, if none { "" } else { target }, sheet.line(row));
        }
        self.add(table);
    }

    fn concept_map(&mut self, file: &File) {
        let bytes = file.text.as_bytes();
        let map = match model::xml::looks_like(bytes) {
            true => model::xml::parse(bytes, &Limits::default()).ok().map(|document| document.resource),
            false => model::json::parse(bytes, &Limits::default()).ok(),
        };
        let Some(map) = map else { return };
        let mut table = codes(file.stem.trim_start_matches("ConceptMap-"));
        for group in map.items("group") {
            for element in group.items("element") {
                let code = |of: &Json| of.text_at(&["code"]).unwrap_or_default().to_owned();
                let targets: Vec<String> = element.items("target").iter().map(code).collect();
                for target in if targets.is_empty() { vec![String::new()] } else { targets } {
                    table.push(&code(element), &target, 0);
                }
            }
            if let Some(code) = group.text_at(&["unmapped", "code"]) {
                table.push("unmapped", code, 0);
            }
        }
        self.add(table);
    }

    /// The sheets of terms are older than the ConceptMaps and say much of the same, under names with `_`.
    fn terms(&mut self, file: &File) {
        let sheet = Sheet::of(&file.text);
        let names = ["map", "source property 1", "source value 1", "source value 2", "target value 1"];
        let [map, property, first, second, target] = names.map(|name| sheet.column(name, 0));
        let mut tables: BTreeMap<String, Table> = BTreeMap::new();
        for row in &sheet.rows {
            let cell = |column: Option<usize>| column.and_then(|column| row.get(column)).unwrap_or_default();
            // Some maps have their codes a column further to the left.
            let first = if cell(first).is_empty() { property } else { first };
            let source = match (term(cell(first)), term(cell(second))) {
                (one, two) if two.is_empty() => one,
                (one, two) => format!("{one}+{two}"),
            };
            let target = term(cell(target));
            let target = if target.starts_with('<') || target == "null" { "" } else { &target };
            let name = cell(map).to_owned();
            let table = tables.entry(name).or_insert_with_key(|name| codes(name));
            table.push(&source, target, sheet.line(row));
        }
        for table in tables.into_values() {
            self.add(table);
        }
    }

    fn add(&mut self, table: Table) {
        self.tables.insert(table.name.clone(), table.level);
        self.known.extend(table.rows.iter().map(GuideRow::citation));
        self.rows.extend(table.rows);
    }
}

fn codes(name: &str) -> Table {
    Table::new(Level::Codes, name.to_owned(), if name.starts_with("FC") { Way::Back } else { Way::There })
}

/// A code as it stands, without the words beside it.
fn term(cell: &str) -> String {
    match cell.split(|c: char| !c.is_ascii_digit()).next() {
        Some(number) if number.len() > 4 => number.to_owned(),
        _ => cell.split_whitespace().collect::<Vec<_>>().join("-"),
    }
}

/// A table while its rows are named.
struct Table {
    level: Level,
    name: String,
    way: Way,
    rows: Vec<GuideRow>,
    met: BTreeMap<String, usize>,
}

impl Table {
    fn new(level: Level, name: String, way: Way) -> Self {
        Self { level, name, way, rows: Vec::new(), met: BTreeMap::new() }
    }

    fn push(&mut self, source: &str, target: &str, line: usize) {
        let bare: String = source.trim_start_matches(['.', ' ']).chars().filter(|c| !c.is_whitespace()).collect();
        let bare = if bare.is_empty() { "-".to_owned() } else { bare };
        let times = self.met.entry(bare.clone()).or_default();
        *times += 1;
        let row = if *times > 1 && self.level != Level::Codes { format!("{bare}:{times}") } else { bare };
        self.rows.push(GuideRow {
            level: self.level,
            table: self.name.clone(),
            row,
            line,
            target: target.split_whitespace().collect::<Vec<_>>().join(" "),
            url: String::new(),
            maps: Vec::new(),
            way: self.way,
        });
    }
}

/// A CSV file with a header.
struct Sheet {
    header: csv::StringRecord,
    rows: Vec<csv::StringRecord>,
}

impl Sheet {
    fn of(text: &str) -> Self {
        let mut records = records(text).into_iter();
        let header = records.next().unwrap_or_default();
        Self { header, rows: records.filter(filled).collect() }
    }

    /// The nth column of a name, in small letters.
    fn column(&self, name: &str, nth: usize) -> Option<usize> {
        let found = self.header.iter().enumerate().filter(|(_, cell)| cell.eq_ignore_ascii_case(name));
        found.map(|(column, _)| column).nth(nth)
    }

    fn line(&self, row: &csv::StringRecord) -> usize {
        row.position().map_or(0, |at| usize::try_from(at.line()).unwrap_or(0))
    }
}
