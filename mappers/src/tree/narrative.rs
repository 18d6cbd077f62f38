//! Narrative of a section as XHTML.

use formats::cda::Element;

/// A narrative, and the leaves it is made of.
pub(super) struct Made {
    pub(super) div: String,
    pub(super) leaves: Vec<u32>,
}

/// The XHTML of a narrative block; none where it says nothing.
pub(super) fn narrative(text: Element<'_>) -> Option<Made> {
    let plain = text.text();
    let plain = plain.trim();
    if plain.is_empty() {
        return None;
    }
    let escaped = plain.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    Some(Made {
        div: format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{escaped}</div>"),
        leaves: text.leaf_range().collect(),
    })
}
