//! Search over HTTP: pages in both directions, totals, and that no part of an answer tells of what is withheld.

use serde_json::{Value, json};
use tests::consents::all_but_psychiatry;
use tests::http::Http;
use tests::process::{Gateway, configuration};

mod along;
mod kinds;
mod withheld;

const LABELS: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";

struct Site {
    gateway: Gateway,
    http: Http,
    administrator: Http,
    clinician: Http,
}

/// Patient `p` permits the clinician everything but what is labelled PSY, patient `q` nothing.
fn site() -> Site {
    let gateway = Gateway::start(&configuration(""));
    let http = Http::to(gateway.http.unwrap());
    let administrator = http.with(&gateway.administrator());
    let clinician = http.with(&gateway.clinician("Practitioner/c"));
    let site = Site { gateway, http, administrator, clinician };
    for (id, family) in [("p", "Open"), ("q", "Shut")] {
        site.put(json!({"resourceType": "Patient", "id": id, "name": [{"family": family}]}));
    }
    site.put(all_but_psychiatry("p"));
    site
}

impl Site {
    #[track_caller]
    fn put(&self, resource: Value) {
        self.administrator.store(&resource);
    }

    /// An Observation of `patient`; what `more` holds besides, `psy` labels it.
    #[track_caller]
    fn observation(&self, id: &str, patient: &str, psy: bool, more: Value) {
        let mut observation = json!({"resourceType": "Observation", "id": id, "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
            "subject": {"reference": format!("Patient/{patient}")}});
        if psy {
            observation["meta"] = json!({"security": [{"system": LABELS, "code": "PSY"}]});
        }
        for (name, value) in more.as_object().unwrap() {
            observation[name.as_str()] = value.clone();
        }
        self.put(observation);
    }

    #[track_caller]
    fn found(&self, path: &str) -> Value {
        let answer = self.clinician.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }
}

/// The ids of the matches, in their order.
fn ids(bundle: &Value) -> Vec<&str> {
    let entries = bundle["entry"].as_array().into_iter().flatten();
    entries
        .filter(|entry| entry["search"]["mode"] == "match")
        .map(|entry| entry["resource"]["id"].as_str().unwrap())
        .collect()
}

/// A link as a path; `None` if there is none of that kind.
fn link(bundle: &Value, relation: &str) -> Option<String> {
    let links = bundle["link"].as_array().unwrap();
    let link = links.iter().find(|link| link["relation"] == relation)?["url"].as_str().unwrap();
    Some(format!("/fhir/{}", link.split_once("/fhir/").unwrap().1))
}

#[test]
fn pages_lead_both_ways_past_what_is_withheld_and_what_is_written_meanwhile() {
    let site = site();
    for number in 0..7 {
        site.observation(&format!("o{number}"), "p", number % 3 == 1, json!({}));
    }
    // o1 and o4 are withheld; the newest comes first.
    let first = site.found("/fhir/Observation?patient=p&_count=2");
    assert_eq!(ids(&first), ["o6", "o5"]);
    assert_eq!(first["total"], Value::Null, "a page that does not hold everything says no total");
    assert!(link(&first, "previous").is_none());
    let second = site.found(&link(&first, "next").unwrap());
    assert_eq!(ids(&second), ["o3", "o2"]);
    site.observation("o7", "p", false, json!({}));
    site.observation("o3", "p", false, json!({"status": "amended"}));
    let third = site.found(&link(&second, "next").unwrap());
    assert_eq!(ids(&third), ["o0"]);
    assert!(link(&third, "next").is_none(), "{third}");
    let back = site.found(&link(&third, "previous").unwrap());
    assert_eq!(ids(&back), ["o5", "o2"], "o3 has moved to the front, where it belongs now");
    let before = site.found(&link(&back, "previous").unwrap());
    assert_eq!(ids(&before), ["o7", "o6"]);
    let start = site.found(&link(&before, "previous").unwrap());
    assert_eq!(ids(&start), ["o3"]);
    assert!(link(&start, "previous").is_none(), "{start}");
    assert_eq!(ids(&site.found(&link(&third, "first").unwrap())), ["o3", "o7"]);
    let last = site.found(&link(&first, "last").unwrap());
    assert_eq!(ids(&last), ["o2", "o0"]);
    assert!(link(&last, "next").is_none(), "{last}");
    assert_eq!(ids(&site.found(&link(&last, "previous").unwrap())), ["o6", "o5"]);
    // The own link shows the page again.
    assert_eq!(ids(&site.found(&link(&second, "self").unwrap())), ["o2", "o0"]);
    for whole in
        [site.found("/fhir/Observation?patient=p"), site.found("/fhir/Observation?patient=p&_sort=_lastUpdated")]
    {
        assert_eq!(whole["total"], 6);
        assert_eq!(whole["link"].as_array().unwrap().len(), 1, "one page has no neighbours: {whole}");
    }
}

#[test]
fn a_link_is_of_no_use_to_others_nor_for_another_search() {
    let site = site();
    for number in 0..3 {
        site.observation(&format!("o{number}"), "p", false, json!({}));
    }
    let next = link(&site.found("/fhir/Observation?patient=p&_count=1"), "next").unwrap();
    assert_eq!(site.http.with(&site.gateway.clinician("Practitioner/d")).get(&next).status, 400);
    let purpose = ["--role", "clinician", "--purpose", "HPAYMT", "--actor", "Practitioner/c"];
    assert_eq!(site.http.with(&site.gateway.token(&purpose)).get(&next).status, 400);
    let page = next.split_once("_page=").unwrap().1;
    for path in [format!("/fhir/Observation?_page={page}"), format!("/fhir/Patient?patient=p&_count=1&_page={page}")] {
        assert_eq!(site.clinician.get(&path).status, 400, "{path}");
    }
    for page in ["", "AAAA", "1-2"] {
        assert_eq!(site.clinician.get(&format!("/fhir/Observation?patient=p&_count=1&_page={page}")).status, 400);
    }
}
