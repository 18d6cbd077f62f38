//! Patients' own hands over real sockets: who saw my record, accounting, choices that hold from the next request on,
//! exchanges and receipts; and that nobody else gets in there.

use std::process::Command;

use serde_json::{Value, json};
use tests::http::{Answer, Http};
use tests::process::{Gateway, configuration, program, wait_until};

struct Site {
    gateway: Gateway,
    http: Http,
    administrator: Http,
    clinician: Http,
    patient: Http,
}

fn site(more: &str) -> Site {
    let gateway = Gateway::start(&configuration(more));
    let http = Http::to(gateway.http.unwrap());
    let administrator = http.with(&gateway.administrator());
    let clinician = http.with(&gateway.clinician("Practitioner/c"));
    let patient = http.with(&own(&gateway, "p1"));
    let site = Site { gateway, http, administrator, clinician, patient };
    for patient in ["p1", "p2"] {
        site.put(json!({"resourceType": "Patient", "id": patient, "birthDate": "1980-02-03"}));
        site.put(observation(&format!("{patient}-o1"), patient, &[]));
    }
    site.put(json!({"resourceType": "Practitioner", "id": "c", "name": [{"given": ["Carla"], "family": "Cole"}]}));
    site
}

fn own(gateway: &Gateway, id: &str) -> String {
    let actor = format!("Patient/{id}");
    gateway.token(&["--role", "patient", "--purpose", "PATRQT", "--actor", &actor, "--patient", id])
}

fn observation(id: &str, patient: &str, labels: &[&str]) -> Value {
    let label = |code: &&str| {
        let system = if code.len() == 1 { "v3-Confidentiality" } else { "v3-ActCode" };
        json!({"system": format!("http://terminology.hl7.org/CodeSystem/{system}"), "code": code})
    };
    let mut made = json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"},
        "subject": {"reference": format!("Patient/{patient}")}});
    if !labels.is_empty() {
        made["meta"] = json!({"security": labels.iter().map(label).collect::<Vec<_>>()});
    }
    made
}

impl Site {
    #[track_caller]
    fn put(&self, resource: Value) {
        self.administrator.store(&resource);
    }

    fn caller(&self, role: &str, purpose: &str, actor: &str) -> Http {
        self.http.with(&self.gateway.token(&["--role", role, "--purpose", purpose, "--actor", actor]))
    }

