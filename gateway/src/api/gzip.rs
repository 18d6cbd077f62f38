//! gzip, both ways (RFC 9110, sections 8.4 and 12.5.3).

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt, Full};

use super::format::weight;
use super::outcome::Failure;
use crate::layers::Response;

#[cfg(test)]
mod tests;

/// Smaller answers fit in one packet as they are.
const FLOOR_BYTES: usize = 1_400;
/// Larger bodies are packed and unpacked on the blocking pool: they would hold a worker for longer than a millisecond.
const LARGE_BYTES: usize = 64 * 1024;

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
}

/// How the body of a request is packed.
///
/// # Errors
/// 415 for anything but gzip, with what would do (RFC 9110, section 15.5.16).
pub(super) fn encoding(headers: &HeaderMap) -> Result<Encoding, Failure> {
    let Some(value) = headers.get(CONTENT_ENCODING) else { return Ok(Encoding::Identity) };
    match value.to_str().map(|text| text.trim().to_ascii_lowercase()).as_deref() {
        Ok("identity" | "") => Ok(Encoding::Identity),
        Ok("gzip" | "x-gzip") => Ok(Encoding::Gzip),
        _ => {
            let text = "Content-Encoding: gzip alone is undone here";
            let failure = Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", text);
            Err(failure.header(ACCEPT_ENCODING, HeaderValue::from_static("gzip, identity")))
        }
    }
}

/// The body as it was before it was packed; `None` if it is longer than `most`.
///
/// # Errors
/// 400 for what is no gzip, or is cut or damaged.
pub(super) async fn unpacked(body: Bytes, most: usize) -> Result<Option<Bytes>, Failure> {
    let read = if body.len() > LARGE_BYTES / 8 {
        let work = tokio::task::spawn_blocking(move || inflate(&body, most));
        work.await.unwrap_or_else(|_| Err(std::io::ErrorKind::Other.into()))
    } else {
        inflate(&body, most)
    };
    read.map_err(|_| Failure::bad("Content-Encoding: the body is no intact gzip"))
}

fn inflate(body: &[u8], most: usize) -> std::io::Result<Option<Bytes>> {
    let mut out = Vec::new();
    // One more than allowed shows that there is more, and no further byte is unpacked.
    let bound = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(body).take(bound).read_to_end(&mut out)?;
    Ok((out.len() <= most).then(|| out.into()))
}

/// The answer in gzip, where the client takes that and it is worth it.
pub(super) async fn packed(headers: &HeaderMap, response: Response) -> Response {
    let Some(length) = hyper::body::Body::size_hint(response.body()).exact() else { return response };
    if usize::try_from(length).is_ok_and(|length| length < FLOOR_BYTES) || !is_text(&response) {
        return response;
    }
    let mut response = response;
    // Said of every answer that would have been packed for another client.
    response.headers_mut().append(VARY, HeaderValue::from_static("accept-encoding"));
    if !accepts(headers) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let body = match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(never) => match never {},
    };
    let whole = body.clone();
    let written = if body.len() > LARGE_BYTES {
        tokio::task::spawn_blocking(move || deflate(&body)).await.ok().flatten()
    } else {
        deflate(&body)
    };
    match written {
        Some(written) => {
            head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            Response::from_parts(head, Full::new(written))
        }
        None => Response::from_parts(head, Full::new(whole)),
    }
}

fn deflate(body: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// Text packs; what is packed, or bytes of a ledger, does not.
fn is_text(response: &Response) -> bool {
    if response.headers().contains_key(CONTENT_ENCODING) {
        return false;
    }
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.starts_with("text/") || kind.ends_with("json") || kind.ends_with("xml") || kind.ends_with("javascript")
}

/// Whether the client takes gzip: it names it, or everything, with a weight above nothing. Who says nothing gets it as it
/// is: not every client that may take anything can.
fn accepts(headers: &HeaderMap) -> bool {
    let mut any = None;
    for range in
        headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).flat_map(|it| it.split(','))
    {
        match range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => return weight(range) > 0,
            "*" => any = Some(weight(range) > 0),
            _ => {}
        }
    }
    any.unwrap_or(false)
}
