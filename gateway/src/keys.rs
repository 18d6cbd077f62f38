//! The data directory: its folders, its lock, and the keys made at first start.
//!
//! `store/`, `ledger/`, `logs/` and `keys/` with mode 0700, each key file with 0600. A key is written whole under another
//! name, synced and renamed, so that a kill leaves either no key or a good one.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use auth::TokenKey;
use ledger::checkpoint::LogKey;
use ledger::command::{KeyUse, keygen};
use ledger::entry::Origin;
use ledger::sign::SigningKey;
use ring::rand::SystemRandom;
use uuid::Uuid;

#[cfg(test)]
mod tests;

/// Key of the tokens that `anchorline token` makes, under `keys/`.
pub const TOKEN_KEY: &str = "token-key.pem";
/// The log's signing key, under `keys/`.
pub const LEDGER_KEY: &str = "ledger-key.pem";
/// The log's name, under `keys/`.
pub const LEDGER_ORIGIN: &str = "ledger-origin";
/// Namespace of the ids that are made from messages, under `keys/`.
pub const ID_NAMESPACE: &str = "id-namespace";
/// What links of pages are sealed with, under `keys/`.
pub const PAGE_KEY: &str = "page-key";

/// A process that was just killed may hold the lock for a moment.
const LOCK_WAIT: Duration = Duration::from_secs(3);

/// What keeps a data directory from being used. Fault of the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A file or folder could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process uses the directory.
    #[error("{path}: another process uses this data directory")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// A key file holds something else.
    #[error("{path}: expected {expected}")]
    Form {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
    /// The configured name of the log is not the one its key was made for.
    #[error(
        "ledger.origin is {configured}, but this directory's log is named {kept}: write that, or start a new directory"
    )]
    Origin {
        /// In the configuration.
        configured: String,
        /// In the directory.
        kept: String,
    },
    /// The system gave no randomness.
    #[error("the system gave no random bytes")]
    Random,
}

/// A data directory, held by this process until dropped.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

/// The keys of a data directory.
#[derive(Debug)]
pub struct Keys {
    /// Key of development tokens.
    pub token: TokenKey,
    /// What the log signs with, and its name.
    pub ledger: LogKey,
    /// Namespace of ids.
    pub namespace: Uuid,
    /// What links of pages are sealed with.
    pub page: [u8; 32],
}

impl DataDirectory {
    /// Makes the folders that are missing and takes the lock.
    ///
    /// # Errors
    /// [`KeyError::InUse`] if another process holds it for longer than a dying process would.
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        for folder in [path.to_owned(), path.join("store"), path.join("ledger"), path.join("logs")] {
            fs::create_dir_all(&folder).map_err(at(&folder))?;
        }
        make_keys_folder(path)?;
        let lock_path = path.join("lock");
        let lock = File::options().create(true).append(true).open(&lock_path).map_err(at(&lock_path))?;
        let started = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if started.elapsed() < LOCK_WAIT => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(TryLockError::WouldBlock) => return Err(KeyError::InUse { path: path.to_owned() }),
                Err(TryLockError::Error(source)) => return Err(KeyError::File { path: lock_path, source }),
            }
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the keys, making those that are missing. `key_file` and `origin` stand in for the log's own.
    ///
    /// # Errors
    /// [`KeyError`], each naming the file.
    pub fn keys(&self, key_file: Option<&Path>, origin: Option<&str>) -> Result<Keys, KeyError> {
        Ok(Keys {
            token: token_key(&self.path)?,
            ledger: log_key(&self.path, key_file, origin)?,
            namespace: namespace(&self.path)?,
            page: page_key(&self.path)?,
        })
    }
}

/// The key of development tokens, made if it is missing. Works beside a running process.
///
/// # Errors
/// [`KeyError`], naming the file.
pub fn token_key(data: &Path) -> Result<TokenKey, KeyError> {
    let path = make_keys_folder(data)?.join(TOKEN_KEY);
    let system = SystemRandom::new();
    let make = || TokenKey::generate(&system).map(String::into_bytes).map_err(|_| KeyError::Random);
    let pem = read_or_make(&path, make)?;
    let key = std::str::from_utf8(&pem).ok().and_then(|pem| TokenKey::from_pem(pem, &system).ok());
    key.ok_or(KeyError::Form { path, expected: "an ECDSA P-256 key in PEM form (PKCS #8)" })
}

/// The name of the directory's log, if it has one already.
///
/// # Errors
/// [`KeyError::File`] if it is there but cannot be read.
pub fn log_origin(data: &Path) -> Result<Option<String>, KeyError> {
    let path = data.join("keys").join(LEDGER_ORIGIN);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(KeyError::File { path, source }),
    }
}

