//! `$match` (FHIR R4 patient-operation-match.html): which Patients a description may be, each with a score and a grade.
//!
//! Who is found follows the rules of release: a Patient that the caller may not read is no candidate, and what was taken
//! out of one is not compared. Records that were merged are one person, shown once by the record in use.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use auth::Action;
use consent::Interaction;
use http::StatusCode;
use model::json::{Json, Number, Object};
use model::outcome::{Issue, operation_outcome};
use store::{Search, Term};

use super::input::Input;
use super::table;
use crate::api::outcome::Failure;
use crate::api::release::{Asking, Released};
use crate::api::router::Endpoint;
use crate::api::{Call, Who, answer};
use crate::audit::{Kind, random_id};
use crate::emergency::likeness::{Demographics, THRESHOLD, exchanged, score};
use crate::layers::Response;
use crate::{index, merges};

#[cfg(test)]
mod tests;

/// Candidates shown, unless fewer are asked for.
const SHOWN: usize = 10;
const SHOWN_MOST: usize = 100;
/// Patients looked at for one key: a day of birth, a family name, an identifier.
const LOOKED_AT: usize = 2_000;
/// Identifiers and names of a description that are looked for.
const KEYS_MOST: usize = 16;

/// How sure a match is. The codes are those of FHIR R4 valueset-match-grade.html.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    Possible,
    Probable,
    Certain,
}

impl Grade {
    fn as_str(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::Probable => "probable",
            Self::Certain => "certain",
        }
    }
}

/// A description taken apart.
#[derive(Debug, Default, PartialEq)]
struct Description {
    identifiers: Vec<(Option<String>, String)>,
    people: Vec<Demographics>,
}

impl Description {
    fn of(patient: &Json) -> Self {
        let text = |json: &Json, name: &str| {
            json.text_at(&[name]).map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned)
        };
        let identifiers =
            patient.items("identifier").iter().filter_map(|one| Some((text(one, "system"), text(one, "value")?)));
        let (birth_date, gender) = (text(patient, "birthDate").unwrap_or_default(), text(patient, "gender"));
        let people = patient.items("name").iter().filter_map(|name| {
            let given: Vec<&str> = name.items("given").iter().filter_map(Json::as_str).collect();
            Some(Demographics {
                family: text(name, "family")?,
                given: given.join(" "),
                birth_date: birth_date.clone(),
                gender: gender.clone(),
            })
        });
        Self { identifiers: identifiers.take(KEYS_MOST).collect(), people: people.take(KEYS_MOST).collect() }
    }

    /// How well a Patient fits; `None` for one that is no candidate.
    fn grade(&self, patient: &Json) -> Option<(f64, Grade)> {
        let named = |system: &Option<String>, value: &String| {
            patient.items("identifier").iter().any(|one| {
                one.text_at(&["value"]) == Some(value)
                    && system.as_deref().is_none_or(|system| one.text_at(&["system"]) == Some(system))
            })
        };
        // An identifier without its system is a number that several houses may give.
        let whole = self.identifiers.iter().any(|(system, value)| system.is_some() && named(system, value));
        let number = whole || self.identifiers.iter().any(|(system, value)| named(system, value));
        let alike = self
            .people
            .iter()
            .map(|known| score(known, patient))
            .fold(None, |best: Option<f64>, one| Some(best.map_or(one, |best| best.max(one))));
        let (score, grade) = match (whole, number, alike) {
            // The number of somebody else on the card of this one happens: then nothing is certain.
            (true, _, Some(alike)) if alike < THRESHOLD => (0.7, Grade::Possible),
            (true, ..) => (1.0, Grade::Certain),
            (false, true, Some(alike)) if alike < THRESHOLD => return None,
            (false, true, Some(alike)) => (alike.max(0.9), Grade::Probable),
            (false, true, None) => (0.8, Grade::Probable),
            (false, false, Some(alike)) if alike >= 0.9 => (alike, Grade::Probable),
            (false, false, Some(alike)) if alike >= THRESHOLD => (alike, Grade::Possible),
            (false, false, _) => return None,
        };
        Some((score, grade))
    }

    /// What candidates are looked up by.
    fn keys(&self) -> Vec<Term> {
        let mut keys: Vec<Term> = self
            .identifiers
            .iter()
            .map(|(system, value)| index::condition(&search::identified(system.as_deref(), value)))
            .collect();
        for known in &self.people {
            keys.push(index::family(&known.family));
            if known.birth_date.len() == 10 {
                keys.push(index::born(&known.birth_date));
                keys.extend(exchanged(&known.birth_date).map(|date| index::born(&date)));
            }
        }
        keys
    }
}

