//! What a permit asks for in return.

use std::fmt;

use model::time::Instant;

/// One thing that has to be done because data were released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Obligation {
    /// Write an AuditEvent with purpose BTG, durable before the first byte leaves.
    AuditBtg,
    /// Tell the patient.
    NotifyPatient,
    /// Have another person look at it afterwards.
    PostReview,
    /// The data may not be passed on.
    NoRedisclosure,
    /// The permit ends then.
    ExpiresAt(Instant),
}

impl fmt::Display for Obligation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::AuditBtg => "audit:BTG",
            Self::NotifyPatient => "notify-patient",
            Self::PostReview => "post-review",
            Self::NoRedisclosure => "no-redisclosure",
            Self::ExpiresAt(_) => "expires",
        })
    }
}

/// The obligations of a permit; most permits have none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Obligations(Vec<Obligation>);

impl Obligations {
    /// Those of a release by break-glass.
    pub fn of_break_glass(expires: Instant) -> Self {
        Self(vec![
            Obligation::AuditBtg,
            Obligation::NotifyPatient,
            Obligation::PostReview,
            Obligation::NoRedisclosure,
            Obligation::ExpiresAt(expires),
        ])
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = Obligation> + '_ {
        self.0.iter().copied()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
