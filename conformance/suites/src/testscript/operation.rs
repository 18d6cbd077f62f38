//! Operations: what is sent for each code of testscript-operation-codes.

use model::json::Json;

use super::fixture;
use super::script::Operation;
use super::state::{State, located};
use crate::client::{Exchange, Request, url};
use crate::result::{Outcome, Step};
use crate::wire::{self, Format};

/// Performs an operation. Any answer is well; whether it is the right one is for the asserts to say.
pub(super) async fn perform(state: &mut State<'_>, operation: &Operation) -> Step {
    let prepared = match prepare(state, operation) {
        Ok(prepared) => prepared,
        Err(said) => return Step::error(&operation.label, said),
    };
    let exchange = state.context.client.send(prepared.request).await;
    state.keep(&exchange, prepared.body.clone());
    if let (Some(id), Some(request)) = (&operation.request_id, &state.request) {
        let request = request.clone();
        state.named.insert(id.clone(), request);
    }
    if let (Some(id), Some(answer)) = (&operation.response_id, &state.answer) {
        let answer = answer.clone();
        state.named.insert(id.clone(), answer);
    }
    remember(state, operation, &exchange);
    let name = operation.label.clone();
    match &exchange.answer {
        Ok(answer) => Step {
            name,
            outcome: Outcome::Passed,
            got: format!("{} {} gave {}", exchange.request.method, exchange.request.url, answer.status),
            ..Step::default()
        }
        .with(&exchange),
        Err(error) => Step::error(name, error.to_string()).with(&exchange),
    }
}

struct Prepared {
    request: Request,
    body: Option<Json>,
}

fn prepare(state: &State<'_>, operation: &Operation) -> Result<Prepared, String> {
    let code = operation.code.as_str();
    let mut body = match &operation.source_id {
        Some(id) => {
            let source = state.source(Some(id))?;
            let body = source.body.as_ref().ok_or_else(|| format!("{id} holds no resource to send"))?;
            Some(fixture::fill(body, &|text| state.fill(text))?)
        }
        None => None,
    };
    let target = operation.target_id.as_deref().map(|id| target(state, id)).transpose()?;
    let kind = operation
        .resource
        .clone()
        .or_else(|| target.as_ref().map(|(kind, _)| kind.clone()))
        .or_else(|| body.as_ref().and_then(|body| body.text_at(&["resourceType"]).map(str::to_owned)));
    let method = match &operation.method {
        Some(method) => method.to_ascii_uppercase(),
        None => method_of(code, body.is_some()).to_owned(),
    };
    let address = match &operation.url {
        Some(given) => state.fill(given)?,
        None => address(state, operation, &method, kind.as_deref(), target.as_ref(), body.as_ref())?,
    };
    let mut address = url::join(state.base(operation.destination), &address);
    let mut form = None;
    if code == "search" && method == "POST" && body.is_none() && operation.url.is_none() {
        // http.html, "search": by POST the parameters stand in a form, below `_search`.
        let (path, query) = address.split_once('?').unwrap_or((address.as_str(), ""));
        form = Some(query.to_owned());
        address = if path.ends_with("/_search") {
            path.to_owned()
        } else {
            format!("{}/_search", path.trim_end_matches('/'))
        };
    }
    let address = if operation.encode { url::encode(&address) } else { url::encode_least(&address) };
    let mut request = Request::new(&method, address);
    for (name, value) in &operation.headers {
        request = request.header(name, &state.fill(value)?);
    }
    if request.header_value("accept").is_none()
        && let Some(accept) = media_type(operation.accept.as_deref(), state.context.format)
    {
        request = request.header("Accept", &accept);
    }
    if let Some(form) = form {
        return Ok(Prepared {
            request: request.body("application/x-www-form-urlencoded", url::encode(&form)),
            body: None,
        });
    }
    if ["POST", "PUT", "PATCH"].contains(&method.as_str())
        && let Some(body) = &mut body
    {
        if method == "PUT" {
            set_id(body, &request.url);
        }
        let content_type = content_type(operation, code, body, state.context.format);
        let format = if wire::is_media_type(&content_type, "xml") { Format::Xml } else { Format::Json };
        let bytes = wire::write(body, format).map_err(|error| error.to_string())?;
        if request.header_value("content-type").is_none() {
            request = request.header("Content-Type", &content_type);
        }
        request.body = bytes.into();
    }
    Ok(Prepared { request, body })
}

/// Type and id of what a target id names: what was created from that fixture, else the fixture's own.
fn target(state: &State<'_>, id: &str) -> Result<(String, String), String> {
    if let Some((kind, id)) = state.created.get(id) {
        return Ok((kind.clone(), id.clone()));
    }
    let source = state.source(Some(id))?;
    let of_body = source
        .body
        .as_ref()
        .and_then(|body| Some((body.text_at(&["resourceType"])?.to_owned(), body.text_at(&["id"])?.to_owned())));
    of_body
        .or_else(|| source.header("location").and_then(located))
        .ok_or_else(|| format!("{id} names no resource with an id"))
}

