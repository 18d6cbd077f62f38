//! `POST /convert?from=&to=&package=`: translate only, nothing stored.

use auth::Action;
use bytes::Bytes;
use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE};
use model::json::{Json, Object};
use model::outcome::{Issue, operation_outcome};

use super::format::{GENERAL, is_offered, parameter, weight};
use super::outcome::{FHIR_JSON, Failure};
use super::query::{pairs, unknown_parameter};
use super::{Call, Who, answer};
use crate::convert::target::{self, Target};
use crate::convert::{self, Conversion, Format, Part, Reports};
use crate::layers::Response;

const KNOWN: &str = "from, to, package, timezone, hl7-version, delimiters, message-type, document-type";

/// `POST /convert`
pub(super) async fn convert(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    translate(call, who, false).await
}

/// `POST /fhir/$convert`: the same beside the other operations (FHIR R4 resource-operation-convert.html). FHIR comes back in
/// the form that the request asks for.
pub(super) async fn operation(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    translate(call, who, true).await
}

async fn translate(call: &mut Call, who: &Who, in_fhir: bool) -> Result<Response, Failure> {
    who.must(Action::Convert)?;
    let mut request = request(call, in_fhir)?;
    let reported = call.prefers("return=OperationOutcome");
    if reported {
        request.reports = Reports::Made;
    }
    let input = call.body().await?;
    if input.is_empty() {
        return Err(Failure::bad("expected a message, found an empty body"));
    }
    let to = request.to;
    let set = call.app.packages.current();
    // A large batch takes long enough to keep others of this thread waiting.
    let parts = tokio::task::spawn_blocking(move || {
        let mut parts = Vec::new();
        let is_batch = convert::convert(set.packages(), &request, &input, |part| parts.push(part));
        (is_batch, parts)
    });
    let (is_batch, parts) = parts.await.map_err(|_| unread())?;
    if reported {
        return Ok(report(is_batch, &parts));
    }
    let refused: Vec<Issue> = parts.iter().filter_map(|part| part.result.as_ref().err()).flatten().cloned().collect();
    if parts.is_empty() || !refused.is_empty() && (!is_batch || refused.len() >= parts.len()) {
        return Err(Failure::of(StatusCode::UNPROCESSABLE_ENTITY, refused));
    }
    let mut outputs = parts.into_iter().filter_map(|part| part.result.ok());
    if !is_batch {
        let body = outputs.next().map(|output| output.body.into_bytes()).transpose().map_err(|_| unread())?;
        let body = Bytes::from(body.unwrap_or_default());
        let mut response = answer::fhir(StatusCode::OK, body);
        answer::header(&mut response, CONTENT_TYPE, to.content_type());
        return Ok(response);
    }
    let mut lines = Vec::new();
    for output in outputs {
        output.body.write(&mut lines).map_err(|_| unread())?;
        lines.push(b'\n');
    }
    let mut response = answer::fhir(StatusCode::OK, lines);
    let kind = if to == Format::FhirR4 { "application/fhir+ndjson" } else { to.content_type() };
    answer::header(&mut response, CONTENT_TYPE, kind);
    Ok(response)
}

fn unread() -> Failure {
    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "exception", "an error of the gateway")
}

fn request(call: &Call, in_fhir: bool) -> Result<Conversion, Failure> {
    let (mut from, mut to, mut packages, mut timezone) = (None, None, Vec::new(), None);
    let format = |name: &str, value: &str| {
        Format::parse(value).ok_or_else(|| {
            Failure::new(
                StatusCode::BAD_REQUEST,
                "value",
                format!("{name}: expected a format such as hl7v2 or fhir-r4"),
            )
        })
    };
    let mut target = Target::default();
    for (name, value) in pairs(&call.query)? {
        match name.as_str() {
            "from" if value.is_empty() => {}
            "from" => from = Some(format("from", &value)?),
            "to" => to = Some(format("to", &value)?),
            "package" if value.is_empty() => {}
            "package" => packages.extend(value.split(',').map(str::to_owned)),
            "timezone" => timezone = Some(value),
            "hl7-version" => target.version = asked("hl7-version", target::version(&value))?,
            "delimiters" => target.delimiters = Some(asked("delimiters", target::delimiters(&value))?),
            "message-type" => target.message_type = Some(asked("message-type", target::message_type(&value))?),
            "document-type" => target.document_type = asked("document-type", target::document_type(&value))?,
            // `$convert` stands under `/fhir`, where these say how the answer is written.
            name if in_fhir && GENERAL.contains(&name) => {}
            _ => return Err(unknown_parameter(&name, KNOWN)),
        }
    }
    let from = match from {
        Some(from) => from,
        None => sent(call)?,
    };
    let to = match to {
        Some(to) => to,
        None => accepted(call)?,
    };
    Ok(Conversion { from, to, packages, timezone, reports: Reports::Left, target })
}

