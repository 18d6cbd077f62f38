//! Signed notes and verifier keys. C2SP signed-note.

use sha2::{Digest as _, Sha256};

use crate::error::Error;
use crate::sign::PublicKey;
use crate::text;

/// The longest note read, and the most signature lines: signed-note asks for a limit and for 16 signatures at least.
const MAX_NOTE_BYTES: usize = 1 << 20;
const MAX_SIGNATURES: usize = 64;

/// Long ids after 0xff, the type byte for algorithms without one of their own (signed-note, "Signature types").
const ECDSA_ID: &[u8] = b"\xffecdsa-secp256k1-sha256";
const COSIGNATURE_ID: &[u8] = b"\xffcosignature-v1-ecdsa-secp256k1-sha256";
const ED25519_ID: &[u8] = b"\x01";
const ED25519_COSIGNATURE_ID: &[u8] = b"\x04";

/// A text with signatures. Nothing is verified by reading one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note<'a> {
    /// What is signed, with its last newline.
    pub text: &'a str,
    /// The signature lines, in order.
    pub signatures: Vec<Signature<'a>>,
}

/// One signature line: `— name base64(id || signature)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature<'a> {
    /// The key's name.
    pub name: &'a str,
    /// The key's id.
    pub id: [u8; 4],
    /// What the algorithm made.
    pub bytes: Vec<u8>,
}

impl<'a> Note<'a> {
    /// Reads a note. C2SP signed-note, "Format".
    ///
    /// # Errors
    /// [`Error::Form`] if the bytes are none, exceed 1 MiB or carry more than 64 signatures.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let form = |expected| Error::Form { what: "note", expected };
        if bytes.len() > MAX_NOTE_BYTES {
            return Err(form("at most 1 MiB"));
        }
        let note = std::str::from_utf8(bytes).map_err(|_| form("UTF-8"))?;
        if note.bytes().any(|b| b < 0x20 && b != b'\n') {
            return Err(form("no control characters"));
        }
        let end = note.rfind("\n\n").ok_or(form("an empty line before the signatures"))?;
        let (text, lines) = note.split_at_checked(end.saturating_add(1)).ok_or(form("a text"))?;
        let lines = lines.strip_prefix('\n').and_then(|lines| lines.strip_suffix('\n'));
        let lines = lines.ok_or(form("signature lines that end in a newline"))?;
        let signatures: Option<Vec<_>> =
            lines.split('\n').take(MAX_SIGNATURES.saturating_add(1)).map(Signature::parse).collect();
        let signatures = signatures.ok_or(form("signature lines of the form `— name base64`"))?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(form("at most 64 signatures"));
        }
        Ok(Self { text, signatures })
    }
}

impl<'a> Signature<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (name, base64) = line.strip_prefix("— ")?.split_once(' ')?;
        let blob = text::unbase64(base64)?;
        let (id, bytes) = blob.split_first_chunk::<4>()?;
        (is_key_name(name) && !bytes.is_empty()).then(|| Self { name, id: *id, bytes: bytes.to_vec() })
    }
}

/// Writes a signature line, with its newline.
pub fn signature_line(name: &str, id: [u8; 4], signature: &[u8]) -> String {
    format!("— {name} {}\n", text::base64(&[&id, signature].concat()))
}

fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c == '+' || c.is_control())
}

/// What a key signs with, and its public half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// A log's ECDSA over secp256k1: DER, over the text.
    Ecdsa(PublicKey),
    /// A witness's ECDSA over secp256k1: u64 time and DER, over a header with the time and the text.
    EcdsaCosignature(PublicKey),
    /// A log's Ed25519 (type 0x01). Verified only with the feature `ed25519`.
    Ed25519([u8; 32]),
    /// A witness's Ed25519 (type 0x04, C2SP tlog-cosignature). Verified only with the feature `ed25519`.
    Ed25519Cosignature([u8; 32]),
}

