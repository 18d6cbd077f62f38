//! The small elements that every resource here is made of.

use std::str::FromStr;

use fhir_sdk::r4b::types;
use model::time::Instant;

use crate::Error;

/// A code in a code system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code<'a> {
    /// The URI of the code system.
    pub system: &'a str,
    /// The code.
    pub code: &'a str,
    /// Its name in the code system.
    pub display: Option<&'a str>,
}

impl<'a> Code<'a> {
    /// A code with its name.
    pub const fn new(system: &'a str, code: &'a str, display: &'a str) -> Self {
        Self { system, code, display: Some(display) }
    }

    /// Purpose of use "break the glass". HL7 v3 ActReason, `BTG`.
    pub const BREAK_THE_GLASS: Code<'static> = Code::new(ACT_REASON, "BTG", "break the glass");
}

/// HL7 v3 ActReason: purposes of use.
pub(crate) const ACT_REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";

/// A person, organisation, device or resource that is referred to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Party<'a> {
    /// A literal reference (`Practitioner/1`).
    pub reference: Option<&'a str>,
    /// A business identifier: system (may be empty) and value.
    pub identifier: Option<(&'a str, &'a str)>,
    /// A name for people.
    pub display: Option<&'a str>,
}

impl<'a> Party<'a> {
    /// A literal reference.
    pub const fn reference(reference: &'a str) -> Self {
        Self { reference: Some(reference), identifier: None, display: None }
    }

    /// Somebody known by a business identifier.
    pub const fn identifier(system: &'a str, value: &'a str) -> Self {
        Self { reference: None, identifier: Some((system, value)), display: None }
    }

    /// Somebody known by a name only.
    pub const fn named(display: &'a str) -> Self {
        Self { reference: None, identifier: None, display: Some(display) }
    }
}

pub(crate) fn coding(code: &Code<'_>) -> Result<types::Coding, Error> {
    let mut builder = types::Coding::builder().system(code.system.to_owned()).code(code.code.to_owned());
    if let Some(display) = code.display {
        builder = builder.display(display.to_owned());
    }
    Ok(builder.build()?)
}

pub(crate) fn concept(code: &Code<'_>) -> Result<types::CodeableConcept, Error> {
    Ok(types::CodeableConcept::builder().coding(vec![Some(coding(code)?)]).build()?)
}

pub(crate) fn concepts(codes: &[Code<'_>]) -> Result<Vec<Option<types::CodeableConcept>>, Error> {
    codes.iter().map(|code| concept(code).map(Some)).collect()
}

pub(crate) fn reference(party: &Party<'_>) -> Result<types::Reference, Error> {
    let mut builder = types::Reference::builder();
    if let Some(reference) = party.reference {
        builder = builder.reference(reference.to_owned());
    }
    if let Some((system, value)) = party.identifier {
        let mut identifier = types::Identifier::builder().value(value.to_owned());
        if !system.is_empty() {
            identifier = identifier.system(system.to_owned());
        }
        builder = builder.identifier(identifier.build()?);
    }
    if let Some(display) = party.display {
        builder = builder.display(display.to_owned());
    }
    Ok(builder.build()?)
}

pub(crate) fn instant(at: Instant) -> Result<fhir_sdk::Instant, Error> {
    fhir_sdk::Instant::from_str(&at.to_rfc3339()).map_err(|_| Error::Instant)
}

pub(crate) fn date_time(at: Instant) -> Result<fhir_sdk::DateTime, Error> {
    instant(at).map(fhir_sdk::DateTime::DateTime)
}
