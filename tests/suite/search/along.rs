//! What comes along: includes that follow includes, wildcards, types of targets; each decided by itself.

use serde_json::{Value, json};

use super::{LABELS, Site, site};

fn full() -> Site {
    let site = site();
    site.put(json!({"resourceType": "Organization", "id": "house", "name": "House"}));
    site.put(json!({"resourceType": "Organization", "id": "ward", "name": "Ward", "partOf": {"reference": "Organization/house"}}));
    let class = json!({"system": LABELS, "code": "AMB"});
    for (id, psy) in [("e1", false), ("e2", true)] {
        let mut encounter = json!({"resourceType": "Encounter", "id": id, "status": "finished", "class": class,
            "subject": {"reference": "Patient/p"}, "serviceProvider": {"reference": "Organization/ward"}});
        if psy {
            encounter["meta"] = json!({"security": [{"system": LABELS, "code": "PSY"}]});
        }
        site.put(encounter);
    }
    site.observation("o1", "p", false, json!({"encounter": {"reference": "Encounter/e1"}}));
    site.observation(
        "o2",
        "p",
        false,
        json!({"encounter": {"reference": "Encounter/e2"},
        "hasMember": [{"reference": "Observation/o1"}, {"reference": "Observation/o3"}]}),
    );
    site.observation("o3", "p", true, json!({"encounter": {"reference": "Encounter/e1"}}));
    site
}

/// `Type/id` of what came along, sorted.
fn along(bundle: &Value) -> Vec<String> {
    let entries = bundle["entry"].as_array().into_iter().flatten().filter(|entry| entry["search"]["mode"] == "include");
    let name = |entry: &Value| {
        format!("{}/{}", entry["resource"]["resourceType"].as_str().unwrap(), entry["resource"]["id"].as_str().unwrap())
    };
    let mut names: Vec<String> = entries.map(name).filter(|name| !name.starts_with("AuditEvent/")).collect();
    names.sort();
    names
}

#[track_caller]
fn check(site: &Site, path: &str, expect: &[&str]) {
    assert_eq!(along(&site.found(path)), expect, "{path}");
}

#[test]
fn an_include_of_another_type_has_to_say_that_it_follows_includes() {
    let site = full();
    let path = "/fhir/Observation?_id=o1&_include=Observation:encounter&_include=Encounter:service-provider";
    let refused = site.clinician.get(path);
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("'Encounter:service-provider'"), "{}", refused.text());
}

#[test]
fn each_round_brings_what_may_be_read() {
    let site = full();
    let one = "/fhir/Observation?_id=o1&_include=Observation:encounter";
    check(&site, one, &["Encounter/e1"]);
    check(&site, &format!("{one}&_include:iterate=Encounter:service-provider"), &["Encounter/e1", "Organization/ward"]);
    check(
        &site,
        &format!("{one}&_include:iterate=Encounter:service-provider&_include:iterate=Organization:partof"),
        &["Encounter/e1", "Organization/house", "Organization/ward"],
    );
    // What is withheld leads nowhere.
    check(
        &site,
        "/fhir/Observation?_id=o2&_include=Observation:encounter&_include:iterate=Encounter:service-provider",
        &[],
    );
    check(&site, "/fhir/Observation?_id=o2&_include:iterate=Observation:has-member", &["Observation/o1"]);
    check(&site, "/fhir/Observation?_id=o2&_include=*", &["Observation/o1", "Patient/p"]);
    check(&site, "/fhir/Observation?_id=o2&_include=Observation:*", &["Observation/o1", "Patient/p"]);
    check(&site, "/fhir/Observation?_id=o1&_include=Observation:subject:Patient", &["Patient/p"]);
    check(&site, "/fhir/Observation?_id=o1&_include=Observation:subject:Group", &[]);
}

#[test]
fn what_refers_comes_along_in_rounds_too() {
    let site = full();
    check(&site, "/fhir/Organization?_id=ward&_revinclude=Encounter:service-provider", &["Encounter/e1"]);
    check(
        &site,
        "/fhir/Organization?_id=house&_revinclude:iterate=Organization:partof&_revinclude:iterate=Encounter:service-provider\
         &_revinclude:iterate=Observation:encounter",
        &["Encounter/e1", "Observation/o1", "Organization/ward"],
    );
    check(&site, "/fhir/Encounter?_id=e1&_revinclude=*", &["Observation/o1"]);
    check(&site, "/fhir/Encounter?_id=e2&_revinclude=*", &[]);
}
