use super::*;

fn case(text: &str) -> Case {
    Case::new(model::json::parse(text.as_bytes(), &Limits::default()).unwrap(), "x1-".to_owned())
}

#[test]
fn ids_and_references_get_the_prefix_and_nothing_else_does() {
    let case = case(
        r#"{"id":"c","consents":[{"resourceType":"Consent","id":"k","patient":{"reference":"Patient/p"},
        "provision":{"data":[{"reference":{"reference":"Observation/o"}}],"code":[{"text":"a/b"}]}}],
        "resources":[{"resourceType":"Patient","identifier":[{"id":"e","system":"http://h/Patient/p"}]}],
        "request":{"actor":{"refs":["Practitioner/d"]}},"interaction":{"type":"read","path":"Observation/o","candidates":["Observation/o"]}}"#,
    );
    let consent = &case.stored()[1];
    assert_eq!(consent.text_at(&["id"]), Some("x1-k"));
    assert_eq!(consent.text_at(&["patient", "reference"]), Some("Patient/x1-p"));
    assert_eq!(consent.text_at(&["provision", "data", "0", "reference", "reference"]), Some("Observation/x1-o"));
    assert_eq!(consent.text_at(&["provision", "code", "0", "text"]), Some("a/b"));
    let patient = &case.stored()[0];
    assert_eq!(patient.text_at(&["id"]), Some("x1-resources0"), "what has no id gets one");
    assert_eq!(patient.text_at(&["identifier", "0", "id"]), Some("e"));
    assert_eq!(patient.text_at(&["identifier", "0", "system"]), Some("http://h/Patient/p"));
    assert_eq!(case.request().unwrap().text_at(&["actor", "refs", "0"]), Some("Practitioner/x1-d"));
    assert_eq!(case.paths(), ["Observation/x1-o"]);
}

#[test]
fn paths_are_renamed_between_the_delimiters_of_a_url() {
    assert_eq!(
        rename::path("Condition?patient=Patient/p1&_total=accurate", "x-"),
        "Condition?patient=Patient/x-p1&_total=accurate"
    );
    assert_eq!(rename::path("Patient/p1/$summary", "x-"), "Patient/x-p1/$summary");
    assert_eq!(
        rename::path("Patient?_has:Condition:patient:code=F32.1", "x-"),
        "Patient?_has:Condition:patient:code=F32.1"
    );
}

#[test]
fn a_search_without_an_address_asks_for_its_candidates_by_type() {
    let case = case(
        r#"{"interaction":{"type":"search","candidates":["Condition/a","Observation/b","Condition/c"],"patient":"Patient/p"}}"#,
    );
    assert_eq!(case.paths(), ["Condition?_id=x1-a,x1-c", "Observation?_id=x1-b"]);
}

#[test]
fn a_case_for_another_system_is_not_asked() {
    let site = |btg: &str| {
        let client = crate::client::Client::new(crate::client::Options::default()).unwrap();
        let mut context = Context::new(client, vec!["http://127.0.0.1:1/fhir".to_owned()]);
        context.variables.insert("btg".to_owned(), btg.to_owned());
        Site::of(&context)
    };
    let text = r#"{"config":{"implicit_policy":"deny","btg":"off"},"interaction":{"type":"WAY"},"request":{}}"#;
    let why = |way: &str, btg: &str| {
        case(&text.replace("WAY", way)).askable(&site(btg), Instant::from_millis(0)).unwrap_err()
    };
    assert!(why("export", "off").contains("export"));
    assert!(why("read", "override").contains("btg"));
    assert_eq!(site("off").root, "http://127.0.0.1:1");
}
