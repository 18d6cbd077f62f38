use proptest::prelude::*;

use crate::json::{Limits, parse};

use super::*;

fn read(text: &str) -> Json {
    parse(text.as_bytes(), &Limits::default()).expect("JSON")
}

fn made(resources: &[Json]) -> Json {
    let patient = read(r#"{"resourceType":"Patient","id":"p1","name":[{"family":"Muster","given":["Max"]}]}"#);
    let author = read(r#"{"resourceType":"Device","id":"gateway"}"#);
    summary(&Summary {
        patient: &patient,
        resources,
        cut: &[],
        author: &author,
        generated: Instant::from_millis(0),
        document: Uuid::from_u128(1),
        composition: Uuid::from_u128(2),
        base: "https://x/fhir",
    })
}

fn sections(bundle: &Json) -> Vec<(String, Vec<String>)> {
    let sections = bundle.at(&["entry", "0", "resource", "section"]).and_then(Json::as_array).unwrap_or_default();
    let entries = |section: &Json| {
        section.items("entry").iter().filter_map(|entry| entry.text_at(&["reference"])).map(str::to_owned).collect()
    };
    sections
        .iter()
        .map(|section| (section.text_at(&["title"]).unwrap_or_default().to_owned(), entries(section)))
        .collect()
}

fn full_urls(bundle: &Json) -> Vec<&str> {
    bundle::entries(bundle).filter_map(bundle::Entry::full_url).collect()
}

#[test]
fn an_empty_record_still_has_the_required_sections() {
    let bundle = made(&[]);
    let titles: Vec<String> = sections(&bundle).into_iter().map(|(title, _)| title).collect();
    assert_eq!(titles, ["Allergies and intolerances", "Medications", "Problems"]);
    let first = bundle.at(&["entry", "0", "resource", "section", "0"]).expect("section");
    assert_eq!(first.text_at(&["emptyReason", "coding", "0", "code"]), Some("unavailable"));
    assert!(first.get("entry").is_none());
    assert_eq!(
        full_urls(&bundle),
        [
            "https://x/fhir/Composition/00000000-0000-0000-0000-000000000002",
            "https://x/fhir/Patient/p1",
            "https://x/fhir/Device/gateway"
        ]
    );
    assert_eq!(bundle.text_at(&["type"]), Some("document"));
    assert_eq!(bundle.text_at(&["entry", "0", "resource", "title"]), Some("Patient summary of Max Muster"));
}

#[test]
fn resources_go_to_their_sections() {
    let resource =
        |name: &str, id: &str, rest: &str| read(&format!(r#"{{"resourceType":"{name}","id":"{id}"{rest}}}"#));
    let clinical = |code: &str| format!(r#","clinicalStatus":{{"coding":[{{"code":"{code}"}}]}}"#);
    let category =
        |code: &str| format!(r#","category":[{{"coding":[{{"code":"{code}"}}]}}],"code":{{"text":"{code}"}}"#);
    let bundle = made(&[
        resource("Condition", "c1", &clinical("active")),
        resource("Condition", "c2", &clinical("resolved")),
        resource("Condition", "c3", r#","verificationStatus":{"coding":[{"code":"entered-in-error"}]}"#),
        resource("AllergyIntolerance", "a1", ""),
        resource("MedicationRequest", "m1", r#","status":"active","medicationReference":{"reference":"Medication/x"}"#),
        resource("MedicationRequest", "m2", r#","status":"cancelled""#),
        resource("Medication", "x", r#","manufacturer":{"reference":"Organization/o"}"#),
        resource("Organization", "o", ""),
        resource("Organization", "unrelated", ""),
        resource("Observation", "o1", &category("laboratory")),
        resource("Observation", "o2", &category("vital-signs")),
        resource("Observation", "o3", &category("social-history")),
        resource("Observation", "o4", r#","code":{"coding":[{"system":"http://loinc.org","code":"82810-3"}]}"#),
        resource("Consent", "k1", r#","status":"active","scope":{"coding":[{"code":"adr"}]}"#),
        resource("Consent", "k2", r#","status":"active","scope":{"coding":[{"code":"patient-privacy"}]}"#),
        resource("Flag", "f1", r#","status":"active""#),
        resource("Immunization", "i1", r#","status":"completed""#),
        resource("Procedure", "r1", r#","status":"completed""#),
        resource("DeviceUseStatement", "d1", r#","status":"active""#),
        resource("CarePlan", "p9", r#","status":"active""#),
        resource("RelatedPerson", "n1", r#","name":[{"family":"Muster","given":["Eva"]}]"#),
        resource("ClinicalImpression", "ci", r#","status":"completed""#),
        resource(
            "Device",
            "dev",
            r#","status":"active","patient":{"reference":"Patient/p1"},"type":{"text":"Pacemaker"}"#,
        ),
        resource("Encounter", "e1", ""),
        read(r#"{"resourceType":"Condition"}"#),
    ]);
    let expect = [
        ("Allergies and intolerances", "AllergyIntolerance/a1"),
        ("Alerts", "Flag/f1"),
        ("Medications", "MedicationRequest/m1"),
        ("Problems", "Condition/c1"),
        ("Advance directives", "Consent/k1"),
        ("Medical devices", "DeviceUseStatement/d1"),
        ("Pregnancy", "Observation/o4"),
        ("Contacts", "RelatedPerson/n1"),
        ("Results", "Observation/o1"),
        ("Vital signs", "Observation/o2"),
        ("Procedures", "Procedure/r1"),
        ("Immunizations", "Immunization/i1"),
        ("Past problems", "Condition/c2"),
        ("Functional status", "ClinicalImpression/ci"),
        ("Social history", "Observation/o3"),
        ("Plan of care", "CarePlan/p9"),
    ];
    assert_eq!(sections(&bundle), expect.map(|(title, entry)| (title.to_owned(), vec![entry.to_owned()])));
    let urls = full_urls(&bundle);
    // A Device is told of and carried, but the guide has no entry for it.
    assert!(bundle.to_text().contains("<li>Pacemaker, active</li>") && urls.contains(&"https://x/fhir/Device/dev"));
    assert!(urls.contains(&"https://x/fhir/Medication/x") && urls.contains(&"https://x/fhir/Organization/o"));
    assert!(!urls.iter().any(|url| url.ends_with("unrelated") || url.ends_with("Encounter/e1")));
}

#[test]
fn the_latest_observation_of_a_code_stays() {
    let observation = |id: &str, date: &str, value: &str| {
        read(&format!(
            r#"{{"resourceType":"Observation","id":"{id}","status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"2823-3","display":"Potassium"}}]}},"effectiveDateTime":"{date}","valueQuantity":{{"value":{value},"unit":"mmol/L"}},"referenceRange":[{{"low":{{"value":3.5,"unit":"mmol/L"}},"high":{{"value":5.10,"unit":"mmol/L"}}}}]}}"#
        ))
    };
    let bundle = made(&[observation("old", "2025-01-01", "4.0"), observation("new", "2026-01-01", "4.50")]);
    assert_eq!(sections(&bundle)[3], ("Results".to_owned(), vec!["Observation/new".to_owned()]));
    let text = bundle.text_at(&["entry", "0", "resource", "section", "3", "text", "div"]).expect("narrative");
    let row = "<tr><td>Potassium</td><td>4.50 mmol/L</td><td>3.5 mmol/L to 5.10 mmol/L</td><td>2026-01-01</td></tr>";
    assert!(text.contains(row), "{text}");
}

#[test]
fn narratives_name_what_matters_in_an_emergency() {
    let bundle = made(&[
        read(
            r#"{"resourceType":"AllergyIntolerance","id":"a","code":{"coding":[{"code":"1","display":"Penicillin <G>"}]},"criticality":"high","reaction":[{"manifestation":[{"text":"anaphylaxis & shock"}]}],"clinicalStatus":{"coding":[{"code":"active"}]}}"#,
        ),
        read(
            r##"{"resourceType":"MedicationStatement","id":"m","status":"active","contained":[{"resourceType":"Medication","id":"x","code":{"text":"Warfarin 5 mg"}}],"medicationReference":{"reference":"#x"},"dosage":[{"text":"one a day"}]}"##,
        ),
    ]);
    let text = |index: &str| {
        bundle.text_at(&["entry", "0", "resource", "section", index, "text", "div"]).expect("narrative").to_owned()
    };
    let allergy = "<li><b>Penicillin &lt;G&gt;</b>, criticality high, reaction: anaphylaxis &amp; shock, active</li>";
    assert!(text("0").contains(allergy), "{}", text("0"));
    assert!(text("1").contains("<li>Warfarin 5 mg, one a day, active</li>"), "{}", text("1"));
    let bundle = made(&[
        read(r#"{"resourceType":"MedicationRequest","id":"m","medicationReference":{"reference":"Medication/x"}}"#),
        read(r#"{"resourceType":"Medication","id":"x","code":{"text":"Insulin"}}"#),
        read(r#"{"resourceType":"DeviceUseStatement","id":"d","device":{"reference":"Device/y"}}"#),
        read(r#"{"resourceType":"Device","id":"y","type":{"text":"Pacemaker"}}"#),
    ]);
    let text = bundle.to_text();
    assert!(text.contains("<li>Insulin</li>") && text.contains("<li>Pacemaker</li>"), "{text}");
}

#[test]
fn what_can_kill_comes_first_and_doses_are_told() {
    let allergy = |id: &str, criticality: &str, date: &str| {
        read(&format!(
            r#"{{"resourceType":"AllergyIntolerance","id":"{id}","criticality":"{criticality}","recordedDate":"{date}","code":{{"text":"{id}"}}}}"#
        ))
    };
    let bundle = made(&[
        allergy("low", "low", "2026-01-01"),
        allergy("unknown", "unable-to-assess", "2020-01-01"),
        allergy("old", "high", "2001-01-01"),
        allergy("new", "high", "2019-01-01"),
        read(
            r#"{"resourceType":"MedicationRequest","id":"m","status":"active","medicationCodeableConcept":{"text":"Metoprolol"},
              "dosageInstruction":[{"timing":{"repeat":{"frequency":2,"period":1,"periodUnit":"d"}},"route":{"text":"oral"},
              "doseAndRate":[{"doseQuantity":{"value":47.50,"unit":"mg"}}]}]}"#,
        ),
    ]);
    let (title, entries) = sections(&bundle).swap_remove(0);
    assert_eq!(title, "Allergies and intolerances");
    assert_eq!(entries, ["new", "old", "unknown", "low"].map(|id| format!("AllergyIntolerance/{id}")));
    assert!(bundle.to_text().contains("<li>Metoprolol, 47.50 mg 2 per 1 d oral, active</li>"), "{}", bundle.to_text());
}

#[test]
fn a_section_says_that_there_is_more() {
    let patient = read(
        r#"{"resourceType":"Patient","id":"p1","contact":[{"name":{"text":"Eva <script>"},"telecom":[{"value":"+99 1"}]}]}"#,
    );
    let author = read(r#"{"resourceType":"Device","id":"gateway"}"#);
    let bundle = summary(&Summary {
        patient: &patient,
        resources: &[read(r#"{"resourceType":"Condition","id":"c","code":{"text":"Asthma"}}"#)],
        cut: &[(Section::Problems, Cut::More), (Section::Medications, Cut::Time)],
        author: &author,
        generated: Instant::from_millis(0),
        document: Uuid::from_u128(1),
        composition: Uuid::from_u128(2),
        base: "https://x/fhir",
    });
    let text = bundle.to_text();
    assert!(text.contains("More is on record: what weighs most and is newest is shown, 1 in all."), "{text}");
    assert!(text.contains("More may be on record"), "{text}");
    assert!(text.contains("<li>Eva &lt;script&gt;, +99 1</li>"), "{text}");
    // Neither a name nor a date of birth is known, and the document says so.
    let own = bundle.at(&["entry", "1", "resource"]).expect("patient");
    assert!(own.get("_birthDate").is_some() && own.at(&["name", "0", "_text"]).is_some());
    let page = page(&bundle, &Opened { by: "Practitioner/e", at: "10:00", until: Some("11:00"), recorded: Some("x1") });
    assert!(
        page.contains("Opened in an emergency by Practitioner/e at 10:00. The access ends at 11:00. Recorded as x1.")
    );
    assert!(!page.contains("<script") && page.contains("<h1>Name unknown</h1>") && page.contains("Asthma"), "{page}");
}

proptest! {
    #[test]
    fn any_text_is_escaped(text in any::<String>()) {
        let condition = Json::object([
            ("resourceType", Json::from("Condition")),
            ("id", Json::from("c")),
            ("code", Json::object([("text", Json::from(text))])),
        ]);
        let bundle = made(&[condition]);
        let div = bundle.text_at(&["entry", "0", "resource", "section", "2", "text", "div"]).expect("narrative");
        let inner = div.split_once("<li>").and_then(|(_, rest)| rest.split_once("</li>")).expect("a line").0;
        prop_assert!(!inner.contains(['<', '>', '"', '\n', '\0']));
    }
}
