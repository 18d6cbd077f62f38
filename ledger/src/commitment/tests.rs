use super::*;

#[test]
fn a_commitment_is_the_hmac_anybody_can_compute() {
    let salt = Salt::new(std::array::from_fn(|at| u8::try_from(at).unwrap()));
    // python3: hmac.new(bytes(range(32)), b"in" + sha256(b"MSH|synthetic").digest(), sha256).hexdigest()
    let expected = "0ff368d6521fde4d7b273e3e52a45f5fc90819a4c0222e556ee9c9f357667356";
    assert_eq!(commit(&salt, Label::In, b"MSH|synthetic").to_hex(), expected);
}

#[test]
fn only_the_content_the_label_and_the_salt_open_a_commitment() {
    let salt = Salt::new([7; 32]);
    let commitment = commit(&salt, Label::Out, b"body");
    let opening = |label, salt: &Salt| Opening { label, salt: salt.clone() };
    assert!(opening(Label::Out, &salt).opens(&commitment, b"body"));
    assert!(!opening(Label::Out, &salt).opens(&commitment, b"bodx"));
    assert!(!opening(Label::In, &salt).opens(&commitment, b"body"));
    assert!(!opening(Label::Out, &Salt::new([8; 32])).opens(&commitment, b"body"));
}

#[test]
fn openings_are_shown_as_json_and_salts_never_in_debug() {
    let opening = Opening { label: Label::Patient, salt: Salt::new([0xab; 32]) };
    let json: serde_json::Value = serde_json::from_str(&Opening::to_json(std::slice::from_ref(&opening))).unwrap();
    assert_eq!(json["commitments"][0]["label"], "patient");
    assert_eq!(json["commitments"][0]["salt"], "ab".repeat(32));
    assert!(!format!("{opening:?}").contains("abab"));
}

#[test]
fn labels_are_read_as_written() {
    for label in Label::ALL {
        assert_eq!(Label::parse(label.as_str()), Some(label));
    }
    assert_eq!(Label::parse("IN"), None);
}
