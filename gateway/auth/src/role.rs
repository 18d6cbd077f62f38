//! Roles and the routes they may reach.

use std::fmt;

/// What a caller is to this gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A system that sends messages.
    Source,
    /// Treats patients; consents decide what is seen.
    Clinician,
    /// Emergency staff. The role alone never declares break-glass.
    Emergency,
    /// A patient, bound to their own record.
    Patient,
    /// Looks at exchanges, openings and the audit log.
    Auditor,
    /// Runs the gateway.
    Administrator,
}

/// The text names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one of source, clinician, emergency, patient, auditor, administrator")]
pub struct UnknownRole;

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] =
        [Self::Source, Self::Clinician, Self::Emergency, Self::Patient, Self::Auditor, Self::Administrator];

    /// Reads the name.
    ///
    /// # Errors
    /// [`UnknownRole`] for other names.
    pub fn parse(name: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == name).ok_or(UnknownRole)
    }

    /// The name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Clinician => "clinician",
            Self::Emergency => "emergency",
            Self::Patient => "patient",
            Self::Auditor => "auditor",
            Self::Administrator => "administrator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A set of roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles(u8);

impl Roles {
    /// Whether a role is among them.
    pub fn has(self, role: Role) -> bool {
        self.0 & 1 << role as u8 != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// One after the other, in the order of [`Role::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.has(*role))
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().fold(0, |bits, role| bits | 1 << role as u8))
    }
}

/// What a caller wants to do, by class of route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action<'a> {
    /// `POST /ingest/{source}`, `$process-message`.
    Ingest,
    /// `POST /convert`, `$convert`: nothing is stored.
    Convert,
    /// read, vread, history, search, `$everything`, `$summary` of a resource type.
    Read(&'a str),
    /// create, update, patch, delete of a resource type.
    Write(&'a str),
    /// PUT to an id that does not exist yet.
    ChooseId,
    /// Write a Consent that is a policy of the site.
    WriteAdminPolicy,
    /// `GET /exchanges`, `GET /exchanges/{id}`.
    Exchanges,
    /// `GET /exchanges/{id}/opening`.
    Opening,
    /// `POST /exchanges/{id}/replay`.
    Replay,
    /// `POST /emergency/find`, `POST /emergency/declare` and what follows from a grant.
    Emergency,
    /// `GET /patient/accesses`, `GET /patient/disclosures`: who saw a record.
    Accounting,
    /// `/patient/choices`: a patient's own consents in plain words.
    Choices,
    /// `/metrics` from another machine.
    Metrics,
    /// `GET /packages`: which mappings are in use. `GET /exchanges/unmapped`: what they leave out.
    Mappings,
    /// `POST /packages/reload`.
    ReloadMappings,
}

/// How far a role reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Not at all: 403.
    Refused,
    /// What is their own: the exchanges of a source, the record of a patient.
    Own,
    /// As the consents decide, resource by resource.
    Decided,
    /// All of it; no consent is asked.
    Direct,
}

/// What an administrator reads without a consent being asked.
const ADMINISTRATIVE: [&str; 4] = ["AuditEvent", "Communication", "Consent", "Task"];

/// How far one role reaches: the table of `docs/consent.md`.
pub fn may(role: Role, action: Action<'_>) -> Access {
    use Access::{Decided, Direct, Own, Refused};
    match (role, action) {
        // What is searched by holds for everybody.
        (Role::Source | Role::Clinician | Role::Emergency, Action::Write("SearchParameter")) => Refused,
        (Role::Source, Action::Ingest | Action::Convert | Action::Write(_) | Action::ChooseId) => Direct,
        (Role::Source, Action::Exchanges) => Own,

        (Role::Clinician | Role::Emergency, Action::Read(_)) => Decided,
        // Their writes are decided too: as `collect`, updates as `correct`.
        (Role::Clinician | Role::Emergency, Action::Write(_)) => Decided,
        (Role::Clinician | Role::Emergency, Action::Convert) => Direct,
        // The authorisation in the token decides, not the role: `Caller::may_declare_emergency`.
        (Role::Clinician | Role::Emergency, Action::Emergency) => Decided,

        (Role::Patient, Action::Read(_)) => Own,
        (Role::Patient, Action::Write("Consent")) => Own,
        (Role::Patient, Action::Exchanges | Action::Accounting | Action::Choices) => Own,

        (Role::Auditor, Action::Exchanges | Action::Opening | Action::Mappings | Action::Accounting) => Direct,
        (Role::Auditor, Action::Read("AuditEvent")) => Direct,

        (Role::Administrator, Action::Read(resource_type)) if ADMINISTRATIVE.contains(&resource_type) => Direct,
        (Role::Administrator, Action::Read(_)) => Decided,
        (Role::Administrator, Action::Write(_) | Action::ChooseId | Action::WriteAdminPolicy) => Direct,
        (Role::Administrator, Action::Ingest | Action::Convert) => Direct,
        (Role::Administrator, Action::Exchanges | Action::Replay | Action::Metrics | Action::Accounting) => Direct,
        (Role::Administrator, Action::Mappings | Action::ReloadMappings) => Direct,

        (Role::Source | Role::Clinician | Role::Emergency | Role::Patient | Role::Auditor | Role::Administrator, _) => {
            Refused
        }
    }
}

impl Roles {
    /// How far the role that reaches farthest goes.
    pub fn may(self, action: Action<'_>) -> Access {
        self.iter().map(|role| may(role, action)).max().unwrap_or(Access::Refused)
    }
}

#[cfg(test)]
mod tests;
