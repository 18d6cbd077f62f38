//! One process for one directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::Error;

/// Takes the lock of `directory`, waiting up to `timeout`: right after a kill the dead process may still hold it.
pub(super) fn take(directory: &Path, timeout: Duration) -> Result<File, Error> {
    let path = directory.join("lock");
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let file = opened.map_err(|error| Error::io("open the lock file", error))?;
    let deadline = Instant::now() + timeout;
    let mut pause = Duration::from_millis(5);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => return Err(Error::Locked { path }),
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(200));
            }
            Err(TryLockError::Error(error)) => return Err(Error::io("lock the store's directory", error)),
        }
    }
}
