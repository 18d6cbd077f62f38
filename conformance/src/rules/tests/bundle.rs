use super::{finds, passes};

/// A Bundle of a type with these entries, and further members.
fn bundle(kind: &str, entries: &[&str], more: &str) -> String {
    format!(r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{}]{more}}}"#, entries.join(","))
}

/// An entry: full URL and resource members.
fn entry(full_url: &str, resource: &str) -> String {
    format!(r#"{{"fullUrl":"{full_url}","resource":{{{resource}}}}}"#)
}

const HEAD: &str = r#","identifier":{"system":"urn:x:y","value":"1"},"timestamp":"2020-01-01T00:00:00Z""#;

/// A Composition about a subject, with further members.
fn composition(subject: &str, more: &str) -> String {
    format!(
        r#""resourceType":"Composition","status":"final","type":{{"text":"x"}},"date":"2020","title":"x",
        "author":[{{"display":"x"}}],"subject":{{"reference":"{subject}"}}{more}"#
    )
}

#[test]
fn full_urls_are_absolute_and_name_the_resource() {
    let patient = r#""resourceType":"Patient","id":"a""#;
    let one = |url: &str| bundle("collection", &[&entry(url, patient)], "");
    finds(&one("Patient/a"), "error invalid at Bundle.entry[0]: expected fullUrl to be an absolute URL");
    finds(&one("http://x.org/Patient/b"), "expected fullUrl to end in the type and the id");
    finds(&one("http://x.org/Person/a"), "expected fullUrl to end in the type and the id");
    passes(&one("http://x.org/Patient/a"), &[], "error");
    passes(&one("urn:uuid:c757873d-ec9a-4326-a141-556f43239520"), &[], "error");
    let no_id =
        bundle("collection", &[&entry("http://x.org/Patient/a", r#""resourceType":"Patient","active":true"#)], "");
    finds(&no_id, "expected the resource to have the id");
    let bare = bundle("collection", &[r#"{"resource":{"resourceType":"Patient","id":"a"}}"#], "");
    finds(&bare, "entries may be without it in transactions");
    let refers =
        r#"{"resource":{"resourceType":"Patient","id":"a","managingOrganization":{"reference":"Organization/b"}}}"#;
    finds(&bundle("collection", &[refers], ""), "error required at Bundle.entry[0]");
    let created =
        r#"{"resource":{"resourceType":"Patient","active":true},"request":{"method":"POST","url":"Patient"}}"#;
    passes(&bundle("transaction", &[created], ""), &[], "error");
}

#[test]
fn a_document_starts_with_its_composition_and_holds_together() {
    let patient = entry("http://x.org/Patient/a", r#""resourceType":"Patient","id":"a""#);
    let head =
        |subject: &str| entry("http://x.org/Composition/c", &format!(r#""id":"c",{}"#, composition(subject, "")));
    passes(&bundle("document", &[&head("Patient/a"), &patient], HEAD), &[], "error");
    passes(&bundle("document", &[&head("http://x.org/Patient/a"), &patient], HEAD), &[], "error");
    finds(&bundle("document", &[&patient], HEAD), "expected the first resource to be a Composition");
    let lost = bundle("document", &[&head("Patient/b"), &patient], HEAD);
    finds(&lost, "error not-found at Bundle.entry[0].resource.subject");
    finds(&lost, "error informational at Bundle.entry[1]: expected the entry to be reached");
    let elsewhere = entry("http://y.org/Patient/a", r#""resourceType":"Patient","id":"a""#);
    let apparent = bundle("document", &[&head("Patient/a"), &elsewhere], HEAD);
    finds(&apparent, "error invalid at Bundle.entry[0].resource.subject");
    let backwards = entry(
        "http://x.org/Observation/o",
        r#""resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/a"}"#,
    );
    let found = bundle("document", &[&head("Patient/a"), &patient, &backwards], HEAD);
    finds(&found, "warning invalid at Bundle.entry[2]");
    passes(&found, &[], "error");
}

#[test]
fn a_message_starts_with_its_header() {
    let patient = entry("http://x.org/Patient/a", r#""resourceType":"Patient","id":"a""#);
    finds(&bundle("message", &[&patient], ""), "expected the first resource to be a MessageHeader");
    let header = entry(
        "http://x.org/MessageHeader/m",
        r#""resourceType":"MessageHeader","id":"m","eventUri":"http://x.org/e","source":{"endpoint":"http://x.org"},
        "focus":[{"reference":"Patient/b"}]"#,
    );
    let message = bundle("message", &[&header, &patient], "");
    finds(&message, "error not-found at Bundle.entry[0].resource.focus[0]");
    finds(&message, "warning informational at Bundle.entry[1]");
}

#[test]
fn references_are_resolved_by_full_url() {
    let refers = |reference: &str| {
        entry(
            "http://x.org/Patient/a",
            &format!(r#""resourceType":"Patient","id":"a","generalPractitioner":[{{"reference":"{reference}"}}]"#),
        )
    };
    let named = |url: &str| entry(url, r#""resourceType":"Organization","id":"b","name":"x""#);
    let of = |reference: &str, url: &str| bundle("collection", &[&refers(reference), &named(url)], "");
    passes(&of("Organization/b", "http://x.org/Organization/b"), &[], "required");
    finds(&of("Organization/b", "http://y.org/Organization/b"), "warning required");
    finds(&of("urn:uuid:c757873d-ec9a-4326-a141-556f43239520", "http://x.org/Organization/b"), "with that URN");
    finds(&of("b", "http://x.org/Organization/b"), "expected a relative reference to be Type/id");
    let wrong = of("Practitioner/b", "http://x.org/Practitioner/b");
    finds(&wrong, "error required at Bundle.entry[0].resource.generalPractitioner[0]");
}

#[test]
fn search_results_say_why_they_are_there() {
    let patient = |mode: &str, id: &str| {
        format!(
            r#"{{"fullUrl":"http://x.org/Patient/a","resource":{{"resourceType":"Patient"{id}}},"search":{{"mode":"{mode}"}}}}"#
        )
    };
    let link = r#","link":[{"relation":"self","url":"http://x.org/Observation?code=x"}]"#;
    finds(&bundle("searchset", &[&patient("match", "")], ""), "expected the result of a search to have an id");
    finds(&bundle("searchset", &[&patient("outcome", r#","id":"a""#)], ""), "expected an OperationOutcome");
    finds(
        &bundle("searchset", &[&patient("match", r#","id":"a""#)], link),
        "expected a resource of a searched type: Observation",
    );
    passes(&bundle("searchset", &[&patient("include", r#","id":"a""#)], link), &[], "error");
    finds(&bundle("searchset", &[&patient("include", r#","id":"a""#)], ""), "expected a self link");
    let paged = r#","link":[{"relation":"next","url":"http://x.org/x"},{"relation":"next","url":"http://x.org/x"}]"#;
    finds(&bundle("collection", &[], paged), "error invalid at Bundle.link[0].relation");
    finds(&bundle("searchset", &[], paged), "error invalid at Bundle.link[1]");
}

#[test]
fn a_signature_is_a_detached_jws() {
    // {"alg":"none"} . {} . AA, in base64 once more.
    let signed = r#","signature":{"type":[{"code":"x"}],"when":"2020-01-01T00:00:00Z","who":{"display":"x"},
        "sigFormat":"application/jose","data":"ZXlKaGJHY2lPaUp1YjI1bEluMC5lMzAuQUE="}"#;
    let found = bundle("collection", &[], signed);
    finds(&found, "expected a detached signature");
    finds(&found, "expected the head of the JWS to say when it was signed");
    finds(&found, "expected the head of the JWS to name a key");
}
