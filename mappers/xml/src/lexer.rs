//! Tokens, one after another. It works on the whole text, so that tokens borrow from it and know where they stand.
//!
//! What every token passes is marked for inlining into the crates that read: without, a document takes a twentieth longer.

#![expect(clippy::arithmetic_side_effects, reason = "offsets into a text in memory: far from the end of usize")]

use std::borrow::Cow;

use super::ErrorKind;
use super::characters::{forbidden, is_blank, is_character, is_name, is_name_byte, is_name_start, is_special};

/// What is wrong, and the offset.
pub type Fault = (ErrorKind, usize);

/// What a text may have, and what is overlooked.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Attributes of an element, namespace declarations among them.
    pub attributes: usize,
    /// Nesting of elements.
    pub depth: usize,
    /// Prefixes must be declared. Otherwise [`Lexer::namespace`] answers `None` for such a one.
    pub prefixes_declared: bool,
}

/// An attribute of the tag that was read last; namespace declarations are among them.
#[derive(Clone, Copy)]
pub struct Attribute<'t> {
    /// With its prefix.
    pub name: &'t str,
    /// The value as it is written.
    pub raw: &'t str,
    /// The value is as it is written: it holds no reference and no white space that is to be normalised.
    pub is_plain: bool,
    /// Where the attribute starts.
    pub offset: usize,
    /// Where its value starts.
    pub start: usize,
}

impl<'t> Attribute<'t> {
    /// References resolved, white space normalised (XML 1.0, 3.3.3 "Attribute-Value Normalization").
    #[inline]
    pub fn value(&self) -> Cow<'t, str> {
        if self.is_plain {
            return Cow::Borrowed(self.raw);
        }
        let mut value = String::with_capacity(self.raw.len());
        self.write_value(&mut value);
        Cow::Owned(value)
    }

    /// Appends what [`Attribute::value`] gives.
    #[inline]
    pub fn write_value(&self, out: &mut String) {
        // A line end is one character, whichever way it is written (2.11 "End-of-Line Handling").
        let mut rest = self.raw;
        while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'&' | b'\t' | b'\n' | b'\r')) {
            let (plain, special) = rest.split_at(at);
            out.push_str(plain);
            rest = if special.starts_with('&') {
                resolve(special, out)
            } else {
                out.push(' ');
                special.strip_prefix("\r\n").or_else(|| special.get(1..)).unwrap_or_default()
            };
        }
        out.push_str(rest);
    }
}

/// A start tag, or an empty element (its end follows as a token of its own).
#[derive(Clone, Copy)]
pub struct Tag<'t> {
    /// As written before the colon; empty without.
    pub prefix: &'t str,
    /// Without the prefix.
    pub name: &'t str,
}

/// Characters between tags, or a CDATA section.
#[derive(Clone, Copy)]
pub struct Text<'t> {
    /// As written; of a CDATA section what is inside.
    pub raw: &'t str,
    /// Where `raw` starts.
    pub start: usize,
    /// Nothing but white space, written as such.
    pub is_blank: bool,
    /// The text is as it is written (but for line ends): it holds no reference.
    pub is_plain: bool,
}

impl Text<'_> {
    /// Appends the text with its references resolved.
    #[inline]
    pub fn write(&self, out: &mut String) {
        if self.is_plain {
            out.push_str(self.raw);
            return;
        }
        let mut rest = self.raw;
        while let Some(at) = memchr::memchr(b'&', rest.as_bytes()) {
            let (plain, special) = rest.split_at(at);
            out.push_str(plain);
            rest = resolve(special, out);
        }
        out.push_str(rest);
    }
}

