//! Ledger checks from outside: with public keys only, over the public addresses.
//!
//! The checkpoint holds, the tiles give its root, a new exchange gets a receipt that verifies, the log only grows, and
//! no personal data stands in an entry. C2SP tlog-tiles, tlog-checkpoint and tlog-proof.

use std::sync::Arc;
use std::time::Duration;

use ::ledger::checkpoint::TrustedKeys;
use ::ledger::command::{trusted_keys, verify_receipt};
use ::ledger::entry::Record;
use ::ledger::fsck;
use ::ledger::tile::{Entries, Kind, TileId, row_of};
use ::ledger::tree::{Hash, Peaks};
use model::json::Json;
use tokio::runtime::Handle;

use crate::client::{Exchange, Request};
use crate::context::Context;
use crate::result::{Step, SuiteResult, Weight};
use crate::run::{self, Job, Recorder};

/// How long a new exchange may wait for its receipt.
const SEAL_WAIT: Duration = Duration::from_secs(30);

/// Between two looks for it.
const POLL: Duration = Duration::from_millis(200);

/// Runs the checks. The variables: `ledger-key` names files of public keys (apart by commas); `ledger` the address, if it
/// is not the endpoint's without `/fhir`. `run_id`: letters and digits that no other run has.
pub(crate) async fn run(context: &Arc<Context>, run_id: &str) -> SuiteResult {
    let name = "ledger";
    let about = "The ledger as an outsider sees it: checkpoint, tiles, receipts, growth, no personal data".to_owned();
    let keys = match keys(context) {
        Ok(keys) => keys,
        Err(said) => {
            let steps = vec![Step::error("the public keys can be read", said)];
            let test =
                crate::result::Test { group: name.to_owned(), name: "keys".to_owned(), steps, ..Default::default() };
            return SuiteResult { name: name.to_owned(), about, tests: vec![test] };
        }
    };
    let ledger =
        Arc::new(Ledger { context: Arc::clone(context), root: root(context), keys, run_id: run_id.to_owned() });
    let job = Job::new(name, |recorder| async move { ledger.run(&recorder).await });
    SuiteResult { name: name.to_owned(), about, tests: run::all(vec![job], context.bounds).await }
}

fn keys(context: &Context) -> Result<TrustedKeys, String> {
    let files = context.variables.get("ledger-key").ok_or("no public key was named (--variable ledger-key=FILE)")?;
    let texts = files
        .split(',')
        .map(|file| std::fs::read_to_string(file.trim()).map_err(|error| format!("{}: {error}", file.trim())))
        .collect::<Result<Vec<_>, _>>()?;
    trusted_keys(texts.iter().map(String::as_str)).map_err(|error| error.to_string())
}

fn root(context: &Context) -> String {
    if let Some(address) = context.variables.get("ledger") {
        return address.trim_end_matches('/').to_owned();
    }
    let base = context.base().trim_end_matches('/');
    base.strip_suffix("/fhir").unwrap_or(base).to_owned()
}

struct Ledger {
    context: Arc<Context>,
    root: String,
    keys: TrustedKeys,
    run_id: String,
}

impl Ledger {
    async fn run(self: &Arc<Self>, recorder: &Recorder) {
        recorder.test("ledger", "the log holds from the first entry to the checkpoint", Weight::Shall);
        let before = self.verify(recorder).await;
        recorder.test("ledger", "a new exchange gets a receipt that verifies offline", Weight::Shall);
        let receipt = self.receipt(recorder).await;
        recorder.test("ledger", "the log only grows", Weight::Shall);
        match (before, receipt) {
            (Some(before), Some(index)) => self.growth(recorder, &before, index).await,
            _ => recorder.step(Step::skipped("the log is compared with itself", "there is nothing to compare")),
        }
        recorder.test("ledger", "no personal data stands in an entry", Weight::Shall);
        self.entries(recorder, receipt).await;
    }

    async fn get(&self, path: &str) -> Arc<Exchange> {
        self.context.client.send(Request::new("GET", format!("{}/ledger/{path}", self.root))).await
    }

