//! Attachments: media types and encoded data.

use smol_str::format_smolstr;

use super::{Back, Call, Failure, Function, Output, exact};

/// The functions of this subject.
pub(super) const FUNCTIONS: &[Function] = &[
    Function { name: "mime", arguments: 1, forward: mime, backward: Some(mime_parts) },
    Function { name: "base64", arguments: 1, forward: base64, backward: Some(base64_parts) },
];

/// ED.2 or RP.3 (type, HL7 table 0191) with ED.3 or RP.4 (subtype, table 0291).
fn mime(call: &Call<'_>) -> Result<Output, Failure> {
    let kind = call.value.trim();
    let subtype = call.arguments.first().map_or("", |text| text.trim());
    if kind.contains('/') {
        return exact(kind.to_ascii_lowercase());
    }
    let kind = match kind.to_ascii_lowercase().as_str() {
        "ap" | "application" => "application",
        "au" | "audio" => "audio",
        "im" | "image" | "si" => "image",
        "text" | "tx" | "ft" => "text",
        "multipart" => "multipart",
        "video" => "video",
        _ => return Err(Failure("expected a media type of table 0191")),
    };
    let subtype = subtype.to_ascii_lowercase();
    let subtype = match subtype.as_str() {
        "" => return Err(Failure("expected a subtype of table 0291")),
        "octet-stream" => "octet-stream",
        "x-hl7-cda-level-one" => "x-hl7-cda-level-one+xml",
        "msword" => "msword",
        other => other,
    };
    Ok(Output { value: format_smolstr!("{kind}/{subtype}"), lossy: Some("") })
}

fn mime_parts(back: &Back<'_>) -> Option<Vec<String>> {
    let (kind, subtype) = back.value.split_once('/')?;
    Some(vec![kind.to_owned(), subtype.to_ascii_uppercase()])
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// ED.5 as FHIR wants it; ED.4 says how it is written (HL7 table 0299: `A`, `Hex`, `Base64`).
fn base64(call: &Call<'_>) -> Result<Output, Failure> {
    let encoding = call.arguments.first().map_or("", |text| text.trim());
    match encoding.to_ascii_lowercase().as_str() {
        "base64" => {
            let packed: String = call.value.chars().filter(|c| !c.is_whitespace()).collect();
            let known = packed.bytes().all(|b| ALPHABET.contains(&b) || b == b'=');
            if known && packed.len().is_multiple_of(4) { exact(packed) } else { Err(Failure("expected base64")) }
        }
        "hex" => {
            let digits = call.value.trim().as_bytes();
            let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
            let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
            exact(encoded(&bytes.ok_or(Failure("expected hexadecimal digits"))?))
        }
        _ => exact(encoded(call.value.as_bytes())),
    }
}

fn base64_parts(back: &Back<'_>) -> Option<Vec<String>> {
    Some(vec![back.value.to_owned(), "Base64".to_owned()])
}

/// RFC 4648, section 4.
pub(crate) fn encoded(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |n: usize| u32::from(chunk.get(n).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for n in 0..4u32 {
            let index = (bits >> (18 - 6 * n) & 63) as usize;
            let letter = if (n as usize) <= chunk.len() { ALPHABET.get(index).copied() } else { None };
            out.push(char::from(letter.unwrap_or(b'=')));
        }
    }
    out
}
