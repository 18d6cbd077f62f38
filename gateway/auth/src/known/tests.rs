use super::{Digest, Known, MOST};

#[test]
fn knows_what_was_added_and_nothing_else() {
    let known = Known::default();
    assert!(!known.has(&Digest::of("a.b.c")));
    known.add(Digest::of("a.b.c"));
    assert!(known.has(&Digest::of("a.b.c")));
    assert!(!known.has(&Digest::of("a.b.d")));
}

#[test]
fn keeps_what_is_used_and_forgets_the_rest_when_full() {
    let known = Known::default();
    known.add(Digest::of("used"));
    known.add(Digest::of("unused"));
    for number in 0..3 * MOST {
        known.add(Digest::of(&format!("flood {number}")));
        if number % 100 == 0 {
            assert!(known.has(&Digest::of("used")));
        }
    }
    assert!(known.has(&Digest::of("used")));
    assert!(!known.has(&Digest::of("unused")));
    let kept = known.0.lock().unwrap();
    assert!(kept.young.len() + kept.old.len() <= 2 * MOST);
}
