//! The writer: compact or indented, with the escapes of RFC 8785 and numbers as they came.

use super::{Json, Object, Piece};

pub(super) fn compact(value: &Json, out: &mut Vec<u8>) {
    match value {
        Json::Object(object) => self::object(object, out),
        Json::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                compact(item, out);
            }
            out.push(b']');
        }
        scalar => self::scalar(scalar, out),
    }
}

/// About as much is handed over at a time.
pub(super) const PIECE: usize = 64 << 10;

pub(super) fn pieces<E>(
    value: &Json,
    piece: &mut Vec<u8>,
    take: &mut impl FnMut(Piece<'_>) -> Result<(), E>,
) -> Result<(), E> {
    match value {
        Json::Object(object) => {
            for (index, (name, member)) in object.iter().enumerate() {
                piece.push(if index == 0 { b'{' } else { b',' });
                string(name, piece);
                piece.push(b':');
                pieces(member, piece, take)?;
            }
            piece.extend_from_slice(if object.is_empty() { b"{}" } else { b"}" });
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                piece.push(if index == 0 { b'[' } else { b',' });
                pieces(item, piece, take)?;
            }
            piece.extend_from_slice(if items.is_empty() { b"[]" } else { b"]" });
        }
        // A file: as large as everything else together.
        Json::String(text) if text.len() >= PIECE && is_plain(text.as_bytes()) => {
            piece.push(b'"');
            take(Piece::Written(piece))?;
            take(Piece::Written(text.as_bytes()))?;
            piece.clear();
            piece.push(b'"');
        }
        Json::String(text) if text.starts_with('\u{1}') => {
            piece.push(b'"');
            take(Piece::Written(piece))?;
            take(Piece::Aside(text))?;
            piece.clear();
            piece.push(b'"');
        }
        scalar => self::scalar(scalar, piece),
    }
    if piece.len() >= PIECE {
        take(Piece::Written(piece))?;
        piece.clear();
    }
    Ok(())
}

/// Writes the members of an object.
pub(super) fn object(object: &Object, out: &mut Vec<u8>) {
    out.push(b'{');
    for (index, (name, member)) in object.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        string(name, out);
        out.push(b':');
        compact(member, out);
    }
    out.push(b'}');
}

/// Writes what is neither array nor object (those give nothing).
pub(crate) fn scalar(value: &Json, out: &mut Vec<u8>) {
    match value {
        Json::Null => out.extend_from_slice(b"null"),
        Json::Bool(true) => out.extend_from_slice(b"true"),
        Json::Bool(false) => out.extend_from_slice(b"false"),
        Json::Number(number) => out.extend_from_slice(number.as_str().as_bytes()),
        Json::String(text) => string(text, out),
        Json::Array(_) | Json::Object(_) => {}
    }
}

/// Appends a string in quotation marks. RFC 8785, section 3.2.2.2 "Serialization of Strings".
pub fn string(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    if is_plain(bytes) {
        out.extend_from_slice(bytes);
    } else {
        escaped(bytes, out);
    }
    out.push(b'"');
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..=0x1F)
}

/// Whether no byte needs an escape. Eight at a time, the last eight overlapping those before: nearly every text is plain,
/// and most are short.
fn is_plain(bytes: &[u8]) -> bool {
    if let Some(last) = bytes.last_chunk::<8>() {
        let (words, _) = bytes.as_chunks::<8>();
        return !any_special(u64::from_le_bytes(*last))
            && words.iter().all(|word| !any_special(u64::from_le_bytes(*word)));
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let [first, last] = [first, last].map(|half| u64::from(u32::from_le_bytes(*half)));
        return !any_special(first | last << 32);
    }
    !bytes.iter().any(|byte| is_special(*byte))
}

/// Whether one of eight bytes is special: below 0x20, or equal to a quotation mark or backslash.
fn any_special(word: u64) -> bool {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    // A byte below n borrows from its highest bit when n is taken away from it; one that has the bit set is not below.
    let below = |word: u64, n: u64| word.wrapping_sub(ONES * n) & !word & (ONES << 7);
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, 0x20) | equal(b'"') | equal(b'\\')) != 0
}

fn escaped(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| is_special(*byte)) {
        let (plain, tail) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((special, after)) = tail.split_first() else { break };
        match special {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x09 => out.extend_from_slice(b"\\t"),
            0x0A => out.extend_from_slice(b"\\n"),
            0x0C => out.extend_from_slice(b"\\f"),
            0x0D => out.extend_from_slice(b"\\r"),
            control => out.extend_from_slice(format!("\\u{control:04x}").as_bytes()),
        }
        rest = after;
    }
    out.extend_from_slice(rest);
}

pub(super) fn pretty(value: &Json) -> String {
    let mut out = Vec::with_capacity(512);
    indented(value, 0, &mut out);
    text(out)
}

fn indented(value: &Json, level: usize, out: &mut Vec<u8>) {
    match value {
        Json::Object(object) if !object.is_empty() => {
            out.push(b'{');
            for (index, (name, member)) in object.iter().enumerate() {
                line(index, level + 1, out);
                string(name, out);
                out.extend_from_slice(b": ");
                indented(member, level + 1, out);
            }
            line(0, level, out);
            out.push(b'}');
        }
        Json::Array(items) if !items.is_empty() => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                line(index, level + 1, out);
                indented(item, level + 1, out);
            }
            line(0, level, out);
            out.push(b']');
        }
        other => compact(other, out),
    }
}

fn line(index: usize, level: usize, out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b',');
    }
    out.push(b'\n');
    out.resize(out.len() + 2 * level, b' ');
}

/// Our writers only join pieces of `str` and ASCII.
#[expect(clippy::expect_used, reason = "the bytes come from `str` pieces and ASCII only")]
pub(super) fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("writers produce UTF-8")
}
