//! References: `Type/id`, or a URL as it is. FHIR R4 search.html, "reference".

use fhirpath::{Host, Node, Type};
use model::id::{Reference, ResourceId, ResourceType};

use crate::row::{Match, RowKind, Test};
use crate::values::token;
use crate::values::{Sink, Value};

pub(crate) fn rows(value: &Value<'_>, sink: &mut Sink<'_>) {
    if value.of != "Reference" {
        // canonical, uri, url: found with and without the version behind the `|`.
        let Some(text) = value.text().filter(|text| !text.is_empty()) else { return };
        sink.put(text.as_bytes().to_vec());
        if let Some((bare, _)) = text.split_once('|') {
            sink.put(bare.as_bytes().to_vec());
        }
        return;
    }
    if let Some(text) = value.json.text_at(&["reference"]).filter(|text| !text.is_empty()) {
        sink.put(text.as_bytes().to_vec());
        // A reference to one version is a reference to the resource.
        if let Some((bare, _)) = text.split_once("/_history/") {
            sink.put(bare.as_bytes().to_vec());
        }
    }
    if let Some(identifier) = value.json.get("identifier") {
        let text = |name: &str| identifier.text_at(&[name]).unwrap_or_default();
        if !(text("system").is_empty() && text("value").is_empty()) {
            let param = sink.parameter.identifier;
            sink.put_as(param, token::form(text("system"), text("value")));
        }
    }
}

/// Says of a reference which type it leads to, and nothing else: `where(resolve() is Patient)`.
pub(crate) struct ByType;

impl<'a> Host<'a> for ByType {
    fn resolve(&self, reference: &str, _from: &Node<'a>) -> Option<Node<'a>> {
        let bare = reference.split("/_history/").next()?;
        let mut parts = bare.rsplit('/');
        let (_, name) = (parts.next()?, parts.next()?);
        let name = ResourceType::parse(name).ok()?;
        Type::find(name.as_str()).map(|of| Node::new(None, None, of))
    }
}

/// A value of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A resource of this server.
    Own(Reference),
    /// An id that may be of any of the types.
    Id(ResourceId),
    /// A URL, a URN or a canonical, as it is.
    Url(String),
}

/// Reads an unescaped value: `id`, `Type/id` (also with a version), a URL below `base`, any other URL.
pub(crate) fn read(text: &str, base: &str) -> Option<Wanted> {
    let own = text.strip_prefix(base).filter(|_| !base.is_empty()).and_then(|rest| rest.strip_prefix('/'));
    if let Ok(reference) = Reference::parse(own.unwrap_or(text)) {
        return Some(Wanted::Own(reference));
    }
    if own.is_none() && !text.contains(['/', ':', '|', '#']) {
        return ResourceId::parse(text).ok().map(Wanted::Id);
    }
    let is_url = text.contains("://") || text.starts_with("urn:");
    is_url.then(|| Wanted::Url(text.to_owned()))
}

/// What finds a reference to a resource of this server: relative, or absolute below its base.
pub(crate) fn matches(param: u32, reference: &Reference, base: &str) -> Vec<Match> {
    let relative = reference.to_string();
    let mut all = Vec::with_capacity(2);
    if !base.is_empty() {
        all.push(equals(param, format!("{base}/{relative}")));
    }
    all.insert(0, equals(param, relative));
    all
}

pub(crate) fn equals(param: u32, text: String) -> Match {
    Match { param, test: Test::Equals(text.into_bytes()), kind: RowKind::Key }
}

/// The resources of this server that rows of a parameter refer to.
pub(crate) fn referred(rows: &[crate::row::IndexRow], param: u32, base: &str) -> Vec<Reference> {
    let own = rows.iter().filter(|row| row.param == param);
    let mut found: Vec<Reference> = own
        .filter_map(|row| {
            let text = std::str::from_utf8(&row.value).ok()?;
            let relative = text.strip_prefix(base).filter(|_| !base.is_empty()).and_then(|rest| rest.strip_prefix('/'));
            Reference::parse(relative.unwrap_or(text)).ok()
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}
