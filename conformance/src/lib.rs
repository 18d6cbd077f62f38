//! Rules: structure validation, mapping quality, package lint.

pub mod score;
pub mod structure;
pub mod validate;
