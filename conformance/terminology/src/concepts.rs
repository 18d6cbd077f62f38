//! What every code system offers, wherever it is kept.

use std::borrow::Cow;

use smol_str::SmolStr;

/// A concept of one code system: its place in the system's own list.
///
/// Only meaningful together with the [`Concepts`] it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Concept(pub u32);

/// How much of a code system is there (FHIR R4 valueset-codesystem-content-mode.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// Every code.
    Complete,
    /// Some codes (`fragment`, `example`, `not-present`): absence says nothing.
    Partial,
}

/// A text for a concept (FHIR R4 codesystem-definitions.html#CodeSystem.concept.designation).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Designation {
    /// BCP 47 language tag.
    pub language: Option<SmolStr>,
    /// System and code of what the text is for (synonym, fully specified name).
    pub usage: Option<(SmolStr, SmolStr)>,
    /// The text.
    pub text: SmolStr,
}

/// The value of a property (FHIR R4 codesystem-definitions.html#CodeSystem.concept.property.value_x_).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A code of the same system.
    Code(SmolStr),
    /// A code of any system, with its display.
    Coding {
        /// The system.
        system: Option<SmolStr>,
        /// The code.
        code: SmolStr,
        /// The display.
        display: Option<SmolStr>,
    },
    /// Text.
    String(SmolStr),
    /// A whole number.
    Integer(i64),
    /// A truth value.
    Boolean(bool),
    /// A date or time, as written.
    DateTime(SmolStr),
    /// A decimal, as written.
    Decimal(SmolStr),
}

impl Value {
    /// The value as filters compare it.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Code(text) | Self::String(text) | Self::DateTime(text) | Self::Decimal(text) => Cow::Borrowed(text),
            Self::Coding { code, .. } => Cow::Borrowed(code),
            Self::Integer(number) => Cow::Owned(number.to_string()),
            Self::Boolean(true) => Cow::Borrowed("true"),
            Self::Boolean(false) => Cow::Borrowed("false"),
        }
    }
}

/// A code system's concepts, in memory or on disk.
///
/// Ids run from 0 to `len() - 1`. Methods given an id of another system answer as for a concept without content.
pub trait Concepts: Send + Sync {
    /// The code system's URI.
    fn url(&self) -> &str;
    /// Its version.
    fn version(&self) -> Option<&str>;
    /// Its name for people.
    fn name(&self) -> Option<&str>;
    /// Whether a code that is not found does not exist.
    fn completeness(&self) -> Completeness;
    /// Whether this code does not exist if it is not found.
    fn rules_out(&self, _code: &str) -> bool {
        self.completeness() == Completeness::Complete
    }
    /// Whether case counts when codes are compared.
    fn case_sensitive(&self) -> bool;
    /// The number of concepts.
    fn len(&self) -> u32;
    /// Whether there is no concept.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The concept of a code.
    fn find(&self, code: &str) -> Option<Concept>;
    /// A concept's code.
    fn code(&self, concept: Concept) -> Option<Cow<'_, str>>;
    /// A concept's preferred text.
    fn display(&self, concept: Concept) -> Option<Cow<'_, str>>;
    /// A concept's formal definition.
    fn definition(&self, concept: Concept) -> Option<Cow<'_, str>>;
    /// The further texts.
    fn designations(&self, concept: Concept) -> Vec<Designation>;
    /// All properties, in the order of the definition.
    fn properties(&self, concept: Concept) -> Vec<(SmolStr, Value)>;
    /// Whether any property of this name was defined or used; unknown names make a filter undecidable.
    fn has_property(&self, name: &str) -> bool;
    /// False for a retired concept.
    fn active(&self, concept: Concept) -> bool;
    /// False for a concept that only groups.
    fn selectable(&self, concept: Concept) -> bool;
    /// The direct parents.
    fn parents(&self, concept: Concept) -> Vec<Concept>;
    /// The direct children, in the system's order.
    fn children(&self, concept: Concept) -> Vec<Concept>;
    /// Whether `concept` is `ancestor` or below it.
    fn is_a(&self, concept: Concept, ancestor: Concept) -> bool;
    /// The concept and everything below it, each once.
    fn closure(&self, concept: Concept) -> Vec<Concept>;
    /// The members of a reference set, where the system has such things (SNOMED CT).
    fn reference_set(&self, _identifier: &str) -> Option<Vec<Concept>> {
        None
    }
}
