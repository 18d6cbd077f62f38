//! `/patient/choices`: a patient's choices, filed, changed and revoked as Consents. Every change is an exchange with a
//! receipt, and holds from the next request on.

use auth::{Action as Reach, Permission};
use consent::{Action, BtgMode, ImplicitPolicy, Interaction};
use http::header::{IF_MATCH, LOCATION};
use http::{HeaderName, StatusCode};
use model::json::{Json, Limits, Object, parse};
use store::{Effect, Expect, Resources, Stored};

use super::choices::{Choices, EMERGENCY_WARNING, Emergency, Topic};
use super::{Subject, themselves, words};
use crate::api::outcome::Failure;
use crate::api::query::{pairs, unknown_parameter};
use crate::api::release::Asking;
use crate::api::{Call, Who, answer};
use crate::app::App;
use crate::audit::{Kind, random_id};
use crate::layers::Response;
use crate::pipeline::{self, FhirChange, FhirWrite, Written};

const LEDGER_EXCHANGE: HeaderName = HeaderName::from_static("ledger-exchange");
/// Consents of one patient that are shown.
const MOST: usize = 200;

/// `GET /patient/choices`
pub(crate) async fn show(call: &Call, who: &Who) -> Result<Response, Failure> {
    no_parameters(call)?;
    who.must(Reach::Choices)?;
    let subject = themselves(who)?;
    let consents = consents(call, who, &subject)?;
    let event = who
        .event(Kind::Operation, call.app.clock.now())
        .detail("operation", "choices")
        .patient(subject.patient.as_str());
    crate::api::audited(&call.app, event).await?;
    Ok(answer::json(StatusCode::OK, &overview(&call.app, &subject, &consents)))
}

/// `POST /patient/choices`
pub(crate) async fn file(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    no_parameters(call)?;
    let subject = writing(who, Permission::Create)?;
    let body = call.body().await?;
    let choices = read(call, &body)?;
    // Two filed side by side are looked at one after the other: the second finds the first.
    let _one_at_a_time = FILING.lock().await;
    let known = consents(call, who, &subject)?;
    if let Some((stored, ..)) = active(&known) {
        let text = "your choices are filed already; change them, or revoke them first";
        let location = http::HeaderValue::from_str(&format!("/patient/choices/{}", stored.id));
        let failure = Failure::new(StatusCode::CONFLICT, "conflict", text);
        return Err(match location {
            Ok(location) => failure.header(LOCATION, location),
            Err(_) => failure,
        });
    }
    let id = random_id();
    let consent = choices.consent(&id, &subject.patient, call.app.clock.now(), &organisations(&call.app));
    let written = write(call, who, &subject, (Kind::Create, body, consent, Expect::Absent)).await?;
    answered(call, &id, &written)
}

/// `PUT /patient/choices/{id}`
pub(crate) async fn change(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    no_parameters(call)?;
    let subject = writing(who, Permission::Update)?;
    let wanted = if_match(call)?.ok_or_else(|| {
        Failure::new(StatusCode::PRECONDITION_REQUIRED, "required", "If-Match: expected the version you looked at")
    })?;
    let body = call.body().await?;
    let choices = read(call, &body)?;
    let _one_at_a_time = FILING.lock().await;
    let known = consents(call, who, &subject)?;
    let (stored, consent, made_here) = named(call, &known)?;
    if made_here.is_none() {
        let text = "this consent was not made of choices: it can be revoked here, not rewritten";
        return Err(Failure::new(StatusCode::CONFLICT, "business-rule", text));
    }
    if stored.version != wanted {
        return Err(other_version());
    }
    if active(&known).is_some_and(|(other, ..)| other.id != stored.id) {
        let text = "other choices of yours hold; change those, or revoke them first";
        return Err(Failure::new(StatusCode::CONFLICT, "conflict", text));
    }
    let id = stored.id.clone();
    // It stays under the record it was filed under, also if that was merged into another since.
    let filed = consent.text_at(&["patient", "reference"]).and_then(|text| model::id::Reference::parse(text).ok());
    let patient = filed.map_or_else(|| subject.patient.clone(), |filed| filed.id);
    let consent = choices.consent(&id, &patient, call.app.clock.now(), &organisations(&call.app));
    let written = write(call, who, &subject, (Kind::Update, body, consent, Expect::Version(wanted))).await?;
    answered(call, &id, &written)
}

