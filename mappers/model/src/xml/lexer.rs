//! Tokens of XML 1.0 (fifth edition) with "Namespaces in XML 1.0", without document types.
//!
//! Strict and bounded: the text is refused at the first place where it is not well formed. It works on the whole text,
//! so that tokens borrow from it and a narrative can be kept as it was written.

use std::borrow::Cow;

use super::ErrorKind;

pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// No element of FHIR or XHTML has that many.
pub(super) const MAX_ATTRIBUTES: usize = 64;
/// The deepest nesting of elements: a narrative may nest deeper than the tree.
pub(super) const MAX_ELEMENTS: usize = 512;

/// What is wrong, and the offset.
pub(super) type Fault = (ErrorKind, usize);

/// An attribute of the tag that was read last; namespace declarations are among them.
pub(super) struct Attribute<'t> {
    /// With its prefix.
    pub(super) name: &'t str,
    /// References resolved, white space normalised (XML 1.0, 3.3.3 "Attribute-Value Normalization").
    pub(super) value: Cow<'t, str>,
    pub(super) offset: usize,
}

/// A start tag, or an empty element (its end follows as a token of its own).
#[derive(Clone, Copy)]
pub(super) struct Tag<'t> {
    /// As written before the colon; empty without.
    pub(super) prefix: &'t str,
    /// Without the prefix.
    pub(super) name: &'t str,
}

pub(super) enum Token<'t> {
    Start(Tag<'t>),
    End,
    /// Text, a reference or a CDATA section that is more than white space.
    Text,
    /// White space, a comment or a processing instruction.
    Nothing,
    /// The end of the text.
    Over,
}

struct Binding<'t> {
    depth: usize,
    prefix: &'t str,
    uri: Cow<'t, str>,
}

/// Reads token by token.
pub(super) struct Lexer<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    /// Where the last token starts.
    start: usize,
    /// Names of the open elements, as written.
    open: Vec<&'t str>,
    bindings: Vec<Binding<'t>>,
    attributes: Vec<Attribute<'t>>,
    /// The tag read last was an empty element.
    is_empty: bool,
    has_root: bool,
}

impl<'t> Lexer<'t> {
    /// Checks encoding and characters, and reads the XML declaration.
    pub(super) fn new(bytes: &'t [u8]) -> Result<Self, Fault> {
        let text = std::str::from_utf8(bytes).map_err(|error| (ErrorKind::Encoding, error.valid_up_to()))?;
        let mut lexer = Self::fragment(text)?;
        if bytes.starts_with(BYTE_ORDER_MARK) {
            lexer.at = BYTE_ORDER_MARK.len();
        }
        if lexer.follows("<?xml") && lexer.bytes.get(lexer.at + 5).is_some_and(u8::is_ascii_whitespace) {
            lexer.declaration()?;
        }
        Ok(lexer)
    }

    /// A text without XML declaration: the narrative in a JSON string.
    pub(super) fn fragment(text: &'t str) -> Result<Self, Fault> {
        let bytes = text.as_bytes();
        if let Some(at) = forbidden_character(bytes) {
            return Err((ErrorKind::Character, at));
        }
        Ok(Self {
            text,
            bytes,
            at: 0,
            start: 0,
            open: Vec::new(),
            bindings: Vec::new(),
            attributes: Vec::new(),
            is_empty: false,
            has_root: false,
        })
    }

    /// Where the token read last starts.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Where the token read last ends.
    pub(super) fn end(&self) -> usize {
        self.at
    }

