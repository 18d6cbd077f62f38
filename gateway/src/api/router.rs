//! The route table: method, pattern, who may come in. Matching is by segments; the table also makes `/fhir/metadata`.

use http::Method;

#[cfg(test)]
mod tests;

/// What a route does. One handler each, in `api::dispatch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `POST /ingest/{source}`
    Ingest,
    /// `POST /convert`
    Convert,
    /// `GET /exchanges`
    Exchanges,
    /// `GET /exchanges/{id}`
    Exchange,
    /// `POST /exchanges/{id}/replay`
    Replay,
    /// `GET /exchanges/{id}/opening`
    Opening,
    /// `GET /exchanges/unmapped`
    Unmapped,
    /// `GET /packages`
    Packages,
    /// `POST /packages/reload`
    ReloadPackages,
    /// `GET /ledger/checkpoint`
    Checkpoint,
    /// `GET /ledger/tile/…`
    Tile,
    /// `GET /ledger/receipts/{exchange}`
    Receipt,
    /// `GET /ledger/key`
    LedgerKey,
    /// `GET /patient/accesses`
    Accesses,
    /// `GET /patient/disclosures`
    Disclosures,
    /// `GET /patient/choices`
    Choices,
    /// `POST /patient/choices`
    FileChoices,
    /// `PUT /patient/choices/{id}`
    ChangeChoices,
    /// `DELETE /patient/choices/{id}`
    RevokeChoices,
    /// `GET /fhir/metadata`
    Metadata,
    /// `POST /fhir`: a transaction or a batch
    Transaction,
    /// `POST /fhir/{type}`
    Create,
    /// `GET /fhir/{type}`
    Search,
    /// `POST /fhir/{type}/_search`
    SearchByForm,
    /// `GET /fhir/{type}/{id}`
    Read,
    /// `PUT /fhir/{type}/{id}`
    Update,
    /// `PUT /fhir/{type}?…`
    ConditionalUpdate,
    /// `GET /fhir/{type}/{id}/_history/{version}`
    VersionRead,
    /// `GET /fhir/{type}/{id}/_history`
    History,
    /// `GET /fhir/Patient/{id}/$summary`
    Summary,
    /// `GET /fhir/Patient/{id}/$everything`
    Everything,
    /// `GET /fhir/Composition/{id}/$document`
    Document,
    /// `POST /fhir/$validate`, of a type, of an id
    Validate,
    /// `POST /emergency/find`
    Find,
    /// `POST /emergency/declare`
    Declare,
    /// `GET /emergency/grants/{id}/summary`
    GrantSummary,
    /// `DELETE /emergency/grants/{id}`
    GrantEnd,
    /// `GET /emergency/reviews`
    Reviews,
    /// `GET /health/live`
    Live,
    /// `GET /health/ready`
    Ready,
    /// `GET /metrics`
    Metrics,
    /// `GET /console/{file}`
    Console,
    /// `GET /console`: on to the page
    ConsoleFolder,
}

/// Who may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Anybody.
    Nobody,
    /// A caller; the handler decides what for.
    Caller,
    /// The source of the path, or an administrator.
    Source,
    /// A connection from this machine, or an administrator.
    Operator,
}

/// One line of the table.
#[derive(Debug)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// Segments between slashes; `{name}` matches one, `{name*}` the rest.
    pub pattern: &'static str,
    /// What it does.
    pub endpoint: Endpoint,
    /// Who may come in.
    pub needs: Needs,
    /// The interaction or operation it adds to the CapabilityStatement, if any.
    pub capability: Option<Capability>,
}

