//! Code systems that are a grammar rather than a list, or whose list belongs to another registry.

use crate::ucum;

mod language;
mod media;
mod uri;

/// An implicit code system (FHIR R4 terminologies-systems.html "Special Code Systems").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// `urn:ietf:bcp:13`: media types.
    Media,
    /// `urn:ietf:bcp:47`: language tags.
    Language,
    /// `urn:ietf:rfc:3986`: any URI is a code.
    Uri,
    /// `http://unitsofmeasure.org`: the unified code for units of measure.
    Ucum,
}

/// What a rule says of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is a code of the system.
    Valid,
    /// It is not, for this reason.
    Invalid(&'static str),
}

impl Rule {
    /// The rule of a code system's URI.
    pub(crate) fn of(system: &str) -> Option<Self> {
        Some(match system {
            "urn:ietf:bcp:13" | "http://www.rfc-editor.org/bcp/bcp13.txt" => Self::Media,
            "urn:ietf:bcp:47" => Self::Language,
            "urn:ietf:rfc:3986" => Self::Uri,
            "http://unitsofmeasure.org" => Self::Ucum,
            _ => return None,
        })
    }

    /// Checks a code.
    pub(crate) fn check(self, code: &str) -> Verdict {
        let answer = match self {
            Self::Media => media::check(code),
            Self::Language => language::check(code),
            Self::Uri => uri::check(code),
            Self::Ucum => ucum::validate(code).map_err(|_| "expected a UCUM expression"),
        };
        match answer {
            Ok(()) => Verdict::Valid,
            Err(why) => Verdict::Invalid(why),
        }
    }
}

/// Checks the form of a code whose system is not loaded: the check digit of LOINC and SNOMED CT.
pub(crate) fn form(system: &str, code: &str) -> Result<(), &'static str> {
    match system {
        "http://loinc.org" => loinc(code),
        "http://snomed.info/sct" => snomed(code),
        _ => Ok(()),
    }
}

/// LOINC: digits, a hyphen and a mod 10 check digit (LOINC Users' Guide, "LOINC codes and check digit"). Parts, answers
/// and answer lists (LP, LA, LL) have another one, which is not looked at.
fn loinc(code: &str) -> Result<(), &'static str> {
    let part = code.strip_prefix("LP").or_else(|| code.strip_prefix("LA")).or_else(|| code.strip_prefix("LL"));
    let Some((number, check)) = part.unwrap_or(code).split_once('-') else { return Err("expected a LOINC code") };
    let well_formed = !number.is_empty() && number.len() <= 9 && number.bytes().all(|byte| byte.is_ascii_digit());
    let [check] = check.as_bytes() else { return Err("expected a LOINC code") };
    if !well_formed || !check.is_ascii_digit() {
        return Err("expected a LOINC code");
    }
    if part.is_some() {
        return Ok(());
    }
    let sum: u32 = number
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte.saturating_sub(b'0'));
            if place % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { digit }
        })
        .sum();
    let expected = (10 - sum % 10) % 10;
    if expected == u32::from(check.saturating_sub(b'0')) { Ok(()) } else { Err("the check digit of a LOINC code") }
}

/// SNOMED CT: 6 to 18 digits with a Verhoeff check digit (SNOMED CT Release File Specifications, "SCTID"). Expressions
/// and concepts of other form are left alone.
fn snomed(code: &str) -> Result<(), &'static str> {
    if !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    if !(6..=18).contains(&code.len()) || code.starts_with('0') {
        return Err("expected a SNOMED CT identifier of 6 to 18 digits");
    }
    if verhoeff(code.as_bytes()) == 0 { Ok(()) } else { Err("the check digit of a SNOMED CT identifier") }
}

/// The checksum of Verhoeff's dihedral group algorithm: 0 for a number that ends in its check digit.
///
/// The group's product and the permutation are computed, not tabled: element `x` of D5 is a rotation for x < 5 and a
/// reflection else.
fn verhoeff(digits: &[u8]) -> u8 {
    const PERMUTATION: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let product = |a: u8, b: u8| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b - 5) % 5 + 5,
        (false, true) => (a + 5 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    };
    digits.iter().rev().enumerate().fold(0, |sum, (place, digit)| {
        let mut value = digit.saturating_sub(b'0').min(9);
        for _ in 0..place % 8 {
            value = PERMUTATION.get(usize::from(value)).copied().unwrap_or(0);
        }
        product(sum, value)
    })
}

#[cfg(test)]
mod tests;
