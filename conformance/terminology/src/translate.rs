//! Translation by concept maps (FHIR R4 conceptmap.html, conceptmap-operation-translate.html).

use std::sync::Arc;

use model::json::Json;
use smol_str::SmolStr;

use crate::answer::{Coding, Reason};
use crate::code_system::text;
use crate::service::Terminology;

/// How many maps may hand on to each other by `other-map`.
const HOPS: usize = 8;

/// What to translate.
#[derive(Clone, Copy, Debug, Default)]
pub struct TranslateRequest<'a> {
    /// The map's canonical; without it all maps that fit the rest are used.
    pub map: Option<&'a str>,
    /// The code.
    pub coding: Coding<'a>,
    /// The value set the code was chosen from.
    pub source: Option<&'a str>,
    /// The value set to translate into.
    pub target: Option<&'a str>,
    /// The code system to translate into.
    pub target_system: Option<&'a str>,
    /// Further data the map may ask for: property, system and value.
    pub depends_on: &'a [Dependency],
    /// From target to source.
    pub direction: Direction,
}

/// Which way a map is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// From source to target.
    #[default]
    Forward,
    /// From target to source, with each equivalence turned round.
    Reverse,
}

/// A condition on other elements, or a value for another element (`dependsOn`, `product`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The element or property.
    pub property: SmolStr,
    /// The value's code system.
    pub system: Option<SmolStr>,
    /// The value.
    pub value: SmolStr,
}

/// The answer of `$translate`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Translation {
    /// Whether some match is a translation: not `unmatched` or `disjoint`.
    pub result: bool,
    /// The matches, in the order of the maps.
    pub matches: Vec<Match>,
}

/// One match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// FHIR R4 valueset-concept-map-equivalence.html, read from the given code to this one.
    pub equivalence: SmolStr,
    /// The code system.
    pub system: Option<SmolStr>,
    /// Its version, where the map names one.
    pub version: Option<SmolStr>,
    /// The code; none where the map says that there is none.
    pub code: Option<SmolStr>,
    /// The text.
    pub display: Option<SmolStr>,
    /// Why, in the map's words.
    pub comment: Option<SmolStr>,
    /// Further values this match brings.
    pub product: Vec<Dependency>,
    /// The map it comes from.
    pub map: SmolStr,
}

impl Terminology {
    /// Translates a code.
    ///
    /// # Errors
    /// `Reason::Map` if the map is not loaded, or maps hand on to each other without end.
    pub fn translate(&self, request: &TranslateRequest<'_>) -> Result<Translation, Reason> {
        let maps = match request.map {
            Some(canonical) => {
                let found = self.source().find("ConceptMap", canonical);
                vec![found.ok_or_else(|| Reason::Map(SmolStr::new(canonical)))?]
            }
            None => self.source().concept_maps(),
        };
        let mut translation = Translation::default();
        for map in maps {
            if request.map.is_some() || fits(&map, request) {
                self.through(&map, request, HOPS, &mut translation)?;
            }
        }
        let says =
            |found: &Match| found.code.is_some() && !matches!(found.equivalence.as_str(), "unmatched" | "disjoint");
        translation.result = translation.matches.iter().any(says);
        Ok(translation)
    }

    fn through(
        &self,
        map: &Arc<Json>,
        request: &TranslateRequest<'_>,
        hops: usize,
        translation: &mut Translation,
    ) -> Result<(), Reason> {
        let reverse = request.direction == Direction::Reverse;
        for group in map.items("group") {
            let (from, to) = if reverse { ("target", "source") } else { ("source", "target") };
            if let (Some(system), Some(asked)) = (group.text_at(&[from]), request.coding.system)
                && system != asked
            {
                continue;
            }
            if request.target_system.is_some_and(|wanted| group.text_at(&[to]) != Some(wanted)) {
                continue;
            }
            let known = if reverse {
                backward(map, group, request, translation);
                true
            } else {
                forward(map, group, request, translation)
            };
            if !known && let Some(unmapped) = group.get("unmapped") {
                self.unmapped(map, group, unmapped, request, hops, translation)?;
            }
        }
        Ok(())
    }

