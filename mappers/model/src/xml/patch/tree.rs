//! XML as a tree of elements, with what stands between them as it was written.

use xml::{Lexer, Tag, Token};

use super::super::{ErrorKind, Fault, RULES, lexer};

/// A node inside an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Element(Element),
    /// Text, references and CDATA sections, as written.
    Text(String),
    /// White space, comments and processing instructions, as written.
    Other(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Element {
    /// Its namespace.
    pub(super) space: String,
    pub(super) name: String,
    /// Without declarations of namespaces; values are resolved.
    pub(super) attributes: Vec<(String, String)>,
    pub(super) children: Vec<Node>,
}

impl Node {
    pub(super) fn is_blank(&self) -> bool {
        matches!(self, Self::Other(_))
    }
}

impl Element {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn to_text(&self) -> String {
        let mut out = String::with_capacity(1024);
        self.write("", &mut out);
        out
    }

    fn write(&self, around: &str, out: &mut String) {
        out.push('<');
        out.push_str(&self.name);
        if self.space != around {
            out.push_str(&format!(" xmlns=\"{}\"", escaped(&self.space)));
        }
        for (name, value) in &self.attributes {
            out.push_str(&format!(" {name}=\"{}\"", escaped(value)));
        }
        if self.children.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        for child in &self.children {
            match child {
                Node::Element(element) => element.write(&self.space, out),
                Node::Text(text) | Node::Other(text) => out.push_str(text),
            }
        }
        out.push_str(&format!("</{}>", self.name));
    }
}

/// The root element of a document.
pub(super) fn read(bytes: &[u8]) -> Result<Element, Fault> {
    let mut lexer = lexer(bytes)?;
    loop {
        match lexer.next()? {
            Token::Start(tag) => {
                let mut root = opened(&lexer, tag)?;
                root.children = children(&mut lexer)?;
                return Ok(root);
            }
            Token::Over => return Err(Fault(ErrorKind::Xml(xml::ErrorKind::Empty), lexer.start())),
            _ => {}
        }
    }
}

/// What stands in the element whose start tag was read last, up to its end. Without recursion: depth is the lexer's.
pub(super) fn children(lexer: &mut Lexer<'_>) -> Result<Vec<Node>, Fault> {
    let mut open: Vec<Element> = Vec::new();
    let mut own: Vec<Node> = Vec::new();
    loop {
        let token = lexer.next()?;
        let slice = lexer.slice(lexer.start(), lexer.end()).to_owned();
        let node = match token {
            Token::Start(tag) => {
                open.push(opened(lexer, tag)?);
                continue;
            }
            Token::End => match open.pop() {
                Some(element) => Node::Element(element),
                None => return Ok(own),
            },
            Token::Text(text) if !text.is_blank => Node::Text(slice),
            Token::Text(_) | Token::Nothing => Node::Other(slice),
            Token::Over => return Err(Fault(ErrorKind::Xml(xml::ErrorKind::UnexpectedEnd), lexer.start())),
        };
        open.last_mut().map_or(&mut own, |element| &mut element.children).push(node);
    }
}

fn opened(lexer: &Lexer<'_>, tag: Tag<'_>) -> Result<Element, Fault> {
    let attributes = attributes(lexer);
    // No attribute of FHIR or XHTML has a prefix but those of XML itself.
    if attributes.iter().any(|(name, _)| name.contains(':') && !name.starts_with("xml:")) {
        return Err(Fault(ErrorKind::Xml(xml::ErrorKind::Attribute), lexer.start()));
    }
    let space = lexer.namespace(tag.prefix).unwrap_or_default().to_owned();
    Ok(Element { space, name: tag.name.to_owned(), attributes, children: Vec::new() })
}

/// Of the tag read last, without declarations of namespaces.
pub(super) fn attributes(lexer: &Lexer<'_>) -> Vec<(String, String)> {
    let own = lexer.attributes().iter().filter(|it| it.name != "xmlns" && !it.name.starts_with("xmlns:"));
    own.map(|attribute| (attribute.name.to_owned(), attribute.value().into_owned())).collect()
}

/// The text of these nodes, references resolved, without the white space at either end.
pub(super) fn text_of(nodes: &[Node]) -> String {
    let mut out = String::new();
    for node in nodes {
        match node {
            Node::Text(text) => out.push_str(&resolved(text)),
            Node::Other(text) if !text.starts_with('<') => out.push_str(text),
            Node::Other(_) => {}
            Node::Element(element) => out.push_str(&text_of(&element.children)),
        }
    }
    out.trim().to_owned()
}

/// What a text that was read before says.
fn resolved(text: &str) -> String {
    let element = format!("<a>{text}</a>");
    let mut out = String::with_capacity(text.len());
    if let Ok(mut lexer) = Lexer::fragment(&element, RULES)
        && let (Ok(_), Ok(Token::Text(text))) = (lexer.next(), lexer.next())
    {
        text.write(&mut out);
    }
    out
}

/// Text as it may stand in an attribute or between tags.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\t' => out.push_str("&#9;"),
            other => out.push(other),
        }
    }
    out
}

/// The element at the end of a way of child indexes.
pub(super) fn element_at<'e>(root: &'e mut Element, way: &[usize]) -> Option<&'e mut Element> {
    way.iter().try_fold(root, |element, index| match element.children.get_mut(*index)? {
        Node::Element(child) => Some(child),
        _ => None,
    })
}

/// The node at the end of a way of child indexes, unless it is the root.
pub(super) fn node_at<'e>(root: &'e Element, way: &[usize]) -> Option<&'e Node> {
    let (first, rest) = way.split_first()?;
    rest.iter().try_fold(root.children.get(*first)?, |node, index| match node {
        Node::Element(element) => element.children.get(*index),
        _ => None,
    })
}
