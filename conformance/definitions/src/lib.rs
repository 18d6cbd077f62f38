//! FHIR packages, StructureDefinitions and their snapshots: what resources are checked against.
//!
//! [`Definitions`] is the set that a validator asks: canonicals lead to definitions, and StructureDefinitions to
//! compiled [`profile::Profile`]s. Under it lie [`Package`]s: those of R4 itself, and any implementation guide.

pub mod cache;
pub mod profile;

mod pack;
mod package;
mod set;
mod snapshot;

pub use package::{Dependency, Limits, Package, PackageError};
pub use set::Definitions;

/// What the URL of every definition of the specification's own types starts with.
pub(crate) const STRUCTURE: &str = "http://hl7.org/fhir/StructureDefinition/";

/// Whether it is a resource type of R4, abstract ones too.
pub(crate) fn is_resource_type(name: &str) -> bool {
    model::types::r4().find(name).is_some_and(|(_, shape)| shape.is_resource)
}
