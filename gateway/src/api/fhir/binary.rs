//! A Binary as what it holds (FHIR R4 binary.html, "Serving Binary Resources").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};

use crate::api::answer;
use crate::api::outcome::Failure;
use crate::api::release::Released;
use crate::layers::Response;

/// The bytes of `data` under `contentType`. What a partner called a web page does not run as one of ours.
pub(super) fn content(released: &Released) -> Result<Response, Failure> {
    let json = released.json()?;
    let unfit = || {
        let text = "this Binary does not hold what could be sent by itself; ask for application/fhir+json";
        Failure::new(StatusCode::NOT_ACCEPTABLE, "not-supported", text)
    };
    // Blanks and line breaks are allowed in base64Binary and mean nothing (datatypes.html).
    let data: String = json.text_at(&["data"]).unwrap_or_default().split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(data).map_err(|_| unfit())?;
    let kind = json.text_at(&["contentType"]).and_then(|kind| HeaderValue::from_str(kind).ok()).ok_or_else(unfit)?;
    let mut response = answer::bytes(StatusCode::OK, "application/octet-stream", bytes);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    Ok(response)
}
