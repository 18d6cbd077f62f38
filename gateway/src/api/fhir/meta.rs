//! `$meta-add` and `$meta-delete` (FHIR R4 resource-operation-meta-add.html, resource-operation-meta-delete.html): a change
//! of a resource like any other, decided, recorded and kept as a new version. Who may not write a resource does not take a
//! label off it either.

use auth::Action as Reach;
use http::HeaderName;
use model::id::Reference;
use model::json::{Json, Object};
use model::outcome::Issue;

use super::patch::{self, Patch};
use super::{precondition, target};
use crate::api::format::Sent;
use crate::api::outcome::Failure;
use crate::api::router::Endpoint;
use crate::api::{Call, Who, answer, format};
use crate::layers::Response;
use crate::operations::input::{Input, parameter, parameters};
use crate::operations::table;

/// What of `meta` may be changed so; the rest is the gateway's own, or says where the content is from.
const CHANGED: [&str; 3] = ["profile", "security", "tag"];

/// `POST /fhir/{type}/{id}/$meta-add`
pub(in crate::api) async fn add(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    change(call, who, Endpoint::MetaAdd).await
}

/// `POST /fhir/{type}/{id}/$meta-delete`
pub(in crate::api) async fn delete(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    change(call, who, Endpoint::MetaDelete).await
}

async fn change(call: &mut Call, who: &Who, endpoint: Endpoint) -> Result<Response, Failure> {
    let (resource_type, id) = target(call)?;
    who.must(Reach::Write(resource_type.as_str()))?;
    let wanted = precondition::if_match(call, resource_type)?;
    let operation = table::of(endpoint).ok_or_else(|| Failure::unknown("this address"))?;
    let format = format::of_body(call)?;
    let raw = call.body().await?;
    call.ready = Some(raw.clone());
    let input = Input::read(call, operation, None).await?;
    let Some(meta) = input.value("meta") else {
        return Err(Failure::new(http::StatusCode::BAD_REQUEST, "required", "meta: expected one").at("meta"));
    };
    let patch = Patch::Meta(MetaChange::of(meta, endpoint == Endpoint::MetaAdd)?);
    // The answer is the new meta, whatever is preferred of writes.
    call.headers.remove(HeaderName::from_static("prefer"));
    let sent = Sent { raw, format, tree: Json::Null };
    let target = Reference::new(resource_type, id);
    let response = patch::one(call, who, &target, wanted, sent, &patch, Vec::new()).await?;
    let now = super::stored(call, who, &target).await;
    // A caller who may write and not read learns that it was done, and no more.
    let meta = now.ok().and_then(|now| now.get("meta").cloned()).unwrap_or_else(|| Json::from(Object::new()));
    let body = parameters([parameter("return", "valueMeta", meta)]);
    let mut shown = answer::fhir(http::StatusCode::OK, body.to_bytes());
    for name in [http::header::ETAG, http::header::LAST_MODIFIED, super::write::LEDGER_EXCHANGE] {
        if let Some(value) = response.headers().get(&name) {
            shown.headers_mut().insert(name, value.clone());
        }
    }
    Ok(shown)
}

/// Profiles, tags and labels to add or to take off.
pub(super) struct MetaChange {
    values: Vec<(&'static str, Vec<Json>)>,
    adds: bool,
}

impl MetaChange {
    fn of(meta: &Json, adds: bool) -> Result<Self, Failure> {
        let members = meta.as_object().map(|object| object.iter().map(|(name, _)| name).collect::<Vec<_>>());
        let others = members.unwrap_or_default().into_iter().filter(|name| !CHANGED.contains(name));
        let issues: Vec<Issue> = others
            .map(|_| Issue::error("not-supported", "meta: profile, security and tag alone are changed so").at("meta"))
            .take(1)
            .collect();
        if !issues.is_empty() {
            return Err(Failure::of(http::StatusCode::BAD_REQUEST, issues));
        }
        Ok(Self { values: CHANGED.map(|name| (name, meta.items(name).to_vec())).to_vec(), adds })
    }

    /// The resource after the change. What is there already is not added again; what is not there is not missed.
    pub(super) fn apply(&self, resource: &mut Json) {
        let Some(object) = resource.as_object_mut() else { return };
        if self.adds && !object.contains_key("meta") {
            let mut made = Object::new();
            for (name, value) in object.iter() {
                if !matches!(name, "resourceType" | "id") && !made.contains_key("meta") {
                    made.insert("meta", Json::from(Object::new()));
                }
                made.insert(name, value.clone());
            }
            *object = made;
        }
        let meta = object.get_or_insert_with("meta", || Json::from(Object::new()));
        let Some(meta) = meta.as_object_mut() else { return };
        for (name, values) in &self.values {
            if values.is_empty() {
                continue;
            }
            let known = meta.get_or_insert_with(name, || Json::Array(Vec::new()));
            let Some(known) = known.as_array_mut() else { continue };
            if self.adds {
                for value in values {
                    if !known.iter().any(|other| same(other, value)) {
                        known.push(value.clone());
                    }
                }
            } else {
                known.retain(|other| !values.iter().any(|value| same(other, value)));
            }
            if known.is_empty() {
                meta.remove(name);
            }
        }
        if meta.is_empty() {
            object.remove("meta");
        }
    }
}

/// Whether two are one: profiles by their text, tags and labels by system and code (resource.html, "Meta").
fn same(one: &Json, other: &Json) -> bool {
    match (one.as_str(), other.as_str()) {
        (Some(one), Some(other)) => one == other,
        _ => ["system", "code"].iter().all(|name| one.text_at(&[name]) == other.text_at(&[name])),
    }
}

#[cfg(test)]
mod tests;
