//! A small durable map: a line of JSON for each change, read back at the start, written anew when it has grown.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Lines beyond twice the entries before the file is written anew.
const SLACK: usize = 1024;

/// Why something was not remembered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShelfError {
    /// No more entries are taken. Passes when some are let go.
    #[error("too much is waiting")]
    Full,
    /// The file could not be written. Operator's fault; retryable.
    #[error("what MLLP remembers could not be written: {0}")]
    File(#[from] io::Error),
}

/// At most so many entries by key; each change is on disk when it returns. Without a file in memory only.
#[derive(Debug)]
pub(crate) struct Shelf<V> {
    most: usize,
    inner: Arc<Mutex<Inner<V>>>,
}

#[derive(Debug)]
struct Inner<V> {
    entries: BTreeMap<String, V>,
    log: Option<Log>,
}

#[derive(Debug)]
struct Log {
    path: PathBuf,
    /// `None` after a failed write: the file is written anew before anything is added.
    file: Option<File>,
    lines: usize,
}

#[derive(Serialize, Deserialize)]
struct Line<K, V> {
    key: K,
    /// Absent: the key is let go.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<V>,
}

impl<V: Clone + Serialize + DeserializeOwned + Send + 'static> Shelf<V> {
    /// Reads the file; a line that was cut off by a power cut was never answered for, and is passed over.
    pub(super) fn open(path: Option<PathBuf>, most: usize) -> io::Result<Self> {
        let mut entries = BTreeMap::new();
        let log = match path {
            None => None,
            Some(path) => {
                let text = match std::fs::read(&path) {
                    Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
                    Err(error) => return Err(error),
                };
                for line in text.lines() {
                    match serde_json::from_str::<Line<String, V>>(line) {
                        Ok(Line { key, value: Some(value) }) => {
                            entries.insert(key, value);
                        }
                        Ok(Line { key, value: None }) => {
                            entries.remove(&key);
                        }
                        Err(_) => tracing::warn!(path = %path.display(), "a line could not be read back"),
                    }
                }
                Some(Log { path, file: None, lines: 0 })
            }
        };
        Ok(Self { most, inner: Arc::new(Mutex::new(Inner { entries, log })) })
    }

    pub(crate) fn get(&self, key: &str) -> Option<V> {
        self.lock().entries.get(key).cloned()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().entries.is_empty()
    }

    /// Every entry that `wanted` takes, in the order of keys.
    pub(crate) fn find<T>(&self, mut wanted: impl FnMut(&str, &V) -> Option<T>) -> Vec<T> {
        self.lock().entries.iter().filter_map(|(key, value)| wanted(key, value)).collect()
    }

    /// Changes an entry under one lock: `change` gets what is there and says what shall be; both are given back.
    ///
    /// When this returns `Ok` the change survives a power cut.
    ///
    /// # Errors
    /// [`ShelfError`]; nothing has changed then.
    pub(crate) async fn change(
        &self,
        key: &str,
        change: impl FnOnce(Option<&V>) -> Option<V> + Send + 'static,
    ) -> Result<(Option<V>, Option<V>), ShelfError> {
        let (inner, most, key) = (self.inner.clone(), self.most, key.to_owned());
        let work = move || {
            let mut inner = inner.lock().unwrap_or_else(PoisonError::into_inner);
            let before = inner.entries.get(&key).cloned();
            let after = change(before.as_ref());
            if before.is_none() && after.is_none() {
                return Ok((None, None));
            }
            if before.is_none() && inner.entries.len() >= most {
                return Err(ShelfError::Full);
            }
            inner.write(&key, after.as_ref())?;
            match &after {
                Some(value) => inner.entries.insert(key, value.clone()),
                None => inner.entries.remove(&key),
            };
            Ok((before, after))
        };
        let ended = tokio::task::spawn_blocking(work).await;
        ended.unwrap_or_else(|error| Err(ShelfError::File(io::Error::other(error))))
    }

    /// Sets an entry; see [`Shelf::change`].
    pub(crate) async fn put(&self, key: &str, value: V) -> Result<(), ShelfError> {
        self.change(key, move |_| Some(value)).await.map(|_| ())
    }

    /// Lets an entry go; see [`Shelf::change`].
    pub(crate) async fn remove(&self, key: &str) -> Result<(), ShelfError> {
        self.change(key, |_| None).await.map(|_| ())
    }

    fn lock(&self) -> MutexGuard<'_, Inner<V>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V: Serialize> Inner<V> {
    fn write(&mut self, key: &str, value: Option<&V>) -> io::Result<()> {
        let Some(log) = &mut self.log else { return Ok(()) };
        let grown = log.lines > self.entries.len().saturating_mul(2).saturating_add(SLACK);
        if log.file.is_none() || grown {
            log.file = None;
            log.file = Some(rewrite(&log.path, &self.entries)?);
            log.lines = self.entries.len();
        }
        let line = line(key, value)?;
        let Some(file) = &mut log.file else { return Ok(()) };
        let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_data());
        match written {
            Ok(()) => log.lines = log.lines.saturating_add(1),
            // Half a line may stand there now.
            Err(_) => log.file = None,
        }
        written
    }
}

fn line<V: Serialize>(key: &str, value: Option<&V>) -> io::Result<String> {
    Ok(serde_json::to_string(&Line { key, value })? + "\n")
}

fn rewrite<V: Serialize>(path: &Path, entries: &BTreeMap<String, V>) -> io::Result<File> {
    let next = path.with_extension("next");
    let mut text = String::new();
    for (key, value) in entries {
        text.push_str(&line(key, Some(value))?);
    }
    let mut file = File::create(&next)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&next, path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    OpenOptions::new().append(true).open(path)
}
