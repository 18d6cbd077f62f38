//! Asserts: every criterion of FHIR R4 testscript.html, compared as its operator says.

use std::cmp::Ordering;

use model::json::Json;

use super::script::Assert;
use super::state::{Source, State};
use crate::path::number;
use crate::result::{Outcome, Step};
use crate::{expression, path, wire};

/// What does not hold: what was expected and what was there.
struct Mismatch {
    expected: String,
    got: String,
}

/// Why an assert does not pass.
enum Fault {
    /// It was looked at and does not hold.
    Mismatch(Mismatch),
    /// It cannot be looked at as written; also no pass.
    Unclear(String),
}

impl From<String> for Fault {
    fn from(said: String) -> Self {
        Self::Unclear(said)
    }
}

type Checked = Result<(), Fault>;

/// Looks whether an assert holds; `warningOnly` makes any failure a warning.
pub(super) fn check(state: &State<'_>, assert: &Assert) -> Step {
    let name = assert.label.clone();
    let bad = if assert.warning_only { Outcome::Warning } else { Outcome::Failed };
    let step = match all(state, assert) {
        Ok(()) => Step { got: unread(state, assert), ..Step::passed(name) },
        Err(Fault::Mismatch(Mismatch { expected, got })) => {
            Step { name, outcome: bad, expected, got, ..Step::default() }
        }
        Err(Fault::Unclear(said)) => Step { name, outcome: bad, got: said, ..Step::default() },
    };
    match &state.exchange {
        Some(exchange) => step.with(exchange),
        None => step,
    }
}

/// What an assert that holds says besides, and R4 does not know: nobody has looked at it.
fn unread(state: &State<'_>, assert: &Assert) -> String {
    let names = assert.unknown.iter().map(|(name, _)| name.as_str());
    let names: Vec<&str> = names.filter(|name| !(state.context.extensions && *name == "responseBody")).collect();
    if names.is_empty() {
        String::new()
    } else {
        format!("not looked at, as R4 does not know it: {}", names.join(", "))
    }
}

fn all(state: &State<'_>, assert: &Assert) -> Checked {
    let mut filled = assert.clone();
    for (_, text) in &mut filled.members {
        *text = state.fill(text)?;
    }
    let assert = &filled;
    let source = if assert.of_request && assert.get("sourceId").is_none() {
        state.request.as_ref().ok_or("there is no request to look at".to_owned())?
    } else {
        state.source(assert.get("sourceId"))?
    };
    let looked = [
        status(source, assert)?,
        content(source, assert)?,
        header(source, assert)?,
        request(state, assert)?,
        value(state, source, assert)?,
        minimum(state, source, assert)?,
        links(source, assert)?,
        profile(state, source, assert)?,
        extensions(state, source, assert)?,
    ];
    if looked.contains(&true) {
        return Ok(());
    }
    let unknown: Vec<&str> = assert.unknown.iter().map(|(name, _)| name.as_str()).collect();
    Err(Fault::Unclear(match unknown.as_slice() {
        [] => "the assert names nothing to look at".to_owned(),
        names => format!(
            "the assert names nothing that R4 knows: {} is no element of it (--testscript-extensions reads responseBody)",
            names.join(", ")
        ),
    }))
}

fn status(source: &Source, assert: &Assert) -> Result<bool, Fault> {
    let mut looked = false;
    let status = source.status.map(|status| status.to_string());
    if let Some(wanted) = assert.get("responseCode") {
        let default = if wanted.contains(',') { "in" } else { "equals" };
        let operator = assert.operator.as_deref().unwrap_or(default);
        compare("the response code", status.as_slice(), Some(wanted), operator)?;
        looked = true;
    }
    if let Some(word) = assert.get("response") {
        let code = code_of(word).ok_or_else(|| format!("{word} is no code of a response"))?;
        let operator = assert.operator.as_deref().unwrap_or("equals");
        compare(&format!("the response ({word})"), status.as_slice(), Some(code), operator)?;
        looked = true;
    }
    Ok(looked)
}

