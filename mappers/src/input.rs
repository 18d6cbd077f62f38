//! A message as the engine reads it: every deepest non-empty piece in one list, and ranges over it.

use std::borrow::Cow;

use formats::hl7v2::{self, Message, Segment, unescape};

use crate::compile::Compiled;
use crate::map::{SegmentId, UNKNOWN};
use crate::needs::bit;

/// A deepest non-empty piece that is not null.
#[derive(Clone, Copy)]
pub(crate) struct Piece<'m> {
    pub(crate) field: u32,
    pub(crate) repetition: u32,
    pub(crate) component: u32,
    pub(crate) subcomponent: u32,
    pub(crate) raw: &'m str,
    /// Without escape sequences and control characters: its text is as it stands.
    plain: bool,
    pub(crate) place: hl7v2::Place,
}

/// A segment and its pieces.
pub(crate) struct Seg<'m> {
    pub(crate) id: SegmentId,
    pub(crate) view: Segment<'m>,
    pub(crate) lo: u32,
    pub(crate) hi: u32,
    /// Where its fields stand in `Input::fields`.
    fields: u32,
    field_count: u32,
    /// Which fields have a value ([`crate::needs`]).
    present: u64,
}

/// How deep a range goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// All repetitions of a field.
    Field,
    Repetition,
    Component,
    Subcomponent,
}

/// A range of pieces: the value at a place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor {
    pub(crate) segment: u32,
    pub(crate) lo: u32,
    pub(crate) hi: u32,
    pub(crate) depth: Depth,
}

impl Cursor {
    pub(crate) fn is_empty(self) -> bool {
        self.lo >= self.hi
    }

    pub(crate) fn range(self) -> std::ops::Range<u32> {
        self.lo..self.hi
    }
}

/// The whole message.
pub(crate) struct Input<'m> {
    pub(crate) message: &'m Message,
    pub(crate) segments: Vec<Seg<'m>>,
    pub(crate) pieces: Vec<Piece<'m>>,
    /// Range of the pieces of each field, segment after segment.
    fields: Vec<(u32, u32)>,
    /// Places of the null values (`""`).
    pub(crate) nulls: Vec<hl7v2::Place>,
    /// Whether the delimiters are the recommended ones, so that raw text reads the same anywhere.
    pub(crate) usual: bool,
}

impl<'m> Input<'m> {
    /// Cuts a message into pieces.
    pub(crate) fn new(message: &'m Message, compiled: &Compiled) -> Self {
        let mut pieces = Vec::with_capacity(message.text().len() / 6);
        let mut nulls = Vec::new();
        let escape = message.delimiters().escape;
        let special = |b: u8| Some(b) == escape || (b < b' ' && !matches!(b, b'\r' | b'\n' | b'\t')) || b == 0x7F;
        let mut fields: Vec<(u32, u32)> = Vec::with_capacity(message.text().len() / 6);
        let mut segments = Vec::with_capacity(message.segments().len());
        for view in message.segments() {
            let lo = count(&pieces);
            let mut present = 0;
            let first_field = narrow(fields.len());
            for leaf in view.leaves() {
                if leaf.raw == "\"\"" {
                    nulls.push(leaf.place);
                    continue;
                }
                present |= bit(leaf.place.field);
                let at = count(&pieces);
                while narrow(fields.len()) < first_field.saturating_add(leaf.place.field) {
                    fields.push((at, at));
                }
                if let Some(last) = fields.last_mut() {
                    last.1 = at + 1;
                }
                pieces.push(Piece {
                    plain: !leaf.raw.bytes().any(special),
                    field: leaf.place.field,
                    repetition: leaf.place.repetition.unwrap_or(1),
                    component: leaf.place.component.unwrap_or(1),
                    subcomponent: leaf.place.subcomponent.unwrap_or(1),
                    raw: leaf.raw,
                    place: leaf.place,
                });
            }
            let id = compiled.segments.get(view.name()).copied().unwrap_or(UNKNOWN);
            let field_count = narrow(fields.len()) - first_field;
            segments.push(Seg { id, view, lo, hi: count(&pieces), fields: first_field, field_count, present });
        }
        let d = message.delimiters();
        let usual = (d.field, d.component, d.repetition, d.escape, d.subcomponent)
            == (b'|', Some(b'^'), Some(b'~'), Some(b'\\'), Some(b'&'));
        Self { message, segments, pieces, fields, nulls, usual }
    }

    pub(crate) fn pieces(&self, range: std::ops::Range<u32>) -> &[Piece<'m>] {
        self.pieces.get(range.start as usize..range.end as usize).unwrap_or_default()
    }

    /// Which fields of a segment have a value.
    pub(crate) fn present(&self, segment: u32) -> u64 {
        self.segments.get(segment as usize).map_or(0, |seg| seg.present)
    }

    /// Which components of a value there are, as the table of its datatype counts them.
    pub(crate) fn present_in(&self, value: Cursor) -> u64 {
        self.pieces(value.range()).iter().fold(0, |present, piece| {
            present
                | match value.depth {
                    Depth::Field | Depth::Repetition => bit(piece.component),
                    Depth::Component => bit(piece.subcomponent),
                    Depth::Subcomponent => bit(1),
                }
        })
    }

