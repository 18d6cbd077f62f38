//! Code systems that are a grammar rather than a list, or whose list belongs to another registry.

use crate::check_digit;
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

/// What a code's form says about it, where its system is not loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// It may be a code of the system.
    Possible,
    /// Its check digit is wrong, which a system does not rule out for all time.
    CheckDigit(&'static str),
    /// The system has no codes of this form.
    Impossible,
}

/// Looks at the form of a code of LOINC or SNOMED CT.
pub(crate) fn form(system: &str, code: &str) -> Form {
    match system {
        "http://loinc.org" => loinc(code),
        "http://snomed.info/sct" => snomed(code),
        _ => Form::Possible,
    }
}

/// LOINC: digits, a hyphen and a mod 10 check digit (LOINC Users' Guide, "LOINC codes and check digit"). Parts, answers,
/// answer lists and groups (LP, LA, LL, LG) have another one, which is not looked at; what else begins with letters is
/// left alone.
fn loinc(code: &str) -> Form {
    if code.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic()) {
        let plain = code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        return if plain { Form::Possible } else { Form::Impossible };
    }
    let Some((number, check)) = code.split_once('-') else { return Form::Impossible };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !(1..=9).contains(&number.len()) || check.len() != 1 || !digits(number) || !digits(check) {
        return Form::Impossible;
    }
    let expected = check_digit::mod10(number);
    if check.parse() == Ok(expected) { Form::Possible } else { Form::CheckDigit("the check digit of a LOINC code") }
}

/// Whether this may be an expression of SNOMED CT rather than a code.
pub(crate) fn is_expression(code: &str) -> bool {
    !code.bytes().all(|byte| byte.is_ascii_digit()) && snomed(code) == Form::Possible
}

/// SNOMED CT: 6 to 18 digits with a Verhoeff check digit (SNOMED CT Release File Specifications, "SCTID"), or an
/// expression of several, which begins with one, a parenthesis or a definition status and is not looked at further.
fn snomed(code: &str) -> Form {
    let digits = code.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = code.split_at_checked(digits).unwrap_or((code, ""));
    let sized = (6..=18).contains(&number.len()) && !number.starts_with('0');
    match rest.trim_start().bytes().next() {
        None if !sized => Form::Impossible,
        None if check_digit::is_verhoeff(number) => Form::Possible,
        None => Form::CheckDigit("the check digit of a SNOMED CT identifier"),
        Some(b'|' | b':' | b'+' | b',') if sized => Form::Possible,
        Some(b'(' | b'=' | b'<') if number.is_empty() => Form::Possible,
        Some(_) => Form::Impossible,
    }
}

#[cfg(test)]
mod tests;
