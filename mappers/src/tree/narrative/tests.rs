//! What becomes of a narrative block, and what never comes out of one.

use formats::cda::{Document, Limits};
use proptest::prelude::*;
use xml::{Lexer, Rules, Token};

use super::*;

fn read(inner: &str) -> Document {
    let text = format!(
        "<ClinicalDocument xmlns=\"urn:hl7-org:v3\" xmlns:h=\"http://www.w3.org/1999/xhtml\"><section><text>{inner}</text></section>\
         <observationMedia ID=\"m1\"/></ClinicalDocument>"
    );
    Document::parse(text.as_bytes(), &Limits::default()).expect("a document")
}

fn block(document: &Document) -> Element<'_> {
    document.root().children().next().and_then(|section| section.children().next()).expect("a narrative")
}

/// What stands in the `div`, and the paths of the leaves that are not in it.
#[track_caller]
fn made(inner: &str) -> (String, Vec<String>) {
    let document = read(inner);
    let text = block(&document);
    let made = narrative(text).expect("a narrative that says something");
    well_made(&made.div);
    let left = text.leaf_range().filter(|leaf| !made.leaves.contains(leaf));
    let left = left.map(|leaf| document.leaf_path(leaf).replace("/ClinicalDocument/section/text", ""));
    let div = made.div.strip_prefix("<div xmlns=\"http://www.w3.org/1999/xhtml\">").expect("a div");
    (div.strip_suffix("</div>").expect("its end").to_owned(), left.collect())
}

#[track_caller]
fn check(inner: &str, expect: &str) {
    assert_eq!(made(inner), (expect.to_owned(), vec![]));
}

/// The same where something has no place in XHTML.
#[track_caller]
fn check_without(inner: &str, expect: &str, left: &[&str]) {
    assert_eq!(made(inner), (expect.to_owned(), left.iter().map(|path| (*path).to_owned()).collect()));
}

const TAGS: &[&str] = &[
    "div", "p", "span", "br", "a", "sub", "sup", "ul", "ol", "li", "table", "caption", "col", "colgroup", "thead",
    "tfoot", "tbody", "tr", "th", "td",
];
#[rustfmt::skip]
const ATTRIBUTES: &[&str] = &[
    "xmlns", "id", "class", "lang", "xml:lang", "title", "href", "name", "rel", "rev", "align", "valign", "char", "charoff",
    "width", "span", "abbr", "axis", "headers", "scope", "rowspan", "colspan", "summary", "border", "frame", "rules",
    "cellspacing", "cellpadding",
];

