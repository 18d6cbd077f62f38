//! Places for requests, in three pools that cannot take each other's: a flood of laboratory results must not keep an
//! ambulance from a record.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use tokio::sync::Semaphore;
use tower::limit::{ConcurrencyLimit, GlobalConcurrencyLimitLayer};
use tower::load_shed::{LoadShed, LoadShedLayer};
use tower::{BoxError, Layer, Service, ServiceExt};

use super::{BODY_LIMIT_BYTES, REQUEST_TIMEOUT, Response};

/// How much is done at once and how long it may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Requests under `/emergency/` at once.
    pub emergency: usize,
    /// Reads, searches and writes of people at once.
    pub interactive: usize,
    /// Ingest and conversion at once.
    pub bulk: usize,
    /// From the head of a request to its answer.
    pub timeout: Duration,
    /// Largest body.
    pub body_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { emergency: 64, interactive: 256, bulk: 256, timeout: REQUEST_TIMEOUT, body_bytes: BODY_LIMIT_BYTES }
    }
}

/// Which pool a request takes its place from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// Break-glass.
    Emergency,
    /// People who wait for an answer, and probes.
    Interactive,
    /// Feeds.
    Bulk,
}

impl Pool {
    /// The pool of a path.
    pub fn of(path: &str) -> Self {
        if path.starts_with("/fhir/") && (path.ends_with("$process-message") || path.ends_with("$convert")) {
            return Self::Bulk;
        }
        match path.split('/').nth(1) {
            Some("emergency") => Self::Emergency,
            Some("ingest" | "convert") => Self::Bulk,
            _ => Self::Interactive,
        }
    }
}

/// The layer. One semaphore a pool, shared by every connection.
#[derive(Debug, Clone)]
pub struct PoolsLayer {
    emergency: Arc<Semaphore>,
    interactive: Arc<Semaphore>,
    bulk: Arc<Semaphore>,
}

impl PoolsLayer {
    /// Pools of the sizes of `limits`.
    pub fn new(limits: &Limits) -> Self {
        let pool = |size: usize| Arc::new(Semaphore::new(size.clamp(1, Semaphore::MAX_PERMITS)));
        Self { emergency: pool(limits.emergency), interactive: pool(limits.interactive), bulk: pool(limits.bulk) }
    }
}

impl<S: Clone> Layer<S> for PoolsLayer {
    type Service = Pools<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let pool = |semaphore: &Arc<Semaphore>| {
            LoadShedLayer::new()
                .layer(GlobalConcurrencyLimitLayer::with_semaphore(semaphore.clone()).layer(inner.clone()))
        };
        Pools { emergency: pool(&self.emergency), interactive: pool(&self.interactive), bulk: pool(&self.bulk) }
    }
}

type Limited<S> = LoadShed<ConcurrencyLimit<S>>;

/// The service the layer makes. Always ready: whether there is a place is known when the request says its pool.
#[derive(Debug, Clone)]
pub struct Pools<S> {
    emergency: Limited<S>,
    interactive: Limited<S>,
    bulk: Limited<S>,
}

impl<S, B> Service<Request<B>> for Pools<S>
where
    S: Service<Request<B>, Response = Response> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Send + 'static,
{
    type Response = Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let pool = match Pool::of(request.uri().path()) {
            Pool::Emergency => &self.emergency,
            Pool::Interactive => &self.interactive,
            Pool::Bulk => &self.bulk,
        };
        // A fresh clone asks for its own place; the load shed answers at once when there is none.
        Box::pin(pool.clone().oneshot(request))
    }
}
