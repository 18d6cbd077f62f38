//! A batch: each entry by itself, whatever becomes of the others; answers stand in the order of the requests.

use model::bundle::{Response as EntryResponse, batch_response};
use model::json::Json;

use super::done_alone;
use super::entry::Entry;
use crate::api::outcome::Failure;
use crate::api::{Call, Who, answer};
use crate::layers::Response;

pub(super) async fn process(call: &Call, who: &Who, entries: Vec<Json>) -> Result<Response, Failure> {
    let entries: Vec<Result<Entry, Failure>> =
        entries.into_iter().enumerate().map(|(index, json)| Entry::read(call, index, json)).collect();
    // Entries of a batch must not depend on each other; who sends some that do meets the order of a transaction.
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|index| entries.get(*index).and_then(|entry| entry.as_ref().ok()).map(Entry::turn));
    let mut answers: Vec<EntryResponse> = entries.iter().map(|_| EntryResponse::default()).collect();
    for index in order {
        let (Some(entry), Some(slot)) = (entries.get(index), answers.get_mut(index)) else { continue };
        *slot = match entry {
            Ok(entry) => done_alone(call, who, entry).await,
            Err(failure) => super::as_entry(call, failure.clone().into(), false).await,
        };
    }
    Ok(answer::fhir(http::StatusCode::OK, batch_response(answers).to_bytes()))
}
