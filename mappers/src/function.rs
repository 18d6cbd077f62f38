//! The named pure functions a row may call, each with its inverse where there is one.
//!
//! Text comes in unescaped. A function never guesses: what it does not understand is a [`Failure`], which the engine
//! turns into an issue that names the place and the row, and the text is kept.

use std::borrow::Cow;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use smol_str::{SmolStr, format_smolstr};

/// What a function is called with.
pub(crate) struct Call<'a> {
    /// The text at the row's source.
    pub(crate) value: &'a str,
    /// The texts at the places in brackets after the function's name.
    pub(crate) arguments: &'a [Cow<'a, str>],
    /// Zone of the source, for times without one.
    pub(crate) zone: Option<&'a TimeZone>,
}

/// What a function makes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    /// The lexeme of the primitive.
    pub(crate) value: SmolStr,
    /// Whether the value says less than the text did: the text is then kept beside it.
    pub(crate) lossy: Option<&'static str>,
}

/// The text is not what the function reads; says what was expected, never the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure(pub(crate) &'static str);

type Forward = fn(&Call<'_>) -> Result<Output, Failure>;
/// Gives the text of the source, and of the arguments in their order.
type Backward = fn(&str) -> Option<Vec<String>>;

/// A function rows may name.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) arguments: usize,
    pub(crate) forward: Forward,
    pub(crate) backward: Option<Backward>,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name)
    }
}

/// All of them, by name.
static FUNCTIONS: &[Function] = &[
    Function { name: "text", arguments: 0, forward: text, backward: Some(same) },
    Function { name: "trimmed", arguments: 0, forward: trimmed, backward: Some(same) },
    Function { name: "code", arguments: 0, forward: code, backward: Some(same) },
    Function { name: "uri", arguments: 0, forward: uri, backward: Some(same) },
    Function { name: "date", arguments: 0, forward: date, backward: Some(digits_of_time) },
    Function { name: "dateTime", arguments: 0, forward: date_time, backward: Some(digits_of_time) },
    Function { name: "instant", arguments: 0, forward: instant, backward: Some(digits_of_time) },
    Function { name: "time", arguments: 0, forward: time, backward: Some(digits_of_time) },
    Function { name: "decimal", arguments: 0, forward: decimal, backward: Some(same) },
    Function { name: "integer", arguments: 0, forward: integer, backward: Some(same) },
    Function { name: "positiveInt", arguments: 0, forward: positive_int, backward: Some(same) },
    Function { name: "boolean", arguments: 0, forward: boolean, backward: Some(yes_or_no) },
    Function { name: "universal_id", arguments: 1, forward: universal_id, backward: Some(universal_id_parts) },
    Function { name: "authority", arguments: 0, forward: authority, backward: Some(authority_name) },
    Function { name: "comparator", arguments: 0, forward: comparator, backward: Some(same) },
    Function { name: "comparator_of", arguments: 0, forward: comparator_of, backward: Some(same) },
    Function { name: "number_of", arguments: 0, forward: number_of, backward: Some(same) },
    Function { name: "phone", arguments: 3, forward: phone, backward: None },
    Function { name: "mime", arguments: 1, forward: mime, backward: Some(mime_parts) },
    Function { name: "base64", arguments: 1, forward: base64, backward: Some(base64_parts) },
];

/// Prefix of URIs made of the name of an assigning authority that has no universal id.
pub(crate) const AUTHORITY: &str = "urn:anchorline:authority:";
/// Prefix of URIs made of the name of a coding system that no table knows.
pub(crate) const CODING_SYSTEM: &str = "urn:anchorline:coding-system:";

/// Prefix of the URIs of HL7 v2 tables in the HL7 terminology.
pub(crate) const HL7_TABLE: &str = "http://terminology.hl7.org/CodeSystem/v2-";

