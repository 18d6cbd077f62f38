//! Loads mapping packages and runs their maps, both ways.
//!
//! A package is data: tables in four levels (messages, segments, datatypes, codes), read strictly, compiled once. The
//! same rows turn an HL7 v2 message into a FHIR R4 Bundle ([`Package::map`]) and back ([`Package::render`]). Nothing
//! here reads a clock, draws random numbers or does IO: same input, same bytes. `docs/mapping-packages.md` teaches the
//! format.

mod build;
mod choice;
mod compile;
mod concept;
mod elements;
mod eval;
mod expect;
pub mod flat;
mod function;
mod identity;
mod input;
mod load;
mod map;
mod map_message;
mod needs;
mod package;
mod path;
mod quick;
mod render;
mod reverse;
mod scope;
mod select;
mod trace;
mod tree;
mod types;
mod versions;

pub use expect::expectations;
pub use package::{BASE, LoadError, Package, Packages};
pub use select::{SelectError, Selector};
pub use trace::{Explained, Loss, Unmapped};
pub use types::{CONVERT_NAMESPACE, Context, HL7_VERSIONS, Mapped, Merge, RenderContext, Rendered};

#[cfg(test)]
mod tests;
