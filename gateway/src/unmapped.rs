//! What senders say that the mappings have no home for, over time: by source, sender, type and place, so that a gap becomes
//! a mapping.
//!
//! Counted from the store, beside the messages and not in their way: each exchange holds its own places. The sums are kept
//! in a file of the data directory that says how far they go; without it they are counted anew. No value is ever kept but
//! codes of vocabulary maps, and those are shown only once several patients had them.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::json::{Json, Limits, parse};
use model::time::Instant;
use store::{ExchangeDetail, ExchangeId, ExchangeState, Exchanges, Store};
use tokio::sync::watch;

use crate::app::App;

mod file;
pub mod report;
#[cfg(test)]
mod tests;

/// How often what came in is counted.
const INTERVAL: Duration = Duration::from_secs(2);
/// How often the sums are written down, in rounds of [`INTERVAL`].
const ROUNDS_TO_SAVE: u32 = 30;
/// Exchanges read at a time.
const CHUNK: usize = 256;
/// Exchanges counted before others may ask.
const PART: usize = 4_096;
/// Lines of each kind; what is beyond is counted as left off.
const LINES_MOST: usize = 20_000;
/// Exchanges that wait for processing or a person and are looked at again.
const WAITING_MOST: usize = 4_096;
/// Days of which each line knows its count.
const DAYS: usize = 31;
/// A code is shown once so many patients had it: a name in a code's place is one patient's.
const PATIENTS: usize = 3;
/// Longest name of a sending system.
const NAME_MOST: usize = 64;

/// Who sends what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sender {
    /// Configured source.
    pub source: String,
    /// MSH-3.
    pub application: String,
    /// MSH-4.
    pub facility: String,
    /// `ADT^A01`
    pub kind: String,
}

/// How often, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// Exchanges.
    pub exchanges: u64,
    /// Pieces kept.
    pub kept: u64,
    /// Pieces dropped without a rule.
    pub dropped: u64,
    /// The first exchange and when it was received.
    pub first: Option<(ExchangeId, Instant)>,
    /// The last one.
    pub last: Option<(ExchangeId, Instant)>,
    /// Exchanges by day since 1970, the last ones only.
    pub days: BTreeMap<i64, u64>,
    /// Patients, by hash, as far as it matters.
    patients: BTreeSet<u64>,
}

/// A code that a vocabulary map lacks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code {
    /// Whose.
    pub sender: Sender,
    /// Where.
    pub at: String,
    /// The vocabulary map.
    pub map: String,
    /// The code; empty where it is not of a code's form.
    pub code: String,
}

/// The sums.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// Messages that were mapped, by sender.
    pub senders: BTreeMap<Sender, Line>,
    /// Places without a home.
    pub places: BTreeMap<(Sender, String), Line>,
    /// Codes without a home.
    pub codes: BTreeMap<Code, Line>,
    /// Lines that found no room.
    pub left_off: u64,
    /// Exchanges below this number are counted, but for those that wait.
    next: u64,
    /// The exchange before that, to know the store again.
    last: Option<ExchangeId>,
    waiting: BTreeSet<u64>,
}

/// Counts, and knows what was counted. Bounded, and rebuilt from the store where its file does not fit.
pub struct Unmapped {
    file: PathBuf,
    sums: Mutex<Sums>,
}

impl Unmapped {
    /// Reads what was counted before.
    pub fn open(data: &Path, store: &Store) -> Self {
        let file = data.join("unmapped.json");
        let known = file::read(&file).filter(|sums| fits(sums, store));
        Self { file, sums: Mutex::new(known.unwrap_or_default()) }
    }

    /// Counts from time to time and writes the sums down, until stopped.
    pub async fn run(&self, app: &App, mut stop: watch::Receiver<bool>) {
        let mut rounds = 0;
        loop {
            let stopped = tokio::select! {
                () = tokio::time::sleep(INTERVAL) => false,
                _ = stop.wait_for(|stop| *stop) => true,
            };
            rounds += 1;
            let (worker, stopping) = (app.clone(), stop.clone());
            let save = stopped || rounds % ROUNDS_TO_SAVE == 0;
            let counted = tokio::task::spawn_blocking(move || {
                // In parts: a store whose sums were lost is long, and neither who asks nor who stops waits for all of it.
                while !worker.unmapped.count(&worker.store, PART)? {
                    if *stopping.borrow() {
                        break;
                    }
                }
                if save {
                    worker.unmapped.save();
                }
                Ok::<_, store::Error>(())
            });
            if let Ok(Err(error)) = counted.await {
                tracing::warn!(%error, "what is not mapped could not be counted");
            }
            if stopped {
                return;
            }
        }
    }

    /// Counts what came in since the last time, so many exchanges at most; whether that was all.
    ///
    /// # Errors
    /// What the store says.
    fn count(&self, store: &Store, most: usize) -> Result<bool, store::Error> {
        let mut sums = self.sums();
        let mut done = 0;
        let waiting: Vec<u64> = sums.waiting.iter().copied().collect();
        for number in waiting {
            for detail in store.details(number, 1)? {
                sums.waiting.remove(&number);
                sums.take(&detail);
            }
        }
        loop {
            let found = store.details(sums.next, CHUNK)?;
            for detail in &found {
                sums.next = detail.number + 1;
                sums.last = Some(detail.id);
                sums.take(detail);
            }
            done += found.len();
            if found.len() < CHUNK || done >= most {
                return Ok(found.len() < CHUNK);
            }
        }
    }

