//! Compartments: what belongs to a patient, an encounter, a practitioner, a related person or a device. FHIR R4
//! compartmentdefinition.html.

use crate::generated::COMPARTMENTS;

#[cfg(test)]
mod tests;

/// The types a compartment can be named after.
pub fn compartments() -> impl Iterator<Item = &'static str> {
    COMPARTMENTS.iter().map(|(name, _)| *name)
}

/// The types that can be in a compartment, each with the parameters that say so; `None` if there is no such compartment.
///
/// `{def}` stands for the resource that the compartment is named after.
pub fn compartment(name: &str) -> Option<&'static [(&'static str, &'static [&'static str])]> {
    COMPARTMENTS.iter().find(|(known, _)| *known == name).map(|(_, rows)| *rows)
}