/// What a route means in a CapabilityStatement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// `rest.resource.interaction.code`, for every type.
    Interaction(&'static str),
    /// `rest.interaction.code`, for the system.
    System(&'static str),
    /// `rest.resource.operation` of the type that the pattern names: name and definition.
    Operation(&'static str, &'static str),
    /// `rest.resource.operation` of every type.
    EveryType(&'static str, &'static str),
    /// `rest.operation`.
    WholeSystem(&'static str, &'static str),
}

const fn route(method: Method, pattern: &'static str, endpoint: Endpoint, needs: Needs) -> Route {
    Route { method, pattern, endpoint, needs, capability: None }
}

const fn interaction(method: Method, pattern: &'static str, endpoint: Endpoint, code: &'static str) -> Route {
    Route { method, pattern, endpoint, needs: Needs::Caller, capability: Some(Capability::Interaction(code)) }
}

/// FHIR R4 resource-operation-validate.html.
const VALIDATE: &str = "http://hl7.org/fhir/OperationDefinition/Resource-validate";

/// The table. Literal segments stand before parameters, as the first line that fits is taken.
pub static ROUTES: &[Route] = &[
    route(Method::POST, "/ingest/{source}", Endpoint::Ingest, Needs::Source),
    route(Method::POST, "/convert", Endpoint::Convert, Needs::Caller),
    route(Method::GET, "/exchanges", Endpoint::Exchanges, Needs::Caller),
    route(Method::GET, "/exchanges/unmapped", Endpoint::Unmapped, Needs::Caller),
    route(Method::GET, "/exchanges/{id}", Endpoint::Exchange, Needs::Caller),
    route(Method::POST, "/exchanges/{id}/replay", Endpoint::Replay, Needs::Caller),
    route(Method::GET, "/exchanges/{id}/opening", Endpoint::Opening, Needs::Caller),
    route(Method::GET, "/packages", Endpoint::Packages, Needs::Caller),
    route(Method::POST, "/packages/reload", Endpoint::ReloadPackages, Needs::Caller),
    route(Method::GET, "/ledger/checkpoint", Endpoint::Checkpoint, Needs::Nobody),
    route(Method::GET, "/ledger/tile/{path*}", Endpoint::Tile, Needs::Nobody),
    route(Method::GET, "/ledger/receipts/{id}", Endpoint::Receipt, Needs::Nobody),
    route(Method::GET, "/ledger/key", Endpoint::LedgerKey, Needs::Nobody),
    route(Method::GET, "/patient/accesses", Endpoint::Accesses, Needs::Caller),
    route(Method::GET, "/patient/disclosures", Endpoint::Disclosures, Needs::Caller),
    route(Method::GET, "/patient/choices", Endpoint::Choices, Needs::Caller),
    route(Method::POST, "/patient/choices", Endpoint::FileChoices, Needs::Caller),
    route(Method::PUT, "/patient/choices/{id}", Endpoint::ChangeChoices, Needs::Caller),
    route(Method::DELETE, "/patient/choices/{id}", Endpoint::RevokeChoices, Needs::Caller),
    route(Method::GET, "/fhir/metadata", Endpoint::Metadata, Needs::Nobody),
    Route {
        method: Method::POST,
        pattern: "/fhir",
        endpoint: Endpoint::Transaction,
        needs: Needs::Caller,
        capability: Some(Capability::System("transaction")),
    },
    Route {
        method: Method::POST,
        pattern: "/fhir/$validate",
        endpoint: Endpoint::Validate,
        needs: Needs::Caller,
        capability: Some(Capability::WholeSystem("validate", VALIDATE)),
    },
    Route {
        method: Method::POST,
        pattern: "/fhir/{type}/$validate",
        endpoint: Endpoint::Validate,
        needs: Needs::Caller,
        capability: Some(Capability::EveryType("validate", VALIDATE)),
    },
    route(Method::POST, "/fhir/{type}/{id}/$validate", Endpoint::Validate, Needs::Caller),
    // It changes nothing, so it may be asked by GET where the resource is one that is stored.
    route(Method::GET, "/fhir/{type}/{id}/$validate", Endpoint::Validate, Needs::Caller),
    interaction(Method::POST, "/fhir/{type}", Endpoint::Create, "create"),
    interaction(Method::GET, "/fhir/{type}", Endpoint::Search, "search-type"),
    route(Method::PUT, "/fhir/{type}", Endpoint::ConditionalUpdate, Needs::Caller),
    route(Method::POST, "/fhir/{type}/_search", Endpoint::SearchByForm, Needs::Caller),
    interaction(Method::GET, "/fhir/{type}/{id}", Endpoint::Read, "read"),
    interaction(Method::PUT, "/fhir/{type}/{id}", Endpoint::Update, "update"),
    interaction(Method::GET, "/fhir/{type}/{id}/_history", Endpoint::History, "history-instance"),
    interaction(Method::GET, "/fhir/{type}/{id}/_history/{version}", Endpoint::VersionRead, "vread"),
    Route {
        method: Method::GET,
        pattern: "/fhir/Patient/{id}/$summary",
        endpoint: Endpoint::Summary,
        needs: Needs::Caller,
        capability: Some(Capability::Operation("summary", "http://hl7.org/fhir/uv/ips/OperationDefinition/summary")),
    },
    Route {
        method: Method::GET,
        pattern: "/fhir/Patient/{id}/$everything",
        endpoint: Endpoint::Everything,
        needs: Needs::Caller,
        capability: Some(Capability::Operation(
            "everything",
            "http://hl7.org/fhir/OperationDefinition/Patient-everything",
        )),
    },
    Route {
        method: Method::GET,
        pattern: "/fhir/Composition/{id}/$document",
        endpoint: Endpoint::Document,
        needs: Needs::Caller,
        capability: Some(Capability::Operation(
            "document",
            "http://hl7.org/fhir/OperationDefinition/Composition-document",
        )),
    },
    route(Method::POST, "/emergency/find", Endpoint::Find, Needs::Caller),
    route(Method::POST, "/emergency/declare", Endpoint::Declare, Needs::Caller),
    route(Method::GET, "/emergency/grants/{id}/summary", Endpoint::GrantSummary, Needs::Caller),
    route(Method::DELETE, "/emergency/grants/{id}", Endpoint::GrantEnd, Needs::Caller),
    route(Method::GET, "/emergency/reviews", Endpoint::Reviews, Needs::Caller),
    route(Method::GET, "/health/live", Endpoint::Live, Needs::Nobody),
    route(Method::GET, "/health/ready", Endpoint::Ready, Needs::Nobody),
    route(Method::GET, "/metrics", Endpoint::Metrics, Needs::Operator),
    route(Method::GET, "/console", Endpoint::ConsoleFolder, Needs::Nobody),
    route(Method::GET, "/console/{file}", Endpoint::Console, Needs::Nobody),
];

/// What the path said at the parameters of the pattern.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Params(Vec<(&'static str, String)>);

impl Params {
    /// The value of a parameter; empty if the pattern has none of that name.
    pub fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }
}

