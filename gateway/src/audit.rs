//! Who did what to whose data: AuditEvents as store versions, in the same transaction as what they tell of.
//!
//! FHIR R4 auditevent.html; codes as in IHE BALP ("Basic Audit Log Patterns") and DICOM PS3.16 CID 400 and 401. An event
//! names people and patients by reference and holds no content of a record; of a query it holds the digest alone.

use bytes::Bytes;
use model::json::{Json, Object};
use model::time::Instant;
use sha2::{Digest, Sha256};
use store::{Author, ExchangeId, Expect, NewVersion};
use typed::{AuditKind, Interaction};

mod parts;
#[cfg(test)]
mod tests;

use parts::{DCM, PARTICIPATION, agent, concept, entity, template};

const ACT_REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
/// Under which system an event names an exchange.
pub const EXCHANGE_SYSTEM: &str = "urn:gateway:exchange";
/// Under which system an event names a source or destination of the configuration.
pub const PARTNER_SYSTEM: &str = "urn:gateway:partner";

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A message of a source was taken in.
    Receive,
    /// Data went to a destination, or was withheld from it.
    Disclose,
    /// A resource was read.
    Read,
    /// An older version was read.
    Vread,
    /// The versions of a resource were read.
    History,
    /// A search was answered.
    Search,
    /// A resource was created.
    Create,
    /// A resource was changed.
    Update,
    /// A resource was deleted.
    Delete,
    /// An operation such as `$summary` was answered.
    Operation,
    /// A patient was looked for in an emergency.
    Find,
    /// Emergency access was declared.
    Declare,
    /// Emergency access was used.
    Use,
    /// Emergency access was ended early.
    End,
    /// The opening of an exchange's commitments was shown.
    Opening,
}

impl Kind {
    const ALL: [Self; 15] = [
        Self::Receive,
        Self::Disclose,
        Self::Read,
        Self::Vread,
        Self::History,
        Self::Search,
        Self::Create,
        Self::Update,
        Self::Delete,
        Self::Operation,
        Self::Find,
        Self::Declare,
        Self::Use,
        Self::End,
        Self::Opening,
    ];

    fn typed(self) -> AuditKind {
        match self {
            Self::Receive => AuditKind::Arrival,
            Self::Disclose => AuditKind::Disclosure,
            Self::Read => AuditKind::Rest(Interaction::Read),
            Self::Vread => AuditKind::Rest(Interaction::Vread),
            Self::History => AuditKind::Rest(Interaction::History),
            Self::Search => AuditKind::Rest(Interaction::Search),
            Self::Create => AuditKind::Rest(Interaction::Create),
            Self::Update => AuditKind::Rest(Interaction::Update),
            Self::Delete => AuditKind::Rest(Interaction::Delete),
            Self::Operation | Self::Use => AuditKind::Rest(Interaction::Operation),
            Self::Find => AuditKind::EmergencyFind,
            Self::Declare => AuditKind::EmergencyStarted,
            Self::End => AuditKind::EmergencyStopped,
            Self::Opening => AuditKind::Application,
        }
    }

    /// Whether it is done by the caller's own wish to look, so that the caller is a user and not a source.
    fn by_user(self) -> bool {
        !matches!(self, Self::Receive | Self::Disclose)
    }
}

/// How it ended. FHIR R4 valueset-audit-event-outcome.html.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was refused or withheld; the requester is at fault or has no right.
    Refused,
    /// It failed for a reason of ours or of a peer.
    Failed,
}

impl Outcome {
    fn code(self) -> &'static str {
        match self {
            Self::Success => "0",
            Self::Refused => "4",
            Self::Failed => "8",
        }
    }
}

/// Somebody who took part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// A person, organisation or device by reference (`Practitioner/a`).
    Reference(String),
    /// By business identifier: system and value.
    Identifier(String, String),
    /// A source or destination of the configuration.
    Partner(String),
    /// Nobody in particular: open mode, or a caller without a reference.
    Unnamed(String),
}

