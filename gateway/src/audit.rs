//! Who did what to whose data: AuditEvents as store versions, in the same transaction as what they tell of.
//!
//! FHIR R4 auditevent.html; shaped as IHE BALP ("Basic Audit Log Patterns", 1.1) has it, one event for each patient, with
//! codes of DICOM PS3.16 CID 400 and 401. An event names people and patients by reference and holds no content of a
//! record; of a query it holds the digest alone.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use model::time::Instant;
use sha2::{Digest, Sha256};
use store::{Author, ExchangeId, Expect, IndexRow, NewVersion};
use typed::{AuditKind, Interaction};

mod agents;
mod found;
mod parts;
mod resource;
mod shown;
#[cfg(test)]
mod tests;

pub use shown::for_patient;

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

    /// Whether it answers a single address, so that a refusal must look the same whether or not something is there.
    fn is_of_one_address(self) -> bool {
        matches!(self, Self::Read | Self::Vread | Self::History | Self::Operation)
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

/// From where, and as which request, something was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The caller's address, as the connection has it.
    pub address: Option<String>,
    /// The address of this gateway, as a URI.
    pub server: String,
    /// The id of the request (`X-Request-Id`).
    pub request: Option<String>,
}

/// What a consent decision was about one patient's data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decided {
    /// Whether anything of this patient's was let out.
    pub permitted: bool,
    /// The provisions that decided: `Consent/id/_history/version#path: said`. Empty: the roles and the implicit policy.
    pub traces: BTreeSet<String>,
}

impl Decided {
    /// The consents that had a say, each once, with their versions.
    fn consents(&self) -> BTreeSet<&str> {
        self.traces.iter().filter_map(|trace| trace.split('#').next()).filter(|text| !text.is_empty()).collect()
    }
}

/// What an event says of one patient alone.
#[derive(Debug, Clone, Default)]
struct About {
    entities: Vec<String>,
    details: Vec<(&'static str, String)>,
    decided: Option<Decided>,
    refused: bool,
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
    roles: Vec<String>,
    organisation: Option<String>,
    token: Option<String>,
    client: Option<Client>,
    recipient: Option<(Who, Option<String>)>,
    purposes: Vec<(String, String)>,
    reason: Option<String>,
    patients: BTreeMap<String, About>,
    asked: Vec<String>,
    entities: Vec<String>,
    exchange: Option<ExchangeId>,
    query: Option<String>,
    details: Vec<(&'static str, String)>,
}

/// An event as it is written.
struct Made {
    text: Vec<u8>,
    /// Its key rows; the others are made when it is looked at.
    index: Vec<IndexRow>,
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
            roles: Vec::new(),
            organisation: None,
            token: None,
            client: None,
            recipient: None,
            purposes: Vec::new(),
            reason: None,
            patients: BTreeMap::new(),
            asked: Vec::new(),
            entities: Vec::new(),
            exchange: None,
            query: None,
            details: Vec::new(),
        }
    }

    /// Its id: `AuditEvent/{id}`; of several, the first patient's.
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

