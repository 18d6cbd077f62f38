//! The one place where an error of the stack, or a panic, becomes an answer: an OperationOutcome, never a dropped
//! connection and never a stack trace.

use std::any::Any;
use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, StatusCode};
use tower::load_shed::error::Overloaded;
use tower::timeout::error::Elapsed;
use tower::{BoxError, Layer, Service};

use super::Response;
use super::body_limit::TooLarge;
use crate::api::outcome::Failure;
use crate::metrics::Metrics;

/// The layer.
#[derive(Debug, Clone)]
pub struct RescueLayer {
    metrics: Metrics,
}

impl RescueLayer {
    /// A layer that counts what it rescued into `metrics`.
    pub fn new(metrics: Metrics) -> Self {
        Self { metrics }
    }
}

impl<S> Layer<S> for RescueLayer {
    type Service = Rescue<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Rescue { inner, metrics: self.metrics.clone() }
    }
}

/// The service the layer makes; it does not fail.
#[derive(Debug, Clone)]
pub struct Rescue<S> {
    inner: S,
    metrics: Metrics,
}

impl<S, B> Service<Request<B>> for Rescue<S>
where
    S: Service<Request<B>, Response = Response, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The pools below are always ready: they shed at the call, where the request says which pool it is for.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let metrics = self.metrics.clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            Ok(match (Guarded { inner: Box::pin(answer) }).await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => answer_to(&error, &metrics),
                Err(_) => {
                    metrics.refusal("panic");
                    metrics.alarm("panic");
                    // The panic hook has written where; the payload may hold data and is dropped.
                    tracing::error!("a request ended in a panic");
                    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "exception", "an error of the gateway").into()
                }
            })
        })
    }
}

fn answer_to(error: &BoxError, metrics: &Metrics) -> Response {
    if error.is::<Overloaded>() {
        metrics.refusal("shed");
        return Failure::new(StatusCode::SERVICE_UNAVAILABLE, "throttled", "too many requests at this moment")
            .retry_after(1)
            .into();
    }
    if error.is::<Elapsed>() {
        metrics.refusal("timeout");
        return Failure::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", "the request took longer than allowed")
            .retry_after(1)
            .into();
    }
    if let Some(TooLarge { limit }) = error.downcast_ref::<TooLarge>() {
        metrics.refusal("body");
        let text = format!("the body is larger than the {limit} bytes allowed");
        return Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "too-long", text).into();
    }
    metrics.refusal("error");
    metrics.alarm("unexpected-error");
    tracing::error!("a request ended in an error no layer knows");
    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "exception", "an error of the gateway").into()
}

/// A future whose panic is an error: one bad request must not take its connection's other streams with it.
struct Guarded<F> {
    inner: Pin<Box<F>>,
}

impl<F: Future> Future for Guarded<F> {
    type Output = Result<F::Output, Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Nothing of the future is looked at after a panic, it is only dropped.
        match catch_unwind(AssertUnwindSafe(|| self.inner.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}
