//! `$everything` of a Patient and of an Encounter (FHIR R4 patient-operation-everything.html,
//! encounter-operation-everything.html): the record, and what it refers to, each resource decided by itself, in pages.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use auth::Action;
use consent::Interaction;
use http::StatusCode;
use model::bundle::{Hit, SearchMode, searchset};
use model::id::{Reference, ResourceId, ResourceType};
use model::json::Json;
use model::outcome::{Issue, operation_outcome};
use model::resource::references;
use model::time::{Instant, PartialDateTime};
use store::{Cursor, Order, Search};

use super::operation::shown;
use super::search::cursor::Part;
use super::search::links::{self, Links};
use crate::api::outcome::Failure;
use crate::api::query::{joined, pairs};
use crate::api::release::{Asking, Held, Released};
use crate::api::router::Endpoint;
use crate::api::{Call, Who, answer};
use crate::audit::random_id;
use crate::emergency::summary::name_exchange;
use crate::layers::Response;
use crate::operations::input::Input;
use crate::operations::table;

/// Resources of the record on one page, unless fewer are asked for.
const PAGE: usize = 1_000;
/// Resources looked at for one page.
const LOOKED_AT: usize = 20_000;
/// Resources that come along with a page because something on it refers to them.
const INCLUDED: usize = 1_000;

/// `/fhir/Patient/{id}/$everything`
pub(in crate::api) async fn of_patient(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    everything(call, who, Endpoint::Everything, "Patient").await
}

/// `/fhir/Encounter/{id}/$everything`
pub(in crate::api) async fn of_encounter(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    everything(call, who, Endpoint::EncounterEverything, "Encounter").await
}

/// What of a record is asked for.
#[derive(Default)]
struct Wanted {
    types: Vec<ResourceType>,
    since: Option<Instant>,
    start: Option<Instant>,
    end: Option<Instant>,
    count: usize,
    /// Where the page begins: behind this place of the store.
    after: Option<u64>,
}

impl Wanted {
    fn names(&self, kind: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|one| one.as_str() == kind)
    }
}

async fn everything(call: &mut Call, who: &Who, endpoint: Endpoint, kind: &'static str) -> Result<Response, Failure> {
    let page = taken_page(call)?;
    let operation = table::of(endpoint).ok_or_else(|| Failure::unknown("this address"))?;
    let input = Input::read(call, operation, None).await?;
    let kind = ResourceType::parse(kind).map_err(|_| Failure::unknown("this address"))?;
    let id = ResourceId::parse(call.params.text("id")).map_err(|_| Failure::unknown("this id"))?;
    who.must(Action::Read(kind.as_str()))?;
    let mut wanted = wanted(&input)?;
    let asked = query_of(&input, call);
    let address = format!("{}/{kind}/{id}/$everything", call.base());
    let links = Links::new(call, who, &address, &asked);
    if let Part::After(place) = links.part(page.as_deref())? {
        wanted.after = Some(place.position);
    }

    let target = Reference::new(kind, id);
    let gather = |asking: &Asking<'_>, held: &Held| {
        // The rest of the record is not looked at for who may not see whose it is.
        let Some(own) = asking.release(held)? else { return Ok(None) };
        let shown = gathered(asking, own, held, &target, &wanted)?;
        let leaving = [&shown.matches[..], &shown.included[..]].concat();
        Ok(Some((shown, leaving)))
    };
    let (shown, exchange) = shown(call, who, (Interaction::Everything, "$everything"), &target, gather).await?;
    let mut response = answer::fhir(StatusCode::OK, bundle(call, &shown, &wanted, &links)?.to_bytes());
    if let Some(exchange) = exchange {
        name_exchange(&mut response, exchange);
    }
    Ok(response)
}

/// Takes the link of a page out of the query, before that is read by the operation's definition.
fn taken_page(call: &mut Call) -> Result<Option<String>, Failure> {
    if !call.query.contains(links::PAGE) {
        return Ok(None);
    }
    let (pages, others): (Vec<_>, Vec<_>) = pairs(&call.query)?.into_iter().partition(|(name, _)| name == links::PAGE);
    call.query = joined(&others);
    Ok(pages.into_iter().next().map(|(_, value)| value))
}

