//! `GET /fhir/metadata`: made of the route table and of the parameters that searches know, so that claim and code cannot
//! drift apart.

use http::StatusCode;
use model::id::ResourceType;
use typed::{CapabilityStatement, Operation, SearchParameter, ServedType};

use super::format_only;
use crate::api::outcome::Failure;
use crate::api::router::{Capability, ROUTES};
use crate::api::{Call, answer};
use crate::config::AuthMode;
use crate::layers::Response;

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
    let capabilities = || ROUTES.iter().filter_map(|route| route.capability);
    let interactions: Vec<&str> = capabilities()
        .filter_map(|it| if let Capability::Interaction(code) = it { Some(code) } else { None })
        .collect();
    let system: Vec<&str> =
        capabilities().filter_map(|it| if let Capability::System(code) = it { Some(code) } else { None }).collect();
    let of_type = |own: &str| -> Vec<Operation<'_>> {
        let operations = ROUTES.iter().filter_map(|route| match route.capability? {
            Capability::Operation(name, definition) if route.pattern.split('/').nth(2) == Some(own) => {
                Some(Operation { name, definition })
            }
            Capability::EveryType(name, definition) => Some(Operation { name, definition }),
            _ => None,
        });
        operations.collect()
    };
    let whole: Vec<Operation<'_>> = capabilities()
        .filter_map(|it| {
            if let Capability::WholeSystem(name, definition) = it { Some(Operation { name, definition }) } else { None }
        })
        .collect();
    let names: Vec<&str> = ResourceType::all().map(ResourceType::as_str).collect();
    let parameters: Vec<Vec<SearchParameter<'_>>> = names
        .iter()
        .map(|name| {
            let known = search::parameters(name);
            known
                .into_iter()
                .map(|it| SearchParameter { name: it.name, kind: it.kind.as_str(), definition: None })
                .collect()
        })
        .collect();
    let operations: Vec<Vec<Operation<'_>>> = names.iter().map(|name| of_type(name)).collect();
    let includes: Vec<Vec<String>> = names.iter().map(|name| search::includes(name)).collect();
    let reverse_includes: Vec<Vec<String>> = names.iter().map(|name| search::reverse_includes(name)).collect();
    let types: Vec<ServedType<'_>> = names
        .iter()
        .enumerate()
        .map(|(index, name)| ServedType {
            name,
            interactions: &interactions,
            search: at(&parameters, index),
            operations: at(&operations, index),
            includes: at(&includes, index),
            reverse_includes: at(&reverse_includes, index),
            update_create: true,
            conditional_create: true,
            conditional_update: true,
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
        patch_formats: &[],
        security,
        security_services: &[],
        types: &types,
        system_interactions: &system,
        operations: &whole,
    })
    .map_err(|error| {
        tracing::error!(%error, "the capability statement could not be built");
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "exception", "an error of the gateway")
    })?;
    Ok(answer::fhir(StatusCode::OK, statement.to_bytes()))
}

fn at<T>(lists: &[Vec<T>], index: usize) -> &[T] {
    lists.get(index).map_or(&[], Vec::as_slice)
}
