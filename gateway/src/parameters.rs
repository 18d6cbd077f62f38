//! The search parameters in force: those of R4, and an operator's own.
//!
//! One process serves one data directory, so there is one set. It is replaced as a whole: a search and a write each take
//! the set of the moment and keep it to their end.

use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use search::Registry;

static CURRENT: LazyLock<RwLock<Arc<Registry>>> = LazyLock::new(|| RwLock::new(Registry::standard()));

/// The set of now.
pub fn current() -> Arc<Registry> {
    Arc::clone(&CURRENT.read().unwrap_or_else(PoisonError::into_inner))
}

/// What the rows of a type are made by now.
pub fn rules(resource_type: &str) -> u32 {
    current().rules(resource_type)
}

/// The search parameters of a running gateway.
#[derive(Debug, Default)]
pub struct Parameters;

impl Parameters {
    /// The set of now.
    pub fn registry(&self) -> Arc<Registry> {
        current()
    }
}
