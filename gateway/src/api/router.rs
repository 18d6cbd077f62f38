//! Routes: method, pattern, who may come in. Matching is by segments; the tables also make `/fhir/metadata` and the OpenAPI
//! description.

use std::sync::LazyLock;

use http::Method;

use crate::operations::table::{By, OPERATIONS, Operation};

mod table;
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
    /// `GET /fhir/openapi.json`
    OpenApi,
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
    /// `GET /fhir/{type}/_history`
    TypeHistory,
    /// `GET /fhir/_history`
    SystemHistory,
    /// `DELETE /fhir/{type}/{id}`
    Delete,
    /// `DELETE /fhir/{type}?…`
    ConditionalDelete,
    /// `PATCH /fhir/{type}/{id}`
    Patch,
    /// `PATCH /fhir/{type}?…`
    ConditionalPatch,
    /// `GET /fhir?…`
    SystemSearch,
    /// `POST /fhir/_search`
    SystemSearchByForm,
    /// `GET /fhir/{compartment}/{id}/{type}`; the type may be `*`
    CompartmentSearch,
    /// `POST /fhir/{compartment}/{id}/{type}/_search`
    CompartmentSearchByForm,
    /// `GET /fhir/Patient/{id}/$summary`
    Summary,
    /// `/fhir/Patient/{id}/$everything`
    Everything,
    /// `GET /fhir/Composition/{id}/$document`
    Document,
    /// `POST /fhir/$validate`, of a type, of an id
    Validate,
    /// `/fhir/Encounter/{id}/$everything`
    EncounterEverything,
    /// `POST /fhir/Patient/$match`
    Match,
    /// `$meta` of a resource, of a type, of everything
    Meta,
    /// `POST /fhir/{type}/{id}/$meta-add`
    MetaAdd,
    /// `POST /fhir/{type}/{id}/$meta-delete`
    MetaDelete,
    /// `POST /fhir/$process-message`
    ProcessMessage,
    /// `POST /fhir/$convert`
    ConvertResource,
    /// `/fhir/CodeSystem/$lookup`
    Lookup,
    /// `/fhir/CodeSystem/$validate-code`
    ValidateCode,
    /// `/fhir/CodeSystem/$subsumes`
    Subsumes,
    /// `/fhir/ValueSet/$expand`
    Expand,
    /// `/fhir/ValueSet/$validate-code`
    ValidateMember,
    /// `/fhir/ConceptMap/$translate`
    Translate,
    /// `GET /fhir/_jobs/{job}`
    Job,
    /// `DELETE /fhir/_jobs/{job}`
    EndJob,
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
    /// What it adds to the CapabilityStatement.
    pub capabilities: &'static [Capability],
    /// The operation it asks, if it is one.
    pub operation: Option<&'static Operation>,
}

impl Route {
    /// Whether this may be left to a job (`Prefer: respond-async`): what looks at many resources and changes nothing. Of
    /// Bundles those that only read.
    pub fn may_wait(&self) -> bool {
        match self.operation {
            Some(operation) => !operation.changes,
            None => table::may_wait(self.endpoint),
        }
    }
}

/// What a route means in a CapabilityStatement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// `rest.resource.interaction.code`, for every type.
    Interaction(&'static str),
    /// `rest.interaction.code`, for the system.
    System(&'static str),
    /// `rest.resource.conditionalUpdate`.
    ConditionalUpdate,
    /// `rest.resource.conditionalDelete`.
    ConditionalDelete,
    /// PATCH on a condition. R4 has no member for it: said in words.
    ConditionalPatch,
}

/// The routes, made once: the table of interactions, then that of operations.
pub fn routes() -> &'static [Route] {
    &TABLE.routes
}

static TABLE: LazyLock<Table> = LazyLock::new(Table::new);

