//! Bounds the body of a request.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Request;
use http::header::CONTENT_LENGTH;
use tower::{BoxError, Layer, Service};

use super::Response;

/// A body that ends in an error once it is longer than allowed.
pub type Limited<B> = http_body_util::Limited<B>;

/// The body announced or sent is larger than allowed. Fault of the sender; not retryable.
#[derive(Debug, thiserror::Error)]
#[error("the body is larger than {limit} bytes")]
pub struct TooLarge {
    /// The limit in bytes.
    pub limit: usize,
}

/// The limit in force, for the handler that reads the body; travels as an extension of the request.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimit(pub usize);

/// The layer.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimitLayer {
    limit: usize,
}

impl BodyLimitLayer {
    /// A layer that allows `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit }
    }
}

impl<S> Layer<S> for BodyLimitLayer {
    type Service = WithBodyLimit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WithBodyLimit { inner, limit: self.limit }
    }
}

/// The service the layer makes.
#[derive(Debug, Clone)]
pub struct WithBodyLimit<S> {
    inner: S,
    limit: usize,
}

impl<S, B> Service<Request<B>> for WithBodyLimit<S>
where
    S: Service<Request<Limited<B>>, Response = Response, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let limit = self.limit;
        let announced = request
            .headers()
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.parse::<u64>().ok());
        if announced.is_some_and(|length| length > limit as u64) {
            return Box::pin(async move { Err(TooLarge { limit }.into()) });
        }
        let (mut head, body) = request.into_parts();
        head.extensions.insert(BodyLimit(limit));
        Box::pin(self.inner.call(Request::from_parts(head, Limited::new(body, limit))))
    }
}
