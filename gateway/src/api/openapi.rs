//! `GET /fhir/openapi.json`: OpenAPI 3.1 of every address, made of the tables that requests are routed and read by.

use std::collections::BTreeMap;

use http::StatusCode;
use model::id::ResourceType;
use model::json::{Json, Object};
use search::Registry;

use super::router::{Endpoint, Needs, Route, routes};
use super::{Call, answer};
use crate::layers::Response;
use crate::operations::input;

/// What FHIR is written in.
const FHIR: [&str; 2] = ["application/fhir+json", "application/fhir+xml"];

/// Addresses that are described by type.
const OF_TYPE: &str = "/fhir/{type}";
const TYPE: &str = "{type}";

/// What every search takes beside search parameters.
const CONTROL: [&str; 5] = ["_count", "_include", "_revinclude", "_sort", "_total"];

/// `GET /fhir/openapi.json`
pub(super) fn openapi(call: &Call) -> Response {
    answer::json(StatusCode::OK, &document(&call.origin, &call.app.parameters.registry()))
}

fn document(origin: &str, registry: &Registry) -> Json {
    let mut paths: BTreeMap<String, Object> = BTreeMap::new();
    let mut parameters: BTreeMap<String, Json> = BTreeMap::new();
    for route in routes() {
        let method = route.method.as_str().to_ascii_lowercase();
        if route.pattern != OF_TYPE {
            paths.entry(route.pattern.replace("*}", "}")).or_default().insert(method, described(route));
            continue;
        }
        // Each type by itself, as each has parameters of its own.
        for name in ResourceType::all() {
            let of_type = described_of(route, name, registry, &mut parameters);
            paths.entry(OF_TYPE.replace(TYPE, name.as_str())).or_default().insert(method.clone(), of_type);
        }
    }
    let paths = paths.into_iter().map(|(path, methods)| (path, Json::from(methods)));
    let info = Json::object([
        ("title", Json::from("Anchorline")),
        ("version", Json::from(env!("CARGO_PKG_VERSION"))),
        (
            "description",
            Json::from(
                "Modifiers and prefixes of search parameters, chains and _has are read as FHIR R4 search.html has them.",
            ),
        ),
    ]);
    let types = Json::array(ResourceType::all().map(|it| Json::from(it.as_str())));
    let kinds = Json::object([
        ("ResourceType", Json::object([("type", Json::from("string")), ("enum", types)])),
        (
            "Resource",
            Json::object([("type", Json::from("object")), ("required", Json::array([Json::from("resourceType")]))]),
        ),
    ]);
    let bearer = Json::object([("type", Json::from("http")), ("scheme", Json::from("bearer"))]);
    let components = Json::object([
        ("schemas", kinds),
        ("parameters", Json::object(parameters)),
        ("securitySchemes", Json::object([("bearer", bearer)])),
    ]);
    Json::object([
        ("openapi", Json::from("3.1.0")),
        ("info", info),
        ("servers", Json::array([Json::object([("url", Json::from(origin))])])),
        ("paths", Json::object(paths)),
        ("components", components),
    ])
}

/// An interaction with one type; what it is searched by stands in `parameters`, once for all types that have it.
fn described_of(
    route: &Route,
    name: ResourceType,
    registry: &Registry,
    parameters: &mut BTreeMap<String, Json>,
) -> Json {
    let Json::Object(mut described) = described(route) else { return Json::Null };
    described.insert("operationId", format!("{:?}{name}", route.endpoint));
    // The type stands in the path.
    let general = match described.remove("parameters") {
        Some(Json::Array(general)) => general,
        _ => Vec::new(),
    };
    let mut own: Vec<Json> = general.into_iter().filter(|one| one.text_at(&["in"]) != Some("path")).collect();
    if route.endpoint == Endpoint::Search {
        own.extend(CONTROL.map(|name| in_query(name, false)));
        for parameter in registry.parameters(name) {
            let code = &parameter.code;
            let shared = if code.starts_with('_') { code.to_string() } else { format!("{name}-{code}") };
            own.push(Json::object([("$ref", Json::from(format!("#/components/parameters/{shared}").as_str()))]));
            let Json::Object(mut one) = in_query(code, true) else { continue };
            one.insert("description", format!("{}: {}", parameter.kind.as_str(), parameter.url));
            parameters.entry(shared).or_insert(one.into());
        }
    }
    described.insert("parameters", Json::Array(own));
    described.into()
}

