use super::*;
use crate::validate::Level;

fn report(text: &str) -> FileReport {
    let options = Options { level: Level::Structure, ..Options::default() };
    file(Validator::r4(), "x.json", text.as_bytes(), &Limits::default(), &options)
}

#[test]
fn a_file_gets_one_line() {
    assert_eq!(report(r#"{"resourceType":"Patient","id":"1"}"#).to_line(), "x.json: valid");
    assert_eq!(
        report("{\"resourceType\":\"Patient\",\n\"active\":\"yes\"}").to_line(),
        "x.json: invalid, 1 errors; first at Patient.active: expected true or false without quotation marks (line 2, column 10)"
    );
    assert_eq!(
        report("<Patient xmlns=\"http://hl7.org/fhir\">\n<active value=\"yes\"/></Patient>").to_line(),
        "x.json: invalid, 1 errors; first at Patient.active: expected true or false without quotation marks (line 2, column 1)"
    );
    assert!(
        report("no FHIR")
            .to_line()
            .starts_with("x.json: invalid, 1 errors; first: expected FHIR JSON: line 1, column 1")
    );
    assert!(FileReport::unreadable("y", "no such file").to_line().starts_with("y: invalid"));
}

#[test]
fn the_json_form_has_file_valid_and_outcome() {
    let json = report("{}").to_json();
    assert_eq!(json.get("valid"), Some(&Json::from(false)));
    assert_eq!(json.text_at(&["file"]), Some("x.json"));
    assert_eq!(json.text_at(&["outcome", "resourceType"]), Some("OperationOutcome"));
    assert_eq!(json.text_at(&["outcome", "issue", "0", "code"]), Some("required"));
}
