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

use model::bundle;
use model::json::Json;
use model::outcome::Issue;
use model::types;

use crate::place::Place;
use crate::validate::{Level, Options};

/// Every structural problem of a resource, in document order; empty if it has the structure of R4.
///
/// Diagnostics name elements and expectations, never values. After [`MAX_ISSUES`] problems the rest is summed up.
pub fn validate(resource: &Json) -> Vec<Issue> {
    let options = Options { level: Level::Structure, ..Options::default() };
    validate_with(resource, &options)
}

/// As [`validate`]; at [`Level::Profile`] codes are left to the definitions.
pub(crate) fn validate_with(resource: &Json, options: &Options<'_>) -> Vec<Issue> {
    let mut walk = Walk::new();
    walk.alone = options.level == Level::Structure;
    walk.inside = options.contained;
    let name = model::resource::resource_type(resource).unwrap_or("Resource");
    walk.independent(resource, &Place::Root(known_name(name)));
    walk.finish()
}

/// The problems of each entry of a Bundle whose resource has any, by the index of the entry.
///
/// The Bundle itself is not checked; places start with `Bundle.entry[n].resource`.
pub fn validate_bundle_entries(bundle: &Json) -> Vec<(usize, Vec<Issue>)> {
    let root = Place::Root("Bundle");
    let list = Place::Member { parent: &root, name: "entry", of_type: None };
    let mut found = Vec::new();
    for entry in bundle::entries(bundle) {
        let Some(resource) = entry.resource() else { continue };
        let item = Place::Item { parent: &list, index: entry.index };
        let mut walk = Walk::new();
        walk.independent(resource, &Place::Member { parent: &item, name: "resource", of_type: None });
        let issues = walk.finish();
        if !issues.is_empty() {
            found.push((entry.index, issues));
        }
    }
    found
}

/// Whether a text is XHTML as a narrative may have it.
pub(crate) fn is_narrative(text: &str) -> bool {
    xhtml::check(text).is_none()
}

/// As many problems are listed for one call.
pub const MAX_ISSUES: usize = 500;

/// A resource type as a root of a path; what is no type of R4 is not repeated.
fn known_name(name: &str) -> &str {
    if model::id::ResourceType::parse(name).is_ok() { name } else { "Resource" }
}

/// The state of one validation.
pub(crate) struct Walk<'r> {
    table: &'static types::Table,
    issues: Vec<Issue>,
    /// Problems past the limit.
    more: usize,
    /// Types by id of the resources contained in the resource at hand.
    contained: HashMap<&'r str, &'r str>,
    /// Whether the form is all that is looked at: else codes and narratives are left to definitions and rules.
    alone: bool,
    /// Whether contained resources are looked at.
    inside: bool,
}

impl Walk<'_> {
    fn new() -> Self {
        Self { table: types::r4(), issues: Vec::new(), more: 0, contained: HashMap::new(), alone: true, inside: true }
    }

    fn problem(&mut self, issue: Issue, place: &Place<'_>) {
        if self.issues.len() < MAX_ISSUES {
            self.issues.push(issue.at(place.to_string()));
        } else {
            self.more += 1;
        }
    }

    fn error(&mut self, code: &'static str, diagnostics: impl Into<String>, place: &Place<'_>) {
        self.problem(Issue::error(code, diagnostics), place);
    }

    fn finish(mut self) -> Vec<Issue> {
        if self.more > 0 {
            self.issues.push(Issue::error("too-costly", format!("{} more problems are not listed", self.more)));
        }
        self.issues
    }
}

#[cfg(test)]
mod tests;
