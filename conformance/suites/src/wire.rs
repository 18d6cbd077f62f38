//! Bodies: FHIR in JSON or XML, to and from the tree.

use model::json::{Json, Limits};
use model::xml;

use crate::client::{Answer, media_type};

/// How resources are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `application/fhir+json`.
    #[default]
    Json,
    /// `application/fhir+xml`.
    Xml,
}

impl Format {
    /// The media type. FHIR R4 http.html, "Content Types and encodings".
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/fhir+json",
            Self::Xml => "application/fhir+xml",
        }
    }
}

/// Why a body is not in the tree, or not on the wire. Quotes nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WireError(String);

/// A resource, or any JSON, of a body; XML is known by its first letter.
///
/// # Errors
/// [`WireError`] with the place at which it is no JSON or no FHIR XML.
pub(crate) fn read(bytes: &[u8]) -> Result<Json, WireError> {
    if xml::looks_like(bytes) {
        return xml::parse(bytes, &Limits::default())
            .map(|document| document.resource)
            .map_err(|error| WireError(error.to_string()));
    }
    model::json::parse(bytes, &Limits::default()).map_err(|error| WireError(error.to_string()))
}

/// The resource in an answer; `None` if there is no body or it is none.
pub(crate) fn body(answer: &Answer) -> Option<Json> {
    if answer.body.is_empty() { None } else { read(&answer.body).ok() }
}

/// A resource in this form.
///
/// # Errors
/// [`WireError`] if it has no XML form.
pub(crate) fn write(resource: &Json, format: Format) -> Result<Vec<u8>, WireError> {
    match format {
        Format::Json => Ok(resource.to_bytes()),
        Format::Xml => xml::write(resource, xml::Layout::Compact)
            .map(String::into_bytes)
            .map_err(|error| WireError(error.to_string())),
    }
}

/// Whether a media type is the one meant by `json`, `xml` or a media type written out.
pub(crate) fn is_media_type(actual: &str, wanted: &str) -> bool {
    let actual = media_type(actual);
    match wanted {
        "json" | "xml" => actual.ends_with(&format!("+{wanted}")) || actual.ends_with(&format!("/{wanted}")),
        "ttl" => actual == "text/turtle" || actual == "application/fhir+turtle",
        "none" => actual.is_empty(),
        wanted => actual == media_type(wanted),
    }
}
