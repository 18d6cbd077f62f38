//! Connections counted by what they have in common: an address, a source.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

type Counts = Arc<Mutex<HashMap<String, usize>>>;

/// How many connections there are under each name.
#[derive(Debug, Default)]
pub(crate) struct Places(Counts);

impl Places {
    /// A place under `name`, unless `most` are taken.
    pub(crate) fn take(&self, name: &str, most: usize) -> Option<Place> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(name.to_owned()).or_default();
        if *count >= most {
            return None;
        }
        *count = count.saturating_add(1);
        Some(Place { counts: self.0.clone(), name: name.to_owned() })
    }
}

/// A place that is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    counts: Counts,
    name: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.name) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.name);
            }
        }
    }
}
