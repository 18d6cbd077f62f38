//! What a text is made of: tags with their attributes, and text. Values are resolved when somebody asks for them.

use std::borrow::Cow;

use super::ErrorKind;
use super::reference::resolve;

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
