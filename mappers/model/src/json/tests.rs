use proptest::prelude::*;

use super::*;

#[track_caller]
fn read(text: &str) -> Json {
    parse(text.as_bytes(), &Limits::default()).expect(text)
}

#[track_caller]
fn refused(text: impl AsRef<[u8]>, kind: ErrorKind, line: usize, column: usize) {
    let error = parse(text.as_ref(), &Limits::default()).expect_err("refused");
    assert_eq!((error.kind, error.line, error.column), (kind, line, column));
}

#[test]
fn keeps_digits_and_order() {
    for text in [
        r#"{"b":1.50,"a":-0.010,"c":1E5,"d":123456789012345678.123456789,"e":[0,-0,1e+2,1.0e-10]}"#,
        r#"{"$serde_json::private::Number":"1.5"}"#,
        "[]",
        "{}",
        "null",
        r#"["\u0000é😀",true,false,null]"#,
    ] {
        assert_eq!(read(text).to_text(), text);
    }
}

#[test]
fn unescapes_strings() {
    assert_eq!(read(r#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00 x""#), Json::from("\"\\/\u{8}\u{c}\n\r\té😀 x"));
}

#[test]
fn refuses_what_two_readers_could_understand_differently() {
    refused(r#"{"a":1,"b":2,"a":3}"#, ErrorKind::DuplicateKey, 1, 14);
    refused(r#"{"a":1,"\u0061":3}"#, ErrorKind::DuplicateKey, 1, 8);
    refused(r#""\ud83d""#, ErrorKind::LoneSurrogate, 1, 2);
    refused(r#""\ud83dx""#, ErrorKind::LoneSurrogate, 1, 2);
    refused(r#""\ude00""#, ErrorKind::LoneSurrogate, 1, 2);
    refused(r#""\ud83d\u0041""#, ErrorKind::LoneSurrogate, 1, 2);
    refused("{} {}", ErrorKind::Trailing, 1, 4);
    refused(b"\xEF\xBB\xBF{}", ErrorKind::ByteOrderMark, 1, 1);
    refused(b"\"\xC0\x80\"", ErrorKind::Encoding, 1, 2);
    refused(b"\"\xED\xA0\x80\"", ErrorKind::Encoding, 1, 2);
}

#[test]
fn duplicate_names_are_found_in_large_objects_too() {
    let members: Vec<String> = (0..1000).chain([999]).map(|n| format!("\"m{n}\":{n}")).collect();
    let error = parse(format!("{{{}}}", members.join(",")).as_bytes(), &Limits::default()).expect_err("twice");
    assert_eq!(error.kind, ErrorKind::DuplicateKey);
}

#[test]
fn refuses_what_json_does_not_have() {
    refused("", ErrorKind::Empty, 1, 1);
    refused(" \n ", ErrorKind::Empty, 2, 2);
    refused("NaN", ErrorKind::Value, 1, 1);
    refused("[Infinity]", ErrorKind::Value, 1, 2);
    refused("{\"é\":-}", ErrorKind::Number, 1, 6);
    refused("01", ErrorKind::Number, 1, 2);
    refused("1.", ErrorKind::Number, 1, 1);
    refused(".5", ErrorKind::Value, 1, 1);
    refused("+1", ErrorKind::Value, 1, 1);
    refused("1e", ErrorKind::Number, 1, 1);
    refused("1.2.3", ErrorKind::Number, 1, 4);
    refused("0x1", ErrorKind::Number, 1, 2);
    refused("[1,]", ErrorKind::Value, 1, 4);
    refused("{\"a\":1,}", ErrorKind::MemberName, 1, 8);
    refused("{a:1}", ErrorKind::MemberName, 1, 2);
    refused("{\"a\" 1}", ErrorKind::Colon, 1, 6);
    refused("[1 2]", ErrorKind::ArrayEnd, 1, 4);
    refused("{\"a\":1;}", ErrorKind::ObjectEnd, 1, 7);
    refused("\"a\nb\"", ErrorKind::ControlCharacter, 1, 3);
    refused(r#""\x""#, ErrorKind::Escape, 1, 2);
    refused(r#""\u12g4""#, ErrorKind::Escape, 1, 2);
    refused(r#""\u12"#, ErrorKind::UnexpectedEnd, 1, 2);
    refused("[1,\n[2", ErrorKind::UnexpectedEnd, 2, 3);
    refused("tru", ErrorKind::Value, 1, 1);
    refused("// x\n1", ErrorKind::Value, 1, 1);
}

#[test]
fn stops_at_the_limits() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let limits = Limits { bytes: 1 << 20, depth: 64 };
    assert!(parse(nested(64).as_bytes(), &limits).is_ok());
    let error = parse(nested(65).as_bytes(), &limits).expect_err("too deep");
    assert_eq!(error.kind, ErrorKind::TooDeep { limit: 64 });
    let endless = Limits { bytes: 1 << 22, depth: usize::MAX };
    let error = parse("[".repeat(1 << 20).as_bytes(), &endless).expect_err("too deep");
    assert_eq!(error.kind, ErrorKind::TooDeep { limit: Limits::MAX_DEPTH });
    let error = parse(b"[1,2,3]", &Limits { bytes: 6, depth: 9 }).expect_err("too long");
    assert_eq!(error.kind, ErrorKind::TooLong { limit: 6 });
}

#[test]
fn errors_do_not_quote_the_text() {
    let error = parse(br#"{"family":"Secretname" "x"}"#, &Limits::default()).expect_err("refused");
    assert_eq!(error.to_string(), "line 1, column 24: expected a comma or a closing brace");
}

#[test]
fn members_are_replaced_in_place_and_removed_in_order() {
    let mut value = read(r#"{"a":1,"b":2,"c":3}"#);
    let object = value.as_object_mut().expect("object");
    assert_eq!(object.insert("b", "two"), Some(Json::from(2u64)));
    assert_eq!(object.insert("d", true), None);
    assert_eq!(object.remove("a"), Some(Json::from(1u64)));
    *object.get_or_insert_with("e", || Json::Null) = Json::from(5i64);
    assert_eq!(value.to_text(), r#"{"b":"two","c":3,"d":true,"e":5}"#);
}

#[test]
fn walks_by_names_and_indexes() {
    let value = read(r#"{"name":[{"given":["A","B"]}]}"#);
    assert_eq!(value.text_at(&["name", "0", "given", "1"]), Some("B"));
    assert_eq!(value.at(&["name", "1"]), None);
    assert_eq!(value.at(&["name", "x"]), None);
    assert_eq!(value.items("name").len(), 1);
    assert_eq!(value.items("none").len(), 0);
}

#[test]
fn locates_elements() {
    let text = "{\n  \"resourceType\": \"Patient\",\n  \"note\": \"a \\\" { name\",\n  \"name\": [\n    {\"given\": [\"A\", \"B\"]}\n  ],\n  \"valueQuantity\": {\"value\": 1.0}\n}";
    let at = |path| locate(text.as_bytes(), path).map(|place| (place.line, place.column));
    assert_eq!(at("Patient"), Some((1, 1)));
    assert_eq!(at("Patient.name"), Some((5, 5)));
    assert_eq!(at("Patient.name[0].given[1]"), Some((5, 21)));
    assert_eq!(at("Patient.value.ofType(Quantity).value"), Some((7, 30)));
    assert_eq!(at("Patient.name[1]"), None);
    assert_eq!(at("Patient.birthDate"), None);
}

#[test]
fn pretty_text_reads_back() {
    let value = read(r#"{"a":[1,{"b":[]},{}],"c":"x"}"#);
    assert_eq!(
        value.pretty(),
        "{\n  \"a\": [\n    1,\n    {\n      \"b\": []\n    },\n    {}\n  ],\n  \"c\": \"x\"\n}"
    );
    assert_eq!(read(&value.pretty()), value);
}

fn tree() -> impl Strategy<Value = Json> {
    let lexeme = "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?";
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        lexeme.prop_map(|text| Json::Number(Number::parse(&text).expect("number"))),
        any::<String>().prop_map(Json::from),
    ];
    leaf.prop_recursive(6, 64, 30, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Json::Array),
            proptest::collection::vec((any::<String>(), inner), 0..30).prop_map(Json::object),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back(value in tree()) {
        prop_assert_eq!(&parse(&value.to_bytes(), &Limits::default()).expect("reads"), &value);
        prop_assert_eq!(&parse(value.pretty().as_bytes(), &Limits::default()).expect("reads"), &value);
    }

    #[test]
    fn any_bytes_give_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Err(error) = parse(&bytes, &Limits::default()) {
            prop_assert!(error.offset <= bytes.len());
        }
        let _ = locate(&bytes, "Patient.name[1].given");
        let _ = member_span(&bytes, 0, "meta");
    }

    #[test]
    fn json_like_bytes_give_an_answer(text in "[\\[\\]{}\",:\\\\ 0-9a-u.eE+-]{0,60}") {
        if let Ok(value) = parse(text.as_bytes(), &Limits::default()) {
            prop_assert_eq!(parse(&value.to_bytes(), &Limits::default()).expect("reads"), value);
        }
        let _ = locate(text.as_bytes(), "Patient.a[1].b");
    }
}

#[test]
fn a_byte_that_needs_an_escape_is_found_at_every_place_of_texts_of_every_length() {
    for length in 1..=20 {
        for at in 0..length {
            let text: String = (0..length).map(|n| if n == at { '"' } else { 'x' }).collect();
            let written = Json::from(text.as_str()).to_text();
            assert_eq!(written, format!("\"{}\\\"{}\"", "x".repeat(at), "x".repeat(length - at - 1)));
        }
    }
}

#[test]
fn an_object_has_a_largest_width() {
    let wide = |members: usize| {
        let members: Vec<String> = (0..members).map(|number| format!("\"m{number}\":1")).collect();
        parse(format!("{{{}}}", members.join(",")).as_bytes(), &Limits::default()).map_err(|error| error.kind)
    };
    assert!(wide(Limits::MAX_MEMBERS).is_ok());
    assert_eq!(wide(Limits::MAX_MEMBERS + 1), Err(ErrorKind::TooManyMembers { limit: Limits::MAX_MEMBERS }));
}

#[test]
fn a_large_text_is_handed_over_as_it_stands() {
    let file = "QUJD".repeat(50_000);
    let quoted = format!("{file}\"");
    let items = ["before", &file, &quoted, "behind"].map(Json::from);
    let tree =
        Json::object([("data", Json::array(items)), ("none", Json::object::<&str>([])), ("empty", Json::array([]))]);
    let (mut whole, mut most) = (Vec::new(), 0);
    let took = tree.pieces(&mut |piece: &[u8]| {
        whole.extend_from_slice(piece);
        most = most.max(piece.len());
        Ok::<(), ()>(())
    });
    assert_eq!((took, whole), (Ok(()), tree.to_bytes()));
    assert!(most <= 2 * file.len(), "{most}");
    let mut count = 0;
    let stopped = tree.pieces(&mut |_| {
        count += 1;
        Err(count)
    });
    assert_eq!(stopped, Err(1));
}
