//! `POST /emergency/declare` and `DELETE /emergency/grants/{id}`: a bounded grant, the notice to the patient and the
//! review, all in one commit.

use std::time::Duration;

use bytes::Bytes;
use consent::BtgMode;
use http::StatusCode;
use http::header::LOCATION;
use ledger::commitment::Label;
use ledger::entry::Kind as RecordKind;
use model::id::ResourceId;
use model::json::{Json, Limits, Object, parse};
use model::time::Instant;
use sha2::{Digest, Sha256};
use store::{
    Arrival, Author, Commit, ExchangeChange, ExchangeId, ExchangeKind, ExchangeState, Expect, Grant, GrantChange,
    NewVersion, Resources, Stage, StateChange, Stored,
};
use typed::{Code, Notice, Party, Review};

use crate::api::outcome::Failure;
use crate::api::{Call, Who, answer};
use crate::app::App;
use crate::audit::{Event, Kind, Outcome, random_id};
use crate::index;
use crate::layers::Response;
use crate::pipeline::Refusal;

/// Shorter reasons are none (contract: "Emergency"; the decision counts the same).
const SHORTEST_REASON: usize = 10;
const LONGEST_REASON: usize = 1_000;
const LONGEST_PLACE: usize = 200;
/// The codes of a reason (docs/emergency.md).
const REASONS: [&str; 6] =
    ["unconscious", "incapacitated", "life-threatening", "unaccompanied-minor", "no-common-language", "other"];
/// By when a review should be done.
const REVIEW_WITHIN: Duration = Duration::from_secs(72 * 3600);

/// What was asked for.
struct Declaration {
    patient: ResourceId,
    reason: String,
    reason_code: Option<String>,
    location: Option<String>,
    detail: Json,
    birth_year: Option<u64>,
}

/// `POST /emergency/declare`
pub(crate) async fn declare(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    let body = call.body().await?;
    let now = call.app.clock.now();
    let asked = match authorised(&call.app, who).and_then(|()| read(&body)) {
        Ok(asked) => asked,
        Err(failure) => {
            refused(call, who, Kind::Declare, None, &failure).await?;
            return Err(failure);
        }
    };
    let emergency = call.app.emergency.clone();
    let declaring = emergency.declaring(&who.person()).await;
    if let Err(failure) = permitted(call, who, &asked, now) {
        refused(call, who, Kind::Declare, Some(&asked.patient), &failure).await?;
        return Err(failure);
    }
    let exchange = crate::pipeline::exchange_id()?;
    let grant = Grant {
        id: random_id().replace('-', ""),
        patient: asked.patient.as_str().to_owned(),
        person: who.person(),
        holder: who.holder().unwrap_or_default(),
        declared: now,
        expires: now.after(call.app.consent.btg_ttl),
        ended: None,
        exchange,
        detail: asked.detail.to_text(),
    };
    let commit = commit_of(&call.app, who, &asked, &grant, &body)?;
    let started = std::time::Instant::now();
    call.app.emergency.write(&call.app.store, commit).await?;
    call.app.metrics.stage("emergency-declare", started.elapsed());
    drop(declaring);
    call.app.metrics.emergency("declared");
    let mut shown = Object::new();
    shown.insert("id", grant.id.as_str());
    shown.insert("patient", format!("Patient/{}", asked.patient));
    shown.insert("purpose", "BTG");
    shown.insert("expires", grant.expires.to_rfc3339());
    shown.insert("exchange", exchange.to_string());
    let mut response = answer::json(StatusCode::CREATED, &shown.into());
    answer::header(&mut response, LOCATION, &format!("/emergency/grants/{}", grant.id));
    super::summary::name_exchange(&mut response, exchange);
    Ok(response)
}

