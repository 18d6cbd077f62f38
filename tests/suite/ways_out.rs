//! Every way out of the FHIR interface, with consents that let out a part: what comes along, what is counted, what a
//! document shows, and that withheld and unknown are one answer.

use serde_json::{Value, json};
use tests::consents::all_but_psychiatry;
use tests::http::{Answer, Http};
use tests::process::{Gateway, configuration};

struct Site {
    gateway: Gateway,
    http: Http,
    administrator: Http,
    clinician: Http,
}

const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";

/// Patient `p1` permits the clinician everything but what is labelled PSY, `p2` nothing.
fn site() -> Site {
    let gateway = Gateway::start(&configuration(""));
    let http = Http::to(gateway.http.unwrap());
    let administrator = http.with(&gateway.administrator());
    let clinician = http.with(&gateway.clinician("Practitioner/c"));
    let site = Site { gateway, http, administrator, clinician };
    for patient in ["p1", "p2"] {
        site.put(json!({"resourceType": "Patient", "id": patient,
            "identifier": [{"system": "https://north.example/mrn", "value": format!("mrn-{patient}")}]}));
    }
    site.consent();
    site
}

impl Site {
    #[track_caller]
    fn put(&self, resource: Value) {
        self.administrator.store(&resource);
    }

    /// `p1` permits the clinician everything but what is labelled PSY.
    fn consent(&self) {
        self.put(all_but_psychiatry("p1"));
    }