    /// The number of open elements.
    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    /// A piece of the text as it was written.
    pub(super) fn slice(&self, start: usize, end: usize) -> &'t str {
        self.text.get(start..end).unwrap_or_default()
    }

    /// The attributes of the tag read last.
    pub(super) fn attributes(&self) -> &[Attribute<'t>] {
        &self.attributes
    }

    /// Takes the attributes of the tag read last.
    pub(super) fn take_attributes(&mut self) -> Vec<Attribute<'t>> {
        std::mem::take(&mut self.attributes)
    }

    /// Gives a vector back for the next tag.
    pub(super) fn reuse(&mut self, mut attributes: Vec<Attribute<'t>>) {
        attributes.clear();
        self.attributes = attributes;
    }

    /// The namespace that a prefix stands for; the empty prefix: the default namespace, "" without.
    pub(super) fn namespace(&self, prefix: &str) -> Option<&str> {
        let mut bindings = self.bindings.iter().rev();
        // Apart, and not by comparing texts: comparing empty ones is slow on some processors.
        if prefix.is_empty() {
            return Some(bindings.find(|binding| binding.prefix.is_empty()).map_or("", |binding| &binding.uri));
        }
        if prefix == "xml" {
            return Some("http://www.w3.org/XML/1998/namespace");
        }
        bindings.find(|binding| binding.prefix == prefix).map(|binding| binding.uri.as_ref())
    }

    /// Whether the tag read last was written `<name/>`.
    pub(super) fn is_empty_element(&self) -> bool {
        self.is_empty
    }

    pub(super) fn next(&mut self) -> Result<Token<'t>, Fault> {
        if self.is_empty {
            self.is_empty = false;
            self.start = self.at;
            self.close();
            return Ok(Token::End);
        }
        self.start = self.at;
        match self.bytes.get(self.at) {
            None if !self.open.is_empty() => Err((ErrorKind::UnexpectedEnd, self.at)),
            None if !self.has_root => Err((ErrorKind::Empty, self.at)),
            None => Ok(Token::Over),
            Some(b'<') => self.markup(),
            Some(_) => self.characters(),
        }
    }

    fn markup(&mut self) -> Result<Token<'t>, Fault> {
        match self.bytes.get(self.at + 1) {
            Some(b'/') => self.end_tag(),
            Some(b'?') => self.instruction(),
            Some(b'!') if self.follows("<!--") => self.comment(),
            Some(b'!') if self.follows("<![CDATA[") => self.cdata(),
            Some(b'!') if self.follows("<!DOCTYPE") => Err((ErrorKind::DocumentType, self.at)),
            Some(byte) if is_name_start(*byte) => self.start_tag(),
            Some(_) => Err((ErrorKind::Markup, self.at)),
            None => Err((ErrorKind::UnexpectedEnd, self.at)),
        }
    }

    /// Text up to the next tag; references are checked, not resolved: text is no content of FHIR.
    fn characters(&mut self) -> Result<Token<'t>, Fault> {
        let mut is_blank = true;
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'<' => break,
                b'&' => {
                    if self.open.is_empty() {
                        return Err((ErrorKind::Outside, self.at));
                    }
                    self.reference()?;
                    is_blank = false;
                    continue;
                }
                b']' if self.follows("]]>") => return Err((ErrorKind::CDataEnd, self.at)),
                b' ' | b'\t' | b'\n' | b'\r' => {}
                _ => is_blank = false,
            }
            self.at += 1;
        }
        if !is_blank && self.open.is_empty() {
            let blanks = self.slice(self.start, self.at).bytes().take_while(u8::is_ascii_whitespace).count();
            return Err((ErrorKind::Outside, self.start + blanks));
        }
        Ok(if is_blank { Token::Nothing } else { Token::Text })
    }

    fn comment(&mut self) -> Result<Token<'t>, Fault> {
        let inner = self.at + 4;
        let length = find(self.bytes, inner, b"--").ok_or((ErrorKind::Comment, self.at))?;
        if self.bytes.get(inner + length + 2) != Some(&b'>') {
            return Err((ErrorKind::Comment, inner + length));
        }
        self.at = inner + length + 3;
        Ok(Token::Nothing)
    }

    fn cdata(&mut self) -> Result<Token<'t>, Fault> {
        if self.open.is_empty() {
            return Err((ErrorKind::Outside, self.at));
        }
        let inner = self.at + 9;
        let length = find(self.bytes, inner, b"]]>").ok_or((ErrorKind::UnexpectedEnd, self.at))?;
        self.at = inner + length + 3;
        Ok(Token::Text)
    }

    fn instruction(&mut self) -> Result<Token<'t>, Fault> {
        let start = self.at;
        self.at += 2;
        let target = self.name()?;
        if target.eq_ignore_ascii_case("xml") {
            return Err((ErrorKind::Declaration, start));
        }
        let length = find(self.bytes, self.at, b"?>").ok_or((ErrorKind::UnexpectedEnd, start))?;
        if length > 0 && !self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            return Err((ErrorKind::Markup, self.at));
        }
        self.at += length + 2;
        Ok(Token::Nothing)
    }

    /// XML 1.0, 2.8 "Prolog and Document Type Declaration".
    fn declaration(&mut self) -> Result<(), Fault> {
        let start = self.at;
        self.at += "<?xml".len();
        let mut names = ["version", "encoding", "standalone"].into_iter();
        let mut has_version = false;
        loop {
            let blanks = self.blanks();
            if self.follows("?>") {
                self.at += 2;
                return if has_version { Ok(()) } else { Err((ErrorKind::Declaration, start)) };
            }
            let attribute = self.attribute().map_err(|(_, at)| (ErrorKind::Declaration, at))?;
            if blanks == 0 || !names.any(|name| name == attribute.name) {
                return Err((ErrorKind::Declaration, attribute.offset));
            }
            match attribute.name {
                "version" if attribute.value.starts_with("1.") => has_version = true,
                "version" => return Err((ErrorKind::Declaration, attribute.offset)),
                "encoding"
                    if !["utf-8", "utf8", "us-ascii"].iter().any(|name| attribute.value.eq_ignore_ascii_case(name)) =>
                {
                    return Err((ErrorKind::Encoding, attribute.offset));
                }
                _ => {}
            }
        }
    }

    fn start_tag(&mut self) -> Result<Token<'t>, Fault> {
        let start = self.at;
        if self.open.is_empty() && self.has_root {
            return Err((ErrorKind::SecondRoot, start));
        }
        if self.open.len() >= MAX_ELEMENTS {
            return Err((ErrorKind::TooDeep { limit: MAX_ELEMENTS }, start));
        }
        self.at += 1;
        let name = self.name()?;
        self.attributes.clear();
        loop {
            let blanks = self.blanks();
            match self.bytes.get(self.at) {
                Some(b'>') => {
                    self.at += 1;
                    break;
                }
                Some(b'/') if self.bytes.get(self.at + 1) == Some(&b'>') => {
                    self.at += 2;
                    self.is_empty = true;
                    break;
                }
                Some(byte) if blanks > 0 && is_name_start(*byte) => {
                    let attribute = self.attribute()?;
                    if self.attributes.iter().any(|known| known.name == attribute.name) {
                        return Err((ErrorKind::DuplicateAttribute, attribute.offset));
                    }
                    if self.attributes.len() >= MAX_ATTRIBUTES {
                        return Err((ErrorKind::TooManyAttributes { limit: MAX_ATTRIBUTES }, attribute.offset));
                    }
                    self.attributes.push(attribute);
                }
                Some(_) => return Err((ErrorKind::Attribute, self.at)),
                None => return Err((ErrorKind::UnexpectedEnd, self.at)),
            }
        }
        self.open.push(name);
        self.has_root = true;
        self.bind();
        let (prefix, local) = split_name(name).ok_or((ErrorKind::Name, start))?;
        if self.namespace(prefix).is_none() {
            return Err((ErrorKind::Prefix, start));
        }
        for attribute in &self.attributes {
            let (prefix, _) = split_name(attribute.name).ok_or((ErrorKind::Name, attribute.offset))?;
            if !prefix.is_empty() && prefix != "xmlns" && self.namespace(prefix).is_none() {
                return Err((ErrorKind::Prefix, attribute.offset));
            }
        }
        Ok(Token::Start(Tag { prefix, name: local }))
    }

    /// Keeps the namespaces that the tag declares.
    fn bind(&mut self) {
        let depth = self.open.len();
        for attribute in &self.attributes {
            let prefix = match attribute.name.strip_prefix("xmlns") {
                Some("") => "",
                Some(rest) => match rest.strip_prefix(':') {
                    Some(prefix) => prefix,
                    None => continue,
                },
                None => continue,
            };
            self.bindings.push(Binding { depth, prefix, uri: attribute.value.clone() });
        }
    }

    fn close(&mut self) {
        let depth = self.open.len();
        while self.bindings.last().is_some_and(|binding| binding.depth == depth) {
            self.bindings.pop();
        }
        self.open.pop();
    }

    fn end_tag(&mut self) -> Result<Token<'t>, Fault> {
        let start = self.at;
        self.at += 2;
        let name = self.name()?;
        self.blanks();
        if self.open.last() != Some(&name) {
            return Err((ErrorKind::EndTag, start));
        }
        match self.bytes.get(self.at) {
            Some(b'>') => self.at += 1,
            Some(_) => return Err((ErrorKind::Markup, self.at)),
            None => return Err((ErrorKind::UnexpectedEnd, self.at)),
        }
        self.close();
        Ok(Token::End)
    }

    fn attribute(&mut self) -> Result<Attribute<'t>, Fault> {
        let offset = self.at;
        let name = self.name()?;
        self.blanks();
        if self.bytes.get(self.at) != Some(&b'=') {
            return Err((ErrorKind::Attribute, self.at));
        }
        self.at += 1;
        self.blanks();
        let quote = match self.bytes.get(self.at) {
            Some(quote @ (b'"' | b'\'')) => *quote,
            Some(_) => return Err((ErrorKind::Attribute, self.at)),
            None => return Err((ErrorKind::UnexpectedEnd, self.at)),
        };
        self.at += 1;
        let value = self.attribute_value(quote)?;
        self.at += 1;
        Ok(Attribute { name, value, offset })
    }

    /// Up to the closing quotation mark, which is not taken.
    fn attribute_value(&mut self, quote: u8) -> Result<Cow<'t, str>, Fault> {
        let start = self.at;
        let mut changed: Option<String> = None;
        let mut run = start;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let plain = rest.iter().position(|byte| is(*byte, SPECIAL)).unwrap_or(rest.len());
            self.at += plain;
            let byte = *rest.get(plain).ok_or((ErrorKind::UnexpectedEnd, self.at))?;
            match byte {
                _ if byte == quote => break,
                b'<' => return Err((ErrorKind::Attribute, self.at)),
                b'&' | b'\t' | b'\n' | b'\r' => {
                    let value = changed.get_or_insert_default();
                    value.push_str(self.text.get(run..self.at).unwrap_or_default());
                    if byte == b'&' {
                        value.push(self.reference()?);
                    } else {
                        // A line end is one character, whichever way it is written (2.11 "End-of-Line Handling").
                        self.at += if self.follows("\r\n") { 2 } else { 1 };
                        value.push(' ');
                    }
                    run = self.at;
                }
                _ => self.at += 1,
            }
        }
        let rest = self.text.get(run..self.at).unwrap_or_default();
        Ok(match changed {
            Some(mut value) => {
                value.push_str(rest);
                Cow::Owned(value)
            }
            None => Cow::Borrowed(rest),
        })
    }

    /// `&amp;`, `&#38;`, `&#x26;`. XML 1.0, 4.1 "Character and Entity References".
    fn reference(&mut self) -> Result<char, Fault> {
        let start = self.at;
        // The longest is `&#x10FFFF;`; zeros in front may make it longer, but nobody writes many.
        let window = self.bytes.get(start + 1..).unwrap_or_default();
        let length = window.iter().take(24).position(|byte| *byte == b';').ok_or((ErrorKind::Reference, start))?;
        let name = self.text.get(start + 1..start + 1 + length).ok_or((ErrorKind::Reference, start))?;
        self.at = start + length + 2;
        if let Some(number) = name.strip_prefix('#') {
            let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |digits| (digits, 16));
            if digits.is_empty() || !digits.bytes().all(|byte| char::from(byte).is_digit(radix)) {
                return Err((ErrorKind::Reference, start));
            }
            let letter = u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
            return match letter {
                Some(letter) if is_character(letter) => Ok(letter),
                _ => Err((ErrorKind::Character, start)),
            };
        }
        match name {
            "amp" => Ok('&'),
            "lt" => Ok('<'),
            "gt" => Ok('>'),
            "quot" => Ok('"'),
            "apos" => Ok('\''),
            _ if is_name(name) => Err((ErrorKind::Entity, start)),
            _ => Err((ErrorKind::Reference, start)),
        }
    }

    /// A name starts here.
    fn name(&mut self) -> Result<&'t str, Fault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let first = rest.first().ok_or((ErrorKind::UnexpectedEnd, self.at))?;
        if !is_name_start(*first) {
            return Err((ErrorKind::Name, self.at));
        }
        let length = rest.iter().position(|byte| !is_name_byte(*byte)).unwrap_or(rest.len());
        let name = self.text.get(self.at..self.at + length).ok_or((ErrorKind::Name, self.at))?;
        self.at += length;
        Ok(name)
    }

    fn blanks(&mut self) -> usize {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.at += count;
        count
    }

    fn follows(&self, what: &str) -> bool {
        self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(what.as_bytes()))
    }
}

