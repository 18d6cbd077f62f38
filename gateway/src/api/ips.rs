//! What a patient's summary is made of, and the document (HL7 IPS 2.0.0 by `model::ips`).
//!
//! A record may hold fifty thousand resources and a summary a few hundred. Index rows written in each resource's own
//! commit lead to what each section shows first; only that is read, and each of it is decided now. What is withheld makes
//! room for what comes behind it.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use model::id::Reference;
use model::ips::{Cut, SUPPORT, Section, Summary, summary};
use model::json::{Json, Limits, parse};
use model::resource::{id, references, resource_type, rewrite_references};
use model::time::Instant;
use store::{KeyRow, Resources, Step, Stored};

use crate::api::outcome::Failure;
use crate::api::release::{Asking, Held, Released};
use crate::app::App;
use crate::{index, merges};

/// Resources of the directory that are looked up for one summary.
const MOST_REFERRED: usize = 400;
/// Rows of one section that are looked at, and groups of one section.
const MOST_ROWS: usize = 20_000;
const MOST_GROUPS: usize = 4_000;
/// Rows of one group that are looked at: a value that is withheld gives way to the one before it.
const MOST_OF_GROUP: usize = 100;
/// Resources of one section that are read whatever time it is, and while there is time.
const ALWAYS_READ: usize = 10;
const MOST_READ: usize = 3_000;
/// After this no section reads more than [`ALWAYS_READ`]; its text says so.
const BUDGET: Duration = Duration::from_millis(200);

/// What may be shown of a patient.
#[derive(Default)]
pub(crate) struct Gathered {
    /// The versions, the Patient first.
    pub(crate) released: Vec<Released>,
    /// The same, read as if all stood under one number.
    pub(crate) resources: Vec<Json>,
    /// Sections that hold more than is shown.
    cut: Vec<(Section, Cut)>,
}

/// What a summary shows of a patient, each decided by itself; empty where the Patient may not be seen or is not there.
///
/// What was stored under numbers merged into this one is part of it: an allergy under an old number of the same person
/// must not be missing at the bedside.
///
/// # Errors
/// What the store says; nothing is shown then.
pub(crate) fn gather(app: &App, asking: &Asking, own: &Held) -> Result<Gathered, Failure> {
    let patient = own.id();
    let mut gathering = Gathering {
        app,
        asking,
        records: merges::person(&app.store, patient)?,
        until: app.clock.now().after(BUDGET),
        gathered: Gathered::default(),
        seen: HashSet::new(),
    };
    if !gathering.take(own)? {
        return Ok(Gathered::default());
    }
    for section in Section::ALL {
        for resource_type in section.types() {
            let cut = match section.latest_of_each(resource_type) {
                true => gathering.latest_of_each(section, resource_type)?,
                false => gathering.first(section, resource_type)?,
            };
            if let Some(cut) = cut
                && !gathering.gathered.cut.iter().any(|(of, _)| *of == section)
            {
                gathering.gathered.cut.push((section, cut));
            }
        }
    }
    gathering.directory()?;
    let Gathering { records, mut gathered, .. } = gathering;
    as_one_person(&mut gathered.resources, patient, &records);
    Ok(gathered)
}

struct Gathering<'a> {
    app: &'a App,
    asking: &'a Asking<'a>,
    /// Every number of the person.
    records: Vec<String>,
    until: Instant,
    gathered: Gathered,
    /// References of what was taken or looked at.
    seen: HashSet<String>,
}

/// A row of a section.
struct Row {
    /// Heavier rows come first.
    weight: Vec<u8>,
    row: KeyRow,
    /// The number of the person that it stands under.
    record: String,
}

/// How far a section has come.
#[derive(Default)]
struct Progress {
    taken: usize,
    read: usize,
}

