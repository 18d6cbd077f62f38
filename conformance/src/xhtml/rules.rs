//! What a narrative may be made of. FHIR R4 narrative.html, txt-1.

use model::outcome::Issue;

use super::nesting;
use super::{Document, NAMESPACE, Node};

/// One thing that is wrong with a narrative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// An element or attribute that txt-1 does not allow.
    Forbidden(String),
    /// Anything else that is wrong.
    Wrong {
        /// Code of valueset-issue-type.html.
        code: &'static str,
        /// What was expected.
        expected: String,
    },
    /// What should be looked at.
    Doubtful(String),
}

impl Finding {
    /// The finding as an issue without its place.
    pub(crate) fn into_issue(self) -> Issue {
        match self {
            Self::Forbidden(expected) => Issue::error("invalid", expected),
            Self::Wrong { code, expected } => Issue::error(code, expected),
            Self::Doubtful(expected) => Issue::warning("business-rule", expected),
        }
    }
}

/// Everything wrong with a narrative that is well formed, but for its links.
pub(crate) fn check(document: &Document<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (index, node) in document.nodes.iter().enumerate() {
        let Node::Element { name, attributes, .. } = node else { continue };
        namespace(index == 0, node, &mut found);
        if index == 0 {
            if *name != "div" {
                found.push(Finding::Wrong { code: "invalid", expected: "expected a div element".into() });
            }
        } else if !ELEMENTS.contains(name) {
            found.push(Finding::Forbidden(format!("expected elements for formatting only, not {}", shown(name))));
        }
        for (attribute, value) in attributes {
            if !is_allowed(name, attribute) {
                let text = format!("expected no attribute {} on {}", shown(attribute), shown(name));
                found.push(Finding::Forbidden(text));
            } else if let Some(expected) = address(attribute, value) {
                found.push(Finding::Wrong { code: "invalid", expected: expected.into() });
            }
        }
        if BLOCKS.contains(name) && document.ancestors(index).any(|node| node.name() == Some("p")) {
            let expected = format!("expected no {} in a paragraph", shown(name));
            found.push(Finding::Wrong { code: "invalid", expected });
        }
        nesting::check(document, index, &mut found);
    }
    if has_duplicates(document) {
        found.push(Finding::Doubtful("expected every id of the narrative to be there once".into()));
    }
    if document.mixes_languages() {
        found.push(Finding::Doubtful("expected no content beside the language sections".into()));
    }
    found
}

impl<'a> Document<'a> {
    /// The elements around a node, from the inside; not the node itself.
    pub(super) fn ancestors(&self, index: usize) -> impl Iterator<Item = &Node<'a>> {
        let mut at = index;
        std::iter::from_fn(move || {
            let parent = self.nodes.get(at)?.parent();
            if parent == at {
                return None;
            }
            at = parent;
            self.nodes.get(at)
        })
    }
}

fn namespace(is_root: bool, node: &Node<'_>, found: &mut Vec<Finding>) {
    let stated = node.attribute("xmlns");
    if (is_root || stated.is_some()) && stated != Some(NAMESPACE) {
        let expected = format!("expected xmlns=\"{NAMESPACE}\" on the div");
        found.push(Finding::Wrong { code: "invalid", expected });
    }
}

fn has_duplicates(document: &Document<'_>) -> bool {
    let mut seen: Vec<&str> = document.anchors().collect();
    seen.sort_unstable();
    seen.windows(2).any(|pair| matches!(pair, [first, second] if first == second))
}

/// What is wrong with the target of a link or an image by itself.
fn address(attribute: &str, value: &str) -> Option<&'static str> {
    if !matches!(attribute, "href" | "src" | "cite" | "longdesc") {
        return None;
    }
    if value.trim().is_empty() {
        return Some("expected a link to have a target");
    }
    let scheme = value.trim_start().split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("javascript" | "vbscript") => Some("expected no scripts (txt-1)"),
        Some("urn" | "cid") if attribute == "href" => {
            Some("expected a link that can be followed: a urn or cid is a name only")
        }
        Some("data") => data_url(value),
        Some("http" | "https") => {
            let host = value.split_once("://").map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
            let has_space = value.trim().chars().any(char::is_whitespace);
            (host.is_none_or(str::is_empty) || has_space).then_some("expected a link to be a URL")
        }
        _ => None,
    }
}

/// RFC 2397: `data:[type][;base64],content`
fn data_url(value: &str) -> Option<&'static str> {
    let Some((head, content)) = value.split_once(',') else { return Some("expected a data URL to have content") };
    let is_base64 = head.ends_with(";base64");
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_');
    let well_formed = !is_base64 || content.bytes().all(|byte| is_plain(byte) || byte.is_ascii_whitespace());
    (content.is_empty() || !well_formed).then_some("expected a data URL to have content in base64")
}

fn is_allowed(element: &str, attribute: &str) -> bool {
    attribute == "xmlns"
        || attribute.starts_with("xmlns:")
        || ATTRIBUTES.contains(&attribute)
        || OWN_ATTRIBUTES.iter().any(|(name, own)| *name == element && own.contains(&attribute))
}

/// Names of elements are no content, but what is longer than any of HTML is not repeated.
pub(super) fn shown(name: &str) -> &str {
    if name.len() <= 12 { name } else { "an element" }
}

/// The elements of HTML 4.0 chapters 7 to 11, without section 9.4, and 15.
#[rustfmt::skip]
const ELEMENTS: &[&str] = &[
    "a", "abbr", "acronym", "address", "area", "b", "bdo", "big", "blockquote", "br", "caption", "center", "cite",
    "code", "col", "colgroup", "dd", "dfn", "dir", "div", "dl", "dt", "em", "font", "h1", "h2", "h3", "h4", "h5", "h6",
    "hr", "i", "img", "kbd", "li", "map", "menu", "ol", "p", "pre", "q", "s", "samp", "small", "span", "strike",
    "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "u", "ul", "var",
];

/// What stands by itself and so not in a paragraph.
const BLOCKS: &[&str] = &["blockquote", "div", "ol", "p", "table", "ul"];

/// Attributes of any element.
#[rustfmt::skip]
const ATTRIBUTES: &[&str] = &[
    "abbr", "accesskey", "align", "axis", "char", "charoff", "class", "colspan", "dir", "headers", "id", "lang",
    "rowspan", "scope", "span", "style", "tabindex", "title", "valign", "width", "xml:lang", "xml:space",
];

/// Attributes of single elements.
#[rustfmt::skip]
const OWN_ATTRIBUTES: &[(&str, &[&str])] = &[
    ("a", &["charset", "coords", "href", "hreflang", "name", "rel", "rev", "shape", "type"]),
    ("area", &["alt", "coords", "href", "nohref", "shape"]),
    ("blockquote", &["cite"]),
    ("br", &["clear"]),
    ("font", &["color", "face", "size"]),
    ("hr", &["noshade", "size"]),
    ("img", &["alt", "border", "height", "ismap", "longdesc", "src", "usemap"]),
    ("li", &["type", "value"]),
    ("map", &["name"]),
    ("ol", &["compact", "start", "type"]),
    ("pre", &["space"]),
    ("q", &["cite"]),
    ("table", &["bgcolor", "border", "cellpadding", "cellspacing", "frame", "rules", "summary"]),
    ("td", &["bgcolor", "height", "nowrap"]),
    ("th", &["bgcolor", "height", "nowrap"]),
    ("tr", &["bgcolor"]),
    ("ul", &["compact", "type"]),
];
