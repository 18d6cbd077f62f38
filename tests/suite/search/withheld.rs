//! No match, chain, `_has`, filter, order, number or word tells of what is withheld.

use serde_json::{Value, json};

use super::{LABELS, Site, ids, link, site};

const LOINC: &str = "http://loinc.org";

/// Patient `p` with an open and a labelled Observation and Encounter; patient `q` is withheld whole.
fn full() -> Site {
    let site = site();
    let class = json!({"system": LABELS, "code": "AMB"});
    for (id, patient, label) in [("e-open", "p", None), ("e-psy", "p", Some("PSY")), ("e-q", "q", None)] {
        let mut encounter = json!({"resourceType": "Encounter", "id": id, "status": "finished", "class": class,
            "subject": {"reference": format!("Patient/{patient}")},
            "type": [{"coding": [{"system": "urn:visits", "code": id}], "text": "clinic"}]});
        if let Some(label) = label {
            encounter["meta"] = json!({"security": [{"system": LABELS, "code": label}]});
        }
        site.put(encounter);
    }
    let coded = |code: &str, encounter: &str, value: f64| {
        json!({"code": {"coding": [{"system": LOINC, "code": code}]},
            "encounter": {"reference": format!("Encounter/{encounter}")},
            "valueQuantity": {"value": value, "unit": "1/min", "system": "http://unitsofmeasure.org", "code": "/min"}})
    };
    site.observation("o-open", "p", false, coded("8867-4", "e-open", 60.0));
    site.observation("o-psy", "p", true, coded("44249-1", "e-open", 20.0));
    site.observation("o-in-psy", "p", false, coded("8310-5", "e-psy", 80.0));
    site.observation("o-q", "q", false, coded("8867-4", "e-q", 70.0));
    site
}

#[track_caller]
fn check(site: &Site, path: &str, expect: &[&str]) {
    let path = path.replace(' ', "%20");
    let bundle = site.found(&path);
    let mut found = ids(&bundle);
    found.sort_unstable();
    assert_eq!(found, expect, "{path}");
    let counted = site.found(&format!("{path}&_summary=count"));
    assert_eq!(counted["total"], expect.len(), "{path}");
    let accurate = site.found(&format!("{path}&_count=1&_total=accurate"));
    assert_eq!(accurate["total"], expect.len(), "{path}");
}

#[test]
fn chains_lead_through_what_may_be_read_alone() {
    let site = full();
    check(&site, "/fhir/Observation?encounter.type=urn:visits|e-open", &["o-open"]);
    // The Observation may be read, the Encounter that it refers to may not.
    check(&site, "/fhir/Observation?encounter.type=urn:visits|e-psy", &[]);
    check(&site, "/fhir/Observation?encounter:Encounter.status=finished", &["o-open"]);
    check(&site, "/fhir/Observation?patient=p&encounter.status=finished", &["o-open"]);
    check(&site, "/fhir/Observation?subject:Patient.name=shut", &[]);
    check(&site, "/fhir/Observation?subject:Patient.name=open", &["o-in-psy", "o-open"]);
    check(&site, "/fhir/Observation?_filter=encounter.status eq finished", &["o-open"]);
    check(&site, "/fhir/Observation?encounter.subject:Patient.name=open", &["o-open"]);
}

#[test]
fn what_refers_counts_if_it_may_be_read() {
    let site = full();
    check(&site, &format!("/fhir/Patient?_has:Observation:patient:code={LOINC}|8867-4"), &["p"]);
    check(&site, &format!("/fhir/Patient?_has:Observation:patient:code={LOINC}|44249-1"), &[]);
    check(&site, &format!("/fhir/Patient?_id=p,q&_has:Observation:patient:code={LOINC}|44249-1"), &[]);
    check(&site, "/fhir/Encounter?_has:Observation:encounter:status=final", &["e-open"]);
    check(&site, "/fhir/Encounter?_has:Observation:encounter:value-quantity=lt30", &[]);
    // What it refers to has the id, and not the type.
    site.put(
        json!({"resourceType": "Encounter", "id": "p", "status": "finished", "subject": {"reference": "Patient/p"},
        "class": {"system": LABELS, "code": "AMB"}}),
    );
    site.put(
        json!({"resourceType": "Composition", "id": "c", "status": "final", "date": "2026-01-01", "title": "Letter",
        "type": {"text": "letter"}, "subject": {"reference": "Patient/p"}, "author": [{"display": "somebody"}]}),
    );
    check(&site, "/fhir/Encounter?_has:Composition:subject:status=final", &[]);
    check(&site, "/fhir/Patient?_has:Composition:subject:status=final", &["p"]);
    // In one another: an Encounter with an Observation is named by a Patient's Observation.
    check(&site, "/fhir/Patient?_has:Encounter:patient:_has:Observation:encounter:status=final", &["p"]);
    check(&site, "/fhir/Patient?_has:Encounter:patient:_has:Observation:encounter:value-quantity=80", &[]);
}

