use super::{Part, Place, Seal};

fn seal() -> Seal {
    Seal::new(&[7; 32]).unwrap()
}

#[test]
fn what_is_sealed_opens_for_the_same_search_and_caller_alone() {
    let place = Place { key: b"abc\0def".to_vec(), position: 77 };
    for part in [Part::First, Part::After(place.clone()), Part::Before(place), Part::Last] {
        let page = seal().sealed(&part, b"one").unwrap();
        assert_eq!(seal().opened(&page, b"one"), Some(part));
        assert_eq!(seal().opened(&page, b"other"), None);
        assert_eq!(Seal::new(&[8; 32]).unwrap().opened(&page, b"one"), None, "the key of another gateway");
        assert!(!page.contains("abc"), "nothing can be read in it");
    }
}

#[test]
fn what_was_changed_or_is_none_does_not_open() {
    let page = seal().sealed(&Part::Last, b"one").unwrap();
    let mut changed = page.clone().into_bytes();
    changed[20] = if changed[20] == b'A' { b'B' } else { b'A' };
    for page in ["", "-", "AAAA", "zz zz", &"A".repeat(5000), std::str::from_utf8(&changed).unwrap()] {
        assert_eq!(seal().opened(page, b"one"), None, "{page}");
    }
}
