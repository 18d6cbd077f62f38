//! Bundles: builders for the kinds we make, and the entries of those that arrive. FHIR R4 bundle.html.

use smol_str::SmolStr;

use crate::json::{Json, Object};
use crate::resource::{id, resource_type};
use crate::time::Instant;

/// One entry of a Bundle that is read.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its index, from 0.
    pub index: usize,
    /// The whole entry.
    pub json: &'a Json,
}

impl<'a> Entry<'a> {
    /// `fullUrl`
    pub fn full_url(self) -> Option<&'a str> {
        self.json.get("fullUrl")?.as_str()
    }

    /// `resource`
    pub fn resource(self) -> Option<&'a Json> {
        self.json.get("resource")
    }

    /// `request.method`
    pub fn method(self) -> Option<&'a str> {
        self.json.text_at(&["request", "method"])
    }

    /// `request.url`
    pub fn url(self) -> Option<&'a str> {
        self.json.text_at(&["request", "url"])
    }
}

/// The entries of a Bundle in their order; none if there is no entry.
pub fn entries(bundle: &Json) -> impl ExactSizeIterator<Item = Entry<'_>> {
    bundle.items("entry").iter().enumerate().map(|(index, json)| Entry { index, json })
}

/// The resources of a Bundle in their order.
pub fn resources(bundle: &Json) -> impl Iterator<Item = &Json> {
    bundle.items("entry").iter().filter_map(|entry| entry.get("resource"))
}

/// What a transaction or batch asks for with one entry.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where the resource is known in the Bundle; references between entries use it.
    pub full_url: Option<String>,
    /// The resource; absent for GET and DELETE.
    pub resource: Option<Json>,
    /// `GET`, `POST`, `PUT`, `DELETE`, `PATCH`.
    pub method: &'static str,
    /// Relative to the base of the server.
    pub url: String,
    /// `request.ifMatch`
    pub if_match: Option<String>,
    /// `request.ifNoneExist`
    pub if_none_exist: Option<String>,
}

impl Request {
    /// Creates or replaces a resource under the id it carries (`PUT Type/id`). `None` without type or id.
    pub fn put(resource: Json) -> Option<Self> {
        let url = format!("{}/{}", resource_type(&resource)?, id(&resource)?);
        Some(Self { full_url: None, resource: Some(resource), method: "PUT", url, if_match: None, if_none_exist: None })
    }

    /// The request with a `fullUrl`.
    #[must_use]
    pub fn known_as(mut self, full_url: impl Into<String>) -> Self {
        self.full_url = Some(full_url.into());
        self
    }

    fn into_entry(self) -> Json {
        let mut request = Object::new();
        request.insert("method", self.method);
        request.insert("url", self.url);
        if let Some(version) = self.if_match {
            request.insert("ifMatch", version);
        }
        if let Some(query) = self.if_none_exist {
            request.insert("ifNoneExist", query);
        }
        entry(self.full_url, self.resource, Some(("request", request.into())))
    }
}

/// A transaction Bundle of these requests.
pub fn transaction(requests: impl IntoIterator<Item = Request>) -> Json {
    bundle("transaction", [], requests.into_iter().map(Request::into_entry))
}

/// A batch Bundle of these requests: each is done or fails for itself.
pub fn batch(requests: impl IntoIterator<Item = Request>) -> Json {
    bundle("batch", [], requests.into_iter().map(Request::into_entry))
}

/// An entry that creates or replaces a resource (`PUT Type/id`), for a Bundle that is put together elsewhere.
pub fn put_entry(full_url: SmolStr, url: SmolStr, resource: Json) -> Json {
    let request = Object::of([("method", Json::String(SmolStr::new_static("PUT"))), ("url", Json::String(url))]);
    Object::of([("fullUrl", Json::String(full_url)), ("resource", resource), ("request", Json::Object(request))]).into()
}

/// A collection Bundle of `(fullUrl, resource)`.
pub fn collection(resources: impl IntoIterator<Item = (String, Json)>) -> Json {
    bundle("collection", [], resources.into_iter().map(|(url, resource)| entry(Some(url), Some(resource), None)))
}

/// A document Bundle (documents.html): the first resource is the Composition. The identifier is
/// `(system, value)`.
pub fn document(
    identifier: (&str, &str),
    timestamp: Instant,
    resources: impl IntoIterator<Item = (String, Json)>,
) -> Json {
    let (system, value) = identifier;
    let head = [
        ("identifier", Json::object([("system", Json::from(system)), ("value", Json::from(value))])),
        ("timestamp", Json::from(timestamp.to_rfc3339())),
    ];
    bundle("document", head, resources.into_iter().map(|(url, resource)| entry(Some(url), Some(resource), None)))
}

