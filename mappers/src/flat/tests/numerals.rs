use crate::flat::numeral::Numeral;

#[track_caller]
fn check(example: &str, text: &str, plain: Option<&str>) {
    let numeral = Numeral::parse(example).expect("an example");
    assert_eq!(numeral.plain(text).as_deref(), plain, "{text} as {example}");
}

#[test]
fn decimal_commas_and_groups_are_read() {
    check("1.234,5", "5,30", Some("5.30"));
    check("1.234,5", "1.234.567,8", Some("1234567.8"));
    check("1.234,5", "-12", Some("-12"));
    check("1.234,5", "< 0,5", Some("< 0.5"));
    check("1.234,5", "3,9 - 5,8", Some("3.9 - 5.8"));
    check("1 234,5", "1\u{a0}234,5", Some("1234.5"));
    check("1'234.5", "1\u{2019}234.50", Some("1234.50"));
    check("1,234.5", "12,345", Some("12345"));
    check("1234,5", "1234,5", Some("1234.5"));
}

#[test]
fn a_number_that_is_written_otherwise_is_none() {
    for text in ["5.3", "1.23", "1.2345,0", "12.34.567", "1,2,3", "1,234.5", ".123"] {
        check("1.234,5", text, None);
    }
    check("1234,5", "1.5", None);
    check("1,234.5", "1,5", None);
}

#[test]
fn texts_are_left_as_they_are() {
    check("1.234,5", "positive", Some("positive"));
    check("1.234,5", "see note.", Some("see note."));
}

#[test]
fn what_is_no_example_is_refused() {
    for text in ["", "1234", "1.234.5", "1a234,5", "2.345,6", "1--234,5", "1-234,5"] {
        assert!(Numeral::parse(text).is_err(), "{text}");
    }
}