/// Reads it as XML and holds it against what may stand where, apart from the code that writes it.
#[track_caller]
fn well_made(div: &str) {
    let rules = Rules { attributes: 64, depth: 200, prefixes_declared: true };
    let mut lexer = Lexer::document(div, 0, rules).expect("characters of XML");
    let mut open: Vec<&str> = Vec::new();
    let mut ids = Vec::new();
    loop {
        match lexer.next().unwrap_or_else(|fault| panic!("{fault:?} in {div}")) {
            Token::Start(tag) => {
                let name = tag.name;
                assert!(tag.prefix.is_empty() && TAGS.contains(&name), "{name} in {div}");
                for attribute in lexer.attributes() {
                    assert!(ATTRIBUTES.contains(&attribute.name), "{} in {div}", attribute.name);
                    if attribute.name == "href" {
                        let target = attribute.value().to_ascii_lowercase();
                        let fine =
                            ["http://", "https://", "mailto:", "tel:", "#"].iter().any(|s| target.starts_with(s));
                        assert!(fine || !target.contains(':') && !target.starts_with('/'), "{target}");
                    }
                    if attribute.name == "id" {
                        ids.push(attribute.value().into_owned());
                    }
                }
                let around = open.last().copied().unwrap_or("none");
                let fits = match name {
                    "tr" => matches!(around, "table" | "thead" | "tfoot" | "tbody"),
                    "td" | "th" => around == "tr",
                    "thead" | "tfoot" | "tbody" | "caption" | "colgroup" => around == "table",
                    "col" => matches!(around, "table" | "colgroup"),
                    "li" => matches!(around, "ul" | "ol"),
                    _ => !matches!(
                        around,
                        "table" | "thead" | "tfoot" | "tbody" | "tr" | "ul" | "ol" | "colgroup" | "col" | "br"
                    ),
                };
                assert!(fits, "{name} in {around}: {div}");
                let is_block = matches!(name, "div" | "p" | "table" | "ul" | "ol");
                let phrases = ["p", "span", "a", "sub", "sup", "caption"];
                assert!(!is_block || !open.iter().any(|tag| phrases.contains(tag)), "{name} in a phrase: {div}");
                assert!(!matches!(name, "a" | "sub" | "sup") || !open.contains(&name), "{name} in itself: {div}");
                open.push(name);
            }
            Token::End => {
                open.pop();
            }
            Token::Text(text) => {
                let around = open.last().copied().unwrap_or("none");
                let none =
                    matches!(around, "table" | "thead" | "tfoot" | "tbody" | "tr" | "ul" | "ol" | "colgroup" | "col");
                assert!(!none || text.is_blank, "text in {around}: {div}");
            }
            Token::Nothing => panic!("a comment in {div}"),
            Token::Over => break,
        }
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "an id twice: {div}");
}

#[test]
fn keeps_ids_and_turns_styles_into_classes() {
    check(
        "<content ID=\"c1\" styleCode=\"Bold xOwn\">Asthma</content> since <content styleCode=\"Italics\">2001</content>",
        "<span id=\"c1\" class=\"bold xOwn\">Asthma</span> since <span class=\"italics\">2001</span>",
    );
    check("<paragraph ID=\"p\">a<br/>b</paragraph>", "<p id=\"p\">a<br/>b</p>");
    check("H<sub>2</sub>O 10<sup>3</sup>", "H<sub>2</sub>O 10<sup>3</sup>");
    check("<content revised=\"delete\">no</content>", "<span class=\"delete strikethrough\">no</span>");
    check("<content language=\"de\">nein</content>", "<span lang=\"de\" xml:lang=\"de\">nein</span>");
}

#[test]
fn writes_tables_with_their_layout() {
    check(
        "<table border=\"1\" width=\"100%\" ID=\"t\"><caption>Lab</caption><col width=\"10%\"/><colgroup><col span=\"2\"/></colgroup>\n\
         <thead><tr><th align=\"left\">A</th></tr></thead><tbody><tr ID=\"r\" styleCode=\"Botrule\">\n<td colspan=\"2\">1 &lt; 2</td></tr></tbody></table>",
        "<table border=\"1\" width=\"100%\" id=\"t\"><caption>Lab</caption><col width=\"10%\"/><colgroup><col span=\"2\"/></colgroup>\
         <thead><tr><th align=\"left\">A</th></tr></thead><tbody><tr id=\"r\" class=\"border-bottom\"><td colspan=\"2\">1 &lt; 2</td></tr></tbody></table>",
    );
}

#[test]
fn writes_lists_with_their_captions_before_them() {
    check(
        "<list listType=\"ordered\" styleCode=\"LittleRoman\"><caption>Plan</caption><item ID=\"i\"><caption>Day 1</caption> rest</item><item>walk</item></list>",
        "<div><p class=\"caption\">Plan</p><ol class=\"little-roman\"><li id=\"i\"><span class=\"caption\">Day 1</span> rest</li><li>walk</li></ol></div>",
    );
    check("<list>\n<item>a<list><item>b</item></list></item>\n</list>", "<ul><li>a<ul><li>b</li></ul></li></ul>");
    check("<list><caption>Nothing</caption></list>", "<div><span class=\"caption\">Nothing</span></div>");
}

