use proptest::prelude::*;

use super::*;

#[track_caller]
fn range(text: &str, precision: Precision, earliest: &str, latest: &str) {
    let date = PartialDateTime::parse(text).expect(text);
    assert_eq!(date.as_str(), text);
    assert_eq!(
        (date.precision(), date.earliest().to_rfc3339(), date.latest().to_rfc3339()),
        (precision, earliest.into(), latest.into())
    );
}

#[test]
fn partial_dates_span_what_they_may_mean() {
    range("2024", Precision::Year, "2024-01-01T00:00:00.000Z", "2024-12-31T23:59:59.999Z");
    range("2024-02", Precision::Month, "2024-02-01T00:00:00.000Z", "2024-02-29T23:59:59.999Z");
    range("2023-02-28", Precision::Day, "2023-02-28T00:00:00.000Z", "2023-02-28T23:59:59.999Z");
    range("2024-02-29T23:30:00-05:00", Precision::Second, "2024-03-01T04:30:00.000Z", "2024-03-01T04:30:00.999Z");
    range("2024-01-01T00:00:00.5+14:00", Precision::Fraction, "2023-12-31T10:00:00.500Z", "2023-12-31T10:00:00.599Z");
    range("2016-12-31T23:59:60Z", Precision::Second, "2017-01-01T00:00:00.000Z", "2017-01-01T00:00:00.999Z");
    range("0001-01-01", Precision::Day, "0001-01-01T00:00:00.000Z", "0001-01-01T23:59:59.999Z");
    range("9999", Precision::Year, "9999-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z");
}

#[test]
fn refuses_other_forms_and_days_that_do_not_exist() {
    for text in [
        "",
        "24",
        "0000",
        "2024-13",
        "2024-00",
        "2023-02-29",
        "2024-1-1",
        "2024-01-01T",
        "2024-01-01T10:00Z",
        "2024-01-01T10:00:00",
        "2024-01-01T24:00:00Z",
        "2024-01-01T10:60:00Z",
        "2024-01-01T10:00:61Z",
        "2024-01-01T10:00:00.Z",
        "2024-01-01T10:00:00+15:00",
        "2024-01-01 10:00:00Z",
        "20240101",
        "2024-01-01Z",
        "2024-01-01T10:00:00z",
        "２０２４",
        "2024-01-01T10:00:00+1:00",
    ] {
        assert_eq!(PartialDateTime::parse(text), Err(TimeError::PartialDateTime), "{text}");
        assert_eq!(Instant::parse(text), Err(TimeError::Instant), "{text}");
    }
    assert_eq!(Instant::parse("2024-01-01"), Err(TimeError::Instant));
}

#[test]
fn instants_are_milliseconds_in_utc() {
    let instant = Instant::parse("2026-03-09T10:11:12.3456+01:00").expect("instant");
    assert_eq!(instant.to_rfc3339(), "2026-03-09T09:11:12.345Z");
    assert_eq!(Instant::parse("1970-01-01T00:00:00Z"), Ok(Instant::from_millis(0)));
    assert_eq!(Instant::MAX.to_rfc3339(), "9999-12-31T23:59:59.999Z");
    assert_eq!(Instant::MIN.to_rfc3339(), "0001-01-01T00:00:00.000Z");
    let later = instant.after(std::time::Duration::from_secs(2));
    assert_eq!(later.since(instant).as_secs(), 2);
    assert_eq!(instant.since(later).as_secs(), 0);
    assert_eq!(later.before(std::time::Duration::MAX), Instant::MIN);
}

#[test]
fn the_system_clock_is_past_2020() {
    assert!(SystemClock.now() > Instant::parse("2020-01-01T00:00:00Z").expect("instant"));
    assert_eq!(FixedClock(Instant::MIN).now(), Instant::MIN);
}

proptest! {
    #[test]
    fn text_and_instant_agree(millis in Instant::MIN.millis()..=Instant::MAX.millis()) {
        let instant = Instant::from_millis(millis);
        prop_assert_eq!(Instant::parse(&instant.to_rfc3339()), Ok(instant));
    }

    #[test]
    fn any_text_gives_an_answer(text in "[0-9TZ:.+-]{0,32}") {
        if let Ok(date) = PartialDateTime::parse(&text) {
            prop_assert!(date.earliest() <= date.latest());
        }
    }
}
