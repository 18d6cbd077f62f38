use std::path::Path;

use super::answer;
use super::header::{Header, When};
use crate::config::Config;
use crate::pipeline::{Cause, Refusal};
use model::outcome::Issue;

const CONFIG: &str = r#"
[[source]]
name = "laboratory"
transport = "mllp"
format = "hl7v2"
match = { sending_application = "LAB", sending_facility = "NORTH" }

[[source]]
name = "partner"
transport = "mllp"
format = "hl7v2"
match = { client_certificate = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff" }

[[source]]
name = "upload"
transport = "http"
format = "hl7v2"
"#;

const CERTIFICATE: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

#[track_caller]
fn check(message: &str, certificate: Option<&str>, source: Option<&str>) {
    let config = Config::parse(CONFIG, Path::new(".")).unwrap();
    let found = Header::read(message.as_bytes()).source(&config, certificate).map(|source| source.name.as_str());
    assert_eq!(found, source);
}

#[test]
fn the_first_source_that_fits_has_the_message() {
    check("MSH|^~\\&|LAB|NORTH|A|B|1||ADT^A01|1|P|2.5", None, Some("laboratory"));
    check("MSH|^~\\&|LAB^1.2.3^ISO|NORTH^x|A|B|1||ADT^A01|1|P|2.5", None, Some("laboratory"));
    check("MSH$!~\\&$LAB!1$NORTH$A$B$1$$ADT!A01$1$P$2.5", None, Some("laboratory"));
    check("\u{feff}MSH|^~\\&|LAB|NORTH|A|B|1||ADT^A01|1|P|2.5", None, Some("laboratory"));
    check("MSH|^~\\&|LAB|SOUTH|A|B|1||ADT^A01|1|P|2.5", None, None);
    check("MSH|^~\\&|LAB|SOUTH|A|B|1||ADT^A01|1|P|2.5", Some(CERTIFICATE), Some("partner"));
    check("MSH|^~\\&|LAB|NORTH", None, Some("laboratory"));
    check("MSH", None, None);
    check("", None, None);
}

#[track_caller]
fn wants(accept: &str, application: &str, expected: Option<(When, When)>) {
    let message = format!("MSH|^~\\&|A|B|C|D|1||ADT^A01|1|P|2.5|||{accept}|{application}\rPID|1");
    let wanted = Header::read(message.as_bytes()).enhanced();
    assert_eq!(wanted.map(|wanted| (wanted.accept, wanted.application)), expected);
}

#[test]
fn the_mode_is_enhanced_when_either_field_is_given() {
    wants("", "", None);
    wants("AL", "NE", Some((When::Always, When::Never)));
    wants("AL", "", Some((When::Always, When::Never)));
    wants("", "AL", Some((When::Never, When::Always)));
    wants("ER", "SU", Some((When::OnError, When::OnSuccess)));
}

#[test]
fn an_acknowledgement_is_sent_on_what_was_asked_for() {
    let on = |when: When| (when.on(true), when.on(false));
    assert_eq!(on(When::Always), (true, true));
    assert_eq!(on(When::Never), (false, false));
    assert_eq!(on(When::OnError), (false, true));
    assert_eq!(on(When::OnSuccess), (true, false));
}

#[test]
fn a_refusal_names_segment_field_and_reason_and_no_fhir_path_as_place() {
    let refusal = Refusal::of(
        Cause::Held,
        vec![
            Issue::warning("value", "not told"),
            Issue::error("required", "expected an identifier").at("PID-3[2].1"),
            Issue::error("value", "expected a date").at("Patient/1#Patient.birthDate"),
        ],
    );
    let errors = answer::errors(&refusal);
    assert_eq!(errors.len(), 2);
    assert_eq!((errors[0].at.as_deref(), errors[0].condition), (Some("PID-3[2].1"), 101));
    assert_eq!((errors[1].at.as_deref(), errors[1].condition), (None, 102));
    assert!(errors[1].text.contains("Patient.birthDate"));
}

#[test]
fn the_header_tells_acknowledgements_numbers_and_bare_headers() {
    let read = |text: &str| Header::read(text.as_bytes());
    let ack = read("MSH|^~\\&|A|B|C|D|1||ACK^A01^ACK|1|P|2.5|||AL|NE\rMSA|AA|1");
    assert!(ack.is_acknowledgement() && ack.wants_commit() && !ack.is_alone());
    assert!(!read("MSH|^~\\&|A|B|C|D|1||ACK|1|P|2.5|||NE\rMSA|AA|1").wants_commit());
    let numbered = read("MSH|^~\\&|A|B|C|D|1||ADT^A01|1|P|2.5|17||AL|ER\r\n");
    assert_eq!((numbered.sequence(), numbered.is_alone(), numbered.is_acknowledgement()), ("17", true, false));
    assert_eq!(numbered.enhanced().map(|wanted| wanted.application), Some(When::OnError));
    assert_eq!(read("MSH").sequence(), "");
}

#[test]
fn an_acknowledgement_is_read_by_its_msa() {
    let read = |text: &str| answer::answered(text.as_bytes());
    let made = read("MSH|^~\\&|A|B|C|D|1||ACK|9|P|2.5|||AL|NE\rMSA|AE|C1").unwrap();
    assert_eq!((made.code.as_str(), made.control_id.as_str(), made.wants_commit), ("AE", "C1", true));
    assert!(made.is_application());
    assert!(!read("MSH|^~\\&|A|B|C|D|1||ACK|9|P|2.5\rMSA|CA|C1").unwrap().is_application());
    assert_eq!(read("MSH|^~\\&|A|B|C|D|1||ADT^A01|9|P|2.5\rPID|1"), None);
    assert_eq!(read("noise"), None);
}

#[test]
fn a_batch_is_answered_by_a_batch_in_its_own_delimiters() {
    let payload = b"\x0BFHS|^~\\&|F\rBHS$%~\\&$LAB$NORTH$GATE$SOUTH$1$$$$B7\rMSH|^~\\&|x\rBTS$1\r";
    let header = super::batch::header(payload).unwrap();
    let made = |code| answer::Answer {
        code,
        control_id: String::new(),
        bytes: format!("MSH|^~\\&\rMSA|{}|1\r", code.as_str()).into_bytes(),
    };
    use formats::hl7v2::AckCode::{ApplicationAccept, ApplicationReject};
    let answers = [made(ApplicationAccept), made(ApplicationReject)];
    let now = model::time::Instant::parse("2026-03-01T09:20:00Z").unwrap();
    let text = String::from_utf8(super::batch::answer(&header, &answers, now)).unwrap();
    let expected = "$GATE$SOUTH$LAB$NORTH$20260301092000";
    assert!(text.starts_with(&format!("BHS$%~\\&{expected}")), "{text:?}");
    assert!(text.contains("$B7\rMSH|^~\\&\rMSA|AA|1\rMSH|^~\\&\rMSA|AR|1\rBTS$2\r"), "{text:?}");
    assert!(super::batch::header(b"MSH|^~\\&|x\rMSH|^~\\&|y").is_none());
    assert!(super::batch::header(b"BHS").is_none());
}
