//! Values at places, and whether conditions hold there.

use std::borrow::Cow;

use crate::choice::Rows;
use crate::function;
use crate::input::{Cursor, Depth};
use crate::map::{Beside, Form, NO_ANSWER, Place, Table, Term, Test};
use crate::path::FieldPlace;
use crate::quick::trim;

use super::{Eval, Here};

impl<'m> Eval<'_, 'm> {
    /// The value at a place: of the first repetition that has one.
    pub(super) fn first(&self, place: &Place, here: Here) -> Cursor {
        let none = Cursor { segment: here.segment, lo: 0, hi: 0, depth: Depth::Repetition };
        match place {
            Place::Own { field, repetition, component, subcomponent } => {
                let range = self.input.field(here.segment, *field);
                self.of_field(here.segment, range, *repetition, *component, *subcomponent)
            }
            Place::Other { segment, field, component, subcomponent } => match self.scopes.segment(*segment) {
                Some(number) => {
                    let range = self.input.field(number, *field);
                    self.of_field(number, range, 0, *component, *subcomponent)
                }
                None => none,
            },
            Place::Part { component, subcomponent } => match here.value {
                Some(value) => self.input.part(value, *component, *subcomponent),
                None => none,
            },
            Place::Beside(beside) => self.beside(beside, here.segment).unwrap_or(none),
        }
    }

    /// The value in a segment beside this one: of the same name, with at most notes and participations between.
    fn beside(&self, beside: &Beside, own: u32) -> Option<Cursor> {
        let key = self.input.text(self.in_segment(&beside.key, own));
        let among = |number: &u32| {
            let name = self.segment_name(*number);
            name == self.segment_name(own) || matches!(name, "NTE" | "PRT")
        };
        let fits = |number: &u32| {
            self.segment_name(*number) == self.segment_name(own)
                && self.input.text(self.in_segment(&beside.mark, *number)).trim() == beside.value
                && self.input.text(self.in_segment(&beside.key, *number)) == key
        };
        if key.is_empty() {
            return None;
        }
        let before = (0..own).rev().take_while(among).find(fits);
        let found = before.or_else(|| (own.saturating_add(1)..).take_while(among).find(fits))?;
        Some(self.in_segment(&beside.place, found))
    }

    fn in_segment(&self, place: &FieldPlace, number: u32) -> Cursor {
        let range = self.input.field(number, place.field);
        self.of_field(number, range, place.repetition, place.component, place.subcomponent)
    }

    pub(super) fn of_field(
        &self,
        segment: u32,
        range: std::ops::Range<u32>,
        repetition: u32,
        c: u32,
        s: u32,
    ) -> Cursor {
        if repetition > 0 {
            return self.input.part(self.input.repetition(segment, &range, repetition), c, s);
        }
        let mut from = range.start;
        while let Some(value) = self.input.next_repetition(segment, &range, from) {
            let part = self.input.part(value, c, s);
            if !part.is_empty() {
                return part;
            }
            from = value.hi;
        }
        Cursor { segment, lo: range.start, hi: range.start, depth: Depth::Repetition }
    }

    pub(super) fn text(&self, place: &Place, here: Here) -> Cow<'m, str> {
        self.input.text(self.first(place, here))
    }

    /// The rows of a segment's table that what the segment says leaves open.
    pub(super) fn chosen(&self, table: &Table, here: Here) -> Rows {
        table.choices.iter().fold(Rows::ALL, |rows, choice| {
            let text = self.text(&choice.place, here);
            rows.and(choice.rows(trim(&text)))
        })
    }

    pub(super) fn holds(&mut self, terms: &[Term], here: Here, repetition: Option<Cursor>) -> bool {
        terms.iter().all(|term| self.answer(term, here, repetition) != term.negated)
    }

    /// The answer to a condition, which rows of a segment share unless it asks of one repetition.
    fn answer(&mut self, term: &Term, here: Here, repetition: Option<Cursor>) -> bool {
        let own = || {
            let first = repetition.and_then(|value| self.input.pieces(value.range()).first());
            first.is_some_and(|piece| term.test.own_field() == Some(piece.field))
        };
        if term.answer == NO_ANSWER || own() {
            return self.asked(&term.test, here, repetition);
        }
        let number = term.answer as usize;
        let (yes, no) = (self.asking << 1 | 1, self.asking << 1);
        match self.answers.get(number).copied().unwrap_or_default() {
            known if known == yes => return true,
            known if known == no => return false,
            _ => {}
        }
        let answer = self.asked(&term.test, here, repetition);
        if self.answers.len() <= number {
            self.answers.resize(self.compiled.answers as usize, 0);
        }
        if let Some(slot) = self.answers.get_mut(number) {
            *slot = if answer { yes } else { no };
        }
        answer
    }

    fn asked(&self, test: &Test, here: Here, repetition: Option<Cursor>) -> bool {
        match test {
            Test::Exists(place) => !self.within(place, here, repetition).is_empty(),
            Test::Any(places) => places.iter().any(|place| !self.within(place, here, repetition).is_empty()),
            Test::In(place, values) => {
                let text = self.input.text(self.within(place, here, repetition));
                let text = trim(&text);
                values.iter().any(|value| value.eq_ignore_ascii_case(text))
            }
            Test::Repeats(place) => match place {
                Place::Own { field, .. } => {
                    let range = self.input.field(here.segment, *field);
                    let pieces = self.input.pieces(range);
                    pieces.first().map(|piece| piece.repetition) != pieces.last().map(|piece| piece.repetition)
                }
                _ => false,
            },
            Test::Form(form, place) => {
                let text = self.input.text(self.within(place, here, repetition));
                match form {
                    Form::Number => function::is_number(&text),
                    Form::Authority => self.authorities().uri(&text).is_some(),
                    Form::RangeLow => function::range(&text).0.is_some(),
                    Form::RangeHigh => function::range(&text).1.is_some(),
                    Form::Compared => function::compared(&text).is_some(),
                    Form::Timestamp => function::is_timestamp(&text),
                    Form::Time => function::is_time(&text),
                    Form::Coded(map) => self.compiled.maps.get(*map).is_some_and(|map| map.forward(&text).is_some()),
                }
            }
            Test::Same(left, right) => self.same(self.first(left, here), self.first(right, here)),
            Test::Anywhere(place) => self.anywhere(place),
            Test::Alias(alias) => self.scopes.resource(*alias).is_some(),
        }
    }

    /// Whether two values say the same, piece by piece.
    fn same(&self, left: Cursor, right: Cursor) -> bool {
        let (left, right) = (self.input.pieces(left.range()), self.input.pieces(right.range()));
        !left.is_empty()
            && left.len() == right.len()
            && left.iter().zip(right).all(|(left, right)| {
                (left.component, left.subcomponent) == (right.component, right.subcomponent)
                    && self.input.piece_text(left) == self.input.piece_text(right)
            })
    }

    /// Whether any segment of the message has a value at a place.
    fn anywhere(&self, place: &Place) -> bool {
        let Place::Other { segment, field, component, subcomponent } = place else { return false };
        (0u32..).zip(&self.input.segments).filter(|(_, there)| there.id == *segment).any(|(number, _)| {
            let range = self.input.field(number, *field);
            !self.of_field(number, range, 0, *component, *subcomponent).is_empty()
        })
    }

    /// A place as a condition sees it: within the repetition the row is at.
    pub(super) fn within(&self, place: &Place, here: Here, repetition: Option<Cursor>) -> Cursor {
        if let (Place::Own { field, repetition: 0, component, subcomponent }, Some(value)) = (place, repetition)
            && self.input.pieces(value.range()).first().is_some_and(|piece| piece.field == *field)
        {
            return self.input.part(value, *component, *subcomponent);
        }
        self.first(place, here)
    }
}
