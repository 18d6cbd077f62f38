//! Value sets that exist by the form of their URL: SNOMED CT's and LOINC's (FHIR R4 snomedct.html "SNOMED CT Implicit
//! Value Sets", loinc.html "LOINC Implicit Value Sets").

use model::json::Json;

const SNOMED_CT: &str = "http://snomed.info/sct";
const LOINC: &str = "http://loinc.org";

/// The definition behind an implicit value set's URL. Expressions (`ecl/…`) become a filter that no code system here
/// can decide.
pub(crate) fn value_set(canonical: &str) -> Option<Json> {
    let url = canonical.split_once('|').map_or(canonical, |(url, _)| url);
    let include = if let Some((base, query)) = url.split_once("?fhir_vs") {
        let version = match base.strip_prefix(SNOMED_CT)? {
            "" => None,
            edition if edition.starts_with('/') => Some(base),
            _ => return None,
        };
        let filter = match query.strip_prefix('=') {
            None if query.is_empty() => None,
            None => return None,
            Some(query) => Some(match query.split_once('/') {
                Some(("isa", code)) => ("concept", "is-a", code),
                Some(("refset", code)) => ("concept", "in", code),
                Some(("ecl", expression)) => ("constraint", "=", expression),
                _ => return None,
            }),
        };
        include(SNOMED_CT, version, filter)
    } else {
        let rest = url.strip_prefix(LOINC)?.strip_prefix("/vs")?;
        match rest.strip_prefix('/') {
            None if rest.is_empty() => include(LOINC, None, None),
            Some(list) if list.starts_with("LL") => include(LOINC, None, Some(("concept", "in", list))),
            Some(part) if part.starts_with("LP") => include(LOINC, None, Some(("concept", "is-a", part))),
            _ => return None,
        }
    };
    let compose = Json::object([("include", Json::array([include]))]);
    Some(Json::object([("resourceType", "ValueSet".into()), ("url", url.into()), ("compose", compose)]))
}

fn include(system: &str, version: Option<&str>, filter: Option<(&str, &str, &str)>) -> Json {
    let mut members = vec![("system", Json::from(system))];
    members.extend(version.map(|version| ("version", Json::from(version))));
    members.extend(filter.map(|(property, op, value)| {
        let filter = [("property", property.into()), ("op", op.into()), ("value", value.into())];
        ("filter", Json::array([Json::object(filter)]))
    }));
    Json::object(members)
}

#[cfg(test)]
mod tests;
