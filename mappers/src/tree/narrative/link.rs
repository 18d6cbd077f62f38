//! Where a link of a narrative may lead.

use formats::cda::{Document, Element};

/// Whether the target can be written as a link: a page, a mail, a telephone number, a file beside the document, or a
/// place in a narrative of this document. Everything else (scripts, data, names that no program follows) stays text.
pub(super) fn is_followed(target: &str, document: &Document) -> bool {
    // What a browser leaves out when it reads a link could hide what the link is.
    if target.is_empty() || target.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
        return false;
    }
    if let Some(id) = target.strip_prefix('#') {
        return document.with_id(id).is_some_and(is_narrative);
    }
    let Some((scheme, rest)) = target.split_once(':') else {
        // `//host` and `\\host` name another machine without saying so.
        return !target.starts_with(['/', '\\']);
    };
    if scheme.contains(['/', '?', '#']) {
        return !target.starts_with(['/', '\\']);
    }
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" => {
            rest.strip_prefix("//").is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#']))
        }
        "mailto" | "tel" => !rest.is_empty(),
        _ => false,
    }
}

/// Whether an element is written into a narrative with its id.
fn is_narrative(element: Element<'_>) -> bool {
    let mut at = Some(element);
    while let Some(element) = at {
        let around = element.parent();
        if element.name() == "text" && around.is_some_and(|around| around.name() == "section") {
            return true;
        }
        at = around;
    }
    false
}
