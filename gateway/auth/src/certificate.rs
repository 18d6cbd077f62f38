//! Client certificates by fingerprint.

use std::fmt;

use ring::digest::{SHA256, digest};

/// The SHA-256 digest of a certificate in DER, as `openssl x509 -fingerprint -sha256` prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

/// The text is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hex digits, with or without colons between the bytes")]
pub struct FingerprintError;

impl Fingerprint {
    /// Of a certificate.
    pub fn of_der(certificate: &[u8]) -> Self {
        let mut bytes = [0; 32];
        for (byte, value) in bytes.iter_mut().zip(digest(&SHA256, certificate).as_ref()) {
            *byte = *value;
        }
        Self(bytes)
    }

    /// Reads 64 hex digits in either case, or 32 pairs of them joined by colons, after an optional `sha256:`.
    ///
    /// # Errors
    /// [`FingerprintError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, FingerprintError> {
        let text = text.strip_prefix("sha256:").unwrap_or(text);
        let pairs: Vec<&[u8]> = match text.contains(':') {
            true => text.split(':').map(str::as_bytes).collect(),
            false => text.as_bytes().chunks(2).collect(),
        };
        let mut bytes = [0; 32];
        if pairs.len() != bytes.len() {
            return Err(FingerprintError);
        }
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let [high, low] = pair else { return Err(FingerprintError) };
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Ok(Self(bytes))
    }

    /// The bytes of the digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

fn nibble(digit: u8) -> Result<u8, FingerprintError> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok()).ok_or(FingerprintError)
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests;
