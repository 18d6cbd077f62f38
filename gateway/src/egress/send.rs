//! Sends what is on record, and tells a refusal from a failure.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use model::time::Clock;
use tokio::sync::mpsc;
use tower::limit::ConcurrencyLimitLayer;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder, ServiceExt};

use super::record::Recorded;
use super::{fhir, mllp, parts};
use crate::config::{Destination, DestinationTransport, Oversize};
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
    /// It answered that it cannot now, and for how long.
    #[error("answered {said}: not now, come again in {} s", after.as_secs())]
    Busy {
        /// Its status.
        said: String,
        /// What it asks us to wait.
        after: Duration,
    },
    /// It answered that this is more than it takes at a time.
    #[error("takes less than {0} bytes at a time")]
    TooLarge(usize),
    /// It answered that it will not take this.
    #[error("refused it: {0}")]
    Refused(String),
}

impl Failure {
    /// Whether the same content may be taken later.
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }

    /// The least wait that the partner asks for.
    pub fn asks_to_wait(&self) -> Duration {
        match self {
            Self::Busy { after, .. } => *after,
            _ => Duration::ZERO,
        }
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
    /// What the partner was seen to take at most; forgotten with the process, as partners change their minds.
    most_bytes: Arc<AtomicUsize>,
    is_fhir: bool,
    may_split: bool,
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
            DestinationTransport::Fhir | DestinationTransport::Http => {
                let takes = match destination.transport {
                    DestinationTransport::Http => fhir::Takes::Documents,
                    _ => fhir::Takes::Bundles,
                };
                let client = fhir::Client::new(&destination.address, takes, tls, clock);
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
        let is_fhir = destination.transport == DestinationTransport::Fhir;
        let may_split = is_fhir && destination.fhir.oversize == Oversize::Split;
        Ok(Self { service, most_bytes: Arc::new(AtomicUsize::new(usize::MAX)), is_fhir, may_split })
    }

    /// The most bytes that may be sent at a time.
    pub(super) fn most_bytes(&self) -> usize {
        self.most_bytes.load(Ordering::Relaxed)
    }

    /// Sends all parts, one after the other. A failure ends it; those before it are sent again with the next attempt, which
    /// makes nothing twice.
    ///
    /// # Errors
    /// [`Failure`]; it says whether to try again.
    pub async fn send(&self, recorded: &Recorded) -> Result<Sent, Failure> {
        let mut sent = Sent::Processed;
        for (number, part) in recorded.parts().iter().enumerate() {
            let control_id = match number {
                0 => recorded.control_id().to_owned(),
                more => format!("{}.{more}", recorded.control_id()),
            };
            let outgoing = Outgoing { bytes: part.clone(), control_id };
            sent =
                self.service.clone().oneshot(outgoing).await.unwrap_or(Err(Failure::Timeout)).map_err(|failure| {
                    match failure {
                        Failure::TooLarge(size) if self.may_split => {
                            // What is rendered next has half the size; a single resource that is larger is given up there.
                            self.most_bytes.fetch_min(size / 2, Ordering::Relaxed);
                            failure
                        }
                        Failure::TooLarge(_) if self.is_fhir => {
                            Failure::Refused(format!("HTTP 413: {}", parts::TOO_LARGE))
                        }
                        Failure::TooLarge(_) => Failure::Refused("HTTP 413: larger than the partner takes".to_owned()),
                        other => other,
                    }
                })?;
        }
        Ok(sent)
    }
}
