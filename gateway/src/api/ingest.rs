//! `POST /ingest/{source}`: a message of a configured source; the whole exchange before the answer.

use auth::Action;
use http::header::LOCATION;
use http::{HeaderName, StatusCode};
use model::outcome::{Issue, Severity, operation_outcome};

use super::outcome::Failure;
use super::{Call, Who, answer};
use crate::config::SourceTransport;
use crate::layers::Response;
use crate::pipeline::{Answer, Inbound, Transport};

/// Where the receipt of the exchange is; sent once it is sealed.
const LEDGER_RECEIPT: HeaderName = HeaderName::from_static("ledger-receipt");

pub(super) async fn ingest(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    who.must(Action::Ingest)?;
    let name = call.params.text("source").to_owned();
    let known = call.app.config.source(&name).is_some_and(|source| source.transport == SourceTransport::Http);
    if !known {
        return Err(Failure::unknown("this source"));
    }
    let by_credential = who.caller().and_then(auth::Caller::source_name);
    // A token that names one configured source does not send as another either.
    let by_token = who.source().filter(|own| !who.is_open() && call.app.config.source(own).is_some());
    let is_administrator = who.has(auth::Role::Administrator);
    if by_credential.or(by_token).is_some_and(|own| own != name) && !is_administrator {
        return Err(Failure::forbidden("a source sends under its own name"));
    }
    let content_type = call.header(http::header::CONTENT_TYPE).map(str::to_owned);
    let raw = call.body().await?;
    if raw.is_empty() {
        return Err(Failure::bad("expected a message, found an empty body"));
    }
    let inbound =
        Inbound { source: name, transport: Transport::Http, received_at: call.app.clock.now(), raw, content_type };
    let (status, outcome) = match call.app.ingest.receive(&call.app, inbound).await? {
        Answer::New(outcome) => (StatusCode::CREATED, outcome),
        Answer::Repeat(outcome) => (StatusCode::OK, outcome),
    };
    let mut issues = outcome.issues;
    for (number, part) in outcome.parts.iter().enumerate() {
        // A batch has one answer; each of its messages has an exchange of its own.
        let text = format!("message {} of the batch is exchange {part}", number + 1);
        issues.push(Issue::new(Severity::Information, "informational", text));
    }
    let mut response = answer::fhir(status, operation_outcome(&issues).to_bytes());
    answer::header(&mut response, LOCATION, &format!("/exchanges/{}", outcome.exchange));
    if let Some(index) = outcome.ledger_index
        && matches!(call.app.ledger.receipt(index), Ok(Some(_)))
    {
        answer::header(&mut response, LEDGER_RECEIPT, &format!("/ledger/receipts/{}", outcome.exchange));
    }
    Ok(response)
}
