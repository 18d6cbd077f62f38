//! Character sets of flat files.

use encoding_rs::Encoding;

/// The character set of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charset(pub(super) &'static Encoding);

impl Charset {
    /// UTF-8.
    pub const UTF_8: Self = Self(encoding_rs::UTF_8);

    /// What bytes are read as that are no UTF-8 in a file that else is: the usual set of spreadsheets in Europe and
    /// America, which has a letter for nearly every byte.
    pub(super) const FALLBACK: Self = Self(encoding_rs::WINDOWS_1252);

    /// A set by its label in the Encoding Standard, such as `utf-8`, `windows-1252`, `iso-8859-1`, `utf-16le`.
    pub fn named(label: &str) -> Option<Self> {
        Encoding::for_label(label.trim().as_bytes()).map(Self)
    }

    /// The set a byte order mark names, and how long the mark is.
    pub fn of_mark(bytes: &[u8]) -> Option<(Self, usize)> {
        Encoding::for_bom(bytes).map(|(encoding, length)| (Self(encoding), length))
    }

    /// A set that the first bytes of a file let see: by a mark, by the NUL beside each letter of UTF-16, or by bytes that
    /// are no UTF-8.
    pub fn guess(bytes: &[u8]) -> Self {
        if let Some((charset, _)) = Self::of_mark(bytes) {
            return charset;
        }
        let nul = |from: usize| bytes.iter().skip(from).step_by(2).take(64).filter(|byte| **byte == 0).count();
        match (nul(0), nul(1)) {
            (0..8, 8..) => return Self(encoding_rs::UTF_16LE),
            (8.., 0..8) => return Self(encoding_rs::UTF_16BE),
            _ => {}
        }
        match std::str::from_utf8(bytes) {
            // A letter that is cut off at the end is no fault.
            Err(error) if error.error_len().is_some() => Self::FALLBACK,
            _ => Self::UTF_8,
        }
    }

    /// The bytes of a unit of UTF-16, if it is that.
    pub(super) fn utf16_bytes(self) -> Option<fn(u16) -> [u8; 2]> {
        if self.0 == encoding_rs::UTF_16LE {
            Some(u16::to_le_bytes)
        } else {
            (self.0 == encoding_rs::UTF_16BE).then_some(u16::to_be_bytes as fn(u16) -> [u8; 2])
        }
    }

    /// Its name in the Encoding Standard.
    pub fn name(self) -> &'static str {
        self.0.name()
    }
}
