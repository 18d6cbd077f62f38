//! The reader: XHTML text to a flat list of nodes.

/// A narrative that is well formed.
pub(crate) struct Document<'a> {
    /// In document order; the first is the root element. `parent` of a node is an index into this list.
    pub(crate) nodes: Vec<Node<'a>>,
}

/// One node.
#[derive(Clone, Debug)]
pub(crate) enum Node<'a> {
    /// An element with its attributes as they were written.
    Element {
        /// The tag.
        name: &'a str,
        /// Name and value, entities not resolved.
        attributes: Vec<(&'a str, &'a str)>,
        /// Index of the element around it; the root has its own.
        parent: usize,
    },
    /// Character data between tags.
    Text {
        /// White space only.
        blank: bool,
        /// Index of the element around it.
        parent: usize,
    },
    /// A comment.
    Comment {
        /// Index of the element around it.
        parent: usize,
    },
}

impl<'a> Node<'a> {
    /// The tag of an element.
    pub(crate) fn name(&self) -> Option<&'a str> {
        match self {
            Self::Element { name, .. } => Some(name),
            _ => None,
        }
    }

    /// An attribute of an element.
    pub(crate) fn attribute(&self, wanted: &str) -> Option<&'a str> {
        match self {
            Self::Element { attributes, .. } => {
                attributes.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value)
            }
            _ => None,
        }
    }

    /// Index of the element around it.
    pub(crate) fn parent(&self) -> usize {
        match self {
            Self::Element { parent, .. } | Self::Text { parent, .. } | Self::Comment { parent } => *parent,
        }
    }
}

impl<'a> Document<'a> {
    /// The nodes right below an element.
    pub(crate) fn children(&self, of: usize) -> impl Iterator<Item = &Node<'a>> {
        self.nodes.iter().enumerate().skip(of + 1).filter(move |(_, node)| node.parent() == of).map(|(_, node)| node)
    }
}

/// As deep as elements may stand in one another; more is no narrative.
const DEPTH: usize = 200;

const NOT_WELL_FORMED: &str = "expected well-formed XHTML";

/// Reads a narrative.
///
/// # Errors
/// What was expected, where the text is not well formed or its root is not one `div`.
pub(crate) fn read(text: &str) -> Result<Document<'_>, &'static str> {
    let mut reader = Reader { rest: text.trim(), nodes: Vec::new(), open: Vec::new() };
    reader.document()?;
    Ok(Document { nodes: reader.nodes })
}

