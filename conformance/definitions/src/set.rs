//! The set of definitions that a validator asks.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, OnceLock};

use model::json::Json;
use smol_str::SmolStr;

use crate::STRUCTURE;
use crate::pack::Pack;
use crate::package::{Entry, Package};
use crate::profile::{Profile, ProfileError, compile};
use crate::snapshot::{self, Types};

/// An immutable set of definitions: R4 itself and packages over it.
///
/// Definitions are read and profiles compiled when they are first asked for, once; lookups take no lock afterwards and
/// allocate nothing. Share it: it is `Send` and `Sync`. The compiled definitions of R4 are shared by all sets.
#[derive(Debug)]
pub struct Definitions {
    packages: Vec<Arc<Package>>,
    slots: Vec<Slot>,
    /// By canonical URL; of several, the one that counts first stands first.
    urls: HashMap<Box<str>, Vec<u32>>,
    /// StructureDefinitions of packages that stand for one of the specification, by the end of their URL: `Patient`.
    types: HashMap<SmolStr, Place>,
    /// Code systems that only add to another one, by the URL of that one.
    supplements: OnceLock<HashMap<String, Vec<Place>>>,
}

/// A definition of a package.
#[derive(Debug)]
struct Slot {
    package: usize,
    entry: usize,
    profile: Compiled,
}

type Compiled = OnceLock<Result<Arc<Profile>, ProfileError>>;

/// Where a definition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In a package: the slot.
    Package(u32),
    /// In the embedded pack: the entry.
    Pack(u32),
}

/// The head of a definition.
#[derive(Clone, Copy)]
struct Head<'d> {
    kind: &'d str,
    version: Option<&'d str>,
}

/// R4's own profiles, compiled once for every set.
fn pack_profile(entry: u32) -> Option<&'static Compiled> {
    static PROFILES: LazyLock<Vec<Compiled>> =
        LazyLock::new(|| Pack::r4().entries().iter().map(|_| OnceLock::new()).collect());
    PROFILES.get(entry as usize)
}

