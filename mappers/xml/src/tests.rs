//! What is well formed and what is not.

use super::*;

const RULES: Rules = Rules { attributes: 8, depth: 8, prefixes_declared: true };

/// The tokens in short: `name`, `/`, `'text'`, `-`.
fn tokens(text: &str) -> Result<Vec<String>, Fault> {
    let mut lexer = Lexer::document(text, 0, RULES)?;
    let mut out = Vec::new();
    loop {
        match lexer.next()? {
            Token::Start(tag) => {
                let attributes = lexer.attributes().iter().map(|a| format!(" {}={}", a.name, a.value()));
                out.push(format!("{}{}", tag.name, attributes.collect::<String>()));
            }
            Token::End => out.push("/".into()),
            Token::Text(text) => {
                let mut resolved = String::new();
                text.write(&mut resolved);
                out.push(format!("'{resolved}'"));
            }
            Token::Nothing => out.push("-".into()),
            Token::Over => return Ok(out),
        }
    }
}

#[track_caller]
fn check(text: &str, expect: &str) {
    assert_eq!(tokens(text).expect("well formed").join(" "), expect);
}

#[track_caller]
fn refused(text: &str, kind: ErrorKind, at: usize) {
    assert_eq!(tokens(text), Err((kind, at)), "{text}");
}

#[test]
fn reads_elements_texts_and_attributes() {
    check("<a x='1' y = \"2\"><b/>t<c >u</c\n></a>", "a x=1 y=2 b / 't' c 'u' / /");
    check("<?xml version='1.0' encoding='UTF-8' standalone=\"yes\"?>\n<!-- c --><?p i?><a/>\n", "- - - a / -");
    check("<a> <![CDATA[<&>]]> </a>", "a ' ' '<&>' ' ' /");
}

#[test]
fn resolves_references_once() {
    check("<a x='&lt;&#65;&#x42;&amp;lt;'>&gt;&quot;&apos;&amp;amp;]]</a>", "a x=<AB&lt; '>\"'&amp;]]' /");
}

#[test]
fn normalises_white_space_in_values_only() {
    check("<a x='1\n2\t3\r\n4&#10;5 \" 6'>1\n2</a>", "a x=1 2 3 4\n5 \" 6 '1\n2' /");
}

#[test]
fn refuses_what_is_not_well_formed() {
    for (text, kind, at) in [
        ("", ErrorKind::Empty, 0),
        (" <!-- c -->", ErrorKind::Empty, 11),
        ("<a", ErrorKind::UnexpectedEnd, 2),
        ("<a>", ErrorKind::UnexpectedEnd, 3),
        ("<a>t", ErrorKind::UnexpectedEnd, 4),
        ("<a x='1", ErrorKind::UnexpectedEnd, 7),
        ("<a></b>", ErrorKind::EndTag, 3),
        ("<a/><b/>", ErrorKind::SecondRoot, 4),
        ("<a/>t", ErrorKind::Outside, 4),
        ("t<a/>", ErrorKind::Outside, 0),
        ("<a/><![CDATA[t]]>", ErrorKind::Outside, 4),
        ("<a x=1/>", ErrorKind::Attribute, 5),
        ("<a x/>", ErrorKind::Attribute, 4),
        ("<a x='1'y='2'/>", ErrorKind::Attribute, 8),
        ("<a x='1' x='2'/>", ErrorKind::DuplicateAttribute, 9),
        ("<a x='<'/>", ErrorKind::Attribute, 6),
        ("<a>&</a>", ErrorKind::Reference, 3),
        ("<a>& b; </a>", ErrorKind::Reference, 3),
        ("<a>&#;</a>", ErrorKind::Reference, 3),
        ("<a>&#+5;</a>", ErrorKind::Reference, 3),
        ("<a>&#x;</a>", ErrorKind::Reference, 3),
        ("<a>&#0;</a>", ErrorKind::Character, 3),
        ("<a>&#xD800;</a>", ErrorKind::Character, 3),
        ("<a>&#99999999999;</a>", ErrorKind::Character, 3),
        ("<a>&nbsp;</a>", ErrorKind::Entity, 3),
        ("<a x='&e;'/>", ErrorKind::Entity, 6),
        ("<a>]]></a>", ErrorKind::CDataEnd, 3),
        ("<a><!-- -- --></a>", ErrorKind::Comment, 8),
        ("<a><!-- </a>", ErrorKind::Comment, 3),
        ("<a><?xml version='1.0'?></a>", ErrorKind::Declaration, 3),
        (" <?xml version='1.0'?><a/>", ErrorKind::Declaration, 1),
        ("<?xml version='2.0'?><a/>", ErrorKind::Declaration, 6),
        ("<?xml encoding='UTF-8'?><a/>", ErrorKind::Declaration, 0),
        ("<!DOCTYPE a><a/>", ErrorKind::DocumentType, 0),
        ("<!ELEMENT a ANY><a/>", ErrorKind::Markup, 0),
        ("<a><1/></a>", ErrorKind::Markup, 3),
        ("<a><-b></a>", ErrorKind::Markup, 3),
        ("<p:a/>", ErrorKind::Prefix, 0),
        ("<a p:x='1'/>", ErrorKind::Prefix, 3),
        ("<a xmlns:p='u' p:='1'/>", ErrorKind::Name, 15),
        ("<a:b:c xmlns:a='u'/>", ErrorKind::Name, 0),
        ("<a>\u{1}</a>", ErrorKind::Character, 3),
        ("<a>\u{FFFE}</a>", ErrorKind::Character, 3),
        ("<a><a><a><a><a><a><a><a><a/></a></a></a></a></a></a></a></a>", ErrorKind::TooDeep { limit: 8 }, 24),
    ] {
        refused(text, kind, at);
    }
    let many: String = (0..9).map(|n| format!(" x{n}=''")).collect();
    refused(&format!("<a{many}/>"), ErrorKind::TooManyAttributes { limit: 8 }, 2 + 8 * 6 + 1);
}

#[test]
fn finds_a_forbidden_character_wherever_it_stands() {
    for length in 0..200 {
        let text = format!("<a>{}\u{2}</a>", "é".repeat(length));
        refused(&text, ErrorKind::Character, 3 + 2 * length);
        let text = format!("<a>{}\u{FFFF}</a>", "x".repeat(length));
        refused(&text, ErrorKind::Character, 3 + length);
    }
    check("<a>\u{F000}\u{FFFD}</a>", "a '\u{F000}\u{FFFD}' /");
}

#[test]
fn knows_namespaces_by_the_innermost_declaration() {
    let mut lexer = Lexer::document("<a xmlns='u' xmlns:p='v'><b xmlns='w' xmlns:p='x'/><c/></a>", 0, RULES).unwrap();
    let mut seen = Vec::new();
    while let Ok(token) = lexer.next() {
        match token {
            Token::Start(_) => seen.push(format!("{:?} {:?}", lexer.namespace(""), lexer.namespace("p"))),
            Token::Over => break,
            _ => {}
        }
    }
    assert_eq!(seen, ["Some(\"u\") Some(\"v\")", "Some(\"w\") Some(\"x\")", "Some(\"u\") Some(\"v\")"]);
    assert_eq!(lexer.namespace("xml"), Some("http://www.w3.org/XML/1998/namespace"));
    assert_eq!(lexer.namespace("q"), None);
}