    /// What the map says of codes it does not list (FHIR R4 conceptmap.html#unmapped).
    fn unmapped(
        &self,
        map: &Json,
        group: &Json,
        unmapped: &Json,
        request: &TranslateRequest<'_>,
        hops: usize,
        translation: &mut Translation,
    ) -> Result<(), Reason> {
        let mut found = Match {
            equivalence: SmolStr::new("equal"),
            system: text(group, "target"),
            version: text(group, "targetVersion"),
            code: None,
            display: None,
            comment: None,
            product: Vec::new(),
            map: text(map, "url").unwrap_or_default(),
        };
        match unmapped.text_at(&["mode"]) {
            Some("provided") => {
                found.code = Some(SmolStr::new(request.coding.code));
                found.display = request.coding.display.map(SmolStr::new);
            }
            Some("fixed") => {
                found.equivalence = SmolStr::new("inexact");
                found.code = text(unmapped, "code");
                found.display = text(unmapped, "display");
            }
            Some("other-map") => {
                let url = unmapped.text_at(&["url"]).unwrap_or_default();
                let hops = hops.checked_sub(1).ok_or_else(|| Reason::Map(SmolStr::new(url)))?;
                let other = self.source().find("ConceptMap", url).ok_or_else(|| Reason::Map(SmolStr::new(url)))?;
                return self.through(&other, request, hops, translation);
            }
            _ => return Ok(()),
        }
        translation.matches.push(found);
        Ok(())
    }
}

/// Whether a map is one for the value sets and systems asked for.
fn fits(map: &Json, request: &TranslateRequest<'_>) -> bool {
    let end = |name: &str, wanted: Option<&str>| {
        let uri = format!("{name}Uri");
        let canonical = format!("{name}Canonical");
        let stated = map.text_at(&[&uri]).or_else(|| map.text_at(&[&canonical]));
        wanted.is_none_or(|wanted| stated.is_some_and(|stated| unversioned(stated) == unversioned(wanted)))
    };
    match request.direction {
        Direction::Forward => end("source", request.source) && end("target", request.target),
        Direction::Reverse => end("target", request.source) && end("source", request.target),
    }
}

fn unversioned(canonical: &str) -> &str {
    canonical.split_once('|').map_or(canonical, |(url, _)| url)
}

/// Adds the targets of the code; whether the group lists it.
fn forward(map: &Json, group: &Json, request: &TranslateRequest<'_>, translation: &mut Translation) -> bool {
    let mut known = false;
    for element in group.items("element") {
        if element.text_at(&["code"]) != Some(request.coding.code) {
            continue;
        }
        known = true;
        for target in element.items("target") {
            if !satisfied(target, request.depends_on) {
                continue;
            }
            translation.matches.push(Match {
                // Required in R4; a map without it says no more than that the two are related.
                equivalence: text(target, "equivalence").unwrap_or_else(|| SmolStr::new("relatedto")),
                system: text(group, "target"),
                version: text(group, "targetVersion"),
                code: text(target, "code"),
                display: text(target, "display"),
                comment: text(target, "comment"),
                product: dependencies(target, "product"),
                map: text(map, "url").unwrap_or_default(),
            });
        }
    }
    known
}

/// Adds the sources that have the code as a target.
fn backward(map: &Json, group: &Json, request: &TranslateRequest<'_>, translation: &mut Translation) {
    for element in group.items("element") {
        for target in element.items("target") {
            if target.text_at(&["code"]) != Some(request.coding.code) {
                continue;
            }
            let equivalence = text(target, "equivalence").unwrap_or_else(|| SmolStr::new("relatedto"));
            translation.matches.push(Match {
                equivalence: turned(equivalence),
                system: text(group, "source"),
                version: text(group, "sourceVersion"),
                code: text(element, "code"),
                display: text(element, "display"),
                comment: text(target, "comment"),
                product: dependencies(target, "dependsOn"),
                map: text(map, "url").unwrap_or_default(),
            });
        }
    }
}

fn turned(equivalence: SmolStr) -> SmolStr {
    match equivalence.as_str() {
        "wider" => SmolStr::new("narrower"),
        "narrower" => SmolStr::new("wider"),
        "subsumes" => SmolStr::new("specializes"),
        "specializes" => SmolStr::new("subsumes"),
        _ => equivalence,
    }
}

/// Every dependency the map names has to be among the given ones.
fn satisfied(target: &Json, given: &[Dependency]) -> bool {
    dependencies(target, "dependsOn").iter().all(|needed| {
        given.iter().any(|one| {
            one.property == needed.property
                && one.value == needed.value
                && (needed.system.is_none() || one.system == needed.system)
        })
    })
}

fn dependencies(target: &Json, member: &str) -> Vec<Dependency> {
    let all = target.items(member).iter();
    all.filter_map(|one| {
        Some(Dependency { property: text(one, "property")?, system: text(one, "system"), value: text(one, "value")? })
    })
    .collect()
}

#[cfg(test)]
mod tests;
