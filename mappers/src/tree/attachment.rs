//! Files inside a document (`representation="B64"`), and texts that become files.

use std::borrow::Cow;

use formats::cda::Element;

use crate::function::attachment::encoded;

/// The data of an element as base64: what it says is base64, else its text encoded. `None` if it says so wrongly.
pub(super) fn attachment(element: Element<'_>) -> Option<Cow<'_, str>> {
    let text = element.text();
    if element.attribute("representation").is_some_and(|form| form.trim().eq_ignore_ascii_case("B64")) {
        return match text {
            Cow::Borrowed(text) if is_packed(text.trim()) => Some(Cow::Borrowed(text.trim())),
            text => packed(&text).map(Cow::Owned),
        };
    }
    Some(Cow::Owned(encoded(text.trim().as_bytes())))
}

/// Whether it is base64 as FHIR has it, all in one line.
fn is_packed(text: &str) -> bool {
    let plain = text.trim_end_matches('=');
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    !plain.is_empty()
        && text.len().is_multiple_of(4)
        && text.len().saturating_sub(plain.len()) <= 2
        && plain.bytes().all(is_letter)
}

/// Base64 without the white space that documents put between its lines (RFC 4648, section 4), copied once.
///
/// The alphabet for URLs (section 5) and padding that is left out say the same, and are written as FHIR has them.
fn packed(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len().saturating_add(3));
    // Lines are copied whole: a file may be as large as the document.
    for line in text.split_ascii_whitespace() {
        let plain = line.trim_end_matches('=');
        let mut run = 0;
        for (at, byte) in plain.bytes().enumerate() {
            let standard = match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => continue,
                b'-' => '+',
                b'_' => '/',
                _ => return None,
            };
            out.push_str(plain.get(run..at)?);
            out.push(standard);
            run = at.saturating_add(1);
        }
        // Nothing stands after the padding but more of it.
        if out.ends_with('=') && !plain.is_empty() {
            return None;
        }
        out.push_str(plain.get(run..)?);
        out.push_str(line.get(plain.len()..)?);
    }
    let length = out.trim_end_matches('=').len();
    let padding = out.len().saturating_sub(length);
    let wanted = match length % 4 {
        0 => 0,
        2 => 2,
        3 => 1,
        _ => return None,
    };
    match padding {
        0 => out.extend(std::iter::repeat_n('=', wanted)),
        padding if padding != wanted => return None,
        _ => {}
    }
    (!out.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests;