/// `DELETE /emergency/grants/{id}`
pub(crate) async fn end(call: &Call, who: &Who) -> Result<Response, Failure> {
    let now = call.app.clock.now();
    // An administrator may end any: a stolen device is reported to them, not to the thief.
    let grant = match who.has(auth::Role::Administrator) {
        true => call.app.emergency.grant(&call.app.store, call.params.text("id"))?,
        false => Some(super::summary::own_grant(call, who)?),
    };
    let grant = grant.ok_or_else(|| Failure::unknown("this grant"))?;
    if !grant.is_open(now) {
        return Err(ended());
    }
    let event = who.event(Kind::End, now).purpose("BTG").patient(grant.patient.as_str()).exchange(grant.exchange);
    let commit = Commit {
        resources: event.versions(),
        grants: vec![GrantChange::End { id: grant.id, at: now }],
        ..Commit::default()
    };
    call.app.emergency.write(&call.app.store, commit).await?;
    call.app.metrics.emergency("ended");
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// 410: the holder knew the grant, so it may be said that it has ended.
pub(crate) fn ended() -> Failure {
    Failure::new(StatusCode::GONE, "expired", "this emergency access has ended")
}

/// Whether the caller may look for patients and declare at all.
pub(super) fn authorised(app: &App, who: &Who) -> Result<(), Failure> {
    if app.consent.btg == BtgMode::Off {
        return Err(Failure::forbidden("emergency access is switched off here"));
    }
    if !who.emergency_authorised() {
        return Err(Failure::forbidden("this token is not authorised for emergency access"));
    }
    let purposes = who.purposes();
    if purposes.len() != 1 || !purposes.iter().all(consent::Purpose::is_btg) {
        return Err(Failure::forbidden("emergency access takes a token with the single purpose BTG"));
    }
    if who.holder().is_none() {
        return Err(Failure::forbidden("this token has neither a key nor an id that a grant could be bound to"));
    }
    Ok(())
}

fn read(body: &[u8]) -> Result<Declaration, Failure> {
    let json =
        parse(body, &Limits::default()).map_err(|error| Failure::bad(format!("the body is no JSON: {error}")))?;
    let unprocessable =
        |code, text: &str, place: &str| Failure::new(StatusCode::UNPROCESSABLE_ENTITY, code, text.to_owned()).at(place);
    let patient = json
        .get("patient")
        .and_then(Json::as_str)
        .and_then(|text| text.strip_prefix("Patient/"))
        .and_then(|id| ResourceId::parse(id).ok())
        .ok_or_else(|| unprocessable("required", "expected one patient as Patient/ID", "patient"))?;
    let reason = json.get("reason").and_then(Json::as_str).map(str::trim).unwrap_or_default();
    if reason.chars().count() < SHORTEST_REASON {
        return Err(unprocessable("required", "expected a reason of 10 characters or more", "reason"));
    }
    if reason.chars().count() > LONGEST_REASON {
        return Err(unprocessable("too-long", "expected a reason of 1,000 characters or less", "reason"));
    }
    let mut detail = Object::new();
    detail.insert("reason", reason);
    let reason_code = match json.get("reasonCode") {
        None => None,
        Some(value) => Some(reason_code(value).ok_or_else(|| {
            let text = format!("expected one of {}", REASONS.join(", "));
            unprocessable("value", &text, "reasonCode")
        })?),
    };
    let location = match json.get("location") {
        None => None,
        Some(value) => Some(
            location(value)
                .ok_or_else(|| unprocessable("value", "expected a text of 200 characters or less", "location"))?,
        ),
    };
    for (name, value) in [("reasonCode", &reason_code), ("location", &location)] {
        if let Some(value) = value {
            detail.insert(name, value.as_str());
        }
    }
    let birth_year = match json.at(&["confirm", "birthYear"]) {
        None => None,
        Some(Json::Number(number)) => number.as_u64(),
        Some(Json::String(text)) => text.parse().ok(),
        Some(_) => return Err(unprocessable("value", "expected a year", "confirm.birthYear")),
    };
    if json.at(&["confirm", "birthYear"]).is_some() && birth_year.is_none() {
        return Err(unprocessable("value", "expected a year", "confirm.birthYear"));
    }
    Ok(Declaration { patient, reason: reason.to_owned(), reason_code, location, detail: detail.into(), birth_year })
}

/// The code of a reason: a string, or the first coding of a Coding or CodeableConcept.
///
/// A code of another system, such as a dispatch code, is kept as it stands: an emergency is not refused for a code.
fn reason_code(value: &Json) -> Option<String> {
    let coding = value.items("coding").first().unwrap_or(value);
    let (system, code) = match coding {
        Json::String(code) => (None, code.trim()),
        _ => (coding.text_at(&["system"]), coding.text_at(&["code"])?.trim()),
    };
    let text = match system {
        Some(system) => format!("{system}|{code}"),
        None if REASONS.contains(&code) => code.to_owned(),
        // Without a system only our own codes say something.
        None if code.is_empty() => return None,
        None => format!("other: {code}"),
    };
    (text.chars().count() <= LONGEST_PLACE).then_some(text)
}

/// Where: a text, or the display or reference of a Location.
fn location(value: &Json) -> Option<String> {
    let text = value.as_str().or_else(|| value.text_at(&["display"])).or_else(|| value.text_at(&["reference"]))?.trim();
    (!text.is_empty() && text.chars().count() <= LONGEST_PLACE).then(|| text.to_owned())
}

/// The patient exists, is the one meant, and the person has not declared too often.
fn permitted(call: &Call, who: &Who, asked: &Declaration, now: Instant) -> Result<(), Failure> {
    let stored = call.app.store.read("Patient", asked.patient.as_str())?.filter(|stored| !stored.deleted);
    let Some(patient) = stored.and_then(|stored: Stored| parse(&stored.body, &Limits::default()).ok()) else {
        return Err(Failure::unknown("this patient"));
    };
    if asked.birth_year.is_some() && super::find::birth_year(&patient) != asked.birth_year {
        let text = "the year of birth does not fit this patient";
        return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "business-rule", text).at("confirm.birthYear"));
    }
    let rate = call.app.config.consent.btg_rate;
    let since = now.before(rate.per);
    let (declared, first) = call.app.emergency.declared_since(&call.app.store, &who.person(), since)?;
    if declared >= usize::try_from(rate.count).unwrap_or(usize::MAX) {
        let wait = first.map_or(rate.per, |first| rate.per.saturating_sub(now.since(first)));
        let text = "this person has declared as often as allowed; a second person must declare";
        return Err(Failure::new(StatusCode::TOO_MANY_REQUESTS, "throttled", text).retry_after(wait.as_secs().max(1)));
    }
    Ok(())
}