/// Whether a coding system's name is that of an HL7 table: `HL70001` (HL7 table 0396, "HL7nnnn").
pub(crate) fn is_hl7_table(name: &str) -> bool {
    name.len() == 7 && name.strip_prefix("HL7").is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
}

/// The number of an HL7 table's URI.
pub(crate) fn hl7_table_number(uri: &str) -> Option<&str> {
    uri.strip_prefix(HL7_TABLE).filter(|number| number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit()))
}

/// The function of a name.
pub(crate) fn named(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

fn exact(value: impl Into<SmolStr>) -> Result<Output, Failure> {
    Ok(Output { value: value.into(), lossy: None })
}

fn same(value: &str) -> Option<Vec<String>> {
    Some(vec![value.to_owned()])
}

fn text(call: &Call<'_>) -> Result<Output, Failure> {
    if call.value.trim().is_empty() { Err(Failure("expected text, found blanks")) } else { exact(call.value) }
}

fn trimmed(call: &Call<'_>) -> Result<Output, Failure> {
    if call.value.trim().is_empty() { Err(Failure("expected text, found blanks")) } else { exact(call.value.trim()) }
}

/// FHIR R4 datatypes.html, "code": no leading, trailing or double white space.
fn code(call: &Call<'_>) -> Result<Output, Failure> {
    let value = call.value.trim();
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

fn uri(call: &Call<'_>) -> Result<Output, Failure> {
    let value = call.value.trim();
    if value.is_empty() || value.contains(char::is_whitespace) {
        return Err(Failure("expected a URI without blanks"));
    }
    exact(value)
}

/// A timestamp of HL7 v2, as far as it goes. HL7 v2.8.2 chapter 2A, "DTM": `YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]`.
struct Timestamp<'a> {
    date: &'a str,
    clock: &'a str,
    fraction: &'a str,
    zone: Option<&'a str>,
}

const EXPECTED_TIMESTAMP: Failure = Failure("expected a timestamp of YYYY[MM[DD[HHMM[SS[.S]]]]][+/-ZZZZ]");

fn parse_ts(text: &str) -> Result<Timestamp<'_>, Failure> {
    let text = text.trim();
    let (body, zone) = match text.find(['+', '-']) {
        Some(at) => {
            let (body, zone) = text.split_at_checked(at).ok_or(EXPECTED_TIMESTAMP)?;
            let digits = zone.get(1..).unwrap_or_default();
            let known = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit());
            let hours = digits.get(..2).and_then(|h| h.parse::<u8>().ok()).unwrap_or(99);
            let minutes = digits.get(2..).and_then(|m| m.parse::<u8>().ok()).unwrap_or(99);
            if !known || hours > 14 || minutes > 59 {
                return Err(EXPECTED_TIMESTAMP);
            }
            (body, Some(zone))
        }
        None => (text, None),
    };
    let (digits, fraction) = body.split_once('.').unwrap_or((body, ""));
    let numeric = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !numeric(digits) || !numeric(fraction) || !matches!(digits.len(), 4 | 6 | 8 | 10 | 12 | 14) {
        return Err(EXPECTED_TIMESTAMP);
    }
    let (date, clock) = digits.split_at_checked(digits.len().min(8)).ok_or(EXPECTED_TIMESTAMP)?;
    if !real_date(date) || !real_clock(clock) || (!fraction.is_empty() && clock.len() != 6) {
        return Err(Failure("expected a date and time that exist"));
    }
    Ok(Timestamp { date, clock, fraction, zone })
}

fn part(text: &str, from: usize, to: usize) -> Option<i16> {
    text.get(from..to)?.parse().ok()
}

fn real_date(date: &str) -> bool {
    let Some(year) = part(date, 0, 4) else { return false };
    let small = |value: i16| i8::try_from(value).unwrap_or(0);
    let month = if date.len() >= 6 { part(date, 4, 6).map_or(0, small) } else { 1 };
    let day = if date.len() >= 8 { part(date, 6, 8).map_or(0, small) } else { 1 };
    year > 0 && Date::new(year, month, day).is_ok()
}

