//! `$process-message` (FHIR R4 messageheader-operation-process-message.html): a message goes the way of every other one,
//! as an exchange of its source, and is answered by a message.

use auth::{Action, Role};
use http::StatusCode;
use http::header::{CONTENT_TYPE, LOCATION};
use model::json::{Json, Object};
use model::outcome::{Issue, Severity, operation_outcome};

use super::input::Input;
use super::table;
use crate::api::outcome::Failure;
use crate::api::router::Endpoint;
use crate::api::{Call, Who, answer};
use crate::audit::random_id;
use crate::config::{Source, SourceFormat, SourceTransport};
use crate::convert::Format;
use crate::layers::Response;
use crate::pipeline::{Answer, Inbound, Outcome, Transport};

/// `POST /fhir/$process-message`
pub(crate) async fn process_message(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    who.must(Action::Ingest)?;
    let kind = call.content_type();
    match kind.as_deref().and_then(Format::from_content_type) {
        Some(Format::Hl7v2) => as_it_came(call, who, SourceFormat::Hl7v2).await,
        Some(Format::Ccda) => as_it_came(call, who, SourceFormat::Ccda).await,
        Some(other) if other != Format::FhirR4 => {
            let text = "this kind of message is not read here; send a message Bundle, application/hl7-v2 or application/cda+xml";
            Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", text))
        }
        _ => bundle(call, who).await,
    }
}

/// A message of another standard: answered as at `/ingest`.
async fn as_it_came(call: &mut Call, who: &Who, of: SourceFormat) -> Result<Response, Failure> {
    let source = source(call, who, of)?.name.clone();
    let content_type = call.header(CONTENT_TYPE).map(str::to_owned);
    let raw = call.body().await?;
    if raw.is_empty() {
        return Err(Failure::bad("expected a message, found an empty body"));
    }
    let (status, outcome) = received(call, source, raw, content_type).await?;
    let mut response = answer::fhir(status, operation_outcome(&outcome.issues).to_bytes());
    answer::header(&mut response, LOCATION, &format!("/exchanges/{}", outcome.exchange));
    Ok(response)
}

async fn received(
    call: &Call,
    source: String,
    raw: bytes::Bytes,
    content_type: Option<String>,
) -> Result<(StatusCode, Outcome), Failure> {
    let inbound = Inbound { source, transport: Transport::Http, received_at: call.app.clock.now(), raw, content_type };
    Ok(match call.app.ingest.receive(&call.app, inbound).await? {
        Answer::New(outcome) => (StatusCode::CREATED, outcome),
        Answer::Repeat(outcome) => (StatusCode::OK, outcome),
    })
}

/// A message Bundle: answered by one.
async fn bundle(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    let operation = table::of(Endpoint::ProcessMessage).ok_or_else(|| Failure::unknown("this address"))?;
    let input = Input::read(call, operation, Some("content")).await?;
    let content = input.resource("content").ok_or_else(|| {
        Failure::new(StatusCode::BAD_REQUEST, "required", "content: expected a message Bundle").at("content")
    })?;
    let header = header(content)?.clone();
    let source = source(call, who, SourceFormat::FhirR4)?.name.clone();
    let raw = bytes::Bytes::from(content.to_bytes());
    let (_, outcome) = received(call, source, raw, Some("application/fhir+json".to_owned())).await?;
    let mut response = answer::fhir(StatusCode::OK, answered(call, &header, &outcome).to_bytes());
    answer::header(&mut response, LOCATION, &format!("/exchanges/{}", outcome.exchange));
    Ok(response)
}