/// What the body is by its media type, its version of FHIR included (http.html, "FHIR Version Parameter").
fn sent(call: &Call) -> Result<Format, Failure> {
    let Some(kind) = call.header(CONTENT_TYPE) else { return Ok(Format::Auto) };
    match Format::from_content_type(kind) {
        Some(format) => Ok(format),
        None if parameter(kind, "fhirVersion").is_some() => {
            let text = "expected fhirVersion 1.0, 3.0, 4.0, 4.3 or 5.0 of FHIR";
            Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", text))
        }
        None => Ok(Format::Auto),
    }
}

/// The version of FHIR that `Accept` asks for before all others; R4 where it names none.
fn accepted(call: &Call) -> Result<Format, Failure> {
    let ranges = call.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let (mut best, mut is_named) = (None, false);
    for range in ranges.flat_map(|value| value.split(',')) {
        let has_version = parameter(range, "fhirVersion").is_some();
        is_named |= has_version;
        // Other versions are written in JSON alone.
        let found = match has_version {
            true => Format::from_content_type(range).filter(|found| found.is_written() && !range.contains("xml")),
            false => is_offered(range).then_some(Format::FhirR4),
        };
        let weight = weight(range);
        if let Some(found) = found.filter(|_| weight > 0)
            && best.is_none_or(|(known, _)| weight > known)
        {
            best = Some((weight, found));
        }
    }
    match best {
        Some((_, format)) => Ok(format),
        None if is_named => {
            let text =
                "FHIR is written in the versions 3.0, 4.0, 4.3 and 5.0 here, as application/fhir+json; fhirVersion=5.0";
            Err(Failure::new(StatusCode::NOT_ACCEPTABLE, "not-supported", text))
        }
        None => Ok(Format::FhirR4),
    }
}

/// A parameter's value, or what was expected of it.
fn asked<T>(name: &str, read: Result<T, String>) -> Result<T, Failure> {
    read.map_err(|expected| Failure::new(StatusCode::BAD_REQUEST, "value", format!("{name}: {expected}")))
}

/// The report instead of the result: findings, and what became of every piece of the input.
fn report(is_batch: bool, parts: &[Part]) -> Response {
    let mut issues = Vec::new();
    let mut details = Vec::new();
    for part in parts {
        let mut detail = Object::new();
        if is_batch {
            detail.insert("message", part.number as u64);
        }
        match &part.result {
            Ok(output) => {
                issues.extend(output.issues.iter().cloned());
                detail.insert("loss", output.loss.clone());
                detail.insert("explain", output.explain.clone());
            }
            Err(found) => issues.extend(found.iter().cloned()),
        }
        details.push(Json::from(detail));
    }
    let status =
        if parts.iter().all(|part| part.result.is_ok()) { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let mut outcome = operation_outcome(&issues);
    // The lists are far larger than diagnostics may be; they travel as one JSON text in an extension of the outcome.
    if let Some(object) = outcome.as_object_mut() {
        let text =
            if is_batch { Json::Array(details) } else { details.into_iter().next().unwrap_or(Json::Null) }.to_text();
        let extension = Json::object([
            ("url", Json::from("urn:gateway:convert:report")),
            ("valueString", Json::from(text.as_str())),
        ]);
        object.insert("extension", Json::array([extension]));
    }
    answer::bytes(status, FHIR_JSON, outcome.to_bytes())
}