fn wanted(input: &Input) -> Result<Wanted, Failure> {
    let (mut types, mut issues) = (Vec::new(), Vec::new());
    for name in input.texts("_type").into_iter().flat_map(|text| text.split(',')).map(str::trim) {
        match ResourceType::parse(name) {
            Ok(known) => types.push(known),
            Err(_) => issues.push(Issue::error("value", "_type: expected names of resource types of R4").at("_type")),
        }
    }
    let count = input.number("_count").unwrap_or(PAGE);
    if count == 0 {
        issues.push(Issue::error("value", "_count: expected at least 1").at("_count"));
    }
    let date = |name: &str| input.text(name).and_then(|text| PartialDateTime::parse(text).ok());
    let wanted = Wanted {
        types,
        since: input.text("_since").and_then(|text| Instant::parse(text).ok()),
        start: date("start").map(|date| date.earliest()),
        end: date("end").map(|date| date.latest()),
        count: count.min(PAGE),
        after: None,
    };
    if issues.is_empty() { Ok(wanted) } else { Err(Failure::of(StatusCode::BAD_REQUEST, issues)) }
}

/// What is asked, for the links: also where it came in a body.
fn query_of(input: &Input, call: &Call) -> Vec<(String, String)> {
    let mut asked = Vec::new();
    for name in ["start", "end", "_since", "_type", "_count"] {
        asked.extend(input.texts(name).into_iter().map(|value| (name.to_owned(), value.to_owned())));
    }
    if let Some(count) = input.number("_count").filter(|_| input.text("_count").is_none()) {
        asked.push(("_count".to_owned(), count.to_string()));
    }
    let general = pairs(&call.query).unwrap_or_default().into_iter();
    asked.extend(general.filter(|(name, _)| crate::api::format::GENERAL.contains(&name.as_str())));
    asked
}

/// What a page shows.
#[derive(Default)]
struct Shown {
    matches: Vec<Released>,
    included: Vec<Released>,
    /// The place of the last one looked at, if there is more.
    next: Option<u64>,
    cut: bool,
}

fn gathered(
    asking: &Asking<'_>,
    own: Released,
    held: &Held,
    target: &Reference,
    wanted: &Wanted,
) -> Result<Shown, Failure> {
    let mut shown = Shown::default();
    // Everything under any number of the person: of a Patient its own, of an Encounter those of who was treated.
    let mut patients = Vec::new();
    match target.resource_type.as_str() {
        "Patient" => patients.extend(asking.person(target.id.as_str())?),
        _ => {
            for patient in held.patients() {
                patients.extend(asking.person(patient)?);
            }
        }
    }
    patients.sort();
    patients.dedup();
    if wanted.after.is_none()
        && wanted.names(target.resource_type.as_str())
        && wanted.since.is_none_or(|since| own.last_updated() >= since)
    {
        shown.matches.push(own);
    }
    // Without patients the store would be asked for everything it holds.
    if !patients.is_empty() {
        page(asking, &mut shown, &patients, target, wanted)?;
    }
    include(asking, &mut shown, &patients, target, wanted)?;
    Ok(shown)
}

/// The newest first: what is written meanwhile stands before the pages that are still to come.
fn page(
    asking: &Asking<'_>,
    shown: &mut Shown,
    patients: &[String],
    target: &Reference,
    wanted: &Wanted,
) -> Result<(), Failure> {
    let record = Search {
        types: wanted.types.iter().map(|name| name.as_str().to_owned()).collect(),
        patients: patients.to_vec(),
        updated_since: wanted.since,
        after: wanted.after.map(Cursor),
        order: Order::NewestFirst,
        ..Search::default()
    };
    let (name, is_patient) = (target.to_string(), target.resource_type.as_str() == "Patient");
    let (mut looked_at, mut last) = (0, None);
    let mut look = |held: &Held| -> Result<ControlFlow<()>, Failure> {
        // The audit log and what the gateway itself keeps about a patient is found by its own searches.
        if matches!(held.resource_type(), "AuditEvent" | "Provenance") || held.reference() == name {
            return Ok(ControlFlow::Continue(()));
        }
        if looked_at >= LOOKED_AT {
            shown.next = last;
            return Ok(ControlFlow::Break(()));
        }
        looked_at += 1;
        let place = held.cursor().0;
        let before = last.replace(place);
        let Some(released) = asking.release(held)? else { return Ok(ControlFlow::Continue(())) };
        let json = released.json()?;
        if (!is_patient && !refers_to(&json, target)) || !within(&json, wanted) {
            return Ok(ControlFlow::Continue(()));
        }
        if shown.matches.len() >= wanted.count {
            // One more that may leave: a next page is there for what may be seen, not for what is withheld.
            // Nothing of the record was looked at before it where the first page holds one resource alone.
            shown.next = Some(before.unwrap_or(place.saturating_add(1)));
            return Ok(ControlFlow::Break(()));
        }
        shown.matches.push(released);
        Ok(ControlFlow::Continue(()))
    };
    let mut failed = None;
    asking.visit(&record, &mut |held| {
        look(&held).unwrap_or_else(|failure| {
            failed = Some(failure);
            ControlFlow::Break(())
        })
    })?;
    failed.map_or(Ok(()), Err)
}

