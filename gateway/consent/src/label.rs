//! Security labels: how confidential a resource is and which sensitive topics it touches.

use model::json::Json;
use smol_str::SmolStr;

use crate::settings::{LabelCover, Labelling};
use crate::vocabulary::{ACT_CODE, CONFIDENTIALITY, canonical};

mod content;
mod map;
mod table;
mod value_sets;

pub use content::Why;
pub use map::{MapError, SensitivityMap};

/// The inline security label extension of DS4P (FHIR Data Segmentation for Privacy, "Inline Security Labels").
pub(crate) const INLINE_LABEL: &str =
    "http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label";

/// The order of HL7 v3 Confidentiality: unrestricted to very restricted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidentiality {
    /// `U` unrestricted.
    Unrestricted,
    /// `L` low.
    Low,
    /// `M` moderate.
    Moderate,
    /// `N` normal.
    Normal,
    /// `R` restricted.
    Restricted,
    /// `V` very restricted.
    VeryRestricted,
}

impl Confidentiality {
    /// Reads the code.
    pub fn parse(code: &str) -> Option<Self> {
        Some(match code {
            "U" => Self::Unrestricted,
            "L" => Self::Low,
            "M" => Self::Moderate,
            "N" => Self::Normal,
            "R" => Self::Restricted,
            "V" => Self::VeryRestricted,
            _ => return None,
        })
    }
}

/// The sensitivity codes, which are compared by bits; others are compared as text. HL7 v3 ActCode, version 2018-08-12 of
/// the FHIR R4 package, hierarchy under `_InformationSensitivityPolicy`.
const SENSITIVITIES: [&str; 41] = [
    "BH", "PSY", "MH", "SUD", "ETH", "ETHUD", "OPIOIDUD", "PSYTHPN", "COGN", "DVD", "EMOTDIS", "SPI", "HIV", "SDV",
    "SEX", "STD", "GDIS", "SCA", "SICKLE", "TBOO", "VIO", "MST", "DEMO", "B", "ADOL", "CEL", "DIA", "DRGIS", "DOB",
    "GENDER", "LIVARG", "MARST", "RACE", "REL", "EMPL", "LOCIS", "SSP", "EMP", "PDS", "PHY", "PRS",
];

/// What is below what, nearest parent first; a child may have two parents.
const BELOW: [(&str, &str); 9] = [
    ("BH", "PSY"),
    ("BH", "MH"),
    ("BH", "SUD"),
    ("BH", "ETH"),
    ("SUD", "ETHUD"),
    ("SUD", "OPIOIDUD"),
    ("ETH", "ETHUD"),
    ("ETH", "OPIOIDUD"),
    ("PSY", "PSYTHPN"),
];

/// More of the hierarchy of v3 ActCode (`_ActInformationSensitivityPolicy`), which a deny follows and a permit does
/// not: a label that is wider than it was meant closes, and never opens.
const BELOW_IN_A_DENY: [(&str, &str); 8] = [
    ("SPI", "BH"),
    ("SPI", "MH"),
    ("SPI", "PSY"),
    ("SPI", "PSYTHPN"),
    ("SPI", "SUD"),
    ("BH", "COGN"),
    ("BH", "DVD"),
    ("BH", "EMOTDIS"),
];