/// Writes the key and the name of a log into a directory that has none: `ledger keygen`.
///
/// # Errors
/// [`KeyError::File`] with `AlreadyExists` if there is a key: a log does not outlive its key.
pub fn write_log_key(data: &Path, private_pem: &str, origin: &str) -> Result<(), KeyError> {
    let folder = make_keys_folder(data)?;
    let path = folder.join(LEDGER_KEY);
    if path.exists() {
        return Err(KeyError::File { path, source: io::Error::from(io::ErrorKind::AlreadyExists) });
    }
    write_private(&folder.join(LEDGER_ORIGIN), origin.as_bytes())?;
    write_private(&path, private_pem.as_bytes())
}

fn log_key(data: &Path, key_file: Option<&Path>, origin: Option<&str>) -> Result<LogKey, KeyError> {
    let folder = make_keys_folder(data)?;
    let (origin_path, own) = (folder.join(LEDGER_ORIGIN), folder.join(LEDGER_KEY));
    let kept = match log_origin(data)? {
        Some(kept) => kept,
        None => {
            // Two sites must not name their logs alike, or a receipt of one could be mistaken for the other's.
            let drawn = || random::<4>().map(|bits| format!("anchorline.local/{:08x}", u32::from_be_bytes(bits)));
            let name = origin.map_or_else(drawn, |name| Ok(name.to_owned()))?;
            write_private(&origin_path, name.as_bytes())?;
            name
        }
    };
    if let Some(configured) = origin.filter(|configured| *configured != kept) {
        return Err(KeyError::Origin { configured: configured.to_owned(), kept });
    }
    let path = key_file.unwrap_or(&own);
    let make = || {
        let made = keygen(&random::<32>()?, &kept, KeyUse::Log);
        made.map(|key| key.private_pem.into_bytes()).map_err(|_| KeyError::Random)
    };
    let form = || KeyError::Form { path: path.to_owned(), expected: "a secp256k1 key in PEM form (PKCS #8)" };
    let pem = read_or_make(path, make)?;
    let pem = std::str::from_utf8(&pem).map_err(|_| form())?;
    let signing = SigningKey::from_pem(pem).map_err(|_| form())?;
    let name = || KeyError::Form { path: origin_path.clone(), expected: "the name of a log" };
    LogKey::new(Origin::parse(&kept).map_err(|_| name())?, signing).map_err(|_| name())
}

fn namespace(data: &Path) -> Result<Uuid, KeyError> {
    let path = make_keys_folder(data)?.join(ID_NAMESPACE);
    let make = || random::<16>().map(|bits| Uuid::from_bytes(bits).hyphenated().to_string().into_bytes());
    let bytes = read_or_make(&path, make)?;
    let text = std::str::from_utf8(&bytes).ok().map(str::trim);
    text.and_then(|text| Uuid::parse_str(text).ok()).ok_or(KeyError::Form { path, expected: "a UUID" })
}

fn page_key(data: &Path) -> Result<[u8; 32], KeyError> {
    let path = make_keys_folder(data)?.join(PAGE_KEY);
    let bytes = read_or_make(&path, || random::<32>().map(|key| key.to_vec()))?;
    <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| KeyError::Form { path, expected: "32 bytes" })
}

/// Random bytes of the system.
///
/// # Errors
/// [`KeyError::Random`] if it has none.
pub fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| KeyError::Random)?;
    Ok(bytes)
}

fn make_keys_folder(data: &Path) -> Result<PathBuf, KeyError> {
    let folder = data.join("keys");
    if !folder.is_dir() {
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        private_mode(&folder, 0o700)?;
    }
    Ok(folder)
}

fn read_or_make(path: &Path, make: impl FnOnce() -> Result<Vec<u8>, KeyError>) -> Result<Vec<u8>, KeyError> {
    match fs::read(path) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let bytes = make()?;
            write_private(path, &bytes)?;
            // Read again: another process may have been faster, and both must go on with the same key.
            fs::read(path).map_err(at(path))
        }
        Err(source) => Err(KeyError::File { path: path.to_owned(), source }),
    }
}

/// Puts a file in place whole, readable by its owner alone; one that is there already stays.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    let tail: String = random::<4>()?.iter().map(|byte| format!("{byte:02x}")).collect();
    let temporary = path.with_extension(format!("new-{tail}"));
    let write = || -> io::Result<()> {
        let mut file = File::options().write(true).create_new(true).open(&temporary)?;
        private_mode(&temporary, 0o600).map_err(|_| io::Error::from(io::ErrorKind::PermissionDenied))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        // A hard link fails where a rename would replace what another process has just put there.
        match fs::hard_link(&temporary, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    };
    let written = write();
    let _ = fs::remove_file(&temporary);
    written.map_err(at(path))?;
    match path.parent() {
        Some(folder) => File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(path)),
        None => Ok(()),
    }
}

#[cfg(unix)]
fn private_mode(path: &Path, mode: u32) -> Result<(), KeyError> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(at(path))
}

#[cfg(not(unix))]
fn private_mode(_path: &Path, _mode: u32) -> Result<(), KeyError> {
    Ok(())
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> KeyError + '_ {
    move |source| KeyError::File { path: path.to_owned(), source }
}