    /// A Condition of `p1`, open or labelled.
    fn condition(&self, id: &str, psy: bool) {
        let mut condition = json!({"resourceType": "Condition", "id": id, "subject": {"reference": "Patient/p1"},
            "code": {"text": format!("about {id}")},
            "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}});
        if psy {
            condition["meta"] = json!({"security": [{"system": ACT_CODE, "code": "PSY"}]});
        }
        self.put(condition);
    }

    /// An Encounter of `p1` for an open Condition and a labelled one, which it calls by name.
    fn encounter(&self) {
        self.condition("open", false);
        self.condition("secret", true);
        self.put(json!({"resourceType": "Encounter", "id": "e", "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
            "subject": {"reference": "Patient/p1"}, "text": {"status": "generated",
                "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">low spirits</div>"},
            "diagnosis": [{"condition": {"reference": "Condition/open", "display": "pressure"}},
                          {"condition": {"reference": "Condition/secret", "display": "low spirits"}}]}));
    }

    #[track_caller]
    fn found(&self, path: &str) -> Value {
        let answer = self.clinician.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }
}

/// `Type/id mode` of each entry.
fn entries(bundle: &Value) -> Vec<String> {
    let entry = |entry: &Value| {
        let resource = &entry["resource"];
        let mode = entry["search"]["mode"].as_str().unwrap_or_default();
        let id = resource["id"].as_str().unwrap_or_default();
        format!("{}/{id} {mode}", resource["resourceType"].as_str().unwrap()).trim().to_owned()
    };
    let mut entries: Vec<String> = bundle["entry"].as_array().into_iter().flatten().map(entry).collect();
    entries.sort();
    entries
}

#[test]
fn what_comes_along_is_decided_by_itself() {
    let site = site();
    site.encounter();
    let bundle =
        site.found("/fhir/Encounter?patient=p1&_include=Encounter:diagnosis&_include=Encounter:patient:Patient");
    assert_eq!(entries(&bundle), ["Condition/open include", "Encounter/e match", "Patient/p1 include"]);
    assert_eq!(bundle["total"], 1, "matches are counted, not what comes along");
    assert!(bundle["link"][0]["url"].as_str().unwrap().contains("_include=Encounter:diagnosis"), "{bundle}");
    assert!(!bundle.to_string().contains("low spirits"), "{bundle}");

    let back = site.found("/fhir/Patient?_id=p1&_revinclude=Condition:patient&_revinclude=Encounter:subject");
    assert_eq!(entries(&back), ["Condition/open include", "Encounter/e include", "Patient/p1 match"]);
    // What is withheld brings nothing along: neither what it refers to nor what refers to it.
    for path in [
        "/fhir/Condition?_id=secret&_include=Condition:patient",
        "/fhir/Condition?_id=secret&_revinclude=Encounter:diagnosis",
        "/fhir/Patient?_id=p2&_revinclude=Condition:patient",
    ] {
        let bundle = site.found(path);
        assert_eq!((entries(&bundle), &bundle["total"]), (vec![], &json!(0)), "{path}");
    }
    assert_eq!(entries(&site.found("/fhir/Condition?_id=open&_revinclude=Encounter:diagnosis:Condition")).len(), 2);
}

#[test]
fn includes_that_are_not_known_are_named() {
    let site = site();
    for (query, named) in [
        ("_include=Encounter:nothing", "'Encounter:nothing'"),
        ("_include=Condition:patient", "'Condition:patient'"),
        ("_include:all=Encounter:part-of", "'all'"),
        ("_revinclude=Condition:patient", "'Condition:patient'"),
        ("_sort=colour", "'colour'"),
        ("_total=exact", "'exact'"),
        ("_summary=all", "'all'"),
    ] {
        let path = format!("/fhir/Encounter?{query}");
        let refused = site.clinician.get(&path);
        assert_eq!(refused.status, 400, "{query}");
        assert!(refused.text().contains(named), "{query}: {}", refused.text());
        let lenient = site.clinician.send("GET", &path, &[("Prefer", "handling=lenient")], b"");
        assert_eq!(lenient.status, 200, "{query}");
        let bundle = lenient.json();
        assert!(
            !bundle["link"][0]["url"].as_str().unwrap().contains('_'),
            "the self link says what was used: {bundle}"
        );
        assert_eq!(bundle["entry"][0]["search"]["mode"], "outcome", "{bundle}");
    }
    let metadata = site.http.get("/fhir/metadata").json();
    let of = |name: &str| {
        let types = metadata["rest"][0]["resource"].as_array().unwrap();
        types.iter().find(|it| it["type"] == name).unwrap().clone()
    };
    assert!(of("Encounter")["searchInclude"].as_array().unwrap().contains(&json!("Encounter:diagnosis")));
    assert!(of("Condition")["searchRevInclude"].as_array().unwrap().contains(&json!("Encounter:diagnosis")));
    let operations = |name: &str| {
        let list = of(name)["operation"].as_array().cloned().unwrap_or_default();
        list.iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(operations("Composition").contains(&"document".to_owned()));
    assert!(!operations("Patient").contains(&"document".to_owned()), "{:?}", operations("Patient"));
    assert!(operations("Patient").contains(&"everything".to_owned()));
}

#[test]
fn no_number_tells_of_what_is_withheld() {
    let site = site();
    for number in 0..6 {
        site.condition(&format!("c{number}"), number % 2 == 0);
    }
    let total = |query: &str| site.found(&format!("/fhir/Condition?patient=p1{query}"))["total"].clone();
    assert_eq!(total(""), 3);
    assert_eq!(total("&_total=none"), Value::Null);
    for kind in ["accurate", "estimate"] {
        assert_eq!(total(&format!("&_count=2&_total={kind}")), 3);
    }
    assert_eq!(total("&_count=2"), Value::Null, "not known without counting");
    for count in ["&_summary=count", "&_count=0"] {
        let bundle = site.found(&format!("/fhir/Condition?patient=p1{count}"));
        assert_eq!((&bundle["total"], &bundle["entry"]), (&json!(3), &Value::Null));
    }
    // Pages are full, and there is none of nothing.
    let first = site.found("/fhir/Condition?patient=p1&_count=2&_total=accurate");
    assert_eq!(entries(&first).len(), 2);
    let link = |bundle: &Value, relation: &str| {
        let links = bundle["link"].as_array().unwrap();
        links.iter().find(|it| it["relation"] == relation).map(|it| it["url"].as_str().unwrap().to_owned())
    };
    let next = link(&first, "next").unwrap();
    let next = &next[next.find("/fhir/").unwrap()..];
    let last = site.found(next);
    assert_eq!((entries(&last).len(), &last["total"], link(&last, "next")), (1, &json!(3), None));
    let other = ["--role", "clinician", "--purpose", "HOPERAT", "--actor", "Practitioner/c"];
    assert_eq!(site.http.with(&site.gateway.token(&other)).get(next).status, 400, "a page of another purpose");
}

#[test]
fn a_search_is_no_oracle() {
    let site = site();
    site.condition("open", false);
    site.condition("secret", true);
    let since = site.administrator.get("/fhir/AuditEvent?_count=1").json()["entry"][0]["resource"]["recorded"].clone();
    let since = since.as_str().unwrap().split('T').next().unwrap().to_owned();
    // Each pair asks by something that is so of a withheld resource and by something that is so of none.
    for (withheld, nothing) in [
        ("Patient?identifier=https://north.example/mrn|mrn-p2", "Patient?identifier=https://north.example/mrn|mrn-p9"),
        ("Patient?identifier=mrn-p2", "Patient?identifier=mrn-p9"),
        ("Patient?_id=p2", "Patient?_id=p9"),
        ("Condition?_id=secret", "Condition?_id=unheard"),
        ("Condition?subject=Patient/p2", "Condition?subject=Patient/p9"),
        ("Condition?_id=secret&_sort=_lastUpdated", "Condition?_id=unheard&_sort=_lastUpdated"),
        ("Condition?_id=secret&_summary=count", "Condition?_id=unheard&_summary=count"),
        ("Condition?_id=secret&_include=Condition:patient", "Condition?_id=unheard&_include=Condition:patient"),
        ("Condition?_id=secret&_sort=code,_id", "Condition?_id=unheard&_sort=code,_id"),
        ("Patient?_id=p2&_has:Condition:patient:_id=secret", "Patient?_id=p2&_has:Condition:patient:_id=unheard"),
        ("Patient?_has:Condition:patient:_id=secret", "Patient?_has:Condition:patient:_id=unheard"),
        ("Condition?patient.identifier=mrn-p2", "Condition?patient.identifier=mrn-p9"),
        ("Condition?_content=secret", "Condition?_content=unheard"),
        ("Patient/p2/Condition", "Patient/p9/Condition"),
    ] {
        let (one, other) = (site.found(&format!("/fhir/{withheld}")), site.found(&format!("/fhir/{nothing}")));
        let shape = |bundle: &Value| {
            (bundle["total"].clone(), bundle["entry"].clone(), bundle["link"].as_array().map(Vec::len))
        };
        assert_eq!(shape(&one), shape(&other), "{withheld}");
        assert_eq!(one["total"], 0, "{withheld}");
    }
    let dated = site.found(&format!("/fhir/Condition?_lastUpdated=ge{since}&_sort=_lastUpdated"));
    assert_eq!(entries(&dated), ["Condition/open match"]);
    assert_eq!(entries(&site.found("/fhir/Condition?patient.identifier=mrn-p1")), ["Condition/open match"]);
    assert_eq!(entries(&site.found("/fhir/Patient?_has:Condition:patient:_id=open,secret")), ["Patient/p1 match"]);
}

#[test]
fn what_is_withheld_is_not_called_by_name_elsewhere() {
    let site = site();
    site.encounter();
    let encounter = site.found("/fhir/Encounter/e");
    let text = encounter.to_string();
    assert!(text.contains("pressure") && !text.contains("low spirits"), "{text}");
    assert!(text.contains("REDACTED"), "{text}");
    for path in ["/fhir/Encounter/e/_history/1", "/fhir/Encounter/e/_history", "/fhir/Patient/p1/$everything"] {
        let text = site.found(path).to_string();
        assert!(text.contains("pressure") && !text.contains("low spirits"), "{path}: {text}");
    }
}

fn composition(id: &str) -> Value {
    let section = |title: &str, reference: &str| {
        json!({"title": title, "text": {"status": "generated",
            "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">told of {title}</div>")},
            "entry": [{"reference": reference}]})
    };
    json!({"resourceType": "Composition", "id": id, "status": "final", "type": {"text": "letter"}, "date": "2026-01-02",
        "title": "Letter", "subject": {"reference": "Patient/p1"}, "author": [{"reference": "Practitioner/c"}],
        "section": [section("Heart", "Condition/open"), section("Mind", "Condition/secret")]})
}

#[test]
fn a_document_holds_what_may_be_seen_and_tells_of_nothing_else() {
    let site = site();
    site.condition("open", false);
    site.condition("secret", true);
    site.put(json!({"resourceType": "Practitioner", "id": "c", "name": [{"family": "Cole"}]}));
    site.put(composition("letter"));
    let document = site.found("/fhir/Composition/letter/$document");
    assert_eq!((&document["type"], &document["resourceType"]), (&json!("document"), &json!("Bundle")));
    assert_eq!(document["entry"][0]["resource"]["resourceType"], "Composition");
    assert_eq!(entries(&document), ["Composition/letter", "Condition/open", "Patient/p1", "Practitioner/c"]);
    let identifier = document["identifier"]["value"].as_str().unwrap();
    assert_eq!(identifier, format!("urn:uuid:{}", document["id"].as_str().unwrap()));
    assert!(document["timestamp"].is_string());
    // The same letter as a stored document, and read by itself.
    let stored = |id: &str, url: &dyn Fn(&str, &str) -> String| {
        let resource = |kind: &str, id: &str| site.administrator_copy(kind, id);
        let entry = |kind: &str, id: &str| json!({"fullUrl": url(kind, id), "resource": resource(kind, id)});
        json!({"resourceType": "Bundle", "id": id, "type": "document", "timestamp": "2026-01-02T10:00:00Z",
            "identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"},
            "entry": [{"fullUrl": url("Composition", "letter"), "resource": composition("letter")},
                      entry("Patient", "p1"), entry("Condition", "open"), entry("Condition", "secret")]})
    };
    site.put(stored("document", &|kind, id| format!("https://north.example/fhir/{kind}/{id}")));
    for path in [
        "/fhir/Composition/letter/$document",
        "/fhir/Composition/letter",
        "/fhir/Composition?_id=letter",
        "/fhir/Patient/p1/$everything",
        "/fhir/Bundle/document",
        "/fhir/Bundle/document/_history/1",
        "/fhir/Bundle?_id=document",
    ] {
        let text = site.found(path).to_string();
        for told in ["Mind", "secret"] {
            assert!(!text.contains(told), "{path}: {told}: {text}");
        }
        assert!(text.contains("told of Heart"), "{path}: {text}");
    }
    let outsider = ["--role", "clinician", "--purpose", "TREAT", "--actor", "Practitioner/d"];
    let outsider = site.http.with(&site.gateway.token(&outsider));
    for path in ["/fhir/Composition/letter/$document", "/fhir/Bundle/document"] {
        assert_eq!(outsider.get(path).status, 404, "{path}");
    }
    assert_eq!(site.clinician.get("/fhir/Composition/letter/$document?persist=true").status, 400);
    assert_eq!(site.clinician.get("/fhir/Composition/letter/$document?persist=false").status, 200);
}

impl Site {
    fn administrator_copy(&self, kind: &str, id: &str) -> Value {
        match (kind, id) {
            ("Patient", id) => json!({"resourceType": "Patient", "id": id}),
            (kind, "secret") => json!({"resourceType": kind, "id": "secret", "subject": {"reference": "Patient/p1"},
                "meta": {"security": [{"system": ACT_CODE, "code": "PSY"}]}, "code": {"text": "about Mind"}}),
            (kind, id) => json!({"resourceType": kind, "id": id, "subject": {"reference": "Patient/p1"}}),
        }
    }
}

#[test]
fn a_binary_is_its_content_for_who_may_read_what_it_belongs_to() {
    let site = site();
    let binary = |id: &str, context: Option<&str>| {
        let mut binary = json!({"resourceType": "Binary", "id": id, "contentType": "image/png", "data": "c2Nhbg=="});
        if let Some(context) = context {
            binary["securityContext"] = json!({"reference": context});
        }
        site.put(binary);
    };
    let named = |id: &str, binary: &str, psy: bool| {
        let mut document = json!({"resourceType": "DocumentReference", "id": id, "status": "current",
            "subject": {"reference": "Patient/p1"},
            "content": [{"attachment": {"contentType": "image/png", "url": format!("Binary/{binary}")}}]});
        if psy {
            document["meta"] = json!({"security": [{"system": ACT_CODE, "code": "PSY"}]});
        }
        site.put(document);
    };
    site.condition("open", false);
    site.condition("secret", true);
    for (id, context, status) in [
        ("b-open", Some("Condition/open"), 200),
        ("b-secret", Some("Condition/secret"), 404),
        ("b-patient", Some("Patient/p1"), 200),
        ("b-other", Some("Patient/p2"), 404),
        ("b-gone", Some("Condition/gone"), 404),
        ("b-self", Some("Binary/b-self"), 404),
        ("b-alone", None, 404),
    ] {
        binary(id, context);
        assert_eq!(site.clinician.get(&format!("/fhir/Binary/{id}")).status, status, "{id}");
        let raw = site.clinician.send("GET", &format!("/fhir/Binary/{id}"), &[("Accept", "image/png")], b"");
        assert_eq!(raw.status, status, "{id}");
        assert_eq!(raw.body == b"scan", status == 200, "{id}");
    }
    for (id, psy, status) in [("named", false, 200), ("named-psy", true, 404)] {
        binary(id, None);
        named(&format!("d-{id}"), id, psy);
        assert_eq!(site.clinician.get(&format!("/fhir/Binary/{id}")).status, status, "{id}");
    }
    let raw = site.clinician.send("GET", "/fhir/Binary/b-open", &[("Accept", "image/png, image/*;q=0.5")], b"");
    assert_eq!(
        (raw.header("content-type"), raw.header("x-content-type-options")),
        (Some("image/png"), Some("nosniff"))
    );
    let fhir = site.clinician.send("GET", "/fhir/Binary/b-open", &[("Accept", "application/fhir+xml")], b"");
    assert!(fhir.text().contains("<Binary ") && fhir.text().contains("c2Nhbg=="), "{}", fhir.text());
    assert_eq!(site.clinician.send("GET", "/fhir/Condition/open", &[("Accept", "image/png")], b"").status, 406);
    // A security context that names something narrower is not widened by who else points there.
    binary("both", Some("Condition/secret"));
    named("d-both", "both", false);
    assert_eq!(site.clinician.get("/fhir/Binary/both").status, 404);
}

#[test]
fn conditions_of_writes_find_what_may_be_read() {
    let site = site();
    let mine = "https://north.example/mrn|";
    let condition = |identifier: &str| {
        json!({"resourceType": "Condition", "subject": {"reference": "Patient/p1"}, "code": {"text": "new"},
            "identifier": [{"system": "https://north.example/mrn", "value": identifier}]})
    };
    for (id, psy) in [("seen", false), ("hidden", true)] {
        let mut resource = condition(id);
        resource["id"] = json!(id);
        if psy {
            resource["meta"] = json!({"security": [{"system": ACT_CODE, "code": "PSY"}]});
        }
        site.put(resource);
    }
    let create = |identifier: &str| {
        let header = format!("identifier={mine}{identifier}");
        let body = condition(identifier).to_string();
        let headers = [("If-None-Exist", header.as_str()), ("Content-Type", "application/fhir+json")];
        site.clinician.send("POST", "/fhir/Condition", &headers, body.as_bytes())
    };
    assert_eq!(create("seen").status, 200);
    assert_eq!((create("hidden").status, create("fresh").status), (201, 201), "a withheld match is no match");
    assert_eq!(create("fresh").status, 200);

    let update = |identifier: &str| {
        site.clinician.put(&format!("/fhir/Condition?identifier={mine}{identifier}"), &condition(identifier))
    };
    let seen = update("seen");
    assert_eq!((seen.status, seen.json()["id"].as_str()), (200, Some("seen")), "{}", seen.text());
    assert_eq!(update("new").status, 201);
    assert_eq!(update("new").status, 200);
    assert_eq!(site.clinician.put("/fhir/Condition?identifier=", &condition("x")).status, 400);
    assert_eq!(site.clinician.put("/fhir/Condition", &condition("x")).status, 400);
    let mut other = condition("seen");
    other["id"] = json!("another");
    assert_eq!(site.clinician.put(&format!("/fhir/Condition?identifier={mine}seen"), &other).status, 400);

    let transaction = |reference: &str| {
        let mut resource = condition("in-a-transaction");
        resource["subject"]["reference"] = json!(reference);
        let bundle = json!({"resourceType": "Bundle", "type": "transaction",
            "entry": [{"resource": resource, "request": {"method": "POST", "url": "Condition"}}]});
        site.clinician.post("/fhir", &bundle)
    };
    assert_eq!(transaction(&format!("Patient?identifier={mine}mrn-p1")).status, 200);
    let (withheld, unknown) = (
        transaction(&format!("Patient?identifier={mine}mrn-p2")),
        transaction(&format!("Patient?identifier={mine}mrn-p9")),
    );
    assert_eq!((withheld.status, withheld.text()), (412, unknown.text()));
    let conditional = |identifier: &str, request: Value| {
        let bundle = json!({"resourceType": "Bundle", "type": "transaction",
            "entry": [{"fullUrl": "urn:uuid:1", "resource": condition(identifier), "request": request}]});
        site.clinician.post("/fhir", &bundle).json()["entry"][0]["response"]["status"].clone()
    };
    let post = |identifier: &str| json!({"method": "POST", "url": "Condition", "ifNoneExist": format!("identifier={mine}{identifier}")});
    let put = |identifier: &str| json!({"method": "PUT", "url": format!("Condition?identifier={mine}{identifier}")});
    assert_eq!(
        (conditional("seen", post("seen")), conditional("later", post("later"))),
        (json!("200 OK"), json!("201 Created"))
    );
    assert_eq!(
        (conditional("seen", put("seen")), conditional("last", put("last"))),
        (json!("200 OK"), json!("201 Created"))
    );
}

/// What a caller sees of an answer: everything but the date, the request's number and the asked id.
fn seen(answer: &Answer, id: &str) -> (u16, Vec<(String, String)>, String) {
    let headers = answer.headers.iter().filter(|(name, _)| name != "date" && name != "x-request-id").cloned().collect();
    (answer.status, headers, answer.text().replace(id, "ID"))
}

/// Method, id, path, headers, and whether a body is sent.
type Way = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)], bool);

#[test]
fn withheld_and_unknown_are_one_answer_by_every_way() {
    let site = site();
    site.put(json!({"resourceType": "Observation", "id": "ob-held", "status": "final", "code": {"text": "x"},
        "subject": {"reference": "Patient/p2"}}));
    site.put(json!({"resourceType": "Patient", "id": "pa-held"}));
    let mut letter = composition("co-held");
    letter["subject"] = json!({"reference": "Patient/p2"});
    site.put(letter);
    site.put(json!({"resourceType": "Binary", "id": "bi-held", "contentType": "image/png", "data": "c2Nhbg==",
        "securityContext": {"reference": "Patient/p2"}}));
    site.put(json!({"resourceType": "Bundle", "id": "bu-held", "type": "collection", "entry": [
        {"resource": {"resourceType": "Observation", "id": "in", "status": "final", "code": {"text": "x"},
                      "subject": {"reference": "Patient/p2"}}}]}));
    let body = |kind: &str, id: &str| {
        json!({"resourceType": kind, "id": id, "status": "final", "code": {"text": "x"},
        "subject": {"reference": "Patient/p1"}})
        .to_string()
    };
    let ways: [Way; 19] = [
        ("GET", "ob", "/fhir/Observation/ID", &[], false),
        ("GET", "ob", "/fhir/Observation/ID", &[("If-None-Match", "W/\"1\"")], false),
        ("GET", "ob", "/fhir/Observation/ID/_history/1", &[], false),
        ("GET", "ob", "/fhir/Observation/ID/_history/2", &[], false),
        ("GET", "ob", "/fhir/Observation/ID/_history", &[], false),
        ("GET", "ob", "/fhir/Observation?_id=ID", &[], false),
        (
            "GET",
            "ob",
            "/fhir/Observation?_id=ID&_include=Observation:patient&_revinclude=Provenance:target",
            &[],
            false,
        ),
        ("GET", "ob", "/fhir/Observation?_id=ID&_summary=count", &[], false),
        ("GET", "ob", "/fhir/Observation/ID/$validate", &[], false),
        ("PUT", "ob", "/fhir/Observation/ID", &[], true),
        ("PUT", "ob", "/fhir/Observation/ID", &[("If-Match", "W/\"1\"")], true),
        ("GET", "pa", "/fhir/Patient/ID", &[], false),
        ("GET", "pa", "/fhir/Patient/ID/$everything", &[], false),
        ("GET", "pa", "/fhir/Patient/ID/$summary", &[], false),
        ("GET", "co", "/fhir/Composition/ID/$document", &[], false),
        ("GET", "bi", "/fhir/Binary/ID", &[], false),
        ("GET", "bi", "/fhir/Binary/ID", &[("Accept", "image/png")], false),
        ("GET", "bu", "/fhir/Bundle/ID", &[], false),
        ("GET", "bu", "/fhir/Bundle/ID/_history", &[], false),
    ];
    for (method, kind, path, headers, writes) in ways {
        for format in ["application/fhir+json", "application/fhir+xml"] {
            let ask = |id: &str| {
                let mut all: Vec<(&str, &str)> = headers.to_vec();
                if !headers.iter().any(|(name, _)| *name == "Accept") {
                    all.push(("Accept", format));
                }
                let body = if writes { body("Observation", id) } else { String::new() };
                if writes {
                    all.push(("Content-Type", "application/fhir+json"));
                }
                let answer = site.clinician.send(method, &path.replace("ID", id), &all, body.as_bytes());
                seen(&answer, id)
            };
            let (withheld, unknown) = (ask(&format!("{kind}-held")), ask(&format!("{kind}-none")));
            assert_eq!(withheld, unknown, "{method} {path} {format}");
            let expected = if path.contains('?') {
                200
            } else if writes {
                403
            } else {
                404
            };
            assert_eq!(withheld.0, expected, "{method} {path}");
        }
    }
}

#[test]
fn what_is_forwarded_calls_nothing_withheld_by_name() {
    let partner = crate::flow::Partner::fhir();
    let gateway = Gateway::start(&configuration(&format!(
        "[[source]]\nname = \"feed\"\ntransport = \"http\"\nformat = \"fhir-r4\"\nids = \"kept\"\ndestinations = [\"clinic\"]\n\
         [[destination]]\nname = \"clinic\"\ntransport = \"fhir\"\naddress = \"http://{}/fhir\"\n\
         recipient = [\"Practitioner/c\"]\nroles = [\"clinician\"]\npurpose = [\"TREAT\"]\n",
        partner.address
    )));
    let http = Http::to(gateway.http.unwrap());
    let administrator = http.with(&gateway.administrator());
    let site = Site { clinician: http.clone(), http, administrator, gateway };
    site.consent();
    site.condition("secret", true);
    let encounter = json!({"resourceType": "Encounter", "id": "e", "status": "finished",
        "class": {"system": ACT_CODE, "code": "AMB"}, "subject": {"reference": "Patient/p1"},
        "diagnosis": [{"condition": {"reference": "Condition/secret", "display": "low spirits"}}]});
    let taken = site.administrator.post("/ingest/feed", &encounter);
    assert_eq!(taken.status, 201, "{}", taken.text());
    tests::process::wait_until("it is forwarded", || !partner.taken().is_empty());
    let sent = partner.taken().join("\n");
    assert!(sent.contains("\"Encounter\"") && !sent.contains("low spirits"), "{sent}");
}
