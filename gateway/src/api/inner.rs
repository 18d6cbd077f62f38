//! Requests that come inside another: the entries of a batch, the reads of a transaction. They go the way of any other,
//! route table and decisions included; who calls was found out once.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::router::{Endpoint, Found, Route};
use super::{Call, Who, dispatch, format, router, unknown};
use crate::api::outcome::Failure;
use crate::layers::Response;

const PREFER: HeaderName = HeaderName::from_static("prefer");

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

    /// A request that came by itself, to be answered later: without the preference for that, and without what it was let
    /// in by.
    pub(super) fn of(call: &Call, route: &'static Route, body: Bytes) -> Self {
        let mut headers = call.headers.clone();
        headers.remove(http::header::AUTHORIZATION);
        let said = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
        let others = said.flat_map(|value| value.split([',', ';'])).map(str::trim);
        let others: Vec<&str> = others.filter(|piece| !piece.eq_ignore_ascii_case("respond-async")).collect();
        let prefer = HeaderValue::from_str(&others.join(", "));
        headers.remove(PREFER);
        if let Ok(prefer) = prefer {
            headers.insert(PREFER, prefer);
        }
        let call = Call {
            app: call.app.clone(),
            params: call.params.clone(),
            query: call.query.clone(),
            headers,
            origin: call.origin.clone(),
            peer: call.peer.clone(),
            body: None,
            ready: Some(body),
            limit: call.limit,
        };
        Self { call, route }
    }

    /// The same once more.
    pub(super) fn again(&self) -> Self {
        let call = &self.call;
        Self::of(call, self.route, call.ready.clone().unwrap_or_default())
    }

    pub(super) fn call(&self) -> &Call {
        &self.call
    }

    pub(super) fn endpoint(&self) -> Option<Endpoint> {
        Some(self.route.endpoint)
    }
}

/// Answers it: in JSON, with the parts of resources that it asks for. Boxed, as it may come from inside of a handler.
pub(super) fn answer<'r>(
    request: &'r mut Request,
    who: &'r Who,
) -> Pin<Box<dyn Future<Output = Result<Response, Failure>> + Send + 'r>> {
    Box::pin(async move {
        format::check(&request.call, request.route)?;
        let response = dispatch(&mut request.call, request.route.endpoint, who).await?;
        Ok(format::shaped(&request.call, request.route, response).await)
    })
}