    /// The sums as they are, after counting what is new.
    ///
    /// # Errors
    /// What the store says.
    pub fn sums_now(&self, store: &Store) -> Result<Sums, store::Error> {
        while !self.count(store, PART)? {}
        Ok(self.sums().clone())
    }

    fn save(&self) {
        let text = file::write(&self.sums());
        file::replace(&self.file, text.as_bytes()).unwrap_or_else(|error| {
            // They are counted anew then: nothing is lost but time.
            tracing::warn!(%error, "the sums of what is not mapped could not be written down");
        });
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the sums are of this store: it has the exchange that was counted last, under its number.
fn fits(sums: &Sums, store: &Store) -> bool {
    let Some(last) = sums.last else { return sums.next == 0 };
    let found = sums.next.checked_sub(1).map(|number| store.details(number, 1));
    matches!(found, Some(Ok(found)) if found.first().is_some_and(|detail| detail.id == last))
}

impl Sums {
    fn take(&mut self, exchange: &ExchangeDetail) {
        let detail = exchange.detail.as_deref().and_then(|text| parse(text.as_bytes(), &Limits::default()).ok());
        let Some(detail) = detail else {
            // Its mapping is still to come.
            if matches!(exchange.state, ExchangeState::Accepted | ExchangeState::Held)
                && self.waiting.len() < WAITING_MOST
            {
                self.waiting.insert(exchange.number);
            }
            return;
        };
        let Some(kind) = detail.get("type").and_then(Json::as_str) else { return };
        let name = |text: &Option<String>| text.iter().flat_map(|text| text.chars()).take(NAME_MOST).collect();
        let sender = Sender {
            source: exchange.source.clone(),
            application: name(&exchange.sending_application),
            facility: name(&exchange.sending_facility),
            kind: kind.to_owned(),
        };
        let patient = exchange.patient.as_ref().map(|patient| {
            let mut hasher = DefaultHasher::new();
            patient.hash(&mut hasher);
            hasher.finish()
        });
        let mut seen = Seen { exchange, patient, kept: 0, dropped: 0 };
        add(&mut self.senders, sender.clone(), &seen, &mut self.left_off);
        for place in detail.items("unmapped") {
            let part = |at: usize| place.as_array().and_then(|parts| parts.get(at));
            let number = |at: usize| match part(at) {
                Some(Json::Number(number)) => number.as_u64().unwrap_or(0),
                _ => 0,
            };
            let Some(at) = part(0).and_then(Json::as_str) else { continue };
            (seen.kept, seen.dropped) = (number(1), number(2));
            add(&mut self.places, (sender.clone(), at.to_owned()), &seen, &mut self.left_off);
        }
        (seen.kept, seen.dropped) = (0, 0);
        let mut once = BTreeSet::new();
        for code in detail.items("codes") {
            let part = |at: usize| code.as_array().and_then(|parts| parts.get(at)).and_then(Json::as_str);
            let (Some(map), Some(at)) = (part(0), part(1)) else { continue };
            let code = Code {
                sender: sender.clone(),
                at: at.to_owned(),
                map: map.to_owned(),
                code: part(2).unwrap_or_default().to_owned(),
            };
            if once.insert(code.clone()) {
                add(&mut self.codes, code, &seen, &mut self.left_off);
            }
        }
    }
}

/// What one exchange adds to a line.
struct Seen<'e> {
    exchange: &'e ExchangeDetail,
    patient: Option<u64>,
    kept: u64,
    dropped: u64,
}

fn add<K: Ord>(lines: &mut BTreeMap<K, Line>, key: K, seen: &Seen<'_>, left_off: &mut u64) {
    if lines.len() >= LINES_MOST && !lines.contains_key(&key) {
        *left_off += 1;
        return;
    }
    let line = lines.entry(key).or_default();
    let (id, received) = (seen.exchange.id, seen.exchange.received);
    line.exchanges += 1;
    line.kept += seen.kept;
    line.dropped += seen.dropped;
    if line.first.is_none_or(|(_, first)| received < first) {
        line.first = Some((id, received));
    }
    if line.last.is_none_or(|(_, last)| received >= last) {
        line.last = Some((id, received));
    }
    *line.days.entry(day(received)).or_default() += 1;
    while line.days.len() > DAYS {
        line.days.pop_first();
    }
    if line.patients.len() < PATIENTS {
        line.patients.extend(seen.patient);
    }
}

/// Days since 1970, in UTC.
fn day(at: Instant) -> i64 {
    at.millis().div_euclid(86_400_000)
}

impl Line {
    /// Whether enough patients had it for its text to be nobody's.
    pub fn is_common(&self) -> bool {
        self.patients.len() >= PATIENTS
    }

    /// Exchanges since then, by whole days; all of them where the days do not reach back so far.
    pub fn since(&self, since: Option<Instant>) -> u64 {
        let Some(since) = since else { return self.exchanges };
        if self.last.is_none_or(|(_, last)| last < since) {
            return 0;
        }
        let reaches = self.days.len() < DAYS || self.days.keys().next().is_some_and(|first| *first <= day(since));
        if !reaches || self.first.is_some_and(|(_, first)| first >= since) {
            return self.exchanges;
        }
        self.days.range(day(since)..).map(|(_, count)| count).sum()
    }
}
