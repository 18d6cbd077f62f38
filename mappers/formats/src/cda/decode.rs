//! From bytes to text: byte order mark, the encoding that the declaration names, and the ways senders get it wrong.

use std::borrow::Cow;

use encoding_rs::{Encoding, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::issue::{Note, Refusal};
use crate::hl7v2::Severity;

/// Within so many bytes a declaration ends.
const DECLARATION_BYTES: usize = 512;

/// A document as text with line feeds as line ends, and what had to be repaired. A byte order mark stays in front.
///
/// XML 1.0, appendix F "Autodetection of Character Encodings", and 2.11 "End-of-Line Handling".
pub(super) fn decode(bytes: Cow<'_, [u8]>, notes: &mut Vec<Note>) -> Result<String, Refusal> {
    let text = match bytes.as_ref() {
        // UTF-32: nobody sends it, and no standard asks for it.
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] | [b'<', 0, 0, 0, ..] | [0, 0, 0, b'<', ..] => {
            return Err(Refusal::Encoding);
        }
        [0xFF, 0xFE, ..] | [b'<', 0, ..] => decode_wide(&bytes, UTF_16LE, notes),
        [0xFE, 0xFF, ..] | [0, b'<', ..] => decode_wide(&bytes, UTF_16BE, notes),
        _ => decode_narrow(bytes, notes),
    };
    Ok(with_line_feeds(text))
}

fn decode_wide(bytes: &[u8], encoding: &'static Encoding, notes: &mut Vec<Note>) -> String {
    let (text, damaged) = encoding.decode_with_bom_removal(bytes);
    let declared = declared(text.as_bytes()).and_then(|label| Encoding::for_label(label.as_bytes()));
    if declared.is_some_and(|declared| declared != UTF_16LE && declared != UTF_16BE) {
        mismatch(declared, encoding, notes);
    }
    if damaged {
        damage(encoding, notes);
    }
    text.into_owned()
}

fn decode_narrow(bytes: Cow<'_, [u8]>, notes: &mut Vec<Note>) -> String {
    let label = declared(&bytes);
    let named = label.and_then(|label| Encoding::for_label(label.as_bytes())).filter(|named| *named != REPLACEMENT);
    let encoding = match named {
        _ if bytes.starts_with(b"\xEF\xBB\xBF") => UTF_8,
        // What declares itself in single bytes is not of two.
        Some(named) if named != UTF_16LE && named != UTF_16BE => named,
        _ => UTF_8,
    };
    let has_label = label.is_some();
    if has_label && named.is_none() {
        let detail = "an encoding by a name that is not known: read as UTF-8, or windows-1252 where that fails";
        notes.push(Note { code: "encoding-unknown", severity: Severity::Warning, line: 1, detail: detail.into() });
    } else if named.is_some_and(|named| named != encoding) {
        mismatch(named, encoding, notes);
    }
    match String::from_utf8(bytes.into_owned()) {
        Ok(text) if encoding == UTF_8 || text.is_ascii() && encoding.is_ascii_compatible() => text,
        // Real text of a single-byte set is UTF-8 only by an accident that the eye would notice ("Ã©").
        Ok(text) if encoding.is_single_byte() => {
            mismatch(named, UTF_8, notes);
            text
        }
        Err(error) if encoding == UTF_8 => mend(error.as_bytes(), has_label, notes),
        other => {
            let bytes = other.map_or_else(|error| error.into_bytes(), String::into_bytes);
            let (text, damaged) = encoding.decode_without_bom_handling(&bytes);
            if damaged {
                damage(encoding, notes);
            }
            text.into_owned()
        }
    }
}

/// UTF-8 with bytes in it that are none: pasted from a system that writes windows-1252.
fn mend(bytes: &[u8], is_declared: bool, notes: &mut Vec<Note>) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut places: usize = 0;
    let mut line = 1;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            if places == 0 {
                line =
                    u32::try_from(memchr::memchr_iter(b'\n', text.as_bytes()).count().saturating_add(1)).unwrap_or(0);
            }
            places = places.saturating_add(1);
            text.push_str(&WINDOWS_1252.decode_without_bom_handling(chunk.invalid()).0);
        }
    }
    let said = if is_declared { "declared as UTF-8" } else { "no encoding declared" };
    let detail = format!("{said}, but {places} characters are not UTF-8: they were read as windows-1252");
    notes.push(Note { code: "encoding-mismatch", severity: Severity::Warning, line, detail });
    text
}

fn mismatch(declared: Option<&'static Encoding>, read: &'static Encoding, notes: &mut Vec<Note>) {
    let declared = declared.map_or("unknown", Encoding::name);
    let detail = format!("declared as {declared}, but the bytes are {} and were read as that", read.name());
    notes.push(Note { code: "encoding-mismatch", severity: Severity::Warning, line: 1, detail });
}

fn damage(encoding: &'static Encoding, notes: &mut Vec<Note>) {
    let detail = format!("some bytes are no character of {}: they became U+FFFD", encoding.name());
    notes.push(Note { code: "encoding-damaged", severity: Severity::Error, line: 1, detail });
}

/// The encoding that the XML declaration names. XML 1.0, 4.3.3 "Character Encoding in Entities".
fn declared(bytes: &[u8]) -> Option<&str> {
    let start = bytes.get(..bytes.len().min(DECLARATION_BYTES))?;
    let start = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start).trim_ascii_start();
    let declaration = start.strip_prefix(b"<?xml")?;
    let declaration = declaration.get(..memchr::memmem::find(declaration, b"?>")?)?;
    let after = declaration.get(memchr::memmem::find(declaration, b"encoding")?..)?.strip_prefix(b"encoding")?;
    let after = after.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (quote, after) = after.split_first()?;
    let value = after.get(..memchr::memchr(*quote, after)?)?;
    std::str::from_utf8(value).ok()
}

/// `\r\n` and `\r` become `\n`.
fn with_line_feeds(text: String) -> String {
    let Some(first) = memchr::memchr(b'\r', text.as_bytes()) else { return text };
    let mut bytes = text.into_bytes();
    let (mut from, mut to) = (first, first);
    while from < bytes.len() {
        if bytes.get(from) == Some(&b'\r') {
            if let Some(place) = bytes.get_mut(to) {
                *place = b'\n';
            }
            from = from.saturating_add(if bytes.get(from.saturating_add(1)) == Some(&b'\n') { 2 } else { 1 });
            to = to.saturating_add(1);
        } else {
            let rest = bytes.get(from..).unwrap_or_default();
            let length = memchr::memchr(b'\r', rest).unwrap_or(rest.len());
            let end = from.saturating_add(length);
            bytes.copy_within(from..end, to);
            (from, to) = (end, to.saturating_add(length));
        }
    }
    bytes.truncate(to);
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
