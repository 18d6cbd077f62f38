//! Development tokens: what `anchorline token` prints and the API takes.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SecureRandom;
use serde::{Deserialize, Serialize};

use crate::caller::{Binding, Caller, Identifier};
use crate::certificate::Fingerprint;
use crate::jws;
use crate::key::{KeyError, TokenKey, VerifyingKey};
use crate::known::Known;
use crate::role::{Role, Roles};
use crate::scope::{Scope, Scopes};

/// A longer token is refused before it is looked at.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// A token may be issued this much in the future: clocks differ.
const CLOCK_SKEW_SECONDS: i64 = 30;

/// Why a token is refused. None of these quotes the token; the answer is 401 for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("expected a token of at most 8 KiB")]
    Size,
    /// Not three base64url parts.
    #[error("expected a compact JWS")]
    Form,
    /// The header has other members than `alg`, `kid` and `typ`, or one twice.
    #[error("expected a header of alg, kid and typ")]
    Header,
    /// Another algorithm or another kind of token.
    #[error("expected a token of this gateway, signed with ES256")]
    Algorithm,
    /// No key of that id.
    #[error("expected a key this gateway knows")]
    UnknownKey,
    /// The signature does not fit.
    #[error("the signature does not fit")]
    Signature,
    /// The claims are not those of a development token, or one comes twice.
    #[error("expected the claims of a development token")]
    Claims,
    /// Another issuer.
    #[error("expected a token this gateway issued")]
    Issuer,
    /// Meant for somebody else.
    #[error("expected a token for this gateway")]
    Audience,
    /// Over.
    #[error("the token has expired")]
    Expired,
    /// Issued in the future, or valid longer than this gateway allows.
    #[error("expected a token that is valid now and not for too long")]
    Lifetime,
    /// Bound to a key that was not shown.
    #[error("expected the key the token is bound to")]
    Binding,
}

/// What a development token is asked to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Roles; at least one.
    pub roles: Vec<Role>,
    /// Purposes: v3-ActReason codes or `SYSTEM|CODE`.
    pub purposes: Vec<String>,
    /// References the holder goes by; the first is the person.
    pub actors: Vec<String>,
    /// Business identifiers.
    pub identifiers: Vec<Identifier>,
    /// May declare break-glass.
    pub emergency_authorised: bool,
    /// The id of the patient the holder is.
    pub patient: Option<String>,
    /// The client certificate the token is bound to.
    pub certificate: Option<Fingerprint>,
    /// Scopes, as in `patient/Observation.rs`; none: the claim is left out, and the roles alone say what is reached.
    pub scopes: Vec<String>,
    /// How long it is valid.
    pub ttl: Duration,
}

/// Why a token is not issued. The fault of who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// No role.
    #[error("expected at least one role")]
    Role,
    /// No actor, which only an administrator and an auditor can do without.
    #[error("expected an actor, a reference the holder goes by")]
    Actor,
    /// No purpose, without which nothing is decided.
    #[error("expected a purpose")]
    Purpose,
    /// The role `patient` without a patient.
    #[error("expected the patient the holder is")]
    Patient,
    /// A scope that would permit nothing here.
    #[error("expected a scope as patient/Observation.rs, user/*.cruds or system/Patient.r, without a restriction")]
    Scope,
    /// No time or too long a time.
    #[error("expected a lifetime between one second and the limit of this gateway")]
    Lifetime,
    /// The claims do not fit into a token.
    #[error("expected claims that fit into a token of 8 KiB")]
    Size,
    /// Signing failed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// RFC 7519 claims, and those of this gateway.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    iat: i64,
    exp: i64,
    jti: String,
    roles: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    purposes: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    actors: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    identifiers: Vec<Identifier>,
    #[serde(default)]
    emergency_authorised: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    patient: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation>,
}

/// RFC 8705, section 3.1.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirmation {
    #[serde(rename = "x5t#S256")]
    certificate: String,
}

