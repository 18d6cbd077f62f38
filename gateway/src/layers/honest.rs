//! Refuses requests that two readers could read differently, and takes off every header field that no part of this
//! gateway reads: who asks, what for and under which consent comes from the token alone.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::{
    ACCEPT, ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING,
    CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    IF_UNMODIFIED_SINCE, RANGE, TRANSFER_ENCODING, USER_AGENT,
};
use http::{HeaderMap, Request, StatusCode, Version};
use tower::{BoxError, Layer, Service};

use super::Response;
use crate::api::outcome::Failure;

/// What may reach a handler: standard fields of HTTP and those FHIR R4 http.html names. A field that claims an identity,
/// a purpose, a consent, another address or another method (`Forwarded`, `X-Forwarded-User`, `X-HTTP-Method-Override`,
/// `Cookie` …) is not among them, whatever it will be called next year.
pub(super) static READ: [HeaderName; 21] = [
    ACCEPT,
    ACCEPT_CHARSET,
    ACCEPT_ENCODING,
    ACCEPT_LANGUAGE,
    AUTHORIZATION,
    CACHE_CONTROL,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    EXPECT,
    HOST,
    IF_MATCH,
    IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
    IF_UNMODIFIED_SINCE,
    RANGE,
    TRANSFER_ENCODING,
    USER_AGENT,
    HeaderName::from_static("if-none-exist"),
    HeaderName::from_static("prefer"),
    HeaderName::from_static("x-provenance"),
];

/// Fields of which a second one would be a second opinion.
const ONCE: [HeaderName; 6] =
    [CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, IF_MATCH, TRANSFER_ENCODING, IF_NONE_EXIST];
const IF_NONE_EXIST: HeaderName = HeaderName::from_static("if-none-exist");

/// The layer.
#[derive(Debug, Clone, Copy)]
pub struct HonestLayer;

impl<S> Layer<S> for HonestLayer {
    type Service = Honest<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Honest { inner }
    }
}

/// The service the layer makes.
#[derive(Debug, Clone)]
pub struct Honest<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for Honest<S>
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

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Err(failure) = unambiguous(&request) {
            let mut response: Response = failure.into();
            // What else stands on the connection may have been meant as a part of this request.
            if request.version() < Version::HTTP_2 {
                response.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
            }
            return Box::pin(async move { Ok(response) });
        }
        let chunked = request.headers().contains_key(TRANSFER_ENCODING);
        strip(request.headers_mut());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let mut response = answer.await?;
            // RFC 9112, section 6.1: after Content-Length beside Transfer-Encoding the connection is closed. Of the two
            // the parser hands on the second alone, so each request that has it is the last of its connection.
            if chunked {
                response.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
            }
            Ok(response)
        })
    }
}

/// What is wrong with a request that could be read in two ways.
fn unambiguous<B>(request: &Request<B>) -> Result<(), Failure> {
    let headers = request.headers();
    let refused = |text: &str| Err(Failure::new(StatusCode::BAD_REQUEST, "structure", text));
    // Nobody is who shows two tokens, or one that is no text.
    let mut shown = headers.get_all(AUTHORIZATION).iter();
    if shown.next().is_some_and(|value| value.to_str().is_err()) || shown.next().is_some() {
        return Err(Failure::unauthenticated("Authorization: expected one, in visible ASCII"));
    }
    for name in &ONCE {
        if headers.get_all(name).iter().nth(1).is_some() {
            return refused("a header field that may come once comes twice");
        }
    }
    // RFC 9112, section 6.1. Other codings are not undone here, and `identity` is none.
    if headers.get(TRANSFER_ENCODING).is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        return refused("Transfer-Encoding: expected chunked alone");
    }
    authority(request).or_else(refused)
}

/// RFC 9112, section 3.2: one Host, and the same authority wherever it is said.
fn authority<B>(request: &Request<B>) -> Result<(), &'static str> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = match hosts.next().map(|value| value.to_str()) {
        Some(Err(_)) => return Err("Host: expected visible ASCII"),
        Some(Ok(host)) => Some(host),
        None => None,
    };
    if hosts.next().is_some() {
        return Err("Host: expected one");
    }
    let named = request.uri().authority().map(http::uri::Authority::as_str);
    if named.is_some_and(|named| named.contains('@')) {
        return Err("expected an authority without user information");
    }
    match (host, named) {
        (None, None) if request.version() == Version::HTTP_11 => Err("Host: expected one"),
        (Some(host), Some(named)) if !host.eq_ignore_ascii_case(named) => {
            Err("Host: expected the authority of the request")
        }
        (Some(host), _) if !is_authority(host) => Err("Host: expected a name or an address, and a port"),
        _ => Ok(()),
    }
}

/// What a host and a port can hold. An empty Host is one a client without an authority sends (RFC 9110, section 7.2).
fn is_authority(text: &str) -> bool {
    text.len() <= 255 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte))
}

fn strip(headers: &mut HeaderMap) {
    let others: Vec<HeaderName> = headers.keys().filter(|name| !READ.contains(name)).cloned().collect();
    for name in others {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests;
