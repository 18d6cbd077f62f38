//! Attributes of the narrative block and what they are in XHTML.

/// The classes that FHIR suggests for what the narrative block calls styles (narrative.html, "Styling the XHTML").
#[rustfmt::skip]
const STYLES: &[(&str, &str)] = &[
    ("bold", "bold"), ("italics", "italics"), ("underline", "underline"),
    ("lrule", "border-left"), ("rrule", "border-right"), ("toprule", "border-top"), ("botrule", "border-bottom"),
    ("arabic", "arabic"), ("littleroman", "little-roman"), ("bigroman", "big-roman"),
    ("littlealpha", "little-alpha"), ("bigalpha", "big-alpha"),
    ("disc", "disc"), ("circle", "circle"), ("square", "square"),
];

/// The class for one style; a style of the sender's own is a class of that name.
pub(super) fn class(style: &str) -> &str {
    STYLES.iter().find(|(code, _)| code.eq_ignore_ascii_case(style)).map_or(style, |(_, class)| class)
}

/// Whether an attribute of the narrative block is the same attribute of the XHTML element.
pub(super) fn is_kept(tag: &str, name: &str) -> bool {
    match name {
        "align" | "valign" | "char" | "charoff" => {
            matches!(tag, "col" | "colgroup" | "thead" | "tfoot" | "tbody" | "tr" | "th" | "td")
        }
        "width" => matches!(tag, "table" | "col" | "colgroup" | "th" | "td"),
        "span" => matches!(tag, "col" | "colgroup"),
        "abbr" | "axis" | "headers" | "scope" | "rowspan" | "colspan" => matches!(tag, "th" | "td"),
        "summary" | "border" | "frame" | "rules" | "cellspacing" | "cellpadding" => tag == "table",
        "name" | "rel" | "rev" => tag == "a",
        "title" => true,
        _ => false,
    }
}
