//! Character sets: MSH-18 by HL7 table 0211, and the ways senders get it wrong.

use encoding_rs::Encoding;

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
            "ISO IR14" | "ISO IR87" | "ISO IR159" => encoding_rs::ISO_2022_JP,
            "ISO IR13" | "SJIS" => encoding_rs::SHIFT_JIS,
            "GB 18030-2000" | "GB 18030" => encoding_rs::GB18030,
            "KS X 1001" | "KS_X_1001" => encoding_rs::EUC_KR,
            "CNS 11643-1992" | "BIG-5" => encoding_rs::BIG5,
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
    if let Some(text) = utf16(raw) {
        return Decoded { text, charset: Charset::UTF_8, verbatim: false };
    }
    let label = separator.and_then(|separator| declared(raw, separator));
    let declared = match label.as_deref() {
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
    match declared {
        Some(charset) if charset != Charset::UTF_8 => decode_as(raw, charset, issues),
        declared => decode_utf8(raw, declared.is_some(), issues),
    }
}

/// UTF-16 shows itself by a byte order mark, or by the zero bytes of its first characters.
fn utf16(raw: &[u8]) -> Option<String> {
    let encoding = match raw {
        [0xFF, 0xFE, ..] | [b'M', 0, b'S', 0, ..] | [b'F' | b'B', 0, b'H', 0, ..] => encoding_rs::UTF_16LE,
        [0xFE, 0xFF, ..] | [0, b'M', 0, b'S', ..] | [0, b'F' | b'B', 0, b'H', ..] => encoding_rs::UTF_16BE,
        _ => return None,
    };
    Some(encoding.decode_with_bom_removal(raw).0.into_owned())
}

/// True if the bytes are UTF-16, which [`decode`] would turn into other bytes.
pub(super) fn is_utf16(raw: &[u8]) -> bool {
    utf16(raw.get(..4).unwrap_or(raw)).is_some()
}

/// The first character set of MSH-18 that is not plain ASCII: the bytes are ASCII this far in every set but UTF-16.
fn declared(raw: &[u8], separator: u8) -> Option<String> {
    let end = memchr::memchr2(b'\r', b'\n', raw).unwrap_or(raw.len());
    let line = raw.get(..end)?;
    let field = line.split(|b| *b == separator).nth(17)?;
    let repetition = line.get(5).copied().filter(|b| b.is_ascii_punctuation()).unwrap_or(b'~');
    let mut labels = field
        .split(|b| *b == repetition)
        .map(|label| String::from_utf8_lossy(label).trim().to_owned())
        .filter(|label| !label.is_empty());
    let first = labels.next()?;
    let plain = |label: &str| matches!(label.to_ascii_uppercase().as_str(), "ASCII" | "ISO IR6");
    Some(if plain(&first) { labels.find(|l| !plain(l)).unwrap_or(first) } else { first })
}

fn decode_as(raw: &[u8], charset: Charset, issues: &mut Vec<FormatIssue>) -> Decoded {
    if raw.is_ascii() && charset.0.is_ascii_compatible() {
        return Decoded { text: String::from_utf8_lossy(raw).into_owned(), charset, verbatim: true };
    }
    // Real text in a single-byte set forms valid UTF-8 only by an accident that the eye would notice ("Ã©").
    if charset.0.is_single_byte()
        && let Ok(text) = std::str::from_utf8(raw)
    {
        let detail = format!("declared as {}, but the bytes are UTF-8 and were read as that", charset.name());
        issues.push(FormatIssue::new("charset-mismatch", Severity::Warning, detail).at("MSH-18"));
        return Decoded { text: text.to_owned(), charset: Charset::UTF_8, verbatim: true };
    }
    let (text, replaced) = charset.0.decode_without_bom_handling(raw);
    if replaced {
        let detail = format!("some bytes are no {}: they became U+FFFD", charset.name());
        issues.push(FormatIssue::new("charset-damaged", Severity::Error, detail).at("MSH-18"));
    }
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
