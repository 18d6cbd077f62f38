use super::*;

#[track_caller]
fn check(status: u16, body: &str, expected: &str) {
    let status = StatusCode::from_u16(status).unwrap();
    let got = match judge(Takes::Bundles, status, None, body.as_bytes(), 1000) {
        Ok(()) => "taken".to_owned(),
        Err(failure) => format!("{}{failure}", if failure.is_retryable() { "" } else { "never: " }),
    };
    assert_eq!(got, expected);
}

#[test]
fn a_status_says_whether_to_come_again() {
    check(200, "", "taken");
    check(202, "queued", "taken");
    check(429, "", "answered HTTP 429: not now");
    check(503, "<html>", "answered HTTP 503: not now");
    check(409, "", "answered HTTP 409: not now");
    check(413, "", "takes less than 1000 bytes at a time");
    check(422, "", "never: refused it: HTTP 422");
    check(301, "", "answered with a status that is no answer to a transaction");
}

#[test]
fn an_answer_that_is_no_bundle_is_not_taken_for_one() {
    check(200, "<html></html>", "answered with 200 and no FHIR");
    check(200, "[]", "answered with 200 and no FHIR");
    check(200, r#"{"resourceType":"Patient"}"#, "answered with 200 and another resource than a Bundle");
    check(
        200,
        r#"{"resourceType":"Bundle","type":"transaction-response","entry":[{"response":{"status":"201 Created"}},{"response":{"status":"200"}}]}"#,
        "taken",
    );
}

#[test]
fn a_failed_entry_of_a_batch_is_no_delivery() {
    let answer = |second: &str| {
        format!(
            r#"{{"resourceType":"Bundle","type":"batch-response","entry":[{{"response":{{"status":"201"}}}},{second}]}}"#
        )
    };
    check(200, &answer(r#"{"response":{"status":"503 Busy"}}"#), "answered entry 1: HTTP 503: not now");
    check(
        200,
        &answer(
            r#"{"response":{"status":"422","outcome":{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"required"}]}}}"#,
        ),
        "never: refused it: entry 1: HTTP 422: required",
    );
    check(200, &answer(r#"{"response":{"status":"é"}}"#), "never: refused it: entry 1: HTTP 0");
}

#[test]
fn of_an_outcome_codes_and_places_are_kept_and_never_words() {
    let outcome = r#"{"resourceType":"OperationOutcome","issue":[
        {"severity":"warning","code":"value"},
        {"severity":"error","code":"invalid","diagnostics":"Ida Ash is unknown","details":{"text":"Ida Ash"},
         "expression":["Patient.where(name = 'Ida Ash')","Ida.Ash","Bundle.entry[3].resource.name[0].family"]},
        {"severity":"error","code":"Ida Ash"},
        {"severity":"fatal","code":"required","expression":["Patient.name.Ida Ash"]}]}"#;
    check(422, outcome, "never: refused it: HTTP 422: invalid at Bundle.entry[3].resource.name[0].family; required");
    check(503, outcome, "answered HTTP 503: invalid at Bundle.entry[3].resource.name[0].family; required: not now");
}

#[test]
fn an_outcome_without_end_is_cut_short() {
    let issue = r#"{"severity":"error","code":"invalid","expression":["Bundle.entry[3].resource.name[0].family"]}"#;
    let outcome = format!(r#"{{"resourceType":"OperationOutcome","issue":[{}]}}"#, vec![issue; 5_000].join(","));
    let failure = judge(Takes::Bundles, StatusCode::BAD_REQUEST, None, outcome.as_bytes(), 0).unwrap_err();
    assert!(failure.to_string().len() < 500);
}

#[test]
fn a_partner_says_how_long_to_stay_away() {
    let now = Instant::parse("2026-03-01T10:00:00Z").unwrap();
    let wait = |text: &str| retry_after(text, now).map(|wait| wait.as_secs());
    assert_eq!(wait("120"), Some(120));
    assert_eq!(wait(" 0 "), Some(0));
    assert_eq!(wait("Sun, 01 Mar 2026 10:00:30 GMT"), Some(30));
    assert_eq!(wait("Sun, 01 Mar 2026 09:00:30 GMT"), Some(0));
    assert_eq!(wait("99999999"), Some(3600));
    assert_eq!(wait("99999999999999999999999999"), Some(3600));
    for rubbish in ["", "-1", "soon", "1e9", "Sun, 01 Foo 2026 10:00:30 GMT", "Sun, 99 Mar 2026 10:00:30 GMT"] {
        assert_eq!(wait(rubbish), None, "{rubbish}");
    }
    let failure =
        judge(Takes::Bundles, StatusCode::TOO_MANY_REQUESTS, Some(Duration::from_secs(7)), b"", 0).unwrap_err();
    assert_eq!((failure.asks_to_wait(), failure.is_retryable()), (Duration::from_secs(7), true));
}

#[test]
fn a_partner_of_documents_answers_by_its_status() {
    let judged = |status: StatusCode, body: &str| judge(Takes::Documents, status, None, body.as_bytes(), 9);
    for (status, body) in [(200, "<html>thank you</html>"), (200, ""), (201, "x"), (202, ""), (204, "")] {
        assert!(judged(StatusCode::from_u16(status).unwrap(), body).is_ok(), "{status} {body}");
    }
    let refused = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid"}]}"#;
    assert!(judged(StatusCode::OK, refused).is_err());
    assert!(matches!(judged(StatusCode::BAD_REQUEST, "no"), Err(Failure::Refused(_))));
    assert!(matches!(judged(StatusCode::SERVICE_UNAVAILABLE, ""), Err(Failure::NotNow(_))));
    assert!(matches!(judged(StatusCode::FOUND, ""), Err(Failure::Garbage(_))));
}