fn real_clock(clock: &str) -> bool {
    let at = |from, to| part(clock, from, to).unwrap_or(0);
    at(0, 2) < 24 && at(2, 4) < 60 && at(4, 6) < 60
}

fn dashed(date: &str) -> SmolStr {
    let year = date.get(..4).unwrap_or_default();
    match (date.get(4..6), date.get(6..8)) {
        (Some(month), Some(day)) => format_smolstr!("{year}-{month}-{day}"),
        (Some(month), None) => format_smolstr!("{year}-{month}"),
        _ => year.into(),
    }
}

/// The date alone; a time of day that is said as well is kept.
fn date(call: &Call<'_>) -> Result<Output, Failure> {
    let ts = parse_ts(call.value)?;
    let midnight = ts.clock.bytes().all(|b| b == b'0') && ts.fraction.is_empty();
    let lossy = (!ts.clock.is_empty()).then_some(if midnight { "" } else { "the time of day is kept beside the date" });
    Ok(Output { value: dashed(ts.date), lossy })
}

/// A time needs a zone in FHIR (R4 datatypes.html, "dateTime"): its own, or the source's. Without one only the date is
/// said and the text is kept beside it.
fn date_time(call: &Call<'_>) -> Result<Output, Failure> {
    let ts = parse_ts(call.value)?;
    if ts.clock.len() < 4 {
        let lossy = (!ts.clock.is_empty()).then_some("an hour without minutes is no time in FHIR");
        let lossy = lossy.or_else(|| ts.zone.map(|_| ""));
        return Ok(Output { value: dashed(ts.date), lossy });
    }
    match moment(&ts, call.zone) {
        Some(value) => Ok(Output { value, lossy: (ts.clock.len() == 4).then_some("") }),
        None => Ok(Output { value: dashed(ts.date), lossy: Some("a time without zone: only its date is said") }),
    }
}

fn moment(ts: &Timestamp<'_>, zone: Option<&TimeZone>) -> Option<SmolStr> {
    let date = dashed(ts.date);
    let (hour, minute) = (ts.clock.get(..2)?, ts.clock.get(2..4)?);
    let second = ts.clock.get(4..6).unwrap_or("00");
    let (dot, fraction) = if ts.fraction.is_empty() { ("", "") } else { (".", ts.fraction) };
    let offset: SmolStr = match ts.zone {
        Some(zone) => format_smolstr!("{}:{}", zone.get(..3)?, zone.get(3..)?),
        None => {
            let of = |text: &str, from| part(text, from, from + 2).and_then(|n| i8::try_from(n).ok());
            let civil = DateTime::new(
                part(ts.date, 0, 4)?,
                of(ts.date, 4)?,
                of(ts.date, 6)?,
                of(ts.clock, 0)?,
                of(ts.clock, 2)?,
                of(second, 0)?,
                0,
            )
            .ok()?;
            let seconds = zone?.to_ambiguous_zoned(civil).compatible().ok()?.offset().seconds();
            let sign = if seconds < 0 { '-' } else { '+' };
            format_smolstr!("{sign}{:02}:{:02}", seconds.abs() / 3600, seconds.abs() % 3600 / 60)
        }
    };
    Some(format_smolstr!("{date}T{hour}:{minute}:{second}{dot}{fraction}{offset}"))
}

fn instant(call: &Call<'_>) -> Result<Output, Failure> {
    let ts = parse_ts(call.value)?;
    let value = moment(&ts, call.zone).ok_or(Failure("expected a time to the minute with a zone"))?;
    Ok(Output { value, lossy: (ts.clock.len() == 4).then_some("") })
}

