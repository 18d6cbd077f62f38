use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &str, at: &str, passes: bool) {
    let at = Instant::parse(at).unwrap();
    let (prefix, stretch) = read(text, Instant::from_millis(0)).expect("a date");
    let spans = allowed(prefix, stretch);
    assert_eq!(spans.iter().any(|span| span.from <= at && at <= span.to), passes, "{text} on {at}");
}

#[test]
fn a_partial_date_means_its_whole_stretch() {
    check("2026", "2026-12-31T23:59:59.999Z", true);
    check("eq2026-06", "2026-06-01T00:00:00Z", true);
    check("2026-06-15", "2026-06-16T00:00:00Z", false);
    check("2026-06-15T10:00Z", "2026-06-15T10:00:59.999Z", true);
    check("2026-06-15T10:00", "2026-06-15T10:01:00Z", false);
    check("2026-06-15T10:00:05", "2026-06-15T10:00:05.500Z", true);
    check("2026-06-15T12:00:00+02:00", "2026-06-15T10:00:00Z", true);
    check("2026-06-15T12:00 02:00", "2026-06-15T10:00:30Z", true);
}

#[test]
fn prefixes_compare_with_the_whole_stretch() {
    for (prefix, before, within, after) in [
        ("eq", false, true, false),
        ("ne", true, false, true),
        ("gt", false, false, true),
        ("sa", false, false, true),
        ("lt", true, false, false),
        ("eb", true, false, false),
        ("ge", false, true, true),
        ("le", true, true, false),
    ] {
        let text = format!("{prefix}2026-06-15");
        check(&text, "2026-06-14T23:59:59.999Z", before);
        check(&text, "2026-06-15T12:00:00Z", within);
        check(&text, "2026-06-16T00:00:00Z", after);
    }
}

#[test]
fn refuses_what_is_no_date_and_prefixes_it_does_not_know() {
    for text in ["", "yesterday", "2026-13", "2026-02-30", "gt", "2026-06-15T", "2026-06-15T1", "20260615", "éé2026"]
    {
        assert!(read(text, Instant::from_millis(0)).is_none(), "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in r"[a-z]{0,2}[0-9T:.+\- Zé]{0,25}") {
        let _ = read(&text, Instant::from_millis(0));
    }
}
