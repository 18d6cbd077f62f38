//! patch, by id and by condition (FHIR R4 http.html, "patch"): JSON Patch, XML Patch and FHIRPath Patch.
//!
//! A patch is applied to the resource as the caller reads it, and what comes out is validated and decided like an update.
//! Whoever sees a resource only in part cannot patch it: a patch could find out what was taken out.

use std::collections::BTreeMap;

use auth::{Action as Reach, Permission};
use bytes::Bytes;
use consent::Interaction;
use fhirpath::{Context, Expression, Item, Limits as Bounds, Node};
use http::{HeaderName, HeaderValue, StatusCode};
use model::id::Reference;
use model::json::{Json, JsonError, Limits, parse};
use model::outcome::Issue;
use model::patch::{ElementPatch, JsonPatch, PatchError, PatchErrorKind, Paths};
use model::xml::XmlPatch;
use store::{Method, NewVersion};

use super::condition::{self, Single};
use super::decide::{Changeable, may_change, may_update};
use super::delete::{not_there, stub};
use super::meta::MetaChange;
use super::precondition::{self, Wanted};
use super::write::{answered, lost_to_another, refused, write};
use super::{format_only, resource_type, target};
use crate::api::format::{self, Format, Sent};
use crate::api::outcome::Failure;
use crate::api::release::Asking;
use crate::api::{Call, Who};
use crate::audit::Kind;
use crate::layers::Response;
use crate::pipeline::FhirChange;

/// Media types a patch may come as (FHIR R4 http.html, "patch").
pub(super) const FORMATS: [&str; 4] =
    ["application/json-patch+json", "application/xml-patch+xml", "application/fhir+json", "application/fhir+xml"];
/// RFC 5789, section 3.1.
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// How often a patch without `If-Match` is applied anew, if others write the resource meanwhile.
const ATTEMPTS: usize = 8;

/// A patch that can be applied.
pub(super) enum Patch {
    Json(JsonPatch),
    Xml(XmlPatch),
    Element(ElementPatch),
    /// Profiles, tags and labels.
    Meta(MetaChange),
}

/// `PATCH /fhir/{type}/{id}`
pub(in crate::api) async fn patch(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    format_only(call)?;
    let (resource_type, id) = target(call)?;
    who.must(Reach::Write(resource_type.as_str()))?;
    let wanted = precondition::if_match(call, resource_type)?;
    let (sent, patch) = body(call).await?;
    one(call, who, &Reference::new(resource_type, id), wanted, sent, &patch, Vec::new()).await
}

/// `PATCH /fhir/{type}?…`: patches the one resource that the condition finds.
pub(in crate::api) async fn conditional_patch(call: &mut Call, who: &Who) -> Result<Response, Failure> {
    format::acceptable(call)?;
    let resource_type = resource_type(call)?;
    who.must(Reach::Write(resource_type.as_str()))?;
    let wanted = precondition::if_match(call, resource_type)?;
    let (sent, patch) = body(call).await?;
    let call = &*call;
    let Single { known, conditions, lane: _lane } =
        condition::single(call, who, (resource_type, &call.query), "the condition").await?;
    let Some(known) = known else {
        conditions.record().await?;
        Asking::new(&call.app, who, Interaction::Write)?.settle().await;
        return Err(Failure::unknown("what the condition asks for"));
    };
    one(call, who, &known.reference, known.or_asked(wanted), sent, &patch, conditions.into_trail()).await
}

pub(super) async fn one(
    call: &Call,
    who: &Who,
    target: &Reference,
    wanted: Wanted,
    sent: Sent,
    patch: &Patch,
    trail: Vec<NewVersion>,
) -> Result<Response, Failure> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let asking = Asking::new(&call.app, who, Interaction::Write)?;
        let change = match change(call, who, &asking, target, wanted, patch) {
            Ok(Some(change)) => change,
            Ok(None) => return Err(not_there(call, who, &asking, target, "patch").await),
            Err(failure) if failure.status() == StatusCode::FORBIDDEN => {
                return Err(refused(call, who, Kind::Update, &stub(target), failure).await);
            }
            Err(failure) => return Err(failure),
        };
        let again = Sent { raw: sent.raw.clone(), format: sent.format, tree: Json::Null };
        let written = match write(call, who, again, Kind::Update, change, trail.clone()).await {
            Ok(written) => written,
            // Another has written it since it was read: the patch is applied to what that other has written.
            Err(failure)
                if failure.status() == StatusCode::CONFLICT && wanted == Wanted::Anything && attempt < ATTEMPTS =>
            {
                continue;
            }
            Err(failure) => return Err(lost_to_another(failure, wanted)),
        };
        let asking = Asking::new(&call.app, who, Interaction::Read)?;
        let now = written.versions.first().map(|version| version.version);
        let held = asking.current(target.resource_type.as_str(), target.id.as_str())?;
        let shown = match held.filter(|held| Some(held.version()) == now) {
            Some(held) => asking.release(&held)?.map(|released| released.bytes().clone()),
            None => None,
        };
        return answered(call, (target.resource_type, target.id.as_str()), &written, shown);
    }
}