struct Reader<'a> {
    rest: &'a str,
    nodes: Vec<Node<'a>>,
    /// Indexes of the elements that are not closed yet.
    open: Vec<usize>,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<(), &'static str> {
        if !self.rest.starts_with('<') {
            return Err("expected a div element");
        }
        loop {
            let (text, tail) = self.rest.split_once('<').ok_or(NOT_WELL_FORMED)?;
            self.text(text, true)?;
            self.rest = tail;
            if let Some(tail) = self.rest.strip_prefix("!--") {
                let (_, tail) = tail.split_once("-->").ok_or(NOT_WELL_FORMED)?;
                self.rest = tail;
                self.nodes.extend(self.open.last().map(|parent| Node::Comment { parent: *parent }));
            } else if let Some(tail) = self.rest.strip_prefix("![CDATA[") {
                let (text, tail) = tail.split_once("]]>").ok_or(NOT_WELL_FORMED)?;
                self.text(text, false)?;
                self.rest = tail;
            } else if self.rest.starts_with(['?', '!']) {
                return Err("expected no document type and no processing instruction in the narrative");
            } else if let Some(tail) = self.rest.strip_prefix('/') {
                let (name, tail) = tail.split_once('>').ok_or(NOT_WELL_FORMED)?;
                let open = self.open.pop().and_then(|index| self.nodes.get(index)).and_then(Node::name);
                if open != Some(name.trim_end()) {
                    return Err(NOT_WELL_FORMED);
                }
                self.rest = tail;
            } else {
                self.element()?;
            }
            if self.open.is_empty() {
                break;
            }
        }
        if self.rest.is_empty() { Ok(()) } else { Err("expected nothing after the div element") }
    }

    fn text(&mut self, text: &str, has_entities: bool) -> Result<(), &'static str> {
        if text.is_empty() {
            return Ok(());
        }
        if has_entities {
            characters(text)?;
        }
        let blank = text.chars().all(char::is_whitespace) || has_entities && is_white_space(text);
        self.nodes.extend(self.open.last().map(|parent| Node::Text { blank, parent: *parent }));
        Ok(())
    }

    /// An opening tag whose `<` has been taken.
    fn element(&mut self) -> Result<(), &'static str> {
        let end = self.rest.find(|letter: char| !is_name(letter)).ok_or(NOT_WELL_FORMED)?;
        let (name, tail) = self.rest.split_at(end);
        if !name.starts_with(|letter: char| letter.is_ascii_alphabetic()) || self.open.len() >= DEPTH {
            return Err(NOT_WELL_FORMED);
        }
        self.rest = tail;
        let mut attributes = Vec::new();
        let is_empty = loop {
            let trimmed = self.rest.trim_start();
            let is_spaced = trimmed.len() < self.rest.len();
            self.rest = trimmed;
            if let Some(tail) = self.rest.strip_prefix("/>") {
                self.rest = tail;
                break true;
            }
            if let Some(tail) = self.rest.strip_prefix('>') {
                self.rest = tail;
                break false;
            }
            if !is_spaced {
                return Err(NOT_WELL_FORMED);
            }
            let attribute = self.attribute()?;
            if attributes.iter().any(|(name, _)| *name == attribute.0) {
                return Err(NOT_WELL_FORMED);
            }
            attributes.push(attribute);
        };
        let index = self.nodes.len();
        let parent = self.open.last().copied().unwrap_or(index);
        self.nodes.push(Node::Element { name, attributes, parent });
        if !is_empty {
            self.open.push(index);
        }
        Ok(())
    }

    fn attribute(&mut self) -> Result<(&'a str, &'a str), &'static str> {
        let (name, tail) = self.rest.split_once('=').ok_or(NOT_WELL_FORMED)?;
        let name = name.trim_end();
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(NOT_WELL_FORMED);
        }
        let tail = tail.trim_start();
        let quote = tail.chars().next().filter(|letter| matches!(letter, '"' | '\'')).ok_or(NOT_WELL_FORMED)?;
        let mut pieces = tail.splitn(3, quote).skip(1);
        let (value, tail) = pieces.next().zip(pieces.next()).ok_or(NOT_WELL_FORMED)?;
        if value.contains('<') {
            return Err(NOT_WELL_FORMED);
        }
        characters(value)?;
        self.rest = tail;
        Ok((name, value))
    }
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, ':' | '-' | '_' | '.')
}

/// White space, written as such or as references to its characters.
fn is_white_space(text: &str) -> bool {
    let written = |text: &str| text.chars().all(char::is_whitespace);
    let mut parts = text.split('&');
    parts.next().is_some_and(written)
        && parts.all(|part| {
            part.split_once(';').is_some_and(|(name, rest)| {
                matches!(name, "#9" | "#10" | "#13" | "#32" | "#x9" | "#xA" | "#xa" | "#xD" | "#xd" | "#x20")
                    && written(rest)
            })
        })
}

/// Character data: every `&` starts an entity or a character reference.
fn characters(text: &str) -> Result<(), &'static str> {
    let mut rest = text;
    while let Some((_, tail)) = rest.split_once('&') {
        let (name, after) = tail.split_once(';').ok_or("expected &amp; for &")?;
        let number = match name.strip_prefix('#') {
            Some(hex) if hex.starts_with('x') => u32::from_str_radix(hex.trim_start_matches('x'), 16).ok(),
            Some(decimal) => decimal.parse().ok(),
            None => None,
        };
        if !super::entities::is_known(name) && number.and_then(char::from_u32).is_none() {
            return Err("expected &amp; for &");
        }
        rest = after;
    }
    Ok(())
}
