//! Narrative XHTML: well formed, one `div`, no active content. FHIR R4 narrative.html, txt-1 and txt-2.

/// What was expected of a narrative, if it is not so.
pub(crate) fn check(text: &str) -> Option<&'static str> {
    Scanner { rest: text.trim() }.document().err()
}

/// Whether a narrative that [`check`] takes says anything (txt-2): text or an image.
pub(crate) fn has_content(text: &str) -> bool {
    let mut pieces = text.split('<');
    text.contains("<img")
        || pieces.any(|piece| {
            let text = piece.split_once('>').map_or("", |(_, text)| text);
            piece.starts_with("![CDATA[") || text.chars().any(|letter| !letter.is_whitespace())
        })
}

/// The elements of txt-1: HTML 4.0 chapters 7 to 11 and 15, without forms, scripts and frames.
const ELEMENTS: &[&str] = &[
    "a",
    "abbr",
    "acronym",
    "address",
    "b",
    "bdo",
    "big",
    "blockquote",
    "br",
    "caption",
    "center",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "dfn",
    "dir",
    "div",
    "dl",
    "dt",
    "em",
    "font",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "map",
    "area",
    "menu",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
];

const NOT_WELL_FORMED: &str = "expected well-formed XHTML";

struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn document(&mut self) -> Result<(), &'static str> {
        if !self.rest.starts_with("<div") {
            return Err("expected a div element");
        }
        let mut open: Vec<&'a str> = Vec::new();
        loop {
            let Some((text, tail)) = self.rest.split_once('<') else { return Err(NOT_WELL_FORMED) };
            characters(text)?;
            self.rest = tail;
            if let Some(tail) = self.rest.strip_prefix("!--") {
                self.rest = tail.split_once("-->").ok_or(NOT_WELL_FORMED)?.1;
            } else if let Some(tail) = self.rest.strip_prefix("![CDATA[") {
                self.rest = tail.split_once("]]>").ok_or(NOT_WELL_FORMED)?.1;
            } else if let Some(tail) = self.rest.strip_prefix('/') {
                let (name, tail) = tail.split_once('>').ok_or(NOT_WELL_FORMED)?;
                if open.pop() != Some(name.trim_end()) {
                    return Err(NOT_WELL_FORMED);
                }
                self.rest = tail;
            } else {
                let (name, empty) = self.tag(open.is_empty())?;
                if !empty {
                    open.push(name);
                }
            }
            if open.is_empty() {
                break;
            }
        }
        if self.rest.is_empty() { Ok(()) } else { Err("expected nothing after the div element") }
    }

    /// An opening tag whose `<` has been taken: its name, and whether it closes itself.
    fn tag(&mut self, is_root: bool) -> Result<(&'a str, bool), &'static str> {
        let end = self.rest.find(|letter: char| !letter.is_ascii_alphanumeric()).ok_or(NOT_WELL_FORMED)?;
        let (name, tail) = self.rest.split_at(end);
        if !ELEMENTS.contains(&name) {
            return Err(if name.is_empty() {
                NOT_WELL_FORMED
            } else {
                "expected elements for formatting only (txt-1)"
            });
        }
        self.rest = tail;
        let mut namespace = false;
        let mut seen: Vec<&str> = Vec::new();
        loop {
            let trimmed = self.rest.trim_start();
            let spaced = trimmed.len() < self.rest.len();
            self.rest = trimmed;
            if let Some(tail) = self.rest.strip_prefix("/>") {
                self.rest = tail;
                return root(is_root, namespace).map(|()| (name, true));
            }
            if let Some(tail) = self.rest.strip_prefix('>') {
                self.rest = tail;
                return root(is_root, namespace).map(|()| (name, false));
            }
            let (attribute, tail) = self.rest.split_once('=').ok_or(NOT_WELL_FORMED)?;
            let attribute = attribute.trim_end();
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'-' | b'_' | b'.');
            if !spaced || attribute.is_empty() || !attribute.bytes().all(is_name) || seen.contains(&attribute) {
                return Err(NOT_WELL_FORMED);
            }
            seen.push(attribute);
            if attribute.len() > 2 && attribute.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("on")) {
                return Err("expected no event attributes (txt-1)");
            }
            let tail = tail.trim_start();
            let quote = tail.chars().next().filter(|letter| matches!(letter, '"' | '\'')).ok_or(NOT_WELL_FORMED)?;
            let mut pieces = tail.splitn(3, quote).skip(1);
            let (value, tail) = pieces.next().zip(pieces.next()).ok_or(NOT_WELL_FORMED)?;
            if value.contains('<') {
                return Err(NOT_WELL_FORMED);
            }
            characters(value)?;
            let start = value.trim_start().get(..11).unwrap_or_default();
            if start.eq_ignore_ascii_case("javascript:") {
                return Err("expected no scripts (txt-1)");
            }
            namespace |= attribute == "xmlns" && value == "http://www.w3.org/1999/xhtml";
            self.rest = tail;
        }
    }
}

fn root(is_root: bool, namespace: bool) -> Result<(), &'static str> {
    if is_root && !namespace { Err("expected xmlns=\"http://www.w3.org/1999/xhtml\" on the div") } else { Ok(()) }
}

/// Character data: every `&` starts an entity or a character reference.
fn characters(text: &str) -> Result<(), &'static str> {
    let mut rest = text;
    while let Some((_, tail)) = rest.split_once('&') {
        let (name, after) = tail.split_once(';').ok_or("expected &amp; for &")?;
        let named = !name.is_empty() && name.len() <= 10 && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let number = match name.strip_prefix('#') {
            Some(hex) if hex.starts_with('x') => u32::from_str_radix(hex.trim_start_matches('x'), 16).ok(),
            Some(decimal) => decimal.parse().ok(),
            None => None,
        };
        if !named && number.and_then(char::from_u32).is_none() {
            return Err("expected &amp; for &");
        }
        rest = after;
    }
    Ok(())
}