/// R4's own types: `Patient`.
fn pack_type(name: &str) -> Option<Place> {
    static TYPES: LazyLock<HashMap<SmolStr, Place>> = LazyLock::new(|| {
        let pack = Pack::r4();
        let mut types = HashMap::new();
        for (entry, at) in pack.entries().iter().zip(0..) {
            let Some(name) = pack.url(entry).strip_prefix(STRUCTURE) else { continue };
            let is_type = model::types::r4().find(name).is_some() || model::types::Primitive::parse(name).is_some();
            if is_type {
                types.insert(SmolStr::new(name), Place::Pack(at));
            }
        }
        types
    });
    TYPES.get(name).copied()
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
        let mut set = Self {
            packages,
            slots: Vec::new(),
            urls: HashMap::new(),
            types: HashMap::new(),
            supplements: OnceLock::new(),
        };
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
                    set.types.entry(SmolStr::new(name)).or_insert(Place::Package(slot));
                }
            }
        }
        set
    }

    /// The packages over R4, the one that counts last first.
    pub fn packages(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().map(|package| &**package)
    }

    /// The definition of a canonical: `url` or `url|version`.
    ///
    /// `kind` is the resource type it has to be. A version is matched exactly, else as the beginning of one (`4.0`
    /// finds `4.0.1`); of several the newest. Without a version see [`Definitions::with`]. A fragment (`#id`) is left
    /// out of account.
    pub fn find(&self, kind: Option<&str>, canonical: &str) -> Option<Arc<Json>> {
        self.json(self.locate(kind, canonical)?)
    }

    /// The code systems that only add to another one (`CodeSystem.supplements`), by its URL without a version.
    pub fn supplements(&self, code_system: &str) -> Vec<Arc<Json>> {
        let all = self.supplements.get_or_init(|| {
            let mut all: HashMap<String, Vec<Place>> = HashMap::new();
            for slot in (0..).take(self.slots.len()) {
                if let Some(url) = self.entry(slot).and_then(Entry::supplements) {
                    all.entry(url).or_default().push(Place::Package(slot));
                }
            }
            for (canonical, entry) in Pack::r4().supplements() {
                let url = canonical.split('|').next().unwrap_or_default();
                all.entry(url.to_owned()).or_default().push(Place::Pack(entry));
            }
            all
        });
        all.get(code_system).into_iter().flatten().filter_map(|place| self.json(*place)).collect()
    }

    /// The profiles of resource types that packages bring: type and canonical, sorted. Those of R4 itself, abstract and
    /// retired ones are not among them. Reads heads of all of them: for a start, not for a request.
    pub fn profiles(&self) -> Vec<(String, String)> {
        let slots = self.urls.iter().filter_map(|(url, slots)| Some((url, *slots.first()?)));
        let found = slots.filter_map(|(url, slot)| Some((self.entry(slot)?.profiled()?, url.to_string())));
        let mut found: Vec<_> = found.collect();
        found.sort_unstable();
        found
    }

    fn json(&self, place: Place) -> Option<Arc<Json>> {
        match place {
            Place::Package(slot) => self.entry(slot)?.json(),
            Place::Pack(entry) => Pack::r4().json(Pack::r4().entries().get(entry as usize)?),
        }
    }

    /// The compiled profile or type of a canonical.
    ///
    /// # Errors
    /// [`ProfileError::Unknown`] if no StructureDefinition of it is loaded, [`ProfileError::Broken`] if it is not
    /// usable: the author's fault.
    pub fn profile(&self, canonical: &str) -> Result<Arc<Profile>, ProfileError> {
        self.compiled(self.locate(Some("StructureDefinition"), canonical).ok_or(ProfileError::Unknown)?)
    }

    /// The definition of a type: `Patient`, `HumanName`, `dateTime`.
    pub fn base(&self, type_name: &str) -> Option<Arc<Profile>> {
        self.compiled(self.types.get(type_name).copied().or_else(|| pack_type(type_name))?).ok()
    }

    /// Every definition of a kind: canonical URL and version, sorted; several versions of one stand apart.
    pub fn iter(&self, kind: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
        let pack = Pack::r4();
        let packages = self.packages.iter().flat_map(|package| package.iter());
        let own = pack.entries().iter().map(|entry| (pack.kind(entry), pack.url(entry), pack.version(entry)));
        let of_kind = packages.chain(own).filter(|(each, ..)| *each == kind);
        let mut found: Vec<(&str, Option<&str>)> = of_kind.map(|(_, url, version)| (url, version)).collect();
        found.sort_unstable();
        found.dedup();
        found.into_iter()
    }

    fn entry(&self, slot: u32) -> Option<&Entry> {
        let slot = self.slots.get(slot as usize)?;
        self.packages.get(slot.package)?.entries().get(slot.entry)
    }

    /// Every definition of a URL, the one that counts first.
    fn candidates<'s>(&'s self, url: &'s str) -> impl Iterator<Item = (Place, Head<'s>)> {
        let pack = Pack::r4();
        let packages = self.urls.get(url).into_iter().flatten().filter_map(|slot| {
            let entry = self.entry(*slot)?;
            let head = Head { kind: &entry.kind, version: entry.version.as_deref() };
            Some((Place::Package(*slot), head))
        });
        packages.chain(pack.find(url).map(|(at, entry)| {
            let head = Head { kind: pack.kind(entry), version: pack.version(entry) };
            (Place::Pack(at), head)
        }))
    }

    fn locate(&self, kind: Option<&str>, canonical: &str) -> Option<Place> {
        let canonical = canonical.split_once('#').map_or(canonical, |(url, _)| url);
        let (url, version) = match canonical.split_once('|') {
            Some((url, version)) => (url, Some(version)),
            None => (canonical, None),
        };
        let of_kind = || self.candidates(url).filter(|(_, head)| kind.is_none_or(|kind| head.kind == kind));
        let Some(version) = version else { return of_kind().next().map(|(place, _)| place) };
        if let Some((place, _)) = of_kind().find(|(_, head)| head.version == Some(version)) {
            return Some(place);
        }
        let mut best: Option<(Place, Head<'_>)> = None;
        for (place, head) in of_kind() {
            let rest = head.version.and_then(|whole| whole.strip_prefix(version));
            let newer = best.is_none_or(|(_, best)| version_order(head.version, best.version).is_gt());
            if newer && rest.is_some_and(|rest| rest.starts_with(['.', '-'])) {
                best = Some((place, head));
            }
        }
        best.map(|(place, _)| place)
    }

    fn compiled(&self, place: Place) -> Result<Arc<Profile>, ProfileError> {
        match self.cell(place)?.get() {
            Some(done) => done.clone(),
            // R4's own are kept for all sets: no package may change what they are made of.
            None if matches!(place, Place::Pack(_)) && !self.packages.is_empty() => Self::r4().compiled(place),
            None => Making { set: self, open: Vec::new() }.compiled(place),
        }
    }

    /// Makes a profile from the differential of a StructureDefinition at hand, whether or not it has a snapshot.
    ///
    /// The definition need not be one of the set; what it builds on is looked up in it. `Profile::issues` says what of
    /// the differential does not fit.
    ///
    /// # Errors
    /// [`ProfileError::Broken`] without a head or elements, or if the base is not loaded or not usable.
    pub fn generate(&self, definition: &Json) -> Result<Profile, ProfileError> {
        snapshot::generate(definition, &mut Making { set: self, open: Vec::new() })
    }

    /// Where the profile of a definition is kept.
    fn cell(&self, place: Place) -> Result<&Compiled, ProfileError> {
        let found = match place {
            Place::Package(slot) => self.slots.get(slot as usize).map(|slot| &slot.profile),
            Place::Pack(entry) => pack_profile(entry),
        };
        found.ok_or(ProfileError::Unknown)
    }
}

