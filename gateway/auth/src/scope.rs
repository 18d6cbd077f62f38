//! What a token's `scope` leaves of what its roles may: SMART App Launch 2.2, "Scopes for requesting FHIR Resources".
//!
//! A scope only ever narrows. A token without the claim reaches what its roles reach; one with the claim reaches what
//! both reach, and consents are asked after that. What is not understood permits nothing, so that a scope of a later
//! standard, or one with a search restriction, never opens more than it says.

use std::str::FromStr;

/// What is done with a resource, by the letters of SMART version 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// `c`
    Create,
    /// `r`: read, vread and the history of an instance, and operations on it.
    Read,
    /// `u`
    Update,
    /// `d`
    Delete,
    /// `s`: search, and what stands in its answer.
    Search,
}

impl Permission {
    /// In the order in which they stand in a scope.
    const ALL: [(char, Self); 5] =
        [('c', Self::Create), ('r', Self::Read), ('u', Self::Update), ('d', Self::Delete), ('s', Self::Search)];
}

/// Whose data a scope is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Level {
    /// `patient/`: the one patient the token names.
    Patient,
    /// `user/`: what the person who holds the token may see.
    User,
    /// `system/`: a system without a person.
    System,
}

/// The text is no scope that this gateway enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a scope as patient/Observation.rs, user/*.cruds or system/Patient.r, without a search restriction")]
pub struct UnknownScope;

/// One scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    level: Level,
    /// `None`: `*`, every type.
    resource_type: Option<String>,
    permissions: u8,
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let (level, rest) = text.split_once('/').ok_or(UnknownScope)?;
        let level = match level {
            "patient" => Level::Patient,
            "user" => Level::User,
            "system" => Level::System,
            _ => return Err(UnknownScope),
        };
        let (name, letters) = rest.split_once('.').ok_or(UnknownScope)?;
        let named = !name.is_empty() && name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphabetic());
        let resource_type = match name {
            "*" => None,
            name if named && name.starts_with(|first: char| first.is_ascii_uppercase()) => Some(name.to_owned()),
            _ => return Err(UnknownScope),
        };
        // Letters in the order of the standard, each once; what follows them, such as `?category=`, is not enforced yet
        // and would widen the scope if it were passed over.
        let mut permissions = 0;
        let mut order = Permission::ALL.iter();
        for letter in letters.chars() {
            let (_, permission) = order.by_ref().find(|(known, _)| *known == letter).ok_or(UnknownScope)?;
            permissions |= 1 << *permission as u8;
        }
        if permissions == 0 { Err(UnknownScope) } else { Ok(Self { level, resource_type, permissions }) }
    }
}

/// What is asked of scopes besides the permission.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holder<'a> {
    /// The patient the token names.
    pub(crate) patient: Option<&'a str>,
    /// Whether it is a person's: `user/` counts.
    pub(crate) person: bool,
    /// Whether it may act without a person: `system/` counts.
    pub(crate) system: bool,
}

/// The scopes of a token; the default is a token without the claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Option<Vec<Scope>>);

impl Scopes {
    /// Reads the claim (RFC 8693, section 4.2): names parted by spaces. What is not understood is left out.
    pub fn of_claim(claim: Option<&str>) -> Self {
        Self(claim.map(|text| text.split(' ').filter_map(|name| name.parse().ok()).collect()))
    }

    /// Whether the token has the claim at all.
    pub fn narrow(&self) -> bool {
        self.0.is_some()
    }

    /// Whether this may be done with some resource of the type, or with every type (`None`).
    pub(crate) fn reach(&self, permission: Permission, resource_type: Option<&str>, holder: Holder<'_>) -> bool {
        self.any(permission, resource_type, holder, |_| true)
    }

    /// Whether this may be done with a resource of these patients. One of nobody's record is within every level.
    pub(crate) fn cover(
        &self,
        permission: Permission,
        resource_type: &str,
        patients: &[String],
        holder: Holder<'_>,
    ) -> bool {
        self.any(permission, Some(resource_type), holder, |level| {
            level != Level::Patient
                || patients.is_empty()
                || holder.patient.is_some_and(|own| patients.iter().any(|patient| patient == own))
        })
    }

    fn any(
        &self,
        permission: Permission,
        resource_type: Option<&str>,
        holder: Holder<'_>,
        fits: impl Fn(Level) -> bool,
    ) -> bool {
        let Some(scopes) = &self.0 else { return true };
        scopes.iter().any(|scope| {
            let level = match scope.level {
                Level::Patient => holder.patient.is_some(),
                Level::User => holder.person,
                Level::System => holder.system,
            };
            let type_fits = match (&scope.resource_type, resource_type) {
                (None, _) => true,
                (Some(own), Some(asked)) => own == asked,
                (Some(_), None) => false,
            };
            level && type_fits && scope.permissions & 1 << permission as u8 != 0 && fits(scope.level)
        })
    }
}

#[cfg(test)]
mod tests;
