//! An organisation's own ValueSets and ConceptMaps as rules of the map.

use model::json::Json;
use smol_str::{SmolStr, format_smolstr};

use super::map::{MapError, SensitivityMap, read_label};
use super::table::Row;
use crate::vocabulary::{ACT_CODE, canonical};

/// A value set larger than this is a mistake, or a whole code system.
const MOST_CODES: usize = 1_000_000;

impl SensitivityMap {
    /// Adds a ValueSet, a ConceptMap or a Bundle of them; returns how many rules.
    ///
    /// A ValueSet brings `label`, or else the sensitivity code that stands in its `useContext` as a coding of v3
    /// ActCode. Its expansion counts where it has one, else the codes that `compose.include` lists; filters, other value
    /// sets and excluded codes are not evaluated here, and are refused. A ConceptMap brings the label that each code is
    /// mapped to.
    ///
    /// # Errors
    /// [`MapError`] with the element; nothing is added then.
    pub fn add_definitions(&mut self, name: &str, json: &Json, label: Option<&str>) -> Result<usize, MapError> {
        let mut rows = Vec::new();
        definitions(json, "", label, &mut rows)?;
        Ok(self.extend(name, rows))
    }
}

fn definitions(json: &Json, at: &str, label: Option<&str>, rows: &mut Vec<Row>) -> Result<(), MapError> {
    match json.get("resourceType").and_then(Json::as_str) {
        Some("ValueSet") => value_set(json, at, label, rows),
        Some("ConceptMap") => concept_map(json, at, label, rows),
        Some("Bundle") => {
            for (index, entry) in json.items("entry").iter().enumerate() {
                let at = format!("{at}entry[{index}].resource");
                let resource = entry.get("resource").ok_or_else(|| MapError::at(at.as_str(), "a resource"))?;
                definitions(resource, &format!("{at}."), label, rows)?;
            }
            Ok(())
        }
        _ => Err(MapError::at(format!("{at}resourceType"), "ValueSet, ConceptMap or Bundle")),
    }
}

fn value_set(json: &Json, at: &str, label: Option<&str>, rows: &mut Vec<Row>) -> Result<(), MapError> {
    let fail = |place: &str, expected: &str| MapError::at(format!("{at}{place}"), expected);
    let label = match label {
        Some(label) => SmolStr::new(label),
        None => use_context(json).ok_or_else(|| {
            fail("useContext", "a coding of v3 ActCode that says which label the set brings, or LABEL= before the path")
        })?,
    };
    let label = read_label(&label).ok_or_else(|| fail("useContext", "a sensitivity code of v3 ActCode"))?;
    let url = json.get("url").or_else(|| json.get("id")).and_then(Json::as_str).unwrap_or("a value set of the site");
    let version = json.get("version").and_then(Json::as_str);
    let source = version.map_or_else(|| SmolStr::new(url), |version| format_smolstr!("{url}|{version}"));
    let mut codes = Vec::new();
    match json.get("expansion") {
        Some(expansion) => expanded(expansion, at, &mut codes)?,
        None => composed(json, at, &mut codes)?,
    }
    if codes.is_empty() {
        return Err(fail("compose", "at least one code"));
    }
    let row = |(system, code): (SmolStr, SmolStr)| Row::Code {
        system,
        code,
        beginning: false,
        label: label.clone(),
        source: source.clone(),
    };
    rows.extend(codes.into_iter().map(row));
    Ok(())
}

fn use_context(json: &Json) -> Option<SmolStr> {
    let codings = json.items("useContext").iter().flat_map(|context| {
        context.get("valueCodeableConcept").map(|concept| concept.items("coding")).unwrap_or_default()
    });
    let of_act_code = |coding: &&Json| coding.get("system").and_then(Json::as_str).map(canonical) == Some(ACT_CODE);
    codings.filter(of_act_code).find_map(|coding| coding.get("code").and_then(Json::as_str)).map(SmolStr::new)
}

fn expanded(expansion: &Json, at: &str, codes: &mut Vec<(SmolStr, SmolStr)>) -> Result<(), MapError> {
    let number = |name: &str| expansion.get(name).and_then(Json::as_number).and_then(|it| it.as_u64());
    let unclosed = expansion.items("extension").iter().any(|it| {
        it.get("url")
            .and_then(Json::as_str)
            .is_some_and(|url| url.contains("valueset-unclosed") || url.contains("valueset-toocostly"))
    });
    contains(expansion, &format!("{at}expansion"), codes, 0)?;
    let part = number("offset").is_some_and(|offset| offset > 0)
        || number("total").is_some_and(|total| total > u64::try_from(codes.len()).unwrap_or(u64::MAX));
    if unclosed || part {
        return Err(MapError::at(format!("{at}expansion"), "a whole expansion, not a page or a part of one"));
    }
    Ok(())
}

