//! How a flat file writes dates and times.
//!
//! A pattern turns a text into the timestamp of HL7 v2 (`YYYYMMDDHHMMSS.S+ZZZZ`), which the functions on dates read, and
//! back. Letters as in Unicode's date formats (UTS 35): `yyyy` `yy` `MM` `M` `MMM` `dd` `d` `HH` `H` `hh` `h` `mm` `ss`
//! `SSS` `a` `Z`; text in `'` stands for itself. `iso` and `hl7` are ISO 8601 and HL7 v2.

use smol_str::{SmolStr, SmolStrBuilder};

/// One way to write a date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// `2022-06-15`, `2022-06-15T12:13:35.5+02:00`, with a blank in place of `T` as well.
    Iso,
    /// `20220615121335+0200`.
    Hl7,
    Tokens(Vec<Token>),
}

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Year4,
    Year2,
    /// The least number of digits.
    Month(usize),
    MonthName,
    Day(usize),
    Hour24(usize),
    Hour12(usize),
    Minute(usize),
    Second(usize),
    Fraction,
    HalfDay,
    Zone,
    Literal(char),
}

/// A date and time, part by part; empty where nothing is said.
#[derive(Clone, Debug, Default)]
struct Parts {
    year: Option<u32>,
    month: Option<u32>,
    day: Option<u32>,
    hour: Option<u32>,
    minute: Option<u32>,
    second: Option<u32>,
    fraction: SmolStr,
    afternoon: Option<bool>,
    zone: SmolStr,
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const LONG_MONTHS: [&str; 12] = [
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

impl Pattern {
    /// Reads a pattern.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "iso" => return Ok(Self::Iso),
            "hl7" => return Ok(Self::Hl7),
            "" => return Err("date: expected a pattern such as dd.MM.yyyy, iso or hl7".to_owned()),
            _ => {}
        }
        let mut tokens = Vec::new();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            if c == '\'' {
                let mut closed = false;
                for c in rest.by_ref() {
                    if c == '\'' {
                        closed = true;
                        break;
                    }
                    tokens.push(Token::Literal(c));
                }
                if !closed {
                    return Err(format!("date: expected ' at the end of a text in {text}"));
                }
                continue;
            }
            if !c.is_ascii_alphabetic() {
                tokens.push(Token::Literal(c));
                continue;
            }
            let mut count = 1;
            while rest.next_if(|next| *next == c).is_some() {
                count += 1;
            }
            tokens.push(match (c, count) {
                ('y', 4) => Token::Year4,
                ('y', 2) => Token::Year2,
                ('M', 1 | 2) => Token::Month(count),
                ('M', 3 | 4) => Token::MonthName,
                ('d', 1 | 2) => Token::Day(count),
                ('H', 1 | 2) => Token::Hour24(count),
                ('h', 1 | 2) => Token::Hour12(count),
                ('m', 1 | 2) => Token::Minute(count),
                ('s', 1 | 2) => Token::Second(count),
                ('S', _) => Token::Fraction,
                ('a', 1) => Token::HalfDay,
                ('Z' | 'X' | 'x', _) => Token::Zone,
                _ => return Err(format!("date: unknown letters {} in {text}", c.to_string().repeat(count))),
            });
        }
        Ok(Self::Tokens(tokens))
    }

    /// The text as a timestamp of HL7 v2; `None` if it is not of this pattern. Whether the day exists is not looked at.
    pub(crate) fn digits(&self, text: &str) -> Option<SmolStr> {
        match self {
            Self::Hl7 => {
                let digits = text.bytes().take_while(u8::is_ascii_digit).count();
                let rest = text.get(digits..)?;
                let tail = rest.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'+' | b'-'));
                (matches!(digits, 4 | 6 | 8 | 10 | 12 | 14) && tail).then(|| text.into())
            }
            Self::Iso => iso(text),
            Self::Tokens(tokens) => parts(tokens, text)?.digits(),
        }
    }

    /// A timestamp of HL7 v2 as the pattern writes it; `None` if it cannot say all of it, or asks for more.
    pub(crate) fn text(&self, digits: &str) -> Option<String> {
        match self {
            Self::Hl7 => Some(digits.to_owned()),
            Self::Iso => Parts::of(digits).map(|parts| parts.iso()),
            Self::Tokens(tokens) => Parts::of(digits)?.text(tokens),
        }
    }
}

/// Up to `most` digits as a number, at least `least` of them.
fn number(text: &str, least: usize, most: usize) -> Option<(u32, &str)> {
    let length = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if length < least {
        return None;
    }
    let (digits, rest) = text.split_at_checked(length)?;
    Some((digits.parse().ok()?, rest))
}

