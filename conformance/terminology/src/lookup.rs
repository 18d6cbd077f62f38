//! One concept's details, subsumption, and the checks of `$validate-code`.

use smol_str::SmolStr;

use crate::answer::{CodeCheck, Coding, DisplayCheck, Membership, Reason};
use crate::concepts::{Concept, Concepts, Designation, Value};
use crate::service::{System, Terminology};

/// What is known of a concept (FHIR R4 codesystem-operation-lookup.html).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The code system's name for people.
    pub name: Option<SmolStr>,
    /// Its version.
    pub version: Option<SmolStr>,
    /// The preferred text.
    pub display: Option<SmolStr>,
    /// The formal definition.
    pub definition: Option<SmolStr>,
    /// All other texts.
    pub designations: Vec<Designation>,
    /// The properties of the definition, then `inactive`, `parent` and `child`.
    pub properties: Vec<(SmolStr, Value)>,
}

/// Why a code cannot be looked up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// The system is not loaded.
    #[error(transparent)]
    Undecided(Reason),
    /// The system does not have the code.
    #[error("the code system does not have the code")]
    UnknownCode,
}

/// How two concepts relate (FHIR R4 valueset-concept-subsumption-outcome.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subsumption {
    /// The same concept.
    Equivalent,
    /// The first is above the second.
    Subsumes,
    /// The first is below the second.
    SubsumedBy,
    /// Neither.
    NotSubsumed,
}

/// The answer of `$validate-code` (FHIR R4 valueset-operation-validate-code.html).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeValidation {
    /// Whether a coding is valid; none if it cannot be decided.
    pub result: Option<bool>,
    /// The coding that decided, by its place in the request.
    pub coding: Option<usize>,
    /// The preferred display of that coding.
    pub display: Option<SmolStr>,
    /// What is to be said to a person; names no content of the request but codes' systems.
    pub message: Option<String>,
}

impl Terminology {
    /// Everything known of a code.
    ///
    /// # Errors
    /// `LookupError`: the system is not loaded, or does not have the code.
    pub fn lookup(&self, coding: &Coding<'_>) -> Result<Lookup, LookupError> {
        let (concepts, concept) = self.concept(coding.system.unwrap_or_default(), coding.version, coding.code)?;
        let mut properties = concepts.properties(concept);
        let codes =
            |ids: Vec<Concept>| ids.into_iter().filter_map(|id| Some(Value::Code(SmolStr::new(concepts.code(id)?))));
        let mut add = |name: &str, value: Value| {
            let named = (SmolStr::new(name), value);
            if !properties.contains(&named) {
                properties.push(named);
            }
        };
        add("inactive", Value::Boolean(!concepts.active(concept)));
        codes(concepts.parents(concept)).for_each(|parent| add("parent", parent));
        codes(concepts.children(concept)).for_each(|child| add("child", child));
        Ok(Lookup {
            name: concepts.name().map(SmolStr::new),
            version: concepts.version().map(SmolStr::new),
            display: concepts.display(concept).map(SmolStr::new),
            definition: concepts.definition(concept).map(SmolStr::new),
            designations: concepts.designations(concept),
            properties,
        })
    }

    /// How two codes of one system relate.
    ///
    /// # Errors
    /// As [`Terminology::lookup`], for either code.
    pub fn subsumes(
        &self,
        system: &str,
        version: Option<&str>,
        one: &str,
        other: &str,
    ) -> Result<Subsumption, LookupError> {
        let (concepts, first) = self.concept(system, version, one)?;
        let second = concepts.find(other).ok_or(LookupError::UnknownCode)?;
        Ok(if first == second {
            Subsumption::Equivalent
        } else if concepts.is_a(second, first) {
            Subsumption::Subsumes
        } else if concepts.is_a(first, second) {
            Subsumption::SubsumedBy
        } else {
            Subsumption::NotSubsumed
        })
    }

