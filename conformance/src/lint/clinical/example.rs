//! Observations in an HL7 v2 message: code, words, unit, value; sex against what the codes say.

use formats::hl7v2::{Message, Segment};

use super::{Coding, Finding, Place, agree, measured, named};

pub(super) fn findings(path: &str, bytes: &[u8], out: &mut Vec<Finding>) {
    let Ok(parsed) = Message::parse(bytes) else { return };
    let message = &parsed.message;
    let sex = message.segment("PID").map(|pid| pid.field(8).component(1).text().into_owned()).unwrap_or_default();
    let mut displays: Vec<(Coding, usize)> = Vec::new();
    for segment in message.segments() {
        let place = Place { file: path, line: segment.position() + 1 };
        match segment.name() {
            "OBX" => observation(&place, &segment, &mut displays, out),
            "DG1" | "PRB" => {}
            _ => continue,
        }
        for coding in codings(&segment, 3) {
            sex_specific(&place, &coding, &sex, out);
        }
    }
}

/// The two codings of a field of type CE or CWE.
fn codings(segment: &Segment<'_>, field: usize) -> Vec<Coding> {
    let part = |n: usize| segment.field(field).component(n).text().trim().to_owned();
    let coding = |n: usize| Coding { code: part(n), display: part(n + 1), system: part(n + 2) };
    [1, 4].into_iter().map(coding).filter(|coding| !coding.code.is_empty()).collect()
}

fn observation(place: &Place<'_>, segment: &Segment<'_>, displays: &mut Vec<(Coding, usize)>, out: &mut Vec<Finding>) {
    let codings = codings(segment, 3);
    let wrong = codings.iter().any(|coding| named(place, coding, &coding.display, out));
    if !wrong {
        agree(place, &codings, out);
    }
    let unit = segment.field(6).component(1).text().trim().to_owned();
    let value = match segment.field(2).text().trim() {
        "NM" => segment.field(5).component(1).text().trim().to_owned(),
        _ => String::new(),
    };
    for coding in &codings {
        measured(place, coding, &unit, &value, out);
        one_display(place, coding, displays, out);
    }
}

/// A code of a public system has one meaning: two names in one file is a slip in one of them.
fn one_display(place: &Place<'_>, coding: &Coding, displays: &mut Vec<(Coding, usize)>, out: &mut Vec<Finding>) {
    if coding.display.is_empty() || !matches!(coding.system.as_str(), "LN" | "SCT") {
        return;
    }
    let other = displays.iter().find(|(other, _)| other.code == coding.code && other.system == coding.system);
    match other {
        Some((other, line)) if !other.display.eq_ignore_ascii_case(&coding.display) => {
            let text = format!("the code {} has another name in line {line}", coding.code);
            out.push(place.warning("two-displays", text).suggest("give one of them its own code"));
        }
        Some(_) => {}
        None => displays.push((coding.clone(), place.line)),
    }
}

/// Codes that only one sex can have. LOINC and SNOMED CT by their public pages; kept to what is certain.
const FEMALE: [(&str, &str); 6] = [
    ("http://loinc.org", "11778-8"),
    ("http://loinc.org", "82810-3"),
    ("http://loinc.org", "8665-2"),
    ("http://loinc.org", "11996-6"),
    ("http://snomed.info/sct", "77386006"),
    ("http://snomed.info/sct", "289908002"),
];
const MALE: [(&str, &str); 2] = [("http://loinc.org", "2857-1"), ("http://snomed.info/sct", "399068003")];

pub(super) fn sex_specific(place: &Place<'_>, coding: &Coding, sex: &str, out: &mut Vec<Finding>) {
    let listed = |list: &[(&str, &str)]| {
        list.iter().any(|(system, code)| *code == coding.code && super::is_system(system, &coding.system))
    };
    let wrong = match sex {
        "M" | "male" => listed(&FEMALE),
        "F" | "female" => listed(&MALE),
        _ => false,
    };
    if wrong {
        let text = format!("the code {} cannot be said of a patient of this sex", coding.code);
        out.push(place.error("sex-against-code", text));
    }
}
