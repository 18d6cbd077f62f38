//! Character and entity references. XML 1.0, 4.1 "Character and Entity References".

#![expect(clippy::arithmetic_side_effects, reason = "offsets into a text in memory: far from the end of usize")]

use super::ErrorKind;
use super::characters::{is_character, is_name};
use super::lexer::Lexer;
use super::token::Fault;

impl Lexer<'_> {
    /// Steps over `&amp;`, `&#38;`, `&#x26;`. XML 1.0, 4.1 "Character and Entity References".
    pub(super) fn reference(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let name = reference_name(self.text.get(start + 1..).unwrap_or_default());
        let name = name.ok_or((ErrorKind::Reference, start))?;
        self.at = start + name.len() + 2;
        match letter(name) {
            Some(letter) if is_character(letter) => Ok(()),
            Some(_) => Err((ErrorKind::Character, start)),
            None if is_name(name) => Err((ErrorKind::Entity, start)),
            None if name.starts_with('#') && name.bytes().skip(1).all(|byte| byte.is_ascii_alphanumeric()) => {
                // A number, but that of no character.
                let is_number = name.strip_prefix("#x").or(name.strip_prefix('#')).is_some_and(|digits| {
                    let radix = if name.starts_with("#x") { 16 } else { 10 };
                    !digits.is_empty() && digits.bytes().all(|byte| char::from(byte).is_digit(radix))
                });
                Err((if is_number { ErrorKind::Character } else { ErrorKind::Reference }, start))
            }
            None => Err((ErrorKind::Reference, start)),
        }
    }
}

/// What stands between `&` and `;`.
fn reference_name(rest: &str) -> Option<&str> {
    // The longest is `&#x10FFFF;`; zeros in front may make it longer, but nobody writes many.
    let length = rest.bytes().take(24).position(|byte| byte == b';')?;
    rest.get(..length)
}

/// The character that a reference stands for.
fn letter(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |digits| (digits, 16));
        // A sign is no digit, but the parser of numbers takes it.
        let is_number = digits.bytes().all(|byte| char::from(byte).is_digit(radix));
        return is_number.then(|| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32)).flatten();
    }
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

/// Appends the character of the reference that `text` starts with; what follows it.
pub(super) fn resolve<'t>(text: &'t str, out: &mut String) -> &'t str {
    let rest = text.get(1..).unwrap_or_default();
    let Some(name) = reference_name(rest) else {
        out.push('&');
        return rest;
    };
    out.extend(letter(name));
    rest.get(name.len() + 1..).unwrap_or_default()
}
