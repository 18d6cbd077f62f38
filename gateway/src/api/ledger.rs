//! `/ledger/…`: checkpoint, tiles and receipts as C2SP has them. Read by anybody: what they hold is salted.

use http::StatusCode;
use http::header::{CACHE_CONTROL, RETRY_AFTER};
use store::{ExchangeId, Exchanges};

use super::outcome::Failure;
use super::{Call, answer};
use crate::layers::Response;

const TEXT: &str = "text/plain; charset=utf-8";

/// `GET /ledger/checkpoint` (c2sp.org/tlog-tiles, "Checkpoints")
pub(super) fn checkpoint(call: &Call) -> Result<Response, Failure> {
    let checkpoint = call.app.ledger.checkpoint().ok_or_else(|| Failure::unknown("a checkpoint"))?;
    let mut response = answer::bytes(StatusCode::OK, TEXT, checkpoint);
    answer::header(&mut response, CACHE_CONTROL, "no-cache");
    Ok(response)
}

/// `GET /ledger/key`: the log's public key as PEM, for `anchorline ledger receipt verify --key`. Whoever wants to trust
/// nobody compares it with the key from elsewhere.
pub(super) fn key(call: &Call) -> Result<Response, Failure> {
    let pem = call.app.ledger.public_key().to_pem().map_err(|error| broken(&error))?;
    let mut response = answer::bytes(StatusCode::OK, "application/x-pem-file", pem);
    answer::header(&mut response, CACHE_CONTROL, "no-cache");
    Ok(response)
}

/// `GET /ledger/tile/L/N`, `GET /ledger/tile/entries/N` (c2sp.org/tlog-tiles, "Merkle Tree", "Log entries")
pub(super) fn tile(call: &Call) -> Result<Response, Failure> {
    let path = format!("tile/{}", call.params.text("path"));
    let found = match ledger::tile::TileId::parse(&path) {
        Some(_) => call.app.ledger.read(&path).map_err(|error| broken(&error))?,
        None => None,
    };
    let bytes = found.ok_or_else(|| Failure::unknown("this tile"))?;
    let mut response = answer::bytes(StatusCode::OK, "application/octet-stream", bytes);
    // A tile never changes once it is there.
    answer::header(&mut response, CACHE_CONTROL, "public, max-age=31536000, immutable");
    Ok(response)
}

/// `GET /ledger/receipts/{exchange}` (c2sp.org/tlog-proof): 200 with the receipt, 202 until the seal, 404 if unknown.
pub(super) fn receipt(call: &Call) -> Result<Response, Failure> {
    let unknown = || Failure::unknown("this exchange");
    let id = ExchangeId::parse(call.params.text("id")).ok_or_else(unknown)?;
    let exchange = call.app.store.exchange(&id)?;
    if exchange.is_none() && !call.app.emergency.is_waiting(&id) {
        return Err(unknown());
    }
    let sealed = match exchange.as_ref().and_then(|exchange| exchange.ledger.first()) {
        Some(index) => call.app.ledger.receipt(*index).map_err(|error| broken(&error))?,
        None => None,
    };
    match sealed {
        Some(receipt) => Ok(answer::bytes(StatusCode::OK, TEXT, receipt)),
        None => {
            let mut response = answer::empty(StatusCode::ACCEPTED);
            answer::header(&mut response, RETRY_AFTER, "1");
            Ok(response)
        }
    }
}

fn broken(error: &ledger::Error) -> Failure {
    tracing::error!(%error, "the ledger could not be read");
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, "no-store", "the ledger cannot be read at this moment").retry_after(5)
}
