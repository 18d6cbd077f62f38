//! How large a document may be.

/// Bounds on a document; beyond one of them it is refused, so that no sender can make the reader run out of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes, as they came and decoded. Never more than 1 GiB, whatever stands here.
    pub bytes: usize,
    /// Nesting of elements.
    pub depth: usize,
    /// Elements.
    pub elements: usize,
    /// Attributes of one element.
    pub attributes: usize,
    /// Bytes of one text or one value of an attribute.
    pub text: usize,
    /// Different names of elements and attributes.
    pub names: usize,
    /// Bytes of one name.
    pub name: usize,
}

impl Limits {
    /// Places in the text are counted in 31 bits.
    pub(super) const MAX_BYTES: usize = 1 << 30;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            depth: 256,
            elements: 2_000_000,
            attributes: 128,
            // A document with a file inside is one text and little else.
            text: 64 << 20,
            names: 4096,
            name: 256,
        }
    }
}