/// Why an entry is in a search result. FHIR R4 valueset-search-entry-mode.html.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchMode {
    /// It fits the query.
    Match,
    /// It came along by `_include`.
    Include,
    /// It tells about the search.
    Outcome,
}

/// One hit of a search.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The absolute URL of the resource.
    pub full_url: String,
    /// The resource.
    pub resource: Json,
    /// Why it is here.
    pub mode: SearchMode,
}

/// A searchset Bundle. `total` counts the matches, where it is known; links are `(relation, url)`.
pub fn searchset(
    total: Option<u64>,
    links: impl IntoIterator<Item = (&'static str, String)>,
    hits: impl IntoIterator<Item = Hit>,
) -> Json {
    let mut head: Vec<(&'static str, Json)> = Vec::new();
    if let Some(total) = total {
        head.push(("total", Json::from(total)));
    }
    let links: Vec<Json> = links
        .into_iter()
        .map(|(relation, url)| Json::object([("relation", Json::from(relation)), ("url", Json::from(url))]))
        .collect();
    if !links.is_empty() {
        head.push(("link", Json::Array(links)));
    }
    let hits = hits.into_iter().map(|hit| {
        let mode = match hit.mode {
            SearchMode::Match => "match",
            SearchMode::Include => "include",
            SearchMode::Outcome => "outcome",
        };
        let search = Json::object([("mode", Json::from(mode))]);
        entry(Some(hit.full_url), Some(hit.resource), Some(("search", search)))
    });
    bundle("searchset", head, hits)
}

/// What became of one entry of a transaction or batch.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// The HTTP status, for example `201 Created`.
    pub status: String,
    /// Where the resource is.
    pub location: Option<String>,
    /// Its version, as an ETag.
    pub etag: Option<String>,
    /// When it was changed.
    pub last_modified: Option<Instant>,
    /// An OperationOutcome, for what went wrong or is worth a hint.
    pub outcome: Option<Json>,
    /// The resource itself, if it was asked for.
    pub resource: Option<Json>,
}

/// A `transaction-response` Bundle, answers in the order of the requests.
pub fn transaction_response(responses: impl IntoIterator<Item = Response>) -> Json {
    bundle("transaction-response", [], responses.into_iter().map(response))
}

/// A `batch-response` Bundle, answers in the order of the requests.
pub fn batch_response(responses: impl IntoIterator<Item = Response>) -> Json {
    bundle("batch-response", [], responses.into_iter().map(response))
}

fn response(answer: Response) -> Json {
    let mut object = Object::new();
    object.insert("status", answer.status);
    if let Some(location) = answer.location {
        object.insert("location", location);
    }
    if let Some(etag) = answer.etag {
        object.insert("etag", etag);
    }
    if let Some(at) = answer.last_modified {
        object.insert("lastModified", at.to_rfc3339());
    }
    if let Some(outcome) = answer.outcome {
        object.insert("outcome", outcome);
    }
    entry(None, answer.resource, Some(("response", object.into())))
}

fn entry(full_url: Option<String>, resource: Option<Json>, last: Option<(&'static str, Json)>) -> Json {
    let mut object = Object::new();
    if let Some(url) = full_url {
        object.insert("fullUrl", url);
    }
    if let Some(resource) = resource {
        object.insert("resource", resource);
    }
    if let Some((name, value)) = last {
        object.insert(name, value);
    }
    object.into()
}

/// An empty Bundle has no `entry`: FHIR JSON has no empty arrays (json.html).
fn bundle(
    kind: &'static str,
    head: impl IntoIterator<Item = (&'static str, Json)>,
    entries: impl IntoIterator<Item = Json>,
) -> Json {
    let mut object = Object::new();
    object.insert("resourceType", "Bundle");
    object.insert("type", kind);
    for (name, value) in head {
        // Element order of the R4 definition: the identifier stands before the type.
        if name == "identifier" {
            object = Object::from_iter([("resourceType", Json::from("Bundle")), (name, value), ("type", kind.into())]);
        } else {
            object.insert(name, value);
        }
    }
    let entries: Vec<Json> = entries.into_iter().collect();
    if !entries.is_empty() {
        object.insert("entry", Json::Array(entries));
    }
    object.into()
}

#[cfg(test)]
mod tests;
