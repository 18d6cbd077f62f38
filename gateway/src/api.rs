//! The HTTP interface: who calls, which route answers, what may leave.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, LOCATION};
use http::{HeaderMap, HeaderName, Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError};
use hyper::body::Incoming;
use store::{Commit, Commits};
use tower::{BoxError, Service};

use crate::app::App;
use crate::audit::{Client, Event};
use crate::layers::body_limit::{BodyLimit, Limited, TooLarge};
use crate::layers::{self, Limits, Response, RouteName};
use crate::operations::{matching, meta, process_message, terminology};

pub mod answer;
mod convert;
mod exchanges;
pub(crate) mod fhir;
pub(crate) mod format;
mod gzip;
mod ingest;
mod inner;
pub mod ips;
mod jobs;
mod ledger;
mod noted;
mod openapi;
pub mod outcome;
mod packages;
pub mod query;
pub mod release;
pub mod router;
pub mod server;
mod unmapped;
mod who;

pub use fhir::Seal;
pub use jobs::Jobs;
pub use who::Who;

use outcome::Failure;
use router::{Endpoint, Found, Needs, Params};

/// The whole stack over this gateway. Made once; clones share its limits.
pub fn service(
    app: App,
    limits: &Limits,
) -> impl Service<Request<Incoming>, Response = Response, Error = std::convert::Infallible, Future: Send>
+ Clone
+ Send
+ 'static {
    let metrics = app.metrics.clone();
    let cors = layers::cors::CorsLayer::new(&app.config.listen.cors_origins);
    layers::stack(Routes { app }, limits, cors, metrics)
}

/// A request on its way to a handler.
pub struct Call {
    /// The gateway.
    pub app: App,
    /// What the path said.
    pub params: Params,
    /// The query, as it came.
    pub query: String,
    /// The header fields.
    pub headers: HeaderMap,
    /// The address clients reach this gateway by, as this one did: `https://host:port`.
    pub origin: String,
    /// The client's address, where known.
    pub peer: Option<server::Peer>,
    body: Option<Limited<Incoming>>,
    /// The body of a request that came inside another.
    ready: Option<Bytes>,
    limit: usize,
}

impl Call {
    /// The body, whole. Empty the second time.
    ///
    /// # Errors
    /// 413 over the limit, also once it is unpacked; 415 for an encoding other than gzip; 400 if the client broke off or the
    /// gzip is not intact.
    pub async fn body(&mut self) -> Result<Bytes, Failure> {
        if let Some(ready) = self.ready.take() {
            return Ok(ready);
        }
        let encoding = gzip::encoding(&self.headers)?;
        let too_large = || {
            let text = format!("the body is larger than the {} bytes allowed", self.limit);
            Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "too-long", text)
        };
        let Some(body) = self.body.take() else { return Ok(Bytes::new()) };
        let sent = match body.collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => return Err(too_large()),
            Err(_) => return Err(Failure::bad("the body broke off before its end")),
        };
        match encoding {
            gzip::Encoding::Identity => Ok(sent),
            // The limit holds for what is read, however small it was packed.
            gzip::Encoding::Gzip => gzip::unpacked(sent, self.limit).await?.ok_or_else(too_large),
        }
    }

    /// A header field as text.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The base of the FHIR addresses.
    pub fn base(&self) -> String {
        format!("{}/fhir", self.origin)
    }

    /// The media type of the body, lower case and without parameters.
    pub fn content_type(&self) -> Option<String> {
        let value = self.header(CONTENT_TYPE)?;
        Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }

    /// Whether `Prefer` holds this (RFC 7240).
    pub fn prefers(&self, preference: &str) -> bool {
        let values = self.headers.get_all(HeaderName::from_static("prefer")).iter();
        values
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split([',', ';']).any(|piece| piece.trim().eq_ignore_ascii_case(preference)))
    }

    /// Whether the client is on this machine.
    fn is_local(&self) -> bool {
        self.peer.as_ref().is_some_and(|peer| peer.address.ip().is_loopback())
    }
}

/// The innermost service: authentication, then the route.
#[derive(Clone)]
struct Routes {
    app: App,
}

