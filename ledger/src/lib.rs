//! A Merkle log of salted commitments: entries, tiles, checkpoints, receipts.
//!
//! The crate knows hashes, trees and signatures. It knows nothing of FHIR, of people or of a network, reads no clock and
//! draws no randomness: times, salts and keys are arguments. What is published follows the C2SP documents tlog-tiles,
//! tlog-checkpoint, signed-note, tlog-cosignature, tlog-proof and tlog-witness over RFC 6962 hashing.
//!
//! A [`log::Log`] seals records in batches into a directory; [`log::View`] is what readers are shown; [`fsck::verify`]
//! re-derives a whole log; [`receipt::Receipt`] proves one record offline.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

pub mod checkpoint;
pub mod command;
pub mod commitment;
pub mod entry;
pub mod error;
pub mod fsck;
pub mod log;
pub mod note;
pub mod proof;
pub mod receipt;
pub mod sequencer;
pub mod sign;
pub mod store;
pub mod tile;
pub mod tree;
pub mod witness;

mod text;

pub use error::{Error, Refusal};

#[cfg(test)]
mod corpus;