/// Keeps a refusal. It does not count for the rate and gives nothing away.
pub(super) async fn refused(
    call: &Call,
    who: &Who,
    kind: Kind,
    patient: Option<&ResourceId>,
    failure: &Failure,
) -> Result<(), Failure> {
    call.app.metrics.emergency("refused");
    let text = failure.issues().first().map_or("refused", |issue| issue.diagnostics.as_str());
    let mut event = who.event(kind, call.app.clock.now()).outcome(Outcome::Refused, text);
    if let Some(patient) = patient {
        // Only a patient that exists: the event would else name somebody who may never have been here.
        if call.app.store.read("Patient", patient.as_str())?.is_some() {
            event = event.patient(patient.as_str());
        }
    }
    let commit = Commit { resources: event.versions(), ..Commit::default() };
    call.app.emergency.write(&call.app.store, commit).await?;
    Ok(())
}

/// Everything a declaration leaves behind, at once: audit event, notice, review, grant, exchange and ledger record.
fn commit_of(app: &App, who: &Who, asked: &Declaration, grant: &Grant, body: &Bytes) -> Result<Commit, Failure> {
    let now = grant.declared;
    let mut event = who
        .event(Kind::Declare, now)
        .reason(asked.reason.as_str())
        .patient(grant.patient.as_str())
        .exchange(grant.exchange)
        .detail("grant", grant.id.as_str())
        .detail("expires", grant.expires.to_rfc3339());
    if let Some(code) = &asked.reason_code {
        event = event.detail("reason-code", code.as_str());
    }
    if let Some(location) = &asked.location {
        event = event.detail("location", location.as_str());
    }
    let event = event;
    let about = format!("AuditEvent/{}", event.id());
    let person = who.person();
    let party =
        if model::id::Reference::parse(&person).is_ok() { Party::reference(&person) } else { Party::named(&person) };
    let notice = typed::communication(&Notice {
        id: &random_id(),
        patient: &asked.patient,
        sent: now,
        sender: Party::named("Anchorline"),
        about: std::slice::from_ref(&about),
        reasons: &[Code::BREAK_THE_GLASS],
        text: "Your health record was opened in an emergency. Who opened it, when and why is on record and will be \
               reviewed. You may ask for the details at any time.",
    });
    let review = typed::task(&Review {
        id: &random_id(),
        patient: &asked.patient,
        authored: now,
        due: Some(now.after(REVIEW_WITHIN)),
        requester: party,
        focus: Some(&about),
        description: "Review whether this emergency access was justified. Somebody other than the person who declared \
                      it closes this task.",
        reason: Some(Code::BREAK_THE_GLASS),
    });
    let (notice, review) = match (notice, review) {
        (Ok(notice), Ok(review)) => (notice, review),
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "a notice or review could not be built");
            return Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "exception", "an error of the gateway"));
        }
    };
    let record = app
        .ledger
        .record(grant.exchange, RecordKind::EmergencyGrant, "granted", now)
        .commit_content(Label::In, body)
        .and_then(|record| record.commit_content(Label::Patient, format!("Patient/{}", grant.patient).as_bytes()))
        .map_err(Refusal::from)?
        .build();
    let mut resources = event.versions();
    resources.extend([version(&notice, grant), version(&review, grant)]);
    Ok(Commit {
        resources,
        exchanges: vec![exchange(
            grant.exchange,
            ExchangeKind::Emergency,
            &grant.person,
            now,
            body.clone(),
            &grant.patient,
        )],
        ledger: vec![record],
        grants: vec![GrantChange::Open(grant.clone())],
        ..Commit::default()
    })
}

