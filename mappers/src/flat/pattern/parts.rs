//! The parts of a date, and how they are written.

use smol_str::{SmolStr, SmolStrBuilder};

use super::Token;

/// A date and time, part by part; empty where nothing is said.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    pub(super) year: Option<u32>,
    pub(super) month: Option<u32>,
    pub(super) day: Option<u32>,
    pub(super) hour: Option<u32>,
    pub(super) minute: Option<u32>,
    pub(super) second: Option<u32>,
    pub(super) fraction: SmolStr,
    pub(super) afternoon: Option<bool>,
    pub(super) zone: SmolStr,
}

pub(super) const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
pub(super) const LONG_MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

impl Parts {
    /// Reads a timestamp of HL7 v2, or a time alone after `T`.
    pub(super) fn of(digits: &str) -> Option<Self> {
        let mut parts = Self::default();
        let (body, zone) = match digits.find(['+', '-']).and_then(|at| digits.split_at_checked(at)) {
            Some((body, zone)) => (body, zone),
            None => (digits, ""),
        };
        parts.zone = zone.into();
        let (body, fraction) = body.split_once('.').unwrap_or((body, ""));
        parts.fraction = fraction.into();
        let (date, clock) = match body.strip_prefix('T') {
            Some(clock) => ("", clock),
            None => body.split_at_checked(body.len().min(8))?,
        };
        let part = |text: &str, from: usize, to: usize| text.get(from..to).and_then(|text| text.parse().ok());
        parts.year = part(date, 0, 4);
        parts.month = part(date, 4, 6);
        parts.day = part(date, 6, 8);
        parts.hour = part(clock, 0, 2);
        parts.minute = part(clock, 2, 4);
        parts.second = part(clock, 4, 6);
        Some(parts)
    }

    /// As a timestamp of HL7 v2; a time alone after nothing.
    pub(super) fn digits(&self) -> Option<SmolStr> {
        let mut out = SmolStrBuilder::new();
        let mut put = |value: Option<u32>, width: usize| match value {
            Some(value) => {
                let text = smol_str::format_smolstr!("{value:0width$}");
                out.push_str(&text);
                text.len() == width
            }
            None => true,
        };
        let gap = (self.day.is_some() && self.month.is_none())
            || (self.month.is_some() && self.year.is_none())
            || (self.year.is_some() && self.hour.is_some() && self.day.is_none());
        let fits = put(self.year, 4)
            && put(self.month, 2)
            && put(self.day, 2)
            && put(self.hour, 2)
            && put(self.minute, 2)
            && put(self.second, 2);
        if gap || !fits || (self.year.is_none() && self.hour.is_none()) {
            return None;
        }
        if !self.fraction.is_empty() && self.second.is_some() {
            out.push('.');
            out.push_str(&self.fraction);
        }
        if self.hour.is_some() {
            out.push_str(&self.zone);
        }
        Some(out.finish())
    }

    pub(super) fn iso(&self) -> String {
        let mut out = String::new();
        let mut put = |before: &str, value: Option<u32>, width: usize| {
            if let Some(value) = value {
                out.push_str(before);
                out.push_str(&format!("{value:0width$}"));
            }
        };
        put("", self.year, 4);
        put("-", self.month, 2);
        put("-", self.day, 2);
        put(if self.year.is_some() { "T" } else { "" }, self.hour, 2);
        put(":", self.minute, 2);
        put(":", self.second, 2);
        if !self.fraction.is_empty() {
            out.push('.');
            out.push_str(&self.fraction);
        }
        match self.zone.split_at_checked(3) {
            Some((hours, minutes)) => out.push_str(&format!("{hours}:{minutes}")),
            None => out.push_str(&self.zone),
        }
        out
    }

    pub(super) fn text(&self, tokens: &[Token]) -> Option<String> {
        let mut out = String::new();
        let mut said = [false; 8];
        let mut say = |at: usize| {
            if let Some(slot) = said.get_mut(at) {
                *slot = true;
            }
        };
        for token in tokens {
            match token {
                Token::Year4 => {
                    say(0);
                    out.push_str(&format!("{:04}", self.year?));
                }
                Token::Year2(first) => {
                    say(0);
                    let year = self.year.filter(|year| (*first..first.saturating_add(100)).contains(year))?;
                    out.push_str(&format!("{:02}", year % 100));
                }
                Token::Month(width) => {
                    say(1);
                    out.push_str(&format!("{:0width$}", self.month?));
                }
                Token::MonthName => {
                    say(1);
                    let name = MONTHS.get(self.month?.checked_sub(1)? as usize)?;
                    out.push_str(name.get(..1)?.to_ascii_uppercase().as_str());
                    out.push_str(name.get(1..)?);
                }
                Token::Day(width) => {
                    say(2);
                    out.push_str(&format!("{:0width$}", self.day?));
                }
                Token::Hour24(width) => {
                    say(3);
                    out.push_str(&format!("{:0width$}", self.hour?));
                }
                Token::Hour12(width) => {
                    say(3);
                    let hour = (self.hour? + 11) % 12 + 1;
                    out.push_str(&format!("{hour:0width$}"));
                }
                Token::Minute(width) => {
                    say(4);
                    out.push_str(&format!("{:0width$}", self.minute?));
                }
                Token::Second(width) => {
                    say(5);
                    out.push_str(&format!("{:0width$}", self.second?));
                }
                Token::Fraction => {
                    say(6);
                    out.push_str(&self.fraction);
                }
                Token::HalfDay => out.push_str(if self.hour? < 12 { "AM" } else { "PM" }),
                Token::Zone => {
                    say(7);
                    if self.zone.is_empty() {
                        return None;
                    }
                    out.push_str(&self.zone);
                }
                Token::Literal(c) => out.push(*c),
            }
        }
        let has = [
            self.year.is_some(),
            self.month.is_some(),
            self.day.is_some(),
            self.hour.is_some(),
            self.minute.is_some(),
            // Seconds and a fraction of nothing are no loss.
            self.second.is_some_and(|second| second > 0),
            self.fraction.bytes().any(|byte| byte != b'0'),
            false,
        ];
        has.iter().zip(said).all(|(has, said)| !has || said).then_some(out)
    }
}