/// FHIR R4 valueset-assert-response-code-types.html.
fn code_of(word: &str) -> Option<&'static str> {
    Some(match word {
        "okay" => "200",
        "created" => "201",
        "noContent" => "204",
        "notModified" => "304",
        "bad" => "400",
        "forbidden" => "403",
        "notFound" => "404",
        "methodNotAllowed" => "405",
        "conflict" => "409",
        "gone" => "410",
        "preconditionFailed" => "412",
        "unprocessable" => "422",
        _ => return None,
    })
}

fn content(source: &Source, assert: &Assert) -> Result<bool, Fault> {
    let mut looked = false;
    if let Some(wanted) = assert.get("resource") {
        let kind = source.body.as_ref().and_then(|body| body.text_at(&["resourceType"])).map(str::to_owned);
        compare("the resource type", kind.as_slice(), Some(wanted), assert.operator.as_deref().unwrap_or("equals"))?;
        looked = true;
    }
    if let Some(wanted) = assert.get("contentType") {
        let got = source.header("content-type").or_else(|| source.header("accept")).unwrap_or_default();
        let same = wire::is_media_type(got, wanted);
        if same == (assert.operator.as_deref() == Some("notEquals")) {
            return Err(mismatch(format!("content of type {wanted}"), got));
        }
        looked = true;
    }
    Ok(looked)
}

fn header(source: &Source, assert: &Assert) -> Result<bool, Fault> {
    let Some(name) = assert.get("headerField") else { return Ok(false) };
    let got = source.header(name).map(str::to_owned);
    let value = assert.get("value");
    let operator = assert.operator.as_deref().unwrap_or(if value.is_some() { "equals" } else { "notEmpty" });
    compare(&format!("the header {name}"), got.as_slice(), value, operator)?;
    Ok(true)
}

fn request(state: &State<'_>, assert: &Assert) -> Result<bool, Fault> {
    let mut looked = false;
    let sent = state.exchange.as_ref().map(|exchange| &exchange.request);
    if let Some(wanted) = assert.get("requestMethod") {
        let got = sent.map(|request| request.method.to_ascii_lowercase());
        compare("the request's method", got.as_slice(), Some(&wanted.to_ascii_lowercase()), "equals")?;
        looked = true;
    }
    if let Some(wanted) = assert.get("requestURL") {
        let got = sent.map(|request| request.url.clone());
        compare("the request's URL", got.as_slice(), Some(wanted), assert.operator.as_deref().unwrap_or("contains"))?;
        looked = true;
    }
    Ok(looked)
}

/// `expression` and `path`, against a value or against the same place in another source.
fn value(state: &State<'_>, source: &Source, assert: &Assert) -> Result<bool, Fault> {
    let other = assert.get("compareToSourceId").map(|id| state.source(Some(id))).transpose()?;
    let there = ["compareToSourceExpression", "compareToSourcePath"].map(|name| assert.get(name));
    let here = match (assert.get("expression"), assert.get("path"), there) {
        (Some(expression), _, _) => Place::Expression(expression),
        (None, Some(path), _) => Place::Path(path),
        // Only the other side says a place: the same place here.
        (None, None, [Some(expression), _]) if other.is_some() => Place::Expression(expression),
        (None, None, [None, Some(path)]) if other.is_some() => Place::Path(path),
        _ => return Ok(false),
    };
    let what = here.name();
    let found = here.values(source)?;
    let operator = assert.operator.as_deref();
    if let Some(other) = other {
        let place = match there {
            [Some(expression), _] => Place::Expression(expression),
            [None, Some(path)] => Place::Path(path),
            [None, None] => here,
        };
        let wanted = place.values(other)?;
        let wanted = wanted.texts.first().map(String::as_str);
        compare(&what, &found.texts, Some(wanted.unwrap_or_default()), operator.unwrap_or("equals"))?;
    } else if operator == Some("eval") || (operator.is_none() && assert.get("value").is_none()) {
        if !found.holds {
            return Err(mismatch(format!("{what} to hold"), found.texts.join(", ")));
        }
    } else {
        compare(&what, &found.texts, assert.get("value"), operator.unwrap_or("equals"))?;
    }
    Ok(true)
}