    #[track_caller]
    fn accesses(&self, query: &str) -> Vec<Value> {
        let answer = self.patient.get(&format!("/patient/accesses{query}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["accesses"].as_array().unwrap().clone()
    }

    #[track_caller]
    fn file(&self, choices: &Value) -> Value {
        let answer = self.patient.post("/patient/choices", choices);
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()
    }

    #[track_caller]
    fn change(&self, filed: &Value, choices: &Value) -> Value {
        let answer = self.put_choices(filed, choices);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    fn put_choices(&self, filed: &Value, choices: &Value) -> Answer {
        let path = format!("/patient/choices/{}", filed["id"].as_str().unwrap());
        let headers = [("Content-Type", "application/json"), ("If-Match", filed["etag"].as_str().unwrap())];
        self.patient.send("PUT", &path, &headers, choices.to_string().as_bytes())
    }

    fn revoke(&self, id: &str) -> u16 {
        self.patient.send("DELETE", &format!("/patient/choices/{id}"), &[], b"").status
    }
}

fn choices(share: &str) -> Value {
    json!({"share": share, "emergency": "allow", "research": false})
}

#[test]
fn a_patient_sees_who_looked_when_why_and_under_which_consent() {
    let site = site("");
    let filed = site.file(&choices("treating"));
    assert_eq!(site.clinician.get("/fhir/Observation/p1-o1").status, 200);
    assert_eq!(site.clinician.get("/fhir/Observation").status, 200);
    let stranger = site.caller("clinician", "HMARKT", "Practitioner/s");
    assert_eq!(stranger.get("/fhir/Observation/p1-o1").status, 404);
    let seen = site.accesses("");
    let by = |name: &str| seen.iter().filter(|line| line["who"]["name"] == name).cloned().collect::<Vec<_>>();
    let clinician = by("Carla Cole");
    assert_eq!(clinician.len(), 2, "{seen:#?}");
    let (searched, read) = (&clinician[0], &clinician[1]);
    assert_eq!((&searched["what"], &read["what"]), (&json!("searched"), &json!("read")));
    assert_eq!(read["outcome"], "released");
    assert_eq!(read["why"]["purposes"][0]["words"], "treatment");
    assert_eq!((&read["resources"][0]["type"], &read["resources"][0]["count"]), (&json!("Observation"), &json!(1)));
    // Of the search what it gave of this patient, and not what it gave of others.
    assert_eq!(searched["resources"], read["resources"]);
    let decided = &read["decided_by"][0];
    assert_eq!(decided["title"], "Your choices");
    assert_eq!(decided["consent"], format!("Consent/{}", filed["id"].as_str().unwrap()));
    assert_eq!((&decided["said"], &decided["version"]), (&json!("permit"), &json!(1)));
    assert!(decided["words"].as_str().unwrap().contains("for treatment"), "{decided}");
    let refused = by("Practitioner/s");
    assert_eq!((refused.len(), &refused[0]["outcome"]), (1, &json!("refused")), "{seen:#?}");
    assert!(!by("you").is_empty());
    // Nothing of tokens, grants, addresses or the other patient.
    let text = json!(seen).to_string();
    for hidden in ["p2", "jti", "127.0.0.1", "grant"] {
        assert!(!text.contains(hidden), "{hidden}: {text}");
    }
    // As a table, by pages and by time.
    let table = site.patient.get("/patient/accesses?_format=csv");
    assert!(table.header("content-type").unwrap().starts_with("text/csv"));
    assert!(table.text().contains("\"Carla Cole\"") && table.text().contains("\"refused\""), "{}", table.text());
    let page = site.patient.get("/patient/accesses?_count=1").json();
    assert_eq!(page["accesses"].as_array().unwrap().len(), 1);
    let older = site.patient.get(page["next"].as_str().unwrap()).json();
    assert_ne!(older["accesses"][0], page["accesses"][0]);
    assert!(site.accesses("?until=2020-01-01").is_empty());
    assert_eq!(site.patient.get("/patient/accesses?since=soon").status, 400);
}

#[test]
fn only_the_patients_own_token_and_auditors_get_in() {
    let site = site("");
    let other_purpose = site.http.with(&site.gateway.token(&[
        "--role",
        "patient",
        "--purpose",
        "TREAT",
        "--actor",
        "Patient/p1",
        "--patient",
        "p1",
    ]));
    let two_purposes = site.http.with(&site.gateway.token(&[
        "--role",
        "patient",
        "--purpose",
        "PATRQT",
        "--purpose",
        "TREAT",
        "--actor",
        "Patient/p1",
        "--patient",
        "p1",
    ]));
    let other_actor = site.http.with(&site.gateway.token(&[
        "--role",
        "patient",
        "--purpose",
        "PATRQT",
        "--actor",
        "Patient/p2",
        "--patient",
        "p1",
    ]));
    let relative = site.http.with(&site.gateway.token(&[
        "--role",
        "patient",
        "--purpose",
        "PATRQT",
        "--actor",
        "RelatedPerson/r",
        "--patient",
        "p1",
    ]));
    let as_clinician = site.http.with(&site.gateway.token(&[
        "--role",
        "clinician",
        "--purpose",
        "PATRQT",
        "--actor",
        "Patient/p1",
        "--patient",
        "p1",
    ]));
    let source = site.caller("source", "TREAT", "Device/lab");
    let callers = [&other_purpose, &two_purposes, &other_actor, &relative];
    for path in ["/patient/accesses", "/patient/disclosures", "/patient/choices", "/exchanges"] {
        assert_eq!(site.http.get(path).status, 401, "{path}");
        for caller in callers {
            assert_eq!(caller.get(path).status, 403, "{path}");
        }
    }
    for caller in [&as_clinician, &site.clinician, &source] {
        for path in ["/patient/accesses", "/patient/disclosures", "/patient/choices"] {
            assert_eq!(caller.get(path).status, 403, "{path}");
        }
        assert_eq!(caller.post("/patient/choices", &choices("nobody")).status, 403);
    }
    // Scopes narrow what the role reaches.
    let scoped = |scope: &str| {
        let actor = ["--role", "patient", "--purpose", "PATRQT", "--actor", "Patient/p1", "--patient", "p1", "--scope"];
        site.http.with(&site.gateway.token(&[&actor[..], &[scope]].concat()))
    };
    let (results, reading) = (scoped("patient/Observation.rs"), scoped("patient/*.rs"));
    for path in ["/patient/accesses", "/patient/disclosures", "/patient/choices", "/exchanges"] {
        assert_eq!((results.get(path).status, reading.get(path).status), (403, 200), "{path}");
    }
    assert_eq!(reading.post("/patient/choices", &choices("nobody")).status, 403);
    // Another patient's id gets nowhere, and neither does one's own.
    for path in [
        "/patient/accesses?patient=p2",
        "/patient/accesses?patient=p1",
        "/patient/disclosures?patient=Patient/p2",
        "/exchanges?patient=p2",
    ] {
        assert_eq!(site.patient.get(path).status, 403, "{path}");
    }
    assert_eq!(site.patient.get("/patient/choices?patient=p2").status, 400);
    let mut smuggled = choices("treating");
    smuggled["patient"] = json!("Patient/p2");
    assert_eq!(site.patient.post("/patient/choices", &smuggled).status, 422);
    // Somebody else's consent answers like one that was never there.
    let other = site.http.with(&own(&site.gateway, "p2"));
    let filed = other.post("/patient/choices", &choices("nobody")).json();
    let foreign = site.put_choices(&filed, &choices("treating"));
    let unknown = site.put_choices(&json!({"id": "nothing", "etag": "W/\"1\""}), &choices("treating"));
    assert_eq!((foreign.status, foreign.text()), (404, unknown.text()));
    assert_eq!(site.revoke(filed["id"].as_str().unwrap()), 404);
    assert_eq!(other.get("/patient/choices").json()["current"]["status"], "active");
    // Auditors and administrators ask by patient; without one it is no question.
    let auditor = site.caller("auditor", "HSYSADMIN", "Practitioner/a");
    for caller in [&auditor, &site.administrator] {
        assert_eq!(caller.get("/patient/disclosures?patient=p1").status, 200);
        assert_eq!(caller.get("/patient/disclosures").status, 400);
        assert_eq!(caller.get("/patient/choices").status, 403);
    }
}

#[test]
fn each_choice_has_the_effect_it_says_from_the_next_request_on() {
    let site = site("[consent]\nimplicit_policy = \"permit-all\"\nlabelling = \"complete\"\n");
    for (id, labels) in [
        ("plain", &[][..]),
        ("psy", &["PSY"][..]),
        ("sud", &["SUD"]),
        ("opioid", &["OPIOIDUD"]),
        ("bh", &["BH"]),
        ("hiv", &["HIV"]),
        ("std", &["STD"]),
        ("gdis", &["GDIS"]),
        ("sdv", &["SDV"]),
        ("v", &["V"]),
        ("r", &["R"]),
        ("sud-v", &["V", "SUD"]),
        ("sud-hiv", &["SUD", "HIV"]),
    ] {
        site.put(observation(id, "p1", labels));
    }
    let research = site.caller("clinician", "HRESCH", "Practitioner/r");
    let payer = site.caller("clinician", "HPAYMT", "Practitioner/p");
    let named = site.caller("clinician", "TREAT", "Practitioner/d");
    let sees = |caller: &Http, id: &str| match caller.get(&format!("/fhir/Observation/{id}")).status {
        200 => true,
        404 => false,
        other => panic!("{id}: {other}"),
    };
    let all = ["plain", "psy", "sud", "opioid", "bh", "hiv", "std", "gdis", "sdv", "r", "sud-hiv", "v", "sud-v"];
    let seen = |caller: &Http| all.into_iter().filter(|id| sees(caller, id)).collect::<Vec<_>>().join(" ");
    assert!(sees(&payer, "plain"));

    let mut filed = site.file(&choices("treating"));
    let shown = "plain psy sud opioid bh hiv std gdis sdv r sud-hiv";
    assert_eq!(seen(&site.clinician), shown);
    assert_eq!((seen(&research), seen(&payer)), (String::new(), String::new()));

    filed = site.change(&filed, &choices("nobody"));
    assert_eq!(seen(&site.clinician), "");

    let mut some = choices("named");
    some["with"] = json!([{"reference": "Practitioner/d", "display": "Dr. D"}]);
    filed = site.change(&filed, &some);
    assert_eq!((seen(&site.clinician).as_str(), seen(&named).as_str()), ("", shown));

    for (topics, left) in [
        (json!(["mental-health"]), "plain sud opioid hiv std gdis sdv r sud-hiv"),
        (json!(["substance-use"]), "plain psy hiv std gdis sdv r"),
        (json!(["mental-health", "substance-use"]), "plain hiv std gdis sdv r"),
        (json!(["hiv"]), "plain psy sud opioid bh std gdis sdv r"),
        (json!(["sexual-health", "genetics", "violence"]), "plain psy sud opioid bh hiv r sud-hiv"),
    ] {
        let mut kept = choices("treating");
        kept["keep_back"] = topics.clone();
        kept["research"] = json!(true);
        filed = site.change(&filed, &kept);
        assert_eq!((seen(&site.clinician).as_str(), seen(&research).as_str()), (left, left), "{topics}");
        assert_eq!(filed["choices"]["keep_back"], topics);
    }
    filed =
        site.change(&filed, &json!({"share": "nobody", "emergency": "allow", "research": true, "until": "2999-12-31"}));
    assert_eq!((seen(&site.clinician).as_str(), seen(&research).as_str()), ("", shown));
    assert_eq!(filed["version"], 9);

    assert_eq!(site.revoke(filed["id"].as_str().unwrap()), 204);
    assert!(sees(&payer, "plain"));
    let history = site.patient.get(&format!("/fhir/Consent/{}/_history", filed["id"].as_str().unwrap())).json();
    assert_eq!(history["total"], 10);
    assert_eq!(site.patient.get("/patient/choices").json()["current"], Value::Null);
}

#[test]
fn an_emergency_can_be_refused_with_a_warning_and_allowed_again() {
    let site = site("");
    let staff = site.http.with(&site.gateway.emergency("Practitioner/e"));
    let mut refuse = choices("nobody");
    refuse["emergency"] = json!("refuse");
    let warned = site.patient.post("/patient/choices", &refuse);
    assert_eq!(warned.status, 422);
    assert!(warned.text().contains("cost your life"), "{}", warned.text());
    refuse["acknowledged"] = json!(true);
    let filed = site.file(&refuse);
    assert_eq!(filed["choices"]["emergency"], "refuse");
    let declared =
        staff.post("/emergency/declare", &json!({"patient": "Patient/p1", "reason": "unconscious after a fall"}));
    assert_eq!(declared.status, 201, "{}", declared.text());
    assert_eq!(staff.get("/fhir/Observation/p1-o1").status, 404);
    site.change(&filed, &choices("nobody"));
    assert_eq!(staff.get("/fhir/Observation/p1-o1").status, 200);
    let seen = site.accesses("");
    let of = |what: &str| seen.iter().filter(|line| line["what"] == what).collect::<Vec<_>>();
    assert_eq!(of("emergency-declared")[0]["why"]["reason"], "unconscious after a fall");
    let read = of("emergency-read");
    assert_eq!((read.len(), &read[0]["outcome"]), (1, &json!("released")), "{seen:#?}");
    assert!(
        read[0]["receipt"].is_string() && read[0]["policy"].as_str().unwrap().contains("Emergency"),
        "{:#?}",
        read[0]
    );
    assert!(!json!(seen).to_string().contains(declared.json()["id"].as_str().unwrap()));
}

#[test]
fn choices_are_changed_at_their_version_and_foreign_consents_only_revoked() {
    let site = site("");
    let filed = site.file(&choices("treating"));
    let again = site.patient.post("/patient/choices", &choices("nobody"));
    assert_eq!(again.status, 409);
    assert_eq!(again.header("location"), Some(format!("/patient/choices/{}", filed["id"].as_str().unwrap()).as_str()));
    let path = format!("/patient/choices/{}", filed["id"].as_str().unwrap());
    assert_eq!(site.patient.put(&path, &choices("nobody")).status, 428);
    let changed = site.change(&filed, &choices("nobody"));
    assert_eq!(site.put_choices(&filed, &choices("treating")).status, 412);
    assert_eq!(site.put_choices(&changed, &json!({"share": "treating"})).status, 422);
    for past in ["2001-01-01", "2027"] {
        let mut until = choices("treating");
        until["until"] = json!(past);
        assert_eq!(site.put_choices(&changed, &until).status, 422, "{past}");
    }
    assert_eq!(site.patient.send("PUT", &path, &[("If-Match", "W/\"2\"")], b"{").status, 400);
    // Each change is an exchange with a receipt, also one that a reader verifies without this gateway.
    let exchange = changed["exchange"].as_str().unwrap().to_owned();
    let receipt = changed["receipt"].as_str().unwrap().to_owned();
    wait_until("the receipt is sealed", || site.http.get(&receipt).status == 200);
    let folder = site.gateway.scratch();
    std::fs::write(folder.join("receipt"), site.http.get(&receipt).body).unwrap();
    std::fs::write(folder.join("key.pem"), site.http.get("/ledger/key").body).unwrap();
    let verified = Command::new(program())
        .args(["ledger", "receipt", "verify", "--key"])
        .arg(folder.join("key.pem"))
        .arg(folder.join("receipt"))
        .output()
        .unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    let exchanges = site.patient.get("/exchanges").json();
    assert!(exchanges["exchanges"].as_array().unwrap().iter().any(|it| it["id"] == exchange.as_str()), "{exchanges}");

    // A consent made elsewhere is shown in plain words and revoked, but not rewritten.
    site.put(json!({"resourceType": "Consent", "id": "paper", "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"text": "Signed at admission"}], "patient": {"reference": "Patient/p1"}, "dateTime": "2026-01-01",
        "policyRule": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}]},
        "provision": {"type": "deny", "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HRESCH"}]}}));
    let shown = site.patient.get("/patient/choices").json();
    let paper = shown["consents"].as_array().unwrap().iter().find(|it| it["id"] == "paper").unwrap().clone();
    assert_eq!((&paper["made_here"], &paper["title"]), (&json!(false), &json!("Signed at admission")));
    assert!(paper["words"].to_string().contains("Refuses everybody to use your record, for research."), "{paper}");
    assert_eq!(site.put_choices(&paper, &choices("treating")).status, 409);
    assert_eq!(site.revoke("paper"), 204);
    assert_eq!(site.revoke("paper"), 204);
    let stored = site.administrator.get("/fhir/Consent/paper").json();
    assert_eq!((&stored["status"], &stored["provision"]["type"]), (&json!("inactive"), &json!("deny")));
}