/// An event being put together.
#[derive(Debug, Clone)]
pub struct Event {
    id: String,
    kind: Kind,
    at: Instant,
    outcome: Outcome,
    outcome_text: Option<String>,
    requestor: Option<Who>,
    token: Option<String>,
    recipient: Option<Who>,
    purposes: Vec<(String, String)>,
    reason: Option<String>,
    patients: Vec<String>,
    entities: Vec<String>,
    exchange: Option<ExchangeId>,
    query: Option<String>,
    details: Vec<(&'static str, String)>,
}

impl Event {
    /// An event of this kind at this time, with an id drawn at random.
    pub fn new(kind: Kind, at: Instant) -> Self {
        Self {
            id: random_id(),
            kind,
            at,
            outcome: Outcome::Success,
            outcome_text: None,
            requestor: None,
            token: None,
            recipient: None,
            purposes: Vec::new(),
            reason: None,
            patients: Vec::new(),
            entities: Vec::new(),
            exchange: None,
            query: None,
            details: Vec::new(),
        }
    }

    /// Its id: `AuditEvent/{id}`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Who asked for it.
    #[must_use]
    pub fn by(mut self, who: Who) -> Self {
        self.requestor = Some(who);
        self
    }

    /// A configured source asked for it.
    #[must_use]
    pub fn source(self, name: impl Into<String>) -> Self {
        self.by(Who::Partner(name.into()))
    }

    /// The id of the token it was asked with.
    #[must_use]
    pub fn token(mut self, jti: impl Into<String>) -> Self {
        self.token = Some(jti.into());
        self
    }

    /// To whom data went, or would have gone.
    #[must_use]
    pub fn recipient(mut self, who: Who) -> Self {
        self.recipient = Some(who);
        self
    }

    /// A purpose of use: a v3-ActReason code, or `SYSTEM|CODE`.
    #[must_use]
    pub fn purpose(mut self, purpose: &str) -> Self {
        let (system, code) = purpose.rsplit_once('|').unwrap_or((ACT_REASON, purpose));
        self.purposes.push((system.to_owned(), code.to_owned()));
        self
    }

    /// The reason given in words, for break-glass.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// A patient whose data it was about: the id part.
    #[must_use]
    pub fn patient(mut self, id: impl Into<String>) -> Self {
        let id = id.into();
        if !self.patients.contains(&id) {
            self.patients.push(id);
        }
        self
    }

    /// A resource it was about: `Type/id` or `Type/id/_history/version`.
    #[must_use]
    pub fn entity(mut self, reference: impl Into<String>) -> Self {
        self.entities.push(reference.into());
        self
    }

    /// The exchange it belongs to.
    #[must_use]
    pub fn exchange(mut self, id: ExchangeId) -> Self {
        self.exchange = Some(id);
        self
    }

    /// The query asked; only its digest is kept, as queries hold identifiers of people.
    #[must_use]
    pub fn query(mut self, query: &str) -> Self {
        self.query = Some(Sha256::digest(query).iter().map(|byte| format!("{byte:02x}")).collect());
        self
    }

