//! Character sets: MSH-18 by HL7 table 0211, and the ways senders get it wrong.

use encoding_rs::Encoding;

use super::iso2022::{self, Set};
use super::issue::{FormatIssue, Severity};

/// The character set a message was read in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charset(&'static Encoding);

impl Charset {
    /// UTF-8, in which this product writes unless asked otherwise.
    pub const UTF_8: Charset = Charset(encoding_rs::UTF_8);

    /// Finds the character set that a repetition of MSH-18 names; `None` if unknown.
    ///
    /// HL7 table 0211 "Alternate Character Sets", and the names in common use beside it.
    pub fn named(label: &str) -> Option<Self> {
        let name = label.trim().to_ascii_uppercase();
        let known = match name.as_str() {
            "ASCII" | "US-ASCII" | "ISO IR6" | "UNICODE UTF-8" | "UNICODE" | "UTF8" => encoding_rs::UTF_8,
            // UTF-16 is told by its bytes; a label that survived being read byte by byte is wrong about that.
            "UNICODE UTF-16" | "UTF-16" | "UNICODE UTF-32" | "UTF-32" => encoding_rs::UTF_8,
            "ISO IR14" | "ISO IR87" | "ISO IR159" | "JIS X 0202" | "JAS2020" => encoding_rs::ISO_2022_JP,
            "ISO IR13" | "SJIS" => encoding_rs::SHIFT_JIS,
            "GB 18030-2000" | "GB 18030" => encoding_rs::GB18030,
            "KS X 1001" | "KS_X_1001" => encoding_rs::EUC_KR,
            // CNS 11643-1992 is not Big5, and nothing here reads its planes: unknown is better than wrong names.
            "BIG-5" => encoding_rs::BIG5,
            "CP1252" | "WINDOWS1252" | "ANSI" => encoding_rs::WINDOWS_1252,
            other => match other.strip_prefix("8859/") {
                Some(part) => Encoding::for_label(format!("iso-8859-{part}").as_bytes())?,
                None => Encoding::for_label(other.as_bytes())?,
            },
        };
        Some(Self(known))
    }

    /// Name by the WHATWG Encoding Standard, such as `UTF-8` or `windows-1252` (which includes ISO 8859-1).
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// Writes text in this character set; what it cannot hold becomes `?`.
    pub fn encode(&self, text: &str) -> Vec<u8> {
        let (bytes, used, unmappable) = self.0.encode(text);
        if used != self.0 {
            return text.as_bytes().to_vec();
        }
        if !unmappable {
            return bytes.into_owned();
        }
        let mut buffer = [0; 4];
        let mut out = Vec::with_capacity(text.len());
        for c in text.chars() {
            let (bytes, _, unmappable) = self.0.encode(c.encode_utf8(&mut buffer));
            out.extend_from_slice(if unmappable { b"?" } else { &bytes });
        }
        out
    }

    /// Writes text in this character set if it can hold all of it.
    pub fn encode_whole(&self, text: &str) -> Option<Vec<u8>> {
        let (bytes, used, unmappable) = self.0.encode(text);
        (used == self.0 && !unmappable).then(|| bytes.into_owned())
    }

    /// Reads a run of text anew, in the set that `\C..\` or `\M..\` has called for it; as it stands where its bytes
    /// are not known any more.
    pub(super) fn reread(&self, run: &str, set: Set) -> String {
        let (bytes, used, unmappable) = self.0.encode(run);
        if unmappable || used != self.0 || (used == encoding_rs::UTF_8 && !run.is_ascii()) {
            return run.to_owned();
        }
        iso2022::decode_in(&bytes, set, self.0)
    }

    /// Reads the bytes of a hexadecimal escape; what is wrong in this character set is read as Latin-1.
    pub(super) fn decode_lenient(&self, bytes: &[u8]) -> String {
        match self.0.decode_without_bom_handling_and_without_replacement(bytes) {
            Some(text) => text.into_owned(),
            None => bytes.iter().map(|b| char::from(*b)).collect(),
        }
    }
}

/// Text of a message and how it was won.
pub(super) struct Decoded {
    pub(super) text: String,
    pub(super) charset: Charset,
    /// True if `text` is byte for byte what arrived.
    pub(super) verbatim: bool,
}

