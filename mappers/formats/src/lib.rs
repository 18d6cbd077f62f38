//! Bytes to messages, documents and rows, and back: HL7 v2, MLLP, CDA, flat extracts. No input or output of its own.
//!
//! What arrives is kept whole: an odd message becomes a message with issues, and only what cannot be told apart
//! from noise is refused. Nothing here panics on outside bytes.

#![warn(clippy::arithmetic_side_effects)]

pub mod aside;
pub mod cda;
pub mod flat;
pub mod hl7v2;
pub mod mllp;
