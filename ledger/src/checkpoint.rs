//! Checkpoints: a log's size and root, signed. C2SP tlog-checkpoint on signed-note.

use crate::entry::Origin;
use crate::error::{Error, Refusal};
use crate::note::{self, Algorithm, Note, VerifierKey};
use crate::sign::{PublicKey, SigningKey};
use crate::text;
use crate::tree::Hash;

/// The statement of a checkpoint, without signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// The number of entries.
    pub size: u64,
    /// The root of the tree of that size.
    pub root: Hash,
    /// Opaque lines after the root; ours have none.
    pub extensions: Vec<String>,
}

impl Checkpoint {
    /// Reads a note's text. C2SP tlog-checkpoint, "Note text".
    ///
    /// # Errors
    /// [`Error::Form`] if it is not three or more non-empty lines of the right form.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let parsed = || {
            let mut lines = text.strip_suffix('\n')?.split('\n');
            let origin = lines.next().filter(|line| !line.is_empty())?.to_owned();
            let size = text::decimal(lines.next()?)?;
            let root = Hash::from_base64(lines.next()?)?;
            let extensions: Vec<_> = lines.map(str::to_owned).collect();
            let empty_line = extensions.iter().any(String::is_empty);
            (!empty_line).then_some(Self { origin, size, root, extensions })
        };
        parsed().ok_or(Error::Form { what: "checkpoint", expected: "the lines origin, size and base64 root" })
    }

    /// The bytes that are signed.
    pub fn to_text(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.origin, self.size, self.root.to_base64());
        for line in &self.extensions {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

/// The key of a log: its name and what it signs with.
#[derive(Debug, Clone)]
pub struct LogKey {
    origin: Origin,
    signing: SigningKey,
    verifier: VerifierKey,
}

impl LogKey {
    /// The key of the log of this name: the key's name is the origin (C2SP tlog-checkpoint, "Signatures").
    ///
    /// # Errors
    /// [`Error::Form`] never, in practice: every origin is a key name.
    pub fn new(origin: Origin, signing: SigningKey) -> Result<Self, Error> {
        let verifier = VerifierKey::new(origin.as_str(), Algorithm::Ecdsa(signing.public()))?;
        Ok(Self { origin, signing, verifier })
    }

    /// The log's name.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What others verify with; `Display` is its text form.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The public key alone.
    pub fn public(&self) -> PublicKey {
        self.signing.public()
    }

    /// Signs a statement about this log. Only the sequencer may: it alone knows what is durable.
    pub(crate) fn sign(&self, size: u64, root: Hash) -> SignedCheckpoint {
        let checkpoint = Checkpoint { origin: self.origin.as_str().to_owned(), size, root, extensions: Vec::new() };
        let text = checkpoint.to_text();
        let signature = self.signing.sign(text.as_bytes());
        let line = note::signature_line(self.verifier.name(), self.verifier.id(), &signature);
        SignedCheckpoint {
            note: format!("{text}\n{line}"),
            checkpoint,
            signers: vec![Signer::of(&self.verifier, None)],
        }
    }
}

/// Whose signature was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The key's name.
    pub name: String,
    /// The key's id.
    pub id: [u8; 4],
    /// When a witness cosigned, in seconds since 1970; `None` for the log itself.
    pub cosigned_at: Option<u64>,
}

impl Signer {
    fn of(key: &VerifierKey, cosigned_at: Option<u64>) -> Self {
        Self { name: key.name().to_owned(), id: key.id(), cosigned_at }
    }
}

/// A checkpoint whose signature by a trusted log key holds: made by [`TrustedKeys::verify`] or by our own key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: String,
    signers: Vec<Signer>,
}

impl SignedCheckpoint {
    /// What is stated.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The number of entries.
    pub fn size(&self) -> u64 {
        self.checkpoint.size
    }

    /// The root.
    pub fn root(&self) -> Hash {
        self.checkpoint.root
    }

    /// The whole note, as it is served under `checkpoint`.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// The keys whose signatures hold: the log's and those of known witnesses.
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }
}

/// The keys a reader trusts: of logs and of witnesses.
#[derive(Debug, Clone, Default)]
pub struct TrustedKeys {
    named: Vec<VerifierKey>,
    plain: Vec<PublicKey>,
}

impl TrustedKeys {
    /// No key at all: everything is refused.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a key with its name.
    pub fn add(&mut self, key: VerifierKey) {
        self.named.push(key);
    }

    /// Adds a log's key without a name: it signs under the origin of the checkpoint at hand.
    pub fn add_plain(&mut self, key: PublicKey) {
        self.plain.push(key);
    }

    /// Adds what a key file holds: a PEM public key, or verifier keys one a line (`#` begins a comment).
    ///
    /// # Errors
    /// [`Error::Key`] if it holds neither.
    pub fn add_file(&mut self, content: &str) -> Result<(), Error> {
        if content.contains("-----BEGIN") {
            self.add_plain(PublicKey::from_pem(content)?);
            return Ok(());
        }
        let lines = content.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let keys = lines.map(VerifierKey::parse).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(Error::Key { expected: "a PEM public key or a verifier key" });
        }
        self.named.extend(keys);
        Ok(())
    }

    /// Verifies a checkpoint: its form, a log key's signature, and every signature by a known key.
    ///
    /// Lines of unknown keys are ignored (signed-note, "Signatures"). A log key counts only for the origin it is named
    /// for, so that one trusted log cannot speak for another. No quorum of witnesses is asked for here.
    ///
    /// # Errors
    /// [`Refusal::Checkpoint`] with what was expected.
    pub fn verify(&self, note_bytes: &[u8]) -> Result<SignedCheckpoint, Refusal> {
        let form = |error: Error| Refusal::checkpoint(error.to_string());
        let note = Note::parse(note_bytes).map_err(form)?;
        let checkpoint = Checkpoint::parse(note.text).map_err(form)?;
        let plain =
            self.plain.iter().filter_map(|key| VerifierKey::new(&checkpoint.origin, Algorithm::Ecdsa(*key)).ok());
        let keys: Vec<VerifierKey> = plain.chain(self.named.iter().cloned()).collect();
        let mut signers = Vec::new();
        let mut signed_by_log = false;
        for line in &note.signatures {
            for key in keys.iter().filter(|key| key.made(line)) {
                if !key.verifies(note.text, &line.bytes) {
                    return Err(Refusal::checkpoint(format!("the signature of {} does not hold", key.name())));
                }
                let cosigned_at = key.is_cosignature().then(|| note::cosignature_parts(&line.bytes)).flatten();
                signed_by_log |= !key.is_cosignature() && key.name() == checkpoint.origin;
                signers.push(Signer::of(key, cosigned_at.map(|(time, _)| time)));
            }
        }
        if !signed_by_log {
            return Err(Refusal::checkpoint("expected the signature of a given key of this log"));
        }
        // Signature::parse and the rest only slice: the note is the text that was verified, byte for byte.
        let note = String::from_utf8_lossy(note_bytes).into_owned();
        Ok(SignedCheckpoint { checkpoint, note, signers })
    }
}

#[cfg(test)]
mod tests;
