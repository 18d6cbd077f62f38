//! Rules: validation of resources, mapping quality, package lint.

pub mod coverage;
pub mod file;
pub mod lint;
mod place;
mod report;
mod resolve;
mod rules;
mod scope;
pub mod score;
pub mod validate;
mod xhtml;
