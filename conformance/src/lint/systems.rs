//! The code systems that come with R4: HL7's own, those of HL7 v2 tables and of v3.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use definitions::Definitions;
use model::json::Json;

use super::codes::CodeSystems;

/// Displays by code.
type Displays = HashMap<String, String>;

/// The code systems of R4. They do not change: each is read once for the whole process.
pub(super) struct R4;

static READ: LazyLock<Mutex<HashMap<String, Option<Arc<Displays>>>>> = LazyLock::new(Mutex::default);

fn displays(system: &str) -> Option<Arc<Displays>> {
    // A thread that panicked has left a whole entry or none.
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = read.get(system) {
        return known.clone();
    }
    let found = Definitions::r4().find(Some("CodeSystem"), system);
    // Of a fragment or a stub nothing can be said about a code that is not in it.
    let complete = found.filter(|found| found.text_at(&["content"]) == Some("complete"));
    let displays = complete.map(|found| {
        let mut out = Displays::new();
        collect(&found, &mut out);
        Arc::new(out)
    });
    let displays = displays.filter(|displays| !displays.is_empty());
    read.insert(system.to_owned(), displays.clone());
    displays
}

fn collect(concepts: &Json, out: &mut Displays) {
    let mut open: Vec<&Json> = concepts.items("concept").iter().collect();
    while let Some(concept) = open.pop() {
        let word = |name: &str| concept.text_at(&[name]).unwrap_or_default().to_owned();
        out.insert(word("code"), word("display"));
        open.extend(concept.items("concept"));
    }
}

impl CodeSystems for R4 {
    fn display(&self, system: &str, code: &str) -> Option<Option<String>> {
        displays(system).map(|displays| displays.get(code).cloned())
    }
}
