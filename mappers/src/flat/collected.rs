//! Rows put together into one transaction Bundle: for inputs that are small.

use std::collections::HashMap;

use model::bundle::put_entry;
use model::json::{Json, Object};
use model::outcome::Issue;
use smol_str::{SmolStr, format_smolstr};

use crate::trace::{Explained, Loss};

use super::Unit;

/// The resources of all rows so far, each once. Holds patient data.
#[derive(Debug, Default)]
pub struct Collected {
    resources: Vec<(SmolStr, SmolStr, Object)>,
    by_name: HashMap<SmolStr, usize>,
    loss: Loss,
    explain: Vec<Explained>,
    issues: Vec<Issue>,
}

impl Collected {
    /// Adds what a row became. A resource that is there already takes in what is new; where the row says something else of
    /// it, the first row counts, and an issue and the loss account name the row.
    pub fn add(&mut self, unit: &Unit<'_>) {
        let mut loss = unit.loss();
        for resource in unit.resources {
            let Some(at) = self.by_name.get(&resource.name).copied() else {
                self.by_name.insert(resource.name.clone(), self.resources.len());
                self.resources.push((resource.name.clone(), resource.id.clone(), resource.object.clone()));
                continue;
            };
            let Some((_, _, known)) = self.resources.get_mut(at) else { continue };
            let mut against = Vec::new();
            merge(known, &resource.object, resource.kind.as_str(), &mut against);
            for path in &against {
                let text = format!("an earlier row says something else of {path}: that one counts");
                self.issues.push(Issue::warning("conflict", text).at(format!("{}", unit.row)));
                let to = format!("{}#{path}", resource.name);
                let under = |place: &str| {
                    place.strip_prefix(&to).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
                };
                let (lost, mapped) = loss.mapped.into_iter().partition(|(_, place)| under(place));
                loss.mapped = mapped;
                let why = "an earlier row says something else of the same element";
                loss.dropped.extend(lost.into_iter().map(|(at, _): (String, String)| (at, why.to_owned())));
            }
        }
        self.loss.mapped.append(&mut loss.mapped);
        self.loss.kept.append(&mut loss.kept);
        self.loss.dropped.append(&mut loss.dropped);
        self.explain.extend(unit.explain());
    }

    /// How many resources there are.
    pub fn len(&self) -> usize {
        self.resources.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    /// The Bundle, what was found while resources met, where each cell went and which rule made each element.
    pub fn finish(self) -> (Json, Vec<Issue>, Loss, Vec<Explained>) {
        let entry = |(name, id, object): (SmolStr, SmolStr, Object)| {
            put_entry(format_smolstr!("urn:uuid:{id}"), name, Json::Object(object))
        };
        let mut bundle = Object::with_capacity(3);
        bundle.insert("resourceType", "Bundle");
        bundle.insert("type", "transaction");
        if !self.resources.is_empty() {
            bundle.insert("entry", Json::array(self.resources.into_iter().map(entry)));
        }
        (Json::Object(bundle), self.issues, self.loss, self.explain)
    }
}

/// Takes into an object what another has and it has not; notes where they say different things.
fn merge(into: &mut Object, from: &Object, path: &str, against: &mut Vec<String>) {
    for (name, value) in from.iter() {
        let here = format!("{path}.{name}");
        match into.get_mut(name) {
            None => {
                into.insert(SmolStr::new(name), value.clone());
            }
            Some(known) if known == value => {}
            Some(Json::Object(known)) => match value {
                Json::Object(value) => merge(known, value, &here, against),
                _ => against.push(here),
            },
            Some(Json::Array(known)) => match value {
                Json::Array(items) => {
                    for item in items {
                        if !known.contains(item) {
                            known.push(item.clone());
                        }
                    }
                }
                _ => against.push(here),
            },
            Some(_) => against.push(here),
        }
    }
}
