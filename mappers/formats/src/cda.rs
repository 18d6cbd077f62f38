//! CDA documents (HL7 Clinical Document Architecture, Release 2) as a tree of elements. Knows no FHIR and no template.
//!
//! The text is decoded once and kept; names, values and texts are places in it. An element is known by its number in
//! document order, and so is a leaf: a value of an attribute, or a text, that is more than white space. The leaves of an
//! element and all below it are a range, which makes it cheap to say what of a document has been read.
//!
//! Names do not depend on prefixes: `code` is the element of `urn:hl7-org:v3` (or of no namespace), `sdtc:raceCode` that
//! of `urn:hl7-org:sdtc`, and anything else is `other:NAME`.
//!
//! What is not well-formed XML is refused with its line, as is a document type: with it every entity but the five of XML,
//! and nothing is ever fetched. What is wrong with the wire but leaves no doubt about the content (an encoding declared
//! wrongly, white space before the declaration) is repaired and noted.

mod build;
mod decode;
mod document;
mod element;
mod issue;
mod limits;
mod names;
mod pack;
mod places;
mod without;

pub use document::{Document, Leaf};
pub use element::{Attribute, Content, Element};
pub use issue::{Note, Refusal, Refused};
pub use limits::Limits;
pub use without::NotAside;

#[cfg(test)]
mod tests;