/// HL7 v2.8.2 chapter 2A, "TM": `HH[MM[SS[.S]]][+/-ZZZZ]`. FHIR's time has no zone: one that is said is kept.
fn time(call: &Call<'_>) -> Result<Output, Failure> {
    const EXPECTED: Failure = Failure("expected a time of HHMM[SS[.S]]");
    let text = call.value.trim();
    let (body, zone) = match text.find(['+', '-']).and_then(|at| text.split_at_checked(at)) {
        Some((body, zone)) => (body, zone),
        None => (text, ""),
    };
    let (clock, fraction) = body.split_once('.').unwrap_or((body, ""));
    let numeric = clock.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
    if !numeric || !matches!(clock.len(), 4 | 6) || !real_clock(clock) {
        return Err(EXPECTED);
    }
    let (hour, minute) = (clock.get(..2).unwrap_or_default(), clock.get(2..4).unwrap_or_default());
    let second = clock.get(4..6).unwrap_or("00");
    let (dot, fraction) = if fraction.is_empty() { ("", "") } else { (".", fraction) };
    let lossy = (clock.len() == 4 || !zone.is_empty()).then_some("");
    Ok(Output { value: format_smolstr!("{hour}:{minute}:{second}{dot}{fraction}"), lossy })
}

/// Dates, times and instants of FHIR as HL7 v2 writes them: without marks, the zone without a colon.
fn digits_of_time(value: &str) -> Option<Vec<String>> {
    let (date, clock) = match value.split_once('T') {
        Some((date, clock)) => (date, clock),
        None if value.contains(':') => ("", value),
        None => (value, ""),
    };
    let mut out: String = date.chars().filter(char::is_ascii_digit).collect();
    match clock.strip_suffix('Z') {
        Some(clock) => {
            out.extend(clock.chars().filter(|c| *c != ':'));
            out.push_str("+0000");
        }
        None => out.extend(clock.chars().filter(|c| *c != ':')),
    }
    Some(vec![out])
}

/// HL7 v2.8.2 chapter 2A, "NM": optional sign, digits, optional fraction. The digits stay as they are, except where JSON
/// has no number for them (`+4`, `.5`, `007`): then the text is kept as well.
fn decimal(call: &Call<'_>) -> Result<Output, Failure> {
    const EXPECTED: Failure = Failure("expected a number");
    let text = call.value.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let numeric = whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
    if !numeric || (whole.is_empty() && fraction.is_empty()) || digits.len() > 40 {
        return Err(EXPECTED);
    }
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        rest => rest,
    };
    let dot = if fraction.is_empty() { "" } else { "." };
    let value = format_smolstr!("{sign}{whole}{dot}{fraction}");
    let lossy = (value != text).then_some("");
    Ok(Output { value, lossy })
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

/// HL7 table 0136 "Yes/No Indicator".
fn boolean(call: &Call<'_>) -> Result<Output, Failure> {
    match call.value.trim() {
        "Y" | "y" => exact("true"),
        "N" | "n" => exact("false"),
        _ => Err(Failure("expected Y or N")),
    }
}

fn yes_or_no(value: &str) -> Option<Vec<String>> {
    match value {
        "true" => Some(vec!["Y".to_owned()]),
        "false" => Some(vec!["N".to_owned()]),
        _ => None,
    }
}

/// FHIR R4 datatypes.html, "oid": arcs of digits without leading zeros, the first 0, 1 or 2.
fn is_oid(text: &str) -> bool {
    let arc = |arc: &str| {
        !arc.is_empty() && arc.bytes().all(|b| b.is_ascii_digit()) && (arc.len() == 1 || !arc.starts_with('0'))
    };
    text.contains('.') && text.split('.').all(arc) && matches!(text.as_bytes(), [b'0'..=b'2', b'.', ..])
}

