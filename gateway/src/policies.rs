//! The consents that count for a patient, compiled, as they stand in the store at this moment.
//!
//! They are looked up anew whenever a Consent or a merge was written since the last time, so that a revocation holds on the
//! next request; what is kept is the compilation, by the versions it was made of. Who cannot read the consents must not
//! release anything.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use consent::{Links, Policies as Compiled};
use model::json::{Json, Limits, parse};
use store::{Resources, Search, Store, Stored};

use crate::{index, merges};

#[cfg(test)]
mod tests;

/// Compilations kept; more and the oldest half is dropped.
const MOST: usize = 4096;

/// Why the consents of a patient could not be read. The caller releases nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The store did not answer.
    #[error("the consents could not be read")]
    Store(#[from] store::Error),
    /// A stored consent is no JSON: damage, as it was checked when it was written.
    #[error("a stored consent could not be read back")]
    Damaged,
}

/// Another id of a person, and the id that is asked about.
type Renamed = (String, String);

/// What a compilation was made of: the versions of consents, and which records were one person.
#[derive(Debug, Default, PartialEq, Eq)]
struct Made {
    versions: Vec<(String, u64)>,
    renamed: Vec<Renamed>,
}

/// At which of the store's numbers the consents were looked up.
type Seen = (u64, u64);

#[derive(Debug)]
struct Kept {
    made: Arc<Made>,
    compiled: Arc<Compiled>,
    seen: Seen,
    used: u64,
}

/// Compiled consents. Clones share the cache.
#[derive(Debug, Clone, Default)]
pub struct Policies(Arc<Mutex<Cache>>);

#[derive(Debug, Default)]
struct Cache {
    entries: HashMap<Vec<String>, Kept>,
    uses: u64,
}

impl Policies {
    /// The consents of these patients (id parts) and the policies of the site, as stored now.
    ///
    /// Consents of every record that was merged with a patient's, over any number of steps, count for that patient too: a
    /// merge must not lift what the person decided under another number.
    ///
    /// # Errors
    /// [`PolicyError`]; nothing may be released then.
    pub fn of(&self, store: &Store, patients: &[&str]) -> Result<Arc<Compiled>, PolicyError> {
        self.with_what_they_are_made_of(store, patients).map(|(compiled, _)| compiled)
    }

    fn with_what_they_are_made_of(
        &self,
        store: &Store,
        patients: &[&str],
    ) -> Result<(Arc<Compiled>, Arc<Made>), PolicyError> {
        let mut key: Vec<String> = patients.iter().map(|id| (*id).to_owned()).collect();
        key.sort_unstable();
        key.dedup();
        // Taken before the store is read: what is written meanwhile makes the entry out of date, never wrong.
        let seen = (store.revision("Consent"), store.link_revision());
        if let Some(found) = self.kept(&key, |kept| kept.seen == seen) {
            return Ok(found);
        }
        let (consents, renamed) = stored_consents(store, &key)?;
        let versions = consents.iter().map(|consent| (consent.id.clone(), consent.version)).collect();
        let made = Arc::new(Made { versions, renamed });
        let same = |kept: &mut Kept| {
            let same = kept.made == made;
            if same {
                kept.seen = seen;
            }
            same
        };
        if let Some(found) = self.kept(&key, same) {
            return Ok(found);
        }
        let mut readable = Vec::with_capacity(consents.len());
        for consent in &consents {
            let json = parse(&consent.json(), &Limits::default()).map_err(|_| PolicyError::Damaged)?;
            for (from, to) in &made.renamed {
                if consent.patients.contains(from) {
                    readable.push(for_patient(&json, to));
                }
            }
            readable.push(json);
        }
        let compiled = Arc::new(Compiled::compile(&readable, &[]));
        self.keep(key, Kept { made: Arc::clone(&made), compiled: compiled.clone(), seen, used: 0 });
        Ok((compiled, made))
    }

