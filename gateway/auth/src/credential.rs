//! Shared secrets of sources: HTTP Basic (RFC 7617) or Bearer (RFC 6750).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use crate::caller::Caller;

/// Why a credential is refused. Says the same for an unknown source and a wrong secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The header is no `Basic` or `Bearer` credential, or names another source.
    #[error("expected the credentials of this source as Basic or Bearer")]
    Form,
    /// Name and secret do not belong together.
    #[error("the credentials of the source are not known")]
    Unknown,
}

/// The operator's file does not hold a secret.
const SHORTEST_SECRET: usize = 16;

/// The secret of one source. Never shown: `Debug` says nothing.
#[derive(Clone)]
pub struct SourceSecret {
    key: hmac::Key,
    tag: hmac::Tag,
}

impl std::fmt::Debug for SourceSecret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SourceSecret(..)")
    }
}

impl SourceSecret {
    /// Takes the content of a secret file; the line end after it does not count.
    ///
    /// `None` for secrets under 16 bytes, which can be tried out.
    pub fn from_file(content: &[u8]) -> Option<Self> {
        let secret = content.trim_ascii();
        (secret.len() >= SHORTEST_SECRET).then(|| {
            // The stored side is a MAC under a key derived from the secret itself: comparing MACs takes the same time
            // wherever two secrets differ, and whatever their lengths.
            let key = hmac::Key::new(hmac::HMAC_SHA256, b"source credential");
            let tag = hmac::sign(&key, secret);
            Self { key, tag }
        })
    }

    fn is(&self, presented: &[u8]) -> bool {
        // `verify` signs what was presented and compares in constant time.
        hmac::verify(&self.key, presented, self.tag.as_ref()).is_ok()
    }
}

/// The secrets of all sources that have one.
#[derive(Clone, Debug, Default)]
pub struct SourceSecrets(Vec<(String, SourceSecret)>);

impl SourceSecrets {
    /// Adds the secret of a source; a source may have several while one is being changed.
    pub fn add(&mut self, source: &str, secret: SourceSecret) {
        self.0.push((source.to_owned(), secret));
    }

    /// Whether a source has a secret.
    pub fn has(&self, source: &str) -> bool {
        self.0.iter().any(|(name, _)| name == source)
    }

    /// Checks an `Authorization` header for `POST /ingest/{source}`.
    ///
    /// Basic: the user is the source's name. Bearer: the secret itself.
    ///
    /// # Errors
    /// [`CredentialError`]; the answer is 401 for either.
    pub fn check(&self, source: &str, authorization: &str) -> Result<Caller, CredentialError> {
        let (scheme, value) = authorization.split_once(' ').ok_or(CredentialError::Form)?;
        let value = value.trim();
        let secret = if scheme.eq_ignore_ascii_case("basic") {
            let decoded = STANDARD.decode(value).map_err(|_| CredentialError::Form)?;
            let at = decoded.iter().position(|byte| *byte == b':').ok_or(CredentialError::Form)?;
            let (user, secret) = decoded.split_at(at);
            if user != source.as_bytes() {
                return Err(CredentialError::Form);
            }
            secret.get(1..).unwrap_or_default().to_vec()
        } else if scheme.eq_ignore_ascii_case("bearer") {
            value.as_bytes().to_vec()
        } else {
            return Err(CredentialError::Form);
        };
        let mut known = false;
        for (name, expected) in &self.0 {
            // Every secret is compared, whosever it is: the time tells neither which sources there are nor how many
            // secrets one has.
            known |= expected.is(&secret) & (name == source);
        }
        if known { Ok(Caller::source(source)) } else { Err(CredentialError::Unknown) }
    }

    /// The caller behind a client certificate that the listener matched to a source.
    pub fn by_certificate(source: &str) -> Caller {
        Caller::source(source)
    }
}

#[cfg(test)]
mod tests;
