//! Switching between character sets inside of a text, as ISO/IEC 2022 does it: by escape sequences, each naming the
//! set that what follows is written in.
//!
//! HL7 v2.8.2 chapter 2, MSH-18 and MSH-20, "Escape sequences supporting multiple character sets"; HL7 tables 0211
//! and 0356. The WHATWG decoder of ISO-2022-JP knows neither the supplementary kanji nor the sets of other countries,
//! so each run is handed to the decoder of the set in its eight-bit form.

use encoding_rs::Encoding;

/// A set that a sequence has called, and in which half of the code table it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    /// ISO 646: ASCII, and JIS X 0201 romaji, of which only the yen sign and the overline differ.
    Ascii,
    /// JIS X 0201 katakana, one byte, in the lower half.
    Katakana,
    /// JIS X 0201 katakana, one byte, in the upper half.
    KatakanaRight,
    /// JIS X 0208, two bytes of 7 bits.
    Kanji,
    /// JIS X 0212, two bytes of 7 bits.
    SupplementaryKanji,
    /// KS X 1001 or GB 2312, two bytes of 7 bits.
    Pairs(&'static Encoding),
    /// Bytes from 0x80 on: a part of ISO 8859, or a two-byte set in its eight-bit form.
    Right(&'static Encoding),
}

/// The set that the bytes after ESC call; `None` for a sequence that is not known.
///
/// ISO/IEC 2022, "Designation"; finals by the ISO-IR register: 6, 13, 14, 58, 87, 100, 101, 109, 110, 126, 127, 138,
/// 144, 148, 149, 159, 203.
pub(super) fn set(sequence: &[u8]) -> Option<Set> {
    use encoding_rs as e;
    Some(match sequence {
        b"(B" | b"(J" => Set::Ascii,
        b"(I" => Set::Katakana,
        b")I" => Set::KatakanaRight,
        b"$@" | b"$B" | b"$(@" | b"$(B" => Set::Kanji,
        b"$(D" => Set::SupplementaryKanji,
        b"$A" | b"$(A" => Set::Pairs(e::GBK),
        b"$(C" => Set::Pairs(e::EUC_KR),
        b"$)A" => Set::Right(e::GBK),
        b"$)C" => Set::Right(e::EUC_KR),
        // The ordinary ISO 8859-1 and -9 stand inside of the decoders for windows-1252 and -1254.
        b"-A" => Set::Right(e::WINDOWS_1252),
        b"-B" => Set::Right(e::ISO_8859_2),
        b"-C" => Set::Right(e::ISO_8859_3),
        b"-D" => Set::Right(e::ISO_8859_4),
        b"-F" => Set::Right(e::ISO_8859_7),
        b"-G" => Set::Right(e::ISO_8859_6),
        b"-H" => Set::Right(e::ISO_8859_8),
        b"-L" => Set::Right(e::ISO_8859_5),
        b"-M" => Set::Right(e::WINDOWS_1254),
        b"-b" => Set::Right(e::ISO_8859_15),
        _ => return None,
    })
}

/// True if the text calls a set somewhere.
pub(super) fn switches(raw: &[u8]) -> bool {
    memchr::memchr_iter(ESC, raw).any(|at| sequence(raw.get(at.saturating_add(1)..).unwrap_or_default()).is_some())
}

const ESC: u8 = 0x1B;

/// Decodes a text that calls sets by escape sequences; each line begins anew. True if something was no character.
///
/// `usual` is the set of bytes from 0x80 on that no sequence has called. An unknown sequence stays in the text.
pub(super) fn decode(raw: &[u8], usual: &'static Encoding) -> (String, bool) {
    let mut out = String::with_capacity(raw.len());
    let mut damaged = false;
    let (mut left, mut right) = (Set::Ascii, Set::Right(usual));
    let mut rest = raw;
    while !rest.is_empty() {
        let end = memchr::memchr3(ESC, b'\r', b'\n', rest).unwrap_or(rest.len());
        let (run, tail) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        damaged |= write_run(run, left, right, &mut out);
        rest = match tail.split_first() {
            Some((&ESC, after)) => match sequence(after) {
                Some((length, called @ (Set::Right(_) | Set::KatakanaRight))) => {
                    right = called;
                    after.get(length..).unwrap_or_default()
                }
                Some((length, called)) => {
                    left = called;
                    after.get(length..).unwrap_or_default()
                }
                None => {
                    out.push(char::from(ESC));
                    after
                }
            },
            Some((end, after)) => {
                out.push(char::from(*end));
                (left, right) = (Set::Ascii, Set::Right(usual));
                after
            }
            None => &[],
        };
    }
    (out, damaged)
}

/// Decodes bytes in one set: what an HL7 escape sequence has called, up to the next.
pub(super) fn decode_in(run: &[u8], set: Set, usual: &'static Encoding) -> String {
    let mut out = String::with_capacity(run.len());
    match set {
        Set::Right(_) | Set::KatakanaRight => write_run(run, Set::Ascii, set, &mut out),
        left => write_run(run, left, Set::Right(usual), &mut out),
    };
    out
}

/// The sequence that `after` begins with, and its length without ESC.
fn sequence(after: &[u8]) -> Option<(usize, Set)> {
    let intermediates = after.iter().take_while(|b| matches!(b, 0x20..=0x2F)).count();
    let length = intermediates.saturating_add(1);
    after.get(..length).and_then(set).map(|set| (length, set))
}

/// Writes a run without escape sequences: its bytes below 0x80 by `left`, the others by `right`.
fn write_run(run: &[u8], left: Set, right: Set, out: &mut String) -> bool {
    // Two-byte characters of a set in its eight-bit form may end with a byte below 0x80.
    match (left, right) {
        (Set::Ascii, Set::Right(encoding)) => return eight_bit(run, encoding, out),
        (Set::Ascii, Set::KatakanaRight) => return eight_bit(run, encoding_rs::SHIFT_JIS, out),
        _ => {}
    }
    let mut damaged = false;
    for part in run.chunk_by(|a, b| a.is_ascii() == b.is_ascii()) {
        let ascii = part.first().is_some_and(u8::is_ascii);
        damaged |= match if ascii { left } else { right } {
            Set::Ascii => eight_bit(part, encoding_rs::UTF_8, out),
            Set::Katakana => {
                let right: Vec<u8> = part.iter().map(|b| b | 0x80).collect();
                eight_bit(&right, encoding_rs::SHIFT_JIS, out)
            }
            Set::KatakanaRight => eight_bit(part, encoding_rs::SHIFT_JIS, out),
            Set::Kanji => pairs(part, encoding_rs::EUC_JP, None, out),
            Set::SupplementaryKanji => pairs(part, encoding_rs::EUC_JP, Some(0x8F), out),
            Set::Pairs(encoding) => pairs(part, encoding, None, out),
            Set::Right(encoding) => eight_bit(part, encoding, out),
        };
    }
    damaged
}

fn eight_bit(part: &[u8], encoding: &'static Encoding, out: &mut String) -> bool {
    let (text, damaged) = encoding.decode_without_bom_handling(part);
    out.push_str(&text);
    damaged
}

/// Two bytes of 7 bits a character; in the eight-bit form both have the high bit, and a third set a prefix.
fn pairs(part: &[u8], encoding: &'static Encoding, prefix: Option<u8>, out: &mut String) -> bool {
    let mut eight = Vec::with_capacity(part.len().saturating_mul(2));
    let mut rest = part;
    let graphic = |b: &u8| matches!(b, 0x21..=0x7E);
    while let Some((first, tail)) = rest.split_first() {
        match tail.split_first() {
            Some((second, after)) if graphic(first) && graphic(second) => {
                eight.extend(prefix);
                eight.extend([first | 0x80, second | 0x80]);
                rest = after;
            }
            _ => {
                // Half a character is damage; a blank between characters is not.
                eight.push(if graphic(first) { 0xFF } else { *first });
                rest = tail;
            }
        }
    }
    eight_bit(&eight, encoding, out)
}
