//! The `div` of a narrative: XHTML that the tree holds as text.
//!
//! The text is kept as it was written. Three things are made one: line ends are line feeds, a carriage return that was
//! written as a reference is one, and the XHTML namespace is the default namespace of the `div` whichever prefix it
//! had, so that the text means the same without what stood around it.

use xml::{Lexer, Tag, Token};

use super::{ErrorKind, Fault, RULES, XHTML};

/// Reads up to the end of the element whose start tag has just been read.
pub(super) fn read(lexer: &mut Lexer<'_>, tag: Tag<'_>) -> Result<String, Fault> {
    let start = lexer.start();
    let declares = |lexer: &Lexer<'_>| {
        lexer.attributes().iter().any(|attribute| attribute.name == "xmlns" && attribute.value() == XHTML)
    };
    let is_xhtml = lexer.namespace(tag.prefix) == Some(XHTML);
    let mut is_plain = !is_xhtml || tag.prefix.is_empty() && declares(lexer);
    let mut rewritten = Rewritten::default();
    rewritten.start(lexer, tag, is_xhtml);
    let depth = lexer.depth();
    loop {
        match lexer.next()? {
            Token::Start(tag) => {
                is_plain &= tag.prefix.is_empty();
                rewritten.start(lexer, tag, false);
            }
            Token::End => {
                rewritten.end(lexer);
                if lexer.depth() < depth {
                    break;
                }
            }
            Token::Text(_) | Token::Nothing => rewritten.text.push_str(lexer.slice(lexer.start(), lexer.end())),
            Token::Over => return Err(Fault(ErrorKind::Xml(xml::ErrorKind::UnexpectedEnd), lexer.start())),
        }
    }
    Ok(if is_plain { line_ends(lexer.slice(start, lexer.end())) } else { line_ends(&rewritten.text) })
}

/// The same element without a prefix for XHTML. Made along with the reading; seldom needed.
#[derive(Default)]
struct Rewritten {
    text: String,
    /// Names of the open elements, and whether the tag was an empty element.
    open: Vec<(String, bool)>,
}

impl Rewritten {
    fn start(&mut self, lexer: &Lexer<'_>, tag: Tag<'_>, is_root: bool) {
        let is_xhtml = lexer.namespace(tag.prefix) == Some(XHTML);
        let name = if tag.prefix.is_empty() || is_xhtml {
            tag.name.to_owned()
        } else {
            format!("{}:{}", tag.prefix, tag.name)
        };
        self.text.push('<');
        self.text.push_str(&name);
        if is_root {
            self.text.push_str(" xmlns=\"");
            self.text.push_str(XHTML);
            self.text.push('"');
        }
        for attribute in lexer.attributes() {
            let is_declaration = attribute.name == "xmlns" || attribute.name.starts_with("xmlns:");
            if is_declaration && attribute.value() == XHTML {
                continue;
            }
            self.text.push(' ');
            self.text.push_str(attribute.name);
            self.text.push_str("=\"");
            super::write::escape(&attribute.value(), &mut self.text);
            self.text.push('"');
        }
        self.text.push_str(if lexer.is_empty_element() { "/>" } else { ">" });
        self.open.push((name, lexer.is_empty_element()));
    }

    fn end(&mut self, _lexer: &Lexer<'_>) {
        if let Some((name, false)) = self.open.pop() {
            self.text.push_str("</");
            self.text.push_str(&name);
            self.text.push('>');
        }
    }
}

/// XML 1.0, 2.11 "End-of-Line Handling". A carriage return that is meant was written as a reference.
fn line_ends(text: &str) -> String {
    if !text.contains('\r') && !text.contains("&#") {
        return text.to_owned();
    }
    let mut text = text.replace("\r\n", "\n").replace('\r', "\n");
    for reference in ["&#xD;", "&#xd;", "&#13;"] {
        text = text.replace(reference, "\r");
    }
    text
}

/// Whether a text is one well-formed element `div`, so that it can stand in XML as it is.
pub(super) fn is_element(text: &str) -> bool {
    let Ok(mut lexer) = Lexer::fragment(text, RULES) else { return false };
    // White space and comments around the element would be lost with the next reading.
    match lexer.next() {
        Ok(Token::Start(tag)) if tag.prefix.is_empty() && tag.name == "div" && text.starts_with('<') => {}
        _ => return false,
    }
    while lexer.depth() > 0 {
        if lexer.next().is_err() {
            return false;
        }
    }
    lexer.end() == text.len()
}
