//! Numbers, with or without a comparator.

use smol_str::format_smolstr;

use crate::quick::trim;

use super::{Call, Failure, Function, Output, exact, same};

/// The functions of this subject.
pub(super) const FUNCTIONS: &[Function] = &[
    Function { name: "decimal", arguments: 0, forward: decimal, backward: Some(same) },
    Function { name: "integer", arguments: 0, forward: integer, backward: Some(same) },
    Function { name: "positiveInt", arguments: 0, forward: positive_int, backward: Some(same) },
    Function { name: "comparator", arguments: 0, forward: comparator, backward: Some(same) },
    Function { name: "comparator_of", arguments: 0, forward: comparator_of, backward: Some(same) },
    Function { name: "range_low", arguments: 0, forward: range_low, backward: None },
    Function { name: "range_high", arguments: 0, forward: range_high, backward: None },
    Function { name: "number_of", arguments: 0, forward: number_of, backward: Some(same) },
];

/// HL7 v2.8.2 chapter 2A, "NM": optional sign, digits, optional fraction. The digits stay as they are, except where JSON
/// has no number for them (`+4`, `.5`, `007`): then the text is kept as well.
fn decimal(call: &Call<'_>) -> Result<Output, Failure> {
    let text = trim(call.value);
    let (sign, whole, fraction) = numeral(text).ok_or(Failure("expected a number"))?;
    let written = match whole.trim_start_matches('0') {
        "" => "0",
        rest => rest,
    };
    if written == whole && !text.starts_with('+') && !text.ends_with('.') {
        return exact(text);
    }
    let dot = if fraction.is_empty() { "" } else { "." };
    Ok(Output { value: format_smolstr!("{sign}{written}{dot}{fraction}"), lossy: Some("") })
}

/// The sign if it is a minus, the digits before the point and those after it.
fn numeral(text: &str) -> Option<(&str, &str, &str)> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let numeric = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let some = !(whole.is_empty() && fraction.is_empty()) && digits.len() <= 40;
    (some && numeric(whole) && numeric(fraction)).then_some((sign, whole, fraction))
}

fn integer(call: &Call<'_>) -> Result<Output, Failure> {
    let number: i32 = call.value.trim().parse().map_err(|_| Failure("expected a whole number"))?;
    exact(format_smolstr!("{number}"))
}

fn positive_int(call: &Call<'_>) -> Result<Output, Failure> {
    let number: u32 = call.value.trim().parse().map_err(|_| Failure("expected a whole number above 0"))?;
    if number == 0 || number > i32::MAX as u32 {
        return Err(Failure("expected a whole number above 0"));
    }
    exact(format_smolstr!("{number}"))
}

/// SN.1 and the like; `=` says nothing more than the number does.
fn comparator(call: &Call<'_>) -> Result<Output, Failure> {
    match call.value.trim() {
        value @ ("<" | "<=" | ">" | ">=") => exact(value),
        _ => Err(Failure("expected one of < <= > >=")),
    }
}

/// The ends of a reference range: `4.5-5.9`, `< 5`, `>= 3`. HL7 v2.8.2 chapter 7, OBX-7.
pub(crate) fn range(text: &str) -> (Option<&str>, Option<&str>) {
    if let Some((sign, number)) = compared(text) {
        return if sign.starts_with('<') { (None, Some(number)) } else { (Some(number), None) };
    }
    let text = trim(text);
    // The first character may be a sign.
    let dash = text.char_indices().skip(1).find(|(_, c)| *c == '-').map(|(at, _)| at);
    let ends = dash.and_then(|at| Some((text.get(..at)?.trim(), text.get(at + 1..)?.trim())));
    match ends {
        Some((low, high)) if is_number(low) && is_number(high) => (Some(low), Some(high)),
        _ => (None, None),
    }
}

fn range_low(call: &Call<'_>) -> Result<Output, Failure> {
    range_end(call, range(call.value).0)
}

fn range_high(call: &Call<'_>) -> Result<Output, Failure> {
    range_end(call, range(call.value).1)
}

/// The text of the range keeps the lexeme: an end is a number alone.
fn range_end(call: &Call<'_>, end: Option<&str>) -> Result<Output, Failure> {
    let number = end.ok_or(Failure("expected the end of a range"))?;
    decimal(&Call { value: number, ..*call }).map(|output| Output { lossy: None, ..output })
}

/// The comparator and the number of a text such as `<0.5` or `>= 100`.
pub(crate) fn compared(text: &str) -> Option<(&str, &str)> {
    let text = trim(text);
    let length = text.bytes().take_while(|b| matches!(b, b'<' | b'>' | b'=')).count();
    let (sign, number) = text.split_at_checked(length)?;
    let number = trim(number);
    (matches!(sign, "<" | "<=" | ">" | ">=") && is_number(number)).then_some((sign, number))
}

/// Whether [`decimal`] reads the text.
pub(crate) fn is_number(text: &str) -> bool {
    numeral(trim(text)).is_some()
}

fn comparator_of(call: &Call<'_>) -> Result<Output, Failure> {
    let (sign, _) = compared(call.value).ok_or(Failure("expected a comparator and a number"))?;
    exact(sign)
}

fn number_of(call: &Call<'_>) -> Result<Output, Failure> {
    let (_, number) = compared(call.value).ok_or(Failure("expected a comparator and a number"))?;
    decimal(&Call { value: number, ..*call })
}