/// The routes by the number of their segments, so that a request is compared with few of them.
struct Table {
    routes: Vec<Route>,
    by_length: Vec<Vec<Line>>,
    /// Those whose last parameter takes the rest.
    open: Vec<Line>,
}

/// A route, its pattern taken apart.
struct Line {
    route: usize,
    segments: Vec<Segment>,
}

enum Segment {
    Literal(&'static str),
    One(&'static str),
    /// One that is neither an operation nor an interaction: in `/fhir`, no type and no id begins with `$` or `_`.
    Name(&'static str),
    Rest(&'static str),
}

impl Table {
    fn new() -> Self {
        let mut routes = table::interactions();
        for operation in OPERATIONS {
            for at in operation.at {
                let methods: &[Method] = match at.by {
                    By::Post => &[Method::POST],
                    By::Get => &[Method::GET],
                    By::Both => &[Method::GET, Method::POST],
                };
                routes.extend(methods.iter().map(|method| Route {
                    method: method.clone(),
                    pattern: at.pattern,
                    endpoint: operation.endpoint,
                    needs: Needs::Caller,
                    capabilities: &[],
                    operation: Some(operation),
                }));
            }
        }
        let (mut by_length, mut open): (Vec<Vec<Line>>, Vec<Line>) = (Vec::new(), Vec::new());
        for (index, route) in routes.iter().enumerate() {
            let segments: Vec<Segment> = route.pattern.split('/').map(|text| Segment::of(text, route)).collect();
            let lines = match segments.last() {
                Some(Segment::Rest(_)) => &mut open,
                _ => {
                    if by_length.len() <= segments.len() {
                        by_length.resize_with(segments.len() + 1, Vec::new);
                    }
                    match by_length.get_mut(segments.len()) {
                        Some(lines) => lines,
                        None => continue,
                    }
                }
            };
            lines.push(Line { route: index, segments });
        }
        // Of two that fit, the one with a literal where the other has a parameter.
        for lines in &mut by_length {
            lines.sort_by_key(|line| {
                line.segments.iter().map(|segment| !matches!(segment, Segment::Literal(_))).collect::<Vec<_>>()
            });
        }
        Self { routes, by_length, open }
    }
}

impl Segment {
    fn of(text: &'static str, route: &Route) -> Self {
        match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            None => Self::Literal(text),
            Some(name) => match name.strip_suffix('*') {
                Some(name) => Self::Rest(name),
                None if route.pattern.starts_with("/fhir/") => Self::Name(name),
                None => Self::One(name),
            },
        }
    }
}

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
    let segments: Vec<&str> = path.split('/').collect();
    let mut allowed = Vec::new();
    let lines = TABLE.by_length.get(segments.len()).map_or(&[][..], Vec::as_slice);
    for line in lines.iter().chain(&TABLE.open) {
        let Some(route) = TABLE.routes.get(line.route) else { continue };
        if let Some(params) = line.fit(&segments) {
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

impl Line {
    fn fit(&self, path: &[&str]) -> Option<Params> {
        let mut params = Vec::new();
        let mut rest = path.iter();
        for expected in &self.segments {
            match expected {
                Segment::Rest(name) => {
                    let rest: Vec<&str> = rest.by_ref().copied().collect();
                    if rest.is_empty() {
                        return None;
                    }
                    params.push((*name, rest.join("/")));
                    return Some(Params(params));
                }
                Segment::Literal(text) => {
                    let found = rest.next()?;
                    // `%24everything` is `$everything`; clients escape the dollar sign.
                    if found != text && !(found.starts_with('%') && percent_decoded(found)? == *text) {
                        return None;
                    }
                }
                Segment::One(name) => params.push((*name, percent_decoded(rest.next()?)?)),
                Segment::Name(name) => {
                    let found = percent_decoded(rest.next()?)?;
                    if found.starts_with(['$', '_']) {
                        return None;
                    }
                    params.push((*name, found));
                }
            }
        }
        rest.next().is_none().then_some(Params(params))
    }
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
