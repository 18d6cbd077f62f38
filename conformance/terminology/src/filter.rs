//! A filter of a value set's compose (FHIR R4 valueset.html#compositions, valueset-filter-operator.html).

use std::collections::HashSet;

use regex::{Regex, RegexBuilder};
use smol_str::SmolStr;

use crate::answer::Reason;
use crate::concepts::{Concept, Concepts, Value};

/// Bound on a compiled pattern's memory; the engine runs in time linear to the text whatever the pattern.
const REGEX_BYTES: usize = 1 << 20;

/// A filter bound to a code system.
#[derive(Debug)]
pub(crate) enum Filter {
    /// Concepts of the hierarchy, given by one of its concepts.
    Hierarchy { op: Hierarchy, concept: Option<Concept> },
    /// Concepts of an explicit list: the operators in and not-in, or a reference set.
    Listed { concepts: HashSet<Concept>, inside: bool },
    /// Concepts by the value of a property.
    Property { property: Property, test: Test },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hierarchy {
    IsA,
    DescendentOf,
    IsNotA,
    Generalizes,
    ChildOf,
    LeafOf,
}

#[derive(Debug)]
pub(crate) enum Property {
    Code,
    Display,
    Definition,
    Active,
    Selectable,
    Parent,
    Child,
    Named(SmolStr),
}

#[derive(Debug)]
pub(crate) enum Test {
    Equals(SmolStr),
    Matches(Regex),
    In(HashSet<SmolStr>),
    NotIn(HashSet<SmolStr>),
    Exists(bool),
}

impl Filter {
    /// Binds a filter to its code system.
    ///
    /// # Errors
    /// `Reason::Filter` for an operator or property that has no meaning here: expression languages (`constraint`,
    /// `expression`), a property the code system does not declare, a pattern that is no regular expression.
    pub(crate) fn bind(concepts: &dyn Concepts, property: &str, op: &str, value: &str) -> Result<Self, Reason> {
        let refused = || Reason::Filter {
            system: SmolStr::new(concepts.url()),
            property: SmolStr::new(property),
            op: SmolStr::new(op),
        };
        if let Some(op) = hierarchy(op) {
            // The property of a hierarchy filter is the hierarchy's name: `concept`, or `code` in some definitions.
            return match property {
                "concept" | "code" | "subsumes" | "parent" => Ok(Self::Hierarchy { op, concept: concepts.find(value) }),
                _ => Err(refused()),
            };
        }
        if property == "concept" {
            return match op {
                "=" => Ok(Self::Property { property: Property::Code, test: Test::Equals(SmolStr::new(value)) }),
                // In SNOMED CT the value of `in` is a reference set (FHIR R4 snomedct.html "SNOMED CT Filter Properties").
                "in" | "not-in" => {
                    let inside = op == "in";
                    let concepts = match concepts.reference_set(value) {
                        Some(members) => members.into_iter().collect(),
                        None => split(value).filter_map(|code| concepts.find(code)).collect(),
                    };
                    Ok(Self::Listed { concepts, inside })
                }
                _ => Err(refused()),
            };
        }
        if matches!(property, "constraint" | "expression" | "expressions") {
            return Err(refused());
        }
        let target = match property {
            "code" => Property::Code,
            "display" => Property::Display,
            "definition" => Property::Definition,
            "inactive" => Property::Active,
            "notSelectable" | "abstract" if !concepts.has_property(property) => Property::Selectable,
            "parent" if !concepts.has_property(property) => Property::Parent,
            "child" if !concepts.has_property(property) => Property::Child,
            "ancestor" if op == "=" => {
                return Ok(Self::Hierarchy { op: Hierarchy::DescendentOf, concept: concepts.find(value) });
            }
            _ if concepts.has_property(property) => Property::Named(SmolStr::new(property)),
            _ => return Err(refused()),
        };
        let test = match op {
            "=" => Test::Equals(SmolStr::new(value)),
            "in" => Test::In(split(value).map(SmolStr::new).collect()),
            "not-in" => Test::NotIn(split(value).map(SmolStr::new).collect()),
            "exists" => Test::Exists(value != "false"),
            "regex" => {
                // The whole value has to match, as in XML Schema patterns, which FHIR's other expressions follow.
                let pattern = format!("^(?:{value})$");
                let regex = RegexBuilder::new(&pattern).size_limit(REGEX_BYTES).build();
                Test::Matches(regex.map_err(|_| refused())?)
            }
            _ => return Err(refused()),
        };
        Ok(Self::Property { property: target, test })
    }