#[test]
fn a_rule_of_the_site_may_refuse_and_the_refusal_is_on_record() {
    let site = site("");
    site.put(json!({"resourceType": "Consent", "id": "site", "status": "active",
        "extension": [{"url": "urn:gateway:consent:admin-policy", "valueBoolean": true}],
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"text": "Rule"}], "dateTime": "2026-01-01",
        "policyRule": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}]},
        "provision": {"type": "deny", "action": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentaction", "code": "correct"}]}]}}));
    assert_eq!(site.patient.post("/patient/choices", &choices("nobody")).status, 403);
    let seen = site.accesses("");
    assert!(seen.iter().any(|line| line["what"] == "added" && line["outcome"] == "refused"), "{seen:#?}");
}

const FORWARDING: &str = "[consent]\nimplicit_policy = \"permit-all\"\n\n\
    [[source]]\nname = \"portal\"\ntransport = \"http\"\nformat = \"fhir-r4\"\nids = \"kept\"\ndestinations = [\"clinic\"]\n\n\
    [[destination]]\nname = \"clinic\"\ntransport = \"fhir\"\naddress = \"http://127.0.0.1:9/fhir\"\n\
    recipient = [\"Organization/clinic\"]\npurpose = [\"TREAT\"]\n";

#[test]
fn disclosures_are_accounted_for_and_exchanges_show_nothing_of_others() {
    let site = site(FORWARDING);
    site.put(json!({"resourceType": "Organization", "id": "clinic", "name": "Clinic North",
        "address": [{"line": ["1 Main Street"], "city": "Northtown"}]}));
    let source = site.caller("source", "TREAT", "Device/portal");
    let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": [
        {"resource": observation("f1", "p1", &[])}, {"resource": observation("f2", "p1", &[])}, {"resource": observation("zz-f3", "p2", &[])}]});
    let taken = source.send(
        "POST",
        "/ingest/portal",
        &[("Content-Type", "application/fhir+json")],
        bundle.to_string().as_bytes(),
    );
    assert_eq!(taken.status, 201, "{}", taken.text());
    let exchange = taken.header("location").unwrap().to_owned();
    let id = exchange.rsplit('/').next().unwrap().to_owned();
    wait_until("the disclosure is on record", || {
        site.patient.get("/patient/disclosures").json()["disclosures"].as_array().is_some_and(|it| !it.is_empty())
    });
    let accounted = site.patient.get("/patient/disclosures").json();
    let line = &accounted["disclosures"][0];
    assert_eq!(line["recipient"]["name"], "Clinic North", "{accounted}");
    assert_eq!(line["recipient"]["address"], "1 Main Street, Northtown");
    assert_eq!((&line["description"], &line["purpose"]), (&json!("2 Observation"), &json!("treatment")));
    assert_eq!(line["exchange"], id.as_str());
    let table = site.patient.get("/patient/disclosures?_format=csv").text();
    assert!(table.starts_with("\"date\",\"recipient\"") && table.contains("\"Clinic North\""), "{table}");
    let other = site.administrator.get("/patient/disclosures?patient=p2").json();
    assert_eq!(other["disclosures"][0]["description"], "1 Observation", "{other}");

    let shown = site.patient.get(&exchange);
    assert_eq!(shown.status, 200, "{}", shown.text());
    let shown = shown.json();
    assert_eq!(
        (&shown["resources"][0]["count"], &shown["deliveries"][0]["to"]),
        (&json!(2), &json!("Clinic North")),
        "{shown}"
    );
    for hidden in ["p2", "zz-f3", "last_error", "attempts", "stages", "issues"] {
        assert!(!shown.to_string().contains(hidden), "{hidden}: {shown}");
    }
    // An exchange about somebody else answers like one that was never there.
    let foreign = site.administrator.get("/exchanges?patient=p2&_count=1").json()["exchanges"][0]["id"].clone();
    let foreign = site.patient.get(&format!("/exchanges/{}", foreign.as_str().unwrap()));
    let unknown = site.patient.get("/exchanges/00000000000000000000000000000000");
    assert_eq!((foreign.status, foreign.text()), (404, unknown.text()));
    for path in [format!("/exchanges/{id}/opening"), "/exchanges/unmapped".to_owned()] {
        assert_eq!(site.patient.get(&path).status, 403, "{path}");
    }
    // Everything there is of the one is in pages of one, and nothing of the other.
    let (mut path, mut pages) = ("/exchanges?_count=1".to_owned(), 0);
    loop {
        let page = site.patient.get(&path).json();
        pages += page["exchanges"].as_array().unwrap().len() as u64;
        assert!(!page.to_string().contains("p2"), "{page}");
        let Some(next) = page["next"].as_str() else {
            assert_eq!(page["total"].as_u64(), Some(pages));
            break;
        };
        path = format!("/exchanges?_count=1&before={next}");
    }
}

