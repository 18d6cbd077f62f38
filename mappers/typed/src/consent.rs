//! Consents for samples and demonstrations. FHIR R4 consent.html.

use fhir_sdk::r4b::codes::{ConsentProvisionType, ConsentState};
use fhir_sdk::r4b::resources as r4b;
use fhir_sdk::r4b::types::Period;
use model::id::ResourceId;
use model::json::Json;
use model::time::Instant;

use crate::Error;
use crate::element::{Code, Party, coding, concept, concepts, date_time, reference};
use crate::tree::Tree;

/// A simple privacy consent: one rule, no nested provisions.
#[derive(Clone, Debug)]
pub struct ConsentSample<'a> {
    /// The id of the resource.
    pub id: &'a str,
    /// Whose record it is about.
    pub patient: &'a ResourceId,
    /// When it was given.
    pub given: Instant,
    /// Who keeps the record.
    pub organization: Party<'a>,
    /// What the rule does.
    pub effect: ConsentEffect,
    /// Who the rule is about (information recipients); nobody named: everybody.
    pub recipients: &'a [Party<'a>],
    /// Actions (`http://terminology.hl7.org/CodeSystem/consentaction`); none: every action.
    pub actions: &'a [Code<'a>],
    /// Purposes of use; none: every purpose.
    pub purposes: &'a [Code<'a>],
    /// Kinds of content (`http://hl7.org/fhir/resource-types`); none: every kind.
    pub classes: &'a [Code<'a>],
    /// From when and until when the rule holds; open where `None`.
    pub period: (Option<Instant>, Option<Instant>),
}

/// What a rule does. FHIR R4 valueset-consent-provision-type.html.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentEffect {
    /// The rule allows.
    Permit,
    /// The rule forbids.
    Deny,
}

/// Builds an active Consent of scope `patient-privacy`.
///
/// # Errors
/// [`Error`] if a required element is missing.
pub fn consent_sample(consent: &ConsentSample<'_>) -> Result<Json, Error> {
    let target = format!("Patient/{}", consent.patient);
    let built = r4b::Consent::builder()
        .status(ConsentState::Active)
        .scope(concept(&Code::new(SCOPE, "patient-privacy", "Privacy Consent"))?)
        .category(vec![Some(concept(&Code::new(LOINC, "59284-0", "Consent Document"))?)])
        .patient(reference(&Party::reference(&target))?)
        .date_time(date_time(consent.given)?)
        .organization(vec![Some(reference(&consent.organization)?)])
        .policy_rule(concept(&Code::new(ACT_CODE, "OPTIN", "opt-in"))?)
        .provision(provision(consent)?)
        .build()?;
    Ok(Tree::new("Consent", consent.id)
        .one("status", &built.status)?
        .one("scope", &built.scope)?
        .list("category", &built.category)?
        .optional("patient", built.patient.as_ref())?
        .plain("dateTime", consent.given.to_rfc3339())
        .list("organization", &built.organization)?
        .optional("policyRule", built.policy_rule.as_ref())?
        .optional("provision", built.provision.as_ref())?
        .into_json())
}

const SCOPE: &str = "http://terminology.hl7.org/CodeSystem/consentscope";
const LOINC: &str = "http://loinc.org";
const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";

fn provision(consent: &ConsentSample<'_>) -> Result<r4b::ConsentProvision, Error> {
    let effect = match consent.effect {
        ConsentEffect::Permit => ConsentProvisionType::Permit,
        ConsentEffect::Deny => ConsentProvisionType::Deny,
    };
    let actors = consent.recipients.iter().map(|party| {
        let built = r4b::ConsentProvisionActor::builder()
            .role(concept(&Code::new(PARTICIPATION, "IRCP", "information recipient"))?)
            .reference(reference(party)?)
            .build()?;
        Ok::<_, Error>(Some(built))
    });
    let codings = |codes: &[Code<'_>]| codes.iter().map(|code| coding(code).map(Some)).collect::<Result<Vec<_>, _>>();
    let mut builder = r4b::ConsentProvision::builder()
        .r#type(effect)
        .actor(actors.collect::<Result<_, _>>()?)
        .action(concepts(consent.actions)?)
        .purpose(codings(consent.purposes)?)
        .class(codings(consent.classes)?);
    if let (Some(_), _) | (_, Some(_)) = consent.period {
        let mut period = Period::builder();
        if let Some(start) = consent.period.0 {
            period = period.start(date_time(start)?);
        }
        if let Some(end) = consent.period.1 {
            period = period.end(date_time(end)?);
        }
        builder = builder.period(period.build()?);
    }
    Ok(builder.build()?)
}
