use proptest::prelude::*;

use super::*;

fn record() -> Record {
    let log = Origin::parse("hospital.example/ledger").unwrap();
    let time = Time::parse("2026-03-01T12:00:00.250Z").unwrap();
    Record::new(log, ExchangeId::new([0x5a; 16]), time, Kind::Arrival, Outcome::parse("stored").unwrap())
}

#[test]
fn a_record_is_canonical_json_with_sorted_members() {
    let record = record()
        .with_rules(Hash::new([3; 32]))
        .with_commitment(Label::Patient, Hash::new([2; 32]))
        .with_commitment(Label::In, Hash::new([1; 32]));
    let expected = format!(
        "{{\"commitments\":{{\"in\":\"{}\",\"patient\":\"{}\"}},\"exchange\":\"{}\",\"kind\":\"arrival\",\
         \"log\":\"hospital.example/ledger\",\"outcome\":\"stored\",\"rules\":\"{}\",\
         \"time\":\"2026-03-01T12:00:00.250Z\",\"v\":1}}",
        "01".repeat(32),
        "02".repeat(32),
        "5a".repeat(16),
        "03".repeat(32),
    );
    assert_eq!(String::from_utf8(record.to_bytes()).unwrap(), expected);
    let json: serde_json::Value = serde_json::from_slice(&record.to_bytes()).unwrap();
    let members: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
    assert!(members.is_sorted());
    assert_eq!(record.commitment(Label::In), Some(Hash::new([1; 32])));
    assert_eq!(record.commitment(Label::Out), None);
}

#[test]
fn only_canonical_bytes_are_a_record() {
    let bytes = String::from_utf8(record().with_commitment(Label::In, Hash::new([1; 32])).to_bytes()).unwrap();
    assert!(Record::parse(bytes.as_bytes()).is_ok());
    let others = [
        bytes.replace("\"v\":1", "\"v\":2"),
        bytes.replace("\"v\":1", "\"v\": 1"),
        bytes.replace("arrival", "departure"),
        bytes.replace("stored", "Stored"),
        bytes.replace("\"in\"", "\"inn\""),
        bytes.replace("12:00:00.250Z", "24:00:00.250Z"),
        bytes.replace("03-01T", "02-30T"),
        bytes.replace("hospital.example", "hospital example"),
        bytes.replace("\"}", "\",}"),
        format!("{bytes} "),
        format!("\u{feff}{bytes}"),
        bytes.replace("\"in\":\"01", "\"in\":\"0A"),
        String::new(),
    ];
    for other in others {
        assert!(Record::parse(other.as_bytes()).is_err(), "{other}");
    }
    let doubled = bytes.replace("\"in\":", &format!("\"in\":\"{}\",\"in\":", "00".repeat(32)));
    assert!(Record::parse(doubled.as_bytes()).is_err());
}

#[test]
fn times_are_utc_with_milliseconds() {
    let cases = [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_400_001, "2000-02-29T00:00:00.001Z"),
        (1_772_366_400_250, "2026-03-01T12:00:00.250Z"),
        (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
        (u64::MAX, "9999-12-31T23:59:59.999Z"),
    ];
    for (ms, text) in cases {
        assert_eq!(Time::from_unix_ms(ms).to_string(), text);
        assert_eq!(Time::parse(text), Some(Time::from_unix_ms(ms)));
    }
    for text in
        ["2026-02-29T00:00:00.000Z", "1969-12-31T23:59:59.999Z", "2026-01-01T00:00:60.000Z", "2026-01-01T00:00:00Z"]
    {
        assert_eq!(Time::parse(text), None, "{text}");
    }
}

#[test]
fn origins_ids_and_outcomes_have_one_narrow_form() {
    assert!(Origin::parse("").is_err());
    assert!(Origin::parse("a b").is_err());
    assert!(Origin::parse("a+b").is_err());
    assert!(Origin::parse("a\"b").is_err());
    assert!(Origin::parse(&"a".repeat(256)).is_err());
    assert!(ExchangeId::parse(&"A".repeat(32)).is_err());
    assert!(ExchangeId::parse(&"a".repeat(31)).is_err());
    assert!(Outcome::parse("patient Müller").is_err());
    assert!(Outcome::parse("partly-withheld").is_ok());
}

proptest! {
    #[test]
    fn parse_gives_back_what_was_written(
        id: [u8; 16], ms in 0_u64..253_402_300_800_000, kind in 0_usize..8, rules: Option<[u8; 32]>,
        commitments: [Option<[u8; 32]>; 5], outcome in "[a-z-]{1,32}", log in "[!#-*,-\\[\\]-~]{1,80}",
    ) {
        let log = Origin::parse(&log).unwrap();
        let outcome = Outcome::parse(&outcome).unwrap();
        let mut record = Record::new(log, ExchangeId::new(id), Time::from_unix_ms(ms), Kind::ALL[kind], outcome);
        record.rules = rules.map(Hash::new);
        for (label, commitment) in Label::ALL.into_iter().zip(commitments) {
            if let Some(commitment) = commitment {
                record = record.with_commitment(label, Hash::new(commitment));
            }
        }
        let bytes = record.to_bytes();
        prop_assert!(bytes.len() <= 1000);
        prop_assert_eq!(Record::parse(&bytes).unwrap(), record);
    }

    #[test]
    fn any_bytes_as_a_record_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Record::parse(&bytes).is_err());
    }
}
