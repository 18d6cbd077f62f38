//! Tokens, one after another. It works on the whole text, so that tokens borrow from it and know where they stand.
//!
//! What every token passes is marked for inlining into the crates that read: without, a document takes a twentieth longer.

#![expect(clippy::arithmetic_side_effects, reason = "offsets into a text in memory: far from the end of usize")]

use std::borrow::Cow;

use super::ErrorKind;
use super::characters::{forbidden, is_blank, is_name_byte, is_name_start};
use super::token::{Attribute, Fault, Rules, Text, Token};

pub(super) struct Binding<'t> {
    pub(super) depth: usize,
    pub(super) prefix: &'t str,
    pub(super) uri: Cow<'t, str>,
}

/// Reads token by token.
pub struct Lexer<'t> {
    pub(super) text: &'t str,
    pub(super) bytes: &'t [u8],
    pub(super) rules: Rules,
    pub(super) at: usize,
    /// Where the last token starts.
    start: usize,
    /// Names of the open elements, as written.
    pub(super) open: Vec<&'t str>,
    pub(super) bindings: Vec<Binding<'t>>,
    pub(super) attributes: Vec<Attribute<'t>>,
    encoding: Option<Attribute<'t>>,
    /// The tag read last was an empty element.
    pub(super) is_empty: bool,
    pub(super) has_root: bool,
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

    /// A name starts here.
    #[inline]
    pub(super) fn name(&mut self) -> Result<&'t str, Fault> {
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
    pub(super) fn blanks(&mut self) -> usize {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| is_blank(**byte)).count();
        self.at += count;
        count
    }

    #[inline]
    pub(super) fn follows(&self, what: &str) -> bool {
        self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(what.as_bytes()))
    }
}

/// How many bytes after `from` the pattern starts.
fn find(bytes: &[u8], from: usize, pattern: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes.get(from..)?, pattern)
}