    /// A further fact by name, such as a count or a decision; no content of a record.
    #[must_use]
    pub fn detail(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    /// How it ended; `text` is for people and names no patient.
    #[must_use]
    pub fn outcome(mut self, outcome: Outcome, text: impl Into<String>) -> Self {
        self.outcome = outcome;
        self.outcome_text = Some(text.into()).filter(|text: &String| !text.is_empty());
        self
    }

    /// The resource.
    pub fn resource(&self) -> Json {
        let template = template(self.kind);
        let mut made = Object::new();
        made.insert("resourceType", "AuditEvent");
        made.insert("id", self.id.as_str());
        // The members of the builders, in the order of the definition.
        for name in ["type", "subtype", "action"] {
            if let Some(value) = template.get(name) {
                made.insert(name, value.clone());
            }
        }
        made.insert("recorded", self.at.to_rfc3339());
        made.insert("outcome", self.outcome.code());
        if let Some(text) = &self.outcome_text {
            made.insert("outcomeDesc", text.as_str());
        }
        if !self.purposes.is_empty() {
            made.insert(
                "purposeOfEvent",
                Json::array(self.purposes.iter().map(|purpose| self.purpose_concept(purpose))),
            );
        }
        made.insert("agent", Json::Array(self.agents()));
        made.insert("source", template.get("source").cloned().unwrap_or(Json::Null));
        let entities = self.entity_list();
        if !entities.is_empty() {
            made.insert("entity", Json::Array(entities));
        }
        made.into()
    }

    /// The version to put into the commit of what it tells of.
    pub fn version(&self) -> NewVersion {
        let resource = self.resource();
        NewVersion {
            resource_type: "AuditEvent".to_owned(),
            id: self.id.clone(),
            expect: Expect::Any,
            body: Bytes::from(resource.to_bytes()),
            index: crate::index::rows(&resource),
            patients: self.patients.clone(),
            deleted: false,
            author: Author { source: "anchorline".to_owned(), exchange: self.exchange },
            skip_unchanged: false,
        }
    }

    fn purpose_concept(&self, (system, code): &(String, String)) -> Json {
        let coding = Json::object([("system", Json::from(system.as_str())), ("code", Json::from(code.as_str()))]);
        let mut members = vec![("coding", Json::array([coding]))];
        if let Some(reason) = &self.reason {
            members.push(("text", Json::from(reason.as_str())));
        }
        Json::object(members)
    }

    fn agents(&self) -> Vec<Json> {
        let unnamed = Who::Unnamed("anonymous".to_owned());
        let requestor = self.requestor.as_ref().unwrap_or(&unnamed);
        let role = if self.kind.by_user() {
            concept(PARTICIPATION, "IRCP", "information recipient")
        } else {
            concept(DCM, "110153", "Source Role ID")
        };
        let mut agents = vec![agent(requestor, true, role, self.token.as_deref())];
        if let Some(recipient) = &self.recipient {
            agents.push(agent(recipient, false, concept(DCM, "110152", "Destination Role ID"), None));
        }
        agents
    }

    fn entity_list(&self) -> Vec<Json> {
        let reference = |text: &str| Json::object([("reference", Json::from(text))]);
        let mut entities: Vec<Json> = Vec::new();
        for patient in &self.patients {
            let what = reference(&format!("Patient/{patient}"));
            entities.push(entity(what, ("1", "Person"), ("1", "Patient"), &[]));
        }
        for text in &self.entities {
            if !text.strip_prefix("Patient/").is_some_and(|id| self.patients.iter().any(|known| known == id)) {
                entities.push(entity(reference(text), ("2", "System Object"), ("4", "Domain Resource"), &[]));
            }
        }
        let mut details: Vec<(&str, &str)> = self.details.iter().map(|(name, value)| (*name, value.as_str())).collect();
        if let Some(digest) = &self.query {
            details.push(("query-sha256", digest));
        }
        if let Some(exchange) = self.exchange {
            let identifier =
                [("system", Json::from(EXCHANGE_SYSTEM)), ("value", Json::from(exchange.to_string().as_str()))];
            let what = Json::object([("identifier", Json::object(identifier))]);
            entities.push(entity(what, ("2", "System Object"), ("20", "Job"), &details));
        } else if !details.is_empty() {
            let what = Json::object([("display", Json::from("request"))]);
            entities.push(entity(what, ("2", "System Object"), ("24", "Query"), &details));
        }
        entities
    }
}

/// A random id, as UUID of version 4 (RFC 9562, section 5.4).
pub fn random_id() -> String {
    let mut bytes = [0u8; 16];
    // Without randomness no id is safe to give: the event then fails to be stored under an id that is taken.
    let _ = getrandom::fill(&mut bytes);
    uuid_text(bytes)
}

fn uuid_text(mut bytes: [u8; 16]) -> String {
    if let Some(byte) = bytes.get_mut(6) {
        *byte = (*byte & 0x0f) | 0x40;
    }
    if let Some(byte) = bytes.get_mut(8) {
        *byte = (*byte & 0x3f) | 0x80;
    }
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