impl Service<Request<Limited<Incoming>>> for Routes {
    type Response = Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Limited<Incoming>>) -> Self::Future {
        let app = self.app.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let (route, params) = match router::find(&head.method, head.uri.path()) {
                Found::Route(route, params) => (route, params),
                Found::Method(allowed) => {
                    let allowed = allowed.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(", ");
                    return Ok(Failure::method(&allowed).into());
                }
                Found::Nothing => return Ok(unknown(head.uri.path()).into()),
            };
            let limit = head.extensions.get::<BodyLimit>().map_or(layers::BODY_LIMIT_BYTES, |limit| limit.0);
            let peer = head.extensions.get::<server::Peer>().cloned();
            let mut call = Call {
                app,
                params,
                origin: origin(&head.uri, &head.headers, peer.as_ref()),
                query: head.uri.query().unwrap_or_default().to_owned(),
                headers: head.headers,
                peer,
                body: Some(body),
                ready: None,
                limit,
            };
            let request = head.extensions.get::<layers::request_id::RequestId>().map(|id| id.0.clone());
            let is_fhir = route.pattern.starts_with("/fhir");
            let answered = match format::check(&call, route) {
                Err(failure) if is_fhir => Err(failure),
                _ => answer_to(&mut call, route, request).await,
            };
            let mut response = match answered {
                Ok(response) => response,
                Err(failure) if failure.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                    // One text and one count for both ways a body can be too large.
                    return Err(TooLarge { limit }.into());
                }
                Err(failure) => failure.into(),
            };
            if is_fhir {
                response = format::formed(&call, route, response).await;
            }
            let mut response = gzip::packed(&call.headers, response).await;
            response.extensions_mut().insert(RouteName(route.pattern));
            Ok(response)
        })
    }
}

/// 404 for an address that nothing answers at; an operation is named as such.
fn unknown(path: &str) -> Failure {
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    if path.starts_with("/fhir") && (last.starts_with('$') || last.starts_with("%24")) {
        let text = "no operation of this name is offered at this address; /fhir/metadata lists them";
        return Failure::new(StatusCode::NOT_FOUND, "not-supported", text);
    }
    Failure::unknown("this address")
}

/// The authority the client asked for (RFC 9110, section 7.2). Only what an authority can hold is echoed.
fn origin(uri: &http::Uri, headers: &HeaderMap, peer: Option<&server::Peer>) -> String {
    let scheme = if peer.is_some_and(|peer| peer.secure) { "https" } else { "http" };
    let named = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = uri.authority().map(http::uri::Authority::as_str).or(named).unwrap_or("localhost");
    let sound = host.len() <= 255 && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
    format!("{scheme}://{}", if sound { host } else { "localhost" })
}

async fn answer_to(
    call: &mut Call,
    route: &'static router::Route,
    request: Option<String>,
) -> Result<Response, Failure> {
    let address = call.peer.as_ref().map(|peer| peer.address.ip().to_string());
    let client = Client { address, server: crate::audit::address(&call.app.config), request };
    let who = authenticate(call, route.needs)?.from(client).with_records(&call.app)?;
    match jobs::start(call, route, &who).await? {
        Some(accepted) => Ok(accepted),
        None => dispatch(call, route.endpoint, &who).await,
    }
}

/// Says who calls. Outside of open mode a route that needs somebody refuses who shows nothing or something wrong.
fn authenticate(call: &Call, needs: Needs) -> Result<Who, Failure> {
    if call.app.config.auth.mode == crate::config::AuthMode::Open {
        return Ok(Who::open());
    }
    let shown = call.header(AUTHORIZATION);
    match needs {
        Needs::Nobody => Ok(Who::nobody()),
        Needs::Operator if call.is_local() && shown.is_none() => Ok(Who::nobody()),
        Needs::Caller | Needs::Operator => who::by_header(call, shown),
        Needs::Source => who::by_source_or_header(call, shown),
    }
}

