//! One entry of a batch or transaction: what it asks for.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use model::json::Json;

use crate::api::Call;
use crate::api::inner::Request;
use crate::api::outcome::Failure;

/// An entry whose request can be read.
pub(super) struct Entry {
    /// `Bundle.entry[3]`
    pub(super) place: String,
    pub(super) method: Method,
    /// Below the base, without the query.
    pub(super) path: String,
    /// Behind the question mark.
    pub(super) query: Option<String>,
    pub(super) full_url: Option<String>,
    pub(super) resource: Option<Json>,
    pub(super) if_match: Option<String>,
    pub(super) if_none_match: Option<String>,
    pub(super) if_none_exist: Option<String>,
    if_modified_since: Option<String>,
}

/// When its turn comes (http.html, "Transaction Processing Rules").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Turn {
    Delete,
    Create,
    Change,
    Read,
}

impl Entry {
    /// Reads an entry.
    ///
    /// # Errors
    /// Everything that is not as a request of a Bundle has to be.
    pub(super) fn read(call: &Call, index: usize, mut json: Json) -> Result<Self, Failure> {
        let place = format!("Bundle.entry[{index}]");
        let mut issues = Vec::new();
        let mut refuse = |code, at: &str, text: &str| {
            issues.push(model::outcome::Issue::error(code, text).at(format!("{place}.{at}")));
        };
        let said = |name: &str| json.text_at(&["request", name]).map(str::to_owned);
        let method = match said("method").as_deref() {
            Some("GET") => Method::GET,
            Some("HEAD") => Method::HEAD,
            Some("POST") => Method::POST,
            Some("PUT") => Method::PUT,
            Some("PATCH") => Method::PATCH,
            Some("DELETE") => Method::DELETE,
            _ => {
                refuse("required", "request.method", "expected GET, HEAD, POST, PUT, PATCH or DELETE");
                Method::GET
            }
        };
        let url = said("url").unwrap_or_default();
        let base = format!("{}/", call.base());
        let below = url.strip_prefix(&base).unwrap_or(&url);
        let below = below.strip_prefix('/').unwrap_or(below);
        let is_elsewhere = below.split('?').next().is_some_and(|path| path.contains("://"));
        if url.is_empty() || is_elsewhere {
            refuse("required", "request.url", "expected an address below the base of this server");
        }
        let (path, query) = match below.split_once('?') {
            Some((path, query)) => {
                (path.trim_end_matches('/'), Some(query.to_owned()).filter(|query| !query.is_empty()))
            }
            None => (below.trim_end_matches('/'), None),
        };
        let path = path.to_owned();
        let (if_match, if_none_match) = (said("ifMatch"), said("ifNoneMatch"));
        let (if_none_exist, if_modified_since) = (said("ifNoneExist"), said("ifModifiedSince"));
        let is_write = [Method::POST, Method::PUT, Method::PATCH].contains(&method);
        if if_none_exist.is_some() && method != Method::POST {
            refuse("invalid", "request.ifNoneExist", "ifNoneExist goes with POST");
        }
        if if_match.is_some() && !matches!(method, Method::PUT | Method::PATCH | Method::DELETE) {
            refuse("invalid", "request.ifMatch", "ifMatch goes with PUT, PATCH and DELETE");
        }
        let full_url = json.get("fullUrl").and_then(Json::as_str).map(str::to_owned);
        let resource = json.as_object_mut().and_then(|entry| entry.remove("resource"));
        if is_write && resource.as_ref().and_then(Json::as_object).is_none() {
            refuse("required", "resource", "expected a resource");
        }
        if !is_write && resource.is_some() {
            refuse("invalid", "resource", "a request of this method has no resource");
        }
        if !issues.is_empty() {
            return Err(Failure::of(StatusCode::BAD_REQUEST, issues));
        }
        Ok(Self {
            place,
            method,
            path,
            query,
            full_url,
            resource,
            if_match,
            if_none_match,
            if_none_exist,
            if_modified_since,
        })
    }

    pub(super) fn turn(&self) -> Turn {
        match self.method {
            Method::DELETE => Turn::Delete,
            Method::POST => Turn::Create,
            Method::PUT | Method::PATCH => Turn::Change,
            _ => Turn::Read,
        }
    }

    pub(super) fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }

    /// The same as a request of its own.
    ///
    /// # Errors
    /// 404 and 405 as for the address.
    pub(super) fn request(&self, call: &Call) -> Result<Request, Failure> {
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: Option<&str>| {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        set("accept", Some("application/fhir+json"));
        set("if-match", self.if_match.as_deref());
        set("if-none-match", self.if_none_match.as_deref());
        set("if-none-exist", self.if_none_exist.as_deref());
        let since = self.if_modified_since.as_deref().and_then(|text| model::time::Instant::parse(text).ok());
        set("if-modified-since", since.map(crate::api::answer::http_date).as_deref());
        // What a Bundle brings it need not bring back, unless that is asked for.
        let lenient = call.prefers("handling=lenient");
        let wanted = match super::Preference::said(call) {
            Some(super::Preference::Representation) => "return=representation",
            Some(super::Preference::Outcome) => "return=OperationOutcome",
            _ => "return=minimal",
        };
        let prefer = if lenient { format!("{wanted}, handling=lenient") } else { wanted.to_owned() };
        set("prefer", Some(&prefer));
        let body = match (&self.resource, &self.method) {
            (None, _) => Bytes::new(),
            (Some(resource), &Method::PATCH) if model::resource::resource_type(resource) == Some("Binary") => {
                let kind = resource.get("contentType").and_then(Json::as_str).unwrap_or_default();
                set("content-type", Some(kind));
                content_of(resource)?
            }
            (Some(resource), _) => {
                set("content-type", Some("application/fhir+json"));
                Bytes::from(resource.to_bytes())
            }
        };
        let path = format!("/fhir/{}", self.path);
        Request::new(call, &self.method, &path, self.query.clone().unwrap_or_default(), headers, body)
    }
}

fn content_of(binary: &Json) -> Result<Bytes, Failure> {
    use base64::Engine as _;
    let data: String = binary
        .get("data")
        .and_then(Json::as_str)
        .unwrap_or_default()
        .chars()
        .filter(|letter| !letter.is_ascii_whitespace())
        .collect();
    base64::engine::general_purpose::STANDARD
        .decode(data)
        .map(Bytes::from)
        .map_err(|_| Failure::bad("expected base64").at("Binary.data"))
}
