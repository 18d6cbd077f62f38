//! Segments, fields, repetitions, components and subcomponents: views into the text of a message, made when asked.

use std::borrow::Cow;

use super::delimiters::{Delimiters, LITERAL};
use super::escape::unescape;
use super::leaf::Leaves;
use super::lexer::{Kind, SegmentSpan};
use super::message::Message;
use super::place::Place;

/// A segment of a message.
#[derive(Clone, Copy)]
pub struct Segment<'m> {
    message: &'m Message,
    span: &'m SegmentSpan,
}

impl<'m> Segment<'m> {
    pub(super) fn new(message: &'m Message, span: &'m SegmentSpan) -> Self {
        Self { message, span }
    }

    /// Its name; `???` for a line that has none.
    pub fn name(&self) -> &'m str {
        self.span.name.as_str()
    }

    /// The how-many-th segment of this name it is, from 1.
    pub fn ordinal(&self) -> usize {
        self.span.ordinal as usize
    }

    /// True if the message has several segments of this name.
    pub fn is_one_of_several(&self) -> bool {
        self.message.lexed.counts.get(self.span.count as usize).is_some_and(|count| *count > 1)
    }

    /// Its position in the message, from 0.
    pub fn position(&self) -> usize {
        self.span.position as usize
    }

    /// The message it belongs to.
    pub fn message(&self) -> &'m Message {
        self.message
    }

    /// Its text as it stands, line end excluded.
    pub fn raw(&self) -> &'m str {
        slice(self.message.text(), self.span.start, self.span.end)
    }

    /// The highest field number that stands there, empty or not.
    pub fn field_count(&self) -> usize {
        let separators = self.separators().len();
        match self.span.kind {
            Kind::Plain => separators,
            Kind::Header | Kind::Unreadable => separators.saturating_add(1),
        }
    }

    /// A field by its number in the standard, from 1; an empty one beyond the end.
    pub fn field(&self, number: usize) -> Field<'m> {
        let separators = self.separators();
        let after = |n: usize| separators.get(n).map(|at| at.saturating_add(1));
        let (start, end) = match (self.span.kind, number) {
            (_, 0) => (self.span.end, self.span.end),
            (Kind::Plain, n) => (after(n.saturating_sub(1)).unwrap_or(self.span.end), self.until(separators, n)),
            // MSH-1 is the separator itself.
            (Kind::Header, 1) => match separators.first() {
                Some(at) => (*at, at.saturating_add(1)),
                None => (self.span.end, self.span.end),
            },
            (Kind::Unreadable, 1) => (self.span.start, self.until(separators, 0)),
            (_, n) => {
                (after(n.saturating_sub(2)).unwrap_or(self.span.end), self.until(separators, n.saturating_sub(1)))
            }
        };
        Field {
            segment: *self,
            number: u32::try_from(number).unwrap_or(u32::MAX),
            start,
            raw: slice(self.message.text(), start, end),
        }
    }

    /// All fields, from number 1.
    pub fn fields(&self) -> impl Iterator<Item = Field<'m>> {
        let segment = *self;
        (1..=self.field_count()).map(move |number| segment.field(number))
    }

    /// The deepest non-empty pieces, in order.
    pub fn leaves(&self) -> Leaves<'m> {
        Leaves::new(*self)
    }

    /// The place of the segment as a whole.
    pub fn place(&self) -> Place {
        Place {
            segment: self.span.name,
            ordinal: self.is_one_of_several().then_some(self.span.ordinal),
            field: 0,
            repetition: None,
            component: None,
            subcomponent: None,
        }
    }

    fn separators(&self) -> &'m [u32] {
        let (from, to) = self.span.separators;
        self.message.separators().get(from as usize..to as usize).unwrap_or_default()
    }

    fn until(&self, separators: &[u32], n: usize) -> u32 {
        separators.get(n).copied().unwrap_or(self.span.end)
    }
}

/// A field of a segment, with all its repetitions.
#[derive(Clone, Copy)]
pub struct Field<'m> {
    segment: Segment<'m>,
    number: u32,
    start: u32,
    raw: &'m str,
}

impl<'m> Field<'m> {
    /// Its number, from 1.
    pub fn number(&self) -> usize {
        self.number as usize
    }

