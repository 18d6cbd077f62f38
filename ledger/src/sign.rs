//! Keys and signatures: ECDSA over secp256k1 with SHA-256, RFC 6979 nonces, DER, low S only.

use k256::ecdsa::signature::{Signer as _, Verifier as _};
use k256::ecdsa::{Signature, SigningKey as EcdsaKey, VerifyingKey};
use k256::pkcs8::{
    DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _, LineEnding,
};
use k256::{PublicKey as EcPublicKey, SecretKey};

use crate::error::Error;

/// A private key. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct SigningKey(EcdsaKey);

impl SigningKey {
    /// A key from 32 bytes that the caller drew at random.
    ///
    /// # Errors
    /// [`Error::Key`] for zero and for numbers beyond the group order: draw again (SEC 1, section 3.2.1).
    pub fn from_secret(secret: &[u8; 32]) -> Result<Self, Error> {
        EcdsaKey::from_slice(secret)
            .map(Self)
            .map_err(|_| Error::Key { expected: "a number from 1 to the group order" })
    }

    /// Reads PEM with PKCS #8 (RFC 5958): `-----BEGIN PRIVATE KEY-----`.
    ///
    /// # Errors
    /// [`Error::Key`] for any other form or curve.
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        SecretKey::from_pkcs8_pem(pem)
            .map(|key| Self(key.into()))
            .map_err(|_| Error::Key { expected: "a PEM private key (PKCS #8) on secp256k1" })
    }

    /// The key as PEM with PKCS #8; write it to a file only its owner may read.
    ///
    /// # Errors
    /// [`Error::Key`] never, in practice: the form fits every key.
    pub fn to_pem(&self) -> Result<String, Error> {
        SecretKey::from(&self.0)
            .to_pkcs8_pem(LineEnding::LF)
            .map(|pem| pem.to_string())
            .map_err(|_| Error::Key { expected: "a key PKCS #8 can hold" })
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(*self.0.verifying_key())
    }

    /// Signs a message: DER, low S, the same bytes each time (RFC 6979).
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: Signature = self.0.sign(message);
        signature.normalize_s().to_der().as_bytes().to_vec()
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey(secret of {:?})", self.public())
    }
}

/// A public key on secp256k1.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads a point of SEC 1, section 2.3.4, compressed (33 bytes) or not.
    ///
    /// # Errors
    /// [`Error::Key`] if there is no such point on the curve.
    pub fn from_sec1(bytes: &[u8]) -> Result<Self, Error> {
        VerifyingKey::from_sec1_bytes(bytes)
            .map(Self)
            .map_err(|_| Error::Key { expected: "a point of secp256k1 (SEC 1)" })
    }

    /// Reads PEM with SubjectPublicKeyInfo (RFC 5480): `-----BEGIN PUBLIC KEY-----`.
    ///
    /// # Errors
    /// [`Error::Key`] for any other form or curve.
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        EcPublicKey::from_public_key_pem(pem)
            .map(|key| Self(key.into()))
            .map_err(|_| Error::Key { expected: "a PEM public key (SubjectPublicKeyInfo) on secp256k1" })
    }

    /// The key as PEM, as `openssl` reads it.
    ///
    /// # Errors
    /// [`Error::Key`] never, in practice: the form fits every key.
    pub fn to_pem(&self) -> Result<String, Error> {
        EcPublicKey::from(self.0)
            .to_public_key_pem(LineEnding::LF)
            .map_err(|_| Error::Key { expected: "a key SubjectPublicKeyInfo can hold" })
    }

    /// The compressed point: 33 bytes (SEC 1, section 2.3.3).
    pub fn to_sec1(&self) -> Vec<u8> {
        self.0.to_sec1_point(true).as_bytes().to_vec()
    }

    /// Whether `der` is a signature of `message` in strict DER with the lower of the two S.
    ///
    /// High S is refused: otherwise anybody could turn one valid checkpoint into a second, different one.
    pub fn verifies(&self, message: &[u8], der: &[u8]) -> bool {
        let Ok(signature) = Signature::from_der(der) else { return false };
        // One value, one spelling: what was read must be what we would write.
        let canonical = signature.normalize_s() == signature && signature.to_der().as_bytes() == der;
        canonical && self.0.verify(message, &signature).is_ok()
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({})", crate::text::hex(&self.to_sec1()))
    }
}

#[cfg(test)]
mod tests;
