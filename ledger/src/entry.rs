//! The record of one exchange: what an entry of the log says, in canonical JSON.
//!
//! A record holds opaque ids, a time, two words and commitments; no name, no code, no identifier of a person.

use crate::commitment::Label;
use crate::error::Error;
use crate::tree::Hash;

/// The version every record of this form carries in `v`.
pub const RECORD_VERSION: u8 = 1;

/// The name of a log: first line of its checkpoints, name of its key, `log` of its records.
///
/// 1 to 255 printable ASCII characters without space, `+`, `"` and `\`. C2SP tlog-checkpoint, "Note text" asks for a
/// schema-less URL such as `hospital.example/ledger`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin(String);

impl Origin {
    /// Checks the form.
    ///
    /// # Errors
    /// [`Error::Form`] if it is another.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let allowed = |b: u8| b.is_ascii_graphic() && !matches!(b, b'+' | b'"' | b'\\');
        if (1..=255).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::Form {
                what: "origin",
                expected: "1 to 255 printable ASCII characters without space, +, \" and \\",
            })
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of an exchange: 128 random bits, written as 32 lower-case hexadecimal digits.
///
/// The id is what gives access to a receipt, so it must not be guessable: draw all 16 bytes at random.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExchangeId([u8; 16]);

impl ExchangeId {
    /// Wraps 16 bytes that the caller drew at random.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads 32 lower-case hexadecimal digits.
    ///
    /// # Errors
    /// [`Error::Form`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Error> {
        crate::text::unhex(text)
            .map(Self)
            .ok_or(Error::Form { what: "exchange id", expected: "32 lower-case hexadecimal digits" })
    }
}

impl std::fmt::Display for ExchangeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::text::hex(&self.0))
    }
}

impl std::fmt::Debug for ExchangeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A message arrived.
    Arrival,
    /// A delivery was decided: sent in part or whole, or withheld.
    Delivery,
    /// A client wrote a resource.
    Write,
    /// Data left in bulk.
    Export,
    /// Emergency access was declared.
    EmergencyGrant,
    /// An emergency grant was used.
    EmergencyUse,
    /// The running digest of the audit log.
    Audit,
    /// Salts and keys of a patient were destroyed.
    Erasure,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Arrival,
        Self::Delivery,
        Self::Write,
        Self::Export,
        Self::EmergencyGrant,
        Self::EmergencyUse,
        Self::Audit,
        Self::Erasure,
    ];

    /// The word in the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Arrival => "arrival",
            Self::Delivery => "delivery",
            Self::Write => "write",
            Self::Export => "export",
            Self::EmergencyGrant => "emergency-grant",
            Self::EmergencyUse => "emergency-use",
            Self::Audit => "audit",
            Self::Erasure => "erasure",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// How it ended, in one word of the gateway's: `stored`, `held`, `permitted`, `denied`.
///
/// 1 to 32 lower-case letters and hyphens, so that no content can slip in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Outcome(String);

impl Outcome {
    /// Checks the form.
    ///
    /// # Errors
    /// [`Error::Form`] if it is another.
    pub fn parse(word: &str) -> Result<Self, Error> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b == b'-';
        if (1..=32).contains(&word.len()) && word.bytes().all(allowed) {
            Ok(Self(word.to_owned()))
        } else {
            Err(Error::Form { what: "outcome", expected: "1 to 32 lower-case letters and hyphens" })
        }
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z, up to the year 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// 9999-12-31T23:59:59.999Z: RFC 3339 has four digits for the year.
    const LAST: u64 = 253_402_300_799_999;

    /// A time by its milliseconds; later than the year 9999 counts as its end.
    pub fn from_unix_ms(ms: u64) -> Self {
        Self(ms.min(Self::LAST))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub fn unix_ms(self) -> u64 {
        self.0
    }

    /// Reads the one form written: `YYYY-MM-DDThh:mm:ss.fffZ`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut cursor = Cursor { rest: text };
        let year = cursor.number(4, "-")?;
        let month = cursor.number(2, "-")?;
        let day = cursor.number(2, "T")?;
        let hour = cursor.number(2, ":")?;
        let minute = cursor.number(2, ":")?;
        let second = cursor.number(2, ".")?;
        let ms = cursor.number(3, "Z")?;
        let days = days_from_civil(year, month, day)?;
        let hours = days.checked_mul(24)?.checked_add(hour)?;
        let seconds = hours.checked_mul(60)?.checked_add(minute)?.checked_mul(60)?.checked_add(second)?;
        let time = Self(seconds.checked_mul(1000)?.checked_add(ms)?);
        // Hour 24, second 60 and day 31 of short months do not survive being written again.
        (time.0 <= Self::LAST && time.to_string() == text).then_some(time)
    }
}

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (seconds, ms) = (self.0 / 1000, self.0 % 1000);
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = civil_from_days(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let mut year = 1970_u64;
    let mut rest = days;
    // Whole 400-year cycles first; what is left takes at most 400 steps.
    year = year.saturating_add((rest / 146_097).saturating_mul(400));
    rest %= 146_097;
    while rest >= year_days(year) {
        rest = rest.saturating_sub(year_days(year));
        year = year.saturating_add(1);
    }
    let mut month = 1_u64;
    while rest >= month_days(year, month) {
        rest = rest.saturating_sub(month_days(year, month));
        month = month.saturating_add(1);
    }
    (year, month, rest.saturating_add(1))
}

fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    let years: u64 = (1970..year).map(year_days).sum();
    let months: u64 = (1..month).map(|month| month_days(year, month)).sum();
    let fits = year >= 1970 && (1..=12).contains(&month) && day >= 1;
    fits.then(|| years.saturating_add(months).saturating_add(day.saturating_sub(1)))
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn year_days(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn month_days(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The log it was written for, so that it cannot be passed off as another's.
    pub log: Origin,
    /// The exchange it belongs to.
    pub exchange: ExchangeId,
    /// When.
    pub time: Time,
    /// What happened.
    pub kind: Kind,
    /// How it ended.
    pub outcome: Outcome,
    /// The digest of the rules that made the result, where rules did.
    pub rules: Option<Hash>,
    commitments: [Option<Hash>; 5],
}

impl Record {
    /// A record without rules and commitments.
    pub fn new(log: Origin, exchange: ExchangeId, time: Time, kind: Kind, outcome: Outcome) -> Self {
        Self { log, exchange, time, kind, outcome, rules: None, commitments: [None; 5] }
    }

    /// With the digest of the mapping rules.
    #[must_use]
    pub fn with_rules(mut self, digest: Hash) -> Self {
        self.rules = Some(digest);
        self
    }

    /// With a commitment; a second one of the same label replaces the first.
    #[must_use]
    pub fn with_commitment(mut self, label: Label, commitment: Hash) -> Self {
        for (slot, known) in self.commitments.iter_mut().zip(Label::ALL) {
            if known == label {
                *slot = Some(commitment);
            }
        }
        self
    }

    /// The commitment of a label.
    pub fn commitment(&self, label: Label) -> Option<Hash> {
        self.commitments().find(|(known, _)| *known == label).map(|(_, commitment)| commitment)
    }

    /// Its commitments, in the order written.
    pub fn commitments(&self) -> impl Iterator<Item = (Label, Hash)> {
        Label::ALL.into_iter().zip(self.commitments).filter_map(|(label, c)| Some((label, c?)))
    }

    /// The bytes that are hashed and kept: JSON of RFC 8785 (members sorted, no white space).
    ///
    /// Every text in a record is ASCII without quotes and escapes, so it stands as it is. At most 1,000 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let commitments: Vec<_> =
            self.commitments().map(|(label, hash)| format!(r#""{}":"{hash}""#, label.as_str())).collect();
        let rules = self.rules.map(|rules| format!(r#""rules":"{rules}","#)).unwrap_or_default();
        format!(
            r#"{{"commitments":{{{}}},"exchange":"{}","kind":"{}","log":"{}","outcome":"{}",{rules}"time":"{}","v":{RECORD_VERSION}}}"#,
            commitments.join(","),
            self.exchange,
            self.kind.as_str(),
            self.log,
            self.outcome.as_str(),
            self.time,
        )
        .into_bytes()
    }

    /// Reads a record; only the canonical bytes are one.
    ///
    /// # Errors
    /// [`Error::Form`] for anything that [`Record::to_bytes`] would not write.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let record = std::str::from_utf8(bytes).ok().and_then(Self::parse_members);
        // The parser is lenient where the form is not (order of labels, a label twice): what counts is the bytes.
        record
            .filter(|record| record.to_bytes() == bytes)
            .ok_or(Error::Form { what: "record", expected: "the canonical JSON of a version 1 record" })
    }

    fn parse_members(text: &str) -> Option<Self> {
        let mut cursor = Cursor { rest: text };
        cursor.expect(r#"{"commitments":{"#)?;
        let mut commitments = Vec::new();
        while cursor.rest.starts_with('"') {
            cursor.expect("\"")?;
            let label = Label::parse(cursor.until("\":\"")?)?;
            commitments.push((label, Hash::from_hex(cursor.until("\"")?)?));
            if cursor.expect(",").is_none() {
                break;
            }
        }
        cursor.expect(r#"},"exchange":""#)?;
        let exchange = ExchangeId::parse(cursor.until(r#"","kind":""#)?).ok()?;
        let kind = Kind::parse(cursor.until(r#"","log":""#)?)?;
        let log = Origin::parse(cursor.until(r#"","outcome":""#)?).ok()?;
        let outcome = Outcome::parse(cursor.until("\",\"")?).ok()?;
        let rules = match cursor.expect("rules\":\"") {
            Some(()) => Some(Hash::from_hex(cursor.until("\",\"")?)?),
            None => None,
        };
        cursor.expect("time\":\"")?;
        let time = Time::parse(cursor.until(r#"","v":1}"#)?)?;
        let record = Self { rules, ..Self::new(log, exchange, time, kind, outcome) };
        let record = commitments.into_iter().fold(record, |record, (label, hash)| record.with_commitment(label, hash));
        cursor.rest.is_empty().then_some(record)
    }
}

/// Reads a text from the left.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn expect(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(token)?;
        Some(())
    }

    fn until(&mut self, token: &str) -> Option<&'a str> {
        let (value, rest) = self.rest.split_once(token)?;
        self.rest = rest;
        Some(value)
    }

    fn number(&mut self, digits: usize, end: &str) -> Option<u64> {
        let value = self.until(end)?;
        let plain = value.len() == digits && value.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| value.parse().ok())?
    }
}

#[cfg(test)]
mod tests;
