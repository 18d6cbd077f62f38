//! The service: definitions compiled once, questions answered from memory.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use model::json::Json;
use smol_str::SmolStr;

use crate::answer::{CodeCheck, Coding, DisplayCheck, Membership, Reason};
use crate::code_system::CodeSystem;
use crate::concepts::{Completeness, Concept, Concepts};
use crate::implicit;
use crate::member;
use crate::registry;
use crate::remote::Remote;
use crate::rule::{self, Form, Rule, Verdict};
use crate::value_set::{self, ValueSet};

/// Where definitions come from. Answers must not change while a [`Terminology`] uses it.
pub trait Source: Send + Sync {
    /// A definition (`kind` is its resource type) by `url` or `url|version`.
    fn find(&self, kind: &str, canonical: &str) -> Option<Arc<Json>>;

    /// The CodeSystem resources that supplement this one, in a fixed order.
    fn supplements(&self, _system: &str) -> Vec<Arc<Json>> {
        Vec::new()
    }

    /// All ConceptMap resources, in a fixed order; for translations that name no map.
    fn concept_maps(&self) -> Vec<Arc<Json>> {
        Vec::new()
    }
}

/// Two sources as one: what the first has, the second is not asked for.
struct Both {
    first: Arc<dyn Source>,
    then: Arc<dyn Source>,
}

impl Source for Both {
    fn find(&self, kind: &str, canonical: &str) -> Option<Arc<Json>> {
        self.first.find(kind, canonical).or_else(|| self.then.find(kind, canonical))
    }

    fn supplements(&self, system: &str) -> Vec<Arc<Json>> {
        let mut all = self.first.supplements(system);
        all.extend(self.then.supplements(system));
        all
    }

    fn concept_maps(&self) -> Vec<Arc<Json>> {
        let mut all = self.first.concept_maps();
        all.extend(self.then.concept_maps());
        all
    }
}

/// How a [`Terminology`] behaves.
#[derive(Clone, Default)]
pub struct Options {
    /// Large code systems opened from disk. One of these goes before a definition that is not complete; of several
    /// versions the last one in the list is the default.
    pub loaded: Vec<Arc<dyn Concepts>>,
    /// A server to ask where nothing here decides.
    pub remote: Option<Arc<dyn Remote>>,
}

/// Code systems, value sets and concept maps of one set of definitions.
///
/// Shared by all threads; compiled definitions are kept as long as it lives.
pub struct Terminology {
    source: Arc<dyn Source>,
    options: Options,
    systems: RwLock<HashMap<SmolStr, System>>,
    value_sets: RwLock<HashMap<SmolStr, Arc<ValueSet>>>,
}

/// A code system as it can be had here.
#[derive(Clone)]
pub(crate) enum System {
    /// None is named.
    None,
    /// A list.
    Loaded(Arc<dyn Concepts>),
    /// A grammar.
    Rule(Rule),
    /// Not there at all.
    Missing,
    /// There, but not in the version asked for.
    WrongVersion,
}

impl System {
    pub(crate) fn case_sensitive(&self) -> bool {
        match self {
            Self::Loaded(concepts) => concepts.case_sensitive(),
            Self::Rule(rule) => !matches!(rule, Rule::Media | Rule::Language),
            _ => true,
        }
    }
}

impl Terminology {
    /// A service over these definitions; nothing is compiled before it is asked for.
    pub fn new(source: Arc<dyn Source>, options: Options) -> Self {
        Self { source, options, systems: RwLock::default(), value_sets: RwLock::default() }
    }

    /// The same code systems on disk and the same server, with definitions that go before those known so far. It compiles
    /// what it is asked for anew.
    #[must_use]
    pub fn with(&self, first: Arc<dyn Source>) -> Self {
        let both = Both { first, then: Arc::clone(&self.source) };
        Self::new(Arc::new(both), self.options.clone())
    }

    pub(crate) fn remote(&self) -> Option<&dyn Remote> {
        self.options.remote.as_deref()
    }

