//! Free space, looked at often enough and not too often.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::Error;

const FRESH: Duration = Duration::from_millis(100);

type Probe = Box<dyn Fn() -> io::Result<u64> + Send>;

/// Free bytes of the file system that holds the store.
pub(crate) struct Space {
    probe: Probe,
    seen: Option<(Instant, u64)>,
}

impl Space {
    /// Of the file system that holds `directory`.
    pub(crate) fn of(directory: &Path) -> Self {
        let directory: PathBuf = directory.to_owned();
        Self::with(Box::new(move || {
            let found = rustix::fs::statvfs(&directory)?;
            Ok(found.f_bavail.saturating_mul(found.f_frsize))
        }))
    }

    pub(crate) fn with(probe: Probe) -> Self {
        Self { probe, seen: None }
    }

    /// Refuses with [`Error::Full`] while less than `needed` is free.
    pub(crate) fn check(&mut self, needed: u64) -> Result<(), Error> {
        let free = match self.seen {
            Some((at, free)) if at.elapsed() < FRESH && free >= needed => free,
            _ => {
                let free = (self.probe)().map_err(|error| Error::io("measure free space", error))?;
                self.seen = Some((Instant::now(), free));
                free
            }
        };
        if free < needed { Err(Error::Full { free, needed }) } else { Ok(()) }
    }
}
