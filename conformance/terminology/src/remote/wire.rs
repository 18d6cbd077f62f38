//! Requests and responses of a FHIR terminology server, as Parameters (FHIR R4 terminology-service.html).

use model::json::Json;
use smol_str::SmolStr;

use crate::answer::{CodeCheck, Coding, DisplayCheck};
use crate::code_system::text;
use crate::expand::{Contains, ExpandRequest, Expansion};

/// How deep the answer's expansion may be nested; deeper entries are left out.
const DEPTH: usize = 64;

/// A request to `POST` to `[base]/{operation}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// For example `ValueSet/$validate-code`.
    pub operation: &'static str,
    /// A Parameters resource.
    pub body: Json,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The body, if it was JSON.
    pub body: Option<Json>,
}

/// Asks whether a code is in a value set.
pub fn validate_in_value_set(value_set: &str, coding: &Coding<'_>) -> Request {
    let (url, version) = split(value_set);
    let mut parameters = vec![value("url", "valueUri", url.into())];
    parameters.extend(version.map(|version| value("valueSetVersion", "valueString", version.into())));
    parameters.extend(coded(coding, "systemVersion"));
    if coding.system.is_none() {
        // A code of a `code` element: the server works the system out from the value set.
        parameters.push(value("inferSystem", "valueBoolean", true.into()));
    }
    request("ValueSet/$validate-code", parameters)
}

/// Asks whether a code system has a code; none without a system.
pub fn validate_in_code_system(coding: &Coding<'_>) -> Option<Request> {
    let mut parameters = vec![value("url", "valueUri", coding.system?.into())];
    parameters.push(value("code", "valueCode", coding.code.into()));
    parameters.extend(coding.version.map(|version| value("version", "valueString", version.into())));
    parameters.extend(coding.display.map(|display| value("display", "valueString", display.into())));
    Some(request("CodeSystem/$validate-code", parameters))
}

/// Asks for a value set's codes.
pub fn expand(value_set: &str, asked: &ExpandRequest<'_>) -> Request {
    let (url, version) = split(value_set);
    let mut parameters = vec![value("url", "valueUri", url.into())];
    let number = |number: usize| Json::from(u64::try_from(number).unwrap_or(u64::MAX));
    parameters.extend(version.map(|version| value("valueSetVersion", "valueString", version.into())));
    parameters.extend(asked.filter.map(|filter| value("filter", "valueString", filter.into())));
    parameters.push(value("count", "valueInteger", number(asked.count.unwrap_or(asked.limit))));
    parameters.push(value("offset", "valueInteger", number(asked.offset)));
    parameters.push(value("activeOnly", "valueBoolean", asked.active_only.into()));
    parameters.push(value("excludeNested", "valueBoolean", asked.exclude_nested.into()));
    parameters.push(value("includeDesignations", "valueBoolean", asked.include_designations.into()));
    parameters.extend(asked.language.map(|language| value("displayLanguage", "valueCode", language.into())));
    request("ValueSet/$expand", parameters)
}

/// The result; none if the server does not know.
///
/// `false` counts only where the server knows the value set and the code system: a server that cannot tell says so with
/// an issue of code `not-found` or `not-supported`, or with a status of 4xx.
pub fn read_member(response: &Response) -> Option<bool> {
    let body = parameters(response)?;
    match result(body)? {
        true => Some(true),
        false if undecided(body) => None,
        false => Some(false),
    }
}

/// What is known of the code; none if the server does not know.
pub fn read_code(response: &Response, coding: &Coding<'_>) -> Option<CodeCheck> {
    let body = parameters(response)?;
    let flag = |name| part(body, name).and_then(|one| one.get("valueBoolean")).and_then(Json::as_bool);
    let active = flag("inactive") != Some(true);
    let preferred = part(body, "display").and_then(|one| text(one, "valueString"));
    let known = |display| Some(CodeCheck::Known { display, active, selectable: flag("abstract") != Some(true) });
    match (result(body)?, coding.display, preferred) {
        (true, None, _) => known(DisplayCheck::Absent),
        (true, Some(_), _) => known(DisplayCheck::Matches),
        (false, _, _) if undecided(body) => None,
        // A wrong display makes the result false too; the code's own display then comes with it.
        (false, Some(_), Some(preferred)) => known(DisplayCheck::Differs(vec![preferred])),
        (false, _, _) => Some(CodeCheck::UnknownCode),
    }
}

