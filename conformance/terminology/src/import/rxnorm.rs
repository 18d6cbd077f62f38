//! RxNorm, Rich Release Format (RxNorm Technical Documentation, sections 12.4 to 12.7: RXNCONSO, RXNREL, RXNSTY,
//! RXNSAB).

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use super::Import;
use super::table::{file, files, pick, rows};
use crate::concepts::Value;
use crate::release::{Builder, ReleaseError};

const SYSTEM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";

/// Term types that are other names of the same thing, never the display.
const SYNONYMS: [&str; 3] = ["SY", "TMSY", "PSN"];

pub(super) fn import(import: &Import<'_>, progress: &mut dyn FnMut(u64)) -> Result<PathBuf, ReleaseError> {
    let table = file(import.release, "RXNCONSO.RRF", &|name| name.eq_ignore_ascii_case("RXNCONSO.RRF"))?;
    let version = match import.version {
        Some(version) => version.to_owned(),
        None => version(import)?.ok_or(ReleaseError::Version)?,
    };
    let mut builder = Builder::new(import.folder, "rxnorm", SYSTEM, &version, "RxNorm")?;
    let mut displayed: HashSet<u32> = HashSet::new();
    let mut fallback: HashMap<u32, String> = HashMap::new();
    let mut active: HashSet<u32> = HashSet::new();
    let mut total = rows(&table, '|', |line, fields| {
        let [code, source, kind, text, suppress] = pick(&table, line, fields, [0, 11, 12, 14, 16])?;
        if source != "RXNORM" {
            return Ok(());
        }
        let concept = builder.concept(code);
        if suppress == "N" {
            active.insert(concept);
        }
        if SYNONYMS.contains(&kind) {
            fallback.entry(concept).or_insert_with(|| text.to_owned());
            return builder.designation(concept, "en", (SYSTEM, kind), text);
        }
        builder.property(concept, "TTY", &Value::Code(kind.into()))?;
        if displayed.insert(concept) {
            builder.display(concept, text)
        } else {
            builder.designation(concept, "en", (SYSTEM, kind), text)
        }
    })?;
    progress(total);
    let mut fallback: Vec<(u32, String)> =
        fallback.into_iter().filter(|(concept, _)| !displayed.contains(concept)).collect();
    fallback.sort();
    for (concept, text) in fallback {
        builder.display(concept, &text)?;
    }
    for concept in 0..u32::try_from(builder.len()).unwrap_or(u32::MAX) {
        if !active.contains(&concept) {
            builder.inactive(concept);
        }
    }
    if import.release.is_file() {
        return builder.finish();
    }
    for path in files(import.release, &|name| name.eq_ignore_ascii_case("RXNSTY.RRF"))? {
        total += rows(&path, '|', |line, fields| {
            let [code, semantic_type] = pick(&path, line, fields, [0, 1])?;
            let Some(concept) = builder.find(code) else { return Ok(()) };
            builder.property(concept, "STY", &Value::Code(semantic_type.into()))
        })?;
        progress(total);
    }
    for path in files(import.release, &|name| name.eq_ignore_ascii_case("RXNREL.RRF"))? {
        total += rows(&path, '|', |line, fields| {
            let [target, source, relation, publisher] = pick(&path, line, fields, [0, 4, 7, 10])?;
            if publisher != "RXNORM" || relation.is_empty() {
                return Ok(());
            }
            // A row reads from its second concept to its first: "second RELA first".
            let (Some(source), Some(destination)) = (builder.find(source), builder.find(target)) else { return Ok(()) };
            if relation == "isa" {
                builder.edge(source, destination);
            }
            builder.property(source, relation, &Value::Code(target.into()))
        })?;
        progress(total);
    }
    builder.finish()
}

/// RXNSAB names the version of the source RXNORM, as month, day and year.
fn version(import: &Import<'_>) -> Result<Option<String>, ReleaseError> {
    if import.release.is_file() {
        return Ok(None);
    }
    let mut version = None;
    for path in files(import.release, &|name| name.eq_ignore_ascii_case("RXNSAB.RRF"))? {
        rows(&path, '|', |line, fields| {
            let [source, stated] = pick(&path, line, fields, [3, 6])?;
            // `20AA_250303F`: the date is between the underscore and the letter.
            if source == "RXNORM" {
                let digits = stated.rsplit('_').next().unwrap_or_default().trim_end_matches(char::is_alphabetic);
                let parts = digits.get(..2).zip(digits.get(2..4)).zip(digits.get(4..6));
                version = Some(match parts {
                    Some(((year, month), day)) if digits.len() == 6 => format!("{month}{day}20{year}"),
                    _ => stated.to_owned(),
                });
            }
            Ok(())
        })?;
    }
    Ok(version)
}
