//! Base64 as FHIR has it: RFC 4648, standard alphabet with padding; white space is tolerated.

/// The number of bytes that a text stands for; nothing if it is not base64.
pub(super) fn decoded_length(text: &str) -> Option<usize> {
    let mut letters = 0usize;
    let mut padding = 0usize;
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        match byte {
            b'=' => padding += 1,
            _ if padding == 0 && (byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')) => letters += 1,
            _ => return None,
        }
    }
    let well_formed = (letters + padding).is_multiple_of(4) && padding <= 2;
    well_formed.then_some(letters * 3 / 4)
}

/// The bytes of a text in base64 or base64url, with or without padding.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut buffer, mut bits) = (0u32, 0u32);
    let plain = text.trim_end_matches(|letter: char| letter == '=' || letter.is_ascii_whitespace());
    for byte in plain.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        buffer = buffer << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.extend(u8::try_from(buffer >> bits & 0xFF).ok());
            buffer &= (1 << bits) - 1;
        }
    }
    (bits < 6).then_some(out)
}
