//! Emergency grants: bounded break-glass access to one patient.

use model::time::Instant;

use crate::exchange::ExchangeId;

/// An emergency grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its id, the last segment of its address.
    pub id: String,
    /// Id part of the patient.
    pub patient: String,
    /// The person who declared, by whom grants are counted.
    pub person: String,
    /// What the grant is bound to: the token's `cnf` key or its `jti`.
    pub holder: String,
    /// When it was declared.
    pub declared: Instant,
    /// When it ends by itself.
    pub expires: Instant,
    /// When it was ended early.
    pub ended: Option<Instant>,
    /// The declaration's exchange.
    pub exchange: ExchangeId,
    /// A JSON object of the gateway's (reason, location).
    pub detail: String,
}

impl Grant {
    /// Whether it gives access at `now`.
    pub fn is_open(&self, now: Instant) -> bool {
        self.ended.is_none() && now < self.expires
    }

    pub(crate) fn oldest_first(mut grants: Vec<Grant>) -> Vec<Grant> {
        grants.sort_by(|a, b| (a.declared, &a.id).cmp(&(b.declared, &b.id)));
        grants
    }
}

/// What a commit does to a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantChange {
    /// A new grant.
    Open(Grant),
    /// The grant ends now; a [`crate::Error::NotFound`] if there is none, no change if it has ended.
    End {
        /// Its id.
        id: String,
        /// When.
        at: Instant,
    },
}
