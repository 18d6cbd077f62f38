use super::*;

#[track_caller]
fn check(listed: &str, asked: &str, covered: bool) {
    let index = purpose_index(asked).unwrap();
    assert_eq!(purpose_with_descendants(listed) >> index & 1 == 1, covered, "{listed} covers {asked}");
}

#[test]
fn a_purpose_covers_itself_and_what_is_below_it() {
    check("TREAT", "TREAT", true);
    check("TREAT", "ETREAT", true);
    check("TREAT", "BTG", true);
    check("ETREAT", "BTG", true);
    check("HRESCH", "PRECLINTRCH", true);
    check("PurposeOfUse", "POPHLTH", true);
}

#[test]
fn a_purpose_does_not_cover_its_parent_or_its_neighbours() {
    check("ETREAT", "TREAT", false);
    check("BTG", "ERTREAT", false);
    check("BTG", "ETREAT", false);
    check("ETREAT", "POPHLTH", false);
    check("HPAYMT", "HRESCH", false);
}

#[test]
fn unknown_codes_cover_nothing() {
    assert_eq!(purpose_with_descendants("NOSUCH"), 0);
    assert_eq!(purpose_index(""), None);
}