/// RFC 9562, section 4: 8-4-4-4-12 hexadecimal digits.
fn is_uuid(text: &str) -> bool {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

/// HL7 v2.8.2 chapter 2A, "HD" and table 0301 "Universal ID Type": an OID, a UUID or a URI becomes a URI.
fn universal_id(call: &Call<'_>) -> Result<Output, Failure> {
    let value = call.value.trim();
    let kind = call.arguments.first().map_or("", |kind| kind.trim());
    if value.is_empty() || value.contains(char::is_whitespace) {
        return Err(Failure("expected a universal id without blanks"));
    }
    match kind {
        "ISO" if is_oid(value) => exact(format_smolstr!("urn:oid:{value}")),
        "" if is_oid(value) => Ok(Output { value: format_smolstr!("urn:oid:{value}"), lossy: Some("") }),
        "UUID" | "GUID" if is_uuid(value) => {
            let lower = value.to_ascii_lowercase();
            let lossy = (kind != "UUID" || lower != value).then_some("");
            Ok(Output { value: format_smolstr!("urn:uuid:{lower}"), lossy })
        }
        "URI" | "URL" => exact(value),
        "" => exact(format_smolstr!("{AUTHORITY}{}", escaped(value))),
        other => exact(format_smolstr!("{AUTHORITY}{}:{}", escaped(other), escaped(value))),
    }
}

fn universal_id_parts(value: &str) -> Option<Vec<String>> {
    if let Some(oid) = value.strip_prefix("urn:oid:") {
        return Some(vec![oid.to_owned(), "ISO".to_owned()]);
    }
    if let Some(uuid) = value.strip_prefix("urn:uuid:") {
        return Some(vec![uuid.to_owned(), "UUID".to_owned()]);
    }
    if let Some(named) = value.strip_prefix(AUTHORITY) {
        let (kind, id) = named.split_once(':')?;
        return Some(vec![unescaped(id), unescaped(kind)]);
    }
    Some(vec![value.to_owned(), "URI".to_owned()])
}

/// The name of an assigning authority as a URI: two authorities of one source are told apart, nothing is invented.
fn authority(call: &Call<'_>) -> Result<Output, Failure> {
    match call.value.trim() {
        "" => Err(Failure("expected a name, found blanks")),
        name => exact(format_smolstr!("{AUTHORITY}{}", escaped(name))),
    }
}

fn authority_name(value: &str) -> Option<Vec<String>> {
    let name = value.strip_prefix(AUTHORITY)?;
    (!name.contains(':')).then(|| vec![unescaped(name)])
}

/// Characters outside `unreserved` of RFC 3986, section 2.3, as `%XX`.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The inverse of [`escaped`].
pub(crate) fn unescaped(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match (byte, hex) {
            (b'%', Some(decoded)) => {
                out.push(decoded);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(*byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// SN.1 and the like; `=` says nothing more than the number does.
fn comparator(call: &Call<'_>) -> Result<Output, Failure> {
    match call.value.trim() {
        value @ ("<" | "<=" | ">" | ">=") => exact(value),
        _ => Err(Failure("expected one of < <= > >=")),
    }
}

/// The comparator and the number of a text such as `<0.5` or `>= 100`.
pub(crate) fn compared(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let length = text.bytes().take_while(|b| matches!(b, b'<' | b'>' | b'=')).count();
    let (sign, number) = text.split_at_checked(length)?;
    let number = number.trim();
    (matches!(sign, "<" | "<=" | ">" | ">=") && is_number(number)).then_some((sign, number))
}

/// Whether [`decimal`] reads the text.
pub(crate) fn is_number(text: &str) -> bool {
    decimal(&Call { value: text, arguments: &[], zone: None }).is_ok()
}

/// Whether the text is a timestamp.
pub(crate) fn is_timestamp(text: &str) -> bool {
    parse_ts(text).is_ok()
}

/// Whether the text is a time of day.
pub(crate) fn is_time(text: &str) -> bool {
    time(&Call { value: text, arguments: &[], zone: None }).is_ok()
}

fn comparator_of(call: &Call<'_>) -> Result<Output, Failure> {
    let (sign, _) = compared(call.value).ok_or(Failure("expected a comparator and a number"))?;
    exact(sign)
}

fn number_of(call: &Call<'_>) -> Result<Output, Failure> {
    let (_, number) = compared(call.value).ok_or(Failure("expected a comparator and a number"))?;
    decimal(&Call { value: number, ..*call })
}

/// XTN.7 with country (XTN.5), area (XTN.6) and extension (XTN.8).
fn phone(call: &Call<'_>) -> Result<Output, Failure> {
    let argument = |n: usize| call.arguments.get(n).map_or("", |text| text.trim());
    let mut out = String::new();
    if !argument(0).is_empty() {
        if !argument(0).starts_with('+') {
            out.push('+');
        }
        out.push_str(argument(0));
        out.push(' ');
    }
    if !argument(1).is_empty() {
        out.push_str(argument(1));
        out.push(' ');
    }
    out.push_str(call.value.trim());
    if !argument(2).is_empty() {
        out.push_str(" X");
        out.push_str(argument(2));
    }
    exact(out)
}

/// ED.2 or RP.3 (type, HL7 table 0191) with ED.3 or RP.4 (subtype, table 0291).
fn mime(call: &Call<'_>) -> Result<Output, Failure> {
    let kind = call.value.trim();
    let subtype = call.arguments.first().map_or("", |text| text.trim());
    if kind.contains('/') {
        return exact(kind.to_ascii_lowercase());
    }
    let kind = match kind.to_ascii_lowercase().as_str() {
        "ap" | "application" => "application",
        "au" | "audio" => "audio",
        "im" | "image" | "si" => "image",
        "text" | "tx" | "ft" => "text",
        "multipart" => "multipart",
        "video" => "video",
        _ => return Err(Failure("expected a media type of table 0191")),
    };
    let subtype = subtype.to_ascii_lowercase();
    let subtype = match subtype.as_str() {
        "" => return Err(Failure("expected a subtype of table 0291")),
        "octet-stream" => "octet-stream",
        "x-hl7-cda-level-one" => "x-hl7-cda-level-one+xml",
        "msword" => "msword",
        other => other,
    };
    Ok(Output { value: format_smolstr!("{kind}/{subtype}"), lossy: Some("") })
}

fn mime_parts(value: &str) -> Option<Vec<String>> {
    let (kind, subtype) = value.split_once('/')?;
    Some(vec![kind.to_owned(), subtype.to_ascii_uppercase()])
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// ED.5 as FHIR wants it; ED.4 says how it is written (HL7 table 0299: `A`, `Hex`, `Base64`).
fn base64(call: &Call<'_>) -> Result<Output, Failure> {
    let encoding = call.arguments.first().map_or("", |text| text.trim());
    match encoding.to_ascii_lowercase().as_str() {
        "base64" => {
            let packed: String = call.value.chars().filter(|c| !c.is_whitespace()).collect();
            let known = packed.bytes().all(|b| ALPHABET.contains(&b) || b == b'=');
            if known && packed.len().is_multiple_of(4) { exact(packed) } else { Err(Failure("expected base64")) }
        }
        "hex" => {
            let digits = call.value.trim().as_bytes();
            let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
            let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
            exact(encoded(&bytes.ok_or(Failure("expected hexadecimal digits"))?))
        }
        _ => exact(encoded(call.value.as_bytes())),
    }
}

fn base64_parts(value: &str) -> Option<Vec<String>> {
    Some(vec![value.to_owned(), "Base64".to_owned()])
}

/// RFC 4648, section 4.
fn encoded(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |n: usize| u32::from(chunk.get(n).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for n in 0..4u32 {
            let index = (bits >> (18 - 6 * n) & 63) as usize;
            let letter = if (n as usize) <= chunk.len() { ALPHABET.get(index).copied() } else { None };
            out.push(char::from(letter.unwrap_or(b'=')));
        }
    }
    out
}

#[cfg(test)]
mod tests;
