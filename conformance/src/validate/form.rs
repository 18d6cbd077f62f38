//! Structure of R4 resources: elements, types, cardinality, primitives' form, required bindings.
//!
//! Checked against the definitions of FHIR R4 (4.0.1) in [`model::types`]: unknown elements, cardinality, the one
//! type of a choice, the JSON form of arrays and companions (json.html), the lexical form of primitives
//! (datatypes.html), codes of required bindings that can be written out, the form and target type of references, and
//! of the invariants those that belong to the form: ele-1, ext-1, dom-2 to dom-5. Not checked here: profiles, slicing,
//! all other invariants, terminology that has to be asked for.

mod element;
mod primitive;
mod reference;
mod resource;
mod xhtml;

use std::collections::HashMap;

use model::json::Json;
use model::outcome::Issue;
use model::types;

use crate::place::Place;
use crate::report::Report;
use crate::validate::{Level, Options};

/// Adds every problem of the form of a resource, in document order; none if it has the structure of R4.
pub(super) fn check(resource: &Json, options: &Options<'_>, report: &mut Report) {
    let mut walk = Walk {
        table: types::r4(),
        report,
        contained: HashMap::new(),
        alone: options.level == Level::Structure,
        inside: options.contained,
    };
    let name = model::resource::resource_type(resource).unwrap_or("Resource");
    walk.independent(resource, &Place::Root(known_name(name)));
}

/// Whether a text is XHTML as a narrative may have it.
pub(super) fn is_narrative(text: &str) -> bool {
    xhtml::check(text).is_none()
}

/// A resource type as a root of a path; what is no type of R4 is not repeated.
fn known_name(name: &str) -> &str {
    if model::id::ResourceType::parse(name).is_ok() { name } else { "Resource" }
}

/// The state of one validation.
struct Walk<'r, 'w> {
    table: &'static types::Table,
    report: &'w mut Report,
    /// Types by id of the resources contained in the resource at hand.
    contained: HashMap<&'r str, &'r str>,
    /// Whether the form is all that is looked at: else codes and narratives are left to definitions and rules.
    alone: bool,
    /// Whether contained resources are looked at.
    inside: bool,
}

impl Walk<'_, '_> {
    fn problem(&mut self, issue: Issue, place: &Place<'_>) {
        self.report.problem(issue, place);
    }

    fn error(&mut self, code: &'static str, diagnostics: impl Into<String>, place: &Place<'_>) {
        self.problem(Issue::error(code, diagnostics), place);
    }
}

#[cfg(test)]
mod tests;
