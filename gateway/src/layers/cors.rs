//! Which pages of other origins may read answers (WHATWG Fetch, "CORS protocol"). None, unless configured.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use tower::{BoxError, Layer, Service};

use super::Response;
use super::honest::READ;
use crate::api::answer;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
/// The fields of answers that a page needs beyond those it always sees.
const SHOWN: HeaderValue = HeaderValue::from_static(
    "content-location, etag, exchange, last-modified, ledger-exchange, ledger-receipt, location, preference-applied, retry-after, x-progress, x-request-id",
);
/// Seconds a browser keeps the answer to its question.
const KEPT: HeaderValue = HeaderValue::from_static("600");

/// The layer.
#[derive(Debug, Clone)]
pub struct CorsLayer {
    origins: Arc<[String]>,
}

impl CorsLayer {
    /// A layer that lets pages of these origins in; with none it does nothing.
    pub fn new(origins: &[String]) -> Self {
        Self { origins: origins.into() }
    }
}

impl<S> Layer<S> for CorsLayer {
    type Service = Cors<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Cors { inner, origins: Arc::clone(&self.origins) }
    }
}

/// The service the layer makes.
#[derive(Debug, Clone)]
pub struct Cors<S> {
    inner: S,
    origins: Arc<[String]>,
}

impl<S> Cors<S> {
    /// The origin that asks, if it is one of ours: compared whole, as anything looser lets neighbours in.
    fn origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut named = headers.get_all(ORIGIN).iter();
        let (origin, None) = (named.next()?, named.next()) else { return None };
        self.origins.iter().any(|known| known.as_bytes() == origin.as_bytes()).then(|| origin.clone())
    }
}

impl<S, B> Service<Request<B>> for Cors<S>
where
    S: Service<Request<B>, Response = Response, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if self.origins.is_empty() {
            return Box::pin(self.inner.call(request));
        }
        let origin = self.origin(request.headers());
        let asks_first =
            request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if let Some(origin) = origin.clone().filter(|_| asks_first) {
            return Box::pin(async move { Ok(permitted(origin)) });
        }
        let answer = self.inner.call(request);
        Box::pin(async move {
            let mut response = answer.await?;
            let headers = response.headers_mut();
            headers.append(VARY, HeaderValue::from_static("origin"));
            if let Some(origin) = origin {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
                headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, SHOWN);
            }
            Ok(response)
        })
    }
}

/// What a browser asks before it sends a request of another origin. Nothing of the request itself is looked at: it is
/// authenticated when it comes.
fn permitted(origin: HeaderValue) -> Response {
    let mut response = answer::empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    // One list: a field that a handler reads and a page may not send would be of no use to the page.
    let read: Vec<&str> = READ.iter().map(HeaderName::as_str).collect();
    if let Ok(read) = HeaderValue::try_from(read.join(", ")) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, read);
    }
    headers.insert(ACCESS_CONTROL_MAX_AGE, KEPT);
    headers.insert(VARY, HeaderValue::from_static("origin, access-control-request-method"));
    response
}

#[cfg(test)]
mod tests;
