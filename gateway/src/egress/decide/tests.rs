use super::*;

#[test]
fn only_what_leaves_to_the_last_resource_is_whole() {
    for (permitted, total, whole) in [(3, 3, true), (1, 1, true), (2, 3, false), (0, 3, false), (0, 0, false)] {
        let decision = decided(&[], permitted, total, BTreeMap::new());
        assert_eq!(decision.is_whole, whole, "{permitted} of {total}");
        // What people are told says the same.
        assert_eq!(decision.text.starts_with("permit"), whole, "{}", decision.text);
    }
}