#[test]
fn an_audit_event_is_about_one_patient_and_shows_patients_no_token() {
    let site = site("[consent]\nimplicit_policy = \"permit-all\"\n");
    assert_eq!(site.clinician.get("/fhir/Observation?_count=500").json()["total"], 2);
    let events = site.administrator.get("/fhir/AuditEvent?patient=p1&_count=500").json();
    for entry in events["entry"].as_array().unwrap() {
        let text = entry["resource"].to_string();
        assert!(!text.contains("Patient/p2") && !text.contains("p2-o1"), "{text}");
    }
    assert!(events.to_string().contains("altId"));
    let own = site.patient.get("/fhir/AuditEvent?patient=p1&_count=500");
    assert_eq!(own.status, 200, "{}", own.text());
    assert!(own.json()["entry"].as_array().is_some_and(|entries| entries.len() > 1), "{}", own.text());
    for hidden in ["altId", "policy", "network", "UserOauthAgent", "XrequestId", "\"query\"", "detail"] {
        assert!(
            !own.text().contains(&format!("\"{hidden}\"")) && !own.text().contains(&format!("{hidden}\":")),
            "{hidden}"
        );
    }
    assert_eq!(site.patient.get("/fhir/AuditEvent?patient=p2").json()["entry"], Value::Null);
    // Nobody changes one.
    let event = &events["entry"][0]["resource"];
    let path = format!("/fhir/AuditEvent/{}", event["id"].as_str().unwrap());
    for caller in [&site.administrator, &site.patient, &site.clinician] {
        assert!(matches!(caller.put(&path, event).status, 403 | 405 | 422), "{path}");
    }
    assert!(matches!(site.administrator.send("DELETE", &path, &[], b"").status, 403 | 405));
}

