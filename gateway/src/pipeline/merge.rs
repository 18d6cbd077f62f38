//! Between validation and commit: what the message says of merged records, and what merged records make of the message.
//!
//! After validation, as only what is a record can be linked; before the commit, as links, records and what they are found
//! by change together or not at all.

use model::json::{Json, Limits, parse};
use model::outcome::Issue;
use model::resource::{id, resource_type};
use store::{Expect, NewVersion, Resources, Store};

use super::map::{Entry, Mapped};
use crate::merges::{self, Plan};

/// Why a message cannot be settled.
pub(super) enum Unsettled {
    /// A person has to look at it.
    Held(Vec<Issue>),
    /// The store does not answer.
    Store(store::Error),
}

impl From<store::Error> for Unsettled {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl Mapped {
    /// Whether links between records change.
    pub(super) fn merges_records(&self) -> bool {
        !self.merges.is_empty() || !self.unmerges.is_empty()
    }
}

/// Works out the links and has every Patient of the message show them. A record that a merge names by its number keeps
/// what is stored of it.
///
/// # Errors
/// [`Unsettled`]; nothing was changed then.
pub(super) fn settle(store: &Store, mapped: &mut Mapped) -> Result<Plan, Unsettled> {
    let patients: Vec<String> = mapped
        .entries
        .iter()
        .filter(|entry| is_patient(&entry.resource))
        .filter_map(|entry| id(&entry.resource).map(str::to_owned))
        .collect();
    let plan = merges::plan(store, &mapped.merges, &mapped.unmerges, &patients).map_err(|refused| match refused {
        Ok(issues) => Unsettled::Held(issues),
        Err(error) => Unsettled::Store(error),
    })?;
    mapped.issues.extend(plan.issues.iter().cloned());
    for entry in mapped.entries.iter_mut().filter(|entry| is_patient(&entry.resource)) {
        let own = id(&entry.resource).unwrap_or_default().to_owned();
        if mapped.merges.iter().any(|merge| merge.replaced == own && merge.replaced_by != own)
            && let Some(stored) = store.read("Patient", &own)?.filter(|stored| !stored.deleted)
            && let Some(whole) = merges::with_identifiers(&stored.body, &entry.resource)
        {
            entry.resource = whole;
        }
        if plan.changes() || plan.is_linked(&own) || entry.resource.get("link").is_some() {
            plan.show(&mut entry.resource);
        }
    }
    for end in plan.ends().into_iter().filter(|end| !patients.contains(end)) {
        let Some(stored) = store.read("Patient", &end)?.filter(|stored| !stored.deleted) else { continue };
        let Ok(mut resource) = parse(&stored.body, &Limits::default()) else { continue };
        plan.show(&mut resource);
        mapped.entries.push(Entry { place: format!("Patient/{end}"), resource, expect: Expect::Any });
    }
    Ok(plan)
}

/// Has the record that stands for others be found by their identifiers: those of the message, and those that are stored.
///
/// # Errors
/// What the store says.
pub(super) fn index(
    store: &Store,
    plan: &Plan,
    entries: &[Entry],
    versions: &mut Vec<NewVersion>,
) -> Result<(), store::Error> {
    let written: Vec<&Json> = entries.iter().map(|entry| &entry.resource).collect();
    let mut above = Vec::new();
    for version in versions.iter_mut().filter(|version| version.resource_type == "Patient") {
        if plan.is_linked(&version.id) {
            let rows = std::mem::take(&mut version.index);
            version.index = merges::inherited(store, plan, &version.id, rows, &written)?;
            above.push((plan.survivor(&version.id), version.author.clone()));
        }
    }
    // A retired record that got another identifier: who stands for it is found by that one too.
    for (survivor, author) in above {
        if versions.iter().any(|version| version.resource_type == "Patient" && version.id == survivor) {
            continue;
        }
        let Some(stored) = store.read("Patient", &survivor)?.filter(|stored| !stored.deleted) else { continue };
        let rows = merges::inherited(store, plan, &survivor, stored.index.clone(), &written)?;
        if rows != stored.index {
            versions.push(NewVersion {
                resource_type: stored.resource_type,
                id: stored.id,
                expect: Expect::Version(stored.version),
                body: stored.body,
                index: rows,
                patients: stored.patients,
                deleted: false,
                author,
                skip_unchanged: true,
                method: store::Method::Put,
                lean: false,
            });
        }
    }
    Ok(())
}

fn is_patient(resource: &Json) -> bool {
    resource_type(resource) == Some("Patient")
}
