//! LOINC (LOINC Users' Guide, appendix A "LOINC Database Structure", and the readme files of the accessory files).

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::Import;
use super::table::{file, files};
use crate::concepts::Value;
use crate::release::{Builder, ReleaseError};

const SYSTEM: &str = "http://loinc.org";

/// Columns that become properties of the same name (FHIR R4 loinc.html "LOINC Properties").
const PROPERTIES: [&str; 12] = [
    "STATUS",
    "COMPONENT",
    "PROPERTY",
    "TIME_ASPCT",
    "SYSTEM",
    "SCALE_TYP",
    "METHOD_TYP",
    "CLASS",
    "CLASSTYPE",
    "CONSUMER_NAME",
    "ORDER_OBS",
    "EXAMPLE_UCUM_UNITS",
];

pub(super) fn import(import: &Import<'_>, progress: &mut dyn FnMut(u64)) -> Result<PathBuf, ReleaseError> {
    let table = file(import.release, "Loinc.csv", &|name| name.eq_ignore_ascii_case("loinc.csv"))?;
    let version = match import.version {
        Some(version) => version.to_owned(),
        None => newest(&table)?,
    };
    let mut builder = Builder::new(import.folder, "loinc", SYSTEM, &version, "LOINC")?;
    let mut total = 0;
    csv(&table, |row| {
        let concept = builder.concept(row.need("LOINC_NUM")?);
        let long = row.get("LONG_COMMON_NAME");
        let short = row.get("SHORTNAME");
        if let Some(display) = long.or(short) {
            builder.display(concept, display)?;
        }
        for (usage, text) in [("SHORTNAME", short), ("CONSUMER_NAME", row.get("CONSUMER_NAME"))] {
            if let Some(text) = text {
                builder.designation(concept, "en-US", (SYSTEM, usage), text)?;
            }
        }
        if let Some(text) = row.get("DefinitionDescription") {
            builder.definition(concept, text)?;
        }
        if row.get("STATUS") == Some("DEPRECATED") {
            builder.inactive(concept);
        }
        for name in PROPERTIES {
            if let Some(value) = row.get(name) {
                builder.property(concept, name, &Value::String(value.into()))?;
            }
        }
        let copyright = if row.get("EXTERNAL_COPYRIGHT_NOTICE").is_some() { "3rdParty" } else { "LOINC" };
        builder.property(concept, "copyright", &Value::String(copyright.into()))?;
        total += 1;
        Ok(())
    })?;
    progress(total);
    hierarchy(import, &mut builder)?;
    answers(import, &mut builder)?;
    progress(builder.len() as u64);
    languages(import, &mut builder)?;
    builder.finish()
}

/// Parts above the terms: `ComponentHierarchyBySystem.csv`, once called `MultiAxialHierarchy.csv`.
fn hierarchy(import: &Import<'_>, builder: &mut Builder) -> Result<(), ReleaseError> {
    if import.release.is_file() {
        return Ok(());
    }
    let named = |name: &str| name == "ComponentHierarchyBySystem.csv" || name == "MultiAxialHierarchy.csv";
    let Some(path) = files(import.release, &named)?.into_iter().next() else { return Ok(()) };
    let mut named: HashSet<u32> = HashSet::new();
    csv(&path, |row| {
        let code = row.need("CODE")?;
        let known = builder.find(code).is_some();
        let concept = builder.concept(code);
        if !known
            && let Some(text) = row.get("CODE_TEXT")
            && named.insert(concept)
        {
            builder.display(concept, text)?;
        }
        if let Some(parent) = row.get("IMMEDIATE_PARENT") {
            let parent = builder.concept(parent);
            builder.edge(concept, parent);
        }
        Ok(())
    })
}