/// `prefix:name`; none if a colon stands anywhere else.
fn split_name(name: &str) -> Option<(&str, &str)> {
    match name.bytes().position(|byte| byte == b':').and_then(|at| Some((name.get(..at)?, name.get(at + 1..)?))) {
        None => Some(("", name)),
        Some((prefix, local)) => {
            let is_whole =
                !prefix.is_empty() && !local.contains(':') && local.bytes().next().is_some_and(is_name_start);
            is_whole.then_some((prefix, local))
        }
    }
}

/// What a byte can be; one look-up a byte, since every byte of the text passes here.
const NAME_START: u8 = 1;
const NAME: u8 = 2;
/// Not as it is in the value of an attribute: the end, a reference, white space, `<`.
const SPECIAL: u8 = 4;
/// A control character that XML does not have, or the start of U+FFFE and U+FFFF.
const SUSPECT: u8 = 8;

static CLASS: [u8; 256] = classes();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks the bounds")]
const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut at = 0;
    while at < classes.len() {
        let byte = at as u8;
        // Letters beyond ASCII are taken as XML 1.0 takes nearly all of them in names.
        if byte.is_ascii_alphabetic() || byte == b'_' || byte == b':' || byte >= 0x80 {
            classes[at] |= NAME_START | NAME;
        }
        if byte.is_ascii_digit() || byte == b'-' || byte == b'.' {
            classes[at] |= NAME;
        }
        if matches!(byte, b'"' | b'\'' | b'&' | b'<' | b'\t' | b'\n' | b'\r') {
            classes[at] |= SPECIAL;
        }
        if byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r') || byte == 0xEF {
            classes[at] |= SUSPECT;
        }
        at += 1;
    }
    classes
}

fn is(byte: u8, class: u8) -> bool {
    CLASS.get(usize::from(byte)).is_some_and(|classes| classes & class != 0)
}

fn is_name_start(byte: u8) -> bool {
    is(byte, NAME_START)
}

fn is_name_byte(byte: u8) -> bool {
    is(byte, NAME)
}

/// Whether the text can be the name of an element, without prefix.
pub(super) fn is_name(text: &str) -> bool {
    text.bytes().next().is_some_and(is_name_start) && text.bytes().all(|byte| is_name_byte(byte) && byte != b':')
}

/// XML 1.0, production 2, "Char".
pub(super) fn is_character(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | '\u{20}'..='\u{FFFD}' | '\u{10000}'..)
}

fn forbidden_character(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + bytes.get(from..)?.iter().position(|byte| is(*byte, SUSPECT))?;
        let follow = bytes.get(at + 1..at + 3);
        if bytes.get(at) != Some(&0xEF) || matches!(follow, Some([0xBF, 0xBE | 0xBF])) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// How many bytes after `from` the pattern starts.
fn find(bytes: &[u8], from: usize, pattern: &[u8]) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(pattern.len()).position(|window| window == pattern)
}