/// Compiles a profile and what it builds on.
struct Making<'d> {
    set: &'d Definitions,
    /// What is being compiled, each because of the one before.
    open: Vec<Place>,
}

/// No real chain of bases and types is longer.
const MAX_OPEN: usize = 64;

impl Making<'_> {
    fn compiled(&mut self, place: Place) -> Result<Arc<Profile>, ProfileError> {
        let cell = self.set.cell(place)?;
        if let Some(done) = cell.get() {
            return done.clone();
        }
        if matches!(place, Place::Pack(_)) && !self.set.packages.is_empty() {
            return self.set.compiled(place);
        }
        if self.open.contains(&place) {
            return Err(ProfileError::Broken("the definition builds on itself".to_owned()));
        }
        if self.open.len() >= MAX_OPEN {
            return Err(ProfileError::Broken("the definition builds on too many others".to_owned()));
        }
        // Not inside `get_or_init`: what it builds on may lead back to the same cell. Two threads may both compile; the
        // first result stays.
        self.open.push(place);
        let made = self.make(place).map(Arc::new);
        self.open.pop();
        cell.get_or_init(|| made).clone()
    }

    fn make(&mut self, place: Place) -> Result<Profile, ProfileError> {
        let unreadable = || ProfileError::Broken("the definition is not readable JSON".to_owned());
        let kept;
        let read;
        let definition: &Json = match place {
            Place::Package(slot) => {
                kept = self.set.entry(slot).and_then(Entry::json).ok_or_else(unreadable)?;
                &kept
            }
            // The pack's text is at hand: the tree is not kept beside the profile.
            Place::Pack(entry) => {
                let pack = Pack::r4();
                let entry = pack.entries().get(entry as usize);
                read = entry.and_then(|entry| pack.parse(entry)).ok_or_else(unreadable)?;
                &read
            }
        };
        match definition.get("snapshot").is_some() {
            true => compile(definition),
            false => snapshot::generate(definition, self),
        }
    }
}

impl Types for Making<'_> {
    fn profile(&mut self, canonical: &str) -> Result<Arc<Profile>, ProfileError> {
        let place = self.set.locate(Some("StructureDefinition"), canonical).ok_or(ProfileError::Unknown)?;
        self.compiled(place)
    }

    fn base(&mut self, type_name: &str) -> Option<Arc<Profile>> {
        let place = self.set.types.get(type_name).copied().or_else(|| pack_type(type_name))?;
        self.compiled(place).ok()
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
pub(crate) mod tests;
