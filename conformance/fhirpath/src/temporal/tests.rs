use rust_decimal::Decimal;

use super::*;

#[track_caller]
fn plus(text: &str, value: &str, unit: CalendarUnit, expect: &str) {
    let start = DateTime::parse(text).expect("a dateTime");
    let value: Decimal = value.parse().expect("a decimal");
    assert_eq!(start.plus(value, unit).map(|end| end.to_string()).unwrap_or_default(), expect);
}

#[test]
fn writes_what_it_reads() {
    for text in ["2014", "2014-02", "2014-02-28", "2012-04-15T15:30:31.10+02:00", "2012-04-15T15", "2012-04-15T15:30Z"]
    {
        assert_eq!(DateTime::parse(text).expect(text).to_string(), text);
    }
    for text in ["2014-13", "2015-02-29", "2014-02-28T25", "2014T10", "2014-1", "0000", "2014-02-28T10:00:00+15:00"] {
        assert_eq!(DateTime::parse(text), None, "{text}");
    }
}

#[test]
fn adds_in_the_calendar() {
    plus("2020-02-29", "1", CalendarUnit::Year, "2021-02-28");
    plus("2020-01-31", "1", CalendarUnit::Month, "2020-02-29");
    plus("1973-12-25", "7.7", CalendarUnit::Day, "1974-01-01");
    plus("1973-12-25T00:00:00.000+10:00", "10", CalendarUnit::Millisecond, "1973-12-25T00:00:00.010+10:00");
    plus("2014", "24", CalendarUnit::Month, "2016");
    plus("2019-03", "-61", CalendarUnit::Day, "2019-01");
    plus("9999-12-31", "1", CalendarUnit::Day, "");
    plus("2016-02-28T23:59:59Z", "1.5", CalendarUnit::Second, "2016-02-29T00:00:00.500Z");
}

#[test]
fn compares_as_far_as_both_say() {
    let order = |left: &str, right: &str| DateTime::parse(left).unwrap().compare(DateTime::parse(right).unwrap());
    assert_eq!(order("2012", "2013-01"), Some(Ordering::Less));
    assert_eq!(order("2012", "2012-01"), None);
    assert_eq!(order("2012-01-01T10:30", "2012-01-01T10:30:00"), None);
    assert_eq!(order("2012-01-01T10:30:00", "2012-01-01T10:30:00.0"), Some(Ordering::Equal));
    assert_eq!(order("2017-11-05T01:30:00.0-04:00", "2017-11-05T00:30:00.0-05:00"), Some(Ordering::Equal));
}

#[test]
fn days_go_there_and_back() {
    for days in (-719_162..2_932_896).step_by(977) {
        assert_eq!(date_of_days(days).map(Date::days), Some(days));
    }
    assert_eq!(date_of_days(-719_163), None);
    assert_eq!(date_of_days(2_932_897), None);
}

#[test]
fn counts_a_leap_second_as_the_end_of_its_minute() {
    let leap = DateTime::parse("2016-12-31T23:59:60Z").unwrap();
    assert_eq!(leap.to_string(), "2016-12-31T23:59:59.999999999Z");
    assert_eq!(DateTime::parse(&leap.to_string()), Some(leap));
    assert_eq!(leap.compare(DateTime::parse("2017-01-01T00:00:00Z").unwrap()), Some(Ordering::Less));
}
