//! What somebody does who means harm: each threat of docs/threat-model.md against the real program over real sockets.

mod bombs;
mod claims;
mod consents;
mod forwarding;
mod ids;
mod network;
mod tokens;
mod wire;

use serde_json::{Value, json};
use tests::http::Http;
use tests::process::{Gateway, configuration};

/// A gateway with one patient, whom the clinician `Practitioner/c` may see for treatment, and one whom nobody may.
struct Site {
    gateway: Gateway,
    http: Http,
    administrator: Http,
    clinician: String,
}

/// Stands in the record of the patient who may be seen.
const SEEN: &str = "Zqcanaryseen";
/// Stands in the record of the other.
const HIDDEN: &str = "Zqcanaryhidden";

fn site() -> Site {
    site_with("[[source]]\nname = \"portal\"\ntransport = \"http\"\nformat = \"fhir-r4\"\nids = \"kept\"\n")
}

fn site_with(more: &str) -> Site {
    let gateway = Gateway::start(&configuration(more));
    let http = Http::to(gateway.http.unwrap());
    let administrator = http.with(&gateway.administrator());
    let clinician = gateway.clinician("Practitioner/c");
    let site = Site { gateway, http, administrator, clinician };
    for (id, name) in [("seen", SEEN), ("hidden", HIDDEN)] {
        site.put(&patient(id, name));
        site.put(&observation(&format!("{id}-o"), id, name));
    }
    site.put(&consent("seen-c", "seen", "permit", "2026-01-01"));
    site
}

fn patient(id: &str, name: &str) -> Value {
    json!({"resourceType": "Patient", "id": id, "name": [{"family": name}], "birthDate": "1980-02-03",
           "identifier": [{"system": "urn:example:mrn", "value": format!("mrn-{id}")}]})
}

fn observation(id: &str, patient: &str, text: &str) -> Value {
    json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": text},
           "subject": {"reference": format!("Patient/{patient}")}})
}

/// A consent about `Practitioner/c` and treatment.
fn consent(id: &str, patient: &str, kind: &str, issued: &str) -> Value {
    json!({"resourceType": "Consent", "id": id, "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": format!("Patient/{patient}")}, "dateTime": issued, "policy": [{"uri": "urn:example:policy"}],
        "provision": {"type": kind,
            "actor": [{"role": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]},
                       "reference": {"reference": "Practitioner/c"}}],
            "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}]}})
}

impl Site {
    #[track_caller]
    fn put(&self, resource: &Value) {
        self.administrator.store(resource);
    }

    fn clinician(&self) -> Http {
        self.http.with(&self.clinician)
    }

    fn token(&self, arguments: &[&str]) -> Http {
        self.http.with(&self.gateway.token(arguments))
    }

    fn still_works(&self) {
        let read = self.clinician().get("/fhir/Patient/seen");
        assert_eq!(read.status, 200, "{}", read.text());
        assert_eq!(self.http.get("/health/ready").status, 200);
    }
}
