//! The caller, with what handlers, decisions and audit need of them.

use std::sync::Arc;

use auth::{Access, Action as Reach, Caller, Fingerprint, Permission, Role};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use consent::{AccessRequest, Action, Actor, Interaction, Purpose};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};
use model::id::Identifier;
use model::time::Instant;

use super::Call;
use super::outcome::Failure;
use crate::audit::{self, Event, Kind};
use crate::config::Config;
use crate::policies::Basis;

/// Who calls. Made by authentication alone; without a caller only routes for everybody are reached.
#[derive(Debug, Clone)]
pub struct Who {
    caller: Option<Caller>,
    client: Option<audit::Client>,
    /// The other records of the patient a token is bound to: one person, by merges.
    records: Vec<String>,
    /// Takes note of the consents that decide, for an answer that is fetched later.
    basis: Option<Arc<Basis>>,
}

impl Who {
    pub(super) fn open() -> Self {
        Self::of(Some(Caller::open()))
    }

    pub(super) fn nobody() -> Self {
        Self::of(None)
    }

    fn of(caller: Option<Caller>) -> Self {
        Self { caller, client: None, records: Vec::new(), basis: None }
    }

    /// From where this request came, for the audit log.
    #[must_use]
    pub(super) fn from(self, client: audit::Client) -> Self {
        Self { client: Some(client), ..self }
    }

    /// The same, with a note of the consents that decide.
    #[must_use]
    pub(super) fn decided_by(self, basis: Arc<Basis>) -> Self {
        Self { basis: Some(basis), ..self }
    }

    /// Where the consents that decide are noted, if they are.
    pub(super) fn basis(&self) -> Option<&Basis> {
        self.basis.as_deref()
    }

    /// Whether another request comes from the same caller, with the same rights and for the same purpose; the token may be
    /// another one, where it names its holder.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (&self.caller, &other.caller) {
            (Some(own), Some(other)) => own.is_same(other),
            (None, None) => true,
            _ => false,
        }
    }

    /// Looks up which other records are the person that a patient's token is bound to.
    ///
    /// # Errors
    /// What the store says.
    pub(super) fn with_records(mut self, app: &crate::app::App) -> Result<Self, Failure> {
        if let Some(patient) = self.bound_patient() {
            self.records = crate::merges::person(&app.store, &patient)?.split_off(1);
        }
        Ok(self)
    }

    /// The patient the token is bound to: the id part.
    pub fn bound_patient(&self) -> Option<String> {
        let patient = self.caller.as_ref()?.patient()?;
        Some(patient.strip_prefix("Patient/").unwrap_or(patient).to_owned())
    }

    /// Every record of the patient the token is bound to, the named one first; none for other callers.
    pub fn own_records(&self) -> Vec<String> {
        self.bound_patient().into_iter().chain(self.records.iter().cloned()).collect()
    }

    /// The authenticated caller.
    pub fn caller(&self) -> Option<&Caller> {
        self.caller.as_ref()
    }

    /// How far the caller reaches.
    pub fn may(&self, action: Reach<'_>) -> Access {
        self.caller.as_ref().map_or(Access::Refused, |caller| caller.may(action))
    }

    /// 403 unless the caller reaches this at all, by role and by scope.
    pub fn must(&self, action: Reach<'_>) -> Result<Access, Failure> {
        match self.may(action) {
            Access::Refused => Err(Failure::forbidden("the roles and scopes of this caller do not reach this")),
            access => Ok(access),
        }
    }

    /// Whether the scopes of the token let this be done with a resource of these patients.
    pub fn covers(&self, permission: Permission, resource_type: &str, patients: &[String]) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.covers(permission, resource_type, patients))
    }

    /// Whether access control is off.
    pub fn is_open(&self) -> bool {
        self.caller.as_ref().is_some_and(Caller::is_open)
    }

    /// Whether the caller has a role.
    pub fn has(&self, role: Role) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.has(role))
    }

    /// The configured source the caller is: of its credentials, or what the actor of a development token is called.
    pub fn source(&self) -> Option<&str> {
        let caller = self.caller.as_ref()?;
        let by_token = || caller.has(Role::Source).then(|| caller.person());
        let name = caller.source_name().or_else(by_token)?;
        Some(name.rsplit('/').next().unwrap_or(name))
    }

    /// By whom limits count and whom exchanges name.
    pub fn person(&self) -> String {
        self.caller.as_ref().map_or("anonymous", Caller::person).to_owned()
    }

    /// What a grant is bound to.
    pub fn holder(&self) -> Option<String> {
        Some(self.caller.as_ref()?.binding()?.as_text())
    }

    /// Whether the token says that its holder may declare break-glass.
    pub fn emergency_authorised(&self) -> bool {
        self.caller.as_ref().is_some_and(Caller::emergency_authorised)
    }

    /// The purposes of use.
    pub fn purposes(&self) -> Vec<Purpose> {
        self.caller
            .as_ref()
            .map(|caller| caller.purposes().iter().map(|text| Purpose::parse(text)).collect())
            .unwrap_or_default()
    }

    /// Whether break-glass is the single purpose.
    pub fn is_break_glass(&self) -> bool {
        matches!(self.purposes().as_slice(), [purpose] if purpose.is_btg())
    }

    /// What consents are asked.
    pub fn request(&self, action: Action, interaction: Interaction, config: &Config) -> AccessRequest {
        let mut actor = self.caller.as_ref().map(actor).unwrap_or_default();
        actor.bound_records = self.records.iter().map(|record| format!("Patient/{record}").into()).collect();
        let named = &config.consent.custodian;
        AccessRequest {
            actor,
            purposes: self.purposes(),
            action,
            // Not configured is not known: a deny that names a custodian then holds.
            custodian: (!named.is_empty()).then(|| named.iter().map(|reference| reference.as_str().into()).collect()),
            btg: None,
            patient: None,
            interaction,
        }
    }

    /// An audit event of this caller's.
    pub fn event(&self, kind: Kind, at: Instant) -> Event {
        let event = Event::new(kind, at);
        let event = match &self.client {
            Some(client) => event.client(client.clone()),
            None => event,
        };
        let Some(caller) = &self.caller else { return event };
        let who = match (caller.refs().first(), caller.identifiers().first(), caller.source_name()) {
            (Some(reference), ..) => audit::Who::Reference(reference.clone()),
            (None, Some(identifier), _) => audit::Who::Identifier(identifier.system.clone(), identifier.value.clone()),
            (None, None, Some(source)) => audit::Who::Partner(source.to_owned()),
            (None, None, None) => {
                audit::Who::Unnamed(caller.roles().iter().map(Role::as_str).collect::<Vec<_>>().join(", "))
            }
        };
        let mut event = event.by(who).roles(caller.roles().iter().map(Role::as_str));
        if let Some(organisation) = caller.refs().iter().find(|reference| reference.starts_with("Organization/")) {
            event = event.organisation(organisation.as_str());
        }
        if let Some(jti) = caller.token_id() {
            event = event.token(jti);
        }
        for purpose in caller.purposes() {
            event = event.purpose(purpose);
        }
        event
    }
}

