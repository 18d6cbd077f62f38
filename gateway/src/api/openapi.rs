//! `GET /fhir/openapi.json`: OpenAPI 3.1 of every address, made of the tables that requests are routed and read by.

use std::collections::BTreeMap;

use http::StatusCode;
use model::id::ResourceType;
use model::json::{Json, Object};

use super::router::{Needs, Route, routes};
use super::{Call, answer};
use crate::layers::Response;
use crate::operations::input;

/// What FHIR is written in.
const FHIR: [&str; 2] = ["application/fhir+json", "application/fhir+xml"];

/// `GET /fhir/openapi.json`
pub(super) fn openapi(call: &Call) -> Response {
    answer::json(StatusCode::OK, &document(&call.origin))
}

fn document(origin: &str) -> Json {
    let mut paths: BTreeMap<&str, Object> = BTreeMap::new();
    for route in routes() {
        let method = route.method.as_str().to_ascii_lowercase();
        paths.entry(route.pattern).or_default().insert(method, described(route));
    }
    let paths = paths.into_iter().map(|(pattern, methods)| (pattern.replace("*}", "}"), Json::from(methods)));
    let info = Json::object([
        ("title", Json::from("Anchorline")),
        ("version", Json::from(env!("CARGO_PKG_VERSION"))),
        ("description", Json::from("Parameters of searches stand in /fhir/metadata, by type.")),
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
    let components = Json::object([("schemas", kinds), ("securitySchemes", Json::object([("bearer", bearer)]))]);
    Json::object([
        ("openapi", Json::from("3.1.0")),
        ("info", info),
        ("servers", Json::array([Json::object([("url", Json::from(origin))])])),
        ("paths", Json::object(paths)),
        ("components", components),
    ])
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
    described.insert("responses", Json::object([("2XX", Json::from(done)), ("default", refusal)]));
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
