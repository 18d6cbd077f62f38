//! How a flat file writes dates and times.
//!
//! A pattern turns a text into the timestamp of HL7 v2 (`YYYYMMDDHHMMSS.S+ZZZZ`), which the functions on dates read, and
//! back. Letters as in Unicode's date formats (UTS 35): `yyyy` `yy` `MM` `M` `MMM` `dd` `d` `HH` `H` `hh` `h` `mm` `ss`
//! `SSS` `a` `Z`; text in `'` stands for itself. `iso` and `hl7` are ISO 8601 and HL7 v2.

use smol_str::SmolStr;

mod parts;
mod read;

use parts::Parts;
use read::{iso, parts};

/// The first of the hundred years that two digits are unless said otherwise: as spreadsheets read them, 1930 to 2029.
pub(crate) const PIVOT: u32 = 1930;

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
    /// Of the hundred years from this one.
    Year2(u32),
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

impl Pattern {
    /// Reads a pattern; `pivot` is the first of the hundred years that two digits may be.
    pub(crate) fn parse(text: &str, pivot: u32) -> Result<Self, String> {
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
                ('y', 2) => Token::Year2(pivot),
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
        let has = |of: fn(&Token) -> bool| tokens.iter().any(of);
        let year = has(|token| matches!(token, Token::Year4 | Token::Year2(_)));
        let month = has(|token| matches!(token, Token::Month(_) | Token::MonthName));
        let day = has(|token| matches!(token, Token::Day(_)));
        let minute = has(|token| matches!(token, Token::Minute(_)));
        // `dd.mm.yyyy` would be read as minutes and fit no date.
        let no_month = year && day && !month;
        let no_day = minute && (year || month) && !day;
        if no_month || no_day {
            return Err(format!(
                "date: {text} has no month or no day beside the others: MM is the month, mm are minutes"
            ));
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