#[test]
fn what_is_not_so_tells_of_what_is_seen_alone() {
    let site = full();
    check(&site, &format!("/fhir/Observation?code:not={LOINC}|8867-4"), &["o-in-psy"]);
    check(&site, "/fhir/Observation?patient=p&value-quantity:missing=true", &[]);
    check(&site, "/fhir/Observation?patient=p&value-quantity:missing=false", &["o-in-psy", "o-open"]);
    check(&site, "/fhir/Observation?_filter=not (code eq 8867-4)", &["o-in-psy"]);
    check(&site, "/fhir/Observation?_filter=value-quantity lt 30 or value-quantity gt 75", &["o-in-psy"]);
    check(&site, "/fhir/Observation?_security:not=http://nothing|x", &["o-in-psy", "o-open"]);
    check(&site, &format!("/fhir/Observation?_security={LABELS}|PSY"), &[]);
}

#[test]
fn the_order_is_of_what_is_seen() {
    let site = full();
    let of = |path: &str| ids(&site.found(path)).iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    assert_eq!(of("/fhir/Observation?_sort=value-quantity"), ["o-open", "o-in-psy"]);
    assert_eq!(of("/fhir/Observation?_sort=-value-quantity"), ["o-in-psy", "o-open"]);
    let first = site.found("/fhir/Observation?_sort=code,-_lastUpdated&_count=1");
    assert_eq!((ids(&first), &first["total"]), (vec!["o-in-psy"], &json!(2)));
    let next = site.found(&link(&first, "next").unwrap());
    assert_eq!(ids(&next), ["o-open"]);
    assert!(link(&next, "next").is_none() && link(&next, "previous").is_some(), "{next}");
    assert_eq!(ids(&site.found(&link(&next, "previous").unwrap())), ["o-in-psy"]);
    assert_eq!(ids(&site.found(&link(&first, "last").unwrap())), ["o-open"]);
    // A link says nothing of the values that a page ends with.
    assert!(!link(&first, "next").unwrap().contains("8310"), "{first}");
}

/// A document of `p` with two sections, one of which is about something labelled.
#[test]
fn what_was_taken_out_of_a_resource_finds_nothing_and_its_absence_neither() {
    let site = full();
    site.put(json!({"resourceType": "Composition", "id": "c", "status": "final", "date": "2026-01-01",
        "type": {"coding": [{"system": LOINC, "code": "60591-5"}]}, "title": "Summary",
        "subject": {"reference": "Patient/p"}, "author": [{"display": "somebody"}],
        "section": [
            {"title": "open", "code": {"coding": [{"system": LOINC, "code": "8716-3"}]}, "entry": [{"reference": "Observation/o-open"}]},
            {"title": "psy", "code": {"coding": [{"system": LOINC, "code": "10190-7"}]}, "entry": [{"reference": "Observation/o-psy"}]}]}));
    let whole = site.found("/fhir/Composition?_id=c");
    assert_eq!(whole["entry"][0]["resource"]["section"].as_array().unwrap().len(), 1, "{whole}");
    check(&site, &format!("/fhir/Composition?section={LOINC}|8716-3"), &["c"]);
    check(&site, &format!("/fhir/Composition?section={LOINC}|10190-7"), &[]);
    check(&site, &format!("/fhir/Composition?section:not={LOINC}|10190-7"), &["c"]);
    check(&site, "/fhir/Composition?entry=Observation/o-open", &["c"]);
    check(&site, "/fhir/Composition?entry=Observation/o-psy", &[]);
    check(&site, "/fhir/Composition?entry.code=44249-1", &[]);
    check(&site, "/fhir/Composition?entry.code=8867-4", &["c"]);
    check(&site, "/fhir/Composition?_content=psy", &[]);
    check(&site, "/fhir/Composition?_content=open", &["c"]);
}

