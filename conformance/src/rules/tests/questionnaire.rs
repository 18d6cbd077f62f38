use super::{finds, finds_with, passes};

/// A Questionnaire of these items.
fn questions(items: &str) -> String {
    format!(r#"{{"resourceType":"Questionnaire","url":"http://x.org/q","status":"active","item":[{items}]}}"#)
}

/// A response to it.
fn answers(items: &str) -> String {
    format!(
        r#"{{"resourceType":"QuestionnaireResponse","questionnaire":"http://x.org/q","status":"completed","item":[{items}]}}"#
    )
}

#[track_caller]
fn wrong(asked: &str, given: &str, expected: &str) {
    finds_with(&answers(given), &[&questions(asked)], expected);
}

#[track_caller]
fn right(asked: &str, given: &str) {
    passes(&answers(given), &[&questions(asked)], "error");
}

/// One question of a type with more members, and one item with an answer.
#[track_caller]
fn one(kind: &str, more: &str, answer: &str, expected: Option<&str>) {
    let asked = format!(r#"{{"linkId":"a","type":"{kind}","repeats":true{more}}}"#);
    let given = format!(r#"{{"linkId":"a","answer":[{answer}]}}"#);
    match expected {
        Some(expected) => wrong(&asked, &given, expected),
        None => right(&asked, &given),
    }
}

#[test]
fn items_answer_questions_in_their_order() {
    let asked =
        r#"{"linkId":"a","type":"string"},{"linkId":"b","type":"group","item":[{"linkId":"c","type":"string"}]}"#;
    right(
        asked,
        r#"{"linkId":"a","answer":[{"valueString":"x"}]},{"linkId":"b","item":[{"linkId":"c","answer":[{"valueString":"x"}]}]}"#,
    );
    wrong(asked, r#"{"linkId":"z"}"#, "error not-found at QuestionnaireResponse: expected linkId");
    wrong(
        asked,
        r#"{"linkId":"c","answer":[{"valueString":"x"}]}"#,
        "expected the item where the questionnaire asks it",
    );
    wrong(asked, r#"{"linkId":"b"},{"linkId":"a"}"#, "expected the items in the order");
    wrong(asked, r#"{"linkId":"a"},{"linkId":"a"}"#, "expected one item: the question is not one that repeats");
    wrong(asked, r#"{"linkId":"a","answer":[{"valueString":"x"},{"valueString":"y"}]}"#, "expected one answer");
    wrong(asked, r#"{"linkId":"a","text":"other"}"#, "expected the text of the question");
    wrong(asked, r#"{"linkId":"b","answer":[{"valueString":"x"}]}"#, "expected no answer: the item is of type group");
}

#[test]
fn required_questions_are_answered_when_the_response_is_complete() {
    let asked = r#"{"linkId":"a","type":"string","required":true}"#;
    wrong(asked, r#"{"linkId":"a"}"#, "error required at QuestionnaireResponse.item[0]");
    let empty = r#"{"resourceType":"QuestionnaireResponse","questionnaire":"http://x.org/q","status":"completed"}"#;
    finds_with(empty, &[&questions(asked)], "error required at QuestionnaireResponse: expected an answer");
    let started = empty.replace("completed", "in-progress");
    finds_with(&started, &[&questions(asked)], "warning required at QuestionnaireResponse: expected an answer");
    let group = r#"{"linkId":"g","type":"group","required":true,"item":[{"linkId":"a","type":"string"}]}"#;
    wrong(group, r#"{"linkId":"g"}"#, "expected answers in the required group");
}

#[test]
fn questions_that_are_not_enabled_are_not_answered() {
    let asked = |when: &str| {
        format!(
            r#"{{"linkId":"a","type":"integer"}},{{"linkId":"b","type":"string","required":true,"enableWhen":[{when}]}}"#
        )
    };
    let given = r#"{"linkId":"a","answer":[{"valueInteger":5}]},{"linkId":"b","answer":[{"valueString":"x"}]}"#;
    let when = |operator: &str, answer: &str| asked(&format!(r#"{{"question":"a","operator":"{operator}",{answer}}}"#));
    right(&when("=", r#""answerInteger":5"#), given);
    right(&when(">=", r#""answerInteger":5"#), given);
    right(&when("exists", r#""answerBoolean":true"#), given);
    wrong(&when("<", r#""answerInteger":5"#), given, "expected no answer: the question is not enabled");
    wrong(&when("!=", r#""answerInteger":5"#), given, "expected no answer: the question is not enabled");
    wrong(&when("exists", r#""answerBoolean":false"#), given, "expected no answer");
    // Nothing is missed where nothing is asked.
    right(&when(">", r#""answerInteger":5"#), r#"{"linkId":"a","answer":[{"valueInteger":5}]}"#);
    wrong(&when(">", r#""answerInteger":4"#), r#"{"linkId":"a","answer":[{"valueInteger":5}]}"#, "error required");
}

#[test]
fn conditions_look_at_answers_of_the_same_group() {
    let asked = r#"{"linkId":"g","type":"group","repeats":true,"item":[{"linkId":"a","type":"boolean"},
        {"linkId":"b","type":"string","enableWhen":[{"question":"a","operator":"=","answerBoolean":true}]}]}"#;
    let group = |value: &str| {
        format!(
            r#"{{"linkId":"g","item":[{{"linkId":"a","answer":[{{"valueBoolean":{value}}}]}},{{"linkId":"b","answer":[{{"valueString":"x"}}]}}]}}"#
        )
    };
    right(asked, &group("true"));
    wrong(asked, &format!("{},{}", group("true"), group("false")), "QuestionnaireResponse.item[1].item[1]");
}

#[test]
fn answers_have_the_type_of_their_question() {
    one(
        "boolean",
        "",
        r#"{"valueString":"x"}"#,
        Some("error invariant at QuestionnaireResponse.item[0].answer[0].value.ofType(string)"),
    );
    one("boolean", "", r#"{"valueBoolean":true}"#, None);
    one("text", "", r#"{"valueString":"x"}"#, None);
    one("url", "", r#"{"valueUri":"http://x.org"}"#, None);
    one("quantity", "", r#"{"valueQuantity":{"value":1}}"#, None);
    one("choice", "", r#"{"valueBoolean":true}"#, Some("expected an answer of type Coding or"));
    one("display", "", r#"{"valueBoolean":true}"#, Some("expected no answer: the item is a display"));
}

#[test]
fn answers_stay_within_bounds() {
    let extension = |name: &str, value: &str| {
        format!(r#","extension":[{{"url":"http://hl7.org/fhir/StructureDefinition/{name}",{value}}}]"#)
    };
    one(
        "integer",
        &extension("minValue", r#""valueInteger":3"#),
        r#"{"valueInteger":2}"#,
        Some("expected at least the least value"),
    );
    one("integer", &extension("maxValue", r#""valueInteger":3"#), r#"{"valueInteger":3}"#, None);
    one(
        "decimal",
        &extension("maxValue", r#""valueDecimal":3.10"#),
        r#"{"valueDecimal":3.2}"#,
        Some("expected at most the greatest"),
    );
    one("decimal", &extension("maxValue", r#""valueDecimal":10"#), r#"{"valueDecimal":9.9}"#, None);
    one(
        "decimal",
        &extension("maxDecimalPlaces", r#""valueInteger":1"#),
        r#"{"valueDecimal":1.10}"#,
        Some("expected at most 1 decimal places"),
    );
    one(
        "date",
        &extension("minValue", r#""valueDate":"2020-02""#),
        r#"{"valueDate":"2020"}"#,
        Some("expected at least the least value"),
    );
    one("date", &extension("maxValue", r#""valueDate":"2020-02""#), r#"{"valueDate":"2020-02-01"}"#, None);
    one("string", r#","maxLength":2"#, r#"{"valueString":"abc"}"#, Some("expected at most 2 characters"));
    one(
        "string",
        &extension("minLength", r#""valueInteger":2"#),
        r#"{"valueString":"a"}"#,
        Some("expected at least 2 characters"),
    );
    one("string", &extension("regex", r#""valueString":"[a-c]+""#), r#"{"valueString":"abd"}"#, Some("of the form"));
    one("string", "", r#"{"valueString":"a\nb"}"#, None);
    one(
        "attachment",
        &extension("mimeType", r#""valueCode":"image/gif""#),
        r#"{"valueAttachment":{"contentType":"image/png","url":"http://x.org"}}"#,
        Some("expected a contentType of image/gif"),
    );
    one(
        "attachment",
        &extension("maxSize", r#""valueDecimal":2"#),
        r#"{"valueAttachment":{"contentType":"image/png","data":"AAAA"}}"#,
        Some("at most 2 bytes"),
    );
    one(
        "reference",
        &extension("questionnaire-referenceResource", r#""valueCode":"Patient""#),
        r#"{"valueReference":{"reference":"Group/a"}}"#,
        Some("expected a reference to Patient"),
    );
    one("reference", "", r#"{"valueReference":{"reference":"https://x.org/Nothing/a"}}"#, Some("of a type of R4"));
    one(
        "string",
        &extension("questionnaire-maxOccurs", r#""valueInteger":1"#),
        r#"{"valueString":"a"},{"valueString":"b"}"#,
        Some("expected at most 1 answers"),
    );
    one(
        "string",
        &extension("questionnaire-minOccurs", r#""valueInteger":2"#),
        r#"{"valueString":"a"}"#,
        Some("expected at least 2 answers"),
    );
}

#[test]
fn quantities_compare_by_their_units() {
    let bound = |name: &str, code: &str| {
        format!(
            r#","extension":[{{"url":"http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-{name}",
            "valueQuantity":{{"value":5,"system":"http://unitsofmeasure.org","code":"{code}"}}}}]"#
        )
    };
    let given = |code: &str| {
        format!(r#"{{"valueQuantity":{{"value":6,"unit":"x","system":"http://unitsofmeasure.org","code":"{code}"}}}}"#)
    };
    one("quantity", &bound("maxQuantity", "km"), &given("km"), Some("expected a quantity within maxQuantity"));
    one("quantity", &bound("minQuantity", "km"), &given("km"), None);
    one("quantity", &bound("maxQuantity", "km"), &given("m"), None);
    one("quantity", &bound("minQuantity", "km"), &given("m"), Some("expected a quantity within minQuantity"));
    one("quantity", &bound("minQuantity", "km"), &given("kg"), Some("expected a unit that compares"));
}

#[test]
fn answers_are_among_the_options() {
    let options = r#","answerOption":[{"valueCoding":{"system":"http://x.org","code":"a"}},
        {"valueCoding":{"system":"http://x.org","code":"b"},
        "extension":[{"url":"http://hl7.org/fhir/StructureDefinition/questionnaire-optionExclusive","valueBoolean":true}]}]"#;
    let coding = |code: &str| format!(r#"{{"valueCoding":{{"system":"http://x.org","code":"{code}"}}}}"#);
    one("choice", options, &coding("a"), None);
    one(
        "choice",
        options,
        &coding("z"),
        Some("error invariant at QuestionnaireResponse.item[0].answer[0]: expected one of"),
    );
    one(
        "choice",
        options,
        &format!("{},{}", coding("a"), coding("b")),
        Some("expected no other answer beside an exclusive"),
    );
    one("open-choice", options, r#"{"valueString":"other"}"#, None);
    one("choice", options, r#"{"valueString":"other"}"#, Some("expected the question to have options of type string"));
    let dates = r#","answerOption":[{"valueDate":"2020-01-01"}]"#;
    one("date", dates, r#"{"valueDate":"2020-01-02"}"#, Some("expected one of the answers that the question lists"));
    one("choice", dates, r#"{"valueDate":"2020-01-01"}"#, None);
}

#[test]
fn questionnaires_are_found_where_they_may_be() {
    let contained = r##"{"resourceType":"QuestionnaireResponse","contained":[{"resourceType":"Questionnaire","id":"q",
        "status":"active","item":[{"linkId":"a","type":"boolean"}]}],"questionnaire":"#q","status":"completed",
        "item":[{"linkId":"b"}]}"##;
    finds(contained, "expected linkId to be one of the questionnaire");
    finds(&answers(r#"{"linkId":"a"}"#), "warning required at QuestionnaireResponse: the questionnaire is not known");
}

#[test]
fn conditions_of_a_questionnaire_name_earlier_questions() {
    let with = |target: &str| {
        questions(&format!(
            r#"{{"linkId":"a","type":"group","enableWhen":[{{"question":"{target}","operator":"exists","answerBoolean":true}}],
            "item":[{{"linkId":"b","type":"string"}}]}},{{"linkId":"c","type":"string"}}"#
        ))
    };
    finds(&with("b"), "expected enableWhen to ask for a question that is not inside");
    finds(&with("z"), "expected enableWhen to name a question of the questionnaire");
    finds(&with("a"), "expected enableWhen to name another question");
    finds(&with("c"), "warning business-rule at Questionnaire.item[0]");
}

#[test]
fn derived_questionnaires_narrow_their_base() {
    let base = r#"{"resourceType":"Questionnaire","url":"http://x.org/base","status":"active","item":[
        {"linkId":"a","type":"string","required":true,"maxLength":5},{"linkId":"c","type":"choice","answerOption":[{"valueString":"x"}]}]}"#;
    let derived = |item: &str| {
        format!(
            r#"{{"resourceType":"Questionnaire","url":"http://x.org/q","status":"active","derivedFrom":["http://x.org/base"],
            "_derivedFrom":[{{"extension":[{{"url":"http://hl7.org/fhir/StructureDefinition/questionnaire-derivationType",
            "valueCoding":{{"system":"http://hl7.org/fhir/questionnaire-derivationType","code":"compliesWith"}}}}]}}],"item":[{item}]}}"#
        )
    };
    let narrows = |item: &str, expected: &str| finds_with(&derived(item), &[base], expected);
    narrows(r#"{"linkId":"a","type":"text","maxLength":5}"#, "Questionnaire.item[0].type: expected the type");
    narrows(r#"{"linkId":"a","type":"string","repeats":true,"maxLength":5}"#, "expected no repetition");
    narrows(r#"{"linkId":"a","type":"string","required":false,"maxLength":5}"#, "expected a required item");
    narrows(r#"{"linkId":"a","type":"string","maxLength":6}"#, "expected no more than the length");
    narrows(r#"{"linkId":"z","type":"string"}"#, "expected the item to be one of the questionnaire it complies with");
    narrows(
        r#"{"linkId":"c","type":"choice","answerOption":[{"valueString":"y"}]}"#,
        "expected an option that the base has",
    );
}

#[test]
fn two_conditions_need_a_behaviour() {
    let with = |behaviour: &str| {
        let when = r#"{"question":"a","operator":"exists","answerBoolean":true}"#;
        format!(
            r#"{{"resourceType":"Questionnaire","status":"active","item":[{{"linkId":"a","type":"string"}},
            {{"linkId":"b","type":"string",{behaviour}"enableWhen":[{when},{when}]}}]}}"#
        )
    };
    finds(&with(""), "error invariant at Questionnaire.item[1]: expected enableBehavior");
    passes(&with(r#""enableBehavior":"any","#), &[], "expected enableBehavior");
}