impl Gathering<'_> {
    /// Decides a version and keeps what of it may be seen.
    fn take(&mut self, stored: &Held) -> Result<bool, Failure> {
        let Some(released) = self.asking.release(stored)? else { return Ok(false) };
        self.gathered.resources.push(released.json()?);
        self.gathered.released.push(released);
        Ok(true)
    }

    fn is_late(&self) -> bool {
        self.app.clock.now() >= self.until
    }

    /// Shows the rows of a section, or of one group of it, the heaviest of each record first, each with its number within
    /// the record, from 1.
    fn rows(
        &self,
        (section, group): (Section, &[u8]),
        resource_type: &str,
        look: &mut dyn FnMut(usize, Row) -> Step,
    ) -> Result<(), Failure> {
        for record in &self.records {
            let mut prefix = index::summary_prefix(record, section);
            prefix.extend(group);
            let mut number = 0;
            self.app.store.descend(resource_type, index::summary_param(), &prefix, &mut |row| {
                number += 1;
                let weight = row.value.get(prefix.len()..).unwrap_or_default().to_vec();
                look(number, Row { weight, row, record: record.clone() })
            })?;
        }
        Ok(())
    }

    /// The first resources of a section by weight and date.
    fn first(&mut self, section: Section, resource_type: &str) -> Result<Option<Cut>, Failure> {
        let mut progress = Progress::default();
        let mut limit = section.most() + 1;
        let mut looked_at = HashSet::new();
        loop {
            let mut rows: Vec<Row> = Vec::new();
            let mut more = false;
            self.rows((section, &[]), resource_type, &mut |number, row| {
                if number > limit {
                    more = true;
                    return Step::Stop;
                }
                rows.push(row);
                Step::Next
            })?;
            rows.sort_by(|left, right| right.weight.cmp(&left.weight));
            if more {
                // Beyond this number another record of the person may have something heavier.
                rows.truncate(limit);
            }
            for Row { row, record, .. } in rows {
                if looked_at.insert(row.clone())
                    && let Some(cut) = self.next(section, &row, &record, &mut progress)?
                {
                    return Ok(Some(cut));
                }
            }
            if !more {
                return Ok(None);
            }
            if limit >= MOST_ROWS {
                return Ok(Some(Cut::Time));
            }
            limit *= 4;
        }
    }

    /// The latest resource of each group, the newest groups first; where it is withheld, the one before it.
    fn latest_of_each(&mut self, section: Section, resource_type: &str) -> Result<Option<Cut>, Failure> {
        // By group: its first row over all records, by weight.
        let mut groups: BTreeMap<Vec<u8>, Row> = BTreeMap::new();
        let mut all = true;
        self.rows((section, &[]), resource_type, &mut |number, row| {
            if number > MOST_GROUPS {
                all = false;
                return Step::Stop;
            }
            let Some((group, weight)) = row.weight.split_at_checked(index::GROUP_BYTES) else { return Step::Next };
            let end = row.row.value.len() - weight.len();
            let behind = row.row.value.get(..end).unwrap_or_default().to_vec();
            let (group, weight) = (group.to_vec(), weight.to_vec());
            if groups.get(&group).is_none_or(|known| known.weight < weight) {
                groups.insert(group, Row { weight, ..row });
            }
            Step::Behind(behind)
        })?;
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by(|(left, one), (right, other)| other.weight.cmp(&one.weight).then_with(|| left.cmp(right)));
        let mut progress = Progress::default();
        for (group, Row { row: first, record, .. }) in groups {
            let before = progress.taken;
            if let Some(cut) = self.next(section, &first, &record, &mut progress)? {
                return Ok(Some(cut));
            }
            if progress.taken > before {
                continue;
            }
            for Row { row, record, .. } in self.of_group(section, resource_type, &group)? {
                if row == first {
                    continue;
                }
                if let Some(cut) = self.next(section, &row, &record, &mut progress)? {
                    return Ok(Some(cut));
                }
                if progress.taken > before {
                    break;
                }
            }
        }
        Ok(if all { None } else { Some(Cut::Time) })
    }

    /// The rows of one group over all records, the latest first.
    fn of_group(&self, section: Section, resource_type: &str, group: &[u8]) -> Result<Vec<Row>, Failure> {
        let mut rows: Vec<Row> = Vec::new();
        self.rows((section, group), resource_type, &mut |number, row| {
            rows.push(row);
            if number < MOST_OF_GROUP { Step::Next } else { Step::Stop }
        })?;
        rows.sort_by(|left, right| right.weight.cmp(&left.weight));
        Ok(rows)
    }

    /// Reads and decides what a row leads to. `Some`: the section is at its end, with more behind it.
    fn next(
        &mut self,
        section: Section,
        row: &KeyRow,
        record: &str,
        progress: &mut Progress,
    ) -> Result<Option<Cut>, Failure> {
        if progress.read >= MOST_READ || (progress.read >= ALWAYS_READ && self.is_late()) {
            return Ok(Some(Cut::Time));
        }
        progress.read += 1;
        let Some(stored) = self.asking.placed(row, record)? else { return Ok(None) };
        let reference = stored.reference();
        // Another record of the person may have led to it already.
        if self.seen.contains(&reference) {
            return Ok(None);
        }
        if progress.taken >= section.most() {
            // Whether there is more is only said if there is more that may be seen.
            return Ok(self.asking.release(&stored)?.map(|_| Cut::More));
        }
        self.seen.insert(reference);
        if self.take(&stored)? {
            progress.taken += 1;
        }
        Ok(None)
    }

    /// The directory resources that what is shown refers to, and those that these refer to.
    fn directory(&mut self) -> Result<(), Failure> {
        let mut from = 0;
        let mut looked_up = 0;
        for _ in 0..2 {
            let mut wanted: Vec<Reference> = self
                .gathered
                .resources
                .get(from..)
                .unwrap_or_default()
                .iter()
                .flat_map(references)
                .filter_map(|found| Reference::parse(found.target).ok())
                .filter(|reference| SUPPORT.contains(&reference.resource_type.as_str()))
                .collect();
            wanted.sort();
            wanted.dedup();
            from = self.gathered.resources.len();
            for reference in wanted {
                let name = format!("{}/{}", reference.resource_type, reference.id);
                if looked_up >= MOST_REFERRED || !self.seen.insert(name) {
                    continue;
                }
                looked_up += 1;
                if let Some(held) = self.asking.live(&reference)? {
                    self.take(&held)?;
                }
            }
        }
        Ok(())
    }
}