fn described(route: &Route) -> Json {
    let is_fhir = route.pattern.starts_with("/fhir");
    let mut described = Object::new();
    let name = format!("{:?}", route.endpoint);
    described.insert("operationId", unique(route, &name));
    described.insert("summary", route.operation.map_or(name, |operation| format!("${}", operation.name)));
    if let Some(operation) = route.operation {
        described.insert("externalDocs", Json::object([("url", Json::from(operation.definition))]));
    }
    let mut parameters: Vec<Json> = in_path(route.pattern).collect();
    if is_fhir {
        parameters.extend(super::format::GENERAL.iter().map(|name| in_query(name, false)));
    }
    let by_get = route.method == http::Method::GET;
    if let Some(operation) = route.operation {
        parameters.extend(input::primitives(operation).into_iter().map(|(name, repeats)| in_query(&name, repeats)));
    }
    if route.may_wait() {
        parameters.push(Json::object([
            ("name", Json::from("Prefer")),
            ("in", Json::from("header")),
            ("description", Json::from("respond-async: answered by 202 with Content-Location")),
            ("schema", Json::object([("type", Json::from("string"))])),
        ]));
    }
    if !parameters.is_empty() {
        described.insert("parameters", Json::Array(parameters));
    }
    let resource = || {
        let schema = Json::object([("$ref", Json::from("#/components/schemas/Resource"))]);
        Json::object(FHIR.map(|kind| (kind, Json::object([("schema", schema.clone())]))))
    };
    if !by_get && route.method != http::Method::DELETE {
        let content = if is_fhir { resource() } else { Json::object([("*/*", Json::from(Object::new()))]) };
        described.insert("requestBody", Json::object([("content", content)]));
    }
    let refusal = Json::object([("description", Json::from("an OperationOutcome")), ("content", resource())]);
    let mut done = Object::new();
    done.insert("description", "done");
    if is_fhir {
        done.insert("content", resource());
    }
    let mut responses = Object::new();
    if route.may_wait() || route.endpoint == Endpoint::Job {
        responses.insert("202", Json::object([("description", Json::from("a job that is not done yet"))]));
    }
    responses.insert("2XX", done);
    responses.insert("default", refusal);
    described.insert("responses", responses);
    let security = match route.needs {
        Needs::Nobody => Vec::new(),
        _ => vec![Json::object([("bearer", Json::Array(Vec::new()))])],
    };
    described.insert("security", Json::Array(security));
    described.into()
}

/// One endpoint may have several addresses.
fn unique(route: &Route, name: &str) -> String {
    let before = routes().iter().take_while(|other| !std::ptr::eq(*other, route));
    match before.filter(|other| other.endpoint == route.endpoint).count() {
        0 => name.to_owned(),
        number => format!("{name}{}", number + 1),
    }
}

fn in_path(pattern: &'static str) -> impl Iterator<Item = Json> {
    let names = pattern.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| {
        let name = name.trim_end_matches('*');
        let schema = match name {
            "type" => Json::object([("$ref", Json::from("#/components/schemas/ResourceType"))]),
            _ => Json::object([("type", Json::from("string"))]),
        };
        Json::object([
            ("name", Json::from(name)),
            ("in", Json::from("path")),
            ("required", Json::Bool(true)),
            ("schema", schema),
        ])
    })
}

fn in_query(name: &str, repeats: bool) -> Json {
    let one = Json::object([("type", Json::from("string"))]);
    let schema = if repeats { Json::object([("type", Json::from("array")), ("items", one)]) } else { one };
    Json::object([("name", Json::from(name)), ("in", Json::from("query")), ("schema", schema)])
}
