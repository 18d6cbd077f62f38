//! `POST /fhir`: batch and transaction (FHIR R4 http.html, "batch/transaction").

use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use model::bundle::Response as EntryResponse;
use model::json::{Json, Limits, parse};

use self::entry::Entry;
use super::format_only;
use super::write::Preference;
use crate::api::format;
use crate::api::outcome::{FHIR_JSON, Failure};
use crate::api::router::Endpoint;
use crate::api::{Call, Who, inner};
use crate::layers::Response;

mod batch;
mod entry;
mod transaction;

/// Entries of one Bundle.
const MOST: usize = 5_000;

/// `POST /fhir`
pub(in crate::api) async fn process(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    format_only(call)?;
    let mut sent = format::body(call).await?;
    let mut bundle = std::mem::replace(&mut sent.tree, Json::Null);
    let call = &*call;
    if model::resource::resource_type(&bundle) != Some("Bundle") {
        return Err(Failure::bad("expected a Bundle").at("resourceType"));
    }
    let kind = bundle.get("type").and_then(Json::as_str).unwrap_or_default().to_owned();
    if kind != "transaction" && kind != "batch" {
        let text = "expected a Bundle of type batch or transaction; others are stored with POST /fhir/Bundle";
        return Err(Failure::new(StatusCode::BAD_REQUEST, "not-supported", text).at("Bundle.type"));
    }
    let entries = match bundle.as_object_mut().and_then(|bundle| bundle.remove("entry")) {
        None => Vec::new(),
        Some(Json::Array(entries)) => entries,
        Some(_) => return Err(Failure::bad("expected an array").at("Bundle.entry")),
    };
    if entries.len() > MOST {
        // Not a matter of bytes: the text says what is too much.
        let text = format!("expected at most {MOST} entries in one Bundle");
        return Ok(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "too-long", text).at("Bundle.entry").into());
    }
    if kind == "batch" {
        batch::process(call, who, entries).await
    } else {
        transaction::process(call, who, sent, entries).await
    }
}

/// Does what one entry asks for as if it had come by itself, and gives the answer as an entry.
async fn done_alone(call: &Call, who: &Who, entry: &Entry) -> EntryResponse {
    match alone(call, who, entry).await {
        Ok(response) => as_entry(call, response, entry.is_head()).await,
        Err(failure) => as_entry(call, failure.into(), entry.is_head()).await,
    }
}

async fn alone(call: &Call, who: &Who, entry: &Entry) -> Result<Response, Failure> {
    let mut request = entry.request(call)?;
    if request.endpoint() == Some(Endpoint::Transaction) {
        return Err(Failure::bad("a Bundle within a Bundle is not processed; store it with POST Bundle"));
    }
    inner::answer(&mut request, who).await
}

pub(in crate::api) async fn as_entry(call: &Call, response: Response, is_head: bool) -> EntryResponse {
    let (head, body) = response.into_parts();
    let body = match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(never) => match never {},
    };
    let json = match (body.is_empty() || is_head, text_of(&head.headers, "content-type")) {
        (true, _) | (_, None) => None,
        (false, Some(FHIR_JSON)) => read(&body),
        // A page for people, a message in another format: a Bundle holds it as what it is.
        (false, Some(kind)) => Some(binary(kind, &body)),
    };
    let is_outcome = json.as_ref().and_then(model::resource::resource_type) == Some("OperationOutcome");
    let says_so = head.status.is_success() && Preference::said(call) != Some(Preference::Outcome);
    let (outcome, resource) = if is_outcome && !says_so { (json, None) } else { (None, json) };
    let base = format!("{}/", call.base());
    EntryResponse {
        status: status_text(head.status),
        location: text_of(&head.headers, "location").map(|at| at.strip_prefix(&base).unwrap_or(at).to_owned()),
        etag: text_of(&head.headers, "etag").map(str::to_owned),
        last_modified: text_of(&head.headers, "last-modified").and_then(crate::api::answer::read_http_date),
        outcome,
        resource,
    }
}

fn binary(kind: &str, content: &[u8]) -> Json {
    use base64::Engine as _;
    let data = base64::engine::general_purpose::STANDARD.encode(content);
    Json::object([
        ("resourceType", Json::from("Binary")),
        ("contentType", Json::from(kind)),
        ("data", Json::from(data.as_str())),
    ])
}

fn status_text(status: StatusCode) -> String {
    format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default()).trim_end().to_owned()
}

fn text_of<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn read(body: &[u8]) -> Option<Json> {
    parse(body, &Limits { bytes: body.len().max(1), depth: Limits::MAX_DEPTH }).ok()
}
