//! What a request's decisions leave for the audit log: for each patient what left, what stayed, and by which consents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use consent::Decision;

use super::release::Released;
use crate::audit::{Decided, Event};

/// Decisions by which something stayed, by patient. Only ids of consents and places in them.
#[derive(Debug, Default)]
pub(super) struct Noted(Mutex<BTreeMap<String, BTreeSet<String>>>);

impl Noted {
    /// Notes that a resource of these patients stays.
    pub(super) fn withheld(&self, patients: &[String], decision: &Decision) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for patient in patients {
            let traces = noted.entry(patient.clone()).or_default();
            traces.extend(decision.trace());
        }
    }

    /// Whether something of this patient's stayed.
    pub(super) fn has(&self, patient: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(patient)
    }

    /// Tells the event of each patient what of theirs left, and which consents decided: nothing of any other patient.
    pub(super) fn complete(&self, mut event: Event, released: &[Released]) -> Event {
        for patient in released.iter().flat_map(Released::patients) {
            event = event.patient(patient.as_str());
        }
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let patients: Vec<String> = event.patients().map(str::to_owned).collect();
        for patient in patients {
            let own: Vec<&Released> = released.iter().filter(|one| one.patients().contains(&patient)).collect();
            let mut types: BTreeMap<&str, usize> = BTreeMap::new();
            let mut traces = BTreeSet::new();
            for one in &own {
                *types.entry(one.reference().split('/').next().unwrap_or_default()).or_default() += 1;
                traces.extend(one.trace().iter().cloned());
            }
            if !types.is_empty() {
                let counted: Vec<String> = types.iter().map(|(name, count)| format!("{name} {count}")).collect();
                event = event.detail_of(&patient, "released", counted.join(", "));
            }
            match noted.get(&patient) {
                Some(denials) if own.is_empty() => {
                    traces.extend(denials.iter().cloned());
                    event = event.refused_of(&patient);
                }
                // Something else of theirs stayed: the patient may know, the caller never does.
                Some(denials) => {
                    traces.extend(denials.iter().cloned());
                    event = event.detail_of(&patient, "withheld", "in part");
                }
                None => {}
            }
            event = event.decided(&patient, Decided { permitted: !own.is_empty(), traces });
        }
        event
    }
}
