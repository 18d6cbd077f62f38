//! The lexical form of primitives. FHIR R4 datatypes.html, "Primitive Types".

use model::json::Json;
use model::time::{PartialDateTime, Precision};
use model::types::Primitive;

/// What is wrong with a value, as an issue code and what was expected. `None` if it has the form of its type.
pub(crate) fn check(kind: Primitive, value: &Json) -> Option<(&'static str, &'static str)> {
    match (kind, value) {
        (Primitive::Boolean, Json::Bool(_)) | (Primitive::Decimal, Json::Number(_)) => None,
        (Primitive::Boolean, _) => Some(("structure", "expected true or false without quotation marks")),
        (Primitive::Decimal, _) => Some(("structure", "expected a JSON number")),
        (Primitive::Integer, Json::Number(number)) => {
            let fits = number.as_str().parse::<i32>().is_ok();
            expect(fits, "expected a whole number of 32 bits")
        }
        (Primitive::UnsignedInt, Json::Number(number)) => {
            expect(number.as_u64().is_some_and(|value| value <= MAX_INT), "expected a whole number of 0 to 2147483647")
        }
        (Primitive::PositiveInt, Json::Number(number)) => {
            let fits = number.as_u64().is_some_and(|value| (1..=MAX_INT).contains(&value));
            expect(fits, "expected a whole number of 1 to 2147483647")
        }
        (Primitive::Integer | Primitive::UnsignedInt | Primitive::PositiveInt, _) => {
            Some(("structure", "expected a JSON number"))
        }
        (_, Json::String(text)) => {
            if text.is_empty() {
                return Some(("value", "expected at least one character; an absent element is left out"));
            }
            self::text(kind, text)
        }
        _ => Some(("structure", "expected a string")),
    }
}

const MAX_INT: u64 = i32::MAX as u64;

fn expect(holds: bool, expected: &'static str) -> Option<(&'static str, &'static str)> {
    (!holds).then_some(("value", expected))
}

fn text(kind: Primitive, text: &str) -> Option<(&'static str, &'static str)> {
    let precision = || PartialDateTime::precision_of(text);
    match kind {
        Primitive::String | Primitive::Markdown => string(text),
        Primitive::Code => expect(is_code(text), "expected a code: no white space at its ends, single blanks inside"),
        Primitive::Id => expect(is_id(text), "expected an id: 1 to 64 letters, digits, '-' or '.'"),
        Primitive::Uri | Primitive::Url | Primitive::Canonical => uri(text),
        Primitive::Oid => expect(is_oid(text), "expected urn:oid: and an OID"),
        Primitive::Uuid => expect(is_uuid(text), "expected urn:uuid: and a UUID in lower case"),
        Primitive::Base64Binary => expect(is_base64(text), "expected base64"),
        Primitive::Date => {
            let is_date = precision().is_ok_and(|precision| precision <= Precision::Day);
            expect(is_date, "expected a date: YYYY, YYYY-MM or YYYY-MM-DD, of a day that exists")
        }
        Primitive::DateTime => expect(
            precision().is_ok(),
            "expected YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with a zone, of a day that exists",
        ),
        Primitive::Instant => {
            let is_instant = precision().is_ok_and(|precision| precision >= Precision::Second);
            expect(is_instant, "expected YYYY-MM-DDThh:mm:ss with a zone, of a day that exists")
        }
        Primitive::Time => expect(is_time(text), "expected hh:mm:ss"),
        Primitive::Xhtml => super::xhtml::check(text).map(|expected| ("invalid", expected)),
        Primitive::Boolean
        | Primitive::Decimal
        | Primitive::Integer
        | Primitive::Integer64
        | Primitive::PositiveInt
        | Primitive::UnsignedInt => Some(("structure", "expected no string")),
    }
}

/// R4 "string": `[ \r\n\t\S]+`, at most 1 MB.
fn string(text: &str) -> Option<(&'static str, &'static str)> {
    const MAX: usize = 1024 * 1024;
    if text.len() > MAX {
        return Some(("too-long", "expected at most 1 MB"));
    }
    let is_control = |letter: char| letter < ' ' && !matches!(letter, '\t' | '\n' | '\r');
    if text.bytes().any(|byte| byte < b' ') && text.chars().any(is_control) {
        return Some(("value", "expected no control characters but tab and line ends"));
    }
    expect(!text.chars().all(char::is_whitespace), "expected something other than white space")
}

/// R4 "code": `[^\s]+(\s[^\s]+)*`.
fn is_code(text: &str) -> bool {
    let mut blank = true;
    for letter in text.chars() {
        let is_blank = letter.is_whitespace() || letter < ' ';
        if is_blank && blank {
            return false;
        }
        blank = is_blank;
    }
    !blank
}

fn is_id(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
}

/// R4 "uri": no white space; `urn:oid:` and `urn:uuid:` are held to their form.
fn uri(text: &str) -> Option<(&'static str, &'static str)> {
    if text.chars().any(|letter| letter.is_whitespace() || letter < ' ') {
        return Some(("value", "expected a URI: no white space"));
    }
    // Before the version of a canonical and before a fragment.
    let text = text.split(['|', '#']).next().unwrap_or_default();
    if text.starts_with("urn:oid:") {
        return expect(is_oid(text), "expected an OID after urn:oid:");
    }
    match text.strip_prefix("urn:uuid:") {
        Some(uuid) => expect(has_uuid_form(uuid), "expected a UUID after urn:uuid:"),
        None => None,
    }
}

/// R4 "oid": `urn:oid:[0-2](\.(0|[1-9][0-9]*))+`.
fn is_oid(text: &str) -> bool {
    let Some(oid) = text.strip_prefix("urn:oid:") else { return false };
    let mut arcs = oid.split('.');
    let first = matches!(arcs.next(), Some("0" | "1" | "2"));
    let mut more = false;
    let rest = arcs.all(|arc| {
        more = true;
        arc == "0" || (!arc.starts_with('0') && !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit()))
    });
    first && rest && more
}

fn is_uuid(text: &str) -> bool {
    text.strip_prefix("urn:uuid:")
        .is_some_and(|uuid| has_uuid_form(uuid) && !uuid.bytes().any(|byte| byte.is_ascii_uppercase()))
}

fn has_uuid_form(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// R4 "base64Binary": groups of four, white space between them, padding at the end only.
fn is_base64(text: &str) -> bool {
    let mut count = 0usize;
    let mut padding = 0usize;
    for byte in text.bytes() {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => continue,
            b'=' => padding += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => {}
            _ => return false,
        }
        count += 1;
    }
    count > 0 && count.is_multiple_of(4) && padding <= 2
}

/// R4 "time": `hh:mm:ss`, with a fraction, without a zone.
fn is_time(text: &str) -> bool {
    // The same rules as in a dateTime: put a day in front and a zone behind.
    text.as_bytes().get(2) == Some(&b':')
        && !text.contains(['Z', '+', '-'])
        && PartialDateTime::precision_of(&format!("2000-01-01T{text}Z")).is_ok()
}
