//! Where stored resources come from: message, package, version and digest. FHIR R4 provenance.html.
//!
//! A mapping makes its own Provenance, which names the package; the exchange is added to it here. What comes as FHIR gets
//! one of ours: the builders of `typed` make a template for each source and package; what differs from message to message is put in
//! here, so that a message does not pay for the builders.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use model::json::{Json, Object};
use model::time::Instant;
use typed::{Party, Provenance, ProvenanceAgent, ProvenanceSource};

use super::arrive::Arrived;
use super::map::{Entry, Rules};
use crate::app::App;
use crate::audit::{EXCHANGE_SYSTEM, PARTNER_SYSTEM};

/// A place in the template that every message replaces.
const PLACEHOLDER: &str = "0";

/// Templates kept.
const KEPT: usize = 1024;

/// Source name and package digest.
type Key = (String, String);

/// Adds the exchange to the Provenance that a mapping made; whether there is one.
pub(super) fn complete(resources: &mut [Entry], arrived: &Arrived) -> bool {
    let mut found = false;
    for entry in resources.iter_mut() {
        let Some(object) = entry.resource.as_object_mut() else { continue };
        if object.get("resourceType").and_then(Json::as_str) != Some("Provenance") {
            continue;
        }
        found = true;
        let exchange = [("system", Json::from(EXCHANGE_SYSTEM)), ("value", Json::from(arrived.exchange.to_string()))];
        let what = Json::object([("identifier", Json::object(exchange))]);
        let entity = Json::object([("role", Json::from("source")), ("what", what)]);
        if let Some(entities) = object.get_or_insert_with("entity", || Json::Array(Vec::new())).as_array_mut() {
            entities.push(entity);
        }
    }
    found
}

/// The Provenance of one message; `None` without a target.
pub(super) fn of(
    app: &App,
    arrived: &Arrived,
    rules: Option<&Rules>,
    targets: &[String],
    now: Instant,
) -> Option<Json> {
    if targets.is_empty() {
        return None;
    }
    let template = template(&arrived.source.name, rules)?;
    let exchange = arrived.exchange.to_string();
    let id = model::id::uuid_v5(&app.namespace, &["Provenance", &exchange]);
    let mut made = Object::new();
    for (name, value) in template.as_object()?.iter() {
        let value = match name {
            "id" => Json::from(id.hyphenated().to_string()),
            "target" => {
                let reference = |target: &String| Json::object([("reference", Json::from(target.as_str()))]);
                Json::array(targets.iter().map(reference))
            }
            "occurredDateTime" => Json::from(arrived.received_at.to_rfc3339()),
            "recorded" => Json::from(now.to_rfc3339()),
            "entity" => with_exchange(value.clone(), &exchange),
            _ => value.clone(),
        };
        made.insert(name, value);
    }
    Some(made.into())
}

/// The first entity is the message.
fn with_exchange(mut entities: Json, exchange: &str) -> Json {
    let identifier = entities
        .as_array_mut()
        .and_then(|entities| entities.first_mut())
        .and_then(|entity| entity.get_mut("what"))
        .and_then(|what| what.get_mut("identifier"))
        .and_then(Json::as_object_mut);
    if let Some(identifier) = identifier {
        identifier.insert("value", exchange);
    }
    entities
}

fn template(source: &str, rules: Option<&Rules>) -> Option<Arc<Json>> {
    static TEMPLATES: OnceLock<RwLock<HashMap<Key, Arc<Json>>>> = OnceLock::new();
    let templates = TEMPLATES.get_or_init(RwLock::default);
    let key = (source.to_owned(), rules.map(|rules| rules.digest.clone()).unwrap_or_default());
    if let Some(known) = templates.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Some(known.clone());
    }
    let made = match make(source, rules) {
        Ok(made) => Arc::new(made),
        Err(error) => {
            tracing::error!(%error, "a Provenance could not be built");
            return None;
        }
    };
    let mut templates = templates.write().unwrap_or_else(PoisonError::into_inner);
    // Each change of a package has a digest of its own; those before it are asked for no more.
    if templates.len() >= KEPT {
        templates.clear();
    }
    templates.insert(key, made.clone());
    Some(made)
}

fn make(source: &str, rules: Option<&Rules>) -> Result<Json, typed::Error> {
    let mut sources = vec![ProvenanceSource::Exchange(PLACEHOLDER)];
    if let Some(rules) = rules {
        sources.push(ProvenanceSource::Package { name: &rules.name, version: &rules.version, digest: &rules.digest });
    }
    typed::provenance(&Provenance {
        id: PLACEHOLDER,
        targets: &[format!("Patient/{PLACEHOLDER}")],
        occurred: Some(Instant::MIN),
        recorded: Instant::MIN,
        reasons: &[],
        agents: &[
            ProvenanceAgent::Author(Party::identifier(PARTNER_SYSTEM, source)),
            ProvenanceAgent::Assembler(Party::named("Anchorline")),
        ],
        sources: &sources,
    })
}
