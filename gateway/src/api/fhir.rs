//! FHIR R4 REST in plain form (http.html): create, update, read, vread, history and search of every type, in JSON
//! and XML.

use model::id::{Reference, ResourceId, ResourceType};
use model::json::Json;

use super::format::GENERAL;
use super::outcome::Failure;
use super::query::{pairs, unknown_parameter};
use super::{Call, Who};

mod binary;
pub(super) mod bundle;
pub(super) mod capability;
mod condition;
mod decide;
pub(super) mod delete;
pub(super) mod document;
pub(super) mod everything;
pub(super) mod history;
mod include;
pub(super) mod meta;
pub(super) mod operation;
pub(super) mod patch;
mod precondition;
pub(super) mod read;
pub(super) mod search;
pub(super) mod validate;
pub(super) mod write;

pub use search::Seal;

/// The type of the path.
fn resource_type(call: &Call) -> Result<ResourceType, Failure> {
    let name = call.params.text("type");
    let name = if name.is_empty() { "Patient" } else { name };
    ResourceType::parse(name).map_err(|_| {
        Failure::new(http::StatusCode::NOT_FOUND, "not-supported", "the path names no resource type of FHIR R4")
    })
}

/// The type and id of the path. What no id can be is answered like an id that is not there.
fn target(call: &Call) -> Result<(ResourceType, ResourceId), Failure> {
    let resource_type = resource_type(call)?;
    let id = ResourceId::parse(call.params.text("id")).map_err(|_| Failure::unknown("this id"))?;
    Ok((resource_type, id))
}

/// The current version of a stored resource, for an operation about it; one the caller may not read is unknown.
///
/// # Errors
/// 404, 410, or what the store says.
pub(crate) async fn stored(call: &Call, who: &Who, target: &Reference) -> Result<Json, Failure> {
    let (released, _) = read::released(call, who, read::Version::Current, target).await?;
    released.json()
}

/// Reads the parameters of an interaction that has none of its own, and refuses what is asked for besides.
pub(super) fn format_only(call: &Call) -> Result<(), Failure> {
    only_format(call)?;
    super::format::acceptable(call)
}

/// The same where an answer may be neither JSON nor XML.
fn only_format(call: &Call) -> Result<(), Failure> {
    for (name, _) in pairs(&call.query)? {
        match name.as_str() {
            name if GENERAL.contains(&name) => {}
            _ if call.prefers("handling=lenient") => {}
            _ => return Err(unknown_parameter(&name, &GENERAL.join(", "))),
        }
    }
    Ok(())
}
