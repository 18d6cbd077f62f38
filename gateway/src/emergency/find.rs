//! `POST /emergency/find`: who lies there. Whatever the consents say, at most five candidates and of each no more than
//! what tells people apart; recorded before it answers.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use http::StatusCode;
use model::json::{Json, Limits, Object, parse};
use model::time::{Instant, PartialDateTime};
use store::{Commit, NewVersion, Resources, Search, Store, Stored, Term};

use super::likeness::{Demographics, THRESHOLD, exchanged, score};
use crate::api::outcome::Failure;
use crate::api::{Call, Who, answer};
use crate::audit::{Kind, Outcome};
use crate::layers::Response;
use crate::{index, merges};

#[cfg(test)]
mod tests;

/// Candidates shown.
const MOST: usize = 5;
/// Patients of one day of birth or one family name that are looked at.
const LOOKED_AT: usize = 2_000;

/// What to look for.
#[derive(Debug, Clone, PartialEq)]
enum Known {
    Identifier { system: Option<String>, value: String },
    Demographics(Demographics),
}

/// `POST /emergency/find`
pub(crate) async fn find(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    let now = call.app.clock.now();
    let body = call.body().await?;
    if let Err(failure) = super::declare::authorised(&call.app, who) {
        super::declare::refused(call, who, Kind::Find, None, &failure).await?;
        return Err(failure);
    }
    let known = read(&body)?;
    if let Err(wait) = call.app.emergency.may_find(&call.app.store, &who.person(), now)? {
        let failure = Failure::new(StatusCode::TOO_MANY_REQUESTS, "throttled", "too many searches within an hour")
            .retry_after(wait.as_secs().max(1));
        super::declare::refused(call, who, Kind::Find, None, &failure).await?;
        return Err(failure);
    }
    let candidates = candidates(&call.app.store, &known)?;
    let mut event = who
        .event(Kind::Find, now)
        .query(&String::from_utf8_lossy(&body))
        .detail("candidates", candidates.len().to_string())
        .outcome(Outcome::Success, "");
    for (_, patient) in &candidates {
        if let Some(id) = model::resource::id(patient) {
            event = event.patient(id);
        }
    }
    let mut resources = event.versions();
    count(&mut resources, &who.person(), now);
    let commit = Commit { resources, ..Commit::default() };
    call.app.emergency.write(&call.app.store, commit).await?;
    call.app.metrics.emergency("find");
    let shown = Json::array(candidates.iter().map(|(score, patient)| show(*score, patient)));
    Ok(answer::json(StatusCode::OK, &Json::object([("candidates", shown)])))
}

/// Marks the events of a search for the limit: once, however many candidates it found.
pub(super) fn count(events: &mut [NewVersion], person: &str, now: Instant) {
    if let Some(first) = events.first_mut() {
        first.index.push(index::searched(person, now));
    }
}

fn read(body: &[u8]) -> Result<Known, Failure> {
    let json =
        parse(body, &Limits::default()).map_err(|error| Failure::bad(format!("the body is no JSON: {error}")))?;
    let text = |name: &str| json.get(name).and_then(Json::as_str).map(str::trim).unwrap_or_default().to_owned();
    if json.get("wearable").is_some() {
        return Err(Failure::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "not-supported",
            "wearable tokens are not read yet",
        )
        .at("wearable"));
    }
    if let Some(identifier) = json.get("identifier") {
        let part = |name: &str| identifier.get(name).and_then(Json::as_str).map(str::trim).filter(|it| !it.is_empty());
        let value = part("value").ok_or_else(|| {
            Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "required", "expected identifier.value")
                .at("identifier.value")
        })?;
        return Ok(Known::Identifier { system: part("system").map(str::to_owned), value: value.to_owned() });
    }
    let known = Demographics {
        family: text("family"),
        given: text("given"),
        birth_date: text("birthDate"),
        gender: Some(text("gender")).filter(|gender| !gender.is_empty()),
    };
    // A name alone would page through the whole directory of patients.
    if known.family.is_empty() || known.given.is_empty() || known.birth_date.is_empty() {
        let text = "expected an identifier, or family, given and birthDate together";
        return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "required", text));
    }
    if PartialDateTime::parse(&known.birth_date).is_err() {
        return Err(
            Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "value", "expected a date YYYY-MM-DD").at("birthDate")
        );
    }
    Ok(Known::Demographics(known))
}

