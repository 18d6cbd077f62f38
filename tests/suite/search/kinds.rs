//! What goes beyond the rows of one resource: value sets, places, filters, merged persons, whole answers.

use serde_json::{Value, json};
use tests::http::Http;
use tests::process::Gateway;

use super::ids;

const LOINC: &str = "http://loinc.org";

fn open() -> (Gateway, Http) {
    let gateway = Gateway::start(
        "[listen]\nhttp = \"127.0.0.1:0\"\nhttps = \"127.0.0.1:0\"\nmllp = \"127.0.0.1:0\"\n\n[auth]\nmode = \"open\"\n",
    );
    let http = Http::to(gateway.http.unwrap());
    (gateway, http)
}

#[track_caller]
fn put(http: &Http, resource: Value) {
    assert_eq!(http.store(&resource).status, 201);
}

#[track_caller]
fn check(http: &Http, path: &str, expect: &[&str]) {
    let answer = http.get(&path.replace(' ', "%20"));
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    let bundle = answer.json();
    let mut found = ids(&bundle);
    found.sort_unstable();
    assert_eq!(found, expect, "{path}");
}

#[track_caller]
fn refused(http: &Http, path: &str, named: &[&str]) {
    let answer = http.get(path);
    assert_eq!(answer.status, 400, "{path}: {}", answer.text());
    let text = answer.text();
    assert!(named.iter().all(|name| text.contains(name)), "{path}: {text}");
}

#[test]
fn value_sets_and_hierarchies_stand_for_their_codes() {
    let (_gateway, http) = open();
    put(
        &http,
        json!({"resourceType": "ValueSet", "id": "rates", "url": "https://north.example/rates", "status": "active",
        "compose": {"include": [{"system": LOINC, "concept": [{"code": "8867-4"}, {"code": "9279-1"}]}]}}),
    );
    for (id, code) in [("heart", "8867-4"), ("breath", "9279-1"), ("heat", "8310-5")] {
        put(
            &http,
            json!({"resourceType": "Observation", "id": id, "status": "final",
            "code": {"coding": [{"system": LOINC, "code": code}]}}),
        );
    }
    for class in ["AMB", "IMP", "ACUTE"] {
        put(
            &http,
            json!({"resourceType": "Encounter", "id": class.to_lowercase(), "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": class}}),
        );
    }
    check(&http, "/fhir/Observation?code:in=https://north.example/rates", &["breath", "heart"]);
    check(&http, "/fhir/Observation?code:in=ValueSet/rates", &["breath", "heart"]);
    check(&http, "/fhir/Observation?code:not-in=https://north.example/rates", &["heat"]);
    check(&http, "/fhir/Encounter?class:below=http://terminology.hl7.org/CodeSystem/v3-ActCode|IMP", &["acute", "imp"]);
    check(
        &http,
        "/fhir/Encounter?class:above=http://terminology.hl7.org/CodeSystem/v3-ActCode|ACUTE",
        &["acute", "imp"],
    );
    refused(&http, "/fhir/Observation?code:in=https://north.example/nothing", &["code", "not-found"]);
}

#[test]
fn places_filters_and_every_problem_of_a_query() {
    let (_gateway, http) = open();
    for (id, latitude, longitude) in [("york", 53.96, -1.08), ("leeds", 53.80, -1.55), ("paris", 48.86, 2.35)] {
        put(
            &http,
            json!({"resourceType": "Location", "id": id, "name": id, "status": "active",
            "position": {"latitude": latitude, "longitude": longitude}}),
        );
    }
    check(&http, "/fhir/Location?near=53.9|-1.3|40|km", &["leeds", "york"]);
    check(&http, "/fhir/Location?near=53.9|-1.3|5|km", &[]);
    check(&http, "/fhir/Location?near=53.96|-1.08|100|m", &["york"]);
    check(&http, "/fhir/Location?_filter=name eq york or name eq paris", &["paris", "york"]);
    check(&http, "/fhir/Location?_filter=not (name eq york) and status eq active", &["leeds", "paris"]);
    // Every problem is named, not the first alone.
    refused(
        &http,
        "/fhir/Location?colour=red&near=x&status:exact=active&_sort=taste",
        &["colour", "near", "exact", "taste"],
    );
    let lenient = http.send("GET", "/fhir/Location?colour=red&name=york", &[("Prefer", "handling=lenient")], b"");
    let bundle = lenient.json();
    let own = bundle["link"][0]["url"].as_str().unwrap();
    assert!(own.contains("name=york") && !own.contains("colour"), "{own}");
    let outcome = bundle["entry"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&outcome["search"]["mode"], &outcome["resource"]["issue"][0]["severity"]),
        (&json!("outcome"), &json!("warning"))
    );
    assert!(outcome.to_string().contains("colour"), "{outcome}");
}

#[test]
fn numbers_of_matches_are_those_of_all_pages() {
    let (_gateway, http) = open();
    for number in 0..5 {
        put(&http, json!({"resourceType": "Basic", "id": format!("b{number}"), "code": {"text": "thing"}}));
    }
    let total = |query: &str| http.get(&format!("/fhir/Basic?{query}")).json()["total"].clone();
    assert_eq!(total(""), 5);
    assert_eq!(total("_count=2"), Value::Null);
    assert_eq!(total("_count=2&_total=accurate"), 5);
    assert_eq!(total("_count=2&_total=estimate"), 5);
    assert_eq!(total("_total=none"), Value::Null);
    assert_eq!(total("_count=2&_sort=_id"), 5);
    let none = http.get("/fhir/Basic?_count=0").json();
    assert_eq!((&none["total"], &none["entry"]), (&json!(5), &Value::Null));
    let sorted = http.get("/fhir/Basic?_sort=-_id").json();
    assert_eq!(ids(&sorted), ["b4", "b3", "b2", "b1", "b0"]);
}

#[test]
fn a_condition_may_ask_what_a_search_may() {
    let (_gateway, http) = open();
    put(&http, json!({"resourceType": "Patient", "id": "p", "name": [{"family": "Ash"}]}));
    put(
        &http,
        json!({"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"},
        "subject": {"reference": "Patient/p"}}),
    );
    let create = |condition: &str| {
        let headers = [("Content-Type", "application/fhir+json"), ("If-None-Exist", condition)];
        let body = json!({"resourceType": "Observation", "status": "final", "code": {"text": "y"}});
        http.send("POST", "/fhir/Observation", &headers, body.to_string().as_bytes()).status
    };
    assert_eq!(create("subject:Patient.name=ash"), 200);
    assert_eq!(create("subject:Patient.name=oak"), 201);
    assert_eq!(create("_count=1"), 400);
}
