//! The set of definitions that a validator asks.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, OnceLock};

use model::json::Json;
use smol_str::SmolStr;

use crate::STRUCTURE;
use crate::package::{Entry, Package};
use crate::profile::{Profile, ProfileError, compile};

/// An immutable set of definitions: R4 itself and packages over it.
///
/// Definitions are read and profiles compiled when they are first asked for, once; lookups take no lock afterwards and
/// allocate nothing. Share it: it is `Send` and `Sync`.
#[derive(Debug)]
pub struct Definitions {
    packages: Vec<Arc<Package>>,
    slots: Vec<Slot>,
    /// By canonical URL; of several, the one that counts first stands first.
    urls: HashMap<Box<str>, Vec<u32>>,
    /// StructureDefinitions of the specification by the end of their URL: `Patient`.
    types: HashMap<SmolStr, u32>,
}

#[derive(Debug)]
struct Slot {
    package: usize,
    entry: usize,
    profile: OnceLock<Result<Arc<Profile>, ProfileError>>,
}

impl Definitions {
    /// R4 (4.0.1) alone, as it is embedded.
    pub fn r4() -> Arc<Self> {
        static R4: LazyLock<Arc<Definitions>> = LazyLock::new(|| Arc::new(Definitions::of(Vec::new())));
        Arc::clone(&R4)
    }

    /// This set with packages over it: where several define a canonical, the later package counts, and within a
    /// package the newer version. A lookup with a version finds that version in whichever package.
    pub fn with(&self, packages: Vec<Package>) -> Self {
        Self::of(self.packages.iter().cloned().chain(packages.into_iter().map(Arc::new)).collect())
    }

    fn of(packages: Vec<Arc<Package>>) -> Self {
        let mut set = Self { packages, slots: Vec::new(), urls: HashMap::new(), types: HashMap::new() };
        for (package, content) in set.packages.iter().enumerate().rev() {
            let mut order: Vec<usize> = (0..content.entries().len()).collect();
            order.sort_by(|left, right| {
                let version = |at: &usize| content.entries().get(*at).and_then(|entry| entry.version.as_deref());
                version_order(version(right), version(left)).then(right.cmp(left))
            });
            for entry in order {
                let Some(of) = content.entries().get(entry) else { continue };
                let slot = u32::try_from(set.slots.len()).unwrap_or(u32::MAX);
                set.slots.push(Slot { package, entry, profile: OnceLock::new() });
                match set.urls.get_mut(&of.url) {
                    Some(slots) => slots.push(slot),
                    None => drop(set.urls.insert(of.url.clone(), vec![slot])),
                }
                if let Some(name) = of.url.strip_prefix(STRUCTURE).filter(|_| of.kind == "StructureDefinition") {
                    set.types.entry(SmolStr::new(name)).or_insert(slot);
                }
            }
        }
        set
    }

    /// The definition of a canonical: `url` or `url|version`.
    ///
    /// `kind` is the resource type it has to be. A version is matched exactly, else as the beginning of one (`4.0`
    /// finds `4.0.1`); of several the newest. Without a version see [`Definitions::with`]. A fragment (`#id`) is left
    /// out of account.
    pub fn find(&self, kind: Option<&str>, canonical: &str) -> Option<Arc<Json>> {
        let slot = self.locate(kind, canonical)?;
        self.entry(self.slots.get(slot as usize)?)?.json()
    }

    /// The compiled profile or type of a canonical.
    ///
    /// # Errors
    /// [`ProfileError::Unknown`] if no StructureDefinition of it is loaded, [`ProfileError::Broken`] if it is not
    /// usable: the author's fault.
    pub fn profile(&self, canonical: &str) -> Result<Arc<Profile>, ProfileError> {
        let slot = self.locate(Some("StructureDefinition"), canonical).ok_or(ProfileError::Unknown)?;
        self.compiled(slot)
    }

    /// The definition of a type: `Patient`, `HumanName`, `dateTime`.
    pub fn base(&self, type_name: &str) -> Option<Arc<Profile>> {
        self.compiled(*self.types.get(type_name)?).ok()
    }

    /// Every definition of a kind: canonical URL and version, sorted; several versions of one stand apart.
    pub fn iter(&self, kind: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
        let slots = self.slots.iter().filter_map(|slot| self.entry(slot));
        let mut found: Vec<(&str, Option<&str>)> =
            slots.filter(|entry| entry.kind == kind).map(|entry| (&*entry.url, entry.version.as_deref())).collect();
        found.sort_unstable();
        found.dedup();
        found.into_iter()
    }

    fn entry(&self, slot: &Slot) -> Option<&Entry> {
        self.packages.get(slot.package)?.entries().get(slot.entry)
    }

    fn locate(&self, kind: Option<&str>, canonical: &str) -> Option<u32> {
        let canonical = canonical.split_once('#').map_or(canonical, |(url, _)| url);
        let (url, version) = match canonical.split_once('|') {
            Some((url, version)) => (url, Some(version)),
            None => (canonical, None),
        };
        let entries = || {
            let slots = self.urls.get(url).into_iter().flatten();
            let found = slots.filter_map(|slot| Some((*slot, self.entry(self.slots.get(*slot as usize)?)?)));
            found.filter(|(_, entry)| kind.is_none_or(|kind| entry.kind == kind))
        };
        let Some(version) = version else { return entries().next().map(|(slot, _)| slot) };
        if let Some((slot, _)) = entries().find(|(_, entry)| entry.version.as_deref() == Some(version)) {
            return Some(slot);
        }
        let starts = |entry: &Entry| {
            let rest = entry.version.as_deref().and_then(|whole| whole.strip_prefix(version));
            rest.is_some_and(|rest| rest.starts_with(['.', '-']))
        };
        let partial = entries().filter(|(_, entry)| starts(entry));
        let newest = |left: &Entry, right: &Entry| version_order(left.version.as_deref(), right.version.as_deref());
        // `max_by` takes the last of equals; the first counts.
        partial.collect::<Vec<_>>().into_iter().rev().max_by(|(_, a), (_, b)| newest(a, b)).map(|(slot, _)| slot)
    }

    fn compiled(&self, slot: u32) -> Result<Arc<Profile>, ProfileError> {
        let slot = self.slots.get(slot as usize).ok_or(ProfileError::Unknown)?;
        let make = || {
            let definition = self.entry(slot).and_then(Entry::json);
            let definition =
                definition.ok_or_else(|| ProfileError::Broken("the definition is not readable JSON".to_owned()))?;
            compile(&definition).map(Arc::new)
        };
        slot.profile.get_or_init(make).clone()
    }
}

/// Orders versions by their numbers, then by their text: `6.1.0` before `6.10.0`, a pre-release before its release.
pub(crate) fn version_order(left: Option<&str>, right: Option<&str>) -> std::cmp::Ordering {
    fn parts(version: &str) -> (Vec<u64>, bool, &str) {
        let (release, label) = version.split_once('-').map_or((version, ""), |(release, label)| (release, label));
        (release.split('.').map(|part| part.parse().unwrap_or(0)).collect(), label.is_empty(), label)
    }
    match (left, right) {
        (Some(left), Some(right)) => parts(left).cmp(&parts(right)).then_with(|| left.cmp(right)),
        _ => left.is_some().cmp(&right.is_some()),
    }
}

#[cfg(test)]
mod tests;
