//! Definitions that are stored here, as far as the caller may read them.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use consent::Interaction;
use http::StatusCode;
use model::json::Json;
use sha2::{Digest, Sha256};
use store::Search;
use terminology::{Source, Terminology};

use crate::api::outcome::Failure;
use crate::api::release::{Asking, Released};
use crate::api::{Call, Who};
use crate::audit::Kind;

/// Stored definitions of one request. They are read each time, as what a caller may read differs.
const MOST: usize = 2_000;
const KINDS: [&str; 3] = ["CodeSystem", "ValueSet", "ConceptMap"];

/// What questions are answered with: what is stored and may be read, before what is built in.
///
/// # Errors
/// What the store says; 400 if more is stored than is looked at.
pub(super) async fn terminology(call: &Call, who: &Who) -> Result<Arc<Terminology>, Failure> {
    let asking = Asking::new(&call.app, who, Interaction::Search)?;
    let search = Search { types: KINDS.map(str::to_owned).to_vec(), ..Search::default() };
    let (mut found, mut failed): (Vec<Released>, Option<Failure>) = (Vec::new(), None);
    asking.visit(&search, &mut |held| {
        match asking.release(&held) {
            Ok(released) => found.extend(released),
            Err(failure) => failed = Some(failure),
        }
        if failed.is_none() && found.len() <= MOST { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    if let Some(failure) = failed {
        return Err(failure);
    }
    if found.len() > MOST {
        let text = format!("more than {MOST} code systems, value sets and concept maps are stored here");
        return Err(Failure::new(StatusCode::BAD_REQUEST, "too-costly", text));
    }
    let built_in = call.app.validation.validator().terminology();
    if found.is_empty() {
        return Ok(built_in.clone());
    }
    let event = who.event(Kind::Operation, call.app.clock.now()).detail("operation", "terminology");
    asking.record(event, &found).await?;
    // Compiled once for as long as nobody writes one, and apart for callers who may read different ones.
    let mut digest = Sha256::new();
    for released in &found {
        digest.update(released.bytes());
    }
    let name: [u8; 32] = digest.finalize().into();
    if let Some(known) = call.app.terminology.get(&name) {
        return Ok(known);
    }
    let mut stored = Stored::default();
    // Newest first: of two with one canonical the later write counts.
    for released in &found {
        stored.add(released.json()?);
    }
    let made = Arc::new(built_in.with(Arc::new(stored)));
    call.app.terminology.keep(name, &made);
    Ok(made)
}

/// Definitions by type and canonical.
#[derive(Default)]
struct Stored {
    by_name: HashMap<(String, String), Arc<Json>>,
    supplements: Vec<Arc<Json>>,
    maps: Vec<Arc<Json>>,
}

impl Stored {
    fn add(&mut self, resource: Json) {
        let Some(kind) = model::resource::resource_type(&resource).map(str::to_owned) else { return };
        let Some(url) = resource.text_at(&["url"]).map(str::to_owned) else { return };
        let version = resource.text_at(&["version"]).map(|version| format!("{url}|{version}"));
        let resource = Arc::new(resource);
        match (kind.as_str(), resource.text_at(&["content"])) {
            ("CodeSystem", Some("supplement")) => self.supplements.push(Arc::clone(&resource)),
            ("ConceptMap", _) => self.maps.push(Arc::clone(&resource)),
            _ => {}
        }
        for name in [Some(url), version].into_iter().flatten() {
            self.by_name.entry((kind.clone(), name)).or_insert_with(|| Arc::clone(&resource));
        }
    }
}

impl Source for Stored {
    fn find(&self, kind: &str, canonical: &str) -> Option<Arc<Json>> {
        self.by_name.get(&(kind.to_owned(), canonical.to_owned())).cloned()
    }

    fn supplements(&self, system: &str) -> Vec<Arc<Json>> {
        let of = |one: &&Arc<Json>| {
            let named = one.text_at(&["supplements"]).unwrap_or_default();
            named.split('|').next() == Some(system)
        };
        self.supplements.iter().filter(of).cloned().collect()
    }

    fn concept_maps(&self) -> Vec<Arc<Json>> {
        self.maps.clone()
    }
}

/// The one resource that a request brings along, or that its address names.
pub(super) struct One {
    resource: Arc<Json>,
    name: String,
}

impl One {
    /// Under its own canonical, or `otherwise`.
    pub(super) fn new(resource: Json, otherwise: &str) -> Self {
        let name = resource.text_at(&["url"]).unwrap_or(otherwise).to_owned();
        Self { resource: Arc::new(resource), name }
    }
}

impl Source for One {
    fn find(&self, kind: &str, canonical: &str) -> Option<Arc<Json>> {
        let of_kind = model::resource::resource_type(&self.resource) == Some(kind);
        (of_kind && canonical == self.name).then(|| Arc::clone(&self.resource))
    }
}

/// What was compiled last, for a few groups of callers.
#[derive(Default)]
pub struct Compiled(std::sync::Mutex<Vec<([u8; 32], Arc<Terminology>)>>);

impl Compiled {
    const MOST: usize = 4;

    fn get(&self, name: &[u8; 32]) -> Option<Arc<Terminology>> {
        let known = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.iter().find(|(other, _)| other == name).map(|(_, terminology)| Arc::clone(terminology))
    }

    fn keep(&self, name: [u8; 32], terminology: &Arc<Terminology>) {
        let mut known = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if known.len() >= Self::MOST {
            known.remove(0);
        }
        known.push((name, Arc::clone(terminology)));
    }
}
