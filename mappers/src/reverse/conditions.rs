//! What a row's conditions ask of the segment that is being written.

use crate::map::{Place, Row, Test, Way};

use super::pieces::{Base, Pieces};

/// Whether nothing that stands in the segment already speaks against the row.
pub(super) fn allowed(row: &Row, at: Base, base: Option<Base>, out: &Pieces) -> bool {
    row.when.iter().all(|term| {
        let here = |place: &Place| place_at(place, at, base);
        match (&term.test, term.negated) {
            (Test::Exists(place), true) => here(place).is_none_or(|at| !out.is_set(at)),
            // What others leave to another resource adds to a value that is there.
            (Test::Exists(place), false) if row.way == Way::Foreign => here(place).is_none_or(|at| out.is_set(at)),
            (Test::In(place, values), negated) => {
                let Some(there) = here(place) else { return true };
                match out.get(there) {
                    Some(text) => values.iter().any(|value| value.eq_ignore_ascii_case(text)) != negated,
                    None => row.way != Way::Held || negated,
                }
            }
            _ => true,
        }
    })
}

/// Sets what the row's conditions ask for.
pub(super) fn demand(row: &Row, at: Base, base: Option<Base>, out: &mut Pieces) {
    for term in row.when.iter().filter(|term| !term.negated) {
        if let Test::In(place, values) = &term.test
            && let (Some(there), Some(value)) = (place_at(place, at, base), values.first())
            && !out.is_set(there)
        {
            out.set(there, value);
        }
    }
}

fn place_at(place: &Place, at: Base, base: Option<Base>) -> Option<Base> {
    match (place, base) {
        (Place::Own { field, component, subcomponent, .. }, None) => {
            let repetition = if *field == at.field { at.repetition } else { 1 };
            Some(Base { field: *field, repetition, component: *component, subcomponent: *subcomponent })
        }
        (Place::Part { component, subcomponent }, Some(base)) => base.part(*component, *subcomponent),
        _ => None,
    }
}
