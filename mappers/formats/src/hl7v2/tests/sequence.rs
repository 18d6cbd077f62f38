use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(expected: i64, field: &str, turn: Turn, after: i64) {
    let sequence = Sequence::of(expected);
    assert_eq!(sequence.turn(field), turn, "{field} at {expected}");
    let after_turn = match turn {
        Turn::Link { after } => after,
        _ => sequence.taken(field),
    };
    assert_eq!(after_turn.answer(), after, "{field} at {expected}");
}

#[test]
fn numbers_mean_what_the_protocol_says() {
    check(-1, "7", Turn::Next, 8);
    check(8, "8", Turn::Next, 9);
    check(8, "+8", Turn::Next, 9);
    check(8, "7", Turn::Earlier, 8);
    check(8, "1", Turn::Earlier, 8);
    check(8, "9", Turn::Gap, 8);
    check(8, "0", Turn::Link { after: Sequence::of(8) }, 8);
    check(-1, "0", Turn::Link { after: Sequence::of(-1) }, -1);
    check(8, "-1", Turn::Link { after: Sequence::default() }, -1);
    for field in ["", " ", "\"\""] {
        check(8, field, Turn::Unnumbered, 8);
    }
    for field in ["-2", "1.5", "x", "--1", "1000000000000000", "99999999999999999999", "1 2"] {
        check(8, field, Turn::Unreadable, 8);
    }
}

proptest! {
    /// Whatever a sender does, what is taken is taken once and without a gap, from the last beginning on.
    #[test]
    fn nothing_is_taken_twice_or_out_of_order(numbers in proptest::collection::vec(-2_i64..12, 0..200)) {
        let mut sequence = Sequence::default();
        let mut last: Option<i64> = None;
        for number in numbers {
            let field = number.to_string();
            match sequence.turn(&field) {
                Turn::Next => {
                    prop_assert!(last.is_none_or(|last| number == last.saturating_add(1)));
                    last = Some(number);
                    sequence = sequence.taken(&field);
                    prop_assert_eq!(sequence.answer(), number.saturating_add(1));
                }
                Turn::Link { after } => {
                    if number == -1 {
                        last = None;
                    }
                    prop_assert_eq!(after.answer(), last.map_or(-1, |last| last.saturating_add(1)));
                    sequence = after;
                }
                Turn::Earlier => prop_assert!(last.is_some_and(|last| number <= last)),
                Turn::Gap => prop_assert!(last.is_some_and(|last| number > last.saturating_add(1))),
                Turn::Unreadable => prop_assert!(number < -1),
                Turn::Unnumbered => prop_assert!(false),
            }
            prop_assert_eq!(Sequence::of(sequence.answer()), sequence);
        }
    }

    #[test]
    fn no_text_panics(expected in any::<i64>(), field in any::<String>()) {
        let sequence = Sequence::of(expected);
        let _ = (sequence.turn(&field), sequence.taken(&field));
    }
}