#[test]
fn a_patient_sees_what_was_merged_into_their_record() {
    let site =
        site("[[source]]\nname = \"adt\"\ntransport = \"mllp\"\nformat = \"hl7v2\"\ntimezone = \"Europe/Berlin\"\n");
    let mut line = tests::mllp::Mllp::connect(site.gateway.mllp.unwrap()).unwrap();
    let head = |kind: &str, id: &str| {
        format!("MSH|^~\\&|ADT|N|A|B|20260301101500||{kind}|{id}|P|2.5.1\rEVN|A01|20260301101500\r")
    };
    let admit = |mrn: &str, id: &str| {
        format!("{}PID|1||{mrn}^^^N^MR||DOE^JANE||19700101|F\rPV1|1|I|W^1^A\r", head("ADT^A01^ADT_A01", id))
    };
    for message in [
        admit("1", "C1"),
        admit("2", "C2"),
        format!("{}PID|1||2^^^N^MR||DOE^JANE||19700101|F\rMRG|1^^^N^MR\r", head("ADT^A40^ADT_A39", "C3")),
    ] {
        let answer = line.send(&message).unwrap();
        assert!(answer.contains("MSA|AA"), "{answer}");
    }
    let patients = site.administrator.get("/exchanges?message-control-id=C1").json();
    let old = patients["exchanges"][0]["patient"].as_str().unwrap().trim_start_matches("Patient/").to_owned();
    let new = site.administrator.get("/exchanges?message-control-id=C2").json()["exchanges"][0]["patient"].clone();
    let new = new.as_str().unwrap().trim_start_matches("Patient/").to_owned();
    assert_ne!(old, new);
    let patient = site.http.with(&own(&site.gateway, &new));
    let encounters = patient.get(&format!("/fhir/Encounter?patient={new}")).json();
    assert_eq!(encounters["total"], 2, "{encounters}");
    assert_eq!(patient.get(&format!("/fhir/Patient/{old}")).status, 200);
    assert!(patient.get("/exchanges").json()["total"].as_u64().unwrap() >= 3);
    assert_eq!(patient.get("/fhir/Patient/p1").status, 404);
    // Choices under one number hold for the person.
    let filed = patient.post("/patient/choices", &choices("treating"));
    assert_eq!(filed.status, 201, "{}", filed.text());
    assert_eq!(site.clinician.get(&format!("/fhir/Patient/{old}")).status, 200);
}

#[test]
fn an_audit_event_names_the_sensitivity_map_that_labelled() {
    let site = site("[consent]\nlabelling = \"map\"\n");
    assert_eq!(site.clinician.get("/fhir/Observation/p1-o1").status, 404);
    let events = site.administrator.get("/fhir/AuditEvent?patient=p1&_count=500").text();
    assert!(events.contains("sensitivity-map") && events.contains("sha256:"), "{events}");
}