fn method_of(code: &str, has_body: bool) -> &'static str {
    match code {
        "create" | "transaction" | "batch" | "process-message" => "POST",
        "update" | "updateCreate" | "updateCond" => "PUT",
        "delete" | "deleteCond" | "deleteCondSingle" | "deleteCondMultiple" => "DELETE",
        "patch" => "PATCH",
        _ if has_body => "POST",
        _ => "GET",
    }
}

/// The address below the base when the script gives none.
fn address(
    state: &State<'_>,
    operation: &Operation,
    method: &str,
    kind: Option<&str>,
    target: Option<&(String, String)>,
    body: Option<&Json>,
) -> Result<String, String> {
    let code = operation.code.as_str();
    let kind = kind.unwrap_or_default();
    if let Some(params) = &operation.params {
        let params = state.fill(params)?;
        let start = match code {
            "capabilities" => "metadata",
            "transaction" | "batch" => "",
            _ => kind,
        };
        // `params` is the rest of the address: it brings its own `/` or `?`, unless somebody forgot it.
        let joint = match params.chars().next() {
            None | Some('/' | '?') => "",
            Some(_) if params.contains('=') => "?",
            Some(_) => "/",
        };
        return Ok(format!("{start}{joint}{params}"));
    }
    let instance = target.map(|(kind, id)| format!("{kind}/{id}"));
    Ok(match (code, instance) {
        ("capabilities", _) => "metadata".to_owned(),
        ("transaction" | "batch", _) => String::new(),
        ("create" | "search", _) => kind.to_owned(),
        ("history", Some(instance)) => format!("{instance}/_history"),
        ("history", None) if kind.is_empty() => "_history".to_owned(),
        ("history", None) => format!("{kind}/_history"),
        ("vread", Some(instance)) => {
            let id = operation.target_id.as_deref();
            let source = state.source(id)?;
            let version = source.body.as_ref().and_then(|body| body.text_at(&["meta", "versionId"]).map(str::to_owned));
            let version = version.or_else(|| {
                let place = source.header("content-location").or_else(|| source.header("location"))?;
                place.split("/_history/").nth(1).map(str::to_owned)
            });
            let version = version.ok_or("the target says no version to read")?;
            format!("{instance}/_history/{version}")
        }
        ("read" | "update" | "updateCreate" | "delete" | "patch" | "", Some(instance)) => instance,
        ("update" | "updateCreate", None) => match body.and_then(|body| body.text_at(&["id"])) {
            Some(id) => format!("{kind}/{id}"),
            None => return Err("an update needs params, a targetId or a source with an id".to_owned()),
        },
        ("read" | "vread" | "delete" | "patch", None) => {
            return Err(format!("{code} needs params, a url or a targetId"));
        }
        ("", None) if kind.is_empty() && method == "GET" => {
            return Err("an operation needs a type, a url or params".to_owned());
        }
        ("", None) => kind.to_owned(),
        // All other codes are names of operations of the specification.
        (code, Some(instance)) => format!("{instance}/${code}"),
        (code, None) if kind.is_empty() => format!("${code}"),
        (code, None) => format!("{kind}/${code}"),
    })
}

fn media_type(given: Option<&str>, default: Format) -> Option<String> {
    match given {
        None => Some(default.media_type().to_owned()),
        Some("json") => Some(Format::Json.media_type().to_owned()),
        Some("xml") => Some(Format::Xml.media_type().to_owned()),
        Some("ttl") => Some("text/turtle".to_owned()),
        Some("none") => None,
        Some(other) => Some(other.to_owned()),
    }
}

fn content_type(operation: &Operation, code: &str, body: &Json, default: Format) -> String {
    let given = operation.content_type.as_deref();
    // An array is no resource: what a patch sends as one is JSON Patch (http.html, "patch").
    if code == "patch" && body.as_array().is_some() && matches!(given, None | Some("json")) {
        return "application/json-patch+json".to_owned();
    }
    media_type(given, default).unwrap_or_else(|| "application/octet-stream".to_owned())
}

/// Gives the resource the id of its address: http.html, "update" requires both to be the same.
fn set_id(body: &mut Json, address: &str) {
    let Some((kind, id)) = located(address) else { return };
    if body.text_at(&["resourceType"]) == Some(kind.as_str())
        && let Some(object) = body.as_object_mut()
    {
        object.insert("id", id);
    }
}

/// Keeps type and id of what was made from a fixture.
fn remember(state: &mut State<'_>, operation: &Operation, exchange: &Exchange) {
    let (Some(id), Ok(answer)) = (&operation.source_id, &exchange.answer) else { return };
    if !matches!(answer.status, 200 | 201) {
        return;
    }
    let of_body = || {
        let body = state.answer.as_ref()?.body.as_ref()?;
        let kind = body.text_at(&["resourceType"]).filter(|kind| !["OperationOutcome", "Bundle"].contains(kind))?;
        Some((kind.to_owned(), body.text_at(&["id"])?.to_owned()))
    };
    let of_address = || (exchange.request.method == "PUT").then(|| located(&exchange.request.url)).flatten();
    if let Some(made) = answer.header("location").and_then(located).or_else(of_body).or_else(of_address) {
        state.created.insert(id.clone(), made);
    }
}