/// Has everything that was stored under one of these records name this patient, and leaves the other records' Patients out.
fn as_one_person(resources: &mut Vec<Json>, patient: &str, records: &[String]) {
    if records.len() < 2 {
        return;
    }
    let new = format!("Patient/{patient}");
    let others: Vec<String> =
        records.iter().filter(|record| *record != patient).map(|record| format!("Patient/{record}")).collect();
    resources.retain(|resource| {
        let is_other = id(resource).is_some_and(|own| own != patient && records.iter().any(|record| record == own));
        resource_type(resource) != Some("Patient") || !is_other
    });
    let mut seen = std::collections::HashSet::new();
    resources.retain(|resource| {
        let name = (resource_type(resource).map(str::to_owned), id(resource).map(str::to_owned));
        seen.insert(name)
    });
    for resource in resources.iter_mut().filter(|resource| resource_type(resource) != Some("Patient")) {
        rewrite_references(resource, &mut |target| others.iter().any(|other| other == target).then(|| new.clone()));
    }
}

/// The document; `None` if the Patient is not among what was gathered.
pub(crate) fn document(app: &App, base: &str, patient: &str, gathered: &Gathered, now: Instant) -> Option<Json> {
    let resources = &gathered.resources;
    let is_own = |resource: &&Json| resource_type(resource) == Some("Patient") && id(resource) == Some(patient);
    let own = resources.iter().find(is_own)?;
    let author = author(app);
    let random = || uuid::Uuid::from_bytes(crate::keys::random::<16>().unwrap_or_default());
    Some(summary(&Summary {
        patient: own,
        resources,
        cut: &gathered.cut,
        author: &author,
        generated: now,
        document: random(),
        composition: random(),
        base,
    }))
}

/// Who answers for a summary: the custodian where it is known, else this gateway.
fn author(app: &App) -> Json {
    let custodian = app.config.consent.custodian.iter().find_map(|reference| {
        let reference = Reference::parse(reference).ok()?;
        let stored = app.store.read(reference.resource_type.as_str(), reference.id.as_str()).ok()??;
        if stored.deleted { None } else { json(&stored) }
    });
    custodian.unwrap_or_else(|| {
        let name = Json::object([("name", Json::from("Anchorline")), ("type", Json::from("model-name"))]);
        Json::object([
            ("resourceType", Json::from("Device")),
            ("id", Json::from("anchorline")),
            ("deviceName", Json::array([name])),
        ])
    })
}

fn json(stored: &Stored) -> Option<Json> {
    parse(&stored.json(), &Limits::default()).ok()
}

#[cfg(test)]
mod tests;
