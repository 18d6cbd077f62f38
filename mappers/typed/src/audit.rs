//! AuditEvent, shaped as IHE Basic Audit Log Patterns (BALP) have it.
//!
//! From BALP: `type`/`subtype` of the RESTful patterns, the agent types for source (110153), destination (110152) and
//! user (`IRCP`), the custodian (`CST`) of a disclosure, and the entities for patient, data, query and transaction.

use fhir_sdk::Base64Binary;
use fhir_sdk::r4b::codes::{AuditEventAction, AuditEventAgentNetworkType, AuditEventOutcome};
use fhir_sdk::r4b::resources as r4b;
use model::id::{Reference, ResourceId};
use model::json::Json;
use model::time::Instant;

use crate::Error;
use crate::element::{Code, Party, coding, concepts, instant, reference};
use crate::tree::Tree;

/// What is recorded about one event.
#[derive(Clone, Debug)]
pub struct AuditEvent<'a> {
    /// The id of the resource.
    pub id: &'a str,
    /// What happened.
    pub kind: AuditKind,
    /// When it was recorded.
    pub recorded: Instant,
    /// How it ended.
    pub outcome: AuditOutcome<'a>,
    /// Why: purposes of use, for example [`Code::BREAK_THE_GLASS`].
    pub purposes: &'a [Code<'a>],
    /// Who took part; at least one (R4 wants one).
    pub agents: &'a [AuditAgent<'a>],
    /// The gateway: who tells this.
    pub observer: Party<'a>,
    /// Whose record it is about.
    pub patient: Option<&'a ResourceId>,
    /// What it is about.
    pub entities: &'a [AuditEntity<'a>],
    /// The exchange it belongs to (an opaque id of ours).
    pub exchange: Option<&'a str>,
}

/// The kinds of event that the gateway records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditKind {
    /// A message came in and was translated and stored (DICOM 110107 Import; receive, transform).
    Arrival,
    /// Content went to a recipient, or was withheld: see the outcome (DICOM 110106 Export; disclose).
    Disclosure,
    /// An interaction of the FHIR API.
    Rest(Interaction),
    /// Break-glass was declared (DICOM 110113 Security Alert; 110127 Emergency Override Started).
    EmergencyStarted,
    /// A patient was searched for before a declaration (DICOM 110112 Query).
    EmergencyFind,
    /// A grant was given back or ran out (DICOM 110113 Security Alert; 110138 Emergency Override Stopped).
    EmergencyStopped,
    /// A configuration or ledger event that operators answer for (DICOM 110100 Application Activity).
    Application,
}

/// Interactions of the FHIR API. FHIR R4 codesystem-restful-interaction.html.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the codes of the code system, word by word")]
pub enum Interaction {
    Read,
    Vread,
    Search,
    History,
    Create,
    Update,
    Patch,
    Delete,
    Batch,
    Transaction,
    Operation,
}

/// How an event ended. FHIR R4 valueset-audit-event-outcome.html.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditOutcome<'a> {
    /// 0.
    Success,
    /// 4: refused or not understood; the caller may do better.
    Refused(&'a str),
    /// 8: it failed.
    Failed(&'a str),
}

/// What somebody did in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditRole {
    /// The person who asks or acts (HL7 v3 ParticipationType `IRCP`).
    User,
    /// Where content comes from (DICOM 110153).
    Source,
    /// Where content goes to (DICOM 110152).
    Destination,
    /// Who keeps the record (HL7 v3 ParticipationType `CST`).
    Custodian,
}

/// Who took part in an event.
#[derive(Clone, Copy, Debug)]
pub struct AuditAgent<'a> {
    /// What they did.
    pub role: AuditRole,
    /// Who it is.
    pub who: Party<'a>,
    /// Their roles of the token or configuration, in words.
    pub roles: &'a [Code<'a>],
    /// Whether they asked for it.
    pub requestor: bool,
    /// The IP address, where known.
    pub address: Option<&'a str>,
    /// Where they are, in their own words (emergency declaration).
    pub location: Option<&'a str>,
}

