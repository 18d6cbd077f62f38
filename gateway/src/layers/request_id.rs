//! Gives each request an id of ours and says it in the answer.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderValue, Request};
use tower::{Layer, Service};

use super::Response;

/// The answer's header that names the request in our logs.
pub const REQUEST_ID: &str = "x-request-id";

/// The id of a request: 64 random bits in hex, drawn here. A client's own is not taken over, as it could hold anything.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// The layer.
#[derive(Debug, Clone, Copy)]
pub struct RequestIdLayer;

impl<S> Layer<S> for RequestIdLayer {
    type Service = WithRequestId<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WithRequestId { inner }
    }
}

/// The service the layer makes.
#[derive(Debug, Clone)]
pub struct WithRequestId<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for WithRequestId<S>
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

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let mut bytes = [0u8; 8];
        // Without randomness the id is zero: a log line less easy to find is better than a refused request.
        let _ = getrandom::fill(&mut bytes);
        let id = format!("{:016x}", u64::from_be_bytes(bytes));
        request.extensions_mut().insert(RequestId(id.clone()));
        let answer = self.inner.call(request);
        Box::pin(async move {
            let mut response = answer.await?;
            if let Ok(value) = HeaderValue::from_str(&id) {
                response.headers_mut().insert(REQUEST_ID, value);
            }
            Ok(response)
        })
    }
}