/// `Z`, `+02`, `+02:00` or `+0200` as HL7 v2 has it.
fn zone(text: &str) -> Option<(SmolStr, &str)> {
    if let Some(rest) = text.strip_prefix(['Z', 'z']) {
        return Some((SmolStr::new_static("+0000"), rest));
    }
    let sign = text.chars().next().filter(|c| matches!(c, '+' | '-'))?;
    let (hours, rest) = number(text.get(1..)?, 2, 2)?;
    let (minutes, rest) = match number(rest.strip_prefix(':').unwrap_or(rest), 2, 2) {
        Some(found) => found,
        None => (0, rest),
    };
    Some((smol_str::format_smolstr!("{sign}{hours:02}{minutes:02}"), rest))
}

fn iso(text: &str) -> Option<SmolStr> {
    let mut parts = Parts::default();
    let (year, mut rest) = number(text, 4, 4)?;
    parts.year = Some(year);
    for slot in [&mut parts.month, &mut parts.day] {
        let Some(after) = rest.strip_prefix('-') else { break };
        let (value, after) = number(after, 2, 2)?;
        (*slot, rest) = (Some(value), after);
    }
    if parts.month.is_none() && !rest.is_empty() {
        return None;
    }
    if let Some(clock) = rest.strip_prefix(['T', 't', ' ']).filter(|_| parts.day.is_some()) {
        let (hour, after) = number(clock, 2, 2)?;
        let (minute, after) = number(after.strip_prefix(':')?, 2, 2)?;
        (parts.hour, parts.minute, rest) = (Some(hour), Some(minute), after);
        if let Some(after) = rest.strip_prefix(':') {
            let (second, after) = number(after, 2, 2)?;
            (parts.second, rest) = (Some(second), after);
            if let Some(after) = rest.strip_prefix(['.', ',']) {
                let length = after.bytes().take_while(u8::is_ascii_digit).count();
                let (fraction, after) = after.split_at_checked(length)?;
                (parts.fraction, rest) = (fraction.into(), after);
            }
        }
        let trimmed = rest.trim_start();
        if !trimmed.is_empty() {
            (parts.zone, rest) = zone(trimmed)?;
        }
    }
    if rest.is_empty() { parts.digits() } else { None }
}

fn parts(tokens: &[Token], text: &str) -> Option<Parts> {
    let mut parts = Parts::default();
    let mut rest = text;
    for token in tokens {
        match token {
            Token::Year4 => (parts.year, rest) = some(number(rest, 4, 4)?),
            Token::Year2 => {
                let (year, after) = number(rest, 2, 2)?;
                // As spreadsheets read it: 1930 to 2029.
                (parts.year, rest) = (Some(if year < 30 { 2000 + year } else { 1900 + year }), after);
            }
            Token::Month(least) => (parts.month, rest) = some(number(rest, *least, 2)?),
            Token::Day(least) => (parts.day, rest) = some(number(rest, *least, 2)?),
            Token::Hour24(least) | Token::Hour12(least) => (parts.hour, rest) = some(number(rest, *least, 2)?),
            Token::Minute(least) => (parts.minute, rest) = some(number(rest, *least, 2)?),
            Token::Second(least) => (parts.second, rest) = some(number(rest, *least, 2)?),
            Token::MonthName => {
                let length = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
                let (name, after) = rest.split_at_checked(length)?;
                let name = name.to_ascii_lowercase();
                let of = |list: &[&str; 12]| list.iter().position(|month| *month == name);
                let month = of(&MONTHS).or_else(|| of(&LONG_MONTHS)).and_then(|at| u32::try_from(at + 1).ok())?;
                (parts.month, rest) = (Some(month), after);
            }
            Token::Fraction => {
                let length = rest.bytes().take_while(u8::is_ascii_digit).count();
                let (fraction, after) = rest.split_at_checked(length)?;
                (parts.fraction, rest) = (fraction.into(), after);
            }
            Token::HalfDay => {
                let half = rest.get(..2)?.to_ascii_lowercase();
                parts.afternoon = Some(match half.as_str() {
                    "am" => false,
                    "pm" => true,
                    _ => return None,
                });
                rest = rest.get(2..)?;
            }
            Token::Zone => (parts.zone, rest) = zone(rest)?,
            Token::Literal(c) => rest = rest.strip_prefix(*c)?,
        }
    }
    if let (Some(afternoon), Some(hour)) = (parts.afternoon, parts.hour) {
        if !(1..=12).contains(&hour) {
            return None;
        }
        parts.hour = Some(hour % 12 + if afternoon { 12 } else { 0 });
    }
    rest.is_empty().then_some(parts)
}

fn some<T, R>((value, rest): (T, R)) -> (Option<T>, R) {
    (Some(value), rest)
}

impl Parts {
    /// Reads a timestamp of HL7 v2, or a time alone after `T`.
    fn of(digits: &str) -> Option<Self> {
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
    fn digits(&self) -> Option<SmolStr> {
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

    fn iso(&self) -> String {
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

    fn text(&self, tokens: &[Token]) -> Option<String> {
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
                Token::Year2 => {
                    say(0);
                    let year = self.year.filter(|year| (1930..2030).contains(year))?;
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
