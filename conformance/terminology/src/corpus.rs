//! The value sets of R4 against their published expansions (packages hl7.fhir.r4.core and hl7.fhir.r4.expansions 4.0.1,
//! CC0-1.0), found through `ANCHORLINE_CORPUS`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use model::json::Json;
use smol_str::SmolStr;

use crate::concepts::Value;
use crate::testing::{json, resources};
use crate::{Coding, Contains, ExpandError, ExpandRequest, Membership, Options, Terminology};

fn corpus() -> Option<PathBuf> {
    let corpus = std::env::var_os("ANCHORLINE_CORPUS").map(PathBuf::from);
    if corpus.is_none() {
        eprintln!("skipped: ANCHORLINE_CORPUS is not set");
    }
    corpus.map(|corpus| corpus.join("fhir-r4/definitions"))
}

/// The JSON files of a gzipped tar whose names begin in one of these ways.
fn package(path: PathBuf, kinds: &[&str]) -> Vec<Json> {
    let mut bytes = Vec::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    let mut found = Vec::new();
    let mut rest = bytes.as_slice();
    while let Some((header, after)) = rest.split_at_checked(512) {
        let text = |from: usize, to: usize| {
            let field = &header[from..to];
            String::from_utf8_lossy(field.split(|byte| *byte == 0).next().unwrap_or_default()).trim().to_owned()
        };
        let size = usize::from_str_radix(&text(124, 136), 8).unwrap_or(0);
        let name = text(0, 100);
        let file = name.rsplit('/').next().unwrap_or_default();
        let (content, _) = after.split_at(size.min(after.len()));
        if name.ends_with(".json") && kinds.iter().any(|kind| file.starts_with(kind)) {
            found.push(json(std::str::from_utf8(content).unwrap().trim_start_matches('\u{feff}')));
        }
        rest = after.get(size.div_ceil(512) * 512..).unwrap_or_default();
    }
    found
}

fn codes(contains: &[Contains], into: &mut BTreeSet<(String, String)>) {
    for entry in contains {
        if let Some(code) = &entry.code {
            into.insert((entry.system.clone().unwrap_or_default().to_string(), code.to_string()));
        }
        codes(&entry.contains, into);
    }
}

fn published(contains: &[Json], into: &mut BTreeSet<(String, String)>) {
    for entry in contains {
        if let Some(code) = entry.text_at(&["code"]) {
            into.insert((entry.text_at(&["system"]).unwrap_or_default().to_owned(), code.to_owned()));
        }
        published(entry.items("contains"), into);
    }
}

#[test]
fn expansions_of_r4_agree_with_the_published_ones() {
    let Some(definitions) = corpus() else { return };
    let core = package(definitions.join("hl7.fhir.r4.core-4.0.1.tgz"), &["CodeSystem-", "ValueSet-"]);
    let value_sets: Vec<String> = core
        .iter()
        .filter(|one| one.text_at(&["resourceType"]) == Some("ValueSet"))
        .filter_map(|one| one.text_at(&["url"]).map(str::to_owned))
        .collect();
    let expanded: BTreeMap<String, Json> =
        package(definitions.join("hl7.fhir.r4.expansions-4.0.1.tgz"), &["ValueSet-"])
            .into_iter()
            .filter_map(|one| Some((one.text_at(&["url"])?.to_owned(), one)))
            .collect();
    let service = Terminology::new(Arc::new(resources(core)), Options::default());
    let request = ExpandRequest { exclude_nested: true, ..ExpandRequest::default() };

    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let (mut decided, mut compared, mut equal, mut explained, mut differing) = (0, 0, 0, 0, Vec::new());
    let started = Instant::now();
    for url in &value_sets {
        let ours = match service.expand(url, &request) {
            Ok(expansion) => expansion,
            Err(why) => {
                let why = match why {
                    ExpandError::Undecided(reason) => reason.to_string(),
                    other => other.to_string(),
                };
                *reasons.entry(why).or_default() += 1;
                continue;
            }
        };
        decided += 1;
        let mut listed = BTreeSet::new();
        codes(&ours.contains, &mut listed);
        // Whatever is listed is a member, for every value set.
        for (system, code) in listed.iter().take(50) {
            assert_eq!(service.member(url, &Coding::new(system, code)), Membership::In, "{url} {system} {code}");
        }
        let Some(theirs) = expanded.get(url) else { continue };
        let mut wanted = BTreeSet::new();
        published(theirs.get("expansion").map(|one| one.items("contains")).unwrap_or_default(), &mut wanted);
        compared += 1;
        // The publisher's server left out abstract concepts of a filter and deprecated ones, and cut at 1,000 codes;
        // R4 says neither of the two is outside a value set.
        let left_out = |(system, code): &(String, String)| {
            let concepts = service.code_system(system, None);
            let found = concepts.as_ref().and_then(|concepts| Some((concepts, concepts.find(code)?)));
            found.is_some_and(|(concepts, concept)| {
                let properties = concepts.properties(concept);
                let deprecated = |(name, value): &(SmolStr, Value)| name == "status" && value.text() == "deprecated";
                !concepts.selectable(concept) || properties.iter().any(deprecated)
            })
        };
        let missing: Vec<_> = wanted.difference(&listed).collect();
        if wanted == listed {
            equal += 1;
        } else if missing.is_empty() && (wanted.len() == 1_000 || listed.difference(&wanted).all(left_out)) {
            explained += 1;
        } else {
            let more: Vec<_> = listed.difference(&wanted).take(3).collect();
            let counts = format!("{} published, {} here", wanted.len(), listed.len());
            differing.push(format!(
                "{url}: {counts}; missing {:?}; more {more:?}",
                missing.iter().take(6).collect::<Vec<_>>()
            ));
        }
    }
    eprintln!("{} value sets, {decided} expanded in {:?}", value_sets.len(), started.elapsed());
    eprintln!(
        "{} published, {compared} compared, {equal} equal, {explained} with abstract or deprecated codes or not cut, {} other",
        expanded.len(),
        differing.len()
    );
    for difference in &differing {
        eprintln!("  {difference}");
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (reason, count) in reasons.iter().take(40) {
        eprintln!("  {count} not expanded: {reason}");
    }
    let undecided = expanded.keys().filter(|url| service.expand(url, &request).is_err());
    let undecided: Vec<_> = undecided.collect();
    eprintln!("published but not expanded here: {} {undecided:?}", undecided.len());
    assert!(decided >= 1_215, "{decided} expanded");
    assert!(equal >= 465 && differing.len() <= 6, "{equal} of {compared} equal, {} differ", differing.len());
}
