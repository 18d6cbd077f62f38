//! Runs the tables of a package over a document made of elements (CDA R2).
//!
//! A template's table turns an element into a resource, a datatype's table into a complex element; what a row hands over
//! with `dispatch` is read by the table that `entries.csv` names for it. No element is thrown away: what no row reads is
//! kept on the nearest resource, and every leaf of the document ends as mapped, kept or dropped with a reason.

mod attachment;
mod bundle;
pub(crate) mod check;
mod element;
mod entries;
mod identity;
mod keep;
mod narrative;
pub(crate) mod path;
mod places;
mod rows;
mod run;
pub(crate) mod table;
pub(crate) mod write;

pub(crate) use bundle::map_document;
pub(crate) use write::write_document;

#[cfg(test)]
mod tests;