/// The MessageHeader of a message (FHIR R4 messaging.html): its first entry, with what an answer needs of it.
fn header(message: &Json) -> Result<&Json, Failure> {
    let mut issues = Vec::new();
    if message.text_at(&["type"]) != Some("message") {
        issues.push(Issue::error("invalid", "expected a Bundle of the type message").at("Bundle.type"));
    }
    let first = message.items("entry").first().and_then(|entry| entry.get("resource"));
    let header = first.filter(|first| model::resource::resource_type(first) == Some("MessageHeader"));
    match header {
        None => issues.push(Issue::error("required", "expected a MessageHeader").at("Bundle.entry[0].resource")),
        Some(header) => {
            let at = "Bundle.entry[0].resource";
            if header.get("eventCoding").is_none() && header.get("eventUri").is_none() {
                issues.push(Issue::error("required", "expected an event").at(format!("{at}.event")));
            }
            if model::resource::id(header).is_none() {
                issues.push(
                    Issue::error("required", "expected an id, which the answer refers to").at(format!("{at}.id")),
                );
            }
            if header.text_at(&["source", "endpoint"]).is_none() {
                issues.push(
                    Issue::error("required", "expected the address of the sender").at(format!("{at}.source.endpoint")),
                );
            }
        }
    }
    match (header, issues.is_empty()) {
        (Some(header), true) => Ok(header),
        _ => Err(Failure::of(StatusCode::BAD_REQUEST, issues)),
    }
}

/// The source a message is of: the caller's own; for who may send for any, the first that takes such messages.
fn source<'c>(call: &'c Call, who: &Who, of: SourceFormat) -> Result<&'c Source, Failure> {
    let takes = |source: &&Source| source.transport == SourceTransport::Http && source.format == of;
    let own = who.source().and_then(|name| call.app.config.source(name)).filter(|source| takes(source));
    let any = || match who.is_open() || who.has(Role::Administrator) {
        true => call.app.config.sources.iter().find(takes),
        false => None,
    };
    own.or_else(any).ok_or_else(|| {
        let text = "no source of this caller takes messages of this kind over HTTP";
        Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "not-supported", text)
    })
}

fn answered(call: &Call, request: &Json, outcome: &Outcome) -> Json {
    let base = call.base();
    let (bundle_id, header_id, outcome_id) = (random_id(), random_id(), random_id());
    let mut header = Object::new();
    header.insert("resourceType", "MessageHeader");
    header.insert("id", header_id.as_str());
    for name in ["eventCoding", "eventUri"] {
        if let Some(event) = request.get(name) {
            header.insert(name, event.clone());
        }
    }
    if let Some(endpoint) = request.text_at(&["source", "endpoint"]) {
        header.insert("destination", Json::array([Json::object([("endpoint", Json::from(endpoint))])]));
    }
    let source = [
        ("name", Json::from("Anchorline")),
        ("software", Json::from("Anchorline")),
        ("version", Json::from(env!("CARGO_PKG_VERSION"))),
        ("endpoint", Json::from(format!("{base}/$process-message").as_str())),
    ];
    header.insert("source", Json::object(source));
    let details = Json::object([("reference", Json::from(format!("urn:uuid:{outcome_id}").as_str()))]);
    let response = [
        ("identifier", Json::from(model::resource::id(request).unwrap_or_default())),
        ("code", Json::from("ok")),
        ("details", details),
    ];
    header.insert("response", Json::object(response));
    let mut issues = outcome.issues.clone();
    issues.push(Issue::new(Severity::Information, "informational", format!("this is exchange {}", outcome.exchange)));
    let mut said = operation_outcome(&issues);
    if let Some(said) = said.as_object_mut() {
        said.insert("id", outcome_id.as_str());
    }
    let entry = |id: &str, resource: Json| {
        Json::object([("fullUrl", Json::from(format!("urn:uuid:{id}").as_str())), ("resource", resource)])
    };
    Json::object([
        ("resourceType", Json::from("Bundle")),
        ("id", Json::from(bundle_id.as_str())),
        ("type", Json::from("message")),
        ("timestamp", Json::from(call.app.clock.now().to_rfc3339().as_str())),
        ("entry", Json::array([entry(&header_id, header.into()), entry(&outcome_id, said)])),
    ])
}
