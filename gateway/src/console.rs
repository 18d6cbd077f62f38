//! The web console: one page of a few files, built into the binary.

use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http_body_util::Full;

use crate::api::outcome::Failure;
use crate::layers::Response;

#[cfg(test)]
mod tests;

/// Nothing but the page's own files and its own gateway, and nobody may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

const FILES: [(&str, &str, &str); 6] = [
    ("index.html", "text/html; charset=utf-8", include_str!("console/index.html")),
    ("console.css", "text/css; charset=utf-8", include_str!("console/console.css")),
    ("icon.svg", "image/svg+xml", include_str!("console/icon.svg")),
    ("console.js", "text/javascript; charset=utf-8", include_str!("console/console.js")),
    ("emergency.js", "text/javascript; charset=utf-8", include_str!("console/emergency.js")),
    ("patient.js", "text/javascript; charset=utf-8", include_str!("console/patient.js")),
];

/// A file of the console; an empty name is the page. The files hold no data, so they need no caller.
pub fn file(name: &str) -> Result<Response, Failure> {
    let name = if name.is_empty() { "index.html" } else { name };
    let Some((_, media_type, content)) = FILES.iter().find(|(file, _, _)| *file == name) else {
        return Err(Failure::unknown("this file"));
    };
    let mut response = Response::new(Full::from(*content));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}
