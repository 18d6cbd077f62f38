//! Whether the answers of a system are those that a case expects.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::json::Json;

use super::case::Case;
use crate::client::{Answer, Exchange};
use crate::result::Step;
use crate::wire;

/// The findings of one case, each with the request that it is about.
pub(crate) fn judge(case: &Case, answers: &[Arc<Exchange>]) -> Vec<Step> {
    let mut steps = Vec::new();
    let Some(expect) = case.expect() else {
        return vec![Step::skipped("the case expects something", "it has no expectation")];
    };
    let mut found = Found::default();
    for exchange in answers {
        let answer = match &exchange.answer {
            Ok(answer) => answer,
            Err(error) => {
                steps.push(Step::error("the system answers", error.to_string()).with(exchange));
                return steps;
            }
        };
        // A search or operation that a system does not offer is no leak; strict systems say so.
        if case.way() != "read" && matches!(answer.status, 400 | 405 | 406 | 501) {
            let why = format!("the system does not offer this {}: {}", case.way(), answer.status);
            steps.push(Step::skipped("the system offers the interaction", why).with(exchange));
            return steps;
        }
        steps.push(status(case, expect, answer).with(exchange));
        steps.extend(texts(expect, answer).map(|step| step.with(exchange)));
        if let Some(body) = wire::body(answer) {
            steps.extend(total(expect, &body).map(|step| step.with(exchange)));
            found.add(body);
        }
    }
    let last = answers.last();
    let with = |step: Step| last.map_or(step.clone(), |exchange| step.with(exchange));
    steps.extend(released(case, expect, &found).into_iter().map(with));
    steps.extend(absent(expect, &found).map(with));
    steps
}

/// Every resource that came back.
#[derive(Default)]
struct Found {
    resources: Vec<Json>,
    names: BTreeSet<String>,
}

impl Found {
    fn add(&mut self, body: Json) {
        let mut take = |resource: &Json| {
            let (kind, id) = (model::resource::resource_type(resource), model::resource::id(resource));
            if let Some((kind, id)) = kind.zip(id) {
                self.names.insert(format!("{kind}/{id}"));
                self.resources.push(resource.clone());
            }
        };
        if model::resource::resource_type(&body) == Some("Bundle") {
            body.items("entry").iter().filter_map(|entry| entry.get("resource")).for_each(&mut take);
        } else {
            take(&body);
        }
    }

    fn get(&self, name: &str) -> Option<&Json> {
        let (kind, id) = name.split_once('/')?;
        self.resources.iter().find(|resource| {
            model::resource::resource_type(resource) == Some(kind) && model::resource::id(resource) == Some(id)
        })
    }
}

fn names(expect: &Json, list: &str) -> BTreeSet<String> {
    expect.items(list).iter().filter_map(Json::as_str).map(str::to_owned).collect()
}

fn status(case: &Case, expect: &Json, answer: &Answer) -> Step {
    let name = "the status says no more than it may";
    let stated = expect.get("http_status").and_then(Json::as_number).and_then(|number| number.as_u64());
    let wanted: &[u16] = match (case.way(), stated) {
        (_, Some(404)) => &[404],
        (_, Some(200)) => &[200],
        ("read" | "vread" | "history", _) if expect.items("released").is_empty() => &[404],
        ("search", _) => &[200],
        _ => &[200, 404],
    };
    if wanted.contains(&answer.status) {
        return Step::passed(name);
    }
    let wanted: Vec<String> = wanted.iter().map(u16::to_string).collect();
    Step::failed(name, format!("status {}", wanted.join(" or ")), format!("status {}", answer.status))
}

fn texts<'a>(expect: &'a Json, answer: &'a Answer) -> impl Iterator<Item = Step> + 'a {
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    let headers: Vec<&str> = answer.headers.iter().map(|(_, value)| value.as_str()).collect();
    let says = move |text: &str| body.contains(text) || headers.iter().any(|value| value.contains(text));
    [("must_contain", true), ("must_not_contain", false)].into_iter().flat_map(move |(list, wanted)| {
        let says = says.clone();
        let items = expect.items(list).iter().filter_map(Json::as_str);
        items
            .map(move |text| {
                let name = if wanted { "the answer holds a text" } else { "the answer does not hold a text" };
                if says(text) == wanted {
                    Step::passed(name)
                } else {
                    // Texts are the suite's own, not the system's.
                    let expected = format!("{} {text:?}", if wanted { "with" } else { "without" });
                    Step::failed(name, expected, if wanted { "it is not there" } else { "it is there" })
                }
            })
            .collect::<Vec<_>>()
    })
}

/// A total counts what is shown, or is not there.
fn total(expect: &Json, body: &Json) -> Option<Step> {
    if expect.text_at(&["bundle_total"]) != Some("absent-or-released-count") {
        return None;
    }
    let name = "the total counts only what is shown";
    let total = body.get("total").and_then(Json::as_number).and_then(|number| number.as_u64());
    let shown = body.items("entry").iter().filter(|entry| {
        matches!(entry.text_at(&["search", "mode"]), None | Some("match")) && entry.get("resource").is_some()
    });
    let shown = shown.count() as u64;
    Some(match total {
        Some(total) if total != shown => Step::failed(name, format!("none or {shown}"), total.to_string()),
        _ => Step::passed(name),
    })
}

fn released(case: &Case, expect: &Json, found: &Found) -> Vec<Step> {
    let (released, withheld) = (names(expect, "released"), names(expect, "withheld"));
    let candidates: BTreeSet<String> = case.candidates().iter().map(|name| (*name).to_owned()).collect();
    let mut steps = Vec::new();
    let leaked: Vec<&str> = withheld.intersection(&found.names).map(String::as_str).collect();
    let name = "nothing withheld comes back";
    steps.push(match leaked.as_slice() {
        [] => Step::passed(name),
        leaked => Step::failed(name, format!("without {}", join(&withheld)), leaked.join(", ")),
    });
    // A summary is composed by the system: it has a Composition of its own.
    let composed = matches!(case.way(), "summary" | "document");
    let missing: Vec<&str> = released
        .difference(&found.names)
        .map(String::as_str)
        .filter(|name| !(composed && name.starts_with("Composition/")))
        .collect();
    let name = "what is permitted comes back";
    steps.push(match missing.as_slice() {
        [] => Step::passed(name),
        missing => Step::failed(name, join(&released), format!("without {}", missing.join(", "))),
    });
    if case.way() == "search" && !case.has_path() {
        let more: Vec<&str> = found
            .names
            .difference(&candidates)
            .map(String::as_str)
            .filter(|name| !name.starts_with("OperationOutcome/"))
            .collect();
        let name = "nothing else comes back";
        steps.push(match more.as_slice() {
            [] => Step::passed(name),
            more => Step::failed(name, join(&released), more.join(", ")),
        });
    }
    steps
}

fn join(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Elements that had to go from what was released: `Type/id#path`.
fn absent<'a>(expect: &'a Json, found: &'a Found) -> impl Iterator<Item = Step> + 'a {
    expect.items("absent").iter().filter_map(Json::as_str).map(move |place| {
        let name = "a withheld element is gone";
        let Some((resource, path)) = place.split_once('#') else {
            return Step::error(name, "the case names no Type/id#path");
        };
        let Some(resource) = found.get(resource) else {
            return Step::failed(name, place, "the resource did not come back");
        };
        match crate::expression::evaluate(resource, path) {
            Ok(values) if values.texts.is_empty() => Step::passed(name),
            Ok(_) => Step::failed(name, format!("without {place}"), "it is there"),
            Err(said) => Step::error(name, said),
        }
    })
}