/// What an event is about.
#[derive(Clone, Copy, Debug)]
pub enum AuditEntity<'a> {
    /// A resource, for example `Observation/1` with its version.
    Resource(&'a Reference, Option<u64>),
    /// The query as it came.
    Query(&'a str),
    /// The consent that decided, with its version.
    Consent(&'a Reference, Option<u64>),
    /// A fact about the event: name and value (`decision`, `package`, `reason`).
    Detail(&'a str, &'a str),
}

/// Builds an AuditEvent.
///
/// # Errors
/// [`Error`] if a required element is missing (`agents` empty counts as our own mistake and is caught by R4's
/// cardinality in the validator, not here).
pub fn audit_event(event: &AuditEvent<'_>) -> Result<Json, Error> {
    let (kind, subtypes, action) = event.kind.codes();
    let (outcome, description) = event.outcome.code();
    let agents =
        event.agents.iter().map(|agent| agent.build(event.purposes).map(Some)).collect::<Result<Vec<_>, _>>()?;
    let mut builder = r4b::AuditEvent::builder()
        .r#type(coding(&kind)?)
        .subtype(subtypes.iter().map(|code| coding(code).map(Some)).collect::<Result<_, _>>()?)
        .action(action)
        .recorded(instant(event.recorded)?)
        .outcome(outcome)
        .purpose_of_event(concepts(event.purposes)?)
        .agent(agents)
        .source(r4b::AuditEventSource::builder().observer(reference(&event.observer)?).build()?)
        .entity(entities(event)?);
    if let Some(description) = description {
        builder = builder.outcome_desc(description.to_owned());
    }
    let built = builder.build()?;
    Ok(Tree::new("AuditEvent", event.id)
        .one("type", &built.r#type)?
        .list("subtype", &built.subtype)?
        .optional("action", built.action.as_ref())?
        .plain("recorded", event.recorded.to_rfc3339())
        .optional("outcome", built.outcome.as_ref())?
        .optional("outcomeDesc", built.outcome_desc.as_ref())?
        .list("purposeOfEvent", &built.purpose_of_event)?
        .list("agent", &built.agent)?
        .one("source", &built.source)?
        .list("entity", &built.entity)?
        .into_json())
}

/// FHIR R4 codesystem-audit-event-type.html.
const AUDIT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
const REST: &str = "http://hl7.org/fhir/restful-interaction";
const LIFECYCLE: &str = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle";
const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const OBJECT_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
/// System of exchange ids: ours, opaque.
const EXCHANGE: &str = "urn:gateway:exchange";

impl AuditKind {
    fn codes(self) -> (Code<'static>, Vec<Code<'static>>, AuditEventAction) {
        let alert = Code::new(DICOM, "110113", "Security Alert");
        match self {
            Self::Arrival => (
                Code::new(DICOM, "110107", "Import"),
                vec![
                    Code::new(LIFECYCLE, "receive", "Receive/Retain Record Lifecycle Event"),
                    Code::new(LIFECYCLE, "transform", "Transform/Translate Record Lifecycle Event"),
                ],
                AuditEventAction::C,
            ),
            Self::Disclosure => (
                Code::new(DICOM, "110106", "Export"),
                vec![Code::new(LIFECYCLE, "disclose", "Disclose Record Lifecycle Event")],
                AuditEventAction::R,
            ),
            Self::Rest(interaction) => {
                let (code, action) = interaction.code();
                (Code::new(AUDIT_TYPE, "rest", "RESTful Operation"), vec![Code::new(REST, code, code)], action)
            }
            Self::EmergencyStarted => {
                (alert, vec![Code::new(DICOM, "110127", "Emergency Override Started")], AuditEventAction::E)
            }
            Self::EmergencyStopped => {
                (alert, vec![Code::new(DICOM, "110138", "Emergency Override Stopped")], AuditEventAction::E)
            }
            Self::EmergencyFind => (Code::new(DICOM, "110112", "Query"), Vec::new(), AuditEventAction::E),
            Self::Application => (Code::new(DICOM, "110100", "Application Activity"), Vec::new(), AuditEventAction::E),
        }
    }
}

impl Interaction {
    fn code(self) -> (&'static str, AuditEventAction) {
        match self {
            Self::Read => ("read", AuditEventAction::R),
            Self::Vread => ("vread", AuditEventAction::R),
            Self::History => ("history", AuditEventAction::R),
            Self::Search => ("search", AuditEventAction::E),
            Self::Create => ("create", AuditEventAction::C),
            Self::Update => ("update", AuditEventAction::U),
            Self::Patch => ("patch", AuditEventAction::U),
            Self::Delete => ("delete", AuditEventAction::D),
            Self::Batch => ("batch", AuditEventAction::E),
            Self::Transaction => ("transaction", AuditEventAction::E),
            Self::Operation => ("operation", AuditEventAction::E),
        }
    }
}

impl<'a> AuditOutcome<'a> {
    fn code(self) -> (AuditEventOutcome, Option<&'a str>) {
        match self {
            Self::Success => (AuditEventOutcome::N0, None),
            Self::Refused(why) => (AuditEventOutcome::N4, Some(why)),
            Self::Failed(why) => (AuditEventOutcome::N8, Some(why)),
        }
    }
}

impl AuditRole {
    fn code(self) -> Code<'static> {
        match self {
            Self::User => Code::new(PARTICIPATION, "IRCP", "information recipient"),
            Self::Source => Code::new(DICOM, "110153", "Source Role ID"),
            Self::Destination => Code::new(DICOM, "110152", "Destination Role ID"),
            Self::Custodian => Code::new(PARTICIPATION, "CST", "custodian"),
        }
    }
}

impl AuditAgent<'_> {
    fn build(&self, purposes: &[Code<'_>]) -> Result<r4b::AuditEventAgent, Error> {
        let kind = crate::element::concept(&self.role.code())?;
        let mut builder = r4b::AuditEventAgent::builder()
            .r#type(kind)
            .role(concepts(self.roles)?)
            .who(reference(&self.who)?)
            .requestor(self.requestor);
        if let Some(location) = self.location {
            builder = builder.location(reference(&Party::named(location))?);
        }
        if let Some(address) = self.address {
            let network = r4b::AuditEventAgentNetwork::builder()
                .address(address.to_owned())
                .r#type(AuditEventAgentNetworkType::N2)
                .build()?;
            builder = builder.network(network);
        }
        // BALP: the purpose of the user stands at the user, too.
        if self.role == AuditRole::User {
            builder = builder.purpose_of_use(concepts(purposes)?);
        }
        Ok(builder.build()?)
    }
}

fn entities(event: &AuditEvent<'_>) -> Result<Vec<Option<r4b::AuditEventEntity>>, Error> {
    let mut entities = Vec::new();
    if let Some(patient) = event.patient {
        let target = format!("Patient/{patient}");
        let what = Party::reference(&target);
        entities.push(Some(entity(&what, ("1", "Person"), Some(("1", "Patient")))?.build()?));
    }
    if let Some(exchange) = event.exchange {
        let what = Party::identifier(EXCHANGE, exchange);
        entities.push(Some(entity(&what, ("4", "Other"), Some(("21", "Job Stream")))?.build()?));
    }
    let mut details = Vec::new();
    for item in event.entities {
        match item {
            AuditEntity::Resource(target, version) => {
                let text = versioned(target, *version);
                let what = Party::reference(&text);
                entities.push(Some(entity(&what, OBJECT, Some(("4", "Domain Resource")))?.build()?));
            }
            AuditEntity::Consent(target, version) => {
                let text = versioned(target, *version);
                let what = Party::reference(&text);
                entities.push(Some(entity(&what, OBJECT, Some(("13", "Security Resource")))?.build()?));
            }
            AuditEntity::Query(query) => {
                let builder = r4b::AuditEventEntity::builder()
                    .r#type(coding(&Code::new(ENTITY_TYPE, OBJECT.0, OBJECT.1))?)
                    .role(coding(&Code::new(OBJECT_ROLE, "24", "Query"))?)
                    .query(Base64Binary(query.as_bytes().to_vec()));
                entities.push(Some(builder.build()?));
            }
            AuditEntity::Detail(name, value) => {
                let detail = r4b::AuditEventEntityDetail::builder()
                    .r#type((*name).to_owned())
                    .value(r4b::AuditEventEntityDetailValue::String((*value).to_owned()))
                    .build()?;
                details.push(Some(detail));
            }
        }
    }
    if !details.is_empty() {
        let builder = r4b::AuditEventEntity::builder()
            .r#type(coding(&Code::new(ENTITY_TYPE, "4", "Other"))?)
            .name("facts of the event".to_owned())
            .detail(details);
        entities.push(Some(builder.build()?));
    }
    Ok(entities)
}

const OBJECT: (&str, &str) = ("2", "System Object");

fn entity(
    what: &Party<'_>,
    kind: (&str, &str),
    role: Option<(&str, &str)>,
) -> Result<r4b::AuditEventEntityBuilder, Error> {
    let mut builder = r4b::AuditEventEntity::builder().what(reference(what)?).r#type(coding(&Code::new(
        ENTITY_TYPE,
        kind.0,
        kind.1,
    ))?);
    if let Some((code, display)) = role {
        builder = builder.role(coding(&Code::new(OBJECT_ROLE, code, display))?);
    }
    Ok(builder)
}

fn versioned(target: &Reference, version: Option<u64>) -> String {
    match version {
        Some(version) => format!("{target}/_history/{version}"),
        None => target.to_string(),
    }
}