/// What comes next in a text.
#[derive(Clone, Copy)]
pub enum Token<'t> {
    /// A start tag, or an empty element.
    Start(Tag<'t>),
    /// The end of the innermost open element.
    End,
    /// Text inside an element.
    Text(Text<'t>),
    /// A comment, a processing instruction, white space outside the root.
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
pub struct Lexer<'t> {
    text: &'t str,
    bytes: &'t [u8],
    rules: Rules,
    at: usize,
    /// Where the last token starts.
    start: usize,
    /// Names of the open elements, as written.
    open: Vec<&'t str>,
    bindings: Vec<Binding<'t>>,
    attributes: Vec<Attribute<'t>>,
    encoding: Option<Attribute<'t>>,
    /// The tag read last was an empty element.
    is_empty: bool,
    has_root: bool,
}

impl<'t> Lexer<'t> {
    /// A whole text from `start` on, where its XML declaration may stand.
    ///
    /// # Errors
    /// If it holds characters that XML does not have, or a declaration that is not as XML 1.0 says.
    pub fn document(text: &'t str, start: usize, rules: Rules) -> Result<Self, Fault> {
        let mut lexer = Self::fragment(text, rules)?;
        lexer.at = start;
        if lexer.follows("<?xml") && lexer.bytes.get(lexer.at + 5).is_some_and(|byte| is_blank(*byte)) {
            lexer.declaration()?;
        }
        Ok(lexer)
    }

    /// A text without XML declaration, such as a narrative inside another format.
    ///
    /// # Errors
    /// If it holds characters that XML does not have.
    pub fn fragment(text: &'t str, rules: Rules) -> Result<Self, Fault> {
        let bytes = text.as_bytes();
        if let Some(at) = forbidden(bytes) {
            return Err((ErrorKind::Character, at));
        }
        Ok(Self {
            text,
            bytes,
            rules,
            at: 0,
            start: 0,
            open: Vec::new(),
            bindings: Vec::new(),
            attributes: Vec::new(),
            encoding: None,
            is_empty: false,
            has_root: false,
        })
    }

    /// Where the token read last starts.
    #[inline]
    pub fn start(&self) -> usize {
        self.start
    }

    /// Where the token read last ends.
    #[inline]
    pub fn end(&self) -> usize {
        self.at
    }

    /// The number of open elements.
    #[inline]
    pub fn depth(&self) -> usize {
        self.open.len()
    }

    /// A piece of the text as it was written.
    #[inline]
    pub fn slice(&self, start: usize, end: usize) -> &'t str {
        self.text.get(start..end).unwrap_or_default()
    }

    /// The encoding that the XML declaration names.
    pub fn encoding(&self) -> Option<&Attribute<'t>> {
        self.encoding.as_ref()
    }

    /// The attributes of the tag read last.
    #[inline]
    pub fn attributes(&self) -> &[Attribute<'t>] {
        &self.attributes
    }

    /// Takes the attributes of the tag read last.
    #[inline]
    pub fn take_attributes(&mut self) -> Vec<Attribute<'t>> {
        std::mem::take(&mut self.attributes)
    }

    /// Gives a vector back for the next tag.
    #[inline]
    pub fn reuse(&mut self, mut attributes: Vec<Attribute<'t>>) {
        attributes.clear();
        self.attributes = attributes;
    }

    /// The namespace that a prefix stands for; the empty prefix: the default namespace, "" without.
    #[inline]
    pub fn namespace(&self, prefix: &str) -> Option<&str> {
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
    #[inline]
    pub fn is_empty_element(&self) -> bool {
        self.is_empty
    }

    /// Reads on.
    ///
    /// # Errors
    /// Where the text is not well formed, has a document type, or goes beyond [`Rules`].
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "the end is a token of its own, and each step can fail")]
    pub fn next(&mut self) -> Result<Token<'t>, Fault> {
        self.start = self.at;
        if self.is_empty {
            self.is_empty = false;
            self.close();
            return Ok(Token::End);
        }
        match self.bytes.get(self.at) {
            None if !self.open.is_empty() => Err((ErrorKind::UnexpectedEnd, self.at)),
            None if !self.has_root => Err((ErrorKind::Empty, self.at)),
            None => Ok(Token::Over),
            Some(b'<') => self.markup(),
            Some(_) => self.characters(),
        }
    }

    #[inline]
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

    /// Text up to the next tag; references are checked, not resolved.
    #[inline]
    fn characters(&mut self) -> Result<Token<'t>, Fault> {
        let start = self.at;
        let rest = self.bytes.get(start..).unwrap_or_default();
        let blanks = rest.iter().position(|byte| !is_blank(*byte)).unwrap_or(rest.len());
        // Most texts are the white space between two tags.
        if blanks == rest.len() || rest.get(blanks) == Some(&b'<') {
            self.at += blanks;
            if self.open.is_empty() {
                return Ok(Token::Nothing);
            }
            let raw = self.slice(start, self.at);
            return Ok(Token::Text(Text { raw, start, is_blank: true, is_plain: true }));
        }
        if self.open.is_empty() {
            return Err((ErrorKind::Outside, start + blanks));
        }
        let end = start + memchr::memchr(b'<', rest).unwrap_or(rest.len());
        self.at += blanks;
        let mut is_plain = true;
        while let Some(found) = self.bytes.get(self.at..end).and_then(|rest| memchr::memchr2(b'&', b']', rest)) {
            self.at += found;
            if self.bytes.get(self.at) == Some(&b'&') {
                is_plain = false;
                self.reference()?;
            } else if self.follows("]]>") {
                return Err((ErrorKind::CDataEnd, self.at));
            } else {
                self.at += 1;
            }
        }
        // A reference may be cut off by the tag, and is then refused above: none reaches beyond it.
        self.at = end;
        Ok(Token::Text(Text { raw: self.slice(start, end), start, is_blank: false, is_plain }))
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
        let raw = self.slice(inner, inner + length);
        Ok(Token::Text(Text { raw, start: inner, is_blank: false, is_plain: true }))
    }

    fn instruction(&mut self) -> Result<Token<'t>, Fault> {
        let start = self.at;
        self.at += 2;
        let target = self.name()?;
        if target.eq_ignore_ascii_case("xml") {
            return Err((ErrorKind::Declaration, start));
        }
        let length = find(self.bytes, self.at, b"?>").ok_or((ErrorKind::UnexpectedEnd, start))?;
        if length > 0 && !self.bytes.get(self.at).is_some_and(|byte| is_blank(*byte)) {
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
                "version" if attribute.raw.starts_with("1.") => has_version = true,
                "version" => return Err((ErrorKind::Declaration, attribute.offset)),
                "encoding" => self.encoding = Some(attribute),
                _ => {}
            }
        }
    }

    #[inline]
    fn start_tag(&mut self) -> Result<Token<'t>, Fault> {
        let start = self.at;
        if self.open.is_empty() && self.has_root {
            return Err((ErrorKind::SecondRoot, start));
        }
        if self.open.len() >= self.rules.depth {
            return Err((ErrorKind::TooDeep { limit: self.rules.depth }, start));
        }
        self.at += 1;
        let name = self.name()?;
        self.attributes.clear();
        let mut declares = false;
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
                    if self.attributes.len() >= self.rules.attributes {
                        let limit = self.rules.attributes;
                        return Err((ErrorKind::TooManyAttributes { limit }, attribute.offset));
                    }
                    declares |= attribute.name.starts_with("xmlns");
                    self.attributes.push(attribute);
                }
                Some(_) => return Err((ErrorKind::Attribute, self.at)),
                None => return Err((ErrorKind::UnexpectedEnd, self.at)),
            }
        }
        self.open.push(name);
        self.has_root = true;
        if declares {
            self.bind();
        }
        let (prefix, local) = split_name(name).ok_or((ErrorKind::Name, start))?;
        self.check_prefix(prefix, start)?;
        for attribute in &self.attributes {
            let (prefix, _) = split_name(attribute.name).ok_or((ErrorKind::Name, attribute.offset))?;
            if prefix != "xmlns" {
                self.check_prefix(prefix, attribute.offset)?;
            }
        }
        Ok(Token::Start(Tag { prefix, name: local }))
    }

    #[inline]
    fn check_prefix(&self, prefix: &str, at: usize) -> Result<(), Fault> {
        if prefix.is_empty() || !self.rules.prefixes_declared || self.namespace(prefix).is_some() {
            return Ok(());
        }
        Err((ErrorKind::Prefix, at))
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
            self.bindings.push(Binding { depth, prefix, uri: attribute.value() });
        }
    }

    #[inline]
    fn close(&mut self) {
        let depth = self.open.len();
        while self.bindings.last().is_some_and(|binding| binding.depth == depth) {
            self.bindings.pop();
        }
        self.open.pop();
    }

    #[inline]
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

    #[inline]
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
        let start = self.at;
        let is_plain = self.attribute_value(quote)?;
        let raw = self.slice(start, self.at);
        self.at += 1;
        Ok(Attribute { name, raw, is_plain, offset, start })
    }

    /// Up to the closing quotation mark, which is not taken. Whether the value is as it is written.
    #[inline]
    fn attribute_value(&mut self, quote: u8) -> Result<bool, Fault> {
        let mut is_plain = true;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let plain = rest.iter().position(|byte| is_special(*byte)).unwrap_or(rest.len());
            self.at += plain;
            match *rest.get(plain).ok_or((ErrorKind::UnexpectedEnd, self.at))? {
                byte if byte == quote => return Ok(is_plain),
                b'<' => return Err((ErrorKind::Attribute, self.at)),
                b'&' => {
                    is_plain = false;
                    self.reference()?;
                }
                byte => {
                    is_plain &= matches!(byte, b'"' | b'\'');
                    self.at += 1;
                }
            }
        }
    }

    /// Steps over `&amp;`, `&#38;`, `&#x26;`. XML 1.0, 4.1 "Character and Entity References".
    fn reference(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let name = reference_name(self.text.get(start + 1..).unwrap_or_default());
        let name = name.ok_or((ErrorKind::Reference, start))?;
        self.at = start + name.len() + 2;
        match letter(name) {
            Some(letter) if is_character(letter) => Ok(()),
            Some(_) => Err((ErrorKind::Character, start)),
            None if is_name(name) => Err((ErrorKind::Entity, start)),
            None if name.starts_with('#') && name.bytes().skip(1).all(|byte| byte.is_ascii_alphanumeric()) => {
                // A number, but that of no character.
                let is_number = name.strip_prefix("#x").or(name.strip_prefix('#')).is_some_and(|digits| {
                    let radix = if name.starts_with("#x") { 16 } else { 10 };
                    !digits.is_empty() && digits.bytes().all(|byte| char::from(byte).is_digit(radix))
                });
                Err((if is_number { ErrorKind::Character } else { ErrorKind::Reference }, start))
            }
            None => Err((ErrorKind::Reference, start)),
        }
    }

    /// A name starts here.
    #[inline]
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

    #[inline]
    fn blanks(&mut self) -> usize {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| is_blank(**byte)).count();
        self.at += count;
        count
    }

    #[inline]
    fn follows(&self, what: &str) -> bool {
        self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(what.as_bytes()))
    }
}

