//! Writes messages: values by their place, escaped, without trailing delimiters.

use std::collections::BTreeMap;

use super::delimiters::Delimiters;
use super::escape::escape;

/// A message in the making.
///
/// MSH-1 and MSH-2 come from the delimiters; everything else is set by place. Segments keep the order in which
/// they were begun.
#[derive(Clone)]
pub struct MessageBuilder {
    delimiters: Delimiters,
    segments: Vec<SegmentBuilder>,
}

impl MessageBuilder {
    /// Begins a message with these delimiters.
    pub fn new(delimiters: Delimiters) -> Self {
        Self { delimiters, segments: Vec::new() }
    }

    /// Begins the next segment.
    pub fn segment(&mut self, name: &str) -> &mut SegmentBuilder {
        let segment = SegmentBuilder { name: name.to_owned(), delimiters: self.delimiters, values: BTreeMap::new() };
        self.segments.push_mut(segment)
    }

    /// How many segments were begun.
    pub fn len(&self) -> usize {
        self.segments.len()
    }

    /// True before the first segment.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The message as text, each segment ended by CR.
    pub fn to_text(&self) -> String {
        let mut out = String::with_capacity(self.segments.len().saturating_mul(120));
        for segment in &self.segments {
            segment.write(&mut out);
            out.push('\r');
        }
        out
    }

    /// The message in UTF-8, each segment ended by CR.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_text().into_bytes()
    }
}

/// A segment in the making.
#[derive(Clone)]
pub struct SegmentBuilder {
    name: String,
    delimiters: Delimiters,
    /// By field, repetition, component, subcomponent, all from 1; already escaped.
    values: BTreeMap<(u16, u16, u16, u16), String>,
}

impl SegmentBuilder {
    /// Sets a text at a place; places count from 1. Empty text unsets it.
    pub fn set(&mut self, field: u16, repetition: u16, component: u16, subcomponent: u16, text: &str) -> &mut Self {
        let escaped = escape(text, &self.delimiters).into_owned();
        self.put(field, repetition, component, subcomponent, escaped)
    }

    /// Sets a text in the first piece of a field.
    pub fn field(&mut self, field: u16, text: &str) -> &mut Self {
        self.set(field, 1, 1, 1, text)
    }

    /// Sets what is already in the written form of these delimiters: a copy from a message that shares them.
    pub fn set_raw(&mut self, field: u16, raw: &str) -> &mut Self {
        // A line end would begin a segment.
        self.put(field, 1, 1, 1, raw.replace(['\r', '\n'], " "))
    }

    /// Sets the null value `""` as a whole field.
    pub fn set_null(&mut self, field: u16) -> &mut Self {
        self.put(field, 1, 1, 1, "\"\"".to_owned())
    }

    /// The name it was begun with.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// True if nothing is set.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn put(&mut self, field: u16, repetition: u16, component: u16, subcomponent: u16, raw: String) -> &mut Self {
        let place = (field.max(1), repetition.max(1), component.max(1), subcomponent.max(1));
        if raw.is_empty() {
            self.values.remove(&place);
        } else {
            self.values.insert(place, raw);
        }
        self
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.name);
        let header = matches!(self.name.as_str(), "MSH" | "FHS" | "BHS");
        // The next place if no delimiter were written any more.
        let mut at = (0, 1, 1, 1);
        if header {
            out.push(char::from(self.delimiters.field));
            out.push_str(&self.delimiters.encoding_characters());
            at.0 = 2;
        }
        let d = &self.delimiters;
        let delimiter = |byte: Option<u8>| byte.map_or(' ', char::from);
        for ((field, repetition, component, subcomponent), raw) in &self.values {
            if header && *field <= 2 {
                continue;
            }
            if at.0 < *field {
                advance(out, char::from(d.field), &mut at.0, *field);
                (at.1, at.2, at.3) = (1, 1, 1);
            }
            if at.1 < *repetition {
                advance(out, delimiter(d.repetition), &mut at.1, *repetition);
                (at.2, at.3) = (1, 1);
            }
            if at.2 < *component {
                advance(out, delimiter(d.component), &mut at.2, *component);
                at.3 = 1;
            }
            advance(out, delimiter(d.subcomponent), &mut at.3, *subcomponent);
            out.push_str(raw);
        }
    }
}

fn advance(out: &mut String, delimiter: char, at: &mut u16, to: u16) {
    out.extend(std::iter::repeat_n(delimiter, usize::from(to.saturating_sub(*at))));
    *at = to;
}
