//! Files inside a document (`representation="B64"`), and texts that become files.

use std::borrow::Cow;

use formats::cda::Element;
use sha1::{Digest, Sha1};

use crate::function::attachment::encoded;

/// The data of an element as base64: what it says is base64, else its text encoded. `None` if it says so wrongly.
///
/// A file that is set aside is given as what stands for it.
pub(super) fn attachment(element: Element<'_>) -> Option<Cow<'_, str>> {
    if let Some(file) = element.file() {
        return Some(Cow::Owned(file.data_token()));
    }
    let text = element.text();
    if element.attribute("representation").is_some_and(|form| form.trim().eq_ignore_ascii_case("B64")) {
        return match text {
            Cow::Borrowed(text) if is_packed(text.trim()) => Some(Cow::Borrowed(text.trim())),
            text => packed(&text).map(Cow::Owned),
        };
    }
    Some(Cow::Owned(encoded(text.trim().as_bytes())))
}

/// How many bytes the file has (FHIR R4 datatypes.html, "Attachment": `size`).
pub(super) fn size(element: Element<'_>) -> Option<usize> {
    if let Some(file) = element.file() {
        return usize::try_from(file.size()).ok();
    }
    let data = attachment(element)?;
    let padding = data.bytes().rev().take_while(|byte| *byte == b'=').count();
    (data.len() / 4).checked_mul(3)?.checked_sub(padding)
}

/// The SHA-1 of its bytes in base64 (FHIR R4 datatypes.html, "Attachment": `hash`).
pub(super) fn hash(element: Element<'_>) -> Option<String> {
    if let Some(file) = element.file() {
        return Some(encoded(&file.sha1()));
    }
    let data = attachment(element)?;
    let mut digest = Sha1::new();
    let mut block = Vec::with_capacity(BLOCK);
    for letters in data.as_bytes().chunks(4) {
        let mut bits = 0u32;
        for letter in letters {
            bits = bits << 6 | sextet(*letter);
        }
        let padding = letters.iter().filter(|letter| **letter == b'=').count();
        let [_, bytes @ ..] = bits.to_be_bytes();
        block.extend(bytes.into_iter().take(3usize.saturating_sub(padding)));
        // The file may be as large as the document: it is decoded piece by piece.
        if block.len() >= BLOCK {
            digest.update(&block);
            block.clear();
        }
    }
    digest.update(&block);
    Some(encoded(&digest.finalize()))
}

const BLOCK: usize = 3 * 4096;

fn sextet(letter: u8) -> u32 {
    u32::from(match letter {
        b'A'..=b'Z' => letter.wrapping_sub(b'A'),
        b'a'..=b'z' => letter.wrapping_sub(b'a').wrapping_add(26),
        b'0'..=b'9' => letter.wrapping_sub(b'0').wrapping_add(52),
        b'+' => 62,
        b'/' => 63,
        _ => 0,
    })
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