/// What stands between `&` and `;`.
fn reference_name(rest: &str) -> Option<&str> {
    // The longest is `&#x10FFFF;`; zeros in front may make it longer, but nobody writes many.
    let length = rest.bytes().take(24).position(|byte| byte == b';')?;
    rest.get(..length)
}

/// The character that a reference stands for.
fn letter(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |digits| (digits, 16));
        // A sign is no digit, but the parser of numbers takes it.
        let is_number = digits.bytes().all(|byte| char::from(byte).is_digit(radix));
        return is_number.then(|| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32)).flatten();
    }
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

/// Appends the character of the reference that `text` starts with; what follows it.
fn resolve<'t>(text: &'t str, out: &mut String) -> &'t str {
    let rest = text.get(1..).unwrap_or_default();
    let Some(name) = reference_name(rest) else {
        out.push('&');
        return rest;
    };
    out.extend(letter(name));
    rest.get(name.len() + 1..).unwrap_or_default()
}

/// `prefix:name`; none if a colon stands anywhere else.
fn split_name(name: &str) -> Option<(&str, &str)> {
    let Some(at) = name.bytes().position(|byte| byte == b':') else { return Some(("", name)) };
    let (prefix, local) = (name.get(..at)?, name.get(at + 1..)?);
    let is_whole = !prefix.is_empty() && !local.contains(':') && local.bytes().next().is_some_and(is_name_start);
    is_whole.then_some((prefix, local))
}

/// How many bytes after `from` the pattern starts.
fn find(bytes: &[u8], from: usize, pattern: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes.get(from..)?, pattern)
}