/// Codes of v3 ActCode that say how to handle data, not what it is about (obligations, refrains, compartments).
const HANDLING: [&str; 57] = [
    "ACCESSCONSCHEME",
    "ACOCOMPT",
    "ANONY",
    "AOD",
    "AUDIT",
    "AUDTR",
    "AUTHPOL",
    "COMPT",
    "CPLYCC",
    "CPLYCD",
    "CPLYCUI",
    "CPLYJPP",
    "CPLYOPP",
    "CPLYOSP",
    "CPLYPOL",
    "CTCOMPT",
    "DECLASSIFYLABEL",
    "DEID",
    "DELAU",
    "DELEPOL",
    "DOWNGRDLABEL",
    "DRIVLABEL",
    "ENCRYPT",
    "ENCRYPTR",
    "ENCRYPTT",
    "ENCRYPTU",
    "FMCOMPT",
    "HRCOMPT",
    "HUAPRV",
    "LABEL",
    "LRCOMPT",
    "MASK",
    "MINEC",
    "NOAUTH",
    "NOCOLLECT",
    "NODSCLCD",
    "NODSCLCDS",
    "NOINTEGRATE",
    "NOLIST",
    "NOMOU",
    "NOORGPOL",
    "NOPAT",
    "NOPERSISTP",
    "NORDSCLCD",
    "NORDSCLCDS",
    "NORDSCLW",
    "NORELINK",
    "NOREUSE",
    "NOVIP",
    "ORCON",
    "PACOMPT",
    "PERSISTLABEL",
    "PRIVMARK",
    "PROCESSINLINELABEL",
    "PSEUD",
    "REDACT",
    "UPGRDLABEL",
];

/// The bit of a sensitivity code; none for codes that are not in the table.
pub(crate) fn sensitivity_bit(code: &str) -> u64 {
    SENSITIVITIES.iter().position(|known| *known == code).map_or(0, |place| 1 << place)
}

/// Whether v3 ActCode has this sensitivity code.
pub(crate) fn is_sensitivity(code: &str) -> bool {
    SENSITIVITIES.contains(&code)
}

/// The bits of a sensitivity code and of all below it.
pub(crate) fn sensitivity_with_descendants(code: &str, in_a_deny: bool) -> u64 {
    let own = sensitivity_bit(code);
    let wider: &[(&str, &str)] = if in_a_deny { &BELOW_IN_A_DENY } else { &[] };
    let below = BELOW.iter().chain(wider).filter(|(parent, _)| *parent == code);
    below.fold(own, |bits, (_, child)| bits | sensitivity_with_descendants(child, in_a_deny))
}

/// A code, with its system where it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) system: Option<SmolStr>,
    pub(crate) code: SmolStr,
}

/// The labels of a resource or of an element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// The highest confidentiality code; an unknown one counts as the highest.
    confidentiality: Option<Confidentiality>,
    /// Sensitivity codes of v3 ActCode that have a bit.
    known: u64,
    /// Sensitivity labels that have none: other codes, other systems, no system.
    others: Vec<Label>,
    /// Labels that say nothing about the topic: handling instructions, purposes.
    handling: Vec<Label>,
}

impl Labels {
    /// Adds a label as it stands in `meta.security` or in an inline label. A coding without a code is a label that
    /// cannot be read, and counts as very restricted.
    pub fn add(&mut self, coding: &Json) {
        let system = coding.get("system").and_then(Json::as_str).map(canonical);
        match coding.get("code").and_then(Json::as_str) {
            Some(code) => self.add_code(system, code),
            None => self.raise(Confidentiality::VeryRestricted),
        }
    }

    /// Adds a label by system and code.
    pub(crate) fn add_code(&mut self, system: Option<&str>, code: &str) {
        let label = || Label { system: system.map(SmolStr::new), code: SmolStr::new(code) };
        match system {
            Some(CONFIDENTIALITY) => {
                self.raise(Confidentiality::parse(code).unwrap_or(Confidentiality::VeryRestricted))
            }
            Some(ACT_CODE) if HANDLING.binary_search(&code).is_ok() => self.handling.push(label()),
            Some(ACT_CODE) => match sensitivity_bit(code) {
                0 => self.others.push(label()),
                bit => self.known |= bit,
            },
            Some(system) if system.starts_with("http://terminology.hl7.org/CodeSystem/v3-") => {
                self.handling.push(label());
            }
            None if Confidentiality::parse(code).is_some() => {
                self.raise(Confidentiality::parse(code).unwrap_or(Confidentiality::VeryRestricted));
            }
            _ => self.others.push(label()),
        }
    }