/// The change that a patch makes; `None` if for this caller there is nothing to change.
pub(super) fn change(
    call: &Call,
    who: &Who,
    asking: &Asking<'_>,
    target: &Reference,
    wanted: Wanted,
    patch: &Patch,
) -> Result<Option<FhirChange>, Failure> {
    let (held, before) = match may_change(who, asking, target, Permission::Update)? {
        Changeable::Here(held, before) => (held, before),
        Changeable::Gone => {
            return Err(Failure::new(StatusCode::GONE, "deleted", format!("{target} was deleted")));
        }
        Changeable::Nothing => return Ok(None),
    };
    wanted.holds_for(held.version())?;
    let resource = patch.apply(before, target)?;
    let expect = may_update(call, who, asking, &resource, target, Wanted::Version(held.version()))?;
    let body = Bytes::from(resource.to_bytes());
    Ok(Some(FhirChange::write(resource, body, expect).by(Method::Patch)))
}

/// Reads the body as the patch that its media type says.
async fn body(call: &mut Call) -> Result<(Sent, Patch), Failure> {
    match call.content_type().as_deref() {
        Some("application/json-patch+json") => {
            let raw = call.body().await?;
            let (tree, patch) = Patch::of_json(&raw, |error| {
                let place = format!("line {}, column {}", error.line, error.column);
                Failure::new(StatusCode::BAD_REQUEST, "structure", error.kind.to_string()).at(place)
            })?;
            Ok((Sent { raw, format: Format::Json, tree }, patch))
        }
        Some("application/xml-patch+xml") => {
            let raw = call.body().await?;
            let patch = Patch::of_xml(&raw)?;
            Ok((Sent { raw, format: Format::Xml, tree: Json::Null }, patch))
        }
        _ => {
            // Of another version of FHIR, or in another charset: that is what is said then.
            let is_known = call.content_type().is_some_and(|kind| FORMATS.contains(&kind.as_str()));
            let unsupported = |failure: Failure| match failure.status() {
                StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                    let formats = FORMATS.join(", ");
                    let text = format!("a patch is one of {formats}");
                    let other = Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", text);
                    let failure = if is_known { failure } else { other };
                    match HeaderValue::try_from(formats) {
                        Ok(formats) => failure.header(ACCEPT_PATCH, formats),
                        Err(_) => failure,
                    }
                }
                _ => failure,
            };
            if call.content_type().is_none() {
                return Err(unsupported(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", "")));
            }
            let sent = format::body(call).await.map_err(unsupported)?;
            let patch = Patch::of_resource(&sent.tree)?;
            Ok((sent, patch))
        }
    }
}

impl Patch {
    /// Of a resource in a Bundle, or of a body: Parameters are a FHIRPath Patch, a Binary holds a JSON or XML Patch.
    pub(super) fn of_resource(resource: &Json) -> Result<Self, Failure> {
        match model::resource::resource_type(resource) {
            Some("Parameters") => ElementPatch::read(resource).map(Self::Element).map_err(|errors| failed(&errors)),
            Some("Binary") => Self::of_binary(resource),
            _ => {
                let text = "expected Parameters (FHIRPath Patch), or a Binary with a JSON Patch or XML Patch";
                Err(Failure::new(StatusCode::BAD_REQUEST, "structure", text).at("resourceType"))
            }
        }
    }

    /// A JSON Patch, with the tree that it is; `unread` is the answer to what is no JSON.
    fn of_json(text: &[u8], unread: impl FnOnce(JsonError) -> Failure) -> Result<(Json, Self), Failure> {
        // What came this far is within the limit of bodies.
        let tree = parse(text, &Limits { bytes: text.len().max(1), ..Limits::default() }).map_err(unread)?;
        let patch = JsonPatch::read(&tree).map(Self::Json).map_err(|errors| failed(&errors))?;
        Ok((tree, patch))
    }

    fn of_xml(text: &[u8]) -> Result<Self, Failure> {
        XmlPatch::read(text).map(Self::Xml).map_err(|errors| failed(&errors))
    }

    fn of_binary(binary: &Json) -> Result<Self, Failure> {
        use base64::Engine as _;
        let data = binary.get("data").and_then(Json::as_str).unwrap_or_default();
        let data: String = data.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(data)
            .map_err(|_| Failure::bad("expected base64").at("Binary.data"))?;
        let kind = binary.get("contentType").and_then(Json::as_str).unwrap_or_default();
        match kind.split(';').next().unwrap_or_default().trim() {
            "application/json-patch+json" => {
                let unread = |error: JsonError| Failure::bad(error.kind.to_string()).at("Binary.data");
                Self::of_json(&bytes, unread).map(|(_, patch)| patch)
            }
            "application/xml-patch+xml" => Self::of_xml(&bytes),
            _ => {
                let text = "expected application/json-patch+json or application/xml-patch+xml";
                Err(Failure::new(StatusCode::BAD_REQUEST, "not-supported", text).at("Binary.contentType"))
            }
        }
    }

    /// The resource after the patch. Its type and id stay, and what this gateway says of versions is its own.
    fn apply(&self, before: Json, target: &Reference) -> Result<Json, Failure> {
        let mut resource = before;
        match self {
            Self::Json(patch) => patch.apply(&mut resource).map_err(|error| failed(&[error]))?,
            Self::Element(patch) => patch.apply(&mut resource, &Engine).map_err(|error| failed(&[error]))?,
            Self::Meta(change) => change.apply(&mut resource),
            Self::Xml(patch) => resource = patch.apply(&resource).map_err(|errors| failed(&errors))?,
        }
        let kept = model::resource::reference_to(&resource).is_some_and(|reference| reference == *target);
        if !kept {
            let text = "a patch cannot change the type or the id of a resource";
            return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "business-rule", text)
                .at(format!("{}.id", target.resource_type)));
        }
        if let Some(meta) = resource.get_mut("meta").and_then(Json::as_object_mut) {
            for name in ["versionId", "lastUpdated"] {
                meta.remove(name);
            }
            if meta.is_empty()
                && let Some(object) = resource.as_object_mut()
            {
                object.remove("meta");
            }
        }
        Ok(resource)
    }
}

