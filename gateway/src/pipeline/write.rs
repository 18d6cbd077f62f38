//! FHIR create, update and transaction as an exchange: checked, committed and anchored like a message.

use std::time::Instant as Timer;

use bytes::Bytes;
use ledger::commitment::Label;
use ledger::entry::Kind;
use model::json::Json;
use model::outcome::{Issue, Severity, any_error};
use model::resource::{id, patients_of, resource_type};
use model::time::Instant;
use sha2::{Digest, Sha256};
use store::{
    Arrival, Author, Commit, Commits, ExchangeChange, ExchangeId, ExchangeKind, Expect, NewVersion, Stage, StateChange,
    VersionWritten,
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
    /// The resource, its id set.
    pub resource: Json,
    /// The JSON text to store.
    pub body: Bytes,
    /// What has to hold of the version before.
    pub expect: Expect,
}

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

/// Validates each resource as `[validation]` says and commits all of them, or none.
///
/// # Errors
/// [`Cause::Invalid`] with the findings, [`Cause::Conflict`] if a version is not the expected one, [`Cause::Ledger`],
/// [`Cause::Full`] and the like if nothing can be stored now.
pub async fn write(app: &App, exchange: ExchangeId, write: FhirWrite) -> Result<Written, Refusal> {
    if app.ledger.is_refusing() {
        let text = "the ledger disagrees with its last checkpoint: nothing is taken in";
        return Err(Refusal::new(Cause::Ledger, Issue::error("transient", text)));
    }
    let started = Timer::now();
    // A profile costs as much as a large message does: not on a worker that others wait for.
    let findings = if app.validation.fhir().level == Validation::Profile {
        let (worker, changes) = (app.clone(), write.changes.clone());
        tokio::task::spawn_blocking(move || check(&worker, &changes)).await.map_err(|_| {
            app.metrics.alarm("validate-panic");
            Refusal::new(Cause::Storage, Issue::error("exception", "the resource could not be validated"))
        })?
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
        let patients: Vec<String> = patients_of(&change.resource).iter().map(|id| id.as_str().to_owned()).collect();
        patient = patient.or_else(|| patients.first().cloned());
        resources.push(NewVersion {
            resource_type: resource_type(&change.resource).unwrap_or_default().to_owned(),
            id: id(&change.resource).unwrap_or_default().to_owned(),
            expect: change.expect.clone(),
            body: change.body.clone(),
            index: crate::merges::rows(&app.store, &change.resource)?,
            patients,
            deleted: false,
            author: author.clone(),
            skip_unchanged: false,
            method: store::Method::Put,
        });
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
    let committed = app.store.commit(commit).await?;
    let mut versions = committed.versions;
    versions.truncate(write.changes.len());
    app.metrics.exchange("fhir", "stored");
    Ok(Written { exchange, versions, ledger_index: committed.ledger.first().copied() })
}

fn check(app: &App, changes: &[FhirChange]) -> Vec<Issue> {
    let rules = app.validation.fhir();
    let found = changes.iter().flat_map(|change| rules.check(&change.resource));
    found.filter(|issue| issue.severity != Severity::Information).collect()
}