/// `DELETE /patient/choices/{id}`: the Consent becomes inactive; every version of it stays.
pub(crate) async fn revoke(call: &Call, who: &Who) -> Result<Response, Failure> {
    no_parameters(call)?;
    let subject = writing(who, Permission::Update)?;
    let wanted = if_match(call)?;
    let _one_at_a_time = FILING.lock().await;
    let known = consents(call, who, &subject)?;
    let (stored, consent, _) = named(call, &known)?;
    if wanted.is_some_and(|wanted| wanted != stored.version) {
        return Err(other_version());
    }
    if consent.text_at(&["status"]) == Some("inactive") {
        return Ok(answer::empty(StatusCode::NO_CONTENT));
    }
    let mut revoked = consent.clone();
    if let Some(object) = revoked.as_object_mut() {
        object.insert("status", "inactive");
    }
    let body = bytes::Bytes::from(revoked.to_bytes());
    let change = (Kind::Update, body, revoked, Expect::Version(stored.version));
    let written = write(call, who, &subject, change).await?;
    let mut response = answer::empty(StatusCode::NO_CONTENT);
    if let Some(version) = written.versions.first() {
        answer::version(&mut response, version.version, version.last_updated);
    }
    answer::header(&mut response, LEDGER_EXCHANGE, &written.exchange.to_string());
    Ok(response)
}

/// The patient themselves, with a token whose scopes let them write their Consents.
fn writing(who: &Who, permission: Permission) -> Result<Subject, Failure> {
    who.must(Reach::Choices)?;
    let subject = themselves(who)?;
    match who.covers(permission, "Consent", &[subject.patient.as_str().to_owned()]) {
        true => Ok(subject),
        false => Err(Failure::forbidden("the scopes of this token do not reach this")),
    }
}

static FILING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

type Known = (Stored, Json, Option<Choices>);

/// The patient's own consents, newest first, as far as no rule of the site keeps them from the patient.
fn consents(call: &Call, who: &Who, subject: &Subject) -> Result<Vec<Known>, Failure> {
    let asking = Asking::new(&call.app, who, Interaction::Search)?;
    let mut known = Vec::new();
    for record in &subject.records {
        for stored in call.app.store.of_patient(record, &["Consent"])? {
            let Ok(consent) = parse(&stored.body, &Limits::default()) else { continue };
            if known.len() < MOST
                && subject.is_all_of(&stored.patients)
                && !known.iter().any(|(other, ..): &Known| other.id == stored.id)
                && asking.permits_write(&consent, Action::Correct)?
            {
                let choices = Choices::of(&consent);
                known.push((stored, consent, choices));
            }
        }
    }
    known.sort_by_key(|(stored, ..)| std::cmp::Reverse(stored.cursor));
    Ok(known)
}

/// The choices that hold.
fn active(known: &[Known]) -> Option<&Known> {
    known.iter().find(|(_, consent, choices)| choices.is_some() && is_active(consent))
}

fn is_active(consent: &Json) -> bool {
    consent.text_at(&["status"]) == Some("active")
}

/// The consent of the path. Somebody else's answers like an unknown one.
fn named<'k>(call: &Call, known: &'k [Known]) -> Result<&'k Known, Failure> {
    let id = call.params.text("id");
    known.iter().find(|(stored, ..)| stored.id == id).ok_or_else(|| Failure::unknown("this consent"))
}

fn read(call: &Call, body: &[u8]) -> Result<Choices, Failure> {
    let json =
        parse(body, &Limits::default()).map_err(|error| Failure::bad(format!("the body is no JSON: {error}")))?;
    let unprocessable = |text: String, at: &str| Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "value", text).at(at);
    let choices = Choices::read(&json).map_err(|error| unprocessable(error.expected.to_owned(), error.at))?;
    if choices.is_over(call.app.clock.now()) {
        return Err(unprocessable("expected a day that is not over".to_owned(), "until"));
    }
    let acknowledged = json.get("acknowledged").and_then(Json::as_bool) == Some(true);
    if choices.emergency == Emergency::Refuse && !acknowledged {
        return Err(unprocessable(EMERGENCY_WARNING.to_owned(), "acknowledged"));
    }
    Ok(choices)
}

fn if_match(call: &Call) -> Result<Option<u64>, Failure> {
    let Some(value) = call.header(IF_MATCH) else { return Ok(None) };
    let text = value.trim();
    let text = text.strip_prefix("W/").unwrap_or(text).trim_matches('"');
    text.parse().map(Some).map_err(|_| Failure::bad("If-Match: expected one version as W/\"7\""))
}

fn other_version() -> Failure {
    Failure::new(StatusCode::PRECONDITION_FAILED, "conflict", "this consent is at another version than If-Match says")
}

/// Whose record keeper the gateway is, as far as the configuration names organisations.
fn organisations(app: &App) -> Vec<String> {
    let named = app.config.consent.custodian.iter().map(ToString::to_string);
    named.filter(|reference| reference.starts_with("Organization/")).collect()
}