/// Signs a development token.
///
/// `now` is in seconds since 1970; the token's id is drawn from `random`.
///
/// # Errors
/// [`RequestError`], which says what is missing.
pub fn issue(
    key: &TokenKey,
    verifier: &Verifier,
    request: &Request,
    now: i64,
    random: &dyn SecureRandom,
) -> Result<String, RequestError> {
    let roles: Roles = request.roles.iter().copied().collect();
    let needs_no_actor = roles.iter().all(|role| matches!(role, Role::Administrator | Role::Auditor));
    if roles.is_empty() {
        return Err(RequestError::Role);
    }
    if request.actors.is_empty() && request.identifiers.is_empty() && !needs_no_actor {
        return Err(RequestError::Actor);
    }
    if request.purposes.is_empty() && !needs_no_actor && !roles.has(Role::Source) {
        return Err(RequestError::Purpose);
    }
    if roles.has(Role::Patient) && request.patient.is_none() {
        return Err(RequestError::Patient);
    }
    if request.scopes.iter().any(|scope| scope.parse::<Scope>().is_err()) {
        return Err(RequestError::Scope);
    }
    let seconds = i64::try_from(request.ttl.as_secs()).unwrap_or(i64::MAX);
    if seconds == 0 || request.ttl > verifier.max_ttl {
        return Err(RequestError::Lifetime);
    }
    let mut id = [0_u8; 16];
    random.fill(&mut id).map_err(|_| KeyError::Randomness)?;
    let claims = Claims {
        iss: verifier.issuer.clone(),
        aud: verifier.audience.clone(),
        sub: request.actors.first().cloned().unwrap_or_else(|| "anonymous".to_owned()),
        iat: now,
        exp: now.saturating_add(seconds),
        jti: URL_SAFE_NO_PAD.encode(id),
        roles: roles.iter().map(|role| role.as_str().to_owned()).collect(),
        purposes: request.purposes.clone(),
        actors: request.actors.clone(),
        identifiers: request.identifiers.clone(),
        emergency_authorised: request.emergency_authorised,
        patient: request.patient.clone(),
        scope: (!request.scopes.is_empty()).then(|| request.scopes.join(" ")),
        cnf: request
            .certificate
            .map(|certificate| Confirmation { certificate: URL_SAFE_NO_PAD.encode(certificate.as_bytes()) }),
    };
    let token = jws::sign(key, &claims, random)?;
    if token.len() > MAX_TOKEN_BYTES { Err(RequestError::Size) } else { Ok(token) }
}

/// Checks development tokens.
#[derive(Clone, Debug)]
pub struct Verifier {
    keys: Vec<VerifyingKey>,
    issuer: String,
    audience: String,
    max_ttl: Duration,
    /// Of these keys: they do not change while the verifier lives.
    known: Arc<Known>,
}

impl Verifier {
    /// The longest a development token is valid unless the gateway says otherwise.
    pub const MAX_TTL: Duration = Duration::from_secs(24 * 60 * 60);

    /// For tokens signed with one of these keys, issued by and meant for these names.
    pub fn new(keys: Vec<VerifyingKey>, issuer: &str, audience: &str, max_ttl: Duration) -> Self {
        let (issuer, audience, known) = (issuer.to_owned(), audience.to_owned(), Arc::default());
        Self { keys, issuer, audience, max_ttl, known }
    }

    /// For tokens of one data directory: it is issuer and audience, told apart from others by its key.
    pub fn of_data_directory(key: &TokenKey) -> Self {
        let name = format!("urn:anchorline:data:{}", key.id());
        Self::new(vec![key.verifying_key()], &name, &name, Self::MAX_TTL)
    }

    /// Checks a token and says who holds it. `certificate`: the client certificate of the connection, if there is one.
    ///
    /// # Errors
    /// [`TokenError`]; the answer is 401.
    pub fn verify(&self, token: &str, now: i64, certificate: Option<&Fingerprint>) -> Result<Caller, TokenError> {
        let claims: Claims = jws::verify(token, &self.keys, &self.known)?;
        if claims.iss != self.issuer {
            return Err(TokenError::Issuer);
        }
        if claims.aud != self.audience {
            return Err(TokenError::Audience);
        }
        if claims.exp <= now {
            return Err(TokenError::Expired);
        }
        let longest = i64::try_from(self.max_ttl.as_secs()).unwrap_or(i64::MAX);
        let lifetime = claims.exp.checked_sub(claims.iat).ok_or(TokenError::Lifetime)?;
        if claims.iat > now.saturating_add(CLOCK_SKEW_SECONDS) || lifetime > longest {
            return Err(TokenError::Lifetime);
        }
        if claims.jti.is_empty() || claims.roles.is_empty() {
            return Err(TokenError::Claims);
        }
        let binding = match claims.cnf {
            None => Binding::Token(claims.jti.clone()),
            Some(confirmation) => {
                let shown = certificate.map(|it| URL_SAFE_NO_PAD.encode(it.as_bytes()));
                if shown.as_deref() != Some(confirmation.certificate.as_str()) {
                    return Err(TokenError::Binding);
                }
                Binding::Key(confirmation.certificate)
            }
        };
        let roles = claims.roles.iter().map(|name| Role::parse(name)).collect::<Result<Roles, _>>();
        Ok(Caller {
            roles: roles.map_err(|_| TokenError::Claims)?,
            refs: claims.actors,
            identifiers: claims.identifiers,
            purposes: claims.purposes,
            emergency_authorised: claims.emergency_authorised,
            patient: claims.patient,
            binding: Some(binding),
            token_id: Some(claims.jti),
            expires: Some(claims.exp),
            scopes: Scopes::of_claim(claims.scope.as_deref()),
            ..Caller::nobody()
        })
    }

    /// Reads an `Authorization: Bearer` header (RFC 6750, section 2.1) and checks the token.
    ///
    /// # Errors
    /// [`TokenError`]; `Form` if the header is of another scheme.
    pub fn verify_header(
        &self,
        authorization: &str,
        now: i64,
        certificate: Option<&Fingerprint>,
    ) -> Result<Caller, TokenError> {
        let (scheme, token) = authorization.split_once(' ').ok_or(TokenError::Form)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(TokenError::Form);
        }
        self.verify(token.trim(), now, certificate)
    }
}

#[cfg(test)]
mod tests;
