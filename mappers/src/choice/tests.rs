use super::*;
use crate::map::{AliasId, NO_ANSWER, SELF, Term, Via};
use crate::path::{Holds, Target};

const TYPE: Place = Place::Own { field: 2, repetition: 0, component: 0, subcomponent: 0 };

fn row(field: u32, terms: &[(bool, &str)]) -> Row {
    let when = terms.iter().map(|(negated, values)| Term {
        negated: *negated,
        test: Test::In(TYPE, values.split(' ').map(SmolStr::new).collect()),
        answer: NO_ANSWER,
    });
    let target = Target { steps: Vec::new(), holds: Holds::Text, anchor: 0, anchor_kind: SmolStr::default() };
    Row {
        source: Source::Place(Place::Own { field, repetition: 0, component: 0, subcomponent: 0 }),
        alias: SELF as AliasId,
        target,
        via: Via::Lines,
        with: Vec::new(),
        when: when.collect(),
        way: Way::Both,
        rule: 0,
        each: false,
        rivals: 0,
        contenders: Vec::new(),
        through: None,
    }
}

fn tried(choice: &Choice, text: &str, count: usize) -> Vec<usize> {
    let rows = choice.rows(text);
    (0..count).filter(|row| rows.has(*row)).collect()
}

#[test]
fn rows_are_chosen_as_their_conditions_hold() {
    let rows = [
        row(5, &[(false, "NM")]),
        row(5, &[(false, "ce CWE")]),
        row(5, &[]),
        row(5, &[(true, "NM"), (true, "SN")]),
        row(5, &[(false, "NM SN"), (true, "NM")]),
        row(2, &[(false, "NM")]),
    ];
    let choice = Choice::of(&TYPE, &rows);
    assert_eq!(tried(&choice, "nm", 6), [0, 2, 5]);
    assert_eq!(tried(&choice, "CE", 6), [1, 2, 3, 5]);
    assert_eq!(tried(&choice, "SN", 6), [2, 4, 5]);
    assert_eq!(tried(&choice, "", 6), [2, 3, 5]);
}

#[test]
fn rows_beyond_the_last_bit_are_always_tried() {
    let rows: Vec<Row> = (0..300).map(|_| row(5, &[(false, "NM")])).collect();
    let choice = Choice::of(&TYPE, &rows);
    assert_eq!(tried(&choice, "ST", 300), (256..300).collect::<Vec<_>>());
    assert_eq!(tried(&choice, "NM", 300).len(), 300);
}
