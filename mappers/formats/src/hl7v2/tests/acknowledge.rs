use super::*;

fn error(at: &str) -> AckError {
    AckError {
        at: (!at.is_empty()).then(|| at.to_owned()),
        condition: 101,
        severity: Severity::Error,
        code: None,
        text: "expected a patient identifier | none".to_owned(),
    }
}

#[track_caller]
fn check(raw: &[u8], code: AckCode, errors: &[AckError], expect: &str) {
    let origin = Origin::guess(raw);
    let acknowledgement =
        Acknowledgement { code, control_id: "OWN1", time: "20240102030406", text: "exchange x1", errors };
    let bytes = ack(&origin, &acknowledgement);
    assert_eq!(String::from_utf8_lossy(&bytes), expect);
}

#[test]
fn swaps_the_parties_and_names_the_message() {
    check(
        ADT.as_bytes(),
        AckCode::ApplicationAccept,
        &[],
        "MSH|^~\\&|GATE|SOUTH|LAB|NORTH|20240102030406||ACK^A01^ACK|OWN1|P|2.5.1\rMSA|AA|C1|exchange x1\r",
    );
}

#[test]
fn locates_errors_as_v2_5_does() {
    check(
        ADT.as_bytes(),
        AckCode::ApplicationError,
        &[error("PID-3[2].4.1"), error("PV1"), error("")],
        "MSH|^~\\&|GATE|SOUTH|LAB|NORTH|20240102030406||ACK^A01^ACK|OWN1|P|2.5.1\rMSA|AE|C1|exchange x1\r\
         ERR||PID^1^3^2^4^1|101^Required field missing^HL70357|E||||expected a patient identifier \\F\\ none\r\
         ERR||PV1^1|101^Required field missing^HL70357|E||||expected a patient identifier \\F\\ none\r\
         ERR|||101^Required field missing^HL70357|E||||expected a patient identifier \\F\\ none\r",
    );
}

#[test]
fn tells_the_code_of_the_one_who_answers_and_what_the_protocols_ask_for() {
    let acknowledgement = Acknowledgement {
        code: AckCode::ApplicationError,
        control_id: "O",
        time: "1",
        text: "x",
        errors: &[AckError { code: Some("patient-missing".to_owned()), ..error("PID-3") }],
    };
    let control = Control { expected_sequence: Some(-1), is_message: true };
    let bytes = ack_with(&Origin::guess(ADT.as_bytes()), &acknowledgement, control);
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("||ACK^A01^ACK|O|P|2.5.1|||AL|NE\rMSA|AE|C1|x|-1\rERR||PID^1^3^1|"), "{text:?}");
    assert!(text.contains("|E|patient-missing^^L|||expected a patient"), "{text:?}");
}

#[test]
fn locates_errors_as_older_senders_know_it() {
    check(
        ADT.replace("2.5.1", "2.3").as_bytes(),
        AckCode::ApplicationReject,
        &[error("OBX[2]-5.1"), error("PID-3")],
        "MSH|^~\\&|GATE|SOUTH|LAB|NORTH|20240102030406||ACK^A01|OWN1|P|2.3\rMSA|AR|C1|exchange x1\r\
         ERR|OBX^2^5^101&Required field missing&HL70357~PID^1^3^101&Required field missing&HL70357\r",
    );
}

#[test]
fn answers_in_the_delimiters_and_character_set_of_the_sender() {
    let raw = b"MSH$*%/@$L\xE4B*1.2*ISO$N$G$S$1$$ADT*A01$C/F/1$P$2.6$$$$$$8859/1\r";
    let origin = Origin::guess(raw);
    let acknowledgement =
        Acknowledgement { code: AckCode::CommitAccept, control_id: "O", time: "1", text: "über *", errors: &[] };
    let expect = b"MSH$*%/@$G$S$L\xE4B*1.2*ISO$N$1$$ACK*A01*ACK$O$P$2.6$$$$$$8859/1\rMSA$CA$C/F/1$\xFCber /S/\r";
    assert_eq!(ack(&origin, &acknowledgement), expect);
}

#[test]
fn finds_the_control_id_even_of_a_broken_message() {
    check(
        b"MSH|^^^^|LAB|NORTH|GATE|SOUTH|1||ADT^A01|C7|P|2.5\rPID|1\r",
        AckCode::ApplicationReject,
        &[],
        "MSH|^~\\&|GATE|SOUTH|LAB|NORTH|20240102030406||ACK|OWN1|P|2.5\rMSA|AR|C7|exchange x1\r",
    );
    check(
        b"nonsense",
        AckCode::ApplicationReject,
        &[],
        "MSH|^~\\&|||||20240102030406||ACK|OWN1|P|2.5.1\rMSA|AR||exchange x1\r",
    );
}

#[test]
fn gives_the_sender_a_readable_answer_whatever_came() {
    for end in 0..ADT.len() {
        let origin = Origin::guess(ADT.as_bytes().get(..end).expect("within"));
        let acknowledgement = Acknowledgement {
            code: AckCode::ApplicationError,
            control_id: "O",
            time: "1",
            text: "",
            errors: &[error("PID-3")],
        };
        let answer = Message::parse(&ack(&origin, &acknowledgement)).expect("a readable answer").message;
        assert_eq!(answer.message_code(), "ACK");
        assert_eq!(answer.segment("MSA").expect("MSA").field(1).text(), "AE");
    }
}
