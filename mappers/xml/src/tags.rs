//! Start and end tags, attributes, and the namespaces they declare.

#![expect(clippy::arithmetic_side_effects, reason = "offsets into a text in memory: far from the end of usize")]

use super::ErrorKind;
use super::characters::{is_name_start, is_special};
use super::lexer::{Binding, Lexer};
use super::token::{Attribute, Fault, Tag, Token};

impl<'t> Lexer<'t> {
    #[inline]
    pub(super) fn start_tag(&mut self) -> Result<Token<'t>, Fault> {
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
    pub(super) fn close(&mut self) {
        let depth = self.open.len();
        while self.bindings.last().is_some_and(|binding| binding.depth == depth) {
            self.bindings.pop();
        }
        self.open.pop();
    }

    #[inline]
    pub(super) fn end_tag(&mut self) -> Result<Token<'t>, Fault> {
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
    pub(super) fn attribute(&mut self) -> Result<Attribute<'t>, Fault> {
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
}

/// `prefix:name`; none if a colon stands anywhere else.
fn split_name(name: &str) -> Option<(&str, &str)> {
    let Some(at) = name.bytes().position(|byte| byte == b':') else { return Some(("", name)) };
    let (prefix, local) = (name.get(..at)?, name.get(at + 1..)?);
    let is_whole = !prefix.is_empty() && !local.contains(':') && local.bytes().next().is_some_and(is_name_start);
    is_whole.then_some((prefix, local))
}
