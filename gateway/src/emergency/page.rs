//! The summary as a page to read and to print, for whoever asks for HTML.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use model::ips;
use model::json::Json;
use model::time::Instant;
use sha2::{Digest, Sha256};
use store::ExchangeId;

use crate::api::outcome::Failure;
use crate::api::query::{pairs, unknown_parameter};
use crate::api::{Call, answer};
use crate::layers::Response;

/// Whether a page is asked for: by `_format`, else by an `Accept` that names HTML before anything of FHIR.
///
/// # Errors
/// 400 for a query parameter that is not there, 406 for a format that is not there.
pub(crate) fn asked_for(call: &Call) -> Result<bool, Failure> {
    let query = pairs(&call.query)?;
    let unknown = query.iter().find(|(name, _)| !matches!(name.as_str(), "_format" | "_pretty"));
    if let Some((name, _)) = unknown.filter(|_| !call.prefers("handling=lenient")) {
        return Err(unknown_parameter(name, "_format, _pretty"));
    }
    if let Some((_, format)) = query.iter().find(|(name, _)| name == "_format") {
        return match format.as_str() {
            "html" | "text/html" => Ok(true),
            _ => crate::api::format::acceptable(call).map(|()| false),
        };
    }
    let ranges = call.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let kinds = ranges.flat_map(|value| value.split(',')).map(|range| {
        let kind = range.split(';').next().unwrap_or_default();
        kind.trim().to_ascii_lowercase()
    });
    let first = kinds.into_iter().find(|kind| kind == "text/html" || kind.contains("json") || kind.contains("xml"));
    match first.as_deref() {
        // A browser names application/xhtml+xml too, behind text/html.
        Some("text/html") => Ok(true),
        _ => crate::api::format::acceptable(call).map(|()| false),
    }
}

/// The page: its own style and nothing else may be loaded, and no script runs.
pub(crate) fn answer(
    document: &Json,
    by: &str,
    at: Instant,
    until: Option<Instant>,
    recorded: Option<ExchangeId>,
) -> Response {
    let (at, until) = (at.to_rfc3339(), until.map(Instant::to_rfc3339));
    let recorded = recorded.map(|id| id.to_string());
    let opened = ips::Opened { by, at: &at, until: until.as_deref(), recorded: recorded.as_deref() };
    let mut response = answer::bytes(StatusCode::OK, "text/html; charset=utf-8", ips::page(document, &opened));
    answer::header(&mut response, CONTENT_SECURITY_POLICY, policy());
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn policy() -> &'static str {
    static POLICY: OnceLock<String> = OnceLock::new();
    POLICY.get_or_init(|| {
        let style = STANDARD.encode(Sha256::digest(ips::STYLE));
        format!("default-src 'none'; style-src 'sha256-{style}'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'")
    })
}
