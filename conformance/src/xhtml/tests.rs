mod documents;

use proptest::prelude::*;

use super::{Finding, check, read};

/// The findings of a narrative with this content, by what they ask for.
fn findings(content: &str) -> Vec<String> {
    let text = format!(r#"<div xmlns="http://www.w3.org/1999/xhtml">{content}</div>"#);
    let document = read(&text).unwrap_or_else(|expected| panic!("{expected}: {text}"));
    check(&document)
        .into_iter()
        .map(|finding| match finding {
            Finding::Forbidden(text) | Finding::Doubtful(text) => text,
            Finding::Wrong { code, expected } => format!("{code}: {expected}"),
        })
        .collect()
}

#[track_caller]
fn finds(content: &str, expected: &str) {
    let found = findings(content);
    assert!(found.iter().any(|text| text.contains(expected)), "{content}: {found:?}");
}

#[track_caller]
fn takes(content: &str) {
    assert_eq!(findings(content), Vec::<String>::new(), "{content}");
}

#[test]
fn takes_what_formats() {
    takes("<p>A <b>bold</b> word &amp; a <a href=\"https://example.org/x\">link</a><br/></p>");
    takes("<table><thead><tr><th scope=\"col\">A</th></tr></thead><tbody><tr><td>1</td></tr></tbody></table>");
    takes("<ul> <li>one<ul><li>two</li></ul></li> </ul><dl><dt>a</dt><dd>b</dd></dl><!-- note -->");
    takes("<img src=\"data:image/png;base64,AAAA\" alt=\"x\"/><pre>x</pre><h1 id=\"a\">A</h1>");
}

#[test]
fn refuses_active_content() {
    finds("<script>x</script>", "not script");
    finds("<form/>", "not form");
    finds("<p onclick=\"x\">x</p>", "no attribute onclick on p");
    finds("<a href=\"javascript:x\">x</a>", "no scripts");
    finds("<a href=\" JavaScript:x\">x</a>", "no scripts");
    finds("<ins>x</ins>", "not ins");
}

#[test]
fn refuses_links_that_lead_nowhere() {
    finds("<a href=\"\">x</a>", "have a target");
    finds("<a href=\"urn:uuid:0\">x</a>", "can be followed");
    finds("<a href=\"http:///x\">x</a>", "to be a URL");
    finds("<img src=\"data:image/png;base64\"/>", "to have content");
}

#[test]
fn asks_for_the_nesting_of_html() {
    finds("<tr><td>x</td></tr>", "tr to stand in table");
    finds("<table><td>x</td></table>", "nothing in table but");
    finds("<ul>text</ul>", "nothing in ul but li");
    finds("<p><ul><li>x</li></ul></p>", "no ul in p");
    finds("<b>x<i>y<b>z</b></i></b>", "no b in b");
    finds("<br>x</br>", "br to be empty");
    finds("<p><p>x</p></p>", "no p in a paragraph");
}

#[test]
fn asks_for_the_namespace_and_one_use_of_an_id() {
    let document = read("<div>x</div>").unwrap();
    assert!(matches!(check(&document).as_slice(), [Finding::Wrong { code: "invalid", .. }]));
    finds("<p id=\"a\">x</p><p id=\"a\">y</p>", "id of the narrative to be there once");
    takes("<a id=\"a\" name=\"a\">x</a>");
    finds("<div xmlns=\"urn:other\">x</div>", "expected xmlns");
}

#[test]
fn tells_language_sections_from_other_content() {
    finds("<div xml:lang=\"de\">x</div>more", "beside the language sections");
    let text = "<div xmlns=\"http://www.w3.org/1999/xhtml\"><div lang=\"de\" xml:lang=\"de\">x</div> \
                <div xml:lang=\"en\">y</div></div>";
    let document = read(text).unwrap();
    assert_eq!(document.language_sections(), ["de", "en"]);
    assert_eq!(document.languages(), (Some("de"), Some("de")));
}

#[test]
fn says_whether_there_is_content() {
    let says = |text: &str| read(text).unwrap().has_content();
    assert!(says("<div>x</div>") && says("<div><img src=\"#a\"/></div>") && says("<div><![CDATA[x]]></div>"));
    assert!(!says("<div> <p/> </div>") && !says("<div><!-- x --></div>"));
}

#[test]
fn reads_only_what_is_well_formed() {
    for text in [
        "",
        "x",
        "<div",
        "<div>",
        "<div></p>",
        "<div>x</div>y",
        "<div a=b/>",
        "<div a=\"b\" a=\"c\"/>",
        "<div>&nbsp</div>",
        "<div>a & b</div>",
        "<div a=\"<\"/>",
        "<!DOCTYPE html><div/>",
        "<div><?x?></div>",
        "<div><!-- x</div>",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
    let deep = "<b>".repeat(100_000);
    assert!(read(&format!("<div>{deep}")).is_err());
}

proptest! {
    #[test]
    fn never_panics(text in "[<>/a-c =\"'&;!\\-#x\\[\\]?]{0,80}") {
        if let Ok(document) = read(&format!("<div>{text}</div>")) {
            check(&document);
            document.languages();
            document.has_content();
        }
    }
}
