//! Records that are one person: what a merge does, who belongs together, and what each record shows of it.
//!
//! Nothing is moved and no reference is rewritten: each record keeps what it was told, a link says that one stands for
//! the other, and whoever reads asks for all records of a person. So a merge can be taken back whole (ADT^A37).
//! A record is retired into one other at most, so links form trees: chains lead to one survivor, circles cannot be.

use std::collections::{BTreeMap, BTreeSet};

use model::json::{Json, Limits, Object, parse};
use model::outcome::Issue;
use model::resource::{id, resource_type};
use store::{Error, IndexRow, PatientLink, Resources};

use crate::index;

#[cfg(test)]
mod tests;

/// Records of one person. A number that collects more is a sender's placeholder and no person.
pub const MOST: usize = 64;
/// Where a message names the record that is retired.
const RETIRED: &str = "MRG-1";

/// Every record that is merged with this one, itself first, the others in the order of their ids.
///
/// # Errors
/// What the store says.
pub fn person(store: &impl Resources, patient: &str) -> Result<Vec<String>, Error> {
    let mut found = vec![patient.to_owned()];
    let mut next = 0;
    while let Some(record) = found.get(next).cloned() {
        next += 1;
        for link in store.links(&record)? {
            let other = if link.replaced == record { link.replaced_by } else { link.replaced };
            if !found.contains(&other) {
                found.push(other);
            }
        }
    }
    if let Some(others) = found.get_mut(1..) {
        others.sort();
    }
    Ok(found)
}

/// The record that stands for this one; itself, if it was not merged into another.
///
/// # Errors
/// What the store says.
pub fn survivor(store: &impl Resources, patient: &str) -> Result<String, Error> {
    let mut at = patient.to_owned();
    let mut passed = BTreeSet::new();
    while passed.insert(at.clone()) {
        match store.links(&at)?.into_iter().find(|link| link.replaced == at) {
            Some(link) => at = link.replaced_by,
            None => break,
        }
    }
    Ok(at)
}

/// What a message does to the links.
#[derive(Debug, Default)]
pub struct Plan {
    /// To be put in.
    pub links: Vec<PatientLink>,
    /// To be taken out before.
    pub unlinks: Vec<PatientLink>,
    /// What was noticed.
    pub issues: Vec<Issue>,
    graph: Graph,
}

/// The links around some records, as they will be.
#[derive(Debug, Default)]
struct Graph {
    /// Into which record each was retired.
    into: BTreeMap<String, String>,
    known: BTreeSet<String>,
}

impl Graph {
    /// Reads every link of the person whose record this is.
    fn learn(&mut self, store: &impl Resources, patient: &str) -> Result<(), Error> {
        let mut next = vec![patient.to_owned()];
        while let Some(record) = next.pop() {
            if !self.known.insert(record.clone()) {
                continue;
            }
            for link in store.links(&record)? {
                next.extend([link.replaced.clone(), link.replaced_by.clone()]);
                self.into.entry(link.replaced).or_insert(link.replaced_by);
            }
        }
        Ok(())
    }

    /// The records that this one was retired into, one after the other.
    fn chain(&self, patient: &str) -> Vec<String> {
        let mut chain: Vec<String> = Vec::new();
        let mut at = patient;
        while let Some(next) = self.into.get(at) {
            if chain.contains(next) || next == patient {
                break;
            }
            chain.push(next.clone());
            at = next;
        }
        chain
    }

    fn root(&self, patient: &str) -> String {
        self.chain(patient).pop().unwrap_or_else(|| patient.to_owned())
    }

    /// The records that were retired into this one, over any number of steps.
    fn retired(&self, patient: &str) -> Vec<String> {
        self.into.keys().filter(|record| self.chain(record).iter().any(|step| step == patient)).cloned().collect()
    }

    fn size(&self, root: &str) -> usize {
        1 + self.retired(root).len()
    }
}

