//! Base64 as it comes, made base64 as FHIR has it.

/// Takes white space out of base64 (RFC 4648, section 4), piece by piece. The alphabet for URLs (section 5) and padding that
/// is left out say the same, and are written as FHIR R4 has them (datatypes.html, "base64Binary").
#[derive(Clone, Debug, Default)]
pub(super) struct Packing {
    /// Letters without padding.
    letters: u64,
    padding: u64,
    is_wrong: bool,
}

impl Packing {
    /// Appends what these bytes say.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        out.reserve(bytes.len());
        for byte in bytes {
            let letter = match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => *byte,
                b'-' => b'+',
                b'_' => b'/',
                b'=' => {
                    self.padding = self.padding.saturating_add(1);
                    continue;
                }
                byte if byte.is_ascii_whitespace() => continue,
                _ => {
                    self.is_wrong = true;
                    continue;
                }
            };
            // Nothing stands after the padding but more of it.
            self.is_wrong |= self.padding > 0;
            self.letters = self.letters.saturating_add(1);
            out.push(letter);
        }
    }

    /// Appends the padding; whether all of it was base64.
    pub(super) fn finish(&self, out: &mut Vec<u8>) -> bool {
        let wanted = match self.letters % 4 {
            0 => 0,
            2 => 2,
            3 => 1,
            _ => return false,
        };
        out.extend(std::iter::repeat_n(b'=', usize::from(wanted as u8)));
        !self.is_wrong && self.letters > 0 && (self.padding == 0 || self.padding == wanted)
    }

    /// Bytes that it stands for.
    pub(super) fn size(&self) -> u64 {
        (self.letters / 4).saturating_mul(3).saturating_add((self.letters % 4).saturating_sub(1).min(2))
    }
}