    /// Its text as it stands.
    pub fn raw(&self) -> &'m str {
        self.raw
    }

    /// Position of its first byte in [`Message::text`].
    pub fn start(&self) -> usize {
        self.start as usize
    }

    /// True if nothing stands there. The null value `""` is not empty.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// True for `""`: the sender says that there is no value and an earlier one is to be deleted.
    pub fn is_null(&self) -> bool {
        self.raw == NULL
    }

    /// The repetitions; none for an empty field.
    pub fn repetitions(&self) -> impl Iterator<Item = Repetition<'m>> + use<'m> {
        let field = *self;
        let pieces = if self.raw.is_empty() {
            Pieces::none()
        } else {
            Pieces::new(self.raw, self.start, self.delimiters().repetition)
        };
        (1..).zip(pieces).map(move |(number, (start, raw))| Repetition { field, number, start, raw })
    }

    /// A repetition by its number, from 1; an empty one beyond the last.
    pub fn repetition(&self, number: usize) -> Repetition<'m> {
        let found =
            number.checked_sub(1).and_then(|n| Pieces::new(self.raw, self.start, self.delimiters().repetition).nth(n));
        let (start, raw) = found.unwrap_or((self.start, ""));
        Repetition { field: *self, number: u32::try_from(number).unwrap_or(u32::MAX), start, raw }
    }

    /// A component of the first repetition.
    pub fn component(&self, number: usize) -> Component<'m> {
        self.repetition(1).component(number)
    }

    /// The first subcomponent of the first component of the first repetition, unescaped; null is empty text.
    pub fn text(&self) -> Cow<'m, str> {
        self.component(1).text()
    }

    /// All of it as one text, delimiters included: for free text whose sender did not escape.
    pub fn whole_text(&self) -> Cow<'m, str> {
        text_of(self.segment.message, self.raw, self.delimiters())
    }

    /// Its place.
    pub fn place(&self) -> Place {
        Place { field: self.number, ..self.segment.place() }
    }

    /// The segment it belongs to.
    pub fn segment(&self) -> Segment<'m> {
        self.segment
    }

    pub(super) fn delimiters(&self) -> &'m Delimiters {
        match (self.segment.span.kind, self.number) {
            (Kind::Header, 1 | 2) => &LITERAL,
            _ => self.segment.message.delimiters(),
        }
    }
}

/// One repetition of a field.
#[derive(Clone, Copy)]
pub struct Repetition<'m> {
    field: Field<'m>,
    number: u32,
    start: u32,
    raw: &'m str,
}

impl<'m> Repetition<'m> {
    /// Its number, from 1.
    pub fn number(&self) -> usize {
        self.number as usize
    }

    /// Its text as it stands.
    pub fn raw(&self) -> &'m str {
        self.raw
    }

    /// Position of its first byte in [`Message::text`].
    pub fn start(&self) -> usize {
        self.start as usize
    }

    /// True if nothing stands there.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// True for `""`.
    pub fn is_null(&self) -> bool {
        self.raw == NULL
    }

    /// The components, at least one.
    pub fn components(&self) -> impl Iterator<Item = Component<'m>> + use<'m> {
        let repetition = *self;
        (1..).zip(self.pieces()).map(move |(number, (start, raw))| Component { repetition, number, start, raw })
    }

    /// A component by its number, from 1; an empty one beyond the last.
    pub fn component(&self, number: usize) -> Component<'m> {
        let found = number.checked_sub(1).and_then(|n| self.pieces().nth(n));
        let (start, raw) = found.unwrap_or((self.start, ""));
        Component { repetition: *self, number: u32::try_from(number).unwrap_or(u32::MAX), start, raw }
    }

    /// The first subcomponent of the first component, unescaped.
    pub fn text(&self) -> Cow<'m, str> {
        self.component(1).text()
    }

    /// All of it as one text, delimiters included.
    pub fn whole_text(&self) -> Cow<'m, str> {
        text_of(self.field.segment.message, self.raw, self.field.delimiters())
    }

    /// Its place.
    pub fn place(&self) -> Place {
        let several = self.number > 1 || has(self.field.raw, self.field.delimiters().repetition);
        Place { repetition: several.then_some(self.number), ..self.field.place() }
    }

    /// The field it belongs to.
    pub fn field(&self) -> Field<'m> {
        self.field
    }

    fn pieces(&self) -> Pieces<'m> {
        Pieces::new(self.raw, self.start, self.field.delimiters().component)
    }
}

/// One component of a repetition.
#[derive(Clone, Copy)]
pub struct Component<'m> {
    repetition: Repetition<'m>,
    number: u32,
    start: u32,
    raw: &'m str,
}

impl<'m> Component<'m> {
    /// Its number, from 1.
    pub fn number(&self) -> usize {
        self.number as usize
    }

