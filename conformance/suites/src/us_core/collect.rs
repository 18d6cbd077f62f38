//! Collecting data: patients, and the resources of each profile, by the searches that the table requires.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::json::Json;

use super::requirement::{Profile, Search};
use super::{element, parameter, said};
use crate::client::{Exchange, Request, url};
use crate::context::Context;
use crate::result::{Step, Weight};
use crate::run::Recorder;
use crate::wire;

/// As many patients are tested with, if the user names none.
const PATIENTS: usize = 10;
/// As many resources of a profile are looked at.
const RESOURCES: usize = 500;
/// As many pages of a result are followed.
const PAGES: usize = 20;
/// As many resources are read for a profile that is found by references only.
const REFERRED: usize = 20;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// The resources of each profile, in the order of the tables.
    pub(super) of_profile: Vec<Vec<Json>>,
    /// What the collecting searches of each profile gave that does not answer them.
    pub(super) strangers: Vec<Vec<Stranger>>,
}

/// A resource that does not answer the search that found it.
#[derive(Debug)]
pub(super) struct Stranger {
    pub(super) said: String,
    pub(super) exchange: Arc<Exchange>,
}

/// The result of a search, all its pages.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) exchange: Arc<Exchange>,
    pub(super) matches: Vec<Json>,
    pub(super) included: Vec<Json>,
    /// What is wrong with the form of the result.
    pub(super) problem: Option<String>,
}

/// Searches by GET, or by POST with a form, and follows the pages.
pub(super) async fn search(context: &Context, kind: &str, query: &[(String, String)], post: bool) -> Found {
    let text: Vec<String> =
        query.iter().map(|(name, value)| format!("{}={}", url::component(name), url::component(value))).collect();
    let text = text.join("&");
    let request = if post {
        Request::new("POST", context.url(&format!("{kind}/_search")))
            .header("Accept", context.format.media_type())
            .body("application/x-www-form-urlencoded", text)
    } else {
        Request::new("GET", context.url(&format!("{kind}?{text}"))).header("Accept", context.format.media_type())
    };
    let first = context.client.send(request).await;
    let mut found = Found { exchange: Arc::clone(&first), matches: Vec::new(), included: Vec::new(), problem: None };
    let mut seen = BTreeSet::new();
    let mut exchange = first;
    for page in 0..PAGES {
        let Some(bundle) = searchset(&exchange) else {
            let which = if page == 0 { String::new() } else { format!("page {}: ", page + 1) };
            found.problem = Some(format!("{which}{}", said(&exchange)));
            return found;
        };
        take(&bundle, kind, &mut found);
        let next = bundle
            .items("link")
            .iter()
            .find(|link| link.text_at(&["relation"]) == Some("next"))
            .and_then(|link| link.text_at(&["url"]).map(str::to_owned));
        let Some(next) = next.filter(|_| found.matches.len() < RESOURCES) else { return found };
        let next = url::join(context.base(), &next);
        if !seen.insert(next.clone()) {
            found.problem = Some("the links `next` lead in a circle".to_owned());
            return found;
        }
        let request = Request::new("GET", url::encode_least(&next)).header("Accept", context.format.media_type());
        exchange = context.client.send(request).await;
    }
    found
}

fn searchset(exchange: &Exchange) -> Option<Json> {
    let answer = exchange.answer.as_ref().ok().filter(|answer| answer.status == 200)?;
    wire::body(answer).filter(|body| {
        body.text_at(&["resourceType"]) == Some("Bundle") && body.text_at(&["type"]) == Some("searchset")
    })
}

/// Sorts the entries of a page into what was found and what was included.
fn take(bundle: &Json, kind: &str, found: &mut Found) {
    for entry in bundle.items("entry") {
        let Some(resource) = entry.get("resource") else { continue };
        let of = resource.text_at(&["resourceType"]).unwrap_or_default();
        match entry.text_at(&["search", "mode"]) {
            Some("include") => found.included.push(resource.clone()),
            Some("outcome") => {}
            None if of == "OperationOutcome" => {}
            // http.html, "search": without a mode an entry counts as a match.
            _ if of == kind => found.matches.push(resource.clone()),
            Some("match") | None | Some(_) => {
                found.problem.get_or_insert_with(|| format!("a match of type {of} instead of {kind}"));
            }
        }
    }
}

