//! Requests that come inside another: the entries of a batch, the reads of a transaction. They go the way of any other,
//! route table and decisions included; who calls was found out once.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::router::{Endpoint, Found, Route};
use super::{Call, Who, dispatch, router, unknown};
use crate::api::outcome::Failure;
use crate::layers::Response;

/// A request within a request.
pub(super) struct Request {
    call: Call,
    route: &'static Route,
}

impl Request {
    /// Finds its route; addresses outside of `/fhir` are not reached.
    ///
    /// # Errors
    /// 404 and 405 as for the address.
    pub(super) fn new(
        outer: &Call,
        method: &Method,
        path: &str,
        query: String,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Self, Failure> {
        let (route, params) = match router::find(method, path) {
            Found::Route(route, params) if route.pattern.starts_with("/fhir") => (route, params),
            Found::Method(allowed) => {
                let allowed = allowed.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(", ");
                return Err(Failure::method(&allowed));
            }
            _ => return Err(unknown(path)),
        };
        let call = Call {
            app: outer.app.clone(),
            params,
            query,
            headers,
            origin: outer.origin.clone(),
            peer: outer.peer.clone(),
            body: None,
            ready: Some(body),
            limit: outer.limit,
        };
        Ok(Self { call, route })
    }

    pub(super) fn endpoint(&self) -> Option<Endpoint> {
        Some(self.route.endpoint)
    }
}

/// Answers it. Boxed, as it may come from inside of a handler.
pub(super) fn answer<'r>(
    request: &'r mut Request,
    who: &'r Who,
) -> Pin<Box<dyn Future<Output = Result<Response, Failure>> + Send + 'r>> {
    Box::pin(async move { dispatch(&mut request.call, request.route.endpoint, who).await })
}
