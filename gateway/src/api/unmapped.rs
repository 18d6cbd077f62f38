//! `GET /exchanges/unmapped`: what senders say that the mappings have no home for, over time.

use auth::Action;
use http::StatusCode;
use http::header::ACCEPT;

use super::outcome::Failure;
use super::query::{moment, pairs, unknown_parameter};
use super::{Call, Who, answer};
use crate::layers::Response;
use crate::unmapped::report::Filter;

const KNOWN: &str = "source, sender, type, since, _format";

pub(super) async fn unmapped(call: &Call, who: &Who) -> Result<Response, Failure> {
    who.must(Action::Mappings)?;
    let mut filter = Filter::default();
    let mut table = call.header(ACCEPT).is_some_and(|accept| accept.contains("text/csv"));
    for (name, value) in pairs(&call.query)? {
        match name.as_str() {
            "source" => filter.source = Some(value),
            "sender" => filter.sender = Some(value),
            "type" => filter.kind = Some(value),
            "since" => filter.since = Some(moment("since", &value)?.earliest()),
            "_format" => {
                table = match value.as_str() {
                    "csv" | "text/csv" => true,
                    "json" | "application/json" => false,
                    _ => return Err(Failure::bad("_format: expected json or csv")),
                }
            }
            _ => return Err(unknown_parameter(&name, KNOWN)),
        }
    }
    let app = call.app.clone();
    let counted = tokio::task::spawn_blocking(move || app.unmapped.sums_now(&app.store)).await;
    let sums = counted
        .map_err(|_| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "exception", "an error of the gateway"))??;
    if table {
        let mut response = answer::bytes(StatusCode::OK, "text/csv; charset=utf-8", sums.table(&filter));
        answer::header(&mut response, http::header::CACHE_CONTROL, "no-store");
        return Ok(response);
    }
    Ok(answer::json(StatusCode::OK, &sums.report(&filter)))
}
