use model::json::{Limits, parse};

use super::*;

fn read(text: &str) -> Json {
    parse(text.as_bytes(), &Limits::default()).unwrap()
}

/// A validator that also knows these definitions.
fn with(definitions: &[&str]) -> Validator {
    let package = definitions::Package::from_resources(definitions.iter().map(|text| read(text)).collect());
    Validator::of(Arc::new(Definitions::r4().with(vec![package])))
}

/// Errors of a resource as `code place`, in order.
fn errors(validator: &Validator, resource: &str, profiles: &[&str]) -> Vec<String> {
    let profiles: Vec<String> = profiles.iter().map(|profile| (*profile).to_owned()).collect();
    let options = Options { profiles: &profiles, ..Options::default() };
    let issues = validator.validate(&read(resource), &options);
    let errors = issues.iter().filter(|issue| issue.is_error());
    errors.map(|issue| format!("{} {}", issue.code, issue.at.as_deref().unwrap_or_default())).collect()
}

/// A profile on a type, of the elements of its differential.
fn profile(name: &str, of: &str, elements: &str) -> String {
    let kind = if matches!(of, "Extension" | "HumanName") { "complex-type" } else { "resource" };
    format!(
        r#"{{"resourceType":"StructureDefinition","url":"http://example.org/{name}","name":"{name}","status":"draft",
        "fhirVersion":"4.0.1","kind":"{kind}","abstract":false,"type":"{of}","derivation":"constraint",
        "context":[{{"type":"element","expression":"Patient.name"}}],
        "baseDefinition":"http://hl7.org/fhir/StructureDefinition/{of}","differential":{{"element":[{elements}]}}}}"#
    )
}

#[track_caller]
fn check(elements: &str, resource: &str, expect: &[&str]) {
    let of = read(resource).text_at(&["resourceType"]).unwrap().to_owned();
    let validator = with(&[&profile("p", &of, elements)]);
    assert_eq!(errors(&validator, resource, &["http://example.org/p"]), expect);
}

