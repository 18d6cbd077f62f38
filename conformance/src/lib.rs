//! Rules: structure validation, mapping quality, package lint.

pub mod lint;
pub mod score;
pub mod structure;
pub mod validate;