#[test]
fn words_and_lists_are_those_that_may_be_read() {
    let site = full();
    let told = |id: &str, patient: &str, text: &str, psy: bool| {
        let mut note = json!({"resourceType": "Condition", "id": id, "subject": {"reference": format!("Patient/{patient}")},
            "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]},
            "text": {"status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>{text}</p></div>")},
            "code": {"text": "Höhenangst"}});
        if psy {
            note["meta"] = json!({"security": [{"system": LABELS, "code": "PSY"}]});
        }
        site.put(note);
    };
    told("c1", "p", "fear of heights", false);
    told("c2", "p", "fear of depths", true);
    told("c3", "q", "fear of flying", false);
    check(&site, "/fhir/Condition?_text=fear", &["c1"]);
    check(&site, "/fhir/Condition?_text=hohenangst", &[]);
    check(&site, "/fhir/Condition?_content=hohenangst", &["c1"]);
    check(&site, "/fhir/Condition?_text=fear depths", &[]);
    site.put(json!({"resourceType": "List", "id": "l", "status": "current", "mode": "working",
        "subject": {"reference": "Patient/p"},
        "entry": [{"item": {"reference": "Condition/c1"}}, {"item": {"reference": "Condition/c2"}},
                  {"item": {"reference": "Observation/o-open"}}, {"item": {"reference": "Observation/o-in-psy"}, "deleted": true}]}));
    site.put(json!({"resourceType": "List", "id": "l-psy", "status": "current", "mode": "working",
        "meta": {"security": [{"system": LABELS, "code": "PSY"}]}, "subject": {"reference": "Patient/p"},
        "entry": [{"item": {"reference": "Condition/c1"}}]}));
    check(&site, "/fhir/Condition?_list=l", &["c1"]);
    check(&site, "/fhir/Observation?_list=l", &["o-open"]);
    check(&site, "/fhir/Condition?_list=l-psy", &[]);
    check(&site, "/fhir/Condition?_list=nothing", &[]);
    let refused = site.clinician.get("/fhir/Condition?_list=$current-problems");
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("_list"), "{}", refused.text());
}

#[test]
fn compartments_and_the_whole_system_show_what_a_search_of_a_type_shows() {
    let site = full();
    let all = |path: &str| {
        let bundle = site.found(path);
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        let name = |entry: &Value| {
            format!(
                "{}/{}",
                entry["resource"]["resourceType"].as_str().unwrap(),
                entry["resource"]["id"].as_str().unwrap()
            )
        };
        let mut names: Vec<String> = entries.iter().map(name).collect();
        names.sort();
        names
    };
    assert_eq!(all("/fhir/Patient/p/Observation"), ["Observation/o-in-psy", "Observation/o-open"]);
    assert_eq!(all(&format!("/fhir/Patient/p/Observation?code={LOINC}|8867-4")), ["Observation/o-open"]);
    assert_eq!(all("/fhir/Patient/q/Observation"), Vec::<String>::new());
    assert_eq!(all("/fhir/Patient/zz/Observation"), Vec::<String>::new());
    assert_eq!(all("/fhir/Encounter/e-open/Observation"), ["Observation/o-open"]);
    let mine = ["Encounter/e-open", "Observation/o-in-psy", "Observation/o-open", "Patient/p"];
    let clinical = |names: Vec<String>| -> Vec<String> {
        names.into_iter().filter(|name| !name.starts_with("AuditEvent/") && !name.starts_with("Consent/")).collect()
    };
    assert_eq!(clinical(all("/fhir/Patient/p/*")), mine);
    assert_eq!(all("/fhir/Patient/q/*"), Vec::<String>::new());
    assert_eq!(
        all("/fhir?_type=Observation,Encounter&_id=o-open,o-psy,e-open,e-q"),
        ["Encounter/e-open", "Observation/o-open"]
    );
    let form = site.clinician.send(
        "POST",
        "/fhir/Patient/p/Observation/_search",
        &[("Content-Type", "application/x-www-form-urlencoded")],
        b"code=8867-4",
    );
    assert_eq!(ids(&form.json()), ["o-open"]);
    let system = site.clinician.send(
        "POST",
        "/fhir/_search",
        &[("Content-Type", "application/x-www-form-urlencoded")],
        b"_type=Encounter&_id=e-open,e-psy",
    );
    assert_eq!(ids(&system.json()), ["e-open"]);
    for (path, status) in
        [("/fhir/Group/g/Observation", 404), ("/fhir/Patient/p/Medication", 404), ("/fhir/Patient/p/Nothing", 404)]
    {
        assert_eq!(site.clinician.get(path).status, status, "{path}");
    }
}

#[test]
fn a_search_without_an_answer_is_answered_as_one_of_what_is_withheld() {
    let site = full();
    let pairs = [
        ("/fhir/Observation?encounter.type=urn:visits|e-psy", "/fhir/Observation?encounter.type=urn:visits|e-none"),
        ("/fhir/Patient?_has:Observation:patient:code=44249-1", "/fhir/Patient?_has:Observation:patient:code=0-0"),
        ("/fhir/Observation?subject:Patient.name=shut", "/fhir/Observation?subject:Patient.name=nobody"),
        ("/fhir/Patient/q/Observation?status=final", "/fhir/Patient/zz/Observation?status=final"),
    ];
    for (withheld, unknown) in pairs {
        let (one, other) = (site.found(withheld), site.found(unknown));
        assert_eq!((&one["total"], &one["entry"]), (&other["total"], &other["entry"]), "{withheld}");
        assert_eq!(one["link"].as_array().unwrap().len(), 1, "{one}");
    }
}