/// Works out what merges and their undoing do. `merges` in the order of the message; `unmerges` are pairs in any order.
///
/// A merge that says the opposite of an earlier one turns it round. One that is there already changes nothing.
///
/// # Errors
/// `Err(Ok(issues))`: a person has to look at the message, as a record would belong to two persons, or to far too many.
/// `Err(Err(error))`: what the store says.
pub fn plan(
    store: &impl Resources,
    merges: &[PatientLink],
    unmerges: &[(String, String)],
    patients: &[String],
) -> Result<Plan, Result<Vec<Issue>, Error>> {
    let mut plan = Plan::default();
    let mentioned = merges.iter().flat_map(|merge| [&merge.replaced, &merge.replaced_by]);
    let mentioned = mentioned.chain(unmerges.iter().flat_map(|(one, other)| [one, other])).chain(patients);
    for patient in mentioned {
        plan.graph.learn(store, patient).map_err(Err)?;
    }
    for (one, other) in unmerges {
        plan.unmerge(one, other);
    }
    let mut refused = Vec::new();
    for merge in merges {
        if let Err(issue) = plan.merge(&merge.replaced, &merge.replaced_by) {
            refused.push(issue);
        }
    }
    if !refused.is_empty() {
        return Err(Ok(refused));
    }
    // What one message puts in and takes out again was never there.
    let (links, unlinks) = (plan.links.clone(), plan.unlinks.clone());
    plan.unlinks.retain(|link| !links.contains(link));
    plan.links.retain(|link| !unlinks.contains(link) || plan.graph.into.get(&link.replaced) == Some(&link.replaced_by));
    Ok(plan)
}

impl Plan {
    fn merge(&mut self, retired: &str, survivor: &str) -> Result<(), Issue> {
        let remark = |text: &str| Issue::warning("business-rule", text).at(RETIRED).rule("merge");
        let refusal = |text: &str| Issue::error("business-rule", text).at(RETIRED).rule("merge");
        if retired == survivor {
            self.issues.push(remark("expected another record than that of PID: a record is not merged into itself"));
            return Ok(());
        }
        if self.graph.chain(retired).iter().any(|step| step == survivor) {
            return Ok(());
        }
        if self.graph.into.contains_key(retired) {
            if self.graph.root(retired) == self.graph.root(survivor) {
                self.issues.push(remark("these records are one person already, under another record: nothing changes"));
                return Ok(());
            }
            let text = "expected a record that is in use: an earlier message merged this one into another, and one \
                        record cannot be two persons";
            return Err(refusal(text));
        }
        if self.graph.chain(survivor).iter().any(|step| step == retired) {
            self.issues.push(remark("an earlier message merged these records the other way round: the newer holds"));
            self.take_out(survivor);
        }
        let (one, other) = (self.graph.root(retired), self.graph.root(survivor));
        if one != other && self.graph.size(&one) + self.graph.size(&other) > MOST {
            return Err(refusal("expected a person: more records are merged into this one than a person has"));
        }
        self.graph.into.insert(retired.to_owned(), survivor.to_owned());
        self.links.push(PatientLink { replaced: retired.to_owned(), replaced_by: survivor.to_owned() });
        Ok(())
    }

    fn unmerge(&mut self, one: &str, other: &str) {
        let mut done = false;
        for (retired, survivor) in [(one, other), (other, one)] {
            if self.graph.into.get(retired).is_some_and(|into| into == survivor) {
                self.take_out(retired);
                done = true;
            }
        }
        if !done {
            let text = "these records are not merged with each other: nothing is taken back";
            self.issues.push(Issue::warning("business-rule", text).at("PID-3").rule("unmerge"));
        }
    }

    fn take_out(&mut self, retired: &str) {
        if let Some(survivor) = self.graph.into.remove(retired) {
            self.unlinks.push(PatientLink { replaced: retired.to_owned(), replaced_by: survivor });
        }
    }

    /// Whether the links change.
    pub fn changes(&self) -> bool {
        !self.links.is_empty() || !self.unlinks.is_empty()
    }

    /// Whether a record was merged with another.
    pub fn is_linked(&self, patient: &str) -> bool {
        self.graph.into.contains_key(patient) || self.graph.into.values().any(|into| into == patient)
    }

    /// Records at either end of a link that changes.
    pub fn ends(&self) -> Vec<String> {
        let ends = self.links.iter().chain(&self.unlinks);
        let mut ends: Vec<String> = ends.flat_map(|link| [link.replaced.clone(), link.replaced_by.clone()]).collect();
        ends.sort();
        ends.dedup();
        ends
    }

    /// The record that stands for this one afterwards.
    pub fn survivor(&self, patient: &str) -> String {
        self.graph.root(patient)
    }

    /// Records that this one stands for afterwards.
    pub fn retired(&self, patient: &str) -> Vec<String> {
        self.graph.retired(patient)
    }