/// `POST /fhir/Patient/$match`
pub(crate) async fn matching(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    who.must(Action::Read("Patient"))?;
    let operation = table::of(Endpoint::Match).ok_or_else(|| Failure::unknown("this address"))?;
    let input = Input::read(call, operation, Some("resource")).await?;
    let Some(resource) = input.resource("resource") else {
        return Err(Failure::new(StatusCode::BAD_REQUEST, "required", "resource: expected a Patient").at("resource"));
    };
    if model::resource::resource_type(resource) != Some("Patient") {
        return Err(Failure::bad("resource: expected a Patient").at("resource"));
    }
    let description = Description::of(resource);
    if description == Description::default() {
        let text = "resource: expected an identifier with a value, or a name with a family name";
        return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "required", text).at("resource"));
    }
    let most = input.number("count").unwrap_or(SHOWN).min(SHOWN_MOST);
    let certain = input.boolean("onlyCertainMatches").unwrap_or(false);

    let asking = Asking::new(&call.app, who, Interaction::Search)?;
    let Found { mut people, cut } = candidates(call, &asking, &description)?;
    if certain {
        people.retain(|one| one.grade == Grade::Certain);
        // Two that are certain contradict each other: neither is.
        if people.len() > 1 {
            people.clear();
        }
    }
    people.truncate(most);
    let released: Vec<Released> = people.iter().map(|one| one.shown.clone()).collect();
    let mut event = who.event(Kind::Operation, call.app.clock.now()).detail("operation", "$match");
    for one in &released {
        event = one.patients().iter().fold(event, |event, id| event.patient(id.as_str()));
    }
    asking.record(event, &released).await?;
    if people.is_empty() {
        // Nobody there, or nobody to be seen: one answer, at one time.
        asking.settle().await;
    }
    Ok(answer::fhir(StatusCode::OK, bundle(&call.base(), &people, cut)?.to_bytes()))
}

/// One person who fits.
struct Person {
    score: f64,
    grade: Grade,
    shown: Released,
}

struct Found {
    people: Vec<Person>,
    /// More shared a key than are looked at.
    cut: bool,
}

/// Everybody who fits and may be seen, the best first; equal scores in the order of their ids.
fn candidates(call: &Call, asking: &Asking<'_>, description: &Description) -> Result<Found, Failure> {
    let (mut seen, mut cut) = (BTreeMap::new(), false);
    for key in description.keys() {
        let search = Search { types: vec!["Patient".to_owned()], terms: vec![key], ..Search::default() };
        let (mut looked_at, mut failed) = (0, None);
        asking.visit(&search, &mut |held| {
            looked_at += 1;
            if looked_at > LOOKED_AT {
                cut = true;
                return ControlFlow::Break(());
            }
            if !seen.contains_key(held.id()) {
                match asking.release(&held) {
                    Ok(released) => {
                        seen.insert(held.id().to_owned(), released);
                    }
                    Err(failure) => {
                        failed = Some(failure);
                        return ControlFlow::Break(());
                    }
                }
            }
            ControlFlow::Continue(())
        })?;
        if let Some(failure) = failed {
            return Err(failure);
        }
    }
    if seen.is_empty() {
        asking.release_nothing("Patient", "nobody")?;
    }
    let mut people: BTreeMap<String, Person> = BTreeMap::new();
    for (id, released) in seen {
        let Some(released) = released else { continue };
        let Some((score, grade)) = description.grade(&released.json()?) else { continue };
        let survivor = merges::survivor(&call.app.store, &id)?;
        let shown = match survivor == id {
            true => Some(released),
            // The record in use, if that may be seen: else the person is not found by the other one either.
            false => match asking.current("Patient", &survivor)?.filter(|held| !held.is_deleted()) {
                Some(held) => asking.release(&held)?,
                None => Some(released),
            },
        };
        let Some(shown) = shown else { continue };
        match people.get_mut(&survivor) {
            Some(known) if known.score >= score => {}
            Some(known) => (known.score, known.grade) = (score, grade),
            None => {
                people.insert(survivor, Person { score, grade, shown });
            }
        }
    }
    let mut people: Vec<Person> = people.into_values().collect();
    people.sort_by(|left, right| {
        right
            .score
            .partial_cmp(&left.score)
            .unwrap_or(Ordering::Equal)
            .then_with(|| left.shown.reference().cmp(right.shown.reference()))
    });
    Ok(Found { people, cut })
}

/// FHIR R4 extension-match-grade.html.
const MATCH_GRADE: &str = "http://hl7.org/fhir/StructureDefinition/match-grade";

fn bundle(base: &str, people: &[Person], cut: bool) -> Result<Json, Failure> {
    let mut entries = Vec::new();
    for one in people {
        let grade = Json::object([("url", Json::from(MATCH_GRADE)), ("valueCode", Json::from(one.grade.as_str()))]);
        let score = Number::parse(&format!("{:.2}", one.score));
        let search = Json::object([
            ("extension", Json::array([grade])),
            ("mode", Json::from("match")),
            ("score", score.map_or(Json::Null, Json::Number)),
        ]);
        entries.push(Json::object([
            ("fullUrl", Json::from(format!("{base}/{}", one.shown.reference()).as_str())),
            ("resource", one.shown.json()?),
            ("search", search),
        ]));
    }
    if cut {
        let issue = Issue::warning(
            "too-costly",
            format!("more than {LOOKED_AT} records share a name or a date with the description"),
        );
        entries.push(Json::object([
            ("fullUrl", Json::from(format!("urn:uuid:{}", random_id()).as_str())),
            ("resource", operation_outcome(&[issue])),
            ("search", Json::object([("mode", Json::from("outcome"))])),
        ]));
    }
    let mut bundle = Object::new();
    bundle.insert("resourceType", "Bundle");
    bundle.insert("id", random_id());
    bundle.insert("type", "searchset");
    bundle.insert("total", people.len() as u64);
    if !entries.is_empty() {
        bundle.insert("entry", Json::Array(entries));
    }
    Ok(bundle.into())
}
