//! The code systems the rules speak of, and the purposes of use.

use std::sync::LazyLock;

/// v3 Confidentiality.
pub(crate) const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
/// v3 ActCode: sensitivity policies, consent directives, obligations and refrains.
pub(crate) const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
/// v3 ActReason: purposes of use.
pub(crate) const ACT_REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
/// v3 ObservationValue: where the label `REDACTED` stands.
pub(crate) const OBSERVATION_VALUE: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";
/// Roles of a consent's actor.
pub(crate) const PARTICIPATION_TYPE: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
/// More roles of a consent's actor.
pub(crate) const ROLE_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-RoleCode";
/// What a Consent is about.
pub(crate) const CONSENT_SCOPE: &str = "http://terminology.hl7.org/CodeSystem/consentscope";
/// `Consent.provision.action`.
pub(crate) const CONSENT_ACTION: &str = "http://terminology.hl7.org/CodeSystem/consentaction";
/// Names of resource types.
pub(crate) const RESOURCE_TYPES: &str = "http://hl7.org/fhir/resource-types";
/// Codes that are URIs: canonical URLs of profiles.
pub(crate) const URI: &str = "urn:ietf:rfc:3986";
/// Codes that are MIME types.
pub(crate) const MIME: &str = "urn:ietf:bcp:13";
/// Document types.
pub(crate) const LOINC: &str = "http://loinc.org";

/// The name of a code system as the tables have it; older spellings and OIDs of the same systems count as the same.
pub(crate) fn canonical(system: &str) -> &str {
    match system {
        "http://hl7.org/fhir/v3/Confidentiality" | "urn:oid:2.16.840.1.113883.5.25" => CONFIDENTIALITY,
        "http://hl7.org/fhir/v3/ActCode" | "urn:oid:2.16.840.1.113883.5.4" => ACT_CODE,
        "http://hl7.org/fhir/v3/ActReason" | "urn:oid:2.16.840.1.113883.5.8" => ACT_REASON,
        "http://hl7.org/fhir/v3/ObservationValue" | "urn:oid:2.16.840.1.113883.5.1063" => OBSERVATION_VALUE,
        "http://hl7.org/fhir/v3/ParticipationType" | "urn:oid:2.16.840.1.113883.5.90" => PARTICIPATION_TYPE,
        "http://hl7.org/fhir/v3/RoleCode" | "urn:oid:2.16.840.1.113883.5.111" => ROLE_CODE,
        "http://hl7.org/fhir/consentscope" => CONSENT_SCOPE,
        "http://hl7.org/fhir/consentaction" => CONSENT_ACTION,
        "urn:oid:2.16.840.1.113883.6.1" => LOINC,
        "urn:oid:2.16.840.1.113883.6.3" => "http://hl7.org/fhir/sid/icd-10",
        "urn:oid:2.16.840.1.113883.6.8" => "http://unitsofmeasure.org",
        "urn:oid:2.16.840.1.113883.6.73" => "http://www.whocc.no/atc",
        "urn:oid:2.16.840.1.113883.6.88" => "http://www.nlm.nih.gov/research/umls/rxnorm",
        "urn:oid:2.16.840.1.113883.6.90" => "http://hl7.org/fhir/sid/icd-10-cm",
        "urn:oid:2.16.840.1.113883.6.96" => "http://snomed.info/sct",
        "urn:oid:2.16.840.1.113883.6.103" => "http://hl7.org/fhir/sid/icd-9-cm",
        "urn:oid:2.16.840.1.113883.12.292" => "http://hl7.org/fhir/sid/cvx",
        "http://fhir.de/CodeSystem/dimdi/icd-10-gm" => "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
        other => other,
    }
}

/// The purposes of use with their depth, each followed by what is under it.
/// HL7 v3 code system ActReason, version 2018-08-12 of the FHIR R4 package, hierarchy under `PurposeOfUse`.
const PURPOSES: [(&str, u8); 60] = [
    ("PurposeOfUse", 0),
    ("HMARKT", 1),
    ("HOPERAT", 1),
    ("CAREMGT", 2),
    ("DONAT", 2),
    ("FRAUD", 2),
    ("GOV", 2),
    ("HACCRED", 2),
    ("HCOMPL", 2),
    ("HDECD", 2),
    ("HDIRECT", 2),
    ("HDM", 2),
    ("HLEGAL", 2),
    ("HOUTCOMS", 2),
    ("HPRGRP", 2),
    ("HQUALIMP", 2),
    ("HSYSADMIN", 2),
    ("LABELING", 3),
    ("METAMGT", 3),
    ("MEMADMIN", 2),
    ("MILCDM", 2),
    ("PATADMIN", 2),
    ("PATSFTY", 2),
    ("PERFMSR", 2),
    ("RECORDMGT", 2),
    ("SYSDEV", 2),
    ("HTEST", 3),
    ("TRAIN", 2),
    ("HPAYMT", 1),
    ("CLMATTCH", 2),
    ("COVAUTH", 2),
    ("COVERAGE", 2),
    ("ELIGDTRM", 3),
    ("ELIGVER", 3),
    ("ENROLLM", 3),
    ("MILDCRG", 3),
    ("REMITADV", 2),
    ("HRESCH", 1),
    ("BIORCH", 2),
    ("CLINTRCH", 2),
    ("CLINTRCHNPC", 3),
    ("CLINTRCHPC", 3),
    ("PRECLINTRCH", 3),
    ("DSRCH", 2),
    ("POARCH", 2),
    ("TRANSRCH", 2),
    ("PATRQT", 1),
    ("FAMRQT", 2),
    ("PWATRNY", 2),
    ("SUPNWK", 2),
    ("PUBHLTH", 1),
    ("DISASTER", 2),
    ("THREAT", 2),
    ("TREAT", 1),
    ("CLINTRL", 2),
    ("COC", 2),
    ("ETREAT", 2),
    ("BTG", 3),
    ("ERTREAT", 3),
    ("POPHLTH", 2),
];

/// Emergency treatment and what is below it.
pub(crate) static EMERGENCY: LazyLock<u64> = LazyLock::new(|| purpose_with_descendants("ETREAT"));
/// Research and what is below it.
pub(crate) static RESEARCH: LazyLock<u64> = LazyLock::new(|| purpose_with_descendants("HRESCH"));
/// Treatment and what is below it.
pub(crate) static TREATMENT: LazyLock<u64> = LazyLock::new(|| purpose_with_descendants("TREAT"));

/// The place of a purpose in the table; `None` for codes that are not in it.
pub(crate) fn purpose_index(code: &str) -> Option<u8> {
    PURPOSES.iter().position(|(known, _)| *known == code).and_then(|index| u8::try_from(index).ok())
}

/// The bits of a purpose and of all below it; no bit for codes that are not in the table.
pub(crate) fn purpose_with_descendants(code: &str) -> u64 {
    let Some(index) = purpose_index(code) else { return 0 };
    let mut rest = PURPOSES.iter().enumerate().skip(usize::from(index));
    let Some((first, (_, depth))) = rest.next() else { return 0 };
    let below = rest.take_while(|(_, (_, other))| other > depth).map(|(place, _)| place);
    std::iter::once(first).chain(below).fold(0, |bits, place| bits | 1 << place)
}

#[cfg(test)]
mod tests;
