//! Escape sequences. HL7 v2.8.2 chapter 2, "Use of escape sequences in text fields".

use std::borrow::Cow;

use super::charset::Charset;
use super::delimiters::Delimiters;
use super::iso2022::{self, Set};

/// Turns escape sequences into what they stand for.
///
/// Delimiters (`\F\` `\S\` `\T\` `\R\` `\E\` `\P\`), hexadecimal bytes (`\X..\`, in the message's character set),
/// formatting of FT (`\.br\`, `\.sp3\`, `\.ce\` become line ends, `\.sk2\` blanks; the rest of formatting and the
/// highlighting `\H\` `\N\` vanish), other character sets (`\C2D42\`, `\M2442\`: up to the next of them or the end,
/// the bytes of the text are read in that set). A local `\Z..\`, a set that is not known, anything else between two escape characters, and a lone one, stays as it
/// stands: `C:\temp` is more often a path than a slip.
pub fn unescape<'t>(raw: &'t str, delimiters: &Delimiters, charset: Charset) -> Cow<'t, str> {
    let Some(mark) = delimiters.escape else { return Cow::Borrowed(raw) };
    if memchr::memchr(mark, raw.as_bytes()).is_none() {
        return Cow::Borrowed(raw);
    }
    let mark = char::from(mark);
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    let mut called = Set::Ascii;
    let text = |run: &str, called: Set, out: &mut String| match called {
        Set::Ascii => out.push_str(run),
        set => out.push_str(&charset.reread(run, set)),
    };
    while let Some((before, after)) = rest.split_once(mark) {
        text(before, called, &mut out);
        rest = match after.split_once(mark) {
            Some((code, tail)) if sequence(code, delimiters, charset, &mut out) => tail,
            Some((code, tail)) if let Some(set) = character_set(code) => {
                called = set;
                tail
            }
            _ => {
                out.push(mark);
                after
            }
        };
    }
    text(rest, called, &mut out);
    Cow::Owned(out)
}

/// The set that `Cxxyy` or `Mxxyyzz` calls: the bytes of an escape sequence of ISO/IEC 2022 without ESC.
fn character_set(code: &str) -> Option<Set> {
    let single = code.strip_prefix('C').filter(|hex| hex.len() == 4);
    let hex = single.or_else(|| code.strip_prefix('M').filter(|hex| matches!(hex.len(), 4 | 6)))?;
    iso2022::set(&bytes_of(hex)?)
}

/// Writes what `code` stands for; false if it is no sequence.
fn sequence(code: &str, delimiters: &Delimiters, charset: Charset, out: &mut String) -> bool {
    let delimiter = match code {
        "F" => Some(delimiters.field),
        "S" => Some(delimiters.component.unwrap_or(b'^')),
        "T" => Some(delimiters.subcomponent.unwrap_or(b'&')),
        "R" => Some(delimiters.repetition.unwrap_or(b'~')),
        "E" => delimiters.escape,
        "P" => Some(delimiters.truncation.unwrap_or(b'#')),
        "H" | "N" => return true,
        _ => None,
    };
    if let Some(byte) = delimiter {
        out.push(char::from(byte));
        return true;
    }
    if let Some(hex) = code.strip_prefix('X') {
        let Some(bytes) = bytes_of(hex) else { return false };
        out.push_str(&charset.decode_lenient(&bytes));
        return true;
    }
    code.strip_prefix('.').is_some_and(|command| format_command(command, out))
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    if hex.is_empty() || !hex.len().is_multiple_of(2) || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// More would be layout nobody reads, or an attack on memory.
const COUNT_LIMIT: usize = 256;

fn format_command(command: &str, out: &mut String) -> bool {
    let (Some(name), Some(argument)) = (command.get(..2), command.get(2..)) else { return false };
    let argument = argument.trim();
    let count = || match argument {
        "" => Some(1),
        digits => digits.trim_start_matches('+').parse::<usize>().ok().map(|n| n.min(COUNT_LIMIT)),
    };
    match name {
        "br" if argument.is_empty() => out.push('\n'),
        "ce" if argument.is_empty() => out.push('\n'),
        "sp" => match count() {
            Some(n) => out.extend(std::iter::repeat_n('\n', n)),
            None => return false,
        },
        "sk" => match count() {
            Some(n) => out.extend(std::iter::repeat_n(' ', n)),
            None => return false,
        },
        "fi" | "nf" if argument.is_empty() => {}
        "in" | "ti" if argument.trim_start_matches(['+', '-']).bytes().all(|b| b.is_ascii_digit()) => {}
        _ => return false,
    }
    true
}

/// Writes text so that no character of it is read as a delimiter; line ends become `\.br\`.
///
/// Without an escape character in `delimiters`, delimiters and control characters become blanks.
pub fn escape<'t>(text: &'t str, delimiters: &Delimiters) -> Cow<'t, str> {
    let special = |c: char| replacement(c, delimiters).is_some();
    let Some(first) = text.find(special) else { return Cow::Borrowed(text) };
    let (clean, rest) = text.split_at_checked(first).unwrap_or(("", text));
    let mut out = String::with_capacity(text.len().saturating_add(16));
    out.push_str(clean);
    for c in rest.chars() {
        match (replacement(c, delimiters), delimiters.escape) {
            (None, _) => out.push(c),
            (Some(_), None) => out.push(' '),
            (Some(code), Some(mark)) => {
                out.push(char::from(mark));
                match code {
                    Code::Plain(code) => out.push_str(code),
                    Code::Hex(byte) => out.push_str(&format!("X{byte:02X}")),
                }
                out.push(char::from(mark));
            }
        }
    }
    Cow::Owned(out)
}

enum Code {
    Plain(&'static str),
    Hex(u8),
}

fn replacement(c: char, d: &Delimiters) -> Option<Code> {
    let byte = u8::try_from(c).ok().filter(u8::is_ascii)?;
    let is = |delimiter: Option<u8>| delimiter == Some(byte);
    Some(match byte {
        // A sender may have the full stop for one of its delimiters.
        b'\n' if d.field != b'.' && ![d.component, d.repetition, d.escape, d.subcomponent].contains(&Some(b'.')) => {
            Code::Plain(".br")
        }
        0x00..=0x1F | 0x7F => Code::Hex(byte),
        _ if byte == d.field => Code::Plain("F"),
        _ if is(d.component) => Code::Plain("S"),
        _ if is(d.repetition) => Code::Plain("R"),
        _ if is(d.escape) => Code::Plain("E"),
        _ if is(d.subcomponent) => Code::Plain("T"),
        _ if is(d.truncation) => Code::Plain("P"),
        _ => return None,
    })
}