/// The patients to test with: named by the user, or the first that the server gives.
pub(super) async fn patients(context: &Context, recorder: &Recorder) -> Vec<String> {
    if let Some(named) = context.variables.get("patients") {
        recorder.step(Step::passed("named on the command line"));
        return named.split(',').map(|id| id.trim().trim_start_matches("Patient/").to_owned()).collect();
    }
    let found = search(context, "Patient", &[("_count".to_owned(), PATIENTS.to_string())], false).await;
    let ids: Vec<String> = found.matches.iter().filter_map(id).take(PATIENTS).collect();
    recorder.step(if ids.is_empty() {
        let got = found.problem.unwrap_or_else(|| "no Patient".to_owned());
        Step::failed("GET Patient", "at least one Patient, or --variable patients=ID,ID", got).with(&found.exchange)
    } else {
        Step::passed("GET Patient").with(&found.exchange)
    });
    ids
}

pub(super) fn id(resource: &Json) -> Option<String> {
    resource.text_at(&["id"]).map(str::to_owned)
}

/// The resources of every profile; those that only others refer to last.
pub(super) async fn all(context: &Context, profiles: &[Profile], patients: &[String]) -> Collected {
    let mut of_profile: Vec<Vec<Json>> = vec![Vec::new(); profiles.len()];
    let mut strangers: Vec<Vec<Stranger>> = Vec::new();
    strangers.resize_with(profiles.len(), Vec::new);
    let mut referred: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut order: Vec<usize> = (0..profiles.len()).collect();
    order.sort_by_key(|index| profiles.get(*index).is_some_and(|profile| profile.delayed));
    for index in order {
        let Some(profile) = profiles.get(index) else { continue };
        let mut resources = match profile.resource.as_str() {
            "Patient" => read(context, "Patient", patients).await,
            _ => {
                let (resources, found) = by_search(context, profile, patients).await;
                if let Some(slot) = strangers.get_mut(index) {
                    *slot = found;
                }
                resources
            }
        };
        if resources.is_empty()
            && (profile.delayed || profile.parameter("patient").is_none())
            && let Some(ids) = referred.get(&profile.resource)
        {
            let ids: Vec<String> = ids.iter().take(REFERRED).cloned().collect();
            resources = read(context, &profile.resource, &ids).await;
        }
        if resources.is_empty() {
            resources = by_any_search(context, profile, patients).await;
        }
        for resource in &resources {
            note_references(resource, &mut referred, 32);
        }
        if let Some(slot) = of_profile.get_mut(index) {
            *slot = of_this(profile, resources);
        }
    }
    Collected { of_profile, strangers }
}

/// The resources that declare the profile; if none does, all that the table's own search has chosen.
///
/// A search by patient alone chooses nothing between profiles of one type. What tells those apart is the category: a
/// diagnosis of an encounter is no entry of a problem list.
pub(super) fn of_this(profile: &Profile, mut resources: Vec<Json>) -> Vec<Json> {
    let declared: Vec<Json> = resources.iter().filter(|resource| declares(profile, resource)).cloned().collect();
    if !declared.is_empty() {
        return declared;
    }
    if let Some(category) = profile.parameter("category").filter(|category| !category.values.is_empty()) {
        resources.retain(|resource| {
            parameter::found(resource, category).is_empty()
                || category.values.iter().any(|value| parameter::answers(resource, category, value))
        });
    }
    resources
}

fn declares(profile: &Profile, resource: &Json) -> bool {
    resource.get("meta").is_some_and(|meta| {
        meta.items("profile").iter().any(|url| url.as_str().and_then(|url| url.split('|').next()) == Some(&profile.url))
    })
}

/// Collects without the required search: a server may lack it and have the data, and then the search is what fails.
///
/// What is found so is chosen here: what declares the profile, or declares none and has the values the table gives.
async fn by_any_search(context: &Context, profile: &Profile, patients: &[String]) -> Vec<Json> {
    let mut resources = Vec::new();
    for patient in patients.iter().filter(|_| profile.parameter("patient").is_some()) {
        let query = [("patient".to_owned(), patient.clone())];
        resources.extend(search(context, &profile.resource, &query, false).await.matches);
    }
    if resources.is_empty() {
        let count = [("_count".to_owned(), "100".to_owned())];
        resources = search(context, &profile.resource, &count, false).await.matches;
    }
    let fits = |resource: &Json| {
        let valued = profile.parameters.iter().filter(|parameter| !parameter.values.is_empty());
        valued.into_iter().all(|parameter| {
            let values = parameter.values.iter();
            parameter::found(resource, parameter).is_empty()
                || values.into_iter().any(|value| parameter::answers(resource, parameter, value))
        })
    };
    let free = |resource: &Json| resource.get("meta").is_none_or(|meta| meta.items("profile").is_empty());
    resources.retain(|resource| declares(profile, resource) || (free(resource) && fits(resource)));
    resources
}