/// Decodes a message that begins with its MSH (or a byte order mark) by what it declares and what it shows.
pub(super) fn decode(raw: &[u8], separator: Option<u8>, issues: &mut Vec<FormatIssue>) -> Decoded {
    if let Some(text) = wide(raw) {
        return Decoded { text, charset: Charset::UTF_8, verbatim: false };
    }
    let labels = separator.and_then(|separator| declared(raw, separator)).unwrap_or_default();
    // The first that is more than ASCII is the one that bytes are read in; later ones are called by sequences.
    let plain = |label: &&str| matches!(label.to_ascii_uppercase().as_str(), "ASCII" | "ISO IR6");
    let label = labels.split('\r').find(|label| !label.is_empty() && !plain(label));
    let declared = match label.or_else(|| labels.split('\r').find(|label| !label.is_empty())) {
        None => None,
        Some(label) => match Charset::named(label) {
            Some(charset) => Some(charset),
            None => {
                let detail = "unknown character set: read as UTF-8, or Latin-1 where that fails";
                issues.push(FormatIssue::new("charset-unknown", Severity::Warning, detail).at("MSH-18"));
                None
            }
        },
    };
    if declared.is_none_or(|charset| charset != Charset::UTF_8 || labels.contains('\r')) && iso2022::switches(raw) {
        return decode_switching(raw, declared, issues);
    }
    match declared {
        Some(charset) if charset != Charset::UTF_8 => decode_as(raw, charset, issues),
        declared => decode_utf8(raw, declared.is_some(), issues),
    }
}

/// UTF-16 and UTF-32 show themselves by a byte order mark, or by the zero bytes of their first characters.
pub(super) fn wide_form(raw: &[u8]) -> Option<Wide> {
    Some(match raw {
        [0xFF, 0xFE, 0, 0, ..] | [b'M' | b'F' | b'B', 0, 0, 0, ..] => Wide::Utf32 { big: false },
        [0, 0, 0xFE, 0xFF, ..] | [0, 0, 0, b'M' | b'F' | b'B', ..] => Wide::Utf32 { big: true },
        [0xFF, 0xFE, ..] | [b'M', 0, b'S', 0, ..] | [b'F' | b'B', 0, b'H', 0, ..] => Wide::Utf16 { big: false },
        [0xFE, 0xFF, ..] | [0, b'M', 0, b'S', ..] | [0, b'F' | b'B', 0, b'H', ..] => Wide::Utf16 { big: true },
        _ => return None,
    })
}

/// A Unicode encoding of more than one byte a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wide {
    /// Two bytes a unit.
    Utf16 {
        /// The higher byte first.
        big: bool,
    },
    /// Four bytes a character.
    Utf32 {
        /// The highest byte first.
        big: bool,
    },
}

impl Wide {
    /// Decodes from the start of a text; the byte order mark is left out.
    pub(super) fn decode(self, raw: &[u8]) -> String {
        let big = match self {
            Self::Utf16 { big: false } => return encoding_rs::UTF_16LE.decode_with_bom_removal(raw).0.into_owned(),
            Self::Utf16 { big: true } => return encoding_rs::UTF_16BE.decode_with_bom_removal(raw).0.into_owned(),
            Self::Utf32 { big } => big,
        };
        let text: String = raw.chunks(4).map(|unit| Self::character(big, unit)).collect();
        text.strip_prefix('\u{FEFF}').map(str::to_owned).unwrap_or(text)
    }

    /// A character of UTF-32; U+FFFD for what is none.
    pub(super) fn character(big: bool, unit: &[u8]) -> char {
        let number = match *unit {
            [a, b, c, d] if big => u32::from_be_bytes([a, b, c, d]),
            [a, b, c, d] => u32::from_le_bytes([a, b, c, d]),
            _ => return char::REPLACEMENT_CHARACTER,
        };
        char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER)
    }
}

fn wide(raw: &[u8]) -> Option<String> {
    wide_form(raw).map(|form| form.decode(raw))
}

/// True if the bytes are UTF-16 or UTF-32, which [`decode`] would turn into other bytes.
pub(super) fn is_wide(raw: &[u8]) -> bool {
    wide_form(raw).is_some()
}

/// The character sets of MSH-18, separated by CR: the bytes are ASCII this far in every set but UTF-16 and UTF-32.
fn declared(raw: &[u8], separator: u8) -> Option<String> {
    let end = memchr::memchr2(b'\r', b'\n', raw).unwrap_or(raw.len());
    let line = raw.get(..end)?;
    let field = line.split(|b| *b == separator).nth(17).filter(|field| !field.is_empty())?;
    let repetition = line.get(5).copied().filter(|b| b.is_ascii_punctuation()).unwrap_or(b'~');
    let labels = field.split(|b| *b == repetition).map(|label| String::from_utf8_lossy(label).trim().to_owned());
    Some(labels.collect::<Vec<_>>().join("\r"))
}

