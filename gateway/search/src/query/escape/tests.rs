use proptest::prelude::*;

use super::*;

#[test]
fn splits_at_separators_that_are_not_escaped() {
    assert_eq!(split("a,b", ',', usize::MAX), ["a", "b"]);
    assert_eq!(split(r"a\,b,c", ',', usize::MAX), [r"a\,b", "c"]);
    assert_eq!(split(r"a\\,b", ',', usize::MAX), [r"a\\", "b"]);
    assert_eq!(split("a|b|c", '|', 2), ["a", "b|c"]);
    assert_eq!(split("", ',', usize::MAX), [""]);
    assert_eq!(split(",", ',', usize::MAX), ["", ""]);
}

#[test]
fn reads_the_four_escapes_and_no_others() {
    assert_eq!(unescaped(r"a\,b\|c\$d\\e").as_deref(), Some(r"a,b|c$d\e"));
    assert_eq!(unescaped(r"a\nb"), None);
    assert_eq!(unescaped(r"a\"), None);
}

proptest! {
    #[test]
    fn pieces_joined_are_the_text(text in r"[a,\\|é]{0,20}") {
        prop_assert_eq!(split(&text, ',', usize::MAX).join(","), text);
    }
}