    /// Checks a Coding or the codings of a CodeableConcept, against a value set or their own systems.
    ///
    /// A CodeableConcept is valid if one of its codings is; a display that is not one of the system's makes its coding
    /// invalid.
    pub fn validate_code(&self, value_set: Option<&str>, codings: &[Coding<'_>]) -> CodeValidation {
        let mut answer = CodeValidation { result: Some(false), coding: None, display: None, message: None };
        for (place, coding) in codings.iter().enumerate() {
            let known = self.validate(coding);
            let (result, message) = match self.judge(value_set, coding, &known) {
                Ok(()) => (Some(true), None),
                Err((result, message)) => (result, Some(message)),
            };
            let better = match (answer.result, result) {
                (Some(false), None | Some(true)) | (None, Some(true)) => true,
                _ => answer.coding.is_none(),
            };
            if better {
                let found = coding.system.and_then(|system| self.concept(system, coding.version, coding.code).ok());
                let display = found.and_then(|(concepts, concept)| concepts.display(concept).map(SmolStr::new));
                answer = CodeValidation { result, coding: Some(place), display, message };
            }
        }
        answer
    }

    fn judge(
        &self,
        value_set: Option<&str>,
        coding: &Coding<'_>,
        known: &CodeCheck,
    ) -> Result<(), (Option<bool>, String)> {
        let system = coding.system.unwrap_or("(none)");
        match value_set.map(|value_set| (value_set, self.member(value_set, coding))) {
            Some((_, Membership::In)) => {}
            Some((value_set, Membership::NotIn)) => {
                return Err((Some(false), format!("the code of {system} is not in the value set {value_set}")));
            }
            Some((_, Membership::Unknown(reason))) => return Err((None, reason.to_string())),
            None => match known {
                CodeCheck::Known { .. } => {}
                CodeCheck::UnknownCode | CodeCheck::Unlisted | CodeCheck::Malformed(_) => {
                    return Err((Some(false), format!("the code system {system} does not have the code")));
                }
                CodeCheck::UnknownSystem | CodeCheck::UnknownVersion | CodeCheck::Incomplete => {
                    return Err((None, format!("the code system {system} is not loaded in full")));
                }
            },
        }
        match known {
            CodeCheck::Known { display: DisplayCheck::Differs(texts), .. } => {
                let texts: Vec<String> = texts.iter().map(|text| format!("\u{201c}{text}\u{201d}")).collect();
                Err((Some(false), format!("the display is none of the code's: {}", texts.join(", "))))
            }
            _ => Ok(()),
        }
    }

    /// A code's preferred text, in this language if the system has it.
    pub fn display(&self, coding: &Coding<'_>, language: Option<&str>) -> Option<SmolStr> {
        let (concepts, concept) = self.concept(coding.system?, coding.version, coding.code).ok()?;
        let wanted = language.and_then(|language| preferred(&concepts.designations(concept), language));
        wanted.or_else(|| concepts.display(concept).map(SmolStr::new))
    }

    fn concept(
        &self,
        system: &str,
        version: Option<&str>,
        code: &str,
    ) -> Result<(std::sync::Arc<dyn Concepts>, Concept), LookupError> {
        let named = SmolStr::new(system);
        match self.system(system, version) {
            System::Loaded(concepts) => {
                let concept = concepts.find(code).ok_or(LookupError::UnknownCode)?;
                Ok((concepts, concept))
            }
            System::WrongVersion => {
                let version = SmolStr::new(version.unwrap_or_default());
                Err(LookupError::Undecided(Reason::Version(named, version)))
            }
            System::Rule(_) => Err(LookupError::Undecided(Reason::Open(named))),
            System::Missing | System::None => Err(LookupError::Undecided(Reason::System(named))),
        }
    }
}

/// The text for a language: the exact tag, or else one of the same primary language (RFC 4647, section 3.4 "Lookup").
pub(crate) fn preferred(designations: &[Designation], language: &str) -> Option<SmolStr> {
    let mut wanted = language;
    loop {
        let same = |one: &&Designation| one.language.as_deref().is_some_and(|tag| tag.eq_ignore_ascii_case(wanted));
        if let Some(found) = designations.iter().find(same) {
            return Some(found.text.clone());
        }
        wanted = wanted.rsplit_once('-')?.0;
    }
}

#[cfg(test)]
mod tests;
