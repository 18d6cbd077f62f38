use super::{Options, findings_with, finds, finds_with, passes};

/// A Patient with these members.
fn patient(members: &str) -> String {
    format!(r#"{{"resourceType":"Patient",{members}}}"#)
}

#[test]
fn uris_of_oids_and_uuids_are_whole() {
    let with = |uri: &str| patient(&format!(r#""implicitRules":"{uri}""#));
    finds(&with("oid:1.2.3"), "expected an OID as a URN");
    finds(&with("uuid:c757873d-ec9a-4326-a141-556f43239520"), "expected a UUID as a URN");
    finds(&with("urn:uuid:C757873D-EC9A-4326-A141-556F43239520"), "expected a UUID in lower case");
    finds(&with("urn:uuid:c757873d"), "expected a UUID after urn:uuid:");
    finds(&with("urn:oid:1.02.3"), "expected an OID after urn:oid:");
    passes(&with("urn:uuid:c757873d-ec9a-4326-a141-556f43239520"), &[], "error");
    passes(&with("urn:uuid:c757873d-ec9a-4326-a141-556f43239520#part"), &[], "error");
    passes(&with("urn:oid:2.16.840"), &[], "error");
}

#[test]
fn texts_with_html_are_refused_when_asked_for() {
    let resource = patient(r#""name":[{"text":"<b>x</b>"}]"#);
    let strict = Options { security_checks: true, ..Options::default() };
    let found = findings_with(&resource, &[], &strict);
    assert!(found.iter().any(|text| text.contains("error invalid") && text.contains("no HTML")), "{found:?}");
    finds(&resource, "information invalid at Patient.name[0].text");
    passes(&patient(r#""name":[{"text":"a < b > c"}]"#), &[], "HTML");
}

#[test]
fn identifiers_keep_the_form_of_their_system() {
    let with =
        |system: &str, value: &str| patient(&format!(r#""identifier":[{{"system":"{system}","value":"{value}"}}]"#));
    finds(&with("local", "1"), "error code-invalid at Patient.identifier[0]");
    finds(&with("urn:ietf:rfc:3986", "2.16.840"), "expected the value to be a whole URI");
    finds(&with("https://tools.ietf.org/html/rfc4122", "1"), "expected the value to be a UUID");
    passes(&with("urn:ietf:rfc:3986", "urn:oid:2.16.840"), &[], "code-invalid");
}

#[test]
fn attachments_have_the_size_they_say() {
    let with = |attachment: &str| patient(&format!(r#""photo":[{attachment}]"#));
    finds(&with(r#"{"data":"AAAA","size":4}"#), "error structure at Patient.photo[0]: expected size");
    passes(&with(r#"{"data":"AAAA","size":3}"#), &[], "expected size");
    finds(&with(r#"{"title":"x"}"#), "expected data or url");
    finds(&with(r#"{"data":"AA AA"}"#), "warning invalid at Patient.photo[0].data");
}

#[test]
fn references_lead_somewhere_when_they_are_local() {
    let with = |reference: &str| patient(&format!(r#""managingOrganization":{{"reference":"{reference}"}}"#));
    finds(&with("#a"), "error structure at Patient.managingOrganization: expected a contained resource");
    finds(&with("Organization/a b"), "expected a reference without white space");
    finds(&with("Organization?name"), "expected a search as name=value");
    passes(&with("Organization?name=x&_id=y"), &[], "error");
    passes(&with("Organization/a"), &[], "error");
}

#[test]
fn contained_resources_are_used() {
    let with = |reference: &str| {
        patient(&format!(
            r##""contained":[{{"resourceType":"Organization","id":"a","name":"x"}}],
            "managingOrganization":{{"reference":"{reference}"}}"##
        ))
    };
    finds(&with("Organization/b"), "error invalid at Patient.contained[0]");
    passes(&with("#a"), &[], "error");
    let by_narrative = patient(
        r##""contained":[{"resourceType":"Organization","id":"a","name":"x"}],"text":{"status":"additional",
        "div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"#a\">x</a></div>"}"##,
    );
    passes(&by_narrative, &[], "dom-3");
    let twice = patient(
        r##""contained":[{"resourceType":"Organization","id":"a"},{"resourceType":"Organization","id":"a"}],
        "managingOrganization":{"reference":"#a"}"##,
    );
    finds(&twice, "error duplicate at Patient.contained[1]");
}

#[test]
fn the_language_of_the_text_is_that_of_the_resource() {
    let with = |attributes: &str| {
        patient(&format!(
            r#""language":"en","text":{{"status":"generated",
            "div":"<div xmlns=\"http://www.w3.org/1999/xhtml\" {attributes}>x</div>"}}"#
        ))
    };
    finds(&with(""), "expected lang and xml:lang on the narrative");
    finds(&with(r#"lang=\"de\" xml:lang=\"en\""#), "expected lang of the narrative to be");
    passes(&with(r#"lang=\"en\" xml:lang=\"en\""#), &[], "lang");
}

#[test]
fn narratives_hold_formatting_and_links_that_lead() {
    let with = |content: &str| {
        patient(&format!(
            r#""text":{{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">{content}</div>"}}"#
        ))
    };
    finds(&with("<script>x</script>"), "error invalid at Patient.text.div");
    finds(&with(r##"<a href=\"#b\">x</a>"##), "expected the link to lead to something");
    passes(&with(r##"<a href=\"#b\">x</a><p id=\"b\">y</p>"##), &[], "error");
    finds(&with("<p> </p>"), "warning invariant at Patient.text.div: expected some content");
}

#[test]
fn security_labels_are_a_set() {
    let label = r#"{"system":"http://example.org/x","code":"a"}"#;
    let resource = patient(&format!(r#""meta":{{"security":[{label},{label}]}}"#));
    finds(&resource, "error business-rule at Patient.meta.security[1]");
}

#[test]
fn years_out_of_living_memory_are_doubted() {
    finds(&patient(r#""birthDate":"2158-01-01""#), "warning invalid at Patient.birthDate");
    passes(&patient(r#""birthDate":"1958-01-01""#), &[], "living memory");
}

#[test]
fn supplements_have_no_codes_of_their_own() {
    let supplement = r#"{"resourceType":"CodeSystem","url":"http://x.org/s","status":"active","content":"supplement",
        "supplements":"http://x.org/c","concept":[{"code":"a"}]}"#;
    let coded = patient(r#""maritalStatus":{"coding":[{"system":"http://x.org/s","code":"a"}]}"#);
    let expected = "error invalid at Patient.maritalStatus.coding[0].system: expected the code system itself";
    finds_with(&coded, &[supplement], expected);
}

#[test]
fn canonicals_lead_to_the_type_that_is_meant() {
    let response = |canonical: &str| {
        format!(r#"{{"resourceType":"QuestionnaireResponse","status":"completed","questionnaire":"{canonical}"}}"#)
    };
    let set = response("http://hl7.org/fhir/ValueSet/administrative-gender");
    finds(&set, "error invalid at QuestionnaireResponse.questionnaire: expected the canonical of Questionnaire");
    passes(&response("http://x.org/q"), &[], "expected the canonical of");
}

#[test]
fn vital_signs_have_the_code_of_their_profile() {
    let observation = |codings: &str| {
        let head = r#""resourceType":"Observation","status":"final""#;
        format!(r#"{{{head},"code":{{"coding":[{codings}]}}}}"#)
    };
    let pulse = r#"{"system":"http://loinc.org","code":"8889-8"}"#;
    finds(&observation(pulse), "warning business-rule at Observation.code: expected the LOINC code 8867-4");
    let both = format!(r#"{pulse},{{"system":"http://loinc.org","code":"8867-4"}}"#);
    passes(&observation(&both), &[], "expected the LOINC code");
    let best = Options { best_practice: true, ..Options::default() };
    let found = findings_with(&observation(pulse), &[], &best);
    assert!(found.iter().any(|finding| finding.contains("expected a performer")), "{found:#?}");
    passes(&observation(pulse), &[], "expected a performer");
}

#[test]
fn systems_are_absolute_and_no_value_sets() {
    let with = |system: &str| patient(&format!(r#""maritalStatus":{{"coding":[{{"system":"{system}","code":"a"}}]}}"#));
    let place = "error code-invalid at Patient.maritalStatus.coding[0]";
    finds(&with("codes"), &format!("{place}: expected the system to be an absolute URL"));
    finds(&with("http://hl7.org/fhir/ValueSet/marital-status"), &format!("{place}.system: expected the code system"));
    passes(&with("http://x.org/codes"), &[], "error");
}

#[test]
fn fragments_lead_to_something() {
    let with = |url: &str| {
        patient(&format!(r#""photo":[{{"id":"p","extension":[{{"url":"http://example.org/e","valueUrl":"{url}"}}]}}]"#))
    };
    finds(&with("#x"), "error invalid at Patient.photo[0].extension[0].value");
    passes(&with("#p"), &[], "expected the fragment");
    passes(&patient(r##""meta":{"source":"#a5f"}"##), &[], "expected the fragment");
}
