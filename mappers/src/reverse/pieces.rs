//! The pieces of a segment that is being written.

use std::collections::BTreeMap;

use formats::hl7v2::{Charset, Delimiters, unescape};

/// Field, repetition, component, subcomponent; all from 1.
pub(crate) type Key = (u32, u32, u32, u32);

/// The pieces of one segment.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    pub(super) texts: BTreeMap<Key, String>,
    /// Fields as they are written, delimiters included.
    pub(crate) raw: BTreeMap<u32, String>,
}

/// Where a value goes: a repetition of a field and how deep in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Base {
    pub(super) field: u32,
    pub(super) repetition: u32,
    pub(super) component: u32,
    pub(super) subcomponent: u32,
}

impl Base {
    pub(crate) fn field(field: u32, repetition: u32) -> Self {
        Self { field, repetition, component: 0, subcomponent: 0 }
    }

    /// A part of the value here.
    pub(super) fn part(self, component: u32, subcomponent: u32) -> Option<Self> {
        match (component, self.component, self.subcomponent) {
            (0, _, _) => Some(self),
            (_, 0, _) => Some(Self { component, subcomponent, ..self }),
            (_, _, 0) if subcomponent < 2 => Some(Self { subcomponent: component, ..self }),
            (1, _, _) if subcomponent < 2 => Some(self),
            _ => None,
        }
    }

    /// A component or subcomponent of a field; 0 for the whole.
    pub(crate) fn within(self, component: u32, subcomponent: u32) -> Self {
        Self { component, subcomponent, ..self }
    }

    pub(crate) fn key(self) -> Key {
        (self.field, self.repetition, self.component.max(1), self.subcomponent.max(1))
    }
}

impl Pieces {
    pub(crate) fn set(&mut self, at: Base, text: &str) {
        if !text.is_empty() && !self.raw.contains_key(&at.field) {
            self.texts.entry(at.key()).or_insert_with(|| text.to_owned());
        }
    }

    /// Sets a whole field to one text, if there is a text.
    pub(crate) fn replace(&mut self, field: u32, text: &str) {
        if !text.is_empty() {
            self.raw.remove(&field);
            self.texts.retain(|key, _| key.0 != field);
            self.texts.insert((field, 1, 1, 1), text.to_owned());
        }
    }

    /// Takes fields as they are written apart into their pieces: other delimiters may be asked for.
    pub(crate) fn spread(&mut self) {
        for (field, raw) in std::mem::take(&mut self.raw) {
            self.set_wire(Base::field(field, 1), &raw);
        }
    }

    /// How many repetitions a field has.
    pub(crate) fn repetitions(&self, field: u32) -> u32 {
        self.texts.range((field, 0, 0, 0)..(field + 1, 0, 0, 0)).next_back().map_or(0, |(key, _)| key.1)
    }

    pub(crate) fn remove(&mut self, key: Key) {
        self.texts.remove(&key);
    }

    /// Sets a value as it is written, with delimiters and escapes.
    pub(super) fn set_wire(&mut self, at: Base, wire: &str) {
        let delimiters = Delimiters::default();
        let plain = |text: &str| unescape(text, &delimiters, Charset::UTF_8).into_owned();
        for (repetition, text) in (at.repetition..).zip(wire.split('~')) {
            let at = Base { repetition, ..at };
            if at.component > 0 {
                for (subcomponent, text) in (1..).zip(text.split('&')) {
                    self.set(Base { subcomponent, ..at }, &plain(text));
                }
                continue;
            }
            for (component, text) in (1..).zip(text.split('^')) {
                for (subcomponent, text) in (1..).zip(text.split('&')) {
                    self.set(Base { component, subcomponent, ..at }, &plain(text));
                }
            }
        }
    }

    pub(crate) fn is_set(&self, at: Base) -> bool {
        if self.raw.contains_key(&at.field) {
            return true;
        }
        let from = at.key();
        let within = |key: &Key| {
            key.0 == at.field
                && (at.repetition == 0 || key.1 == at.repetition)
                && (at.component == 0 || key.2 == at.component)
                && (at.subcomponent == 0 || key.3 == at.subcomponent)
        };
        let start = (from.0, if at.repetition == 0 { 0 } else { from.1 }, 0, 0);
        self.texts.range(start..).take_while(|(key, _)| key.0 == at.field).any(|(key, _)| within(key))
    }

    pub(crate) fn get(&self, at: Base) -> Option<&str> {
        self.texts.get(&at.key()).map(String::as_str)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.raw.is_empty()
    }

    pub(crate) fn texts(&self) -> &BTreeMap<Key, String> {
        &self.texts
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &String)> {
        self.texts.iter()
    }
}