async fn dispatch(call: &mut Call, endpoint: Endpoint, who: &Who) -> Result<Response, Failure> {
    match endpoint {
        Endpoint::Ingest => ingest::ingest(call, who).await,
        Endpoint::Convert => convert::convert(call, who).await,
        Endpoint::Exchanges => exchanges::list(call, who),
        Endpoint::Exchange => exchanges::one(call, who),
        Endpoint::Replay => exchanges::replay(call, who).await,
        Endpoint::Opening => exchanges::opening(call, who).await,
        Endpoint::Unmapped => unmapped::unmapped(call, who).await,
        Endpoint::Packages => packages::list(call, who),
        Endpoint::ReloadPackages => packages::reload(call, who).await,
        Endpoint::Checkpoint => ledger::checkpoint(call),
        Endpoint::Tile => ledger::tile(call),
        Endpoint::Receipt => ledger::receipt(call),
        Endpoint::LedgerKey => ledger::key(call),
        Endpoint::Accesses => crate::patient::accesses::accesses(call, who).await,
        Endpoint::Disclosures => crate::patient::accesses::disclosures(call, who).await,
        Endpoint::Choices => crate::patient::filing::show(call, who).await,
        Endpoint::FileChoices => crate::patient::filing::file(call, who).await,
        Endpoint::ChangeChoices => crate::patient::filing::change(call, who).await,
        Endpoint::RevokeChoices => crate::patient::filing::revoke(call, who).await,
        Endpoint::Metadata => fhir::capability::metadata(call),
        Endpoint::OpenApi => Ok(openapi::openapi(call)),
        Endpoint::Transaction => fhir::bundle::process(call, who).await,
        Endpoint::Create => fhir::write::create(call, who).await,
        Endpoint::Update => fhir::write::update(call, who).await,
        Endpoint::ConditionalUpdate => fhir::write::conditional_update(call, who).await,
        Endpoint::Delete => fhir::delete::delete(call, who).await,
        Endpoint::ConditionalDelete => fhir::delete::conditional_delete(call, who).await,
        Endpoint::Patch => fhir::patch::patch(call, who).await,
        Endpoint::ConditionalPatch => fhir::patch::conditional_patch(call, who).await,
        Endpoint::Search | Endpoint::SystemSearch | Endpoint::CompartmentSearch => {
            fhir::search::search(call, who).await
        }
        Endpoint::SearchByForm | Endpoint::SystemSearchByForm | Endpoint::CompartmentSearchByForm => {
            fhir::search::by_form(call, who).await
        }
        Endpoint::Read => fhir::read::read(call, who).await,
        Endpoint::VersionRead => fhir::read::vread(call, who).await,
        Endpoint::History => fhir::history::instance(call, who).await,
        Endpoint::TypeHistory => fhir::history::of_type(call, who).await,
        Endpoint::SystemHistory => fhir::history::system(call, who).await,
        Endpoint::Summary => fhir::operation::summary(call, who).await,
        Endpoint::Everything => fhir::everything::of_patient(call, who).await,
        Endpoint::EncounterEverything => fhir::everything::of_encounter(call, who).await,
        Endpoint::Match => matching::matching(call, who).await,
        Endpoint::Meta => meta::meta(call, who).await,
        Endpoint::MetaAdd => fhir::meta::add(call, who).await,
        Endpoint::MetaDelete => fhir::meta::delete(call, who).await,
        Endpoint::ProcessMessage => process_message::process_message(call, who).await,
        Endpoint::ConvertResource => convert::operation(call, who).await,
        Endpoint::Document => fhir::document::document(call, who).await,
        Endpoint::Validate => fhir::validate::validate(call, who).await,
        Endpoint::Lookup => terminology::lookup(call, who).await,
        Endpoint::ValidateCode => terminology::validate_code(call, who).await,
        Endpoint::Subsumes => terminology::subsumes(call, who).await,
        Endpoint::Expand => terminology::expand(call, who).await,
        Endpoint::ValidateMember => terminology::validate_member(call, who).await,
        Endpoint::Translate => terminology::translate(call, who).await,
        Endpoint::Job => jobs::state(call, who),
        Endpoint::EndJob => jobs::end(call, who),
        Endpoint::Find => crate::emergency::find::find(call, who).await,
        Endpoint::Declare => crate::emergency::declare::declare(call, who).await,
        Endpoint::GrantSummary => crate::emergency::summary::summary(call, who).await,
        Endpoint::GrantEnd => crate::emergency::declare::end(call, who).await,
        Endpoint::Reviews => crate::emergency::reviews::list(call, who),
        Endpoint::Live => Ok(crate::health::live()),
        Endpoint::Ready => Ok(crate::health::ready(&call.app)),
        Endpoint::Metrics => crate::health::metrics(call, who),
        Endpoint::Console => crate::console::file(call.params.text("file")),
        Endpoint::ConsoleFolder => {
            let mut response = answer::empty(StatusCode::PERMANENT_REDIRECT);
            answer::header(&mut response, LOCATION, "/console/");
            Ok(response)
        }
    }
}

/// Makes an audit event durable. What it tells of may leave only after this returns.
///
/// # Errors
/// What the store says: then nothing is answered but the failure.
pub(crate) async fn audited(app: &App, event: Event) -> Result<(), Failure> {
    app.store.commit(Commit { resources: event.versions(), ..Commit::default() }).await?;
    Ok(())
}
