//! Application acknowledgements that we owe senders as messages of their own, on a connection that we open.
//!
//! One after the other for each source, in order; each waits for its commit acknowledgement and is tried again a
//! bounded number of times.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use store::{Commit, Commits, ExchangeChange, ExchangeId, Stage};
use tokio::sync::{mpsc, watch};

use super::shelf::ShelfError;
use crate::app::App;
use crate::config::{ANSWERS, DestinationMllp, Reply};
use crate::egress::{Failure, MllpClient, Outgoing};

/// How often a sender of replies looks without being woken.
const POLL: Duration = Duration::from_secs(5);

/// A reply to send.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Owed {
    source: String,
    exchange: Option<String>,
    control_id: String,
    /// The acknowledgement, in Base64: its character set is the sender's.
    message: String,
    attempts: u32,
    /// Milliseconds; not before this time.
    due: i64,
}

/// Remembers a reply; when this returns `Ok` it will be sent, also after a restart.
///
/// # Errors
/// [`ShelfError`]; it will not be sent.
pub(crate) async fn owe(
    app: &App,
    source: &str,
    exchange: Option<ExchangeId>,
    control_id: &str,
    message: &[u8],
) -> Result<(), ShelfError> {
    let now = app.clock.now().millis();
    // In the order in which they came to be; the counter parts those of one millisecond.
    let mut number = 0;
    app.mllp.owed.send_modify(|count| {
        *count = count.wrapping_add(1);
        number = *count;
    });
    let owed = Owed {
        source: source.to_owned(),
        exchange: exchange.map(|id| id.to_string()),
        control_id: control_id.to_owned(),
        message: BASE64.encode(message),
        attempts: 0,
        due: now,
    };
    app.mllp.replies.put(&format!("{now:020}-{number:020}"), owed).await?;
    app.mllp.owed.send_modify(|_| {});
    Ok(())
}

/// Sends the replies of one source until `stop`.
pub(super) async fn run(app: App, source: String, reply: Reply, mut stop: watch::Receiver<bool>) {
    let tls = match reply.address.tls.then(|| crate::tls::partner(&reply.tls)).transpose() {
        Ok(tls) => tls,
        Err(error) => {
            tracing::error!(source, %error, "a source cannot be answered at its address");
            app.metrics.alarm("application-ack");
            return;
        }
    };
    // What comes besides commit acknowledgements is nobody's answer here.
    let (heard, _) = mpsc::channel(1);
    let keepalive = app.config.listen.keepalive;
    let client = MllpClient::new(&reply.address, tls, DestinationMllp::original(keepalive), heard, app.clock.clone());
    let mut owed = app.mllp.owed.subscribe();
    loop {
        owed.borrow_and_update();
        let now = app.clock.now().millis();
        let mine = |key: &str, owed: &Owed| (owed.source == source).then(|| (key.to_owned(), owed.clone()));
        let Some((key, next)) = app.mllp.replies.find(mine).into_iter().next() else {
            if wait(POLL, &mut owed, &mut stop).await {
                return;
            }
            continue;
        };
        if next.due > now {
            let rest = Duration::from_millis(u64::try_from(next.due.saturating_sub(now)).unwrap_or(0));
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(rest.min(POLL)) => {}
            }
            continue;
        }
        let sent = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            sent = attempt(&client, &next) => sent,
        };
        if let Err(error) = after(&app, &key, next, sent).await {
            tracing::warn!(source, %error, "a reply could not be recorded as sent");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

async fn wait(time: Duration, owed: &mut watch::Receiver<u64>, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => true,
        _ = owed.changed() => false,
        () = tokio::time::sleep(time) => false,
    }
}

async fn attempt(client: &MllpClient, owed: &Owed) -> Result<(), Failure> {
    let bytes = BASE64.decode(&owed.message).map_err(|_| Failure::Refused("not readable any more".to_owned()))?;
    let outgoing = Outgoing { bytes: Bytes::from(bytes), control_id: owed.control_id.clone() };
    let sent = tokio::time::timeout(ANSWERS.timeout, client.send(outgoing)).await;
    sent.unwrap_or(Err(Failure::Timeout)).map(|_| ())
}

async fn after(app: &App, key: &str, owed: Owed, sent: Result<(), Failure>) -> Result<(), ShelfError> {
    let attempts = owed.attempts.saturating_add(1);
    let outcome = match sent {
        Ok(()) => "sent".to_owned(),
        Err(failure) if failure.is_retryable() && attempts < ANSWERS.attempts => {
            let doubled = ANSWERS.first.saturating_mul(1 << attempts.saturating_sub(1).min(20));
            let due = app.clock.now().after(doubled.min(ANSWERS.longest)).millis();
            return app.mllp.replies.put(key, Owed { attempts, due, ..owed }).await;
        }
        Err(failure) => {
            app.metrics.alarm("application-ack");
            format!("given up after {attempts} attempts: {failure}")
        }
    };
    if let Some(id) = owed.exchange.as_deref().and_then(ExchangeId::parse) {
        let stage = Stage { name: "application-ack".to_owned(), at: app.clock.now(), outcome };
        let change = ExchangeChange { stages: vec![stage], ..ExchangeChange::update(id) };
        if let Err(error) = app.store.commit(Commit { exchanges: vec![change], ..Commit::default() }).await {
            tracing::warn!(%error, exchange = %id, "a reply could not be noted");
        }
    }
    app.mllp.replies.remove(key).await
}