    /// A definition as it stands in its resource.
    pub fn definition(&self, kind: &str, canonical: &str) -> Option<Arc<Json>> {
        self.source.find(kind, canonical)
    }

    pub(crate) fn source(&self) -> &dyn Source {
        self.source.as_ref()
    }

    /// Whether a code is in a value set, given by `url` or `url|version`.
    pub fn member(&self, value_set: &str, coding: &Coding<'_>) -> Membership {
        let here = match self.value_set(value_set) {
            Ok(compiled) => self.member_of(&compiled, coding),
            Err(reason) => Membership::Unknown(reason),
        };
        match (here, &self.options.remote) {
            (Membership::Unknown(reason), Some(remote)) => match remote.member(value_set, coding) {
                // The reason found here says more than that the server did not answer.
                Membership::Unknown(_) => Membership::Unknown(reason),
                answer => answer,
            },
            (here, _) => here,
        }
    }

    /// Whether a code is in a compiled value set. Does not ask a server, which may not have the value set.
    pub fn member_of(&self, value_set: &ValueSet, coding: &Coding<'_>) -> Membership {
        member::member(self, value_set, coding)
    }

    /// The value set of a canonical, compiled once.
    ///
    /// # Errors
    /// `Reason::ValueSet` if there is none.
    pub fn value_set(&self, canonical: &str) -> Result<Arc<ValueSet>, Reason> {
        if let Some(known) = read(&self.value_sets).get(canonical) {
            return Ok(known.clone());
        }
        let defined = self.source.find("ValueSet", canonical);
        let Some(resource) = defined.or_else(|| implicit::value_set(canonical).map(Arc::new)) else {
            return Err(Reason::ValueSet(SmolStr::new(canonical)));
        };
        let compiled = Arc::new(value_set::compile(&resource, self));
        keep(&self.value_sets, SmolStr::new(canonical), &compiled);
        Ok(compiled)
    }

    /// Compiles a value set that is not among the definitions: one contained in a Questionnaire, for example.
    pub fn compile(&self, value_set: &Json) -> ValueSet {
        value_set::compile(value_set, self)
    }

    /// The code system of a URI, compiled once.
    pub fn code_system(&self, system: &str, version: Option<&str>) -> Option<Arc<dyn Concepts>> {
        match self.system(system, version) {
            System::Loaded(concepts) => Some(concepts),
            _ => None,
        }
    }

    pub(crate) fn system(&self, system: &str, version: Option<&str>) -> System {
        let name = match version {
            Some(version) => SmolStr::from(format!("{system}|{version}")),
            None => SmolStr::new(system),
        };
        if let Some(known) = read(&self.systems).get(&name) {
            return known.clone();
        }
        let found = self.load(system, version, &name);
        keep(&self.systems, name, &found);
        found
    }

    fn load(&self, system: &str, version: Option<&str>, name: &str) -> System {
        let mut of_system = self.options.loaded.iter().rev().filter(|concepts| concepts.url() == system);
        let wanted = |concepts: &&Arc<dyn Concepts>| version.is_none_or(|version| concepts.version() == Some(version));
        let on_disk = of_system.clone().find(wanted).cloned();
        let defined = self.source.find("CodeSystem", name).and_then(|resource| {
            let supplements = self.source.supplements(system);
            let supplements: Vec<&Json> = supplements.iter().map(Arc::as_ref).collect();
            CodeSystem::compile(&resource, &supplements)
        });
        match (defined, on_disk) {
            (Some(defined), _) if defined.completeness() == Completeness::Complete => System::Loaded(Arc::new(defined)),
            (_, Some(on_disk)) => System::Loaded(on_disk),
            (defined, None) => {
                if let Some(registry) = registry::code_system(system) {
                    return System::Loaded(registry);
                }
                if let Some(rule) = Rule::of(system) {
                    return System::Rule(rule);
                }
                match defined {
                    Some(defined) => System::Loaded(Arc::new(defined)),
                    None if version.is_some()
                        && (of_system.next().is_some() || self.source.find("CodeSystem", system).is_some()) =>
                    {
                        System::WrongVersion
                    }
                    None => System::Missing,
                }
            }
        }
    }