#[test]
fn links_only_where_a_link_is_safe_and_leads_somewhere() {
    check(
        "<linkHtml href=\"https://example.org/a?b=1&amp;c\">x</linkHtml>",
        "<a href=\"https://example.org/a?b=1&amp;c\">x</a>",
    );
    check("<linkHtml href=\"mailto:a@example.org\">x</linkHtml>", "<a href=\"mailto:a@example.org\">x</a>");
    check("<linkHtml href=\"plan.pdf\">x</linkHtml>", "<a href=\"plan.pdf\">x</a>");
    check(
        "<linkHtml href=\"#c\">x</linkHtml><content ID=\"c\">y</content>",
        "<a href=\"#c\">x</a><span id=\"c\">y</span>",
    );
    for target in [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "java&#10;script:alert(1)",
        "java&#9;script:alert(1)",
        "&#x1F600;script:alert(1)",
        "vbscript:x",
        "data:text/html,x",
        "file:///etc/passwd",
        "cid:1",
        "urn:oid:1.2",
        "//elsewhere.example/x",
        "\\\\elsewhere\\x",
        "http:",
        "http:///x",
        "#nowhere",
        "#m1",
        "https://a b",
    ] {
        let expect = "<span>x</span>";
        check_without(&format!("<linkHtml href=\"{target}\">x</linkHtml>"), expect, &["/linkHtml/@href"]);
    }
}

#[test]
fn keeps_footnotes_and_what_pictures_say() {
    check(
        "a<footnoteRef IDREF=\"f\"/><footnote ID=\"f\">note</footnote>",
        "a<a class=\"footnote-ref\" href=\"#f\">f</a><span id=\"f\" class=\"footnote\">note</span>",
    );
    check("a<footnoteRef IDREF=\"g\"/>", "a<span class=\"footnote-ref\">g</span>");
    check(
        "<renderMultiMedia referencedObject=\"m1\"><caption>Left hand</caption></renderMultiMedia>",
        "<span class=\"multimedia\" title=\"m1\"><span class=\"caption\">Left hand</span></span>",
    );
}

#[test]
fn writes_nothing_that_acts() {
    check_without(
        "<h:script src=\"http://elsewhere.example/x.js\">alert(1)</h:script>",
        "<span>alert(1)</span>",
        &["/other:script/@src"],
    );
    check_without(
        "<content onclick=\"alert(1)\" style=\"x\">a</content>",
        "<span>a</span>",
        &["/content/@onclick", "/content/@style"],
    );
    check_without(
        "<img src=\"http://elsewhere.example/x.png\" onerror=\"y\"/>a",
        "<span></span>a",
        &["/img/@src", "/img/@onerror"],
    );
    check_without("<iframe src=\"data:x\">a</iframe>", "<span>a</span>", &["/iframe/@src"]);
    check("&lt;script&gt;alert(1)&lt;/script&gt;", "&lt;script&gt;alert(1)&lt;/script&gt;");
    check("<![CDATA[<script>]]>", "&lt;script&gt;");
    check(
        "<content ID=\"&quot;&gt;&lt;script&gt;\" styleCode=\"&quot; onload=&quot;x\">a</content>",
        "<span id=\"&quot;&gt;&lt;script&gt;\" class=\"&quot; onload=&quot;x\">a</span>",
    );
    check_without(
        "<table onload=\"x\"><tr><td background=\"y\">a</td></tr></table>",
        "<table><tr><td>a</td></tr></table>",
        &["/table/@onload", "/table/tr/td/@background"],
    );
}

