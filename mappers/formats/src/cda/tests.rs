//! Behaviour of the reader of documents.

use super::*;

mod corpus;
mod encodings;
mod hostile;
mod laws;
mod reading;

#[track_caller]
fn parse(text: &str) -> Document {
    Document::parse(text.as_bytes(), &Limits::default()).expect("a document that is taken")
}

#[track_caller]
fn refused(bytes: &[u8]) -> Refused {
    Document::parse(bytes, &Limits::default()).expect_err("a document that is refused")
}

/// Every leaf with its path, in order.
fn leaves(document: &Document) -> Vec<String> {
    let of = |leaf| format!("{} = {}", document.leaf_path(leaf), document.leaf(leaf).expect("a leaf").value);
    (0..document.leaves()).map(of).collect()
}
