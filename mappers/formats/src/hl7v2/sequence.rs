//! The sequence number protocol, the receiving side. HL7 v2.8.2 chapter 2, "Sequence number protocol" (MSH-13, MSA-4).
//!
//! No memory of its own: who uses it keeps [`Sequence`] for each sender, durably, and moves it on with [`Sequence::taken`]
//! once a message is safe.

/// What is known of the numbers of one sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Sequence {
    /// The number that comes next; `None` if the next one is taken as it comes.
    expected: Option<u64>,
}

/// What a number means at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The message carries no number: the protocol says nothing of it.
    Unnumbered,
    /// 0: the sender asks which number is expected; -1: it begins anew, and the next positive number is taken.
    Link {
        /// What is known from now on.
        after: Sequence,
    },
    /// The number that was expected: to be processed, and moved on when that is durable.
    Next,
    /// A number that was taken earlier: only a repeat may carry it, and it is not processed again.
    Earlier,
    /// Messages before this one are missing: it is not processed.
    Gap,
    /// No number of the protocol.
    Unreadable,
}

impl Sequence {
    /// What is known after a restart: the number as [`Sequence::answer`] told it.
    pub fn of(expected: i64) -> Self {
        Self { expected: u64::try_from(expected).ok().filter(|number| *number > 0) }
    }

    /// MSA-4: the expected number, -1 for any.
    pub fn answer(self) -> i64 {
        self.expected.and_then(|number| i64::try_from(number).ok()).unwrap_or(-1)
    }

    /// What MSH-13 means.
    pub fn turn(self, field: &str) -> Turn {
        let field = field.trim();
        if field.is_empty() || field == "\"\"" {
            return Turn::Unnumbered;
        }
        match (parse(field), self.expected) {
            (None, _) => Turn::Unreadable,
            (Some(-1), _) => Turn::Link { after: Self::default() },
            (Some(0), _) => Turn::Link { after: self },
            (Some(_), None) => Turn::Next,
            (Some(number), Some(expected)) => match u64::try_from(number).unwrap_or(0).cmp(&expected) {
                std::cmp::Ordering::Equal => Turn::Next,
                std::cmp::Ordering::Less => Turn::Earlier,
                std::cmp::Ordering::Greater => Turn::Gap,
            },
        }
    }

    /// What is known after a message of this number was taken; other numbers change nothing.
    #[must_use]
    pub fn taken(self, field: &str) -> Self {
        match (self.turn(field), parse(field.trim())) {
            (Turn::Next, Some(number)) => Self { expected: u64::try_from(number).unwrap_or(0).checked_add(1) },
            _ => self,
        }
    }
}

/// NM without fraction, -1 or more, of at most 15 digits (MSH-13 has length 15).
fn parse(field: &str) -> Option<i64> {
    let digits = field.trim_start_matches(['-', '+']);
    if digits.len() > 15 || field.len() > digits.len().saturating_add(1) {
        return None;
    }
    field.parse().ok().filter(|number| *number >= -1)
}