    /// The roles of who asked.
    #[must_use]
    pub fn roles<'r>(mut self, roles: impl IntoIterator<Item = &'r str>) -> Self {
        self.roles = roles.into_iter().map(str::to_owned).collect();
        self
    }

    /// The organisation for which it was asked (`Organization/id`).
    #[must_use]
    pub fn organisation(mut self, reference: impl Into<String>) -> Self {
        self.organisation = Some(reference.into());
        self
    }

    /// The id of the token it was asked with.
    #[must_use]
    pub fn token(mut self, jti: impl Into<String>) -> Self {
        self.token = Some(jti.into());
        self
    }

    /// From where it was asked.
    #[must_use]
    pub fn client(mut self, client: Client) -> Self {
        self.client = Some(client);
        self
    }

    /// To whom data went, or would have gone.
    #[must_use]
    pub fn recipient(mut self, who: Who) -> Self {
        self.recipient = Some((who, None));
        self
    }

    /// To whom data went, or would have gone, and at which address.
    #[must_use]
    pub fn recipient_at(mut self, who: Who, address: impl Into<String>) -> Self {
        self.recipient = Some((who, Some(address.into())));
        self
    }

    /// A purpose of use: a v3-ActReason code, or `SYSTEM|CODE`.
    #[must_use]
    pub fn purpose(mut self, purpose: &str) -> Self {
        let (system, code) = purpose.rsplit_once('|').unwrap_or((ACT_REASON, purpose));
        let purpose = (system.to_owned(), code.to_owned());
        if !self.purposes.contains(&purpose) {
            self.purposes.push(purpose);
        }
        self
    }

    /// The reason given in words, for break-glass.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// A patient whose data it was about: the id part. Each patient gets an event of their own.
    #[must_use]
    pub fn patient(mut self, id: impl Into<String>) -> Self {
        self.patients.entry(id.into()).or_default();
        self
    }

    /// The patients named so far.
    pub fn patients(&self) -> impl Iterator<Item = &str> {
        self.patients.keys().map(String::as_str)
    }

    /// A resource it was about: `Type/id` or `Type/id/_history/version`.
    #[must_use]
    pub fn entity(mut self, reference: impl Into<String>) -> Self {
        self.entities.push(reference.into());
        self
    }

    /// A resource it was about, which stands in the events of these patients alone.
    #[must_use]
    pub fn entity_of<'p>(mut self, reference: &str, patients: impl IntoIterator<Item = &'p str>) -> Self {
        let mut of_nobody = true;
        for patient in patients {
            of_nobody = false;
            self.patients.entry(patient.to_owned()).or_default().entities.push(reference.to_owned());
        }
        if of_nobody { self.entity(reference) } else { self }
    }

    /// Patients that the request named itself; those of them that are known here become patients of the event.
    #[must_use]
    pub fn asked<'p>(mut self, patients: impl IntoIterator<Item = &'p str>) -> Self {
        self.asked.extend(patients.into_iter().map(str::to_owned));
        self
    }

    /// What [`Event::asked`] was told.
    pub(crate) fn asked_for(&self) -> Vec<String> {
        self.asked.clone()
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
        let digest = Sha256::digest(query);
        self.query = Some(digest.iter().flat_map(|byte| hex(*byte)).collect());
        self
    }

    /// A further fact by name, such as an operation; no content of a record, and nothing of one patient alone.
    #[must_use]
    pub fn detail(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    /// A further fact that stands in the event of one patient alone.
    #[must_use]
    pub fn detail_of(mut self, patient: &str, name: &'static str, value: impl Into<String>) -> Self {
        self.patients.entry(patient.to_owned()).or_default().details.push((name, value.into()));
        self
    }

    /// What was decided about one patient's data; where consents had a say, an event of its own tells of the decision.
    #[must_use]
    pub fn decided(mut self, patient: &str, decided: Decided) -> Self {
        self.patients.entry(patient.to_owned()).or_default().decided = Some(decided);
        self
    }

    /// That nothing of one patient's was let out, while the request as a whole may have succeeded.
    #[must_use]
    pub fn refused_of(mut self, patient: &str) -> Self {
        self.patients.entry(patient.to_owned()).or_default().refused = true;
        self
    }

    /// How it ended; `text` is for people and names no patient.
    #[must_use]
    pub fn outcome(mut self, outcome: Outcome, text: impl Into<String>) -> Self {
        self.outcome = outcome;
        self.outcome_text = Some(text.into()).filter(|text: &String| !text.is_empty());
        self
    }

    /// Whether it tells of a refusal at a single address: it then always has a decision event beside it, so that what is
    /// withheld and what was never there write alike.
    pub(crate) fn is_refusal_of_one(&self) -> bool {
        self.kind.is_of_one_address() && self.outcome == Outcome::Refused
    }

    /// The versions to put into the commit of what it tells of: one for each patient, and a decision event for each
    /// patient whose consents had a say.
    pub fn versions(&self) -> Vec<NewVersion> {
        let version = |id: String, patient: Option<&str>, Made { text, index }: Made| NewVersion {
            resource_type: "AuditEvent".to_owned(),
            id,
            expect: Expect::Absent,
            index,
            body: Bytes::from(text),
            patients: patient.map(str::to_owned).into_iter().collect(),
            deleted: false,
            author: Author { source: "anchorline".to_owned(), exchange: self.exchange },
            skip_unchanged: false,
            method: store::Method::Put,
            lean: true,
        };
        let mut versions = Vec::with_capacity(self.patients.len().max(1));
        for (id, patient, resource) in self.resources() {
            versions.push(version(id, patient, resource));
        }
        versions
    }

    /// The same as texts with what they are found by, each with its id and patient.
    fn resources(&self) -> Vec<(String, Option<&str>, Made)> {
        let mut made = Vec::new();
        let (nothing, always) = (About::default(), Decided::default());
        let patients = self.patients.iter().map(|(patient, about)| (Some(patient.as_str()), about));
        let all: Vec<(Option<&str>, &About)> =
            if self.patients.is_empty() { vec![(None, &nothing)] } else { patients.collect() };
        for (patient, about) in all {
            let id = if made.is_empty() { self.id.clone() } else { random_id() };
            let text = self.resource_about(&id, patient, about);
            made.push((id, patient, text));
            let decided = match &about.decided {
                Some(decided) if !decided.traces.is_empty() => Some(decided),
                other if self.is_refusal_of_one() => Some(other.as_ref().unwrap_or(&always)),
                _ => None,
            };
            if let Some(decided) = decided {
                let id = random_id();
                let text = self.decision_event(&id, patient, decided);
                made.push((id, patient, text));
            }
        }
        made
    }
}

/// Names the version of the sensitivity map, where labels come from it: what it labels decides with the consents.
pub(crate) fn with_map(event: Event, app: &crate::app::App) -> Event {
    match app.consent.labelling {
        consent::Labelling::Map => event.detail("sensitivity-map", app.sensitivity.version().as_str()),
        _ => event,
    }
}

/// The address under which an event names this gateway: as configured, since the `Host` of a request is the client's word.
pub fn address(config: &crate::config::Config) -> String {
    match (config.listen.https, config.listen.http) {
        (Some(address), _) => format!("https://{address}"),
        (None, Some(address)) => format!("http://{address}"),
        (None, None) => "urn:gateway:anchorline".to_owned(),
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
        text.extend(hex(*byte));
    }
    text
}

/// A byte as two digits. A request writes some hundred of them: formatting each took longer than the decision.
fn hex(byte: u8) -> [char; 2] {
    [byte >> 4, byte & 0x0f].map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or('0'))
}
