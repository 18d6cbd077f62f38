use model::json::{Limits, parse};

use super::*;

const NAMESPACE: Uuid = Uuid::from_u128(7);

fn json(text: &str) -> Json {
    parse(text.as_bytes(), &Limits::default()).unwrap()
}

/// A patient with an identifier, two results about her, one of which has an identifier that another shares.
fn resources() -> Vec<Json> {
    [
        r#"{"resourceType":"Observation","id":"o1","subject":{"reference":"Patient/p1"},"valueQuantity":{"value":72.50}}"#,
        r#"{"resourceType":"Observation","id":"o2","identifier":[{"system":"urn:s","value":"x"}],"subject":{"reference":"Patient/p1"}}"#,
        r#"{"resourceType":"Observation","id":"o3","identifier":[{"system":"urn:s","value":"x"}],"hasMember":[{"reference":"Observation/o1"}]}"#,
        r#"{"resourceType":"Patient","id":"p1","identifier":[{"value":"no system"},{"system":"urn:mrn","value":"A|1,2"}]}"#,
    ]
    .map(json)
    .to_vec()
}

#[track_caller]
fn written(fhir: DestinationFhir, most_bytes: usize) -> Vec<Json> {
    let parts = parts(&NAMESPACE, resources(), &fhir, most_bytes).unwrap();
    let again = super::parts(&NAMESPACE, resources(), &fhir, most_bytes).unwrap();
    assert_eq!(parts, again, "the same bytes each time");
    parts.iter().map(|part| parse(part, &Limits::default()).unwrap()).collect()
}

fn urls(bundle: &Json) -> Vec<String> {
    bundle.items("entry").iter().map(|it| it.text_at(&["request", "url"]).unwrap().to_owned()).collect()
}

#[test]
fn updates_keep_our_ids_and_every_digit() {
    let [bundle] = written(DestinationFhir::default(), usize::MAX).try_into().unwrap();
    assert_eq!(urls(&bundle), ["Observation/o1", "Observation/o2", "Observation/o3", "Patient/p1"]);
    assert!(bundle.to_text().contains("72.50"));
    assert_eq!(bundle.text_at(&["type"]), Some("transaction"));
}

#[test]
fn of_several_versions_the_last_is_sent() {
    let mut twice = resources();
    twice.push(json(
        r#"{"resourceType":"Patient","id":"p1","active":true,"identifier":[{"system":"urn:mrn","value":"A|1,2"}]}"#,
    ));
    let fhir = DestinationFhir { writes: Writes::Conditional, ..Default::default() };
    let parts = parts(&NAMESPACE, twice, &fhir, usize::MAX).unwrap();
    let bundle = parse(&parts[0], &Limits::default()).unwrap();
    assert_eq!(urls(&bundle).len(), 4);
    assert_eq!(urls(&bundle)[3], "Patient?identifier=urn:mrn%7CA%5C%7C1%5C%2C2");
    assert!(bundle.to_text().contains(r#""active":true"#));
}

#[test]
fn creates_find_what_is_there_by_identifier_or_by_a_tag_of_ours() {
    let [bundle] =
        written(DestinationFhir { writes: Writes::Create, ..Default::default() }, usize::MAX).try_into().unwrap();
    let entries = bundle.items("entry");
    let patient = entries.last().unwrap();
    let criteria = patient.text_at(&["request", "ifNoneExist"]).unwrap();
    assert_eq!(criteria, "identifier=urn:mrn%7CA%5C%7C1%5C%2C2");
    assert_eq!(patient.text_at(&["resource", "id"]), None, "the partner gives its own id");
    let full_url = patient.text_at(&["fullUrl"]).unwrap();
    for entry in &entries[..3] {
        assert_eq!(entry.text_at(&["request", "method"]), Some("POST"));
        let criteria = entry.text_at(&["request", "ifNoneExist"]).unwrap();
        assert!(criteria.starts_with("_tag=urn:anchorline:resource%7C"), "shared identifiers find two: {criteria}");
        let tag = entry.at(&["resource", "meta", "tag"]).and_then(|tags| tags.item(0)).unwrap();
        assert!(criteria.ends_with(tag.text_at(&["code"]).unwrap()), "{criteria}");
    }
    assert_eq!(entries[0].text_at(&["resource", "subject", "reference"]), Some(full_url));
    assert!(entries[0].to_text().contains("72.50"));
}

#[test]
fn conditional_updates_are_addressed_by_what_finds_them() {
    let [bundle] =
        written(DestinationFhir { writes: Writes::Conditional, ..Default::default() }, usize::MAX).try_into().unwrap();
    assert_eq!(urls(&bundle)[3], "Patient?identifier=urn:mrn%7CA%5C%7C1%5C%2C2");
    assert!(bundle.items("entry").iter().all(|entry| entry.text_at(&["request", "method"]) == Some("PUT")));
}

#[test]
fn what_is_too_large_is_refused_or_divided_with_the_referred_first() {
    let small = DestinationFhir { most_entries: 2, ..Default::default() };
    assert_eq!(parts(&NAMESPACE, resources(), &small, usize::MAX), Err(TOO_LARGE));
    let divided = written(DestinationFhir { oversize: Oversize::Split, ..small }, usize::MAX);
    assert_eq!(
        divided.iter().map(urls).collect::<Vec<_>>(),
        [
            vec!["Patient/p1".to_owned(), "Observation/o1".to_owned()],
            vec!["Observation/o2".to_owned(), "Observation/o3".to_owned()],
        ]
    );
    let fhir = DestinationFhir { oversize: Oversize::Split, writes: Writes::Create, ..small };
    let divided = written(fhir, usize::MAX);
    let second = &divided[1].items("entry")[0];
    assert_eq!(
        second.text_at(&["resource", "subject", "reference"]),
        Some("Patient?identifier=urn:mrn%7CA%5C%7C1%5C%2C2"),
        "what the partner has given its own id is found by a conditional reference"
    );
}

#[test]
fn no_part_is_larger_than_allowed() {
    for writes in [Writes::Update, Writes::Conditional, Writes::Create] {
        let fhir = DestinationFhir { oversize: Oversize::Split, writes, ..Default::default() };
        for most in 0..3_000 {
            match parts(&NAMESPACE, resources(), &fhir, most) {
                Ok(parts) => {
                    assert!(parts.iter().all(|part| part.len() <= most), "{writes:?}, {most}");
                    let entries: usize =
                        parts.iter().map(|part| parse(part, &Limits::default()).unwrap().items("entry").len()).sum();
                    assert_eq!(entries, 4, "{writes:?}, {most}");
                }
                Err(error) => assert_eq!(error, TOO_LARGE),
            }
        }
    }
}

#[test]
fn circles_and_long_chains_are_sent_as_given() {
    let chain: Vec<Json> = (0..500)
        .map(|at| {
            json(&format!(
                r#"{{"resourceType":"Observation","id":"o{at}","hasMember":[{{"reference":"Observation/o{}"}}]}}"#,
                (at + 1) % 500
            ))
        })
        .collect();
    assert_eq!(in_order(&chain).len(), 500);
    let open = &chain[..499];
    assert_eq!(in_order(open).len(), 499);
}
