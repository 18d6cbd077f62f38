use super::*;

fn json(text: &str) -> Json {
    parse(text.as_bytes(), &LIMITS).unwrap()
}

fn condition(code: &str, label: &str) -> Json {
    json(&format!(
        r#"{{"resourceType":"Condition","id":"c","meta":{{"security":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"{label}"}}]}},
        "code":{{"coding":[{{"system":"http://hl7.org/fhir/sid/icd-10-cm","code":"{code}"}}]}}}}"#
    ))
}

#[test]
fn a_resource_is_shown_with_its_labels_and_why() {
    let line = Json::from(labelled(&map(&[], None).unwrap(), &condition("F32.1", "PSY")));
    assert_eq!(line.get("labels").unwrap().to_text(), r#"["PSY"]"#);
    assert_eq!(line.get("restricted").and_then(Json::as_bool), Some(true));
    let why = &line.items("why")[0];
    assert_eq!(why.get("at").and_then(Json::as_str), Some("code"));
    assert!(why.get("because").and_then(Json::as_str).unwrap().starts_with("F3* ("));
}

#[test]
fn precision_and_recall_are_counted_by_label() {
    let map = map(&[], None).unwrap();
    let mut measured = Measured::default();
    for (code, label) in [("F32.1", "PSY"), ("F33.0", "HIV"), ("I10", "PSY")] {
        measured.note(&map, &condition(code, label));
    }
    let report = measured.report(&map);
    assert_eq!(
        report.get("labels").unwrap().to_text(),
        r#"{"HIV":{"both":0,"map_only":0,"record_only":1,"precision":"-","recall":"0.0 %"},"PSY":{"both":1,"map_only":1,"record_only":1,"precision":"50.0 %","recall":"50.0 %"}}"#
    );
}

#[test]
fn a_rule_file_that_is_not_there_is_refused() {
    assert!(
        matches!(map(&["none.csv".to_owned()], None), Err(Failure::Refused(text)) if text.starts_with("./none.csv"))
    );
}
