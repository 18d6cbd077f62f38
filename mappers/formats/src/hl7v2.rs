//! HL7 v2 in its vertical-bar form: lexer, writer, batches, acknowledgements.
//!
//! Specification: HL7 v2.8.2 chapter 2 "Control"; batches: its section "Batch protocol"; character sets: MSH-18
//! and HL7 table 0211.

mod ack;
mod batch;
mod builder;
mod charset;
mod continuation;
mod delimiters;
mod escape;
mod iso2022;
mod issue;
mod leaf;
mod lexer;
mod message;
mod piece;
mod place;
mod sequence;
mod splitter;

pub use ack::{AckCode, AckError, Acknowledgement, Control, Origin, ack, ack_with};
pub use batch::{Batch, Part, split_batch};
pub use builder::{MessageBuilder, SegmentBuilder};
pub use charset::Charset;
pub use continuation::{Continuations, Whole};
pub use delimiters::{Delimiters, DelimitersError};
pub use escape::{escape, unescape};
pub use issue::{FormatIssue, ParseError, Severity};
pub use leaf::{Leaf, Leaves};
pub use message::{Message, Parsed};
pub use piece::{Component, Field, Repetition, Segment, Subcomponent};
pub use place::{Place, SegmentName};
pub use sequence::{Sequence, Turn};
pub use splitter::{Split, Splitter};

#[cfg(test)]
mod tests;
