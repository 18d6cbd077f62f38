//! A text to the parts of a date, by the parts of a pattern.

use smol_str::SmolStr;

use super::Token;
use super::parts::{LONG_MONTHS, MONTHS, Parts};

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

pub(super) fn iso(text: &str) -> Option<SmolStr> {
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

pub(super) fn parts(tokens: &[Token], text: &str) -> Option<Parts> {
    let mut parts = Parts::default();
    let mut rest = text;
    for token in tokens {
        match token {
            Token::Year4 => (parts.year, rest) = some(number(rest, 4, 4)?),
            Token::Year2(first) => {
                let (year, after) = number(rest, 2, 2)?;
                let within = first - first % 100 + year;
                (parts.year, rest) = (Some(if within < *first { within + 100 } else { within }), after);
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