/// The expansion of a ValueSet response.
pub fn read_expansion(response: &Response) -> Option<Expansion> {
    let body = response.body.as_ref().filter(|_| response.status == 200)?;
    let expansion = body.get("expansion").filter(|_| body.text_at(&["resourceType"]) == Some("ValueSet"))?;
    let number = |name| {
        let number = expansion.get(name).and_then(Json::as_number)?;
        usize::try_from(number.as_u64()?).ok()
    };
    let contains = contains(expansion, DEPTH);
    let mut used: Vec<SmolStr> = expansion
        .items("parameter")
        .iter()
        .filter(|one| matches!(one.text_at(&["name"]), Some("version" | "used-codesystem")))
        .filter_map(|one| text(one, "valueUri"))
        .collect();
    used.sort();
    Some(Expansion {
        total: number("total").unwrap_or_else(|| count(&contains)),
        offset: number("offset").unwrap_or(0),
        used,
        contains,
    })
}

fn contains(json: &Json, depth: usize) -> Vec<Contains> {
    let Some(depth) = depth.checked_sub(1) else { return Vec::new() };
    let entries = json.items("contains").iter();
    entries
        .map(|entry| {
            let flag = |name| entry.get(name).and_then(Json::as_bool) == Some(true);
            Contains {
                system: text(entry, "system"),
                version: text(entry, "version"),
                code: text(entry, "code"),
                display: text(entry, "display"),
                abstract_: flag("abstract"),
                inactive: flag("inactive"),
                designations: entry.items("designation").iter().filter_map(crate::code_system::designation).collect(),
                contains: contains(entry, depth),
            }
        })
        .collect()
}

fn count(contains: &[Contains]) -> usize {
    contains.iter().map(|entry| usize::from(entry.code.is_some()) + count(&entry.contains)).sum()
}

fn coded(coding: &Coding<'_>, version: &str) -> Vec<Json> {
    let mut parameters = vec![value("code", "valueCode", coding.code.into())];
    parameters.extend(coding.system.map(|system| value("system", "valueUri", system.into())));
    parameters.extend(coding.version.map(|stated| value(version, "valueString", stated.into())));
    parameters
}

fn request(operation: &'static str, parameters: Vec<Json>) -> Request {
    let body = Json::object([("resourceType", "Parameters".into()), ("parameter", Json::array(parameters))]);
    Request { operation, body }
}

fn value(name: &str, kind: &str, value: Json) -> Json {
    Json::object([("name", name.into()), (kind, value)])
}

fn split(canonical: &str) -> (&str, Option<&str>) {
    canonical.split_once('|').map_or((canonical, None), |(url, version)| (url, Some(version)))
}

fn parameters(response: &Response) -> Option<&Json> {
    let body = response.body.as_ref()?;
    (response.status == 200 && body.text_at(&["resourceType"]) == Some("Parameters")).then_some(body)
}

fn part<'j>(body: &'j Json, name: &str) -> Option<&'j Json> {
    body.items("parameter").iter().find(|one| one.text_at(&["name"]) == Some(name))
}

fn result(body: &Json) -> Option<bool> {
    part(body, "result")?.get("valueBoolean")?.as_bool()
}

/// Whether the issues of a negative answer say that the server cannot tell.
fn undecided(body: &Json) -> bool {
    let issues = part(body, "issues").and_then(|one| one.get("resource")).map(|one| one.items("issue"));
    issues
        .unwrap_or_default()
        .iter()
        .any(|issue| matches!(issue.text_at(&["code"]), Some("not-found" | "not-supported")))
}
