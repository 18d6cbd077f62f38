//! Search parameters of the site: from the configuration, and stored by an administrator; in force at once, also for what
//! was written before, refused when broken, gone when retired.

use serde_json::{Value, json};
use tests::http::Http;
use tests::process::{Gateway, configuration, wait_until};

fn nickname(status: &str) -> Value {
    json!({"resourceType": "SearchParameter", "id": "nick", "url": "http://example.org/sp/nick", "name": "Nick", "status": status,
        "description": "Nicknames of a person", "code": "nick", "base": ["Person"], "type": "string",
        "expression": "Person.name.where(use='nickname').given"})
}

fn found(http: &Http, path: &str) -> Vec<String> {
    let answer = http.get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    let bundle = answer.json();
    let entries = bundle["entry"].as_array().into_iter().flatten();
    entries.map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_stored_parameter_is_in_force_at_once_and_finds_what_was_there_before() {
    let gateway = Gateway::start(
        "[listen]\nhttp = \"127.0.0.1:0\"\nhttps = \"127.0.0.1:0\"\nmllp = \"127.0.0.1:0\"\n[auth]\nmode = \"open\"\n",
    );
    let http = Http::to(gateway.http.unwrap());
    for (id, given) in [("a", "Bob"), ("b", "Al")] {
        let person = json!({"resourceType": "Person", "id": id, "name": [{"use": "nickname", "given": [given]}]});
        assert_eq!(http.put(&format!("/fhir/Person/{id}"), &person).status, 201);
    }
    let unknown = http.get("/fhir/Person?nick=bo");
    assert_eq!(unknown.status, 400);
    assert!(unknown.text().contains("'nick'"), "{}", unknown.text());

    let mut broken = nickname("active");
    broken["expression"] = json!("Person.name.where(");
    broken["code"] = json!("n k");
    let refused = http.put("/fhir/SearchParameter/nick", &broken);
    assert_eq!(refused.status, 422, "{}", refused.text());
    for place in ["SearchParameter.code", "SearchParameter.expression"] {
        assert!(refused.text().contains(place), "{place} in {}", refused.text());
    }

    assert_eq!(http.put("/fhir/SearchParameter/nick", &nickname("active")).status, 201);
    let after = json!({"resourceType": "Person", "id": "c", "name": [{"use": "nickname", "given": ["Bobby"]}]});
    assert_eq!(http.put("/fhir/Person/c", &after).status, 201);
    assert_eq!(found(&http, "/fhir/Person?nick=bobb"), ["c"]);
    wait_until("the reindex", || found(&http, "/fhir/Person?nick=bo").len() == 2);
    wait_until("it says that it is done", || http.get("/health/ready").text().contains("indexed anew"));
    assert!(http.get("/fhir/metadata").text().contains("http://example.org/sp/nick"));

    assert_eq!(http.put("/fhir/SearchParameter/nick", &nickname("retired")).status, 200);
    assert_eq!(http.get("/fhir/Person?nick=bo").status, 400, "a retired parameter is none");
}

#[test]
fn parameters_of_the_configuration_hold_from_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nick.json");
    std::fs::write(&path, nickname("active").to_string()).unwrap();
    let more = format!("\n[search]\nparameters = [{:?}]\n", path.display().to_string());
    let gateway = Gateway::start(&configuration(&more));
    let administrator = Http::to(gateway.http.unwrap()).with(&gateway.administrator());
    let person = json!({"resourceType": "Person", "id": "a", "name": [{"use": "nickname", "given": ["Bob"]}]});
    assert_eq!(administrator.put("/fhir/Person/a", &person).status, 201);
    assert_eq!(administrator.get("/fhir/Person?nick=bo").status, 200);
    let clinician = Http::to(gateway.http.unwrap()).with(&gateway.token(&[
        "--role",
        "clinician",
        "--purpose",
        "TREAT",
        "--actor",
        "Practitioner/c",
    ]));
    let other = clinician.put("/fhir/SearchParameter/other", &nickname("active"));
    assert_eq!(other.status, 403, "what is searched by is an administrator's: {}", other.text());
}