    /// Whether a concept passes.
    pub(crate) fn accepts(&self, concepts: &dyn Concepts, concept: Concept) -> bool {
        match self {
            Self::Hierarchy { op, concept: None } => *op == Hierarchy::IsNotA,
            Self::Hierarchy { op, concept: Some(root) } => match op {
                Hierarchy::IsA => concepts.is_a(concept, *root),
                Hierarchy::DescendentOf => concept != *root && concepts.is_a(concept, *root),
                Hierarchy::IsNotA => !concepts.is_a(concept, *root),
                Hierarchy::Generalizes => concepts.is_a(*root, concept),
                Hierarchy::ChildOf => concepts.parents(concept).contains(root),
                Hierarchy::LeafOf => {
                    concept != *root && concepts.is_a(concept, *root) && concepts.children(concept).is_empty()
                }
            },
            Self::Listed { concepts: listed, inside } => listed.contains(&concept) == *inside,
            Self::Property { property, test } => test.accepts(property, concepts, concept),
        }
    }

    /// A superset of the concepts that pass, if the filter gives one that is cheaper than the whole system.
    pub(crate) fn candidates(&self, concepts: &dyn Concepts) -> Option<Vec<Concept>> {
        match self {
            Self::Hierarchy { op, concept: Some(root) } => match op {
                Hierarchy::IsA | Hierarchy::DescendentOf | Hierarchy::LeafOf => Some(concepts.closure(*root)),
                Hierarchy::ChildOf => Some(concepts.children(*root)),
                Hierarchy::IsNotA | Hierarchy::Generalizes => None,
            },
            Self::Hierarchy { op, concept: None } if *op != Hierarchy::IsNotA => Some(Vec::new()),
            Self::Listed { concepts: listed, inside: true } => {
                let mut all: Vec<Concept> = listed.iter().copied().collect();
                all.sort_unstable();
                Some(all)
            }
            Self::Property { property: Property::Code, test: Test::Equals(code) } => {
                Some(concepts.find(code).into_iter().collect())
            }
            _ => None,
        }
    }
}

impl Test {
    fn accepts(&self, property: &Property, concepts: &dyn Concepts, concept: Concept) -> bool {
        let values: Vec<SmolStr> = match property {
            Property::Code => concepts.code(concept).map(SmolStr::new).into_iter().collect(),
            Property::Display => concepts.display(concept).map(SmolStr::new).into_iter().collect(),
            Property::Definition => concepts.definition(concept).map(SmolStr::new).into_iter().collect(),
            Property::Active => vec![SmolStr::new(if concepts.active(concept) { "false" } else { "true" })],
            Property::Selectable => vec![SmolStr::new(if concepts.selectable(concept) { "false" } else { "true" })],
            Property::Parent => codes(concepts, concepts.parents(concept)),
            Property::Child => codes(concepts, concepts.children(concept)),
            Property::Named(name) => {
                let all = concepts.properties(concept);
                all.iter().filter(|(property, _)| property == name).flat_map(|(_, value)| spellings(value)).collect()
            }
        };
        match self {
            Self::Equals(wanted) => values.contains(wanted),
            Self::Matches(regex) => values.iter().any(|value| regex.is_match(value)),
            Self::In(wanted) => values.iter().any(|value| wanted.contains(value)),
            Self::NotIn(wanted) => !values.iter().any(|value| wanted.contains(value)),
            Self::Exists(wanted) => values.is_empty() != *wanted,
        }
    }
}

/// A Coding may be named by its code or by `system|code`.
fn spellings(value: &Value) -> Vec<SmolStr> {
    let code = SmolStr::new(value.text());
    match value {
        Value::Coding { system: Some(system), .. } => vec![SmolStr::from(format!("{system}|{code}")), code],
        _ => vec![code],
    }
}

fn codes(concepts: &dyn Concepts, ids: Vec<Concept>) -> Vec<SmolStr> {
    ids.into_iter().filter_map(|id| concepts.code(id)).map(SmolStr::new).collect()
}

fn split(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|code| !code.is_empty())
}

fn hierarchy(op: &str) -> Option<Hierarchy> {
    Some(match op {
        "is-a" => Hierarchy::IsA,
        "descendent-of" => Hierarchy::DescendentOf,
        "is-not-a" => Hierarchy::IsNotA,
        "generalizes" => Hierarchy::Generalizes,
        // Of FHIR R5, used by packages that were built with later tools.
        "child-of" => Hierarchy::ChildOf,
        "descendent-leaf" => Hierarchy::LeafOf,
        _ => return None,
    })
}
