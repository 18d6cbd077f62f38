//! One log line and one count for each request: method, route pattern, status, time. Never the path or the query,
//! which may hold identifiers of people.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use http::{Method, Request};
use tower::{Layer, Service};

use super::request_id::RequestId;
use super::{Response, RouteName};
use crate::metrics::Metrics;

/// The layer.
#[derive(Debug, Clone)]
pub struct AccessLogLayer {
    metrics: Metrics,
}

impl AccessLogLayer {
    /// A layer that counts into `metrics`.
    pub fn new(metrics: Metrics) -> Self {
        Self { metrics }
    }
}

impl<S> Layer<S> for AccessLogLayer {
    type Service = AccessLog<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AccessLog { inner, metrics: self.metrics.clone() }
    }
}

/// The service the layer makes.
#[derive(Debug, Clone)]
pub struct AccessLog<S> {
    inner: S,
    metrics: Metrics,
}

impl<S, B> Service<Request<B>> for AccessLog<S>
where
    S: Service<Request<B>, Response = Response>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let started = Instant::now();
        let method = method_name(request.method());
        let id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        let metrics = self.metrics.clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = answer.await?;
            let route = response.extensions().get::<RouteName>().map_or("none", |name| name.0);
            let (status, took) = (response.status().as_u16(), started.elapsed());
            metrics.request(method, route, status, took);
            let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            tracing::info!(target: "anchorline::http", request = %id, method, route, status, micros, "answered");
            Ok(response)
        })
    }
}

/// A method as a label: the known ones by name, so that a client cannot invent labels.
fn method_name(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
