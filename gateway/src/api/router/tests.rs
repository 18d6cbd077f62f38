//! Which address reaches what.

use super::*;

#[track_caller]
fn check(method: Method, path: &str, endpoint: Endpoint, params: &[(&str, &str)]) {
    let Found::Route(route, found) = find(&method, path) else { panic!("{method} {path} is not known") };
    assert_eq!(route.endpoint, endpoint, "{method} {path}");
    for (name, value) in params {
        assert_eq!(found.text(name), *value, "{path}");
    }
}

#[test]
fn tells_literal_segments_from_parameters() {
    check(Method::GET, "/fhir/metadata", Endpoint::Metadata, &[]);
    check(Method::GET, "/fhir/Patient", Endpoint::Search, &[("type", "Patient")]);
    check(Method::POST, "/fhir/Patient/_search", Endpoint::SearchByForm, &[("type", "Patient")]);
    check(Method::GET, "/fhir/Patient/a/_history/2", Endpoint::VersionRead, &[("id", "a"), ("version", "2")]);
    check(Method::GET, "/fhir/Patient/a/$summary", Endpoint::Summary, &[("id", "a")]);
    check(Method::POST, "/fhir/", Endpoint::Transaction, &[]);
}

#[test]
fn gives_a_tail_as_it_stands() {
    check(Method::GET, "/ledger/tile/0/x001/067.p/5", Endpoint::Tile, &[("path", "0/x001/067.p/5")]);
}

#[test]
fn answers_head_like_get() {
    check(Method::HEAD, "/health/live", Endpoint::Live, &[]);
}

#[test]
fn names_the_methods_of_a_known_path() {
    let Found::Method(mut allowed) = find(&Method::POST, "/fhir/Patient/a") else { panic!() };
    allowed.sort_by_key(|method| method.as_str());
    assert_eq!(allowed, [&Method::DELETE, &Method::GET, &Method::PATCH, &Method::PUT]);
    let Found::Method(mut allowed) = find(&Method::PUT, "/fhir/Patient/a/$everything") else { panic!() };
    allowed.sort_by_key(|method| method.as_str());
    assert_eq!(allowed, [&Method::GET, &Method::POST]);
    assert!(matches!(find(&Method::GET, "/elsewhere"), Found::Nothing));
    assert!(matches!(find(&Method::GET, "/fhir/Patient/a/b/c/d"), Found::Nothing));
}

#[test]
fn takes_neither_operations_nor_interactions_for_names() {
    for path in ["/fhir/Patient/$unknown", "/fhir/Patient/_unknown", "/fhir/$unknown", "/fhir/Patient/a/$unknown"] {
        assert!(matches!(find(&Method::GET, path), Found::Nothing), "{path}");
    }
    check(Method::GET, "/fhir/Patient/a/%24summary", Endpoint::Summary, &[("id", "a")]);
}

#[test]
fn no_operation_that_changes_something_is_asked_by_get() {
    for operation in OPERATIONS {
        assert!(!operation.changes || operation.at.iter().all(|at| at.by == By::Post), "{}", operation.name);
        for at in operation.at {
            assert!(at.pattern.ends_with(&format!("/${}", operation.name)), "{}", at.pattern);
        }
    }
}

#[test]
fn undoes_percent_escapes_and_refuses_cut_ones() {
    check(Method::POST, "/ingest/ward%207", Endpoint::Ingest, &[("source", "ward 7")]);
    assert!(matches!(find(&Method::POST, "/ingest/a%2"), Found::Nothing));
}

#[test]
fn every_route_is_reached_by_its_own_pattern() {
    for route in routes() {
        let path = route.pattern.replace(['{', '}', '*'], "");
        let Found::Route(found, _) = find(&route.method, &path) else { panic!("{path}") };
        assert_eq!(found.endpoint, route.endpoint, "{path}");
    }
}