/// Answer lists become reference sets, by which `http://loinc.org/vs/LL…` is answered.
fn answers(import: &Import<'_>, builder: &mut Builder) -> Result<(), ReleaseError> {
    if import.release.is_file() {
        return Ok(());
    }
    if let Some(path) = files(import.release, &|name| name == "AnswerList.csv")?.into_iter().next() {
        let mut lists: HashSet<u32> = HashSet::new();
        let mut strings: HashSet<u32> = HashSet::new();
        csv(&path, |row| {
            let list = row.need("AnswerListId")?;
            let concept = builder.concept(list);
            if let Some(name) = row.get("AnswerListName")
                && lists.insert(concept)
            {
                builder.display(concept, name)?;
            }
            // A list that is defined elsewhere has no answers here.
            let Some(answer) = row.get("AnswerStringId") else { return Ok(()) };
            let answer = builder.concept(answer);
            if let Some(text) = row.get("DisplayText")
                && strings.insert(answer)
            {
                builder.display(answer, text)?;
            }
            builder.member(list, answer);
            Ok(())
        })?;
    }
    let Some(path) = files(import.release, &|name| name == "LoincAnswerListLink.csv")?.into_iter().next() else {
        return Ok(());
    };
    csv(&path, |row| {
        let (Some(concept), Some(list)) = (builder.find(row.need("LoincNumber")?), row.get("AnswerListId")) else {
            return Ok(());
        };
        builder.property(concept, "answer-list", &Value::Code(list.into()))
    })
}

/// Names in other languages: `deDE15LinguisticVariant.csv` and the like.
fn languages(import: &Import<'_>, builder: &mut Builder) -> Result<(), ReleaseError> {
    if import.release.is_file() {
        return Ok(());
    }
    for path in files(import.release, &|name| name.ends_with("LinguisticVariant.csv"))? {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Some((language, region)) = name.get(..2).zip(name.get(2..4)) else { continue };
        let language = format!("{language}-{region}");
        csv(&path, |row| {
            let Some(concept) = builder.find(row.need("LOINC_NUM")?) else { return Ok(()) };
            for usage in ["LONG_COMMON_NAME", "SHORTNAME", "LinguisticVariantDisplayName"] {
                if let Some(text) = row.get(usage) {
                    builder.designation(concept, &language, (SYSTEM, usage), text)?;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// The newest `VersionLastChanged`: the release itself, since each changes some terms.
fn newest(table: &Path) -> Result<String, ReleaseError> {
    let mut newest: Option<(u64, u64)> = None;
    csv(table, |row| {
        let version = row.get("VersionLastChanged").and_then(|text| text.split_once('.'));
        let parsed = version.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        newest = newest.max(parsed);
        Ok(())
    })?;
    // The second part has two digits: 2.09 came before 2.10.
    newest.map(|(major, minor)| format!("{major}.{minor:02}")).ok_or(ReleaseError::Version)
}

/// A row of a table with a header.
struct Row<'r> {
    path: &'r Path,
    header: &'r csv::StringRecord,
    record: &'r csv::StringRecord,
}

impl<'r> Row<'r> {
    /// A column's text, if there is any.
    fn get(&self, column: &str) -> Option<&'r str> {
        let place = self.header.iter().position(|name| name == column)?;
        self.record.get(place).filter(|text| !text.is_empty())
    }

    fn need(&self, column: &'static str) -> Result<&'r str, ReleaseError> {
        let line = self.record.position().map_or(0, csv::Position::line);
        self.get(column).ok_or_else(|| ReleaseError::Layout { path: self.path.to_owned(), line, expected: column })
    }
}

fn csv(path: &Path, mut each: impl FnMut(&Row<'_>) -> Result<(), ReleaseError>) -> Result<(), ReleaseError> {
    let file = File::open(path).map_err(ReleaseError::io(path))?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
    let layout = |error: csv::Error| {
        let line = error.position().map_or(0, csv::Position::line);
        ReleaseError::Layout { path: path.to_owned(), line, expected: "comma separated values in UTF-8" }
    };
    let header = reader.headers().map_err(layout)?.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned());
    let header: csv::StringRecord = header.collect();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(layout)? {
        each(&Row { path, header: &header, record: &record })?;
    }
    Ok(())
}
