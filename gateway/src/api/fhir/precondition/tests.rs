use super::number_of;

#[test]
fn reads_an_etag_weak_strong_and_bare() {
    for (text, version) in [
        ("W/\"7\"", Some(7)),
        ("\"7\"", Some(7)),
        ("7", Some(7)),
        (" W/\"7\" ", Some(7)),
        ("W/\"\"", None),
        ("W/\"a\"", None),
        ("*", None),
        ("\"7", None),
    ] {
        assert_eq!(number_of(text), version, "{text}");
    }
}
