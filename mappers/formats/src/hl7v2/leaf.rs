//! The deepest non-empty pieces of a segment: the unit in which loss is counted.

use super::piece::{Pieces, Segment, has};
use super::place::Place;

/// A deepest non-empty piece of a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Leaf<'m> {
    /// Where it stands.
    pub place: Place,
    /// Its text as it stands.
    pub raw: &'m str,
    /// Position of its first byte in [`super::Message::text`]: a key for it.
    pub start: usize,
}

/// The leaves of a segment, in order.
pub struct Leaves<'m> {
    segment: Segment<'m>,
    /// The separators of components and subcomponents, if the field has them.
    component: Option<u8>,
    subcomponent: Option<u8>,
    place: Place,
    next_field: usize,
    field_count: usize,
    repetitions: Numbered<'m>,
    components: Numbered<'m>,
    subcomponents: Numbered<'m>,
}

impl<'m> Leaves<'m> {
    pub(super) fn new(segment: Segment<'m>) -> Self {
        Self {
            segment,
            component: None,
            subcomponent: None,
            place: segment.place(),
            next_field: 1,
            field_count: segment.field_count(),
            repetitions: Numbered::none(),
            components: Numbered::none(),
            subcomponents: Numbered::none(),
        }
    }
}

impl<'m> Iterator for Leaves<'m> {
    type Item = Leaf<'m>;

    fn next(&mut self) -> Option<Leaf<'m>> {
        loop {
            if let Some((number, start, raw)) = self.subcomponents.next() {
                let place = Place {
                    repetition: self.repetitions.shown(),
                    component: self.components.shown(),
                    subcomponent: self.subcomponents.several.then_some(number),
                    ..self.place
                };
                return Some(Leaf { place, raw, start: start as usize });
            }
            if let Some((number, start, raw)) = self.components.next() {
                if !has(raw, self.subcomponent) {
                    let place = Place {
                        repetition: self.repetitions.shown(),
                        component: self.components.several.then_some(number),
                        ..self.place
                    };
                    return Some(Leaf { place, raw, start: start as usize });
                }
                self.subcomponents = Numbered::new(raw, start, self.subcomponent);
            } else if let Some((_, start, raw)) = self.repetitions.next() {
                self.components = Numbered::new(raw, start, self.component);
            } else if self.next_field <= self.field_count {
                let field = self.segment.field(self.next_field);
                self.next_field = self.next_field.saturating_add(1);
                let raw = field.raw();
                if raw.is_empty() {
                    continue;
                }
                self.place.field = u32::try_from(field.number()).unwrap_or(u32::MAX);
                // Most fields are one piece.
                let [repetition, component, subcomponent] = field.delimiters().within(raw);
                if repetition.or(component).or(subcomponent).is_none() {
                    return Some(Leaf { place: self.place, raw, start: field.start() });
                }
                let start = u32::try_from(field.start()).unwrap_or(u32::MAX);
                (self.component, self.subcomponent) = (component, subcomponent);
                self.repetitions = Numbered::new(raw, start, repetition);
            } else {
                return None;
            }
        }
    }
}

/// Non-empty pieces with their numbers, and whether there are several pieces at all.
struct Numbered<'m> {
    pieces: Pieces<'m>,
    number: u32,
    several: bool,
}

impl<'m> Numbered<'m> {
    fn none() -> Self {
        Self { pieces: Pieces::none(), number: 0, several: false }
    }

    fn new(raw: &'m str, start: u32, delimiter: Option<u8>) -> Self {
        let several = has(raw, delimiter);
        Self { pieces: Pieces::new(raw, start, delimiter.filter(|_| several)), number: 0, several }
    }

    fn shown(&self) -> Option<u32> {
        self.several.then_some(self.number)
    }

    fn next(&mut self) -> Option<(u32, u32, &'m str)> {
        loop {
            let (start, raw) = self.pieces.next()?;
            self.number = self.number.saturating_add(1);
            if !raw.is_empty() {
                return Some((self.number, start, raw));
            }
        }
    }
}