async fn write(
    call: &Call,
    who: &Who,
    subject: &Subject,
    (kind, raw, consent, expect): (Kind, bytes::Bytes, Json, Expect),
) -> Result<Written, Failure> {
    let asking = Asking::new(&call.app, who, Interaction::Write)?;
    let reference = format!("Consent/{}", model::resource::id(&consent).unwrap_or_default());
    let now = call.app.clock.now();
    let exchange = pipeline::exchange_id()?;
    let event = who.event(kind, now).patient(subject.patient.as_str()).entity(reference);
    if !asking.permits_write(&consent, Action::Correct)? {
        let refused = event.outcome(crate::audit::Outcome::Refused, "not permitted");
        crate::api::audited(&call.app, refused).await?;
        return Err(Failure::forbidden("a rule of this organisation refuses this"));
    }
    let body = bytes::Bytes::from(consent.to_bytes());
    let write = FhirWrite {
        raw,
        content_type: "application/json".to_owned(),
        received_at: now,
        source: who.person(),
        changes: vec![FhirChange::write(consent, body, expect)],
        audit: event.exchange(exchange).versions(),
    };
    let written = pipeline::write(&call.app, exchange, write).await;
    written.map_err(|refusal| {
        let failure = Failure::from(refusal).without_location();
        if failure.status() == StatusCode::CONFLICT { other_version() } else { failure }
    })
}

fn answered(call: &Call, id: &str, written: &Written) -> Result<Response, Failure> {
    let Some(version) = written.versions.first() else { return Err(Failure::unknown("what was written")) };
    let stored = call.app.store.vread("Consent", id, version.version)?;
    let known = stored.and_then(|stored| {
        let consent = words::read(&stored.body)?;
        let choices = Choices::of(&consent)?;
        Some((stored, consent, Some(choices)))
    });
    let Some(known) = known else { return Err(Failure::unknown("what was written")) };
    let mut shown = line(&known);
    if let Some(object) = shown.as_object_mut() {
        object.insert("exchange", written.exchange.to_string());
        object.insert("receipt", format!("/ledger/receipts/{}", written.exchange));
    }
    let status = if version.effect == Effect::Created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = answer::json(status, &shown);
    answer::version(&mut response, version.version, version.last_updated);
    answer::header(&mut response, LOCATION, &format!("/patient/choices/{id}"));
    answer::header(&mut response, LEDGER_EXCHANGE, &written.exchange.to_string());
    Ok(response)
}

fn overview(app: &App, subject: &Subject, known: &[Known]) -> Json {
    let mut body = Object::new();
    body.insert("patient", subject.reference());
    body.insert("current", active(known).map_or(Json::Null, line));
    body.insert("consents", Json::array(known.iter().map(line)));
    let topics = Topic::ALL
        .into_iter()
        .map(|topic| Json::object([("code", Json::from(topic.as_str())), ("words", Json::from(topic.words()))]));
    body.insert("topics", Json::array(topics));
    body.insert("emergency_warning", EMERGENCY_WARNING);
    body.insert(
        "emergency_rule",
        match app.consent.btg {
            BtgMode::Override => {
                "Emergency staff may open a record if the patient cannot be asked, unless the patient refused that too."
            }
            BtgMode::ConsentOnly => {
                "Emergency staff may open a record only where the patient's choices share it with those who treat them."
            }
            BtgMode::Off => "Nobody can open a record here in an emergency beyond the patient's choices.",
        },
    );
    body.insert(
        "standard_rule",
        match app.consent.implicit_policy {
            ImplicitPolicy::Deny => "Without choices of yours, nobody else sees your record.",
            ImplicitPolicy::PermitTreatment => {
                "Without choices of yours, those who treat you see your record, except what is marked as sensitive."
            }
            ImplicitPolicy::PermitAll => {
                "Without choices of yours, your record may be used for every purpose, except what is marked as sensitive."
            }
        },
    );
    body.into()
}

fn line((stored, consent, choices): &Known) -> Json {
    let mut line = Object::new();
    line.insert("id", stored.id.as_str());
    line.insert("version", stored.version);
    line.insert("etag", format!("W/\"{}\"", stored.version));
    line.insert("status", consent.text_at(&["status"]).unwrap_or("not readable"));
    line.insert("title", words::title(consent));
    line.insert("date", consent.text_at(&["dateTime"]).map_or(Json::Null, Json::from));
    line.insert("understood", words::is_understood(consent));
    // Whether it can be changed here, or only revoked.
    line.insert("made_here", choices.is_some());
    line.insert("choices", choices.as_ref().map_or(Json::Null, Choices::json));
    line.insert("words", Json::array(words::consent(consent).into_iter().map(|text| Json::from(text.as_str()))));
    line.into()
}

fn no_parameters(call: &Call) -> Result<(), Failure> {
    match pairs(&call.query)?.first() {
        None => Ok(()),
        Some((name, _)) => Err(unknown_parameter(name, "none")),
    }
}
