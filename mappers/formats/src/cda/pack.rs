//! Files inside a document, without the white space between their lines.

use super::document::{Document, IN_RESOLVED, Span};
use super::element::Element;

/// Shorter ones are packed by whoever needs them.
const LONG: u32 = 1 << 16;

/// Packs the base64 of large files (CDA R2, ED: `representation="B64"`) where it stands: a copy of one would take as much
/// memory as the document. Line ends are kept behind it, so that what follows stays in its line.
pub(super) fn files(document: &mut Document) {
    let found: Vec<usize> = (0..document.nodes.len()).filter_map(|id| file(document, id)).collect();
    if found.is_empty() {
        return;
    }
    let mut bytes = std::mem::take(&mut document.text).into_bytes();
    for text in found {
        let Some(node) = document.texts.get_mut(text) else { continue };
        let (start, end) = (node.value.start as usize, node.value.start.saturating_add(node.value.length) as usize);
        let Some(length) = bytes.get_mut(start..end).and_then(pack) else { continue };
        node.value = Span { length: u32::try_from(length).unwrap_or(node.value.length), ..node.value };
    }
    // Only ASCII was moved.
    document.text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    };
}

/// The text of an element that is a large file and nothing else.
fn file(document: &Document, id: usize) -> Option<usize> {
    let node = document.nodes.get(id)?;
    let text = document.texts.get(node.texts.start as usize)?;
    let alone = node.texts.len() == 1 && node.end as usize == id.saturating_add(1);
    if !alone || text.value.length < LONG || text.value.start & IN_RESOLVED != 0 {
        return None;
    }
    says_base64(Element::new(document, u32::try_from(id).ok()?)).then_some(node.texts.start as usize)
}

/// Whether an element says that it holds a file.
pub(super) fn says_base64(element: Element<'_>) -> bool {
    element.attribute("representation").is_some_and(|form| form.trim().eq_ignore_ascii_case("B64"))
}

/// Moves what is no white space to the front; how much that is. None, and nothing done, where something else stands between.
fn pack(bytes: &mut [u8]) -> Option<usize> {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=');
    if !bytes.iter().all(|byte| is_base64(byte) || byte.is_ascii_whitespace()) {
        return None;
    }
    let (mut length, mut lines) = (0usize, 0usize);
    for at in 0..bytes.len() {
        let byte = *bytes.get(at)?;
        if byte.is_ascii_whitespace() {
            lines = lines.saturating_add(usize::from(byte == b'\n'));
            continue;
        }
        *bytes.get_mut(length)? = byte;
        length = length.saturating_add(1);
    }
    for (at, byte) in bytes.get_mut(length..)?.iter_mut().enumerate() {
        *byte = if at < lines { b'\n' } else { b' ' };
    }
    Some(length)
}

#[cfg(test)]
mod tests;