impl Algorithm {
    /// Type byte, long id if any, and key: what a key id is the hash of.
    fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::Ecdsa(key) => [ECDSA_ID, &key.to_sec1()].concat(),
            Self::EcdsaCosignature(key) => [COSIGNATURE_ID, &key.to_sec1()].concat(),
            Self::Ed25519(key) => [ED25519_ID, &key].concat(),
            Self::Ed25519Cosignature(key) => [ED25519_COSIGNATURE_ID, &key].concat(),
        }
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        // Compressed points only: the same key in another encoding would have another id.
        let point = |key: &[u8]| PublicKey::from_sec1(key).ok().filter(|_| key.len() == 33);
        if let Some(key) = bytes.strip_prefix(ECDSA_ID) {
            return Some(Self::Ecdsa(point(key)?));
        }
        if let Some(key) = bytes.strip_prefix(COSIGNATURE_ID) {
            return Some(Self::EcdsaCosignature(point(key)?));
        }
        if let Some(key) = bytes.strip_prefix(ED25519_ID) {
            return Some(Self::Ed25519(key.try_into().ok()?));
        }
        Some(Self::Ed25519Cosignature(bytes.strip_prefix(ED25519_COSIGNATURE_ID)?.try_into().ok()?))
    }

    fn is_cosignature(self) -> bool {
        matches!(self, Self::EcdsaCosignature(_) | Self::Ed25519Cosignature(_))
    }
}

/// A key with the name it signs under: `name+id+base64(type || key)`. C2SP signed-note, "Verifier keys".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    algorithm: Algorithm,
}

impl VerifierKey {
    /// A key under a name.
    ///
    /// # Errors
    /// [`Error::Form`] if the name is empty or holds white space or `+`.
    pub fn new(name: &str, algorithm: Algorithm) -> Result<Self, Error> {
        if !is_key_name(name) {
            return Err(Error::Form { what: "key name", expected: "one or more characters without space and +" });
        }
        let hash = Sha256::new().chain_update(name).chain_update("\n").chain_update(algorithm.to_bytes()).finalize();
        let id = hash.first_chunk().copied().unwrap_or_default();
        Ok(Self { name: name.to_owned(), id, algorithm })
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// [`Error::Key`] if it has another form, an algorithm not known here, or an id that is not the key's.
    pub fn parse(vkey: &str) -> Result<Self, Error> {
        let error = Error::Key { expected: "a verifier key `name+id+base64` of a known algorithm" };
        let parsed = || {
            let (name, rest) = vkey.trim_end_matches(['\n', '\r']).split_once('+')?;
            let (id, key) = rest.split_once('+')?;
            let key = Self::new(name, Algorithm::from_bytes(&text::unbase64(key)?)?).ok()?;
            (text::unhex::<4>(id)? == key.id).then_some(key)
        };
        parsed().ok_or(error)
    }

    /// Under which name it signs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id: the first four bytes of SHA-256(name || 0x0A || type || key).
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// Algorithm and key.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether it is a witness's.
    pub fn is_cosignature(&self) -> bool {
        self.algorithm.is_cosignature()
    }

    /// Whether this key made that line: the same name and the same id.
    pub fn made(&self, signature: &Signature<'_>) -> bool {
        self.name == signature.name && self.id == signature.id
    }

    /// Whether a signature line's bytes are this key's signature of `note_text`.
    ///
    /// A cosignature's time is not judged; [`crate::checkpoint`] reports it.
    pub fn verifies(&self, note_text: &str, signature: &[u8]) -> bool {
        if !self.is_cosignature() {
            return self.verifies_message(note_text.as_bytes(), signature);
        }
        cosignature_parts(signature).is_some_and(|(time, signature)| {
            self.verifies_message(cosigned_message(time, note_text).as_bytes(), signature)
        })
    }

    fn verifies_message(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.algorithm {
            Algorithm::Ecdsa(key) | Algorithm::EcdsaCosignature(key) => key.verifies(message, signature),
            Algorithm::Ed25519(key) | Algorithm::Ed25519Cosignature(key) => ed25519_verifies(key, message, signature),
        }
    }
}

impl std::fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}+{}+{}", self.name, text::hex(&self.id), text::base64(&self.algorithm.to_bytes()))
    }
}

/// Time and signature of a cosignature. C2SP tlog-cosignature, "Format": the time is at most 2^63 - 1.
pub fn cosignature_parts(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (time, signature) = bytes.split_first_chunk::<8>()?;
    let time = u64::from_be_bytes(*time);
    i64::try_from(time).is_ok().then_some((time, signature))
}

/// What a witness signs: C2SP tlog-cosignature, "Ed25519 signed message"; ours over secp256k1 signs the same text.
pub fn cosigned_message(time: u64, note_text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{note_text}")
}

#[cfg(feature = "ed25519")]
fn ed25519_verifies(key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, key).verify(message, signature).is_ok()
}

#[cfg(not(feature = "ed25519"))]
fn ed25519_verifies(_: &[u8; 32], _: &[u8], _: &[u8]) -> bool {
    false
}

#[cfg(test)]
mod tests;
