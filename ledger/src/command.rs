//! The ledger's commands as plain functions: what `anchorline ledger …` prints is made here, files are read there.

use std::path::Path;

use crate::checkpoint::{SignedCheckpoint, TrustedKeys};
use crate::entry::Record;
use crate::error::{Error, Refusal};
use crate::fsck::{self, FsckError};
use crate::log::View;
use crate::note::{Algorithm, VerifierKey};
use crate::receipt::{Receipt, VerifiedReceipt};
use crate::sign::{PublicKey, SigningKey};
use crate::store::{CHECKPOINT, DirectoryReader, Source, StoreError};
use crate::tile::{self, Entries, Kind};

/// A new key in the forms that are shown or stored.
#[derive(Clone)]
pub struct NewKey {
    /// PKCS #8 PEM; the only copy of the secret.
    pub private_pem: String,
    /// SubjectPublicKeyInfo PEM.
    pub public_pem: String,
    /// The verifier key.
    pub vkey: VerifierKey,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyUse {
    /// Signs the checkpoints of a log.
    Log,
    /// Cosigns the checkpoints of others.
    Witness,
}

impl KeyUse {
    fn algorithm(self, key: PublicKey) -> Algorithm {
        match self {
            Self::Log => Algorithm::Ecdsa(key),
            Self::Witness => Algorithm::EcdsaCosignature(key),
        }
    }
}

/// `ledger keygen`: a key from 32 random bytes of the caller, under a name (a log's origin, a witness's name).
///
/// # Errors
/// [`Error::Key`] if the bytes are no key (one in 2^128: draw again), [`Error::Form`] if the name is none.
pub fn keygen(secret: &[u8; 32], name: &str, purpose: KeyUse) -> Result<NewKey, Error> {
    let key = SigningKey::from_secret(secret)?;
    let vkey = VerifierKey::new(name, purpose.algorithm(key.public()))?;
    Ok(NewKey { private_pem: key.to_pem()?, public_pem: key.public().to_pem()?, vkey })
}

/// `ledger pubkey`: the public half of a private PEM, as PEM.
///
/// # Errors
/// [`Error::Key`] if it is no such key.
pub fn public_pem(private_pem: &str) -> Result<String, Error> {
    SigningKey::from_pem(private_pem)?.public().to_pem()
}

/// `ledger pubkey --format vkey`: the verifier key of a private PEM under a name.
///
/// # Errors
/// [`Error::Key`] if it is no such key, [`Error::Form`] if the name is none.
pub fn verifier_key(private_pem: &str, name: &str, purpose: KeyUse) -> Result<VerifierKey, Error> {
    VerifierKey::new(name, purpose.algorithm(SigningKey::from_pem(private_pem)?.public()))
}

/// The keys of key files' contents, PEM or verifier keys.
///
/// # Errors
/// [`Error::Key`] if one holds neither.
pub fn trusted_keys<'a>(files: impl IntoIterator<Item = &'a str>) -> Result<TrustedKeys, Error> {
    let mut keys = TrustedKeys::none();
    files.into_iter().try_for_each(|file| keys.add_file(file))?;
    Ok(keys)
}

/// `ledger verify --log DIR`: re-derives the log of a directory.
///
/// # Errors
/// As [`fsck::verify`].
pub fn verify_directory(
    directory: &Path,
    keys: &TrustedKeys,
    progress: impl FnMut(u64, u64),
) -> Result<SignedCheckpoint, FsckError<StoreError>> {
    let reader = DirectoryReader::new(directory);
    // A live log may seal while we read. What the checkpoint at hand covers stays: wider tiles begin with it.
    fsck::verify(|path| reader.read(path), keys, progress)
}

/// `ledger receipt verify`: verifies a receipt's text, with the record beside it or in it.
///
/// # Errors
/// The [`Refusal`], whose text is the one line to print.
pub fn verify_receipt(receipt: &[u8], keys: &TrustedKeys, record: Option<&[u8]>) -> Result<VerifiedReceipt, Refusal> {
    Receipt::parse(receipt)?.verify(keys, record)
}

/// `ledger prove`: the index of the first record of an exchange, by reading all entries.
///
/// # Errors
/// [`Error::Store`] if a bundle cannot be read.
pub fn find_exchange<S: Source>(view: &View<S>, exchange: &str) -> Result<Option<u64>, Error> {
    for bundle in tile::row_of(Kind::Entries, view.size()) {
        let bytes = view.read(&bundle.to_string())?.unwrap_or_default();
        let records = Entries::of(&bytes).zip(bundle.first_entry().unwrap_or(0)..);
        for (entry, index) in records {
            if Record::parse(entry).is_ok_and(|record| record.exchange.to_string() == exchange) {
                return Ok(Some(index));
            }
        }
    }
    Ok(None)
}

/// `ledger export`: hands every file of a log to `write`, the checkpoint last. Returns how many.
///
/// # Errors
/// [`Error::Store`] if a tile cannot be read, or what `write` reports.
pub fn export<S: Source, E: From<Error>>(
    view: &View<S>,
    mut write: impl FnMut(&str, &[u8]) -> Result<(), E>,
) -> Result<u64, E> {
    let mut files = 0_u64;
    let tiles = tile::tiles_of(view.size()).map(|tile| tile.to_string());
    for path in tiles.chain([CHECKPOINT.to_owned()]) {
        if let Some(bytes) = view.read(&path)? {
            write(&path, &bytes)?;
            files = files.saturating_add(1);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests;