    /// Re-derives the whole log; its size and root.
    async fn verify(self: &Arc<Self>, recorder: &Recorder) -> Option<Sealed> {
        let exchange = self.get("checkpoint").await;
        let name = "the checkpoint is there and signed by a known key";
        let note = match body(&exchange) {
            Ok(note) => note,
            Err(said) => {
                recorder.step(Step::failed(name, "200 with a signed note", said).with(&exchange));
                return None;
            }
        };
        let sealed = match self.keys.verify(&note) {
            Ok(sealed) => sealed,
            Err(refusal) => {
                recorder.step(Step::failed(name, "a signature of a known key", refusal.to_string()).with(&exchange));
                return None;
            }
        };
        recorder.step(Step::passed(name).with(&exchange));
        let (this, handle) = (Arc::clone(self), Handle::current());
        // The checks of the ledger read as they go: they run where waiting is allowed.
        let verified = tokio::task::spawn_blocking(move || {
            fsck::verify(|path| this.read(&handle, path), &this.keys, |_, _| {}).map_err(|error| error.to_string())
        });
        let name = "tiles and entries give the root of the checkpoint";
        match verified.await {
            Ok(Ok(_)) => recorder.step(Step::passed(name)),
            Ok(Err(said)) => recorder.step(Step::failed(name, "one tree from tiles, entries and checkpoint", said)),
            Err(_) => recorder.step(Step::error(name, "the check ended unexpectedly")),
        }
        Some(Sealed { size: sealed.size(), root: sealed.root().to_string() })
    }

    fn read(&self, handle: &Handle, path: &str) -> Result<Option<Vec<u8>>, NotRead> {
        let exchange = handle.block_on(self.get(path));
        match &exchange.answer {
            Ok(answer) if answer.status == 200 => Ok(Some(answer.body.to_vec())),
            Ok(answer) if answer.status == 404 => Ok(None),
            Ok(answer) => Err(NotRead(format!("status {} for {path}", answer.status))),
            Err(error) => Err(NotRead(error.to_string())),
        }
    }