/// The best fitting patients, best first; equal scores in the order of their ids.
fn candidates(store: &Store, known: &Known) -> Result<Vec<(f64, Json)>, Failure> {
    let mut found: Vec<(f64, Json)> = Vec::new();
    match known {
        Known::Identifier { system, value } => {
            let term = index::condition(&search::identified(system.as_deref(), value));
            found.extend(patients(store, term)?.into_iter().map(|patient| (1.0, patient)));
        }
        Known::Demographics(demographics) => {
            let mut looked_at = patients(store, index::born(&demographics.birth_date))?;
            if let Some(exchanged) = exchanged(&demographics.birth_date) {
                looked_at.extend(patients(store, index::born(&exchanged))?);
            }
            looked_at.extend(patients(store, index::family(&demographics.family))?);
            for patient in looked_at {
                let score = score(demographics, &patient);
                if score >= THRESHOLD {
                    found.push((score, patient));
                }
            }
        }
    }
    let mut found = surviving(store, found)?;
    found.sort_by(|left, right| {
        right.0.partial_cmp(&left.0).unwrap_or(Ordering::Equal).then_with(|| id(&left.1).cmp(id(&right.1)))
    });
    let mut seen: Vec<String> = Vec::new();
    found.retain(|(_, patient)| {
        let new = !seen.iter().any(|known| known == id(patient));
        seen.push(id(patient).to_owned());
        new
    });
    found.truncate(MOST);
    Ok(found)
}

fn id(patient: &Json) -> &str {
    model::resource::id(patient).unwrap_or_default()
}

/// A record that was merged into another stands for the other: declared for the old number, the summary would be empty.
fn surviving(store: &Store, found: Vec<(f64, Json)>) -> Result<Vec<(f64, Json)>, Failure> {
    let mut out = Vec::with_capacity(found.len());
    for (score, patient) in found {
        let survivor = merges::survivor(store, id(&patient))?;
        let stored = match survivor == id(&patient) {
            true => None,
            false => store.read("Patient", &survivor)?.filter(|stored| !stored.deleted),
        };
        match stored.and_then(|stored| json(&stored)) {
            Some(survivor) => out.push((score, survivor)),
            None => out.push((score, patient)),
        }
    }
    Ok(out)
}

fn patients(store: &Store, term: Term) -> Result<Vec<Json>, Failure> {
    let search = Search { types: vec!["Patient".to_owned()], terms: vec![term], ..Search::default() };
    let mut found = Vec::new();
    let mut looked_at = 0;
    store.visit(&search, &mut |stored| {
        looked_at += 1;
        found.extend(json(&stored));
        if looked_at < LOOKED_AT { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(found)
}

fn json(stored: &Stored) -> Option<Json> {
    parse(&stored.body, &Limits::default()).ok()
}

/// Nothing of a candidate but what tells people apart.
fn show(score: f64, patient: &Json) -> Json {
    let name = patient.items("name").first();
    let family = name.and_then(|name| name.get("family")).and_then(Json::as_str);
    let given: Vec<&str> =
        name.map(|name| name.items("given").iter().filter_map(Json::as_str).collect()).unwrap_or_default();
    let mut shown = Object::new();
    shown.insert("patient", format!("Patient/{}", id(patient)));
    shown.insert("family", family.map_or(Json::Null, Json::from));
    shown.insert("given", if given.is_empty() { Json::Null } else { Json::from(given.join(" ").as_str()) });
    shown.insert("birthYear", birth_year(patient).map_or(Json::Null, Json::from));
    shown.insert("gender", patient.get("gender").and_then(Json::as_str).map_or(Json::Null, Json::from));
    let hundredths = (score * 100.0).round();
    let score = model::json::Number::parse(&format!("{:.2}", hundredths / 100.0));
    shown.insert("score", score.map_or(Json::Null, Json::Number));
    shown.into()
}

/// The year of a Patient's birth.
pub(super) fn birth_year(patient: &Json) -> Option<u64> {
    patient.get("birthDate")?.as_str()?.get(..4)?.parse().ok()
}
