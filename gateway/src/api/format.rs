//! JSON or XML (FHIR R4 http.html, "Content Types and encodings"): what a body is, and what an answer is asked to be.
//!
//! Everything inside works on the tree and answers with whole resources in JSON; summaries, white space and XML are made on
//! the way out, in one place, so that no route can forget them.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use http_body_util::{BodyExt, Full};
use model::json::{ErrorKind, Json, Limits, Repeated, parse, repeated};
use model::outcome::Issue;
use model::xml;

use super::outcome::{FHIR_JSON, Failure};
use super::query::pairs;
use super::router::{Endpoint, Route};
use super::{Call, answer};
use crate::layers::Response;
use shape::View;

mod shape;

/// Media type of FHIR in XML.
const FHIR_XML: &str = "application/fhir+xml; charset=utf-8";
/// What is said to who asks for, or sends, another version of FHIR (http.html, "FHIR Version Parameter").
const WRITTEN: &str = "FHIR is written in version 4.0 here: ask for application/fhir+json or application/fhir+xml, without fhirVersion or with fhirVersion=4.0; POST /convert writes other versions";
const READ: &str = "FHIR is read in version 4.0 here: send application/fhir+json or application/fhir+xml, without fhirVersion or with fhirVersion=4.0; POST /convert reads other versions";

/// Larger answers are rewritten on the blocking pool: they would hold a worker for longer than a millisecond.
const LARGE_BYTES: usize = 128 * 1024;
/// Repeated members that a refusal names.
const MOST_REPEATS: usize = 50;

/// How FHIR is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Xml,
}

/// Parameters that every FHIR address knows: they say how an answer is written, which is done in one place behind the
/// handlers.
pub(crate) const GENERAL: [&str; 4] = ["_format", "_pretty", "_summary", "_elements"];

impl Format {
    /// The media type of an exchange that came in this form.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/fhir+json",
            Self::Xml => "application/fhir+xml",
        }
    }

    /// Of a media type as clients write it, parameters left out; also the words that `_format` may have.
    fn of(text: &str) -> Option<Self> {
        // A plus sign of a query is a space once it is decoded: `_format=application/fhir+json` comes as such.
        let kind = text.split(';').next().unwrap_or_default().trim().replace(' ', "+").to_ascii_lowercase();
        match kind.as_str() {
            "json" | "application/json" | "application/fhir+json" | "application/json+fhir" | "text/json" => {
                Some(Self::Json)
            }
            "xml" | "application/xml" | "application/fhir+xml" | "application/xml+fhir" | "text/xml" => Some(Self::Xml),
            _ => None,
        }
    }

    /// Of one range of an `Accept` field.
    fn of_range(text: &str) -> Option<Self> {
        let format = match text.split(';').next().unwrap_or_default().trim() {
            "" | "*/*" | "application/*" => Some(Self::Json),
            other => Self::of(other),
        };
        format.filter(|_| is_ours(text))
    }
}

