//! The byte form of what the journal and the index hold: little, explicit, versioned by the item kinds that use it.
//!
//! Unsigned numbers are LEB128, signed ones zigzag LEB128; text and bytes carry their length; an option is one byte and
//! its value; a list its count and its members. Reading never panics and never allocates more than the input is long.

use bytes::{Buf, Bytes};
use model::time::Instant;

/// The bytes do not have the form that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

pub(crate) trait Codec: Sized {
    fn put(&self, out: &mut Vec<u8>);
    fn take(from: &mut Reader) -> Result<Self, Malformed>;

    fn encoded(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.put(&mut out);
        out
    }

    /// Reads a value that fills `bytes` to the end.
    fn decoded(bytes: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader { rest: bytes };
        let value = Self::take(&mut reader)?;
        if reader.rest.is_empty() { Ok(value) } else { Err(Malformed) }
    }
}

/// What is left to read. Byte strings are taken out without copying.
pub(crate) struct Reader {
    rest: Bytes,
}

impl Reader {
    pub(crate) fn of(bytes: Bytes) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Result<Bytes, Malformed> {
        if length > self.rest.len() {
            return Err(Malformed);
        }
        Ok(self.rest.split_to(length))
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, _) = self.rest.split_first_chunk::<N>().ok_or(Malformed)?;
        let head = *head;
        // Taken out as `Bytes` each would count a reference up and down again: rows hold tens of thousands of these.
        self.rest.advance(N);
        Ok(head)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }
}

impl Codec for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        let mut value = *self;
        while value >= 0x80 {
            out.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }

    fn take(from: &mut Reader) -> Result<Self, Malformed> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = from.byte()?;
            let part = u64::from(byte & 0x7f);
            if part << shift >> shift != part {
                return Err(Malformed);
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }
}

impl Codec for u32 {
    fn put(&self, out: &mut Vec<u8>) {
        u64::from(*self).put(out);
    }

    fn take(from: &mut Reader) -> Result<Self, Malformed> {
        u32::try_from(u64::take(from)?).map_err(|_| Malformed)
    }
}

impl Codec for u8 {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }

    fn take(from: &mut Reader) -> Result<Self, Malformed> {
        from.byte()
    }
}

impl Codec for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn take(from: &mut Reader) -> Result<Self, Malformed> {
        match from.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }
}

impl Codec for Instant {
    fn put(&self, out: &mut Vec<u8>) {
        let millis = self.millis();
        (((millis << 1) ^ (millis >> 63)) as u64).put(out);
    }

    fn take(from: &mut Reader) -> Result<Self, Malformed> {
        let zigzag = u64::take(from)?;
        Ok(Instant::from_millis((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64)))
    }
}

impl<const N: usize> Codec for [u8; N] {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn take(from: &mut Reader) -> Result<Self, Malformed> {
        from.array()
    }
}

impl Codec for Bytes {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u64).put(out);
        out.extend_from_slice(self);
    }

    fn take(from: &mut Reader) -> Result<Self, Malformed> {
        let length = usize::try_from(u64::take(from)?).map_err(|_| Malformed)?;
        from.bytes(length)
    }
}

impl Codec for String {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u64).put(out);
        out.extend_from_slice(self.as_bytes());
    }

    fn take(from: &mut Reader) -> Result<Self, Malformed> {
        let length = usize::try_from(u64::take(from)?).map_err(|_| Malformed)?;
        let bytes = from.rest.get(..length).ok_or(Malformed)?;
        let text = std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Malformed)?;
        from.rest.advance(length);
        Ok(text)
    }
}

impl<T: Codec> Codec for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_some()));
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(from: &mut Reader) -> Result<Self, Malformed> {
        if bool::take(from)? { T::take(from).map(Some) } else { Ok(None) }
    }
}

impl<T: Codec> Codec for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u64).put(out);
        for value in self {
            value.put(out);
        }
    }

    fn take(from: &mut Reader) -> Result<Self, Malformed> {
        let count = usize::try_from(u64::take(from)?).map_err(|_| Malformed)?;
        // A count is only believed as far as there are bytes: every member takes one at least.
        let mut values = Vec::with_capacity(count.min(from.rest.len()).min(1024));
        for _ in 0..count {
            values.push(T::take(from)?);
        }
        Ok(values)
    }
}

impl<A: Codec, B: Codec> Codec for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(from: &mut Reader) -> Result<Self, Malformed> {
        Ok((A::take(from)?, B::take(from)?))
    }
}

/// Members in the order in which they stand on disk: an addition needs a new item kind.
macro_rules! codec {
    ($name:ident { $($member:ident),+ $(,)? }) => {
        impl $crate::codec::Codec for $name {
            fn put(&self, out: &mut Vec<u8>) {
                $($crate::codec::Codec::put(&self.$member, out);)+
            }

            fn take(from: &mut $crate::codec::Reader) -> Result<Self, $crate::codec::Malformed> {
                Ok(Self { $($member: $crate::codec::Codec::take(from)?),+ })
            }
        }
    };
}

/// One byte for each variant; the numbers stand on disk and never change their meaning.
macro_rules! codec_enum {
    ($name:ident { $($variant:ident = $number:literal),+ $(,)? }) => {
        impl $crate::codec::Codec for $name {
            fn put(&self, out: &mut Vec<u8>) {
                out.push(match self { $($name::$variant => $number),+ });
            }

            fn take(from: &mut $crate::codec::Reader) -> Result<Self, $crate::codec::Malformed> {
                match <u8 as $crate::codec::Codec>::take(from)? {
                    $($number => Ok($name::$variant),)+
                    _ => Err($crate::codec::Malformed),
                }
            }
        }
    };
}

pub(crate) use {codec, codec_enum};

#[cfg(test)]
mod tests;
