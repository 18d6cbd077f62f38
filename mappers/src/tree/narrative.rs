//! Narrative of a section as XHTML.
//!
//! CDA R2 "Narrative Block" in, FHIR R4 narrative.html out: formatting only. Nothing that could act gets through, since
//! nothing is copied but texts (escaped), ids, styles (as classes) and the attributes of tables; every element is one of
//! ours. What is no element of the narrative block keeps its text. What does not fit where it stands (a table in a
//! caption, text between rows) is put where XHTML has a place for it.

mod attributes;
mod blocks;
mod link;
mod write;

use formats::cda::Element;

/// A narrative, and the leaves it is made of.
pub(super) struct Made {
    /// One `div` with the namespace of XHTML.
    pub(super) div: String,
    /// In document order. What is not among them has no place in XHTML, or would not be safe there.
    pub(super) leaves: Vec<u32>,
}

/// The XHTML of a narrative block (`section/text`); none where it says nothing (txt-2).
pub(super) fn narrative(text: Element<'_>) -> Option<Made> {
    write::Writer::new(text).write(text)
}

#[cfg(test)]
mod tests;