    /// Has a Patient say how it is linked (FHIR R4 patient.html, "Linking Patients"): `replaced-by` and inactive, or
    /// `replaces`. Links of other kinds stay as they are.
    pub fn show(&self, patient: &mut Json) {
        let Some(own) = id(patient).map(str::to_owned) else { return };
        let into = self.graph.into.get(&own);
        let mut wanted: Vec<(&str, String)> =
            into.map(|into| ("replaced-by", format!("Patient/{into}"))).into_iter().collect();
        let replaces = self.graph.into.iter().filter(|(_, into)| **into == own);
        wanted.extend(replaces.map(|(record, _)| ("replaces", format!("Patient/{record}"))));
        let Some(object) = patient.as_object_mut() else { return };
        let mut links = match object.remove("link") {
            Some(Json::Array(links)) => links,
            _ => Vec::new(),
        };
        let mut was_retired = false;
        links.retain(|link| {
            let kind = link.get("type").and_then(Json::as_str).unwrap_or_default();
            let other = link.at(&["other", "reference"]).and_then(Json::as_str).unwrap_or_default();
            was_retired |= kind == "replaced-by";
            !matches!(kind, "replaced-by" | "replaces")
                || wanted.iter().any(|it| (it.0, it.1.as_str()) == (kind, other))
        });
        for (kind, other) in &wanted {
            let there = links.iter().any(|link| {
                link.get("type").and_then(Json::as_str) == Some(kind)
                    && link.at(&["other", "reference"]).and_then(Json::as_str) == Some(other.as_str())
            });
            if !there {
                let reference = Json::object([("reference", Json::from(other.as_str()))]);
                links.push(Json::object([("other", reference), ("type", Json::from(*kind))]));
            }
        }
        if into.is_some() {
            object.insert("active", false);
        } else if was_retired {
            // It was this gateway's word, or the merge's; who is in use again says so by the link that is gone.
            object.remove("active");
        }
        if !links.is_empty() {
            object.insert("link", Json::Array(links));
        }
    }
}

/// The stored record with what a merge says of it besides: identifiers that were not known yet.
///
/// A merge names a record by its number alone; put in the record's place, that would hide who it was.
pub fn with_identifiers(stored: &[u8], named: &Json) -> Option<Json> {
    let mut record = parse(stored, &Limits::default()).ok()?;
    let key = |identifier: &Json| {
        let text = |name: &str| identifier.get(name).and_then(Json::as_str).map(str::to_owned);
        (text("system"), text("value"))
    };
    let known: Vec<_> = record.items("identifier").iter().map(key).collect();
    let new: Vec<Json> =
        named.items("identifier").iter().filter(|identifier| !known.contains(&key(identifier))).cloned().collect();
    if !new.is_empty()
        && let Some(list) = record.as_object_mut().and_then(|object: &mut Object| {
            object.get_or_insert_with("identifier", || Json::Array(Vec::new())).as_array_mut()
        })
    {
        list.extend(new);
    }
    Some(record)
}

/// Rows by which a record is found: its own, and as survivor the identifiers of those it stands for.
///
/// # Errors
/// What the store says.
pub fn rows(store: &impl Resources, resource: &Json) -> Result<Vec<IndexRow>, Error> {
    let rows = index::rows(resource);
    match (resource_type(resource), id(resource)) {
        (Some("Patient"), Some(own)) if !store.links(own)?.is_empty() => {
            let mut plan = Plan::default();
            plan.graph.learn(store, own)?;
            inherited(store, &plan, own, rows, &[])
        }
        _ => Ok(rows),
    }
}

/// Adds the identifiers of the records that `own` stands for; `written` are those that this commit writes.
///
/// # Errors
/// What the store says.
pub fn inherited(
    store: &impl Resources,
    plan: &Plan,
    own: &str,
    mut rows: Vec<IndexRow>,
    written: &[&Json],
) -> Result<Vec<IndexRow>, Error> {
    for record in plan.retired(own) {
        let new = written.iter().find(|it| resource_type(it) == Some("Patient") && id(it) == Some(record.as_str()));
        match new {
            Some(json) => rows.extend(index::identifiers(json)),
            None => {
                if let Some(stored) = store.read("Patient", &record)?.filter(|stored| !stored.deleted)
                    && let Ok(json) = parse(&stored.body, &Limits::default())
                {
                    rows.extend(index::identifiers(&json));
                }
            }
        }
    }
    rows.sort_unstable();
    rows.dedup();
    Ok(rows)
}
