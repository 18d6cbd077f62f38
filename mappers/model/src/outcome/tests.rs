use super::*;

#[test]
fn places_go_where_r4_wants_them() {
    let place = |at: &str| {
        let json = operation_outcome(&[Issue::error("value", "x").at(at)]);
        let issue = json.at(&["issue", "0"]).expect("issue").clone();
        let text = |name: &str| issue.text_at(&[name, "0"]).map(str::to_owned);
        (text("expression").is_some(), text("location").is_some())
    };
    for path in ["Patient", "Patient.name[0].given", "Bundle.entry[2].resource", "Observation.value.ofType(Quantity)"] {
        assert_eq!(place(path), (true, false), "{path}");
    }
    for path in ["PID-7", "OBX[2]-5[1].2", "/ClinicalDocument/id", "3,4", "MSH"] {
        assert_eq!(place(path), (false, true), "{path}");
    }
}

#[test]
fn an_outcome_has_at_least_one_issue() {
    let text = operation_outcome(&[]).to_text();
    assert!(text.contains(r#""severity":"information""#), "{text}");
}

#[test]
fn says_severity_place_and_rule_in_one_line() {
    let issue = Issue::warning("code-invalid", "unknown code").at("OBX-3").rule("hl7v2-base/codes.toml:4");
    assert_eq!(issue.to_string(), "warning code-invalid at OBX-3: unknown code (hl7v2-base/codes.toml:4)");
    assert!(!issue.is_error());
    assert!(any_error(&[issue.clone(), Issue::new(Severity::Fatal, "structure", "x")]));
    let json = operation_outcome(&[issue]).to_text();
    assert!(json.contains(r#""valueString":"hl7v2-base/codes.toml:4""#), "{json}");
}

#[test]
fn codes_of_the_value_set_alone_are_codes() {
    assert_eq!(issue_type("code-invalid"), Some("code-invalid"));
    for other in ["", "Invalid", "error", "code invalid"] {
        assert_eq!(issue_type(other), None, "{other}");
    }
}
