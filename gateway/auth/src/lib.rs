//! Who is calling: development tokens, credentials of sources, client certificates, roles. No sockets, no clock.
//!
//! A [`Caller`] is made here only, by checking a token or a credential, so a handler that holds one has an
//! authenticated caller. What a role may reach stands in one table ([`may`]), which the token's [`Scopes`] narrow; what data it may
//! see is for `consent`.

mod caller;
mod certificate;
mod credential;
mod jws;
mod key;
mod known;
mod limiter;
mod role;
mod scope;
mod token;

pub use caller::{Binding, Caller, Identifier};
pub use certificate::{Fingerprint, FingerprintError};
pub use credential::{CredentialError, SourceSecret, SourceSecrets};
pub use key::{KeyError, TokenKey, VerifyingKey};
pub use limiter::{EmergencyLimiter, Limits, RetryAfter, Window};
pub use role::{Access, Action, Role, Roles, UnknownRole, may};
pub use scope::{Permission, Scope, Scopes, UnknownScope};
pub use token::{MAX_TOKEN_BYTES, Request, RequestError, TokenError, Verifier, issue};