    /// The pieces of a field, all repetitions.
    pub(crate) fn field(&self, segment: u32, field: u32) -> std::ops::Range<u32> {
        let Some(seg) = self.segments.get(segment as usize) else { return 0..0 };
        if field == 0 || field > seg.field_count {
            return seg.lo..seg.lo;
        }
        let (lo, hi) = self.fields.get((seg.fields + field - 1) as usize).copied().unwrap_or((seg.lo, seg.lo));
        lo..hi
    }

    /// The pieces of one repetition of a field.
    pub(crate) fn repetition(&self, segment: u32, field: &std::ops::Range<u32>, repetition: u32) -> Cursor {
        let (lo, hi) = self.narrow(field.clone(), |piece| piece.repetition == repetition);
        Cursor { segment, lo, hi, depth: Depth::Repetition }
    }

    /// The number of the repetition a field's piece is in, for each repetition that has one.
    pub(crate) fn next_repetition(&self, segment: u32, field: &std::ops::Range<u32>, from: u32) -> Option<Cursor> {
        let first = self.pieces(from..field.end).first()?.repetition;
        let length = self.pieces(from..field.end).iter().take_while(|piece| piece.repetition == first).count();
        Some(Cursor { segment, lo: from, hi: from + narrow(length), depth: Depth::Repetition })
    }

    /// A component or subcomponent of a value; 0 for the whole.
    pub(crate) fn part(&self, value: Cursor, component: u32, subcomponent: u32) -> Cursor {
        if component == 0 {
            return value;
        }
        match value.depth {
            Depth::Field | Depth::Repetition => {
                let (lo, hi) = self.narrow(value.range(), |piece| piece.component == component);
                let part = Cursor { lo, hi, depth: Depth::Component, ..value };
                if subcomponent == 0 { part } else { self.part(part, subcomponent, 0) }
            }
            Depth::Component => {
                let (lo, hi) = self.narrow(value.range(), |piece| piece.subcomponent == component);
                let part = Cursor { lo, hi, depth: Depth::Subcomponent, ..value };
                if subcomponent > 1 { Cursor { hi: lo, ..part } } else { part }
            }
            Depth::Subcomponent if component == 1 && subcomponent < 2 => value,
            Depth::Subcomponent => Cursor { hi: value.lo, ..value },
        }
    }

    fn narrow(&self, range: std::ops::Range<u32>, accept: impl Fn(&Piece<'m>) -> bool) -> (u32, u32) {
        let pieces = self.pieces(range.clone());
        let from = pieces.iter().position(&accept).unwrap_or(pieces.len());
        let length = pieces.iter().skip(from).take_while(|piece| accept(piece)).count();
        let lo = range.start + narrow(from);
        (lo, lo + narrow(length))
    }

    /// The text of a value: of its only piece, else as it stands with its delimiters.
    pub(crate) fn text(&self, value: Cursor) -> Cow<'m, str> {
        match self.pieces(value.range()) {
            [] => Cow::Borrowed(""),
            [piece] if Self::leads(piece, value.depth) => self.piece_text(piece),
            [piece, ..] => {
                let Some(seg) = self.segments.get(value.segment as usize) else { return Cow::Borrowed("") };
                let repetition = seg.view.field(piece.field as usize).repetition(piece.repetition as usize);
                match value.depth {
                    Depth::Field => Cow::Owned(self.lines(seg.view.field(piece.field as usize))),
                    Depth::Repetition => repetition.whole_text(),
                    _ => repetition.component(piece.component as usize).whole_text(),
                }
            }
        }
    }

    /// A value as it stands, with delimiters and escapes.
    pub(crate) fn wire(&self, value: Cursor) -> &'m str {
        let piece = self.pieces(value.range()).first();
        let (Some(piece), Some(seg)) = (piece, self.segments.get(value.segment as usize)) else { return "" };
        let field = seg.view.field(piece.field as usize);
        match value.depth {
            Depth::Field => field.raw(),
            Depth::Repetition => field.repetition(piece.repetition as usize).raw(),
            _ => field.repetition(piece.repetition as usize).component(piece.component as usize).raw(),
        }
    }

    /// The repetitions of a field as lines; null ones are blank.
    fn lines(&self, field: hl7v2::Field<'m>) -> String {
        field.repetitions().map(|repetition| repetition.whole_text()).collect::<Vec<_>>().join("\n")
    }

    /// Whether nothing stands before the piece in a value of this depth.
    fn leads(piece: &Piece<'_>, depth: Depth) -> bool {
        match depth {
            Depth::Field => piece.repetition == 1 && piece.component == 1 && piece.subcomponent == 1,
            Depth::Repetition => piece.component == 1 && piece.subcomponent == 1,
            Depth::Component => piece.subcomponent == 1,
            Depth::Subcomponent => true,
        }
    }

    /// A piece's text without escape sequences and control characters.
    pub(crate) fn piece_text(&self, piece: &Piece<'m>) -> Cow<'m, str> {
        if piece.plain { Cow::Borrowed(piece.raw) } else { self.clean(piece.raw) }
    }

    fn clean(&self, raw: &'m str) -> Cow<'m, str> {
        let text = unescape(raw, self.message.delimiters(), self.message.charset());
        let forbidden = |c: char| (c < ' ' && !matches!(c, '\r' | '\n' | '\t')) || c == '\u{7F}';
        if text.contains(forbidden) { Cow::Owned(text.replace(forbidden, "")) } else { text }
    }
}

fn count(pieces: &[Piece<'_>]) -> u32 {
    narrow(pieces.len())
}

/// A message is at most 2^30 bytes (`formats`), so counts of its pieces fit.
fn narrow(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
