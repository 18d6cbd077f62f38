//! FHIR of one version as FHIR of another: DSTU2, STU3, R4B and R5 to R4, and R4 to STU3, R4B and R5.
//!
//! Everything is said by tables. `generated/*.tables` say what each version is made of; an element with the same path and
//! a type that fits is taken over as it stands. `packages/fhir-*` say what moved, was renamed, or has other codes.
//! What has no home goes to the extension FHIR defines for elements of other versions (FHIR R5 versions.html, "Extensions
//! for converting between versions") and is read back from there. What cannot be kept is listed.
//!
//! No clock, no randomness: the same resource gives the same bytes.

mod account;
mod code;
mod convert;
mod detect;
mod rows;
mod version;

pub use account::{Entry, Loss};
pub use convert::{Converted, Options, Refused, convert};
pub use detect::{Detected, detect};
pub use rows::{Census, LoadError, census, digest};
pub use version::Version;

#[cfg(test)]
mod tests;