/// Every error of a patch: 400 for a patch that is malformed, 422 for one that does not fit the resource.
fn failed(errors: &[PatchError]) -> Failure {
    let of_kind = |error: &PatchError| match error.kind {
        PatchErrorKind::Malformed => (0, StatusCode::BAD_REQUEST, "structure"),
        PatchErrorKind::TooLarge => (1, StatusCode::UNPROCESSABLE_ENTITY, "too-costly"),
        PatchErrorKind::TestFailed => (2, StatusCode::UNPROCESSABLE_ENTITY, "conflict"),
        _ => (3, StatusCode::UNPROCESSABLE_ENTITY, "processing"),
    };
    let worst: BTreeMap<i32, StatusCode> = errors.iter().map(of_kind).map(|(rank, status, _)| (rank, status)).collect();
    let status = worst.into_values().next().unwrap_or(StatusCode::BAD_REQUEST);
    let issues = errors.iter().map(|error| {
        let issue = Issue::error(of_kind(error).2, error.text.clone());
        if error.at.is_empty() { issue } else { issue.at(error.at.clone()) }
    });
    Failure::of(status, issues.collect())
}

/// FHIRPath for patches: bounded, and without anything outside of the resource.
struct Engine;

impl Paths for Engine {
    fn places(&self, resource: &Json, expression: &str) -> Result<Vec<String>, String> {
        let expression = Expression::parse(expression).map_err(|_| "the path is no FHIRPath".to_owned())?;
        let root = Node::resource(resource);
        let bounds = Bounds { steps: 200_000, items: 50_000, text_bytes: 1 << 20 };
        let found = expression
            .evaluate(&Context::new(root).with_limits(bounds), &[Item::Node(root)])
            .map_err(|_| "the path cannot be evaluated".to_owned())?;
        let place = |item: &Item<'_>| match item {
            Item::Node(node) => node.place_in(&root),
            _ => None,
        };
        found
            .iter()
            .take(1_000)
            .map(|item| place(item).ok_or_else(|| "the path leads to a value and to no element".to_owned()))
            .collect()
    }
}
