//! Consent, asked anew for each attempt, for the destination as recipient and `disclose` as action.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use consent::{
    AccessRequest, Action, Actor, Candidate, Content, Context, Decision, Effect, Interaction, Permitted, Purpose,
    release_all,
};
use model::id::Reference;
use model::json::{Json, Limits, parse};
use model::resource::{id, patients_of};
use model::time::Instant;
use store::{Exchange, Resources, Stored};

use super::{Decided, OfPatient};
use crate::app::App;
use crate::config::Destination;
use crate::policies::{self, PolicyError};

/// What is kept of an exchange but not forwarded: our own bookkeeping, and the envelope, which is written anew.
const OURS: [&str; 3] = ["Provenance", "AuditEvent", "MessageHeader"];

pub(super) enum Verdict {
    /// Something may leave.
    Release(Release),
    /// Nothing may.
    Withhold(Decided),
}

/// What may leave, and why.
pub(super) struct Release {
    pub(super) contents: Permitted<Vec<Content>>,
    pub(super) decision: Decided,
}

pub(super) enum DecideError {
    Store(store::Error),
    Damaged,
}

impl From<store::Error> for DecideError {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<PolicyError> for DecideError {
    fn from(error: PolicyError) -> Self {
        match error {
            PolicyError::Store(error) => Self::Store(error),
            _ => Self::Damaged,
        }
    }
}

/// Reads what the exchange wrote and decides each resource by the consents of this moment.
pub(super) fn decide(
    app: &App,
    destination: &Destination,
    exchange: &Exchange,
    now: Instant,
) -> Result<Verdict, DecideError> {
    let mut resources = Vec::with_capacity(exchange.resources.len());
    let (mut patients, mut owners) = (BTreeMap::new(), BTreeMap::new());
    for reference in &exchange.resources {
        if OURS.contains(&reference.resource_type.as_str()) {
            continue;
        }
        // The version the exchange wrote: a newer one belongs to the exchange that wrote that.
        let Some(stored) = app.store.vread(&reference.resource_type, &reference.id, reference.version)? else {
            continue;
        };
        if stored.deleted {
            continue;
        }
        patients.extend(stored.patients.iter().map(|patient| (patient.clone(), OfPatient::default())));
        owners.insert(format!("{}/{}", stored.resource_type, stored.id), stored.patients.clone());
        let json = parse(&stored.body, &Limits::default()).map_err(|_| DecideError::Damaged)?;
        resources.push((stored, json));
    }
    let neighbours = neighbours(app, &resources)?;
    let mut follows = Vec::with_capacity(resources.len());
    for (stored, json) in &resources {
        follows.push(if stored.resource_type == "Binary" { followed(app, json, &resources)? } else { None });
    }
    let followed: Vec<String> =
        follows.iter().flatten().flat_map(patients_of).map(|patient| patient.as_str().to_owned()).collect();
    let asked = patients.keys().chain(neighbours.iter().flat_map(|(stored, _)| &stored.patients)).chain(&followed);
    let asked: Vec<&str> = asked.map(String::as_str).collect();
    let policies = app.policies.of(&app.store, &asked)?;
    let links = policies::links(&app.store, &policies)?;
    let request = request(app, destination, exchange);
    let context = Context {
        policies: &policies,
        request: &request,
        settings: &app.consent,
        now,
        links: Some(&links),
        map: Some(&app.sensitivity),
    };
    let total = resources.len();
    let candidates = resources.into_iter().zip(follows).map(|((stored, json), follows)| Candidate {
        json,
        text: Some(text(&stored)),
        selected_by: Vec::new(),
        follows,
    });
    let released = release_all(&context, candidates);
    // What the message says about others that are withheld from this receiver stays here too.
    let told: Vec<String> = neighbours
        .iter()
        .filter(|(_, json)| !context.decide(&context.facts(json)).is_permit())
        .map(|(stored, _)| format!("{}/{}", stored.resource_type, stored.id))
        .collect();
    let decisions: Vec<&Decision> = released
        .permitted
        .get()
        .iter()
        .map(|content| &content.decision)
        .chain(released.withheld.iter().map(|withheld| &withheld.decision))
        .collect();
    // A partner who may see no resource about the patient must not learn from directory entries that there was a message.
    let about_patient = |content: &Content| consent::ResourceFacts::from(&content.json).patients().next().is_some();
    let permitted = released.permitted.get();
    let leaves = permitted.iter().any(about_patient) || (exchange.patient.is_none() && !permitted.is_empty());
    let count = if leaves { permitted.len() } else { 0 };
    let outcomes = permitted
        .iter()
        .map(|content| (content.reference.as_str(), &content.decision, leaves))
        .chain(released.withheld.iter().map(|withheld| (withheld.reference.as_str(), &withheld.decision, false)));
    for (reference, decision, left) in outcomes {
        for owner in owners.get(reference).into_iter().flatten() {
            let Some(of) = patients.get_mut(owner) else { continue };
            of.traces.extend(decision.trace());
            let name = reference.split('/').next().unwrap_or_default();
            match left {
                true => *of.released.entry(name.to_owned()).or_default() += 1,
                false => of.withheld += 1,
            }
        }
    }
    let decision = decided(&decisions, count, total, patients);
    Ok(if leaves {
        let contents = Permitted::gather(released.permitted.split().map(|one| one.without_traces(&told)));
        Verdict::Release(Release { contents, decision })
    } else {
        Verdict::Withhold(decision)
    })
}

/// The resource that a Binary belongs to: that of its security context, else one of the message that names it as an
/// attachment. FHIR R4 binary.html, "Security".
fn followed(app: &App, binary: &Json, resources: &[(Stored, Json)]) -> Result<Option<Json>, DecideError> {
    let own = format!("Binary/{}", id(binary).unwrap_or_default());
    let here = |wanted: &str| {
        resources.iter().find(|(stored, _)| {
            wanted.split_once('/').is_some_and(|(kind, id)| stored.resource_type == kind && stored.id == id)
        })
    };
    if binary.get("securityContext").is_none() {
        let names_it = |json: &Json| consent::attachments(json).contains(&own.as_str());
        return Ok(resources.iter().find(|(_, json)| names_it(json)).map(|(_, json)| json.clone()));
    }
    let named = binary.text_at(&["securityContext", "reference"]).and_then(|text| Reference::parse(text).ok());
    let Some(named) = named.filter(|named| named.resource_type.as_str() != "Binary") else { return Ok(None) };
    let (kind, named_id) = (named.resource_type.as_str(), named.id.as_str());
    if let Some((_, json)) = here(&format!("{kind}/{named_id}")) {
        return Ok(Some(json.clone()));
    }
    match app.store.read(kind, named_id)?.filter(|stored| !stored.deleted) {
        Some(stored) => Ok(Some(parse(&stored.body, &Limits::default()).map_err(|_| DecideError::Damaged)?)),
        // A patient is one by their consents; nobody has to have stored the Patient.
        None if kind == "Patient" => {
            let members = [("resourceType", Json::from(kind)), ("id", Json::from(named_id))];
            Ok(Some(Json::object(members)))
        }
        None => Ok(None),
    }
}

/// What the resources of a message call by name and is stored here, but is no part of the message.
fn neighbours(app: &App, resources: &[(Stored, Json)]) -> Result<Vec<(Stored, Json)>, DecideError> {
    let mut told: Vec<Reference> = resources.iter().flat_map(|(_, json)| consent::told_of(json)).collect();
    told.sort();
    told.dedup();
    let mut found = Vec::new();
    for reference in told {
        let (resource_type, id) = (reference.resource_type.as_str(), reference.id.as_str());
        if resources.iter().any(|(stored, _)| stored.resource_type == resource_type && stored.id == id) {
            continue;
        }
        if let Some(stored) = app.store.read(resource_type, id)?.filter(|stored| !stored.deleted) {
            let json = parse(&stored.body, &Limits::default()).map_err(|_| DecideError::Damaged)?;
            found.push((stored, json));
        }
    }
    Ok(found)
}

fn request(app: &App, destination: &Destination, exchange: &Exchange) -> AccessRequest {
    let custodian = &app.config.consent.custodian;
    AccessRequest {
        actor: Actor {
            refs: destination.recipient.iter().map(Into::into).collect(),
            roles: destination.roles.iter().map(Into::into).collect(),
            ..Actor::default()
        },
        purposes: destination.purpose.iter().map(|code| Purpose::parse(code)).collect(),
        action: Action::Disclose,
        // Not known rather than nobody: a deny that names a custodian then holds.
        custodian: Some(custodian.iter().map(Into::into).collect()).filter(|_: &Vec<_>| !custodian.is_empty()),
        btg: None,
        patient: exchange.patient.as_ref().map(|id| format!("Patient/{id}").into()),
        interaction: Interaction::Forward,
    }
}

fn text(stored: &Stored) -> Arc<[u8]> {
    Arc::from(stored.body.as_ref())
}

/// The decisions on all resources as one line for people, and as one JSON for the record.
fn decided(decisions: &[&Decision], permitted: usize, total: usize, patients: BTreeMap<String, OfPatient>) -> Decided {
    let mut traces = BTreeSet::new();
    let mut reasons = BTreeSet::new();
    for decision in decisions {
        traces.extend(decision.trace());
        if let Effect::Deny(reason) = &decision.effect {
            reasons.insert(reason.as_str());
        }
    }
    let is_whole = permitted > 0 && permitted == total;
    let word = match permitted {
        0 => "deny".to_owned(),
        _ if is_whole => format!("permit: {total} of {total} resources"),
        some => format!("redact: {some} of {total} resources"),
    };
    let mut text = word;
    if !reasons.is_empty() {
        text.push_str(if permitted == 0 { ": " } else { ", the others withheld: " });
        text.push_str(&reasons.into_iter().collect::<Vec<_>>().join(", "));
    }
    if !traces.is_empty() {
        text.push_str(" (");
        text.push_str(&traces.into_iter().collect::<Vec<_>>().join("; "));
        text.push(')');
    } else if permitted > 0 {
        text.push_str(" (no consent decides: implicit policy)");
    }
    Decided { text, json: Json::array(decisions.iter().map(|decision| decision.to_json())), patients, is_whole }
}

#[cfg(test)]
mod tests;