    /// Adds all labels of another set: for contained resources, whose labels count for what holds them.
    pub fn merge(&mut self, other: &Self) {
        if let Some(confidentiality) = other.confidentiality {
            self.raise(confidentiality);
        }
        self.known |= other.known;
        self.others.extend(other.others.iter().cloned());
        self.handling.extend(other.handling.iter().cloned());
    }

    /// Whether there is no label at all.
    pub fn is_empty(&self) -> bool {
        self.confidentiality.is_none() && !self.is_sensitive() && self.handling.is_empty()
    }

    /// Whether there is a sensitivity label.
    pub fn is_sensitive(&self) -> bool {
        self.known != 0 || !self.others.is_empty()
    }

    /// The confidentiality that counts.
    pub fn effective(&self, labelling: Labelling) -> Confidentiality {
        match self.confidentiality {
            Some(confidentiality) => confidentiality,
            None if self.is_sensitive() => Confidentiality::Restricted,
            None => match labelling {
                Labelling::Complete | Labelling::Map => Confidentiality::Normal,
                Labelling::Unavailable => Confidentiality::Restricted,
            },
        }
    }

    /// The memory behind it, roughly.
    pub(crate) fn heap_bytes(&self) -> usize {
        let texts = |label: &Label| label.code.len() + label.system.as_ref().map_or(0, SmolStr::len);
        self.others.iter().chain(&self.handling).map(|label| texts(label) + size_of::<Label>()).sum()
    }

    pub(crate) fn raise(&mut self, confidentiality: Confidentiality) {
        self.confidentiality = self.confidentiality.max(Some(confidentiality));
    }
}

/// The criterion `securityLabel` of a provision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LabelCriterion {
    /// In a deny the lowest listed code, in a permit the highest.
    bound: Option<Confidentiality>,
    /// Known sensitivity codes, with all below them.
    known: u64,
    /// Codes that are compared as text.
    others: Vec<Label>,
}

impl LabelCriterion {
    /// Takes up a listed label.
    pub(crate) fn list(&mut self, system: Option<&str>, code: &str, in_a_deny: bool) -> Result<(), ()> {
        if system.is_none() && !in_a_deny {
            return Ok(());
        }
        let confidentiality = Confidentiality::parse(code).filter(|_| system.is_none_or(|it| it == CONFIDENTIALITY));
        if let Some(listed) = confidentiality {
            self.bound = Some(match self.bound {
                None => listed,
                Some(bound) if in_a_deny => bound.min(listed),
                Some(bound) => bound.max(listed),
            });
            return Ok(());
        }
        if system == Some(CONFIDENTIALITY) {
            return Err(());
        }
        if system.is_none_or(|it| it == ACT_CODE) {
            self.known |= sensitivity_with_descendants(code, in_a_deny);
        }
        self.others.push(Label { system: system.map(SmolStr::new), code: SmolStr::new(code) });
        Ok(())
    }

    /// Whether a deny with this criterion reaches the labels.
    pub(crate) fn denies(&self, labels: &Labels, effective: Confidentiality) -> bool {
        let reached = |label: &Label| {
            self.others.iter().any(|listed| {
                listed.code == label.code
                    && (listed.system.is_none() || label.system.is_none() || listed.system == label.system)
            }) || label.system.is_none() && self.known & sensitivity_bit(&label.code) != 0
        };
        self.bound.is_some_and(|bound| effective >= bound)
            || self.known & labels.known != 0
            || !self.others.is_empty() && (labels.others.iter().any(reached) || labels.handling.iter().any(reached))
    }

    /// Whether a permit with this criterion covers the labels.
    pub(crate) fn permits(&self, labels: &Labels, effective: Confidentiality, cover: LabelCover) -> bool {
        let covered = |label: &Label| label.system.is_some() && self.others.contains(label);
        let listed = || match cover {
            LabelCover::All => {
                labels.is_sensitive() && labels.known & !self.known == 0 && labels.others.iter().all(covered)
            }
            LabelCover::Any => labels.known & self.known != 0 || labels.others.iter().any(covered),
        };
        self.bound.is_some_and(|bound| effective <= bound) || listed()
    }
}

#[cfg(test)]
mod tests;
