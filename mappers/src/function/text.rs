//! Texts, codes and flags as they stand.

use crate::quick::trim;

use super::{Back, Call, Failure, Function, Output, exact, same};

/// The functions of this subject.
pub(super) const FUNCTIONS: &[Function] = &[
    Function { name: "text", arguments: 0, forward: text, backward: Some(same) },
    Function { name: "trimmed", arguments: 0, forward: trimmed, backward: Some(same) },
    Function { name: "id", arguments: 0, forward: id, backward: Some(same) },
    Function { name: "code", arguments: 0, forward: code, backward: Some(same) },
    Function { name: "uri", arguments: 0, forward: uri, backward: Some(same) },
    Function { name: "boolean", arguments: 0, forward: boolean, backward: Some(yes_or_no) },
    Function { name: "truth", arguments: 0, forward: truth, backward: Some(same) },
];

fn text(call: &Call<'_>) -> Result<Output, Failure> {
    if trim(call.value).is_empty() { Err(Failure("expected text, found blanks")) } else { exact(call.value) }
}

fn trimmed(call: &Call<'_>) -> Result<Output, Failure> {
    match trim(call.value) {
        "" => Err(Failure("expected text, found blanks")),
        value => exact(value),
    }
}

/// FHIR R4 datatypes.html, "code": no leading, trailing or double white space.
fn code(call: &Call<'_>) -> Result<Output, Failure> {
    let value = trim(call.value);
    if value.is_empty() {
        return Err(Failure("expected a code, found blanks"));
    }
    let doubled = value.as_bytes().windows(2).any(|pair| pair.iter().all(u8::is_ascii_whitespace));
    let odd = value.bytes().any(|b| matches!(b, b'\n' | b'\r' | b'\t'));
    if doubled || odd {
        return exact(value.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    exact(value)
}

/// FHIR R4 datatypes.html, "id": letters, digits, `-` and `.`, at most 64.
fn id(call: &Call<'_>) -> Result<Output, Failure> {
    let value = trim(call.value);
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
    if value.is_empty() || value.len() > 64 || !value.bytes().all(fits) {
        return Err(Failure("expected letters, digits, - and . as in a FHIR id"));
    }
    exact(value)
}

fn uri(call: &Call<'_>) -> Result<Output, Failure> {
    let value = trim(call.value);
    if value.is_empty() || value.contains(char::is_whitespace) {
        return Err(Failure("expected a URI without blanks"));
    }
    exact(value)
}

/// XML Schema part 2, "boolean": the words, or 1 and 0.
fn truth(call: &Call<'_>) -> Result<Output, Failure> {
    match trim(call.value) {
        "true" | "1" => exact("true"),
        "false" | "0" => exact("false"),
        _ => Err(Failure("expected true or false")),
    }
}

/// HL7 table 0136 "Yes/No Indicator".
fn boolean(call: &Call<'_>) -> Result<Output, Failure> {
    match trim(call.value) {
        "Y" | "y" => exact("true"),
        "N" | "n" => exact("false"),
        _ => Err(Failure("expected Y or N")),
    }
}

fn yes_or_no(back: &Back<'_>) -> Option<Vec<String>> {
    match back.value {
        "true" => Some(vec!["Y".to_owned()]),
        "false" => Some(vec!["N".to_owned()]),
        _ => None,
    }
}