fn contains(json: &Json, at: &str, codes: &mut Vec<(SmolStr, SmolStr)>, depth: usize) -> Result<(), MapError> {
    for (index, concept) in json.items("contains").iter().enumerate() {
        let at = format!("{at}.contains[{index}]");
        if depth > 64 || codes.len() > MOST_CODES {
            return Err(MapError::at(at, "a smaller expansion"));
        }
        match (concept.get("system").and_then(Json::as_str), concept.get("code").and_then(Json::as_str)) {
            (Some(system), Some(code)) => codes.push((SmolStr::new(system), SmolStr::new(code))),
            (None, None) => {}
            _ => return Err(MapError::at(at, "a system and a code")),
        }
        contains(concept, &at, codes, depth.saturating_add(1))?;
    }
    Ok(())
}

fn composed(json: &Json, at: &str, codes: &mut Vec<(SmolStr, SmolStr)>) -> Result<(), MapError> {
    let at = format!("{at}compose");
    let compose = json.get("compose").ok_or_else(|| MapError::at(at.as_str(), "compose or expansion"))?;
    if compose.get("exclude").is_some() {
        return Err(MapError::at(format!("{at}.exclude"), "listed codes only; expand the set first"));
    }
    for (index, include) in compose.items("include").iter().enumerate() {
        let at = format!("{at}.include[{index}]");
        for refused in ["filter", "valueSet"] {
            if include.get(refused).is_some() {
                let expected = "listed codes: filters and other sets are not evaluated here, so expand the set first";
                return Err(MapError::at(format!("{at}.{refused}"), expected));
            }
        }
        let system = include.get("system").and_then(Json::as_str);
        let system = system.ok_or_else(|| MapError::at(format!("{at}.system"), "a code system"))?;
        if include.items("concept").is_empty() {
            return Err(MapError::at(format!("{at}.concept"), "listed codes, not a whole code system"));
        }
        for (index, concept) in include.items("concept").iter().enumerate() {
            let code = concept.get("code").and_then(Json::as_str);
            let code = code.ok_or_else(|| MapError::at(format!("{at}.concept[{index}].code"), "a code"))?;
            codes.push((SmolStr::new(system), SmolStr::new(code)));
        }
    }
    Ok(())
}

fn concept_map(json: &Json, at: &str, label: Option<&str>, rows: &mut Vec<Row>) -> Result<(), MapError> {
    let fail = |place: String, expected: &str| MapError::at(format!("{at}{place}"), expected);
    if label.is_some() {
        return Err(fail("resourceType".to_owned(), "a ValueSet: a ConceptMap says itself which label a code brings"));
    }
    let url = json.get("url").or_else(|| json.get("id")).and_then(Json::as_str).unwrap_or("a concept map of the site");
    let groups = json.items("group");
    if groups.is_empty() {
        return Err(fail("group".to_owned(), "at least one group"));
    }
    for (index, group) in groups.iter().enumerate() {
        let at = format!("group[{index}]");
        let source = group.get("source").and_then(Json::as_str);
        let source = source.ok_or_else(|| fail(format!("{at}.source"), "a code system"))?;
        if group.get("target").and_then(Json::as_str).map(canonical) != Some(ACT_CODE) {
            return Err(fail(format!("{at}.target"), "v3 ActCode as the target"));
        }
        for (index, element) in group.items("element").iter().enumerate() {
            let at = format!("{at}.element[{index}]");
            let code = element.get("code").and_then(Json::as_str);
            let code = code.ok_or_else(|| fail(format!("{at}.code"), "a code"))?;
            let mut add = |label: Option<SmolStr>| {
                rows.push(Row::Code {
                    system: SmolStr::new(source),
                    code: SmolStr::new(code),
                    beginning: false,
                    label,
                    source: SmolStr::new(url),
                });
            };
            let targets = element.items("target");
            if targets.is_empty() {
                // The code was looked at, and is of no sensitive topic.
                add(None);
            }
            for (index, target) in targets.iter().enumerate() {
                let unmatched =
                    matches!(target.get("equivalence").and_then(Json::as_str), Some("unmatched" | "disjoint"));
                let label = match unmatched {
                    true => Some(None),
                    false => target.get("code").and_then(Json::as_str).and_then(read_label),
                };
                add(label
                    .ok_or_else(|| fail(format!("{at}.target[{index}].code"), "a sensitivity code of v3 ActCode"))?);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