    fn kept(&self, key: &[String], holds: impl FnOnce(&mut Kept) -> bool) -> Option<(Arc<Compiled>, Arc<Made>)> {
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cache.uses += 1;
        let uses = cache.uses;
        let kept = cache.entries.get_mut(key)?;
        if !holds(kept) {
            return None;
        }
        kept.used = uses;
        Some((kept.compiled.clone(), Arc::clone(&kept.made)))
    }

    fn keep(&self, key: Vec<String>, mut kept: Kept) {
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.entries.len() >= MOST {
            let mut uses: Vec<u64> = cache.entries.values().map(|kept| kept.used).collect();
            uses.sort_unstable();
            let median = uses.get(uses.len() / 2).copied().unwrap_or(u64::MAX);
            cache.entries.retain(|_, kept| kept.used > median);
        }
        kept.used = cache.uses;
        cache.entries.insert(key, kept);
    }
}

/// The consents that decided something, so that it can be told later whether they still stand.
#[derive(Debug, Default)]
pub struct Basis(Mutex<HashMap<Vec<String>, Arc<Made>>>);

impl Basis {
    /// Notes that the consents of these patients, as they stand now, decide. Called before they do.
    ///
    /// # Errors
    /// [`PolicyError`]; nothing may be released then.
    pub fn note(&self, policies: &Policies, store: &Store, patients: &[String]) -> Result<(), PolicyError> {
        let ids: Vec<&str> = patients.iter().map(String::as_str).collect();
        let (_, made) = policies.with_what_they_are_made_of(store, &ids)?;
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The first that decided: what was changed while the work went on has changed.
        noted.entry(patients.to_vec()).or_insert(made);
        Ok(())
    }

    /// Whether all of them stand as they did.
    ///
    /// # Errors
    /// [`PolicyError`]; what they decided may not be shown then.
    pub fn holds(&self, policies: &Policies, store: &Store) -> Result<bool, PolicyError> {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (patients, before) in noted {
            let ids: Vec<&str> = patients.iter().map(String::as_str).collect();
            let (_, now) = policies.with_what_they_are_made_of(store, &ids)?;
            if now != before {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// What the instances say that the policies name.
///
/// # Errors
/// [`PolicyError`] if one of them could not be read.
pub fn links(store: &Store, policies: &Compiled) -> Result<Links, PolicyError> {
    let mut links = Links::default();
    for reference in policies.related_instances() {
        let Some((resource_type, id)) = reference.split_once('/') else { continue };
        if let Some(stored) = store.read(resource_type, id)?.filter(|stored| !stored.deleted) {
            links.add(&parse(&stored.body, &Limits::default()).map_err(|_| PolicyError::Damaged)?);
        }
    }
    Ok(links)
}

/// Every stored Consent that counts for these patients, and under which other id a patient's consents may stand.
fn stored_consents(store: &Store, patients: &[String]) -> Result<(Vec<Stored>, Vec<Renamed>), PolicyError> {
    let mut asked = patients.to_vec();
    let mut renamed = Vec::new();
    for patient in patients {
        for other in merges::person(store, patient)?.into_iter().skip(1) {
            renamed.push((other.clone(), patient.clone()));
            if !asked.contains(&other) {
                asked.push(other);
            }
        }
    }
    let mut found = Vec::new();
    let mut take = |stored: Stored| {
        found.push(stored);
        ControlFlow::Continue(())
    };
    if !asked.is_empty() {
        let search = Search { types: vec!["Consent".to_owned()], patients: asked, ..Search::default() };
        store.visit(&search, &mut take)?;
    }
    let everybody =
        Search { types: vec!["Consent".to_owned()], terms: vec![index::for_everybody()], ..Search::default() };
    store.visit(&everybody, &mut take)?;
    found.sort_by(|left, right| left.id.cmp(&right.id));
    found.dedup_by(|left, right| left.id == right.id);
    Ok((found, renamed))
}

/// The same consent, given under another number of the same person.
fn for_patient(consent: &Json, patient: &str) -> Json {
    let mut consent = consent.clone();
    if let Some(object) = consent.as_object_mut() {
        object.insert("patient", Json::object([("reference", Json::from(format!("Patient/{patient}").as_str()))]));
    }
    consent
}
