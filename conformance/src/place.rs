//! Where a finding stands: a stack of steps that is written out only when there is a finding.

use std::fmt;

/// A place in a resource, as a linked stack of steps on the walk's own stack.
///
/// Written as a FHIRPath of element names: `Patient.contact[0].telecom[1].value`,
/// `Observation.value.ofType(Quantity).unit`.
#[derive(Clone, Copy)]
pub(crate) enum Place<'p> {
    /// A resource type (or a data type) at the start.
    Root(&'p str),
    /// An element; `of_type` is the type that a choice has here.
    Member {
        /// What the element stands in.
        parent: &'p Place<'p>,
        /// Without `[x]`.
        name: &'p str,
        /// The type of a choice.
        of_type: Option<&'p str>,
    },
    /// One value of an element that repeats.
    Item {
        /// The element.
        parent: &'p Place<'p>,
        /// From 0.
        index: usize,
    },
}

impl<'p> Place<'p> {
    /// The place of a member.
    pub(crate) fn member(&'p self, name: &'p str) -> Place<'p> {
        Place::Member { parent: self, name, of_type: None }
    }

    /// The place of one of several values.
    pub(crate) fn item(&'p self, index: usize) -> Place<'p> {
        Place::Item { parent: self, index }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(name) => formatter.write_str(name),
            Self::Member { parent, name, of_type: None } => write!(formatter, "{parent}.{name}"),
            Self::Member { parent, name, of_type: Some(of_type) } => {
                write!(formatter, "{parent}.{name}.ofType({of_type})")
            }
            Self::Item { parent, index } => write!(formatter, "{parent}[{index}]"),
        }
    }
}
