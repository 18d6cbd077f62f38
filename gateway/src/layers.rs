//! What every HTTP request passes before it reaches a route: the tower stack, outermost first.
//!
//! Consent and audit are not here: they stand in the types of the handlers (`api::Released`,
//! `emergency::AuditWritten`), where a route cannot forget them.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper::body::Incoming;
use tower::{BoxError, Service, ServiceBuilder};

pub mod access_log;
pub mod body_limit;
pub mod cors;
pub mod honest;
pub mod pools;
pub mod request_id;
pub mod rescue;

#[cfg(test)]
mod tests;

pub use pools::Limits;

use crate::metrics::Metrics;

/// The body of an answer: whole, as consent is decided before its first byte leaves.
pub type Body = Full<Bytes>;
/// An answer.
pub type Response = http::Response<Body>;

/// The pattern of the route that answered, for log and metrics; travels as an extension of the answer.
#[derive(Debug, Clone, Copy)]
pub struct RouteName(pub &'static str);

/// Builds the stack around `route`, which authenticates and routes.
///
/// Built once and cloned for each connection: limits built inside the accept loop would hold for one connection each.
pub fn stack<S>(
    route: S,
    limits: &Limits,
    cors: cors::CorsLayer,
    metrics: Metrics,
) -> impl Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
where
    S: Service<Request<body_limit::Limited<Incoming>>, Response = Response, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    ServiceBuilder::new()
        // Outermost: every line below, the log's too, names the request by this id.
        .layer(request_id::RequestIdLayer)
        // Outside of all that may refuse, so that a shed or timed out request is counted and logged as well.
        .layer(access_log::AccessLogLayer::new(metrics.clone()))
        // Turns the errors of the layers below into answers; the log above then sees their status.
        .layer(rescue::RescueLayer::new(metrics))
        // Before `Origin` is taken off with all that no handler reads; inside of rescue, as a page of a configured origin
        // shall read refusals too.
        .layer(cors)
        // Before anything looks at a header field: those below cannot read what is not there.
        .layer(honest::HonestLayer)
        // Load shed and concurrency: before the time-out, as a request that gets no place must not wait for one, and
        // before the body is read, as a flood must not fill the memory. Emergency, interactive and bulk apart.
        .layer(pools::PoolsLayer::new(limits))
        // Inside the pools: it bounds how long a place is held, a slowly sent body included.
        .timeout(limits.timeout)
        // Just before something reads the body; what is announced as too large is refused unread.
        .layer(body_limit::BodyLimitLayer::new(limits.body_bytes))
        // Authentication, then the route: one service, as the route says whether it needs a caller at all.
        .service(route)
}

/// How long one request may take from its head to its answer, unless configured.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Largest body accepted, unless configured.
pub const BODY_LIMIT_BYTES: usize = 16 * 1024 * 1024;
