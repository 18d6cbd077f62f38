//! The running digest of the audit log: each AuditEvent extends it, and it is anchored after seals that follow new ones.
//!
//! `digest = SHA-256(digest before || SHA-256(JSON text of the event))`, in the order of writing, from 32 zero bytes on.
//! Who changes, drops or inserts an event afterwards cannot reach the anchored digest again.

use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;
use ledger::commitment::Label;
use ledger::entry::Kind;
use model::json::{Json, Limits, parse};
use model::time::Instant;
use sha2::{Digest as _, Sha256};
use store::{
    Arrival, Commit, Commits, Cursor, ExchangeChange, ExchangeId, ExchangeKind, ExchangeQuery, ExchangeState,
    Exchanges, Order, Resources, Search, StateChange,
};

use crate::app::App;

/// The source under which the digests are listed.
const SOURCE: &str = "audit-log";
/// Records of one exchange; then a new one is opened.
const RECORDS: u64 = 256;
/// Under load seals follow each other closely; one digest covers all events since the last.
const INTERVAL: Duration = Duration::from_secs(1);
/// Events taken in at a time, so that the blocking pool is not held for long.
const CHUNK: usize = 8192;

/// Where the running digest stands.
#[derive(Debug, Clone)]
pub(super) struct Digest {
    value: [u8; 32],
    through: Option<Cursor>,
    events: u64,
    exchange: Option<(ExchangeId, u64)>,
    last: Option<Instant>,
}

impl Digest {
    /// Goes on where the last anchored digest stood.
    pub(super) fn resume(app: &App) -> Self {
        let fresh = Self { value: [0; 32], through: None, events: 0, exchange: None, last: None };
        Self::last_anchored(app).unwrap_or(fresh)
    }

    fn last_anchored(app: &App) -> Option<Self> {
        let query = ExchangeQuery { source: Some(SOURCE.to_owned()), limit: 1, ..ExchangeQuery::default() };
        let found = app.store.exchanges(&query).ok()?;
        let id = found.exchanges.first()?.id;
        let exchange = app.store.exchange(&id).ok()??;
        let detail = parse(exchange.detail?.as_bytes(), &Limits::default()).ok()?;
        let number = |name: &str| detail.get(name).and_then(Json::as_number).and_then(|number| number.as_u64());
        let value = ledger::tree::Hash::from_hex(detail.get("digest")?.as_str()?)?;
        Some(Self {
            value: *value.as_bytes(),
            through: Some(Cursor(number("through")?)),
            events: number("events")?,
            exchange: Some((id, u64::try_from(exchange.ledger.len()).unwrap_or(u64::MAX))),
            last: None,
        })
    }

    /// Anchors the digest if there are new events. A failure costs nothing: the next seal anchors them.
    pub(super) async fn anchor(&mut self, app: &App) {
        let now = app.clock.now();
        if self.last.is_some_and(|last| now.since(last) < INTERVAL) {
            return;
        }
        self.last = Some(now);
        let (store, before) = (app.store.clone(), self.clone());
        let extended = tokio::task::spawn_blocking(move || before.extended(&store)).await;
        match extended {
            Ok(Ok(Some(next))) => {
                if let Err(error) = self.commit(app, next, now).await {
                    tracing::warn!(%error, "the digest of the audit log was not anchored");
                }
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the audit log could not be read"),
            Err(error) => tracing::warn!(%error, "the audit log could not be read"),
        }
    }

    fn extended(mut self, store: &store::Store) -> Result<Option<Self>, store::Error> {
        let before = self.events;
        let search = Search {
            types: vec!["AuditEvent".to_owned()],
            order: Order::OldestFirst,
            after: self.through,
            ..Search::default()
        };
        let mut taken = 0;
        store.visit(&search, &mut |event| {
            let mut digest = Sha256::new();
            digest.update(self.value);
            digest.update(Sha256::digest(&event.body));
            self.value = digest.finalize().into();
            self.through = Some(event.cursor);
            self.events += 1;
            taken += 1;
            if taken < CHUNK { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok((self.events > before).then_some(self))
    }

    async fn commit(
        &mut self,
        app: &App,
        mut next: Self,
        now: Instant,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let detail = Json::object([
            ("digest", Json::from(ledger::tree::Hash::new(next.value).to_hex().as_str())),
            ("through", Json::from(next.through.map_or(0, |cursor| cursor.0))),
            ("events", Json::from(next.events)),
        ]);
        let (id, records, mut change) = match self.exchange.filter(|(_, records)| *records < RECORDS) {
            Some((id, records)) => (id, records, ExchangeChange::update(id)),
            None => {
                let id = ExchangeId::from_random(crate::keys::random()?);
                (
                    id,
                    0,
                    ExchangeChange {
                        state: Some(StateChange::Set(ExchangeState::Done)),
                        ..ExchangeChange::open(id, arrival(now))
                    },
                )
            }
        };
        change.detail = Some(detail.to_text());
        let record = app.ledger.record(id, Kind::Audit, "digest", now).commit(Label::Out, &next.value)?.build();
        app.store.commit(Commit { exchanges: vec![change], ledger: vec![record], ..Commit::default() }).await?;
        next.exchange = Some((id, records + 1));
        next.last = self.last;
        *self = next;
        Ok(())
    }
}

fn arrival(now: Instant) -> Arrival {
    Arrival {
        kind: ExchangeKind::AuditDigest,
        source: SOURCE.to_owned(),
        format: "sha-256".to_owned(),
        received: now,
        message_control_id: None,
        sending_application: None,
        sending_facility: None,
        raw: Bytes::new(),
        sha256: Sha256::digest(b"").into(),
    }
}
