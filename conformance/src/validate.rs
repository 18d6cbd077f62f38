//! The instance validator: resources against R4 and against profiles.
//!
//! FHIR R4 validation.html, profiling.html. Works on the lossless tree and takes neither clock nor network. The form
//! (elements, cardinality, primitives) is checked first, with the tables of R4; then every value is looked at with all
//! definitions that apply to it: its type, the profiles that the resource claims or is asked for, those that an
//! element names for its type, and those of its extensions.

mod assign;
mod binding;
mod constraint;
mod content;
mod demand;
mod evaluate;
mod extension;
mod form;
mod node;
mod plan;
mod reference;
mod slicing;
mod terms;
mod value;
mod walk;

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};

use definitions::Definitions;
use model::json::Json;
use model::outcome::Issue;
use terminology::Terminology;

use crate::place::Place;
use crate::report::Report;
use crate::resolve::Resolver;
use crate::scope::Scope;

use plan::{Plan, Plans};
use walk::Walk;

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
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// Canonicals of profiles the resource has to conform to besides those it claims.
    pub profiles: &'a [String],
    /// How much is checked.
    pub level: Level,
    /// Report what constraints call best practice as warnings; else as information.
    pub best_practice: bool,
    /// Refuse text that could be active content (the reference validator's `security-checks`).
    pub security_checks: bool,
    /// A reference names the type of its target truly: wrong types are errors also where the target is not seen.
    pub check_references: bool,
    /// References have to lead to something in what was given.
    pub references_must_exist: bool,
    /// An extension whose definition is not loaded is an error.
    pub known_extensions: bool,
    /// Experimental definitions are errors.
    pub no_experimental: bool,
    /// Look at contained resources.
    pub contained: bool,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            profiles: &[],
            level: Level::default(),
            best_practice: false,
            security_checks: false,
            check_references: false,
            references_must_exist: false,
            known_extensions: false,
            no_experimental: false,
            contained: true,
        }
    }
}

/// Every problem of the form of a resource: [`Level::Structure`], for which no definitions are needed.
pub fn form(resource: &Json) -> Vec<Issue> {
    let mut report = Report::default();
    form::check(resource, &Options { level: Level::Structure, ..Options::default() }, &mut report);
    report.finish()
}

/// Validates resources. Shared by all requests of a process: what it compiles, it keeps.
pub struct Validator {
    plans: Plans,
    terminology: Arc<Terminology>,
    /// Profiles that an ImplementationGuide asks of all resources of a type.
    global: Vec<(String, String)>,
}

impl Validator {
    /// Against R4 alone, with the definitions that are embedded. One for the whole process.
    pub fn r4() -> &'static Self {
        static R4: LazyLock<Validator> = LazyLock::new(|| Validator::of(Definitions::r4()));
        &R4
    }

    /// Against these definitions, with the code systems and value sets among them.
    pub fn of(definitions: Arc<Definitions>) -> Self {
        Self::with(definitions, terminology::Options::default())
    }

    /// As [`Validator::of`], with large code systems from disk or a server to ask.
    pub fn with(definitions: Arc<Definitions>, options: terminology::Options) -> Self {
        let source = Arc::new(terms::Definition::new(Arc::clone(&definitions)));
        Self::new(definitions, Arc::new(Terminology::new(source, options)))
    }

    /// Against these definitions and a terminology of its own, which should be made of the same ones.
    pub fn new(definitions: Arc<Definitions>, terminology: Arc<Terminology>) -> Self {
        let guides: Vec<String> = definitions.iter("ImplementationGuide").map(|(url, _)| url.to_owned()).collect();
        let mut global = Vec::new();
        for guide in guides.iter().filter_map(|url| definitions.find(Some("ImplementationGuide"), url)) {
            for each in guide.items("global") {
                if let (Some(of), Some(profile)) = (each.text_at(&["type"]), each.text_at(&["profile"])) {
                    global.push((of.to_owned(), profile.to_owned()));
                }
            }
        }
        Self { plans: Plans::new(definitions), terminology, global }
    }

    /// Every problem of a resource; `at` is the FHIRPath of the element.
    ///
    /// Diagnostics name elements, definitions and expectations, never values.
    pub fn validate(&self, resource: &Json, options: &Options<'_>) -> Vec<Issue> {
        let mut report = Report::default();
        form::check(resource, options, &mut report);
        if options.level == Level::Structure {
            return report.finish();
        }
        let resolver = Resolver::of(resource);
        let scope = Scope { validator: self, options, bundle: None, container: None, resource, resolver: &resolver };
        let name = model::resource::resource_type(resource).unwrap_or("Resource");
        let mut walk = Walk::new(scope);
        walk.report = report;
        walk.root(&Place::Root(name));
        walk.report.finish()
    }

    /// What resources are validated against.
    pub fn definitions(&self) -> &Definitions {
        self.plans.definitions()
    }

    /// Code systems and value sets.
    pub fn terminology(&self) -> &Arc<Terminology> {
        &self.terminology
    }

    pub(crate) fn plans(&self) -> &Plans {
        &self.plans
    }

    /// The profiles that guides ask of all resources of a type.
    fn global(&self, type_name: &str) -> impl Iterator<Item = Arc<Plan>> {
        let fits = self.global.iter().filter(move |(of, _)| of == type_name);
        fits.filter_map(|(_, profile)| self.plans.profile(profile).ok())
    }
}
