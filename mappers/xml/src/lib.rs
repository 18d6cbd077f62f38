//! XML 1.0 (fifth edition) with "Namespaces in XML 1.0", without document types: tokens that borrow from the text.
//!
//! Strict and bounded: a text is refused at the first place where it is not well formed. A document type is refused, and
//! with it every entity but the five of XML and character references: nothing is fetched and nothing expands.

#![warn(clippy::arithmetic_side_effects)]

mod characters;
mod lexer;
mod reference;
mod tags;
mod token;

pub use characters::{is_character, is_name};
pub use lexer::Lexer;
pub use token::{Attribute, Fault, Rules, Tag, Text, Token};

/// What is wrong with a text. Never quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Nothing but white space.
    #[error("expected an element, found nothing")]
    Empty,
    /// Elements nested deeper than [`Rules::depth`].
    #[error("nested deeper than the limit of {limit}")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// An element has more attributes than [`Rules::attributes`].
    #[error("more than {limit} attributes")]
    TooManyAttributes {
        /// The limit.
        limit: usize,
    },
    /// A character that XML 1.0 does not have (production 2, "Char").
    #[error("a character that XML does not have")]
    Character,
    /// A document type declaration: it is how entities get in.
    #[error("a document type declaration is not taken")]
    DocumentType,
    /// An entity that is none of `lt`, `gt`, `amp`, `quot`, `apos`.
    #[error("an entity that is not declared")]
    Entity,
    /// An ampersand that starts no reference.
    #[error("expected a character or entity reference after an ampersand")]
    Reference,
    /// The text ends inside an element.
    #[error("the text ends inside an element")]
    UnexpectedEnd,
    /// Text before or after the root element.
    #[error("text outside the root element")]
    Outside,
    /// A second root element.
    #[error("a second root element")]
    SecondRoot,
    /// Not a tag, comment, CDATA section or processing instruction.
    #[error("expected a tag, a comment, a CDATA section or a processing instruction")]
    Markup,
    /// The XML declaration is not as XML 1.0 says, or not at the start.
    #[error("expected an XML declaration of version 1.x at the very start or none")]
    Declaration,
    /// A name does not follow where it must.
    #[error("expected a name")]
    Name,
    /// Not `name="value"`.
    #[error("expected an attribute with a value in quotation marks, or the end of the tag")]
    Attribute,
    /// The same attribute twice.
    #[error("the same attribute twice")]
    DuplicateAttribute,
    /// A prefix that no `xmlns` declares.
    #[error("a prefix that is not declared")]
    Prefix,
    /// The end tag is another than the start tag.
    #[error("the end tag is not that of the open element")]
    EndTag,
    /// Two hyphens inside a comment, or a comment that does not end.
    #[error("a comment that is not as XML says")]
    Comment,
    /// `]]>` in text.
    #[error("the end of a CDATA section without its start")]
    CDataEnd,
}

#[cfg(test)]
mod tests;
