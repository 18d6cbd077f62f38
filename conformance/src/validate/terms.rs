//! Definitions as the terminology sees them.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use definitions::Definitions;
use model::json::Json;
use terminology::Source;

use super::slicing::plain;

/// Code systems and value sets of a set of definitions.
pub(super) struct Definition {
    definitions: Arc<Definitions>,
    supplements: OnceLock<HashMap<String, Vec<Arc<Json>>>>,
}

impl Definition {
    pub(super) fn new(definitions: Arc<Definitions>) -> Self {
        Self { definitions, supplements: OnceLock::new() }
    }

    /// Those of guides; HL7's own code systems supplement nothing.
    fn read(&self) -> HashMap<String, Vec<Arc<Json>>> {
        const OWN: [&str; 3] = ["http://hl7.org/fhir/", "http://terminology.hl7.org/", "urn:"];
        let mut found: HashMap<String, Vec<Arc<Json>>> = HashMap::new();
        for (url, _) in self.definitions.iter("CodeSystem") {
            if OWN.iter().any(|start| url.starts_with(start)) && !url.contains("/test/") {
                continue;
            }
            let Some(system) = self.definitions.find(Some("CodeSystem"), url) else { continue };
            if system.text_at(&["content"]) == Some("supplement")
                && let Some(of) = system.text_at(&["supplements"])
            {
                found.entry(plain(of).to_owned()).or_default().push(system);
            }
        }
        found
    }
}

impl Source for Definition {
    fn find(&self, kind: &str, canonical: &str) -> Option<Arc<Json>> {
        self.definitions.find(Some(kind), canonical)
    }

    fn supplements(&self, system: &str) -> Vec<Arc<Json>> {
        self.supplements.get_or_init(|| self.read()).get(system).cloned().unwrap_or_default()
    }
}
