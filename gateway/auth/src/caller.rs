//! The authenticated caller.

use crate::role::{Access, Action, Role, Roles};
use crate::scope::{Holder, Permission, Scopes};

/// A business identifier the caller goes by.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identifier {
    /// The namespace.
    pub system: String,
    /// The value in it.
    pub value: String,
}

impl Identifier {
    /// Reads `SYSTEM|VALUE`; `None` if one of them is missing.
    pub fn parse(text: &str) -> Option<Self> {
        let (system, value) = text.rsplit_once('|')?;
        (!system.is_empty() && !value.is_empty()).then(|| Self { system: system.to_owned(), value: value.to_owned() })
    }
}

/// What a grant is bound to: the key of the token's holder, or where it has none the one token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Binding {
    /// The thumbprint of the holder's key (`cnf`, RFC 7800 and RFC 8705).
    Key(String),
    /// The id of the token (`jti`).
    Token(String),
}

impl Binding {
    /// One text for either; the two never give the same.
    pub fn as_text(&self) -> String {
        match self {
            Self::Key(thumbprint) => format!("cnf:{thumbprint}"),
            Self::Token(id) => format!("jti:{id}"),
        }
    }
}

/// Somebody who has proved who they are. Made only by checking a token or a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub(crate) roles: Roles,
    pub(crate) refs: Vec<String>,
    pub(crate) identifiers: Vec<Identifier>,
    pub(crate) purposes: Vec<String>,
    pub(crate) emergency_authorised: bool,
    pub(crate) patient: Option<String>,
    pub(crate) binding: Option<Binding>,
    pub(crate) token_id: Option<String>,
    pub(crate) expires: Option<i64>,
    pub(crate) source: Option<String>,
    pub(crate) open: bool,
    pub(crate) scopes: Scopes,
}

impl Caller {
    /// The one caller there is while access control is off (`auth.mode = "open"`, loopback only): an anonymous
    /// administrator whom no consent holds back.
    pub fn open() -> Self {
        Self { roles: Role::ALL.into_iter().collect(), open: true, ..Self::nobody() }
    }

    pub(crate) fn source(name: &str) -> Self {
        Self { roles: [Role::Source].into_iter().collect(), source: Some(name.to_owned()), ..Self::nobody() }
    }

    pub(crate) fn nobody() -> Self {
        Self {
            roles: Roles::default(),
            refs: Vec::new(),
            identifiers: Vec::new(),
            purposes: Vec::new(),
            emergency_authorised: false,
            patient: None,
            binding: None,
            token_id: None,
            expires: None,
            source: None,
            open: false,
            scopes: Scopes::default(),
        }
    }

    /// The roles.
    pub fn roles(&self) -> Roles {
        self.roles
    }

    /// Whether the caller has a role.
    pub fn has(&self, role: Role) -> bool {
        self.roles.has(role)
    }

    /// References the caller goes by (person, role, organisation, groups); the first is the person.
    pub fn refs(&self) -> &[String] {
        &self.refs
    }

    /// The person, for limits and audit: the first reference, else the source, else the token.
    pub fn person(&self) -> &str {
        let named = self.refs.first().or(self.source.as_ref()).or(self.token_id.as_ref());
        named.map_or("anonymous", String::as_str)
    }

    /// Whether both are one caller with the same rights, by whichever token: roles, names, purposes, scopes and patient are
    /// the same. Who goes by no name is known by the one token.
    pub fn is_same(&self, other: &Self) -> bool {
        let bare = |caller: &Self| Self { binding: None, token_id: None, expires: None, ..caller.clone() };
        self.person() == other.person() && bare(self) == bare(other)
    }

    /// Business identifiers.
    pub fn identifiers(&self) -> &[Identifier] {
        &self.identifiers
    }

    /// Purposes of use: v3-ActReason codes or `SYSTEM|CODE`.
    pub fn purposes(&self) -> &[String] {
        &self.purposes
    }

    /// May declare break-glass: authorised by the token, with the single purpose BTG.
    pub fn may_declare_emergency(&self) -> bool {
        self.emergency_authorised && matches!(self.purposes.as_slice(), [purpose] if is_btg(purpose))
    }

    /// The authorisation alone, without regard to purposes.
    pub fn emergency_authorised(&self) -> bool {
        self.emergency_authorised
    }

    /// The id of the patient the token is bound to.
    pub fn patient(&self) -> Option<&str> {
        self.patient.as_deref()
    }

    /// What a grant of this caller is bound to; `None` for credentials, which cannot hold one.
    pub fn binding(&self) -> Option<&Binding> {
        self.binding.as_ref()
    }

    /// The id of the token (`jti`), for the audit log.
    pub fn token_id(&self) -> Option<&str> {
        self.token_id.as_deref()
    }

    /// When the token ends, in seconds since 1970.
    pub fn expires(&self) -> Option<i64> {
        self.expires
    }

    /// The configured source whose credentials were shown.
    pub fn source_name(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// Access control is off: no consent is asked.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// How far the caller reaches: as the roles say, where the scopes of the token leave it.
    pub fn may(&self, action: Action<'_>) -> Access {
        if self.open {
            return Access::Direct;
        }
        let scopes = |permission, resource_type| self.scopes.reach(permission, resource_type, self.holder());
        let every = |permissions: &[Permission]| permissions.iter().all(|permission| scopes(*permission, None));
        let within = match action {
            // Which of them it is, the interaction says: `covers`.
            Action::Read(name) => scopes(Permission::Read, Some(name)) || scopes(Permission::Search, Some(name)),
            Action::Write(name) => [Permission::Create, Permission::Update, Permission::Delete]
                .into_iter()
                .any(|permission| scopes(permission, Some(name))),
            Action::Choices => scopes(Permission::Read, Some("Consent")) && scopes(Permission::Search, Some("Consent")),
            Action::WriteAdminPolicy => scopes(Permission::Create, Some("Consent")),
            Action::ChooseId => true,
            // What no resource type stands for takes a scope for all of them.
            Action::Ingest | Action::Replay | Action::ReloadMappings => {
                every(&[Permission::Create, Permission::Update])
            }
            _ => every(&[Permission::Read, Permission::Search]),
        };
        if within { self.roles.may(action) } else { Access::Refused }
    }

    /// Whether the scopes of the token let this be done with a resource of these patients (ids). Roles and consents are
    /// asked beside it.
    pub fn covers(&self, permission: Permission, resource_type: &str, patients: &[String]) -> bool {
        self.open || self.scopes.cover(permission, resource_type, patients, self.holder())
    }

    fn holder(&self) -> Holder<'_> {
        let only = |among: &[Role]| self.roles.iter().all(|role| among.contains(&role));
        Holder {
            patient: self.patient().map(|id| id.strip_prefix("Patient/").unwrap_or(id)),
            person: !only(&[Role::Source]),
            // Administrators and auditors are people and run things unattended; who treats or is treated is a person.
            system: only(&[Role::Source, Role::Administrator, Role::Auditor]),
        }
    }
}

fn is_btg(purpose: &str) -> bool {
    matches!(purpose, "BTG" | "http://terminology.hl7.org/CodeSystem/v3-ActReason|BTG")
}