fn actor(caller: &Caller) -> Actor {
    Actor {
        refs: caller.refs().iter().map(|reference| reference.as_str().into()).collect(),
        identifiers: caller.identifiers().iter().map(|it| Identifier::new(&it.system, &it.value)).collect(),
        roles: caller.roles().iter().map(|role| role.as_str().into()).collect(),
        emergency_authorised: caller.emergency_authorised(),
        bound_patient: caller
            .patient()
            .map(|id| format!("Patient/{}", id.strip_prefix("Patient/").unwrap_or(id)).into()),
        bound_records: Vec::new(),
    }
}

/// The holder of the token in the `Authorization` header, or the source whose name and secret stand there.
pub(super) fn by_header(call: &Call, shown: Option<&str>) -> Result<Who, Failure> {
    let Some(shown) = shown else {
        return Err(Failure::unauthenticated("this address needs a token: Authorization: Bearer TOKEN"));
    };
    if let Some(name) = basic_name(shown) {
        let caller = call.app.secrets.check(&name, shown);
        return caller.map(|caller| Who::of(Some(caller))).map_err(|error| Failure::unauthenticated(error.to_string()));
    }
    if call.app.config.auth.mode != crate::config::AuthMode::Development {
        return Err(Failure::unauthenticated("tokens of development are not taken here"));
    }
    let certificate =
        call.peer.as_ref().and_then(|peer| peer.certificate.as_deref()).and_then(|text| Fingerprint::parse(text).ok());
    let now = call.app.clock.now().millis().div_euclid(1000);
    match call.app.tokens.verify_header(shown, now, certificate.as_ref()) {
        Ok(caller) => Ok(Who::of(Some(caller))),
        Err(error) => {
            Err(Failure::new(StatusCode::UNAUTHORIZED, "login", format!("the token is not accepted: {error}")).header(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"anchorline\", error=\"invalid_token\""),
            ))
        }
    }
}

/// The user of a Basic credential (RFC 7617).
fn basic_name(shown: &str) -> Option<String> {
    let (scheme, value) = shown.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(value.trim()).ok()?;
    let name = decoded.split(|byte| *byte == b':').next()?;
    Some(String::from_utf8_lossy(name).into_owned())
}

/// The source of the path by its secret, else the holder of a token.
pub(super) fn by_source_or_header(call: &Call, shown: Option<&str>) -> Result<Who, Failure> {
    let source = call.params.text("source");
    if let Some(shown) = shown
        && let Ok(caller) = call.app.secrets.check(source, shown)
    {
        return Ok(Who::of(Some(caller)));
    }
    let by_token = by_header(call, shown);
    if by_token.is_err() && call.app.secrets.has(source) {
        return Err(Failure::new(
            StatusCode::UNAUTHORIZED,
            "login",
            "this source needs its credentials: Basic or Bearer",
        )
        .header(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"anchorline\", Bearer realm=\"anchorline\""),
        ));
    }
    by_token
}
