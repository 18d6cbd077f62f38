//! What the entries of a transaction call each other, and what they are called once ids are given (FHIR R4 http.html,
//! "Transaction Processing Rules"; bundle.html, "Resolving references in Bundles").

use std::collections::{HashMap, HashSet};

use model::id::{Reference, ResourceType};
use model::json::Json;
use model::resource::{references, rewrite_links};

use super::plan::{Plan, Planned};
use super::{Entry, Problems};
use crate::api::fhir::condition::{self, Conditions, Found};
use crate::api::outcome::Failure;
use crate::api::release::Asking;

/// Names of entries and conditions, with what they become.
pub(super) struct Names {
    /// By fullUrl, or by `Type?condition`: the new reference.
    renamed: HashMap<String, String>,
    /// By fullUrl, where a reference names a version: the version that is written.
    versions: HashMap<String, u64>,
}

impl Names {
    /// Of all entries. Two that are called alike, or write the same resource, are a problem.
    ///
    /// # Errors
    /// What the store says.
    pub(super) fn of(
        entries: &[Entry],
        planned: &mut [Planned],
        asking: &Asking<'_>,
        problems: &mut Problems,
    ) -> Result<Self, Failure> {
        let mut names = Self { renamed: HashMap::new(), versions: HashMap::new() };
        let (mut written, mut created) = (HashSet::new(), HashSet::new());
        let versioned = versioned_targets(planned);
        for (entry, one) in entries.iter().zip(planned.iter_mut()) {
            let twice =
                |text: &str| Err::<(), _>(Failure::new(http::StatusCode::BAD_REQUEST, "duplicate", text.to_owned()));
            let Some(reference) = one.reference.clone() else { continue };
            if one.writes() && !written.insert(reference.clone()) {
                problems.at(&one.place, twice("two entries write the same resource"));
            }
            if one.plan == Plan::Create
                && let Some(key) = &one.key
                && !created.insert(key.clone())
            {
                problems.at(&one.place, twice("two entries create a resource under the same condition"));
            }
            let Some(url) = &entry.full_url else { continue };
            if names.renamed.insert(url.clone(), reference.to_string()).is_some() {
                problems.at(&one.place, twice("two entries have the same fullUrl"));
            }
            if versioned.contains(url.as_str()) {
                let version = match &one.plan {
                    Plan::Known(known) => known.version,
                    _ => one.next_version(asking)?,
                };
                names.versions.insert(url.clone(), version);
            }
        }
        Ok(names)
    }

    /// References that say what they mean by a condition (`Patient?identifier=…`): it must find one resource that the caller
    /// may read.
    pub(super) async fn look_up(
        &mut self,
        planned: &[Planned],
        conditions: &mut Conditions<'_>,
        problems: &mut Problems,
    ) {
        for one in planned {
            let Some(resource) = one.resource.as_ref().filter(|_| one.writes()) else { continue };
            for found in references(resource) {
                let Some((name, condition)) = found.target.split_once('?') else { continue };
                let Ok(resource_type) = ResourceType::parse(name) else { continue };
                if self.renamed.contains_key(found.target) {
                    continue;
                }
                let place = format!("{}.resource.{}", one.place, found.path);
                match reference_by(resource_type, condition, conditions).await {
                    Ok(reference) => {
                        self.renamed.insert(found.target.to_owned(), reference.to_string());
                    }
                    Err(failure) => {
                        problems.at::<()>(&place, Err(failure));
                    }
                }
            }
        }
    }

    /// Puts the new names into a resource.
    pub(super) fn rewrite(&self, entry: &Entry, resource: &mut Json) {
        if self.renamed.is_empty() {
            return;
        }
        let base = entry.full_url.as_deref().and_then(base_of);
        rewrite_links(resource, &mut |target| self.name_of(target, base));
    }

    fn name_of(&self, target: &str, base: Option<&str>) -> Option<String> {
        if let Some(name) = self.renamed.get(target) {
            return Some(name.clone());
        }
        if let Some((url, fragment)) = target.split_once('#') {
            return Some(format!("{}#{fragment}", self.renamed.get(url)?));
        }
        if let Some((url, _)) = target.split_once("/_history/") {
            let name = self.renamed.get(url)?;
            let version = self.versions.get(url);
            return Some(version.map_or_else(|| name.clone(), |version| format!("{name}/_history/{version}")));
        }
        // A relative reference is below the base of the fullUrl of the entry it stands in.
        let base = base.filter(|_| Reference::parse(target).is_ok())?;
        self.renamed.get(&format!("{base}{target}")).cloned()
    }
}

/// What is named with a version.
fn versioned_targets(planned: &[Planned]) -> HashSet<String> {
    let resources = planned.iter().filter_map(|one| one.resource.as_ref());
    let mut targets = HashSet::new();
    for resource in resources {
        for found in references(resource) {
            if let Some((url, _)) = found.target.split_once("/_history/") {
                targets.insert(url.to_owned());
            }
        }
    }
    targets
}

/// `http://example.org/fhir/` of `http://example.org/fhir/Patient/1`.
fn base_of(url: &str) -> Option<&str> {
    if !url.starts_with("http") {
        return None;
    }
    let mut pieces = url.rsplitn(3, '/');
    let (_, _, base) = (pieces.next()?, pieces.next()?, pieces.next()?);
    url.get(..=base.len())
}

async fn reference_by(
    resource_type: ResourceType,
    condition: &str,
    conditions: &mut Conditions<'_>,
) -> Result<Reference, Failure> {
    let key = condition::key(resource_type, condition)?;
    match conditions.find(&key).await? {
        Found::One(known) => Ok(known.reference),
        Found::Several => Err(condition::several("the reference")),
        Found::Nothing => {
            let text = "the reference finds nothing that this caller may read";
            Err(Failure::new(http::StatusCode::PRECONDITION_FAILED, "not-found", text))
        }
    }
}
