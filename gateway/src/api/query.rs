//! Query strings and forms: `application/x-www-form-urlencoded` (WHATWG URL, "application/x-www-form-urlencoded parsing").

use model::time::PartialDateTime;

use super::outcome::Failure;
use super::router::percent_decoded;

#[cfg(test)]
mod tests;

/// Parameters of one query, and values between commas in all of them: each is looked up on its own.
const MOST: usize = 2_000;

/// The pairs of a query in their order.
///
/// # Errors
/// 400 if an escape is cut or its result is no UTF-8, or if there are too many of them.
pub fn pairs(text: &str) -> Result<Vec<(String, String)>, Failure> {
    let many = |signs: &[&str]| signs.iter().map(|sign| text.matches(sign).count()).sum::<usize>() > MOST;
    if many(&["&", ",", "%2C", "%2c"]) {
        let text = format!("more than {MOST} parameters and values in one query");
        return Err(Failure::new(http::StatusCode::BAD_REQUEST, "too-costly", text));
    }
    let decoded = |piece: &str| {
        percent_decoded(&piece.replace('+', " "))
            .ok_or_else(|| Failure::bad("the query holds an escape that is cut or no UTF-8"))
    };
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(name)?, decoded(value)?))
        })
        .collect()
}

/// Pairs as a query; [`pairs`] reads them again.
pub fn joined(pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    pairs.join("&")
}

/// A text as it may stand in a query.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b',' | b'|' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The date or time that a parameter of the gateway's own interfaces has.
///
/// # Errors
/// 400 for what is neither.
pub fn moment(name: &str, value: &str) -> Result<PartialDateTime, Failure> {
    PartialDateTime::parse(value)
        .map_err(|_| Failure::bad(format!("{name}: expected a date or a time such as 2026-03-01T10:00:00Z")))
}

/// A 400 that names a parameter this address does not know.
pub fn unknown_parameter(name: &str, known: &str) -> Failure {
    // The name is the client's own text: shortened, so that no answer carries what it should not.
    let name: String = name.chars().filter(|letter| letter.is_ascii_graphic()).take(64).collect();
    Failure::new(
        http::StatusCode::BAD_REQUEST,
        "not-supported",
        format!("parameter '{name}' is not known here; known are {known}"),
    )
}
