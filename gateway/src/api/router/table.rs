//! The table of interactions and of everything beside `/fhir`; operations have their own.

use http::Method;

use super::{Capability, Endpoint, Needs, Route};

const fn route(method: Method, pattern: &'static str, endpoint: Endpoint, needs: Needs) -> Route {
    Route { method, pattern, endpoint, needs, capabilities: &[], operation: None }
}

const fn fhir(method: Method, pattern: &'static str, endpoint: Endpoint, capabilities: &'static [Capability]) -> Route {
    Route { method, pattern, endpoint, needs: Needs::Caller, capabilities, operation: None }
}

/// Every route that is no operation.
pub(super) fn interactions() -> Vec<Route> {
    let mut routes = vec![
        route(Method::POST, "/ingest/{source}", Endpoint::Ingest, Needs::Source),
        route(Method::POST, "/convert", Endpoint::Convert, Needs::Caller),
        route(Method::GET, "/exchanges", Endpoint::Exchanges, Needs::Caller),
        route(Method::GET, "/exchanges/unmapped", Endpoint::Unmapped, Needs::Caller),
        route(Method::GET, "/exchanges/{id}", Endpoint::Exchange, Needs::Caller),
        route(Method::POST, "/exchanges/{id}/replay", Endpoint::Replay, Needs::Caller),
        route(Method::GET, "/exchanges/{id}/opening", Endpoint::Opening, Needs::Caller),
        route(Method::GET, "/packages", Endpoint::Packages, Needs::Caller),
        route(Method::POST, "/packages/reload", Endpoint::ReloadPackages, Needs::Caller),
        route(Method::GET, "/ledger/checkpoint", Endpoint::Checkpoint, Needs::Nobody),
        route(Method::GET, "/ledger/tile/{path*}", Endpoint::Tile, Needs::Nobody),
        route(Method::GET, "/ledger/receipts/{id}", Endpoint::Receipt, Needs::Nobody),
        route(Method::GET, "/ledger/key", Endpoint::LedgerKey, Needs::Nobody),
        route(Method::GET, "/patient/accesses", Endpoint::Accesses, Needs::Caller),
        route(Method::GET, "/patient/disclosures", Endpoint::Disclosures, Needs::Caller),
        route(Method::GET, "/patient/choices", Endpoint::Choices, Needs::Caller),
        route(Method::POST, "/patient/choices", Endpoint::FileChoices, Needs::Caller),
        route(Method::PUT, "/patient/choices/{id}", Endpoint::ChangeChoices, Needs::Caller),
        route(Method::DELETE, "/patient/choices/{id}", Endpoint::RevokeChoices, Needs::Caller),
        route(Method::POST, "/emergency/find", Endpoint::Find, Needs::Caller),
        route(Method::POST, "/emergency/declare", Endpoint::Declare, Needs::Caller),
        route(Method::GET, "/emergency/grants/{id}/summary", Endpoint::GrantSummary, Needs::Caller),
        route(Method::DELETE, "/emergency/grants/{id}", Endpoint::GrantEnd, Needs::Caller),
        route(Method::GET, "/emergency/reviews", Endpoint::Reviews, Needs::Caller),
        route(Method::GET, "/health/live", Endpoint::Live, Needs::Nobody),
        route(Method::GET, "/health/ready", Endpoint::Ready, Needs::Nobody),
        route(Method::GET, "/metrics", Endpoint::Metrics, Needs::Operator),
        route(Method::GET, "/console", Endpoint::ConsoleFolder, Needs::Nobody),
        route(Method::GET, "/console/{file}", Endpoint::Console, Needs::Nobody),
        route(Method::GET, "/fhir/metadata", Endpoint::Metadata, Needs::Nobody),
        route(Method::GET, "/fhir/openapi.json", Endpoint::OpenApi, Needs::Nobody),
    ];
    routes.extend(fhir_interactions());
    routes
}

/// FHIR R4 http.html, "Style Guide", one line an interaction.
fn fhir_interactions() -> Vec<Route> {
    use Capability::{ConditionalDelete, ConditionalPatch, ConditionalUpdate, Interaction, System};
    vec![
        fhir(Method::POST, "/fhir", Endpoint::Transaction, &[System("transaction"), System("batch")]),
        fhir(Method::POST, "/fhir/{type}", Endpoint::Create, &[Interaction("create")]),
        fhir(Method::GET, "/fhir/{type}", Endpoint::Search, &[Interaction("search-type")]),
        fhir(Method::PUT, "/fhir/{type}", Endpoint::ConditionalUpdate, &[ConditionalUpdate]),
        fhir(Method::DELETE, "/fhir/{type}", Endpoint::ConditionalDelete, &[ConditionalDelete]),
        fhir(Method::PATCH, "/fhir/{type}", Endpoint::ConditionalPatch, &[ConditionalPatch]),
        fhir(Method::POST, "/fhir/{type}/_search", Endpoint::SearchByForm, &[]),
        fhir(Method::GET, "/fhir", Endpoint::SystemSearch, &[System("search-system")]),
        fhir(Method::POST, "/fhir/_search", Endpoint::SystemSearchByForm, &[]),
        fhir(Method::GET, "/fhir/{compartment}/{id}/{type}", Endpoint::CompartmentSearch, &[]),
        fhir(Method::POST, "/fhir/{compartment}/{id}/{type}/_search", Endpoint::CompartmentSearchByForm, &[]),
        fhir(Method::GET, "/fhir/{type}/{id}", Endpoint::Read, &[Interaction("read")]),
        fhir(Method::PUT, "/fhir/{type}/{id}", Endpoint::Update, &[Interaction("update")]),
        fhir(Method::GET, "/fhir/_history", Endpoint::SystemHistory, &[System("history-system")]),
        fhir(Method::GET, "/fhir/{type}/_history", Endpoint::TypeHistory, &[Interaction("history-type")]),
        fhir(Method::PATCH, "/fhir/{type}/{id}", Endpoint::Patch, &[Interaction("patch")]),
        fhir(Method::DELETE, "/fhir/{type}/{id}", Endpoint::Delete, &[Interaction("delete")]),
        fhir(Method::GET, "/fhir/{type}/{id}/_history", Endpoint::History, &[Interaction("history-instance")]),
        fhir(Method::GET, "/fhir/{type}/{id}/_history/{version}", Endpoint::VersionRead, &[Interaction("vread")]),
        fhir(Method::GET, "/fhir/_jobs/{job}", Endpoint::Job, &[]),
        fhir(Method::DELETE, "/fhir/_jobs/{job}", Endpoint::EndJob, &[]),
    ]
}

/// Interactions that may be left to a job.
pub(super) const fn may_wait(endpoint: Endpoint) -> bool {
    matches!(
        endpoint,
        Endpoint::Search
            | Endpoint::SearchByForm
            | Endpoint::SystemSearch
            | Endpoint::SystemSearchByForm
            | Endpoint::CompartmentSearch
            | Endpoint::CompartmentSearchByForm
            | Endpoint::History
            | Endpoint::TypeHistory
            | Endpoint::SystemHistory
            | Endpoint::Transaction
    )
}
