//! Sends what is on record, and tells a refusal from a failure.

use std::io;
use std::sync::Arc;

use model::time::Clock;
use tokio::sync::mpsc;
use tower::limit::ConcurrencyLimitLayer;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder, ServiceExt};

use super::record::Recorded;
use super::{fhir, mllp};
use crate::config::{Destination, DestinationTransport};
use crate::tls::{self, TlsError};

/// Largest answer of a partner that is read; whoever sends more answers with something else.
pub(super) const ANSWER_LIMIT_BYTES: usize = 1 << 20;

/// Why a partner did not take what was sent. Says nothing of its content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It could not be reached.
    #[error("cannot be reached: {0}")]
    Connect(io::ErrorKind),
    /// It did not answer in time.
    #[error("did not answer in time")]
    Timeout,
    /// The connection broke.
    #[error("the connection broke")]
    Broken,
    /// It answered something that is no answer.
    #[error("answered with {0}")]
    Garbage(&'static str),
    /// It answered that it cannot now.
    #[error("answered {0}: not now")]
    NotNow(String),
    /// It answered that it will not take this.
    #[error("refused it: {0}")]
    Refused(String),
}

impl Failure {
    /// Whether the same bytes may be taken later.
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}

/// How a partner took what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It has processed it.
    Processed,
    /// It is responsible for it, and has not yet processed it.
    Accepted,
}

/// What goes through the stack: bytes on record and the id to find the answer by.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) bytes: bytes::Bytes,
    pub(crate) control_id: String,
}

/// Sends to one destination.
#[derive(Debug, Clone)]
pub struct Sender {
    service: BoxCloneSyncService<Outgoing, Result<Sent, Failure>, BoxError>,
}

impl Sender {
    /// A sender for a destination; nothing is connected yet. What comes unasked goes to `heard`.
    ///
    /// # Errors
    /// [`TlsError`] if the authorities to trust cannot be read.
    pub(super) fn new(
        destination: &Destination,
        heard: mpsc::Sender<mllp::Heard>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TlsError> {
        let tls = match destination.address.tls {
            true => Some(tls::partner(&destination.tls)?),
            false => None,
        };
        let stack = ServiceBuilder::new()
            // Outermost: order is kept, so one message at a time, whoever else should come to hold this sender.
            .layer(ConcurrencyLimitLayer::new(1))
            // Around everything a partner can be slow with: the handshake, reading, answering.
            .timeout(destination.retry.timeout);
        let service = match destination.transport {
            DestinationTransport::Fhir => {
                let client = fhir::Client::new(&destination.address, tls);
                BoxCloneSyncService::new(stack.service_fn(move |outgoing| {
                    let client = client.clone();
                    async move { Ok::<_, BoxError>(client.send(outgoing).await.map(|()| Sent::Processed)) }
                }))
            }
            DestinationTransport::Mllp => {
                let client = Arc::new(mllp::Client::new(&destination.address, tls, destination.mllp, heard, clock));
                BoxCloneSyncService::new(stack.service_fn(move |outgoing| {
                    let client = client.clone();
                    async move { Ok::<_, BoxError>(client.send(outgoing).await) }
                }))
            }
        };
        Ok(Self { service })
    }

    /// Sends once.
    ///
    /// # Errors
    /// [`Failure`]; it says whether to try again.
    pub async fn send(&self, recorded: &Recorded) -> Result<Sent, Failure> {
        let outgoing = Outgoing { bytes: recorded.bytes().clone(), control_id: recorded.control_id().to_owned() };
        self.service.clone().oneshot(outgoing).await.unwrap_or(Err(Failure::Timeout))
    }
}