#[derive(Clone, Copy)]
enum Place<'a> {
    Expression(&'a str),
    Path(&'a str),
}

impl Place<'_> {
    fn name(self) -> String {
        match self {
            Self::Expression(text) => format!("the expression {text}"),
            Self::Path(text) => format!("the path {text}"),
        }
    }

    fn values(self, source: &Source) -> Result<expression::Values, Fault> {
        let Some(body) = &source.body else {
            return Err(mismatch(format!("a resource in which to look at {}", self.name()), "no resource"));
        };
        match self {
            Self::Expression(text) => Ok(expression::evaluate(body, text)?),
            Self::Path(text) => {
                let texts = path::values(body, text).map_err(|error| error.to_string())?;
                let holds = !texts.is_empty() && texts.iter().all(|text| text != "false");
                Ok(expression::Values { texts, holds })
            }
        }
    }
}

fn minimum(state: &State<'_>, source: &Source, assert: &Assert) -> Result<bool, Fault> {
    let Some(id) = assert.get("minimumId") else { return Ok(false) };
    let fixture = state.source(Some(id))?.body.as_ref().ok_or_else(|| format!("{id} holds no resource"))?;
    let Some(body) = &source.body else {
        return Err(mismatch(format!("at least the content of {id}"), "no resource"));
    };
    let mut missing = Vec::new();
    let kind = fixture.text_at(&["resourceType"]).unwrap_or_default();
    missing_in(fixture, body, kind, true, &mut missing);
    if missing.is_empty() {
        return Ok(true);
    }
    missing.truncate(5);
    Err(mismatch(format!("at least the content of {id}"), format!("nothing equal at {}", missing.join(", "))))
}

/// The places of `minimum` that have no equal in `actual`; the items of a list may stand anywhere in the other.
fn missing_in(minimum: &Json, actual: &Json, place: &str, root: bool, missing: &mut Vec<String>) {
    match (minimum, actual) {
        (Json::Object(wanted), Json::Object(there)) => {
            for (name, value) in wanted.iter() {
                // The server's own: its id, its meta, its narrative.
                if root && ["id", "meta", "text"].contains(&name) {
                    continue;
                }
                let below = format!("{place}.{name}");
                match there.get(name) {
                    Some(actual) => missing_in(value, actual, &below, false, missing),
                    None => missing.push(below),
                }
            }
        }
        (Json::Array(wanted), Json::Array(there)) => {
            for (index, value) in wanted.iter().enumerate() {
                let fits = there.iter().any(|actual| {
                    let mut inner = Vec::new();
                    missing_in(value, actual, "", false, &mut inner);
                    inner.is_empty()
                });
                if !fits {
                    missing.push(format!("{place}[{index}]"));
                }
            }
        }
        (wanted, there) if wanted == there => {}
        _ => missing.push(place.to_owned()),
    }
}

/// http.html, "paging": a search set says where it is (`self`), or where its ends are.
fn links(source: &Source, assert: &Assert) -> Result<bool, Fault> {
    if !assert.navigation_links {
        return Ok(false);
    }
    let bundle = source.body.as_ref().filter(|body| body.text_at(&["resourceType"]) == Some("Bundle"));
    let Some(bundle) = bundle else { return Err(mismatch("a Bundle with links", "no Bundle")) };
    let relations: Vec<&str> = bundle
        .items("link")
        .iter()
        .filter(|link| link.text_at(&["url"]).is_some_and(|url| !url.is_empty()))
        .filter_map(|link| link.text_at(&["relation"]))
        .collect();
    let has = |name: &str| relations.contains(&name);
    if has("self") || (has("first") && has("last")) {
        return Ok(true);
    }
    Err(mismatch("a link `self`, or `first` and `last`", relations.join(", ")))
}