/// A parameter of a media type: `fhirVersion=4.0`, also in quotes.
pub(super) fn parameter<'a>(media_type: &'a str, name: &str) -> Option<&'a str> {
    media_type.split(';').skip(1).find_map(|piece| {
        let (known, value) = piece.split_once('=')?;
        known.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

/// Whether a media type is of this version of FHIR (http.html, "FHIR Version Parameter") and of UTF-8, which is the one
/// encoding FHIR is written in.
fn is_ours(media_type: &str) -> bool {
    is_of_this_version(media_type)
        && parameter(media_type, "charset").is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8"))
}

fn is_of_this_version(media_type: &str) -> bool {
    parameter(media_type, "fhirVersion").is_none_or(|version| matches!(version, "4.0" | "4.0.1"))
}

/// Whether a range of an `Accept` field takes JSON or XML of this version.
pub(super) fn is_offered(range: &str) -> bool {
    Format::of_range(range).is_some()
}

/// Whether FHIR of another version is asked for, if nothing else that is written here.
fn wants_another_version(call: &Call) -> bool {
    let query = pairs(&call.query).unwrap_or_default();
    let by_parameter = query.iter().find(|(name, _)| name == "_format").map(|(_, value)| value.as_str());
    let ranges = call.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let asked = by_parameter.map_or_else(|| ranges.flat_map(|value| value.split(',')).collect(), |value| vec![value]);
    wanted(call).is_none() && asked.iter().any(|range| !is_of_this_version(range))
}

/// What the answer shall be: `_format`, else the range of `Accept` with the highest weight, JSON if nothing is said.
/// `None` if neither JSON nor XML would do.
pub(crate) fn wanted(call: &Call) -> Option<Format> {
    if call.query.contains("_format") {
        let query = pairs(&call.query).unwrap_or_default();
        if let Some((_, value)) = query.iter().find(|(name, _)| name == "_format") {
            return if value.is_empty() { Some(Format::Json) } else { Format::of(value).filter(|_| is_ours(value)) };
        }
    }
    let mut best: Option<(u16, Format)> = None;
    let mut says_something = false;
    let values = call.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for range in values.flat_map(|value| value.split(',')) {
        says_something = true;
        let Some(format) = Format::of_range(range) else { continue };
        let weight = weight(range);
        if weight > 0 && best.is_none_or(|(known, _)| weight > known) {
            best = Some((weight, format));
        }
    }
    match best {
        Some((_, format)) => Some(format),
        None if says_something => None,
        None => Some(Format::Json),
    }
}

/// `q=0.8` in thousandths (RFC 9110, section 12.4.2).
pub(super) fn weight(range: &str) -> u16 {
    match parameter(range, "q").map(str::parse::<f32>) {
        None => 1000,
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0 to 1000")]
        Some(Ok(value)) => (value.clamp(0.0, 1.0) * 1000.0) as u16,
        Some(Err(_)) => 0,
    }
}

/// 406 unless JSON or XML will do.
pub(crate) fn acceptable(call: &Call) -> Result<(), Failure> {
    match wanted(call) {
        Some(_) => Ok(()),
        None if wants_another_version(call) => Err(Failure::new(StatusCode::NOT_ACCEPTABLE, "not-supported", WRITTEN)),
        None => {
            let text = "FHIR is written in JSON and XML here; ask for application/fhir+json or application/fhir+xml";
            Err(Failure::new(StatusCode::NOT_ACCEPTABLE, "not-supported", text))
        }
    }
}

/// What the body is said to be; JSON if nothing is said.
///
/// # Errors
/// 415 for anything but JSON and XML.
pub(crate) fn of_body(call: &Call) -> Result<Format, Failure> {
    let Some(kind) = call.header(CONTENT_TYPE) else { return Ok(Format::Json) };
    let refused = |text: &str| Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", text);
    let Some(format) = Format::of(kind) else {
        return Err(refused("FHIR is read in JSON and XML here; send application/fhir+json or application/fhir+xml"));
    };
    match is_of_this_version(kind) {
        false => Err(refused(READ)),
        true if is_ours(kind) => Ok(format),
        true => Err(refused("FHIR is read in UTF-8 here")),
    }
}

/// A body as it was sent, and its tree.
pub(crate) struct Sent {
    /// As it came: what the record commits to.
    pub(crate) raw: Bytes,
    /// What it was said to be.
    pub(crate) format: Format,
    /// Its tree.
    pub(crate) tree: Json,
}

impl Sent {
    /// The JSON text of the tree: as it was sent, where that was JSON.
    pub(crate) fn json(&self) -> Bytes {
        match self.format {
            Format::Json => self.raw.clone(),
            Format::Xml => Bytes::from(self.tree.to_bytes()),
        }
    }
}

/// Reads a body of FHIR without doubt.
///
/// # Errors
/// 415 for another media type, 400 for what is no JSON or XML, 422 for XML that is not as FHIR asks: a tree would not show
/// what is wrong with it.
pub(crate) async fn body(call: &mut Call) -> Result<Sent, Failure> {
    of_body(call)?;
    let raw = call.body().await?;
    tree_of(call, raw)
}

/// The same of a body that was read before.
///
/// # Errors
/// As [`body`].
pub(crate) fn tree_of(call: &Call, raw: Bytes) -> Result<Sent, Failure> {
    let format = of_body(call)?;
    let limits = Limits { bytes: raw.len().max(1), ..Limits::default() };
    let unreadable = |place: String, kind: String| {
        Failure::of(StatusCode::BAD_REQUEST, vec![Issue::error("structure", kind).at(place)])
    };
    let tree = match format {
        Format::Json => parse(&raw, &limits).map_err(|error| match error.kind {
            ErrorKind::DuplicateKey => repeats(&raw),
            kind => unreadable(format!("line {}, column {}", error.line, error.column), kind.to_string()),
        })?,
        Format::Xml => {
            let document = xml::parse(&raw, &limits).map_err(|error| {
                unreadable(format!("line {}, column {}", error.line, error.column), error.kind.to_string())
            })?;
            if !document.issues.is_empty() {
                return Err(Failure::of(StatusCode::UNPROCESSABLE_ENTITY, document.issues));
            }
            document.resource
        }
    };
    Ok(Sent { raw, format, tree })
}

/// Every member that a JSON text has twice, not the first alone.
fn repeats(raw: &[u8]) -> Failure {
    let issue = |one: Repeated| Issue::error("structure", ErrorKind::DuplicateKey.to_string()).at(one.path);
    let mut issues: Vec<Issue> = repeated(raw, MOST_REPEATS).into_iter().map(issue).collect();
    if issues.is_empty() {
        issues.push(Issue::error("structure", ErrorKind::DuplicateKey.to_string()));
    }
    Failure::of(StatusCode::BAD_REQUEST, issues)
}

/// What is wrong with what a request asks of the form of its answer: nobody shall write something first and then learn
/// that it cannot be shown.
///
/// # Errors
/// 400 with every problem, 406 for a format that is not written here.
pub(crate) fn check(call: &Call, route: &Route) -> Result<(), Failure> {
    let is_apart = match route.endpoint {
        // Whoever asks a Binary for neither JSON nor XML asks for the content itself.
        Endpoint::Read | Endpoint::VersionRead => call.params.text("type") == "Binary" && !wants_another_version(call),
        // A summary has a page for people besides.
        Endpoint::Summary => true,
        // What is converted may be of another version; the operation itself looks at it.
        Endpoint::ConvertResource => wants_another_version(call),
        _ => false,
    };
    if !is_apart {
        acceptable(call)?;
    }
    if call.query.is_empty() {
        return Ok(());
    }
    Form::of(call).map(drop)
}

/// How an answer shall look, besides JSON or XML.
#[derive(Debug, Default, PartialEq, Eq)]
struct Form {
    pretty: bool,
    view: Option<View>,
}

impl Form {
    fn of(call: &Call) -> Result<Self, Failure> {
        let query = pairs(&call.query)?;
        let lenient = call.prefers("handling=lenient");
        let (mut form, mut issues) = (Self::default(), Vec::new());
        for name in GENERAL {
            let mut values = query.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
            let Some(value) = values.next() else { continue };
            if values.any(|other| other != value) {
                issues.push(Issue::error("invalid", format!("{name}: expected once")).at(name));
                continue;
            }
            let read = match name {
                "_pretty" => match value {
                    "true" | "" => {
                        form.pretty = true;
                        Ok(())
                    }
                    "false" => Ok(()),
                    _ => Err("expected true or false".to_owned()),
                },
                "_summary" => View::summary(value).map(|view| form.view = view),
                "_elements" if form.view.is_some() && !value.is_empty() => {
                    Err("cannot be asked for together with _summary".to_owned())
                }
                "_elements" => {
                    View::elements(value, call.params.text("type")).map(|view| form.view = form.view.take().or(view))
                }
                _ => Ok(()),
            };
            if let Err(expected) = read
                && !lenient
            {
                issues.push(Issue::error("value", format!("{name}: {expected}")).at(name));
            }
        }
        let includes = query.iter().any(|(name, _)| name.starts_with("_include") || name.starts_with("_revinclude"));
        if form.view == Some(View::Text) && includes && !lenient {
            // search.html, "Summary": the two cannot be mixed.
            let text = "_summary=text cannot be asked for together with _include and _revinclude";
            issues.push(Issue::error("invalid", text).at("_summary"));
        }
        if issues.is_empty() { Ok(form) } else { Err(Failure::of(StatusCode::BAD_REQUEST, issues)) }
    }
}

/// The answer as it was asked for: parts of resources, white space, JSON or XML. Consents were asked before.
pub(crate) async fn formed(call: &Call, route: &Route, response: Response) -> Response {
    written(call, route, response, Some(wanted(call).unwrap_or(Format::Json))).await
}

/// The answer to a request within another: parts of resources alone, as the whole is written in one form.
pub(crate) async fn shaped(call: &Call, route: &Route, response: Response) -> Response {
    if call.query.is_empty() { response } else { written(call, route, response, None).await }
}

/// `wanted`: the form, where this is the whole answer.
async fn written(call: &Call, route: &Route, response: Response, wanted: Option<Format>) -> Response {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    // What was converted into another version is none of the tables that XML and parts of resources are written by.
    if !kind.is_some_and(|kind| kind.starts_with("application/fhir+json") && is_of_this_version(kind)) {
        return response;
    }
    let form = match call.query.is_empty() {
        true => Form::default(),
        false => match Form::of(call) {
            Ok(form) => form,
            // What a form asked for, which was not there to be looked at before.
            Err(failure) if response.status().is_success() => return failure.into(),
            Err(_) => Form::default(),
        },
    };
    let view = form.view.filter(|_| response.status().is_success());
    let pretty = form.pretty && wanted.is_some();
    let versioned = wanted.is_some() && says_version(call);
    let format = wanted.unwrap_or(Format::Json);
    if format == Format::Json && view.is_none() && !pretty && !versioned {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let body = match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(never) => match never {},
    };
    let kind = match format {
        Format::Json => FHIR_JSON,
        Format::Xml => FHIR_XML,
    };
    let kind =
        if versioned { HeaderValue::try_from(format!("{kind}; fhirVersion=4.0")) } else { HeaderValue::try_from(kind) };
    if body.is_empty() {
        return Response::from_parts(head, Full::new(body));
    }
    let large = body.len() > LARGE_BYTES;
    let stored = matches!(route.endpoint, Endpoint::Read | Endpoint::VersionRead);
    let app = call.app.clone();
    let work = move || {
        if format == Format::Json && view.is_none() && !pretty {
            return Some(body);
        }
        let limits = Limits { bytes: body.len(), depth: Limits::MAX_DEPTH };
        let mut tree = parse(&body, &limits).ok()?;
        if let Some(view) = &view {
            shape::shape(&mut tree, view, app.validation.validator().definitions(), stored);
        }
        match (format, pretty) {
            (Format::Json, false) => Some(Bytes::from(tree.to_bytes())),
            (Format::Json, true) => Some(Bytes::from(tree.pretty())),
            (Format::Xml, pretty) => {
                let layout = if pretty { xml::Layout::Indented } else { xml::Layout::Compact };
                Some(Bytes::from(xml::write(&tree, layout).ok()?))
            }
        }
    };
    let written = if large { tokio::task::spawn_blocking(work).await.unwrap_or(None) } else { work() };
    match written {
        Some(text) => {
            if let Ok(kind) = kind {
                head.headers.insert(CONTENT_TYPE, kind);
            }
            Response::from_parts(head, Full::new(text))
        }
        // Validation off, or a character that XML does not have: JSON has it, and says so.
        None => {
            let text = "this resource has no XML form; ask for application/fhir+json";
            let mut response = Failure::new(StatusCode::NOT_ACCEPTABLE, "not-supported", text).into();
            answer::header(&mut response, http::header::CACHE_CONTROL, "no-store");
            response
        }
    }
}

/// Whether the client names the version of FHIR: the answer then names it too.
fn says_version(call: &Call) -> bool {
    call.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).any(|text| text.contains("fhirVersion"))
        || call.query.contains("fhirVersion")
}

#[cfg(test)]
mod tests;
