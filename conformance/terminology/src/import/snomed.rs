//! SNOMED CT, Release Format 2, snapshot files (SNOMED CT Release File Specifications, "Component Release Files" and
//! "Reference Set Types").

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use super::Import;
use super::table::{file, files, pick, rows};
use crate::concepts::Value;
use crate::release::{Builder, ReleaseError};

const SYSTEM: &str = "http://snomed.info/sct";
const IS_A: &str = "116680003";
const FULLY_SPECIFIED_NAME: &str = "900000000000003001";
const PREFERRED: &str = "900000000000548007";
/// Language reference sets whose preferred term is the display, the best one first: US English, GB English.
const LANGUAGES: [&str; 2] = ["900000000000509007", "900000000000508004"];

pub(super) fn import(import: &Import<'_>, progress: &mut dyn FnMut(u64)) -> Result<PathBuf, ReleaseError> {
    let snapshot = |prefix: &'static str| {
        move |name: &str| name.starts_with(prefix) && name.contains("Snapshot") && name.ends_with(".txt")
    };
    let concepts = file(import.release, "sct2_Concept_Snapshot*.txt", &snapshot("sct2_Concept_"))?;
    let version = match import.version {
        Some(version) => version.to_owned(),
        None => version(&concepts).ok_or(ReleaseError::Version)?,
    };
    let mut builder = Builder::new(import.folder, "snomed", SYSTEM, &version, "SNOMED CT")?;
    let mut total = 0;
    total += rows(&concepts, '\t', |line, fields| {
        if line == 1 {
            return Ok(());
        }
        let [id, active, module, defined] = pick(&concepts, line, fields, [0, 2, 3, 4])?;
        let concept = builder.concept(id);
        if active != "1" {
            builder.inactive(concept);
        }
        builder.property(concept, "moduleId", &Value::Code(module.into()))?;
        // 900000000000073002 is "sufficiently defined by necessary conditions".
        builder.property(concept, "sufficientlyDefined", &Value::Boolean(defined == "900000000000073002"))
    })?;
    progress(total);
    let preferred = preferred(import, progress)?;
    let mut displayed: HashSet<u32> = HashSet::new();
    let mut fallback: HashMap<u32, String> = HashMap::new();
    for path in
        files(import.release, &|name| snapshot("sct2_Description_")(name) || snapshot("sct2_TextDefinition_")(name))?
    {
        let definition =
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("sct2_TextDefinition_"));
        total += rows(&path, '\t', |line, fields| {
            let [id, active, owner, language, kind, term] = pick(&path, line, fields, [0, 2, 4, 5, 6, 7])?;
            let (Some(concept), "1") = (builder.find(owner), active) else { return Ok(()) };
            if definition {
                return builder.definition(concept, term);
            }
            let rank = id.parse().ok().and_then(|id: u64| preferred.get(&id).copied());
            if kind != FULLY_SPECIFIED_NAME && rank == Some(0) && displayed.insert(concept) {
                builder.display(concept, term)?;
                fallback.remove(&concept);
            }
            // Without a preferred term: another English one, the name without its tag last.
            let is_better = kind != FULLY_SPECIFIED_NAME && rank == Some(1);
            if !displayed.contains(&concept) && (is_better || !fallback.contains_key(&concept)) {
                fallback.insert(concept, term.to_owned());
            }
            builder.designation(concept, language, (SYSTEM, kind), term)
        })?;
        progress(total);
    }
    let mut fallback: Vec<(u32, String)> =
        fallback.into_iter().filter(|(concept, _)| !displayed.contains(concept)).collect();
    fallback.sort();
    for (concept, term) in fallback {
        builder.display(concept, &term)?;
    }
    for path in files(import.release, &snapshot("sct2_Relationship_"))? {
        total += rows(&path, '\t', |line, fields| {
            let [active, source, target, kind] = pick(&path, line, fields, [2, 4, 5, 7])?;
            let (Some(source), Some(destination), "1") = (builder.find(source), builder.find(target), active) else {
                return Ok(());
            };
            if kind == IS_A {
                builder.edge(source, destination);
                Ok(())
            } else {
                builder.property(source, kind, &Value::Code(target.into()))
            }
        })?;
        progress(total);
    }
    let simple = |name: &str| name.starts_with("der2_Refset_") && name.contains("Snapshot") && name.ends_with(".txt");
    for path in files(import.release, &simple)? {
        total += rows(&path, '\t', |line, fields| {
            let [active, set, member] = pick(&path, line, fields, [2, 4, 5])?;
            if let (Some(member), "1") = (builder.find(member), active) {
                builder.member(set, member);
            }
            Ok(())
        })?;
        progress(total);
    }
    builder.finish()
}

/// Descriptions that are preferred in a language reference set, with the set's rank.
fn preferred(import: &Import<'_>, progress: &mut dyn FnMut(u64)) -> Result<HashMap<u64, u8>, ReleaseError> {
    let mut preferred: HashMap<u64, u8> = HashMap::new();
    let language = |name: &str| name.starts_with("der2_cRefset_Language") && name.contains("Snapshot");
    for path in files(import.release, &language)? {
        let read = rows(&path, '\t', |line, fields| {
            let [active, set, description, acceptability] = pick(&path, line, fields, [2, 4, 5, 6])?;
            if let (Ok(description), "1", PREFERRED) = (description.parse(), active, acceptability) {
                // Other languages come after the English ones.
                let rank = (0_u8..).zip(LANGUAGES).find(|(_, known)| *known == set).map_or(u8::MAX, |(rank, _)| rank);
                let known = preferred.entry(description).or_insert(rank);
                *known = rank.min(*known);
            }
            Ok(())
        })?;
        progress(read);
    }
    Ok(preferred)
}

/// The edition and date from a name like `sct2_Concept_Snapshot_INT_20250101.txt`, in the form of FHIR R4 snomedct.html
/// "SNOMED CT Versions"; only the editions whose module is known here.
fn version(concepts: &std::path::Path) -> Option<String> {
    let name = concepts.file_stem()?.to_str()?;
    let (rest, date) = name.rsplit_once('_')?;
    let edition = rest.rsplit_once('_')?.1;
    let module = match edition {
        "INT" => "900000000000207008",
        "US1000124" => "731000124108",
        "GB1000000" => "999000041000000102",
        "AU1000036" => "32506021000036107",
        _ => return None,
    };
    (date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| format!("{SYSTEM}/{module}/version/{date}"))
}