#[test]
fn finds_a_place_for_what_stands_where_it_should_not() {
    check(
        "<paragraph>a<table><tr><td>b</td></tr></table></paragraph>",
        "<div>a<table><tr><td>b</td></tr></table></div>",
    );
    check("<content>a<list><item>b</item></list></content>", "<div>a<ul><li>b</li></ul></div>");
    check(
        "<table><tr>a<content>b</content></tr>c<tbody>d</tbody></table>",
        "<table><tr><td>a</td><td><span>b</span></td></tr><tr><td>c</td></tr><tbody><tr><td>d</td></tr></tbody></table>",
    );
    check(
        "<table><caption>a<paragraph>b</paragraph></caption></table>",
        "<table><caption>a <span>b</span></caption></table>",
    );
    check("<list>a<content>b</content></list>", "<ul><li>a</li><li><span>b</span></li></ul>");
    check("<tr><td>a</td><td>b</td></tr>", "<span><span>a</span><span>b</span></span>");
    check("<sub>a<sub>b</sub></sub>", "<sub>a<span>b</span></sub>");
    check("<br>a</br>", "<br/>a");
    check("<b>a</b>", "<span>a</span>");
}

#[test]
fn keeps_the_first_of_two_equal_ids() {
    check("<content ID=\"x\">a</content><content ID=\"x\">b</content>", "<span id=\"x\">a</span><span>b</span>");
}

#[test]
fn says_nothing_where_nothing_is_said() {
    for inner in ["", " \n ", "<paragraph/>", "<table><tr><td>&#160;</td></tr></table>", "<content ID=\"x\"/>"] {
        assert!(narrative(block(&read(inner))).is_none(), "{inner}");
    }
}

#[test]
fn keeps_the_text_of_what_is_too_deep() {
    let inner = format!("{}deep{}", "<content>".repeat(240), "</content>".repeat(240));
    let (div, left) = made(&inner);
    assert!(div.contains("deep") && left.is_empty());
}

#[test]
fn takes_time_that_grows_with_the_narrative() {
    let inner = format!("{}{}", "<content>".repeat(200), "</content>".repeat(200)).repeat(200) + "<table/>";
    let nested = format!("{}{}{}", "<content>".repeat(200), "<list/>".repeat(20_000), "</content>".repeat(200));
    assert!(narrative(block(&read(&format!("a{inner}{nested}")))).is_some());
}

fn any_block() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "content",
        "paragraph",
        "list",
        "item",
        "caption",
        "table",
        "thead",
        "tbody",
        "tr",
        "td",
        "th",
        "col",
        "colgroup",
        "br",
        "sub",
        "sup",
        "linkHtml",
        "footnote",
        "footnoteRef",
        "renderMultiMedia",
        "h:p",
        "script",
    ]);
    let attribute = prop::sample::select(vec![
        "",
        " ID='x'",
        " ID='y'",
        " styleCode='Bold'",
        " href='javascript:x'",
        " href='#x'",
        " IDREF='y'",
        " align='left' span='2'",
        " onclick='x'",
    ]);
    let leaf = prop::sample::select(vec!["t", " ", "&lt;", "&#160;", ""]).prop_map(str::to_owned);
    leaf.prop_recursive(6, 80, 5, move |inner| {
        (name.clone(), attribute.clone(), prop::collection::vec(inner, 0..5))
            .prop_map(|(name, attribute, children)| format!("<{name}{attribute}>{}</{name}>", children.concat()))
    })
}

proptest! {
    #[test]
    fn every_narrative_is_well_made_and_no_text_is_lost(blocks in prop::collection::vec(any_block(), 0..5)) {
        let document = read(&blocks.concat());
        let text = block(&document);
        if let Some(made) = narrative(text) {
            well_made(&made.div);
            let in_columns = |leaf: u32| document.leaf_path(leaf).split('/').any(|step| step.starts_with("col"));
            for leaf in text.leaf_range() {
                let found = document.leaf(leaf).expect("a leaf");
                prop_assert!(found.attribute.is_some() || made.leaves.contains(&leaf) || in_columns(leaf));
            }
            prop_assert!(made.leaves.iter().all(|leaf| text.leaf_range().contains(leaf)));
        }
    }
}
