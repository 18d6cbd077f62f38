//! The key that signs development tokens: ECDSA P-256, in a PKCS#8 PEM file of the data directory.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use ring::rand::SecureRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};

/// Why a key cannot be used. The operator's fault, except `Randomness`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file is no PEM with one private key.
    #[error("expected a PEM file with one PRIVATE KEY")]
    Pem,
    /// The key is not ECDSA P-256 in PKCS#8.
    #[error("expected an ECDSA P-256 key in PKCS#8")]
    Kind,
    /// The random generator did not answer.
    #[error("the random generator did not answer")]
    Randomness,
}

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// A signing key.
pub struct TokenKey {
    pair: EcdsaKeyPair,
    id: String,
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "TokenKey({})", self.id)
    }
}

impl TokenKey {
    /// Makes a key, as the PEM text of its file (mode 0600).
    ///
    /// # Errors
    /// `KeyError::Randomness`.
    pub fn generate(random: &dyn SecureRandom) -> Result<String, KeyError> {
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, random).map_err(|_| KeyError::Randomness)?;
        let text = STANDARD.encode(document.as_ref());
        let mut pem = format!("{BEGIN}\n");
        let mut rest = text.as_str();
        while let Some((line, next)) = rest.split_at_checked(64) {
            pem.push_str(line);
            pem.push('\n');
            rest = next;
        }
        if !rest.is_empty() {
            pem.push_str(rest);
            pem.push('\n');
        }
        pem.push_str(END);
        pem.push('\n');
        Ok(pem)
    }

    /// Reads the PEM text of a key file.
    ///
    /// # Errors
    /// `KeyError::Pem` and `KeyError::Kind`.
    pub fn from_pem(pem: &str, random: &dyn SecureRandom) -> Result<Self, KeyError> {
        let (_, after) = pem.split_once(BEGIN).ok_or(KeyError::Pem)?;
        let (body, _) = after.split_once(END).ok_or(KeyError::Pem)?;
        let text: String = body.split_ascii_whitespace().collect();
        let document = STANDARD.decode(text).map_err(|_| KeyError::Pem)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &document, random)
            .map_err(|_| KeyError::Kind)?;
        let id = thumbprint(pair.public_key().as_ref()).ok_or(KeyError::Kind)?;
        Ok(Self { pair, id })
    }

    /// The id of the key (`kid`): its JWK thumbprint (RFC 7638).
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey { id: self.id.clone(), point: self.pair.public_key().as_ref().to_vec() }
    }

    pub(crate) fn sign(&self, message: &[u8], random: &dyn SecureRandom) -> Result<Vec<u8>, KeyError> {
        let signature = self.pair.sign(random, message).map_err(|_| KeyError::Randomness)?;
        Ok(signature.as_ref().to_vec())
    }
}

/// A key that checks tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    id: String,
    point: Vec<u8>,
}

impl VerifyingKey {
    /// The id of the key (`kid`).
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.point).verify(message, signature).is_ok()
    }
}

/// RFC 7638, section 3: the digest of the required members in lexical order.
fn thumbprint(point: &[u8]) -> Option<String> {
    // SEC 1, section 2.3.3: an uncompressed point is 04, then both coordinates.
    let coordinates = point.strip_prefix(&[4])?;
    let (x, y) = coordinates.split_at_checked(32)?;
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    let jwk = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    Some(URL_SAFE_NO_PAD.encode(digest(&SHA256, jwk.as_bytes())))
}
