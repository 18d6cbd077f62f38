//! `GET /fhir/metadata`: made of the route table and of the parameters that searches know, so that claim and code cannot
//! drift apart.

use http::StatusCode;
use model::id::ResourceType;
use typed::{CapabilityStatement, Operation, SearchParameter, ServedType};

use super::{format_only, patch};
use crate::api::outcome::Failure;
use crate::api::router::{Capability, routes};
use crate::api::{Call, answer};
use crate::config::AuthMode;
use crate::layers::Response;
use crate::operations::table::OPERATIONS;

/// `GET /fhir/metadata`
pub(in crate::api) fn metadata(call: &Call) -> Result<Response, Failure> {
    format_only(call)?;
    let mode = call.app.config.auth.mode;
    let (security, description) = match mode {
        AuthMode::Open => (
            "Access control is OFF: every caller is an anonymous administrator and no consent is asked. Loopback only.",
            "Anchorline FHIR gateway, access control off",
        ),
        AuthMode::Development => (
            "Development tokens (Authorization: Bearer). Every read is decided by the patient's consents.",
            "Anchorline FHIR gateway in development mode",
        ),
        AuthMode::Smart => (
            "Credentials of sources and client certificates. Every read is decided by the patient's consents.",
            "Anchorline FHIR gateway",
        ),
    };
    let capabilities = || routes().iter().flat_map(|route| route.capabilities).copied();
    let interactions: Vec<&str> = capabilities()
        .filter_map(|it| if let Capability::Interaction(code) = it { Some(code) } else { None })
        .collect();
    let system: Vec<&str> =
        capabilities().filter_map(|it| if let Capability::System(code) = it { Some(code) } else { None }).collect();
    // A type's own, and what is asked of every type.
    let of_type = |own: &str| operations(|segment| segment == Some(own) || segment == Some("{type}"));
    let whole = operations(|segment| segment.is_some_and(|text| text.starts_with('$')));
    let registry = call.app.parameters.registry();
    let names: Vec<&str> = ResourceType::all().map(ResourceType::as_str).collect();
    let parameters: Vec<Vec<SearchParameter<'_>>> = ResourceType::all()
        .map(|name| {
            let known = registry.parameters(name).iter();
            known
                .map(|it| SearchParameter { name: &it.code, kind: it.kind.as_str(), definition: Some(&it.url) })
                .collect()
        })
        .collect();
    let known = call.app.validation.profiles();
    let profiles: Vec<Vec<&str>> = names
        .iter()
        .map(|name| known.iter().filter(|(of, _)| of == name).map(|(_, url)| url.as_str()).collect())
        .collect();
    let offered: Vec<Vec<Operation<'_>>> = names.iter().map(|name| of_type(name)).collect();
    let includes: Vec<Vec<String>> = ResourceType::all().map(|name| search::includes(&registry, name)).collect();
    let reverse_includes: Vec<Vec<String>> =
        ResourceType::all().map(|name| search::reverse_includes(&registry, name)).collect();
    let types: Vec<ServedType<'_>> = names
        .iter()
        .enumerate()
        .map(|(index, name)| ServedType {
            name,
            profiles: at(&profiles, index),
            interactions: &interactions,
            search: at(&parameters, index),
            operations: at(&offered, index),
            includes: at(&includes, index),
            reverse_includes: at(&reverse_includes, index),
            versioned_update: ResourceType::parse(name).is_ok_and(|name| call.app.config.fhir.needs_version(name)),
            update_create: true,
            conditional_create: true,
            conditional_read: interactions.contains(&"read"),
            conditional_update: capabilities().any(|it| it == Capability::ConditionalUpdate),
            conditional_delete: capabilities().any(|it| it == Capability::ConditionalDelete),
        })
        .collect();
    let base = call.base();
    let statement = typed::capability_statement(&CapabilityStatement {
        id: "anchorline",
        date: call.app.clock.now(),
        software: "Anchorline",
        version: env!("CARGO_PKG_VERSION"),
        description,
        url: Some(&base),
        formats: &["json", "xml", "application/fhir+json", "application/fhir+xml"],
        patch_formats: if interactions.contains(&"patch") { &patch::FORMATS } else { &[] },
        security,
        security_services: &[],
        types: &types,
        system_interactions: &system,
        operations: &whole,
        documentation: &documentation(),
    })
    .map_err(|error| {
        tracing::error!(%error, "the capability statement could not be built");
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "exception", "an error of the gateway")
    })?;
    Ok(answer::fhir(StatusCode::OK, statement.to_bytes()))
}

/// What a CapabilityStatement of R4 has no member for.
fn documentation() -> String {
    let mut addresses: Vec<&str> = routes()
        .iter()
        .filter(|route| route.may_wait())
        .map(|route| route.pattern.strip_prefix("/fhir").unwrap_or_default())
        .map(|pattern| if pattern.is_empty() { "/" } else { pattern })
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    format!(
        "Prefer: respond-async is honoured at {}; for Bundles that only read. Elsewhere it is passed over.",
        addresses.join(", ")
    )
}

/// The operations asked at some address whose segment behind `/fhir` is as said.
fn operations<'a>(is_there: impl Fn(Option<&str>) -> bool) -> Vec<Operation<'a>> {
    let offered = OPERATIONS.iter().filter(|it| it.at.iter().any(|at| is_there(at.pattern.split('/').nth(2))));
    offered.map(|it| Operation { name: it.name, definition: it.definition }).collect()
}

fn at<T>(lists: &[Vec<T>], index: usize) -> &[T] {
    lists.get(index).map_or(&[], Vec::as_slice)
}