/// Text that calls further sets by the escape sequences of ISO/IEC 2022.
fn decode_switching(raw: &[u8], declared: Option<Charset>, issues: &mut Vec<FormatIssue>) -> Decoded {
    let usual = declared.map_or(encoding_rs::UTF_8, |charset| charset.0);
    // ISO-2022-JP is all sequences: bytes from 0x80 on have no meaning of their own in it.
    let usual = if usual == encoding_rs::ISO_2022_JP { encoding_rs::UTF_8 } else { usual };
    let (text, damaged) = iso2022::decode(raw, usual);
    if declared.is_none() {
        let detail = "no character set declared, but the text calls some by escape sequences: read as ISO 2022";
        issues.push(FormatIssue::new("charset-undeclared", Severity::Warning, detail).at("MSH-18"));
    }
    if damaged {
        let detail = "some bytes are no character of the sets called: they became U+FFFD";
        issues.push(FormatIssue::new("charset-damaged", Severity::Error, detail).at("MSH-18"));
    }
    let charset = declared.unwrap_or(Charset(encoding_rs::ISO_2022_JP));
    Decoded { text, charset, verbatim: false }
}

fn decode_as(raw: &[u8], charset: Charset, issues: &mut Vec<FormatIssue>) -> Decoded {
    if raw.is_ascii() && (charset.0.is_ascii_compatible() || memchr::memchr3(0x1B, 0x0E, 0x0F, raw).is_none()) {
        return Decoded { text: String::from_utf8_lossy(raw).into_owned(), charset, verbatim: true };
    }
    let decoded = charset.0.decode_without_bom_handling_and_without_replacement(raw);
    // Real text in a single-byte set forms valid UTF-8 only by an accident that the eye would notice ("Ã©").
    if (decoded.is_none() || charset.0.is_single_byte())
        && let Ok(text) = std::str::from_utf8(raw)
    {
        let detail = format!("declared as {}, but the bytes are UTF-8 and were read as that", charset.name());
        issues.push(FormatIssue::new("charset-mismatch", Severity::Warning, detail).at("MSH-18"));
        return Decoded { text: text.to_owned(), charset: Charset::UTF_8, verbatim: true };
    }
    if let Some(text) = decoded {
        return Decoded { text: text.into_owned(), charset, verbatim: false };
    }
    // Eight-bit Japanese under the name of its seven-bit form.
    if charset.0 == encoding_rs::ISO_2022_JP
        && let Some(text) = encoding_rs::SHIFT_JIS.decode_without_bom_handling_and_without_replacement(raw)
    {
        let detail = "declared as ISO-2022-JP, but the bytes are not: read as Shift_JIS";
        issues.push(FormatIssue::new("charset-mismatch", Severity::Warning, detail).at("MSH-18"));
        return Decoded { text: text.into_owned(), charset: Charset(encoding_rs::SHIFT_JIS), verbatim: false };
    }
    let (text, _) = charset.0.decode_without_bom_handling(raw);
    let detail = format!("some bytes are no {}: they became U+FFFD", charset.name());
    issues.push(FormatIssue::new("charset-damaged", Severity::Error, detail).at("MSH-18"));
    Decoded { text: text.into_owned(), charset, verbatim: false }
}

fn decode_utf8(raw: &[u8], declared: bool, issues: &mut Vec<FormatIssue>) -> Decoded {
    if let Ok(text) = std::str::from_utf8(raw) {
        return Decoded { text: text.to_owned(), charset: Charset::UTF_8, verbatim: true };
    }
    // A feed may mix both, from several systems behind one interface engine: each line is judged by itself.
    let mut text = String::with_capacity(raw.len());
    for line in raw.split_inclusive(|b| matches!(b, b'\r' | b'\n')) {
        match std::str::from_utf8(line) {
            Ok(line) => text.push_str(line),
            Err(_) => {
                text.push_str(&encoding_rs::WINDOWS_1252.decode_without_bom_handling(line).0);
                let detail = if declared {
                    "the bytes are not in the declared character set: read as windows-1252"
                } else {
                    "no character set declared and the bytes are not UTF-8: read as windows-1252"
                };
                let code = if declared { "charset-mismatch" } else { "charset-undeclared" };
                let mut issue = FormatIssue::new(code, Severity::Warning, detail);
                issue.at = line.get(..3).and_then(super::SegmentName::read).map(|name| name.as_str().to_owned());
                issues.push(issue);
            }
        }
    }
    Decoded { text, charset: Charset(encoding_rs::WINDOWS_1252), verbatim: false }
}
