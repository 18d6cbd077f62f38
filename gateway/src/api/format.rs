//! JSON or XML (FHIR R4 http.html, "Content Types and encodings"): what a body is, and what an answer is asked to be.
//!
//! Everything inside works on the tree and answers in JSON; an answer becomes XML on its way out, in one place, so that no
//! route can forget it.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use http_body_util::{BodyExt, Full};
use model::json::{ErrorKind, Json, Limits, Repeated, parse, repeated};
use model::outcome::Issue;
use model::xml;

use super::outcome::Failure;
use super::query::pairs;
use super::{Call, answer};
use crate::layers::Response;

/// Media type of FHIR in XML.
const FHIR_XML: &str = "application/fhir+xml; charset=utf-8";
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
        match text.split(';').next().unwrap_or_default().trim() {
            "" | "*/*" | "application/*" => Some(Self::Json),
            other => Self::of(other),
        }
    }
}

/// What the answer shall be: `_format`, else the range of `Accept` with the highest weight, JSON if nothing is said.
/// `None` if neither JSON nor XML would do.
pub(crate) fn wanted(call: &Call) -> Option<Format> {
    let query = pairs(&call.query).unwrap_or_default();
    if let Some((_, value)) = query.iter().find(|(name, _)| name == "_format") {
        return if value.is_empty() { Some(Format::Json) } else { Format::of(value) };
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
fn weight(range: &str) -> u16 {
    let given = range.split(';').skip(1).find_map(|parameter| parameter.trim().strip_prefix("q="));
    match given.map(|text| text.trim().parse::<f32>()) {
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
    match call.content_type() {
        None => Ok(Format::Json),
        Some(kind) => Format::of(&kind).ok_or_else(|| {
            let text = "FHIR is read in JSON and XML here; send application/fhir+json or application/fhir+xml";
            Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", text)
        }),
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
    let format = of_body(call)?;
    let raw = call.body().await?;
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

/// The answer in XML, if it is FHIR in JSON.
pub(crate) async fn in_xml(response: Response) -> Response {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !kind.is_some_and(|kind| kind.starts_with("application/fhir+json")) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let body = match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(never) => match never {},
    };
    if body.is_empty() {
        return Response::from_parts(head, Full::new(body));
    }
    let written = if body.len() > LARGE_BYTES {
        tokio::task::spawn_blocking(move || rewritten(&body)).await.unwrap_or(None)
    } else {
        rewritten(&body)
    };
    match written {
        Some(text) => {
            head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(FHIR_XML));
            Response::from_parts(head, Full::new(Bytes::from(text)))
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

fn rewritten(body: &[u8]) -> Option<String> {
    let limits = Limits { bytes: body.len(), depth: Limits::MAX_DEPTH };
    let tree = parse(body, &limits).ok()?;
    xml::write(&tree, xml::Layout::Compact).ok()
}

#[cfg(test)]
mod tests;