fn profile(state: &State<'_>, source: &Source, assert: &Assert) -> Result<bool, Fault> {
    let Some(id) = assert.get("validateProfileId") else { return Ok(false) };
    let canonical = state.script.profiles.iter().find(|(known, _)| known == id).map(|(_, canonical)| canonical.clone());
    let canonical = canonical.ok_or_else(|| format!("the script names no profile {id}"))?;
    let Some(validate) = &state.context.validate else {
        return Err(Fault::Unclear("no validator here to check a profile with".to_owned()));
    };
    let Some(body) = &source.body else {
        return Err(mismatch(format!("a resource valid against {canonical}"), "none"));
    };
    let profiles = profiles(&canonical, body);
    if let Some(unknown) = profiles.iter().find(|profile| !validate.knows(profile)) {
        return Err(Fault::Unclear(format!("no definition of {unknown} here: name its guide with --ig or --package")));
    }
    let issues = validate.issues(body, &profiles);
    let errors: Vec<String> = issues.iter().filter(|issue| issue.is_error()).take(3).map(ToString::to_string).collect();
    if errors.is_empty() {
        return Ok(true);
    }
    Err(mismatch(format!("a resource valid against {canonical}"), errors.join("; ")))
}

/// The profile to check: none for the type's own definition, which is checked anyway.
fn profiles(canonical: &str, body: &Json) -> Vec<String> {
    let own = canonical.strip_prefix("http://hl7.org/fhir/StructureDefinition/");
    if own.is_some() && own == body.text_at(&["resourceType"]) { Vec::new() } else { vec![canonical.to_owned()] }
}

/// What scripts in use hold beyond R4, if the user asked for it: `responseBody`, compared with the body's text.
fn extensions(state: &State<'_>, source: &Source, assert: &Assert) -> Result<bool, Fault> {
    let Some(wanted) = assert.extra("responseBody").filter(|_| state.context.extensions) else { return Ok(false) };
    let text = String::from_utf8_lossy(&source.raw).into_owned();
    let wanted = state.fill(wanted)?;
    match assert.operator.as_deref().unwrap_or("contains") {
        "matchesRegex" => {
            let holds = crate::pattern::is_match(&wanted, &text).map_err(|said| format!("responseBody: {said}"))?;
            if !holds {
                return Err(mismatch(format!("a body that matches {wanted}"), "one that does not"));
            }
        }
        operator => compare("the body's text", &[text], Some(&wanted), operator)?,
    }
    Ok(true)
}

fn mismatch(expected: impl Into<String>, got: impl Into<String>) -> Fault {
    let got = got.into();
    let got = if got.is_empty() { "nothing".to_owned() } else { got };
    Fault::Mismatch(Mismatch { expected: expected.into(), got })
}

/// Compares what is there with a value. FHIR R4 valueset-assert-operator-codes.html.
///
/// Of several values each may answer `contains` and `in`; all must for their opposites; the other operators want
/// exactly one.
fn compare(what: &str, found: &[String], wanted: Option<&str>, operator: &str) -> Checked {
    let text = || found.join(", ");
    let list = || wanted.unwrap_or_default().split(',').map(str::trim);
    let one = match found {
        [one] => Some(one.as_str()),
        _ => None,
    };
    let empty = found.iter().all(String::is_empty);
    let ordered = |order: Ordering| {
        let pair = one.zip(wanted);
        pair.and_then(|(one, wanted)| number::compare_ordered(one, wanted)) == Some(order)
    };
    let needs_value = !matches!(operator, "empty" | "notEmpty");
    if needs_value && wanted.is_none() {
        return Err(Fault::Unclear(format!("the operator {operator} needs a value to compare {what} with")));
    }
    let wanted_text = wanted.unwrap_or_default();
    let holds = match operator {
        "equals" => one == wanted || (found.is_empty() && wanted_text.is_empty()),
        "notEquals" => !found.iter().any(|value| value == wanted_text),
        "in" => found.iter().any(|value| list().any(|item| item == value)),
        "notIn" => !found.iter().any(|value| list().any(|item| item == value)),
        "greaterThan" => ordered(Ordering::Greater),
        "lessThan" => ordered(Ordering::Less),
        "empty" => empty,
        "notEmpty" => !empty,
        "contains" => found.iter().any(|value| value.contains(wanted_text)),
        "notContains" => !found.iter().any(|value| value.contains(wanted_text)),
        "eval" => one == Some("true"),
        other => return Err(Fault::Unclear(format!("{other} is no operator of an assert in R4"))),
    };
    if holds {
        return Ok(());
    }
    let expected = if needs_value { format!("{what} {operator} {wanted_text}") } else { format!("{what} {operator}") };
    Err(mismatch(expected, text()))
}
