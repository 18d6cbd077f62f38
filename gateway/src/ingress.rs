//! The ways in: what every transport shares, and MLLP.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use model::outcome::Issue;
use tokio::sync::Semaphore;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};

use crate::app::App;
use crate::pipeline::{self, Accepted, Answer, Arrived, Cause, Inbound, Outcome, Refusal};

pub mod mllp;

/// One step of the pipeline that a transport asks for.
enum Step {
    /// A payload, which may be a batch: everything up to the commit.
    Payload(Inbound),
    /// One message: everything up to the commit.
    Message(Inbound),
    /// Its bytes made durable, nothing more.
    Accept(Inbound),
    /// The rest, after that.
    Process(Box<Arrived>),
}

enum Done {
    Answer(Answer),
    Accepted(Accepted),
    Processed(Outcome),
}

/// The pipeline as a service, with the limits that all feeds share. Clones share the places.
#[derive(Debug, Clone)]
pub struct Ingest {
    service: BoxCloneSyncService<(App, Step), Result<Done, Refusal>, BoxError>,
    /// How long a message waits for a place; as long again it may take.
    limit: Duration,
}

impl Ingest {
    /// A way in with `places` messages at once and a time limit for each.
    pub fn new(places: usize, limit: Duration) -> Self {
        let places = Arc::new(Semaphore::new(places.clamp(1, Semaphore::MAX_PERMITS)));
        let service = ServiceBuilder::new()
            // Outermost: a message waits here for its place, so that the time limit below counts its own work only. Feeds
            // wait rather than being shed: most senders take an AE for the message's fault and put it aside.
            .layer(GlobalConcurrencyLimitLayer::with_semaphore(places))
            // Around the work, so that a store that hangs costs a place for this long and not for ever.
            .timeout(limit)
            .service(Pipeline);
        Self { service: BoxCloneSyncService::new(service), limit }
    }

    /// Takes a payload through every stage; see [`pipeline::receive`].
    ///
    /// # Errors
    /// [`Refusal`]; [`Cause::Busy`] if it got no place, or was not done in time.
    pub async fn receive(&self, app: &App, inbound: Inbound) -> Result<Answer, Refusal> {
        match self.call(app, Step::Payload(inbound)).await? {
            Done::Answer(answer) => Ok(answer),
            _ => Err(busy()),
        }
    }

    /// Takes one message through every stage; see [`pipeline::receive_message`].
    ///
    /// # Errors
    /// As [`Ingest::receive`].
    pub async fn receive_message(&self, app: &App, inbound: Inbound) -> Result<Answer, Refusal> {
        match self.call(app, Step::Message(inbound)).await? {
            Done::Answer(answer) => Ok(answer),
            _ => Err(busy()),
        }
    }

    /// Makes the bytes of a message durable; see [`pipeline::accept`].
    ///
    /// # Errors
    /// As [`Ingest::receive`].
    pub async fn accept(&self, app: &App, inbound: Inbound) -> Result<Accepted, Refusal> {
        match self.call(app, Step::Accept(inbound)).await? {
            Done::Accepted(accepted) => Ok(accepted),
            _ => Err(busy()),
        }
    }

    /// Does the rest; see [`pipeline::process`].
    ///
    /// # Errors
    /// As [`Ingest::receive`].
    pub async fn process(&self, app: &App, arrived: Box<Arrived>) -> Result<Outcome, Refusal> {
        match self.call(app, Step::Process(arrived)).await? {
            Done::Processed(outcome) => Ok(outcome),
            _ => Err(busy()),
        }
    }

    async fn call(&self, app: &App, step: Step) -> Result<Done, Refusal> {
        let mut service = self.service.clone();
        // The layer bounds the work; the wait for a place is bounded here.
        let ready = tokio::time::timeout(self.limit, service.ready()).await;
        let Ok(Ok(ready)) = ready else {
            app.metrics.refusal("no-place");
            return Err(busy());
        };
        ready.call((app.clone(), step)).await.unwrap_or_else(|_| {
            app.metrics.refusal("too-slow");
            Err(busy())
        })
    }
}

fn busy() -> Refusal {
    Refusal::new(Cause::Busy, Issue::error("throttled", "the message was not processed in time: send it again"))
}

/// The pipeline as the innermost service.
#[derive(Debug, Clone, Copy)]
struct Pipeline;

impl Service<(App, Step)> for Pipeline {
    type Response = Result<Done, Refusal>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (app, step): (App, Step)) -> Self::Future {
        Box::pin(async move {
            Ok(match step {
                Step::Payload(inbound) => pipeline::receive(&app, inbound).await.map(Done::Answer),
                Step::Message(inbound) => pipeline::receive_message(&app, inbound).await.map(Done::Answer),
                Step::Accept(inbound) => pipeline::accept(&app, inbound).await.map(Done::Accepted),
                Step::Process(arrived) => pipeline::process(&app, *arrived).await.map(Done::Processed),
            })
        })
    }
}
