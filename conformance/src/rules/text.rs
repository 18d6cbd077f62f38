//! The form of texts that datatypes.html asks for beyond its regular expressions.

use crate::place::Place;
use crate::report::Report;
use crate::resolve::is_absolute;
use crate::validate::Options;

pub(super) fn check(options: &Options<'_>, type_name: &str, text: &str, place: &Place<'_>, report: &mut Report) {
    match type_name {
        "uri" | "url" | "canonical" | "oid" | "uuid" => uri(type_name, text, place, report),
        "base64Binary" if text.bytes().any(|byte| byte.is_ascii_whitespace()) => {
            report.warning("invalid", "expected no white space in base64 (RFC 4648, section 3.3)", place);
        }
        "date" | "dateTime" | "instant" => year(text, place, report),
        "string" => spaces(text, place, report),
        _ => {}
    }
    if type_name != "xhtml" && text.contains('<') && has_html(text) {
        if options.security_checks {
            report.error("invalid", "expected no HTML in the text", place);
        } else if type_name != "markdown" {
            report.information("invalid", "the text holds what looks like HTML", place);
        }
    }
    if text.bytes().any(|byte| byte < 0x20 && !matches!(byte, b'\t' | b'\r' | b'\n')) {
        report.warning("invalid", "expected no control characters: XML cannot carry them", place);
    }
}

/// datatypes.html, "uri": URNs of OIDs and UUIDs are written in full, UUIDs in lower case.
fn uri(type_name: &str, text: &str, place: &Place<'_>, report: &mut Report) {
    if text.starts_with("oid:") {
        report.error("invalid", "expected an OID as a URN: urn:oid:", place);
    }
    if text.starts_with("uuid:") {
        report.error("invalid", "expected a UUID as a URN: urn:uuid:", place);
    }
    if type_name == "canonical" && !text.starts_with('#') && !is_absolute(text) {
        // Published examples of R4 have relative ones.
        report.warning(
            "invalid",
            "expected a canonical to be absolute, or # and the id of a contained resource",
            place,
        );
    }
    let plain = text.split('#').next().unwrap_or_default();
    let plain = if type_name == "canonical" { plain.split('|').next().unwrap_or_default() } else { plain };
    // That it has the form of a UUID is said with the form of the text.
    if let Some(uuid) = plain.strip_prefix("urn:uuid:")
        && uuid.bytes().any(|byte| byte.is_ascii_uppercase())
    {
        report.warning("invalid", "expected a UUID in lower case", place);
    }
}

/// 8-4-4-4-12 hexadecimal digits in lower case. RFC 9562, section 4.
pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'),
        })
}

/// Nobody who is alive was there: more likely a slip.
fn year(text: &str, place: &Place<'_>, report: &mut Report) {
    let year = text.get(..4).and_then(|year| year.parse::<u16>().ok());
    if year.is_some_and(|year| !(1850..=2125).contains(&year)) {
        report.warning("invalid", "expected a year within living memory", place);
    }
}

fn spaces(text: &str, place: &Place<'_>, report: &mut Report) {
    if text.chars().all(char::is_whitespace) {
        report.warning("invalid", "expected more than white space", place);
    } else if text.trim() != text {
        report.warning("invalid", "expected no white space at either end", place);
    }
}

/// Whether a text has what a browser takes for a tag of HTML.
fn has_html(text: &str) -> bool {
    text.split('<').skip(1).any(|piece| {
        let Some((tag, _)) = piece.split_once('>') else { return false };
        let name = tag.trim_start_matches('/');
        let name = name.split(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap_or_default();
        TAGS.iter().any(|known| known.eq_ignore_ascii_case(name))
    })
}

#[rustfmt::skip]
const TAGS: &[&str] = &[
    "a", "abbr", "acronym", "address", "applet", "area", "article", "aside", "audio", "b", "base", "bdo", "big",
    "blockquote", "body", "br", "button", "canvas", "caption", "center", "cite", "code", "col", "colgroup", "dd",
    "del", "dfn", "dir", "div", "dl", "dt", "em", "embed", "fieldset", "font", "footer", "form", "frame", "frameset",
    "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hr", "html", "i", "iframe", "img", "input", "ins", "kbd",
    "label", "legend", "li", "link", "map", "menu", "meta", "nav", "noscript", "object", "ol", "option", "p", "param",
    "pre", "q", "s", "samp", "script", "section", "select", "small", "span", "strike", "strong", "style", "sub",
    "sup", "svg", "table", "tbody", "td", "textarea", "tfoot", "th", "thead", "title", "tr", "tt", "u", "ul", "var",
    "video",
];
