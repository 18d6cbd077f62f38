//! What the characters of XML are good for; one look-up a byte.

const NAME_START: u8 = 1;
const NAME: u8 = 2;
/// Not as it is in the value of an attribute: the end, a reference, white space, `<`.
const SPECIAL: u8 = 4;
const BLANK: u8 = 8;

static CLASS: [u8; 256] = classes();

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "evaluated by the compiler, which checks the bounds"
)]
const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut at = 0;
    while at < classes.len() {
        let byte = at as u8;
        // Letters beyond ASCII are taken as XML 1.0 takes nearly all of them in names.
        if byte.is_ascii_alphabetic() || byte == b'_' || byte == b':' || byte >= 0x80 {
            classes[at] |= NAME_START | NAME;
        }
        if byte.is_ascii_digit() || byte == b'-' || byte == b'.' {
            classes[at] |= NAME;
        }
        if matches!(byte, b'"' | b'\'' | b'&' | b'<' | b'\t' | b'\n' | b'\r') {
            classes[at] |= SPECIAL;
        }
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            classes[at] |= BLANK;
        }
        at += 1;
    }
    classes
}

#[inline]
fn is(byte: u8, class: u8) -> bool {
    CLASS.get(usize::from(byte)).is_some_and(|classes| classes & class != 0)
}

#[inline]
pub(super) fn is_name_start(byte: u8) -> bool {
    is(byte, NAME_START)
}

#[inline]
pub(super) fn is_name_byte(byte: u8) -> bool {
    is(byte, NAME)
}

#[inline]
pub(super) fn is_special(byte: u8) -> bool {
    is(byte, SPECIAL)
}

#[inline]
pub(super) fn is_blank(byte: u8) -> bool {
    is(byte, BLANK)
}

/// Whether the text can be the name of an element, without prefix.
pub fn is_name(text: &str) -> bool {
    text.bytes().next().is_some_and(is_name_start) && text.bytes().all(|byte| is_name_byte(byte) && byte != b':')
}

/// Whether XML has the character (XML 1.0, production 2, "Char").
pub fn is_character(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | '\u{20}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Where the first character stands that XML does not have.
pub(super) fn forbidden(bytes: &[u8]) -> Option<usize> {
    // Without a branch inside a block the compiler makes vectors of it; every byte of a text passes here.
    const BLOCK: usize = 64;
    let mut from: usize = 0;
    for block in bytes.chunks(BLOCK) {
        let suspect = block.iter().fold(false, |found, byte| found | is_suspect(*byte));
        if suspect && let Some(at) = forbidden_within(bytes, from, block.len()) {
            return Some(at);
        }
        from = from.saturating_add(BLOCK);
    }
    None
}

/// A control character, or the start of U+FFFE and U+FFFF.
#[inline]
fn is_suspect(byte: u8) -> bool {
    (byte < 0x20) & (byte != b'\t') & (byte != b'\n') & (byte != b'\r') | (byte == 0xEF)
}

fn forbidden_within(bytes: &[u8], from: usize, length: usize) -> Option<usize> {
    (from..from.saturating_add(length)).find(|at| match bytes.get(*at..) {
        Some([0xEF, rest @ ..]) => matches!(rest, [0xBF, 0xBE | 0xBF, ..]),
        Some([byte, ..]) => is_suspect(*byte),
        _ => false,
    })
}
