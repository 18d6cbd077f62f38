//! JSON text written front to back, without a tree: for what is made once and read by others as text.

use super::write::string;

/// A text being written. Members and values come in the order in which they are to stand; commas are put between them.
///
/// What is written is JSON if every member gets one value and the outermost value is one: the closures see to the brackets.
#[derive(Debug)]
pub struct Writer {
    out: Vec<u8>,
    /// Whether a value would be the first of its object or array, or stands behind its member's name.
    fresh: bool,
}

impl Writer {
    /// With room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes), fresh: true }
    }

    /// The text.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// The name of the next value.
    pub fn member(&mut self, name: &str) -> &mut Self {
        self.begin();
        string(name, &mut self.out);
        self.out.push(b':');
        self.fresh = true;
        self
    }

    /// A string.
    pub fn text(&mut self, text: &str) {
        self.begin();
        string(text, &mut self.out);
    }

    /// `true` or `false`.
    pub fn flag(&mut self, flag: bool) {
        self.begin();
        self.out.extend_from_slice(if flag { b"true" } else { b"false" });
    }

    /// A value that is JSON text already.
    pub fn raw(&mut self, json: &[u8]) {
        self.begin();
        self.out.extend_from_slice(json);
    }

    /// An object; the closure writes its members.
    pub fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.between(b'{', b'}', members);
    }

    /// An array; the closure writes its values.
    pub fn array(&mut self, values: impl FnOnce(&mut Self)) {
        self.between(b'[', b']', values);
    }

    /// A member whose value is a string.
    pub fn text_member(&mut self, name: &str, text: &str) {
        self.member(name).text(text);
    }

    fn between(&mut self, open: u8, close: u8, inside: impl FnOnce(&mut Self)) {
        self.begin();
        self.out.push(open);
        self.fresh = true;
        inside(self);
        self.out.push(close);
        self.fresh = false;
    }

    fn begin(&mut self) {
        if !self.fresh {
            self.out.push(b',');
        }
        self.fresh = false;
    }
}

#[cfg(test)]
mod tests;
