use super::report::Filter;
use super::*;

fn detail(number: u64, sender: &str, patient: &str, text: &str) -> ExchangeDetail {
    ExchangeDetail {
        id: ExchangeId::from_random([u8::try_from(number % 251).unwrap(); 16]),
        number,
        source: "ward".to_owned(),
        sending_application: Some(sender.to_owned()),
        sending_facility: Some("NORTH".to_owned()),
        received: Instant::from_millis(i64::try_from(number).unwrap() * 86_400_000),
        state: ExchangeState::Stored,
        patient: Some(patient.to_owned()),
        detail: Some(text.to_owned()),
    }
}

const GAPS: &str =
    r#"{"type":"ADT^A01","unmapped":[["PID-10",1,0],["ZXX-2.1",0,3]],"codes":[["PatientClass","PV1-2","Q"]]}"#;

fn sums(details: &[ExchangeDetail]) -> Sums {
    let mut sums = Sums::default();
    details.iter().for_each(|detail| sums.take(detail));
    sums
}

#[test]
fn counts_by_sender_and_place_with_first_and_last() {
    let sums = sums(&[detail(1, "A", "p", GAPS), detail(2, "A", "p", GAPS), detail(3, "B", "p", GAPS)]);
    let report = sums.report(&Filter { sender: Some("A".to_owned()), ..Filter::default() });
    assert_eq!(report.items("unmapped").len(), 2);
    let line = &report.items("unmapped")[0];
    assert_eq!((line.text_at(&["at"]), line.get("exchanges")), (Some("PID-10"), Some(&Json::from(2_u64))));
    assert_eq!(line.text_at(&["last", "at"]), Some("1970-01-03T00:00:00.000Z"));
    assert_eq!(report.items("senders").len(), 1);
}

#[test]
fn since_counts_by_days() {
    let many: Vec<_> = (1..=40).map(|number| detail(number, "A", "p", GAPS)).collect();
    let sums = sums(&many);
    let count = |since: i64| {
        let filter = Filter { since: Some(Instant::from_millis(since * 86_400_000)), ..Filter::default() };
        let report = sums.report(&filter);
        report.items("unmapped").first().and_then(|line| line.get("exchanges")).cloned()
    };
    assert_eq!(count(39), Some(Json::from(2_u64)));
    assert_eq!(count(41), None);
    assert_eq!(count(1), Some(Json::from(40_u64)), "beyond the days that are kept all are said");
}

#[test]
fn a_code_is_shown_once_several_patients_had_it() {
    let mut all = vec![detail(1, "A", "p1", GAPS), detail(2, "A", "p1", GAPS), detail(3, "A", "p2", GAPS)];
    let code = |all: &[ExchangeDetail]| sums(all).report(&Filter::default()).items("codes")[0].clone();
    assert_eq!(code(&all).get("code"), Some(&Json::Null));
    all.push(detail(4, "A", "p3", GAPS));
    assert_eq!(code(&all).text_at(&["code"]), Some("Q"));
    assert_eq!(code(&all).text_at(&["map"]), Some("PatientClass"));
}

#[test]
fn the_file_says_the_same_again_and_what_is_no_file_of_ours_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("unmapped.json");
    let mut before = sums(&[detail(1, "A", "p", GAPS), detail(2, "B", "q", GAPS)]);
    (before.next, before.last) = (3, Some(ExchangeId::from_random([7; 16])));
    before.waiting.insert(0);
    file::replace(&path, file::write(&before).as_bytes()).unwrap();
    assert_eq!(file::read(&path), Some(before));
    for wrong in ["", "{}", "{\"form\":2}", "{\"form\":1,\"next\":1,\"left_off\":0,\"places\":[[1]]}"] {
        std::fs::write(&path, wrong).unwrap();
        assert_eq!(file::read(&path), None, "{wrong}");
    }
}

#[test]
fn lines_are_bounded_and_what_is_left_off_is_counted() {
    let places: Vec<String> = (0..LINES_MOST + 5).map(|place| format!("[\"Z{place}-1\",1,0]")).collect();
    let sums = sums(&[detail(1, "A", "p", &format!("{{\"type\":\"\",\"unmapped\":[{}]}}", places.join(",")))]);
    assert_eq!((sums.places.len(), sums.left_off), (LINES_MOST, 5));
}

#[test]
fn a_table_holds_no_formula() {
    let table = sums(&[detail(1, "=cmd|' /C calc'!A0,\"x\"", "p", GAPS)]).table(&Filter::default());
    assert!(table.contains("\"'=cmd|' /C calc'!A0,\"\"x\"\"\""), "{table}");
    assert_eq!(table.lines().count(), 4);
}

#[test]
fn what_may_be_a_name_or_a_number_of_a_person_is_no_code() {
    for code in ["Q", "12345-6", "ICD10/A", "X_1"] {
        assert!(crate::pipeline::gaps::is_code(code), "{code}");
    }
    for other in
        ["", "MUSTER ERIKA", "19700101", "0316/555123456", "a-very-long-code-of-a-sender", "M\u{fc}ller", "A&B"]
    {
        assert!(!crate::pipeline::gaps::is_code(other), "{other}");
    }
}
