use crate::flat::pattern::{PIVOT, Pattern};

/// What a pattern reads a text as, and how it writes that again.
#[track_caller]
fn check(pattern: &str, text: &str, digits: Option<&str>) {
    let pattern = Pattern::parse(pattern, PIVOT).expect("a pattern");
    let found = pattern.digits(text);
    assert_eq!(found.as_deref(), digits, "{text}");
    if let Some(found) = found {
        let back = pattern.text(&found).expect("writes what it reads");
        assert_eq!(pattern.digits(&back).as_ref(), Some(&found), "{text} as {back}");
    }
}

#[test]
fn reads_dates_as_files_write_them() {
    check("dd.MM.yyyy", "03.11.1958", Some("19581103"));
    check("d.M.yyyy", "3.11.1958", Some("19581103"));
    check("dd.MM.yyyy", "3.11.1958", None);
    check("MM/dd/yyyy", "02/29/1988", Some("19880229"));
    check("MM/dd/yy", "02/29/88", Some("19880229"));
    check("MM/dd/yy", "06/14/24", Some("20240614"));
    check("dd-MMM-yyyy", "14-Jun-2024", Some("20240614"));
    check("dd MMMM yyyy", "14 june 2024", Some("20240614"));
    check("MM/yyyy", "06/2024", Some("202406"));
    check("yyyyMMdd", "20240614", Some("20240614"));
    check("yyyyMMdd", "202406", None);
    check("dd.MM.yyyy", "03.11.1958 ", None);
}

#[test]
fn reads_times_with_their_zones() {
    check("MM/dd/yyyy hh:mm a", "06/14/2024 12:05 am", Some("202406140005"));
    check("MM/dd/yyyy h:mm a", "06/14/2024 1:05 PM", Some("202406141305"));
    check("yyyy-MM-dd HH:mm:ss.SSS", "2024-06-14 07:35:01.250", Some("20240614073501.250"));
    check("yyyy-MM-dd'T'HH:mm:ssXXX", "2024-06-14T07:35:01-04:00", Some("20240614073501-0400"));
    check("iso", "2024-06-14T07:35:01.5Z", Some("20240614073501.5+0000"));
    check("iso", "2024-06-14 07:35", Some("202406140735"));
    check("iso", "2024-06", Some("202406"));
    check("iso", "14.06.2024", None);
    check("hl7", "20220615121335+0000", Some("20220615121335+0000"));
    check("hl7", "2022061", None);
    let clock = Pattern::parse("HH:mm", PIVOT).expect("a pattern");
    assert_eq!(clock.digits("07:35").as_deref(), Some("0735"));
    assert_eq!(clock.text("T0735").as_deref(), Some("07:35"));
}

#[test]
fn does_not_write_less_than_there_is() {
    let write = |pattern: &str, digits: &str| Pattern::parse(pattern, PIVOT).expect("a pattern").text(digits);
    assert_eq!(write("dd.MM.yyyy", "202406140735"), None);
    assert_eq!(write("dd.MM.yyyy HH:mm", "20240614"), None);
    assert_eq!(write("dd.MM.yyyy", "202406"), None);
    assert_eq!(write("dd.MM.yyyy HH:mm", "20240614073500").as_deref(), Some("14.06.2024 07:35"));
    assert_eq!(write("MM/dd/yy", "18880229"), None);
}
