use super::fits;

#[test]
fn a_star_stands_for_any_text() {
    for (pattern, text, expected) in [
        ("EPIC", "Epic", true),
        ("EPIC", "Epicare", false),
        ("EPIC*", "Epicare", true),
        ("*Lab", "Quay Lab", true),
        ("*Lab", "Laboratory", false),
        ("NOTF_*_v3*", "NOTF_ORU_v3.0", true),
        ("NOTF_*_v3*", "NOTF_ORU_v2.0", false),
        ("a*a", "a", false),
        ("*", "anything", true),
        ("*", "", false),
    ] {
        assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
    }
}