#[test]
fn profiles_narrow_how_often_an_element_comes() {
    let elements = r#"{"path":"Patient.name","min":1},{"path":"Patient.photo","max":"0"}"#;
    check(elements, r#"{"resourceType":"Patient","name":[{"family":"A"}]}"#, &[]);
    check(elements, r#"{"resourceType":"Patient"}"#, &["required Patient"]);
    check(
        elements,
        r#"{"resourceType":"Patient","name":[{"family":"A"}],"photo":[{"title":"x"}]}"#,
        &["structure Patient"],
    );
}

#[test]
fn fixed_values_and_patterns_have_to_be_there() {
    let elements = r#"{"path":"Patient.gender","fixedCode":"male"},
        {"path":"Patient.maritalStatus","patternCodeableConcept":{"coding":[{"code":"M"}]}}"#;
    check(elements, r#"{"resourceType":"Patient","gender":"male"}"#, &[]);
    check(elements, r#"{"resourceType":"Patient","gender":"female"}"#, &["value Patient.gender"]);
    check(elements, r#"{"resourceType":"Patient","maritalStatus":{"text":"x"}}"#, &["value Patient.maritalStatus"]);
}

#[test]
fn slices_are_told_apart_by_values() {
    let elements = r#"{"id":"Patient.identifier","path":"Patient.identifier",
            "slicing":{"discriminator":[{"type":"value","path":"system"}],"rules":"closed"}},
        {"id":"Patient.identifier:a","path":"Patient.identifier","sliceName":"a","min":1,"max":"1"},
        {"id":"Patient.identifier:a.system","path":"Patient.identifier.system","min":1,"fixedUri":"http://a.example.org"},
        {"id":"Patient.identifier:a.value","path":"Patient.identifier.value","min":1}"#;
    let patient = |identifiers: &str| format!(r#"{{"resourceType":"Patient","identifier":[{identifiers}]}}"#);
    let a = r#"{"system":"http://a.example.org","value":"1"}"#;
    check(elements, &patient(a), &[]);
    check(elements, &patient(&format!("{a},{a}")), &["structure Patient"]);
    check(elements, &patient(r#"{"system":"http://a.example.org"}"#), &["required Patient.identifier[0]"]);
    let other = r#"{"system":"http://b.example.org","value":"1"}"#;
    check(elements, &patient(&format!("{a},{other}")), &["structure Patient.identifier[1]"]);
    check(elements, r#"{"resourceType":"Patient"}"#, &["required Patient"]);
}

#[test]
fn slices_of_a_choice_are_told_apart_by_type() {
    let elements = r#"{"id":"Observation.value[x]","path":"Observation.value[x]",
            "slicing":{"discriminator":[{"type":"type","path":"$this"}],"rules":"open"}},
        {"id":"Observation.value[x]:valueQuantity","path":"Observation.value[x]","sliceName":"valueQuantity",
            "type":[{"code":"Quantity"}]},
        {"id":"Observation.value[x]:valueQuantity.unit","path":"Observation.value[x].unit","min":1}"#;
    let observation =
        |value: &str| format!(r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},{value}}}"#);
    check(elements, &observation(r#""valueString":"x""#), &[]);
    check(elements, &observation(r#""valueQuantity":{"value":1}"#), &["required Observation.value.ofType(Quantity)"]);
}

#[test]
fn types_of_a_choice_can_be_narrowed() {
    let elements = r#"{"path":"Patient.deceased[x]","type":[{"code":"boolean"}]}"#;
    check(elements, r#"{"resourceType":"Patient","deceasedBoolean":true}"#, &[]);
    let expect = ["structure Patient.deceased.ofType(dateTime)"];
    check(elements, r#"{"resourceType":"Patient","deceasedDateTime":"2020"}"#, &expect);
}

#[test]
fn invariants_of_profiles_are_evaluated() {
    let elements = r#"{"path":"Patient","constraint":[
        {"key":"x-1","severity":"error","human":"a name or a telecom","expression":"name.exists() or telecom.exists()"}]}"#;
    check(elements, r#"{"resourceType":"Patient","name":[{"family":"A"}]}"#, &[]);
    check(elements, r#"{"resourceType":"Patient"}"#, &["invariant Patient"]);
}

#[test]
fn extensions_stand_where_their_definition_says() {
    let definition = profile(
        "ext",
        "Extension",
        r#"{"path":"Extension.url","fixedUri":"http://example.org/ext"},
           {"path":"Extension.value[x]","min":1,"type":[{"code":"string"}]}"#,
    );
    let validator = with(&[&definition]);
    let check = |patient: &str, expect: &[&str]| assert_eq!(errors(&validator, patient, &[]), expect);
    let extension = r#""extension":[{"url":"http://example.org/ext","valueString":"x"}]"#;
    check(&format!(r#"{{"resourceType":"Patient","name":[{{{extension}}}]}}"#), &[]);
    check(&format!(r#"{{"resourceType":"Patient",{extension}}}"#), &["structure Patient"]);
    check(
        r#"{"resourceType":"Patient","name":[{"extension":[{"url":"http://example.org/ext","valueCode":"x"}]}]}"#,
        &["structure Patient.name[0].extension[0].value.ofType(code)"],
    );
}

#[test]
fn codes_of_required_bindings_are_of_their_value_set() {
    let validator = Validator::r4();
    let check = |text: &str, expect: &[&str]| assert_eq!(errors(validator, text, &[]), expect);
    check(r#"{"resourceType":"Patient","gender":"male","language":"en"}"#, &[]);
    check(r#"{"resourceType":"Patient","gender":"x"}"#, &["code-invalid Patient.gender"]);
}

#[test]
fn a_profile_that_is_claimed_is_checked_and_an_unknown_one_is_a_warning() {
    let validator = with(&[&profile("p", "Patient", r#"{"path":"Patient.name","min":1}"#)]);
    let claim = |url: &str| format!(r#"{{"resourceType":"Patient","meta":{{"profile":["{url}"]}}}}"#);
    assert_eq!(errors(&validator, &claim("http://example.org/p"), &[]), ["required Patient"]);
    assert!(errors(&validator, &claim("http://example.org/unknown"), &[]).is_empty());
    let issues = validator.validate(&read(&claim("http://example.org/unknown")), &Options::default());
    assert!(issues.iter().any(|issue| issue.at.as_deref() == Some("Patient.meta.profile[0]")));
}

#[test]
fn references_lead_to_what_their_profile_allows() {
    let named = profile("named", "Practitioner", r#"{"path":"Practitioner.name","min":1}"#);
    let element = r#"{"path":"Patient.generalPractitioner",
        "type":[{"code":"Reference","targetProfile":["http://example.org/named"]}]}"#;
    let validator = with(&[&named, &profile("p", "Patient", element)]);
    let patient = |practitioner: &str| {
        format!(
            r##"{{"resourceType":"Patient","contained":[{{"resourceType":"Practitioner","id":"a"{practitioner}}}],
            "generalPractitioner":[{{"reference":"#a"}}]}}"##
        )
    };
    let good = patient(r#","name":[{"family":"A"}]"#);
    assert!(errors(&validator, &good, &["http://example.org/p"]).is_empty());
    assert_eq!(
        errors(&validator, &patient(""), &["http://example.org/p"]),
        ["structure Patient.generalPractitioner[0]"]
    );
}

/// ele-1 and ext-1 are checked with the form and not by their expressions: both have to say the same.
#[test]
fn invariants_of_the_form_say_what_their_expressions_say() {
    let truth = |expression: &str, of: &str, value: &Json| {
        let node = fhirpath::Node::new(Some(value), None, fhirpath::Type::find(of).unwrap());
        fhirpath::Expression::parse(expression).unwrap().truth(&fhirpath::Context::default(), node).unwrap()
            == Some(true)
    };
    let native = |of: &str, value: &str, key: &str| {
        let text = match of {
            "Extension" => format!(r#"{{"resourceType":"Patient","extension":[{value}]}}"#),
            _ => format!(r#"{{"resourceType":"Patient","name":[{value}]}}"#),
        };
        !form(&read(&text)).iter().any(|issue| issue.diagnostics.contains(key))
    };
    for value in [
        r#"{"id":"a"}"#,
        r#"{"id":"a","family":"A"}"#,
        r#"{"family":"A"}"#,
        r#"{"extension":[{"url":"http://x","valueCode":"x"}]}"#,
        r#"{"id":"a","_family":{"extension":[{"url":"http://x","valueCode":"x"}]}}"#,
    ] {
        let by_path = truth("hasValue() or (children().count() > id.count())", "HumanName", &read(value));
        assert_eq!(native("HumanName", value, "(ele-1)"), by_path, "{value}");
    }
    for value in [
        r#"{"url":"http://x"}"#,
        r#"{"url":"http://x","valueString":"a"}"#,
        r#"{"url":"http://x","_valueString":{"extension":[{"url":"http://y","valueCode":"x"}]}}"#,
        r#"{"url":"http://x","extension":[{"url":"a","valueCode":"x"}]}"#,
        r#"{"url":"http://x","valueString":"a","extension":[{"url":"a","valueCode":"x"}]}"#,
    ] {
        let by_path = truth("extension.exists() != value.exists()", "Extension", &read(value));
        assert_eq!(native("Extension", value, "(ext-1)"), by_path, "{value}");
    }
}

/// A resource damaged anywhere gives findings and never a panic; no finding quotes what was put in.
mod damage {
    use proptest::prelude::*;

    use super::*;

    const SEEDS: [&str; 3] = [
        include_str!("../../benches/patient.json"),
        r#"{"resourceType":"Bundle","type":"document","entry":[{"fullUrl":"urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
            "resource":{"resourceType":"Composition","status":"final","section":[{"entry":[{"reference":"Patient/1"}]}]}}]}"#,
        r#"{"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"1","type":"group","item":[{"linkId":"2",
            "type":"choice","enableWhen":[{"question":"1","operator":"exists","answerBoolean":true}]}]}]}"#,
    ];

    fn pieces(value: &Json) -> usize {
        1 + match value {
            Json::Array(items) => items.iter().map(pieces).sum(),
            Json::Object(object) => object.iter().map(|(_, value)| pieces(value)).sum(),
            _ => 0,
        }
    }

    /// Puts something else in place of the n-th piece.
    fn replace(value: &mut Json, at: &mut usize, with: &Json) {
        if *at == 0 {
            *value = with.clone();
        }
        *at = at.wrapping_sub(1);
        match value {
            Json::Array(items) => items.iter_mut().for_each(|item| replace(item, at, with)),
            Json::Object(object) => object.iter_mut().for_each(|(_, value)| replace(value, at, with)),
            _ => {}
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
        #[test]
        fn never_panics(seed in 0..SEEDS.len(), wheres in prop::collection::vec(any::<prop::sample::Index>(), 1..4), which in 0..6usize) {
            let with = [
                Json::Null,
                Json::from("zzSECRETzz"),
                Json::from(-7_i64),
                Json::array([Json::Null, Json::from("zzSECRETzz")]),
                Json::object([("resourceType", Json::from("zzSECRETzz"))]),
                Json::object([("reference", Json::from("#zzSECRETzz")), ("extension", Json::array([]))]),
            ];
            let mut resource = read(SEEDS[seed]);
            for place in wheres {
                let mut at = place.index(pieces(&resource));
                replace(&mut resource, &mut at, &with[which]);
            }
            for issue in Validator::r4().validate(&resource, &Options::default()) {
                prop_assert!(!issue.to_string().contains("zzSECRETzz"), "{issue}");
            }
        }
    }
}
