//! Where a piece of a message stands.

use std::fmt;

/// Name of a segment: three letters or digits, or `???` for a line that has none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentName([u8; 3]);

impl SegmentName {
    /// Stands for a name that is no name; the text itself may be a patient's and stays out of issues.
    pub const UNREADABLE: SegmentName = SegmentName(*b"???");

    pub(super) fn read(text: &[u8]) -> Option<Self> {
        match text {
            &[a, b, c] if [a, b, c].iter().all(u8::is_ascii_alphanumeric) => Some(Self([a, b, c])),
            _ => None,
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }
}

impl fmt::Debug for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Place of a piece: `SEG[n]-F[r].C.S`.
///
/// `[n]` stands where the message has several segments of that name, `[r]` where the field repeats, `C` and `S`
/// where the value is divided that far. All count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Name of the segment.
    pub segment: SegmentName,
    /// Which of the segments of that name, if there are several.
    pub ordinal: Option<u32>,
    /// Field number; 0 for the segment as a whole.
    pub field: u32,
    /// Which repetition, if there are several.
    pub repetition: Option<u32>,
    /// Which component, if there are several.
    pub component: Option<u32>,
    /// Which subcomponent, if there are several.
    pub subcomponent: Option<u32>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.segment.as_str())?;
        if let Some(n) = self.ordinal {
            write!(f, "[{n}]")?;
        }
        if self.field == 0 {
            return Ok(());
        }
        write!(f, "-{}", self.field)?;
        if let Some(n) = self.repetition {
            write!(f, "[{n}]")?;
        }
        match (self.component, self.subcomponent) {
            (Some(c), Some(s)) => write!(f, ".{c}.{s}"),
            (Some(c), None) => write!(f, ".{c}"),
            // A single component with several subcomponents: its number is 1, and saying so keeps S unambiguous.
            (None, Some(s)) => write!(f, ".1.{s}"),
            (None, None) => Ok(()),
        }
    }
}