/// A resource of ours about the patient of a grant.
fn version(resource: &Json, grant: &Grant) -> NewVersion {
    NewVersion {
        resource_type: model::resource::resource_type(resource).unwrap_or_default().to_owned(),
        id: model::resource::id(resource).unwrap_or_default().to_owned(),
        expect: Expect::Absent,
        body: Bytes::from(resource.to_bytes()),
        index: index::rows(resource),
        patients: vec![grant.patient.clone()],
        deleted: false,
        author: Author { source: "anchorline".to_owned(), exchange: Some(grant.exchange) },
        skip_unchanged: false,
        method: store::Method::Put,
        lean: false,
    }
}

/// The exchange of a declaration or of a use: done as soon as it is on record.
pub(super) fn exchange(
    id: ExchangeId,
    kind: ExchangeKind,
    person: &str,
    at: Instant,
    raw: Bytes,
    patient: &str,
) -> ExchangeChange {
    let sha256 = Sha256::digest(&raw).into();
    let arrival = Arrival {
        kind,
        source: person.to_owned(),
        format: "application/json".to_owned(),
        received: at,
        message_control_id: None,
        sending_application: None,
        sending_facility: None,
        raw,
        sha256,
    };
    let mut change = ExchangeChange::open(id, arrival);
    change.state = Some(StateChange::Set(ExchangeState::Done));
    change.patient = Some(patient.to_owned());
    let name = if kind == ExchangeKind::Emergency { "declare" } else { "use" };
    change.stages.push(Stage { name: name.to_owned(), at, outcome: "recorded".to_owned() });
    change
}

/// The audit event of a use, for the callers of this path.
pub(super) fn use_event(who: &Who, grant: &Grant, exchange: ExchangeId, now: Instant) -> Event {
    who.event(Kind::Use, now).patient(grant.patient.as_str()).exchange(exchange).detail("grant", grant.id.as_str())
}