    /// What is known of a code by itself. A coding without a system is [`CodeCheck::UnknownSystem`].
    pub fn validate(&self, coding: &Coding<'_>) -> CodeCheck {
        let here = self.validate_here(coding);
        match (&here, &self.options.remote) {
            (CodeCheck::UnknownSystem | CodeCheck::UnknownVersion | CodeCheck::Incomplete, Some(remote)) => {
                remote.validate(coding).unwrap_or(here)
            }
            _ => here,
        }
    }

    fn validate_here(&self, coding: &Coding<'_>) -> CodeCheck {
        let Some(system) = coding.system else { return CodeCheck::UnknownSystem };
        match self.system(system, coding.version) {
            System::Loaded(concepts) => match concepts.find(coding.code) {
                Some(concept) => CodeCheck::Known {
                    display: display(concepts.as_ref(), concept, coding.display),
                    active: concepts.active(concept),
                    selectable: concepts.selectable(concept),
                },
                None if concepts.rules_out(coding.code) => match coding.version {
                    None if system.starts_with(V2_TABLES) => CodeCheck::Unlisted,
                    _ => CodeCheck::UnknownCode,
                },
                None => formed(system, coding.code, CodeCheck::Incomplete),
            },
            System::Rule(rule) => match rule.check(coding.code) {
                Verdict::Valid => {
                    let display = if coding.display.is_some() { DisplayCheck::Unknown } else { DisplayCheck::Absent };
                    CodeCheck::Known { display, active: true, selectable: true }
                }
                Verdict::Invalid(_) => CodeCheck::UnknownCode,
            },
            System::WrongVersion => CodeCheck::UnknownVersion,
            System::Missing | System::None => formed(system, coding.code, CodeCheck::UnknownSystem),
        }
    }
}

/// Begins the URI of a table of HL7 v2.
const V2_TABLES: &str = "http://terminology.hl7.org/CodeSystem/v2-";

/// What can still be said where the list does not help.
fn formed(system: &str, code: &str, otherwise: CodeCheck) -> CodeCheck {
    match rule::form(system, code) {
        Form::Possible => otherwise,
        Form::CheckDigit(why) => CodeCheck::Malformed(why),
        Form::Impossible => CodeCheck::UnknownCode,
    }
}

fn display(concepts: &dyn Concepts, concept: Concept, given: Option<&str>) -> DisplayCheck {
    let Some(given) = given else { return DisplayCheck::Absent };
    let mut known: Vec<SmolStr> = concepts.display(concept).map(SmolStr::new).into_iter().collect();
    if known.iter().any(|text| same_text(text, given)) {
        return DisplayCheck::Matches;
    }
    for designation in concepts.designations(concept) {
        if same_text(&designation.text, given) {
            return DisplayCheck::Matches;
        }
        if !known.contains(&designation.text) {
            known.push(designation.text);
        }
    }
    if known.is_empty() { DisplayCheck::Unknown } else { DisplayCheck::Differs(known) }
}

/// Whether two displays are the same to a reader: case and runs of white space do not count.
fn same_text(one: &str, other: &str) -> bool {
    let words = |text: &'_ str| text.split_whitespace().flat_map(|word| word.chars().chain([' '])).collect::<String>();
    one == other || words(one).to_lowercase() == words(other).to_lowercase()
}

/// Names may come from instances, so the caches are bounded; past the bound answers are worked out each time.
const CACHED: usize = 20_000;

fn keep<T: Clone>(cache: &RwLock<HashMap<SmolStr, T>>, name: SmolStr, value: &T) {
    let mut cache = write(cache);
    if cache.len() < CACHED {
        cache.entry(name).or_insert_with(|| value.clone());
    }
}

/// A poisoned lock is used on: the maps are only ever added to, one whole entry at a time.
pub(crate) fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
