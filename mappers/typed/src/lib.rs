//! The one user of fhir-sdk: builds resources without decimals and hands back model trees.
//!
//! The builders and code enums of fhir-sdk make sure that required elements are there and that codes of closed sets
//! exist. Its readers and its decimals are kept out: both lose content without an error. Its models are R4B; for the
//! types built here R4 has the same elements, and the tests of `conformance` hold the output against R4.
//!
//! A resource is never serialised as a whole: `contained` can be any resource, so that would compile the writers of
//! all 140 types into this crate. Each element that we set is serialised by itself instead (`tree`).

mod audit;
mod capability;
mod consent;
mod element;
mod emergency;
mod provenance;
mod tree;

pub use audit::{AuditAgent, AuditEntity, AuditEvent, AuditKind, AuditOutcome, AuditRole, Interaction, audit_event};
pub use capability::{CapabilityStatement, Operation, SearchParameter, ServedType, capability_statement};
pub use consent::{ConsentEffect, ConsentSample, consent_sample};
pub use element::{Code, Party};
pub use emergency::{Notice, Review, communication, task};
pub use provenance::{Provenance, ProvenanceAgent, ProvenanceSource, provenance};

/// A resource could not be built: our own fault, not retryable. Names elements only, never content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A required element was not set.
    #[error("an element is missing in a resource we build")]
    Builder(#[from] fhir_sdk::BuilderError),
    /// An element could not be written as JSON.
    #[error("an element we built could not be written as JSON")]
    Write(#[from] serde_json::Error),
    /// What was written did not read back.
    #[error("an element we wrote did not read back as JSON")]
    Read(#[from] model::json::JsonError),
    /// An instant outside of what fhir-sdk can hold.
    #[error("expected an instant of the years 0001 to 9999")]
    Instant,
    /// A code that its closed set does not have, for example a resource type.
    #[error("expected a code of its closed set")]
    UnknownCode,
}

#[cfg(test)]
mod tests;