async fn read(context: &Context, kind: &str, ids: &[String]) -> Vec<Json> {
    let mut resources = Vec::new();
    for id in ids {
        let exchange = context.get(&format!("{kind}/{id}")).await;
        let answer = exchange.answer.as_ref().ok().filter(|answer| answer.status == 200);
        resources.extend(answer.and_then(wire::body).filter(|body| body.text_at(&["resourceType"]) == Some(kind)));
    }
    resources
}

/// Collects by the simplest required search that needs a patient and otherwise only values that the table gives.
async fn by_search(context: &Context, profile: &Profile, patients: &[String]) -> (Vec<Json>, Vec<Stranger>) {
    let valued = |search: &&Search| {
        search.names.iter().any(|name| name == "patient")
            && search.names.iter().all(|name| {
                name == "patient" || profile.parameter(name).is_some_and(|parameter| !parameter.values.is_empty())
            })
    };
    let mut usable: Vec<&Search> = profile.searches.iter().filter(valued).collect();
    usable.sort_by_key(|search| (search.weight != Weight::Shall, search.names.len()));
    let Some(first) = usable.first() else { return (Vec::new(), Vec::new()) };
    let mut resources: BTreeMap<String, Json> = BTreeMap::new();
    let mut strangers = Vec::new();
    for patient in patients {
        for query in queries(profile, first, patient) {
            if resources.len() >= RESOURCES {
                break;
            }
            let found = search(context, &profile.resource, &query, false).await;
            if let Some(said) = stranger(profile, &query, &found.matches) {
                strangers.push(Stranger { said, exchange: Arc::clone(&found.exchange) });
            }
            for resource in found.matches {
                resources.insert(id(&resource).unwrap_or_default(), resource);
            }
        }
    }
    (resources.into_values().collect(), strangers)
}

/// A resource that was found and does not answer, with the parameter.
pub(super) fn stranger(profile: &Profile, query: &[(String, String)], matches: &[Json]) -> Option<String> {
    matches.iter().find_map(|resource| {
        let (name, value) = query.iter().find(|(name, value)| {
            profile.parameter(name).is_some_and(|parameter| !parameter::answers(resource, parameter, value))
        })?;
        Some(format!("{}/{} does not answer {name}={value}", profile.resource, id(resource).unwrap_or_default()))
    })
}

/// One query for each combination of the table's values; a few values at most.
fn queries(profile: &Profile, search: &Search, patient: &str) -> Vec<Vec<(String, String)>> {
    let mut all = vec![vec![("patient".to_owned(), patient.to_owned())]];
    for name in search.names.iter().filter(|name| *name != "patient") {
        let values = profile.parameter(name).map(|parameter| parameter.values.as_slice()).unwrap_or_default();
        all = all
            .iter()
            .flat_map(|query| {
                values.iter().take(20).map(|value| {
                    let mut query = query.clone();
                    query.push((name.clone(), value.clone()));
                    query
                })
            })
            .collect();
    }
    all
}

/// Keeps the ids of what a resource refers to, by type.
fn note_references(value: &Json, referred: &mut BTreeMap<String, BTreeSet<String>>, depth: usize) {
    if depth == 0 {
        return;
    }
    match value {
        Json::Object(object) => {
            if let Some((kind, id)) = object.get("reference").and_then(Json::as_str).and_then(local) {
                referred.entry(kind.to_owned()).or_default().insert(id.to_owned());
            }
            object.iter().for_each(|(_, value)| note_references(value, referred, depth - 1));
        }
        Json::Array(items) => items.iter().for_each(|value| note_references(value, referred, depth - 1)),
        _ => {}
    }
}

/// Type and id of a reference within the server.
pub(super) fn local(reference: &str) -> Option<(&str, &str)> {
    let (kind, rest) = reference.split_once('/')?;
    let id = rest.split('/').next()?;
    let typed = kind.starts_with(|letter: char| letter.is_ascii_uppercase())
        && kind.bytes().all(|byte| byte.is_ascii_alphabetic());
    (typed && !id.is_empty()).then_some((kind, id))
}

/// The references at a path of the resources, each once.
pub(super) fn references(resources: &[Json], path: &str) -> BTreeSet<String> {
    resources
        .iter()
        .flat_map(|resource| element::values(resource, path, &[]))
        .filter_map(|value| value.text_at(&["reference"]).map(str::to_owned))
        .collect()
}