    /// Makes an exchange and waits for its receipt; the index it names.
    async fn receipt(&self, recorder: &Recorder) -> Option<u64> {
        let id = format!("{}ledger", self.run_id);
        let patient = Json::object([
            ("resourceType", Json::from("Patient")),
            ("id", Json::from(id.as_str())),
            (
                "identifier",
                Json::array([Json::object([
                    ("system", Json::from("urn:anchorline:suite")),
                    ("value", Json::from(id.as_str())),
                ])]),
            ),
            ("name", Json::array([Json::object([("family", Json::from(self.canary()))])])),
        ]);
        let request = Request::new("PUT", self.context.url(&format!("Patient/{id}")))
            .body("application/fhir+json", patient.to_bytes());
        let written = self.context.client.send(request).await;
        let name = "a write names its exchange";
        let exchange = written.answer.as_ref().ok().filter(|answer| matches!(answer.status, 200 | 201));
        let Some(exchange) = exchange.and_then(|answer| answer.header("ledger-exchange")).map(str::to_owned) else {
            recorder.step(Step::failed(name, "200 or 201 with Ledger-Exchange", "neither").with(&written));
            return None;
        };
        recorder.step(Step::passed(name).with(&written));
        let deadline = tokio::time::Instant::now() + SEAL_WAIT;
        let name = "the receipt comes and verifies with public keys";
        loop {
            let answer = self.get(&format!("receipts/{exchange}")).await;
            let step = match body(&answer) {
                Ok(text) => match verify_receipt(&text, &self.keys, None) {
                    Ok(receipt) => {
                        recorder.step(Step::passed(name).with(&answer));
                        recorder.step(self.about_this(&receipt.record, &exchange).with(&answer));
                        return Some(receipt.index);
                    }
                    Err(refusal) => Step::failed(name, "a receipt that verifies", refusal.to_string()),
                },
                Err(said) => Step::failed(name, format!("a receipt within {SEAL_WAIT:?}"), said),
            };
            let is_final = body(&answer).is_ok();
            if is_final || tokio::time::Instant::now() >= deadline {
                recorder.step(step.with(&answer));
                return None;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// The record in a receipt is that of the exchange asked for.
    fn about_this(&self, record: &[u8], exchange: &str) -> Step {
        let name = "the receipt is about the exchange asked for";
        match Record::parse(record) {
            Ok(record) if record.exchange.to_string() == exchange => Step::passed(name),
            Ok(_) => Step::failed(name, exchange, "the record of another exchange"),
            Err(error) => Step::failed(name, "a record of the ledger", error.to_string()),
        }
    }

    /// The later checkpoint covers the earlier: re-derived at the old size, the root is the old one.
    async fn growth(self: &Arc<Self>, recorder: &Recorder, before: &Sealed, index: u64) {
        let exchange = self.get("checkpoint").await;
        let name = "a later checkpoint covers what an earlier one covered";
        let note = match body(&exchange) {
            Ok(note) => note,
            Err(said) => return recorder.step(Step::failed(name, "a checkpoint", said).with(&exchange)),
        };
        let later = match self.keys.verify(&note) {
            Ok(later) => later,
            Err(refusal) => {
                return recorder.step(Step::failed(name, "a signed checkpoint", refusal.to_string()).with(&exchange));
            }
        };
        if later.size() < before.size || later.size() <= index {
            let expected = format!("a size over {}", index.max(before.size.saturating_sub(1)));
            return recorder.step(Step::failed(name, expected, later.size().to_string()).with(&exchange));
        }
        let (this, handle, size) = (Arc::clone(self), Handle::current(), before.size);
        let root = tokio::task::spawn_blocking(move || this.root_at(&handle, size)).await;
        recorder.step(match root {
            Ok(Ok(root)) if root == before.root => Step::passed(name),
            Ok(Ok(_)) => Step::failed(name, "the old root at the old size", "another root: the log was rewritten"),
            Ok(Err(said)) => Step::error(name, said),
            Err(_) => Step::error(name, "the check ended unexpectedly"),
        });
    }

    /// The root over the first entries, from the entries as they are served now.
    fn root_at(&self, handle: &Handle, size: u64) -> Result<String, String> {
        let mut peaks = Peaks::default();
        for bundle in row_of(Kind::Entries, size) {
            let path = bundle.to_string();
            let bytes = self.read(handle, &path).map_err(|error| error.to_string())?;
            let bytes = bytes.ok_or_else(|| format!("{path} is not there"))?;
            Entries::of(&bytes).for_each(|entry| peaks.push(Hash::leaf(entry)));
        }
        Ok(peaks.root().to_string())
    }

    /// A family name that stands nowhere else.
    fn canary(&self) -> String {
        format!("Canary{}", self.run_id)
    }

    /// The entries round the new one hold neither its names nor members that only clinical content has.
    async fn entries(&self, recorder: &Recorder, index: Option<u64>) {
        let name = "the entries hold digests and opaque ids only";
        let Some(index) = index else {
            return recorder.step(Step::skipped(name, "no new entry to look at"));
        };
        let bundle = index / 256;
        let widths = [(index % 256) + 1];
        for width in widths {
            let path = match TileId::new(Kind::Entries, bundle, width) {
                Some(tile) => tile.to_string(),
                None => continue,
            };
            let exchange = self.get(&path).await;
            let bytes = match body(&exchange) {
                Ok(bytes) => bytes,
                Err(said) => return recorder.step(Step::failed(name, "the entries", said).with(&exchange)),
            };
            let text = String::from_utf8_lossy(&bytes);
            let id = format!("{}ledger", self.run_id);
            let words = [self.canary(), id, "resourceType".to_owned(), "\"family\"".to_owned(), "Patient/".to_owned()];
            if let Some(word) = words.iter().find(|word| text.contains(word.as_str())) {
                return recorder.step(Step::failed(name, format!("without {word}"), "it is there").with(&exchange));
            }
            recorder.step(Step::passed(name).with(&exchange));
        }
    }
}

/// What a verified checkpoint said.
struct Sealed {
    size: u64,
    root: String,
}

/// Why a file of the log could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NotRead(String);

fn body(exchange: &Exchange) -> Result<Vec<u8>, String> {
    match &exchange.answer {
        Ok(answer) if answer.status == 200 => Ok(answer.body.to_vec()),
        Ok(answer) => Err(format!("status {}", answer.status)),
        Err(error) => Err(error.to_string()),
    }
}
