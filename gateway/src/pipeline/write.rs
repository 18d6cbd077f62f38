//! FHIR create, update, patch, delete and transaction as an exchange: checked, committed and anchored like a message.

use std::time::Instant as Timer;

use bytes::Bytes;
use ledger::commitment::Label;
use ledger::entry::Kind;
use model::id::Reference;
use model::json::Json;
use model::outcome::{Issue, Severity, any_error};
use model::resource::{id, patients_of, resource_type};
use model::time::Instant;
use sha2::{Digest, Sha256};
use store::{
    Arrival, Author, Commit, Commits, ExchangeChange, ExchangeId, ExchangeKind, Expect, Method, NewVersion, Stage,
    StateChange, VersionWritten,
};

use super::{Cause, Refusal, issues};
use crate::app::App;
use crate::config::Validation;

/// A write through the FHIR interface, decided and audited by the caller.
#[derive(Debug, Clone)]
pub struct FhirWrite {
    /// The HTTP body after content decoding: what the record commits to.
    pub raw: Bytes,
    /// Its media type.
    pub content_type: String,
    /// When the last byte came in.
    pub received_at: Instant,
    /// Actor or source, for the exchange and as author of the versions.
    pub source: String,
    /// What is written, in order.
    pub changes: Vec<FhirChange>,
    /// AuditEvents and whatever else belongs into the same commit.
    pub audit: Vec<NewVersion>,
}

/// One resource of a write.
#[derive(Debug, Clone)]
pub struct FhirChange {
    /// What becomes of it.
    pub content: Content,
    /// What has to hold of the version before.
    pub expect: Expect,
    /// Where it stands in what was sent, for findings; `None` where it is all of it.
    pub place: Option<String>,
    /// By which interaction it is written.
    pub method: Method,
}

/// What becomes of a resource.
#[derive(Debug, Clone)]
pub enum Content {
    /// It says this from now on.
    Written {
        /// The resource, its id set.
        resource: Json,
        /// The JSON text to store.
        body: Bytes,
    },
    /// It is deleted; its versions stay.
    Deleted {
        /// Which one.
        reference: Reference,
        /// The patients it was of: whoever looks for who deleted what of theirs finds it by these.
        patients: Vec<String>,
    },
}

impl FhirChange {
    /// Writes a resource, its id set; `body` is the text to store.
    pub fn write(resource: Json, body: Bytes, expect: Expect) -> Self {
        Self { content: Content::Written { resource, body }, expect, place: None, method: Method::Put }
    }

    /// Deletes a resource that belongs to these patients.
    pub fn delete(reference: Reference, patients: Vec<String>, expect: Expect) -> Self {
        Self { content: Content::Deleted { reference, patients }, expect, place: None, method: Method::Delete }
    }

    /// The same by this interaction.
    #[must_use]
    pub fn by(self, method: Method) -> Self {
        Self { method, ..self }
    }

    /// The same at this place of what was sent.
    #[must_use]
    pub fn at(self, place: impl Into<String>) -> Self {
        Self { place: Some(place.into()), ..self }
    }

    fn is_of_search(&self) -> bool {
        match &self.content {
            Content::Written { resource, .. } => resource_type(resource) == Some(SEARCH_PARAMETER),
            Content::Deleted { reference, .. } => reference.resource_type.as_str() == SEARCH_PARAMETER,
        }
    }

    fn patients(&self) -> Vec<String> {
        match &self.content {
            Content::Written { resource, .. } => {
                patients_of(resource).iter().map(|id| id.as_str().to_owned()).collect()
            }
            Content::Deleted { patients, .. } => patients.clone(),
        }
    }

    fn version(&self, app: &App, patients: Vec<String>, author: &Author) -> Result<NewVersion, Refusal> {
        let (resource_type, id, body, index, deleted) = match &self.content {
            Content::Written { resource, body } => (
                resource_type(resource).unwrap_or_default().to_owned(),
                id(resource).unwrap_or_default().to_owned(),
                body.clone(),
                crate::merges::rows(&app.store, resource)?,
                false,
            ),
            Content::Deleted { reference, .. } => {
                let (resource_type, id) = (reference.resource_type.to_string(), reference.id.to_string());
                (resource_type, id, Bytes::new(), Vec::new(), true)
            }
        };
        Ok(NewVersion {
            resource_type,
            id,
            expect: self.expect.clone(),
            body,
            index,
            patients,
            deleted,
            author: author.clone(),
            skip_unchanged: false,
            method: self.method,
            lean: false,
        })
    }
}

/// More resources than this are checked where nobody waits for the thread.
const MANY: usize = 8;

/// A write that is durable.
#[derive(Debug, Clone)]
pub struct Written {
    /// Its exchange.
    pub exchange: ExchangeId,
    /// One for each change, in order.
    pub versions: Vec<VersionWritten>,
    /// Index of its ledger record.
    pub ledger_index: Option<u64>,
}

/// What says by which parameters is searched.
const SEARCH_PARAMETER: &str = "SearchParameter";