/// What fits a request.
#[derive(Debug)]
pub enum Found {
    /// A line of the table.
    Route(&'static Route, Params),
    /// The path is known, with these methods.
    Method(Vec<&'static Method>),
    /// Nothing.
    Nothing,
}

/// Looks a request up. HEAD is answered like GET; the server leaves the body out.
pub fn find(method: &Method, path: &str) -> Found {
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    // `/fhir/` and `/fhir` are one address; `/console/` is the folder's page.
    let path = path.strip_suffix('/').filter(|rest| !rest.is_empty() && *rest != "/console").unwrap_or(path);
    let mut allowed = Vec::new();
    for route in ROUTES {
        if let Some(params) = fit(route.pattern, path) {
            if route.method == *method {
                return Found::Route(route, params);
            }
            if !allowed.contains(&&route.method) {
                allowed.push(&route.method);
            }
        }
    }
    if allowed.is_empty() { Found::Nothing } else { Found::Method(allowed) }
}

fn fit(pattern: &'static str, path: &str) -> Option<Params> {
    let mut params = Params::default();
    let mut segments = path.split('/');
    for expected in pattern.split('/') {
        let name = expected.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        match name {
            Some(name) if name.ends_with('*') => {
                let rest: Vec<&str> = segments.by_ref().collect();
                if rest.is_empty() {
                    return None;
                }
                params.0.push((name.trim_end_matches('*'), rest.join("/")));
                return Some(params);
            }
            Some(name) => params.0.push((name, percent_decoded(segments.next()?)?)),
            None if segments.next()? == expected => {}
            None => return None,
        }
    }
    segments.next().is_none().then_some(params)
}

/// Undoes `%XX` (RFC 3986, section 2.1); `None` if it is cut or the result is no UTF-8.
pub fn percent_decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let value = digit(bytes.next())? * 16 + digit(bytes.next())?;
        out.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(out).ok()
}
