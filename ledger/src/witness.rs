//! Being a witness for another log: the decision over an `add-checkpoint` request, without IO. C2SP tlog-witness.

use crate::checkpoint::{Checkpoint, SignedCheckpoint, TrustedKeys};
use crate::error::Error;
use crate::note::{self, Algorithm, Note, VerifierKey};
use crate::proof;
use crate::sign::SigningKey;
use crate::text;
use crate::tree::Hash;

/// The most lines a consistency proof may have (tlog-witness, "add-checkpoint").
const MAX_PROOF: usize = 63;

/// The largest checkpoint of a log that this witness has cosigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Witnessed {
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

impl Default for Witnessed {
    fn default() -> Self {
        Self { size: 0, root: Hash::empty_root() }
    }
}

/// Why a request is refused, each with its HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// 400: not of the form, or the old size exceeds the new.
    #[error("expected an old size, a proof and a checkpoint of at least that size")]
    Malformed,
    /// 404: a log this witness does not know.
    #[error("expected a log this witness is configured for")]
    UnknownLog,
    /// 403: no signature of the log's key.
    #[error("expected a signature of the log's key")]
    Unsigned,
    /// 409: the old size is not the one last cosigned, which is given.
    #[error("expected the old size {0}")]
    Stale(u64),
    /// 409: the same size with another root, which is a fork of the log. The size is given.
    #[error("expected the root cosigned before at this size")]
    Fork(u64),
    /// 422: the proof does not show that the log only grew.
    #[error("expected a consistency proof from the old size")]
    Inconsistent,
}

impl Rejection {
    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Unsigned => 403,
            Self::UnknownLog => 404,
            Self::Stale(_) | Self::Fork(_) => 409,
            Self::Inconsistent => 422,
        }
    }

    /// The body and its content type, where the protocol gives one: the size last cosigned.
    pub fn body(self) -> Option<(String, &'static str)> {
        match self {
            Self::Stale(size) => Some((format!("{size}\n"), "text/x.tlog.size")),
            _ => None,
        }
    }
}

/// A request as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The size the log believes was cosigned last.
    pub old: u64,
    /// The consistency proof from there.
    pub proof: Vec<Hash>,
    /// The checkpoint's origin, not verified: for finding what was cosigned before.
    pub origin: String,
    note: String,
}

/// A checkpoint that may be cosigned, once [`Accepted::to_store`] is stored in place of what it was compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    checkpoint: SignedCheckpoint,
}

impl Request {
    /// Reads a request body.
    ///
    /// # Errors
    /// [`Rejection::Malformed`].
    pub fn parse(body: &[u8]) -> Result<Self, Rejection> {
        let parsed = || {
            let (head, note) = std::str::from_utf8(body).ok()?.split_once("\n\n")?;
            let mut lines = head.split('\n');
            let old = text::decimal(lines.next()?.strip_prefix("old ")?)?;
            let proof: Vec<_> = lines.map(Hash::from_base64).collect::<Option<_>>()?;
            let origin = Checkpoint::parse(Note::parse(note.as_bytes()).ok()?.text).ok()?.origin;
            (proof.len() <= MAX_PROOF).then(|| Self { old, proof, origin, note: note.to_owned() })
        };
        parsed().ok_or(Rejection::Malformed)
    }

    /// Writes a request body: what a log sends to its witnesses.
    pub fn to_body(old: u64, proof: &[Hash], note: &str) -> String {
        let lines: String = proof.iter().map(|hash| format!("{}\n", hash.to_base64())).collect();
        format!("old {old}\n{lines}\n{note}")
    }

    /// Decides over the request. `logs` are the keys of the logs this witness serves, `last` what it cosigned for this
    /// origin before (default: nothing).
    ///
    /// Comparing with `last` and storing the new one must be one atomic step of the caller, or two requests at once could
    /// roll the record back.
    ///
    /// # Errors
    /// The [`Rejection`] to answer with.
    pub fn decide(&self, logs: &[VerifierKey], last: Witnessed) -> Result<Accepted, Rejection> {
        let mut keys = TrustedKeys::none();
        let known = logs.iter().filter(|key| key.name() == self.origin && !key.is_cosignature());
        known.clone().for_each(|key| keys.add(key.clone()));
        if known.count() == 0 {
            return Err(Rejection::UnknownLog);
        }
        let checkpoint = keys.verify(self.note.as_bytes()).map_err(|_| Rejection::Unsigned)?;
        if self.old > checkpoint.size() {
            return Err(Rejection::Malformed);
        }
        if self.old != last.size {
            return Err(Rejection::Stale(last.size));
        }
        if self.old == checkpoint.size() && checkpoint.root() != last.root {
            return Err(Rejection::Fork(last.size));
        }
        // From nothing there is nothing to prove; the proof must then be empty.
        let (size, root) = (checkpoint.size(), checkpoint.root());
        let grew = match last.size {
            0 => self.proof.is_empty(),
            _ => proof::verify_consistency(last.size, last.root, size, root, &self.proof),
        };
        if !grew {
            return Err(Rejection::Inconsistent);
        }
        Ok(Accepted { checkpoint })
    }
}

impl Accepted {
    /// What to remember, durably, before the cosignature is given out.
    pub fn to_store(&self) -> Witnessed {
        Witnessed { size: self.checkpoint.size(), root: self.checkpoint.root() }
    }

    /// The text that a cosignature of this time (seconds since 1970) signs.
    pub fn message(&self, time: u64) -> String {
        note::cosigned_message(time, &self.checkpoint.checkpoint().to_text())
    }
}

/// A witness's key on secp256k1.
#[derive(Debug, Clone)]
pub struct WitnessKey {
    signing: SigningKey,
    verifier: VerifierKey,
}

impl WitnessKey {
    /// The key of the witness of this name.
    ///
    /// # Errors
    /// [`Error::Form`] if the name is no key name.
    pub fn new(name: &str, signing: SigningKey) -> Result<Self, Error> {
        let verifier = VerifierKey::new(name, Algorithm::EcdsaCosignature(signing.public()))?;
        Ok(Self { signing, verifier })
    }

    /// What others verify with.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The signature line for a checkpoint whose [`Accepted::to_store`] is stored.
    pub fn cosign(&self, accepted: &Accepted, time: u64) -> String {
        let signature = self.signing.sign(accepted.message(time).as_bytes());
        let bytes = [time.to_be_bytes().as_slice(), &signature].concat();
        note::signature_line(self.verifier.name(), self.verifier.id(), &bytes)
    }
}

#[cfg(test)]
mod tests;