/// Validates each resource as `[validation]` says and commits all of them, or none.
///
/// # Errors
/// [`Cause::Invalid`] with the findings, [`Cause::Conflict`] at the resource whose version is not the expected one, [`Cause::Ledger`],
/// [`Cause::Full`] and the like if nothing can be stored now.
pub async fn write(app: &App, exchange: ExchangeId, mut write: FhirWrite) -> Result<Written, Refusal> {
    if app.ledger.is_refusing() {
        let text = "the ledger disagrees with its last checkpoint: nothing is taken in";
        return Err(Refusal::new(Cause::Ledger, Issue::error("transient", text)));
    }
    let started = Timer::now();
    // A profile costs as much as a large message does: not on a worker that others wait for.
    let findings = if app.validation.fhir().level == Validation::Profile || write.changes.len() > MANY {
        let (worker, changes) = (app.clone(), std::mem::take(&mut write.changes));
        let checked = tokio::task::spawn_blocking(move || (check(&worker, &changes), changes)).await;
        let (findings, changes) = checked.map_err(|_| {
            app.metrics.alarm("validate-panic");
            Refusal::new(Cause::Storage, Issue::error("exception", "the resource could not be validated"))
        })?;
        write.changes = changes;
        findings
    } else {
        check(app, &write.changes)
    };
    app.metrics.stage("validate-write", started.elapsed());
    if any_error(&findings) {
        return Err(Refusal::of(Cause::Invalid, findings));
    }
    let now = app.clock.now();
    let sha256: [u8; 32] = Sha256::digest(&write.raw).into();
    let author = Author { source: write.source.clone(), exchange: Some(exchange) };
    // As for messages: what a record is found by depends on the records it stands for.
    let _shared = app.merging.read().await;
    let mut patient = None;
    let mut resources = Vec::with_capacity(write.changes.len() + write.audit.len());
    for change in &write.changes {
        let patients = change.patients();
        patient = patient.or_else(|| patients.first().cloned());
        resources.push(change.version(app, patients, &author)?);
    }
    resources.extend(write.audit);
    let mut record = app.ledger.record(exchange, Kind::Write, "stored", now).commit(Label::In, &sha256)?;
    if let Some(patient) = &patient {
        record = record.commit_content(Label::Patient, format!("Patient/{patient}").as_bytes())?;
    }
    let mut opened = ExchangeChange::open(
        exchange,
        Arrival {
            kind: ExchangeKind::Write,
            source: write.source,
            format: write.content_type,
            received: write.received_at,
            message_control_id: None,
            sending_application: None,
            sending_facility: None,
            raw: write.raw,
            sha256,
        },
    );
    opened.state = Some(StateChange::FromDeliveries);
    opened.patient = patient;
    opened.stages =
        vec![Stage { name: "commit".to_owned(), at: now, outcome: format!("{} resources", write.changes.len()) }];
    opened.issues = findings.iter().map(issues::write).collect();
    let commit = Commit { resources, exchanges: vec![opened], ledger: vec![record.build()], ..Commit::default() };
    let committed = app.store.commit(commit).await.map_err(at_resource)?;
    if write.changes.iter().any(FhirChange::is_of_search) {
        // In force before the answer: whoever defined a parameter asks by it next.
        let worker = app.clone();
        let reloaded = tokio::task::spawn_blocking(move || worker.parameters.reload(&worker.store)).await;
        if !matches!(reloaded, Ok(Ok(()))) {
            tracing::error!("search parameters could not be read anew: those before stay in force");
            app.metrics.alarm("search-parameters");
        }
    }
    let mut versions = committed.versions;
    versions.truncate(write.changes.len());
    app.metrics.exchange("fhir", "stored");
    Ok(Written { exchange, versions, ledger_index: committed.ledger.first().copied() })
}

fn check(app: &App, changes: &[FhirChange]) -> Vec<Issue> {
    let rules = app.validation.fhir();
    let mut found = Vec::new();
    for change in changes {
        let Content::Written { resource, .. } = &change.content else { continue };
        let own = rules.check(resource).into_iter().filter(|issue| issue.severity != Severity::Information);
        found.extend(own.map(|issue| placed(issue, change.place.as_deref())));
        if resource_type(resource) == Some(SEARCH_PARAMETER) {
            let wrong = app.parameters.check(resource).into_iter();
            found.extend(wrong.map(|issue| placed(issue, change.place.as_deref())));
        }
    }
    found
}

/// The finding at its place in what was sent: `Patient.name` in an entry is `Bundle.entry[3].resource.name`.
fn placed(mut issue: Issue, place: Option<&str>) -> Issue {
    if let Some(place) = place {
        let below = issue.at.as_deref().and_then(|at| at.find(['.', '[']).and_then(|from| at.get(from..)));
        issue.at = Some(format!("{place}{}", below.unwrap_or_default()));
    }
    issue
}

/// A conflict is about one resource: it says which.
fn at_resource(error: store::Error) -> Refusal {
    let at = match &error {
        store::Error::Conflict(
            store::Conflict::Version { resource_type, id, .. } | store::Conflict::Author { resource_type, id },
        ) => Some(format!("{resource_type}/{id}")),
        _ => None,
    };
    let refusal = Refusal::from(error);
    match (at, refusal.issues()) {
        (Some(at), [issue]) => Refusal::new(refusal.cause(), issue.clone().at(at)),
        _ => refusal,
    }
}