    /// Its text as it stands.
    pub fn raw(&self) -> &'m str {
        self.raw
    }

    /// Position of its first byte in [`Message::text`].
    pub fn start(&self) -> usize {
        self.start as usize
    }

    /// True if nothing stands there.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// True for `""`.
    pub fn is_null(&self) -> bool {
        self.raw == NULL
    }

    /// The subcomponents, at least one.
    pub fn subcomponents(&self) -> impl Iterator<Item = Subcomponent<'m>> + use<'m> {
        let component = *self;
        (1..).zip(self.pieces()).map(move |(number, (start, raw))| Subcomponent { component, number, start, raw })
    }

    /// A subcomponent by its number, from 1; an empty one beyond the last.
    pub fn subcomponent(&self, number: usize) -> Subcomponent<'m> {
        let found = number.checked_sub(1).and_then(|n| self.pieces().nth(n));
        let (start, raw) = found.unwrap_or((self.start, ""));
        Subcomponent { component: *self, number: u32::try_from(number).unwrap_or(u32::MAX), start, raw }
    }

    /// The first subcomponent, unescaped; null is empty text.
    pub fn text(&self) -> Cow<'m, str> {
        self.subcomponent(1).text()
    }

    /// All of it as one text, subcomponent separators included.
    pub fn whole_text(&self) -> Cow<'m, str> {
        text_of(self.repetition.field.segment.message, self.raw, self.repetition.field.delimiters())
    }

    /// Its place.
    pub fn place(&self) -> Place {
        let several = self.number > 1 || has(self.repetition.raw, self.repetition.field.delimiters().component);
        Place { component: several.then_some(self.number), ..self.repetition.place() }
    }

    /// The repetition it belongs to.
    pub fn repetition(&self) -> Repetition<'m> {
        self.repetition
    }

    fn pieces(&self) -> Pieces<'m> {
        Pieces::new(self.raw, self.start, self.repetition.field.delimiters().subcomponent)
    }
}

/// One subcomponent of a component.
#[derive(Clone, Copy)]
pub struct Subcomponent<'m> {
    component: Component<'m>,
    number: u32,
    start: u32,
    raw: &'m str,
}

impl<'m> Subcomponent<'m> {
    /// Its number, from 1.
    pub fn number(&self) -> usize {
        self.number as usize
    }

    /// Its text as it stands.
    pub fn raw(&self) -> &'m str {
        self.raw
    }

    /// Position of its first byte in [`Message::text`].
    pub fn start(&self) -> usize {
        self.start as usize
    }

    /// True if nothing stands there.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// True for `""`.
    pub fn is_null(&self) -> bool {
        self.raw == NULL
    }

    /// Its text, unescaped and without control characters; null is empty text.
    pub fn text(&self) -> Cow<'m, str> {
        let field = &self.component.repetition.field;
        text_of(field.segment.message, self.raw, field.delimiters())
    }

    /// Its place.
    pub fn place(&self) -> Place {
        let several =
            self.number > 1 || has(self.component.raw, self.component.repetition.field.delimiters().subcomponent);
        Place { subcomponent: several.then_some(self.number), ..self.component.place() }
    }
}

/// Splits at an ASCII delimiter and keeps count of where the pieces stand.
#[derive(Clone)]
pub(super) struct Pieces<'m> {
    rest: Option<&'m str>,
    start: u32,
    delimiter: Option<u8>,
}

impl<'m> Pieces<'m> {
    pub(super) fn none() -> Self {
        Self { rest: None, start: 0, delimiter: None }
    }

    pub(super) fn new(raw: &'m str, start: u32, delimiter: Option<u8>) -> Self {
        Self { rest: Some(raw), start, delimiter }
    }
}

impl<'m> Iterator for Pieces<'m> {
    type Item = (u32, &'m str);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest?;
        let start = self.start;
        let found = self.delimiter.and_then(|delimiter| position(rest, delimiter));
        match found.and_then(|at| rest.split_at_checked(at)) {
            Some((piece, tail)) => {
                self.rest = tail.get(1..);
                let taken = u32::try_from(piece.len()).unwrap_or(u32::MAX);
                self.start = start.saturating_add(taken).saturating_add(1);
                Some((start, piece))
            }
            None => {
                self.rest = None;
                Some((start, rest))
            }
        }
    }
}

/// The null value. HL7 v2.8.2 chapter 2, on fields "present but null".
const NULL: &str = "\"\"";

fn text_of<'m>(message: &'m Message, raw: &'m str, delimiters: &Delimiters) -> Cow<'m, str> {
    if raw == NULL {
        return Cow::Borrowed("");
    }
    let text = unescape(raw, delimiters, message.charset());
    let forbidden = |c: char| (c < ' ' && !matches!(c, '\r' | '\n' | '\t')) || c == '\u{7F}';
    // Only a hexadecimal escape can bring a control character into a message that has none.
    if (message.has_controls() || matches!(text, Cow::Owned(_))) && text.contains(forbidden) {
        return Cow::Owned(text.replace(forbidden, ""));
    }
    text
}

pub(super) fn has(raw: &str, delimiter: Option<u8>) -> bool {
    delimiter.is_some_and(|delimiter| position(raw, delimiter).is_some())
}

/// Most pieces are shorter than what pays for a vector search.
fn position(text: &str, byte: u8) -> Option<usize> {
    if text.len() < 16 {
        return text.bytes().position(|b| b == byte);
    }
    memchr::memchr(byte, text.as_bytes())
}

fn slice(text: &str, start: u32, end: u32) -> &str {
    text.get(start as usize..end as usize).unwrap_or_default()
}