fn refers_to(resource: &Json, target: &Reference) -> bool {
    references(resource).any(|one| Reference::parse(one.target).is_ok_and(|one| one == *target))
}

/// What the page refers to and is no part of the record: who treated, where, with what.
fn include(
    asking: &Asking<'_>,
    shown: &mut Shown,
    patients: &[String],
    target: &Reference,
    wanted: &Wanted,
) -> Result<(), Failure> {
    let mut seen: BTreeSet<String> = shown.matches.iter().map(|one| one.reference().to_owned()).collect();
    let mut next: Vec<Reference> = Vec::new();
    for one in &shown.matches {
        next.extend(references(&one.json()?).filter_map(|it| Reference::parse(it.target).ok()));
    }
    let of_patient = target.resource_type.as_str() == "Patient";
    while let Some(reference) = next.pop() {
        let kind = reference.resource_type.as_str();
        let is_apart = matches!(kind, "AuditEvent" | "Provenance") || !wanted.names(kind);
        if is_apart || !seen.insert(reference.to_string()) {
            continue;
        }
        let Some(held) = asking.live(&reference)? else { continue };
        // What is in the record stands on a page of its own; for an encounter, the patient and conditions come along.
        if of_patient && held.patients().iter().any(|patient| patients.contains(patient)) {
            continue;
        }
        if shown.included.len() >= INCLUDED {
            shown.cut = true;
            break;
        }
        if let Some(released) = asking.release(&held)? {
            // Further only along what stands for itself: from a role to its practitioner, not from a patient on.
            if released.patients().is_empty() {
                next.extend(references(&released.json()?).filter_map(|it| Reference::parse(it.target).ok()));
            }
            shown.included.push(released);
        }
    }
    Ok(())
}

/// Members that say when the care took place, the most telling first.
const CARE_DATES: [&str; 22] = [
    "effectiveDateTime",
    "effectivePeriod",
    "effectiveInstant",
    "performedDateTime",
    "performedPeriod",
    "occurrenceDateTime",
    "occurrencePeriod",
    "onsetDateTime",
    "onsetPeriod",
    "servicedDate",
    "servicedPeriod",
    "billablePeriod",
    "period",
    "started",
    "authoredOn",
    "recordedDate",
    "dateAsserted",
    "date",
    "start",
    "created",
    "sent",
    "issued",
];

/// Whether the care was within the dates asked for. What bears no date is (patient-operation-everything.html, "start").
fn within(resource: &Json, wanted: &Wanted) -> bool {
    if wanted.start.is_none() && wanted.end.is_none() {
        return true;
    }
    let Some(date) = CARE_DATES.iter().find_map(|name| resource.get(name)) else { return true };
    let bound = |json: Option<&Json>| json.and_then(Json::as_str).and_then(|text| PartialDateTime::parse(text).ok());
    let (from, to) = match date.as_object() {
        Some(_) => (bound(date.get("start")), bound(date.get("end"))),
        None => (bound(Some(date)), bound(Some(date))),
    };
    let starts_in_time = wanted.end.is_none_or(|end| from.is_none_or(|from| from.earliest() <= end));
    starts_in_time && wanted.start.is_none_or(|start| to.is_none_or(|to| to.latest() >= start))
}

fn bundle(call: &Call, shown: &Shown, wanted: &Wanted, links: &Links<'_>) -> Result<Json, Failure> {
    let base = call.base();
    let mut hits = Vec::with_capacity(shown.matches.len() + shown.included.len());
    let all = shown.matches.iter().map(|one| (one, SearchMode::Match));
    for (one, mode) in all.chain(shown.included.iter().map(|one| (one, SearchMode::Include))) {
        hits.push(Hit { full_url: format!("{base}/{}", one.reference()), resource: one.json()?, mode });
    }
    if shown.cut {
        let text = "not everything that this page refers to is on it";
        hits.push(Hit {
            full_url: format!("urn:uuid:{}", random_id()),
            resource: operation_outcome(&[Issue::warning("too-costly", text)]),
            mode: SearchMode::Outcome,
        });
    }
    // Without further work a total is known only where one page holds everything.
    let whole = wanted.after.is_none() && shown.next.is_none();
    let total = whole.then_some(shown.matches.len() as u64);
    let mut leading = vec![("self", links.to(&wanted.after.map_or(Part::First, Part::behind))?)];
    if let Some(next) = shown.next {
        leading.push(("next", links.to(&Part::behind(next))?));
    }
    Ok(searchset(total, leading, hits))
}
