//! First stage: whose message it is, whether it can be read at all, and whether it was here before.

use std::sync::Arc;
use std::time::Instant as Timer;

use bytes::Bytes;
use formats::cda::{Document, Element};
use formats::hl7v2::{FormatIssue, Message, Severity as FormatSeverity};
use model::json::{Json, Limits, parse};
use model::outcome::{Issue, Severity};
use model::time::Instant;
use model::xml;
use sha2::{Digest, Sha256};
use store::{Exchange, ExchangeId, Exchanges, Repeat, RepeatKey};
use versions::Version;

use super::gaps::Gaps;
use super::map::Rules;
use super::{Accepted, Cause, Inbound, Outcome, Refusal, Transport, commit, exchange_id, issues, map};
use crate::app::App;
use crate::config::{Source, SourceFormat};
use crate::convert::{Format, ccda};
use crate::packages::Set;

/// Where messages of nobody are kept.
pub(super) const UNKNOWN_SOURCE: &str = "unknown";

/// What the bytes turned out to be.
#[derive(Debug)]
pub(super) enum Content {
    Hl7v2(Box<Message>),
    Cda(Box<Document>),
    Fhir(Json),
    /// FHIR of another version, made R4.
    Converted(Box<Converted>),
}

/// FHIR that was of another version, and what became of its pieces.
#[derive(Debug)]
pub(super) struct Converted {
    pub(super) resource: Json,
    pub(super) rules: Rules,
    /// All pieces, mapped, kept elsewhere, dropped.
    pub(super) loss: [usize; 4],
    pub(super) gaps: Gaps,
}

/// A message that can be read and is to be processed.
#[derive(Debug)]
pub struct Arrived {
    pub(super) exchange: ExchangeId,
    pub(super) source: Source,
    pub(super) content: Content,
    pub(super) raw: Bytes,
    pub(super) sha256: [u8; 32],
    pub(super) received_at: Instant,
    pub(super) header: Header,
    pub(super) issues: Vec<Issue>,
    pub(super) stages: Vec<store::Stage>,
    /// The mapping packages it began with: a change of them meanwhile is for the messages after it.
    pub(super) packages: Arc<Set>,
    /// The exchange is in the store already, in this state.
    pub(super) opened: Option<store::ExchangeState>,
}

impl Arrived {
    /// The id of its exchange.
    pub fn exchange(&self) -> ExchangeId {
        self.exchange
    }

    /// The message, if it is HL7 v2.
    pub fn message(&self) -> Option<&Message> {
        match &self.content {
            Content::Hl7v2(message) => Some(message),
            Content::Cda(_) | Content::Fhir(_) | Content::Converted(_) => None,
        }
    }

    pub(super) fn stage(&mut self, app: &App, name: &'static str, started: Timer, outcome: impl Into<String>) {
        app.metrics.stage(name, started.elapsed());
        self.stages.push(store::Stage { name: name.to_owned(), at: app.clock.now(), outcome: outcome.into() });
    }
}

/// Who sent what, as the exchange keeps it.
#[derive(Debug, Clone, Default)]
pub(super) struct Header {
    pub(super) message_control_id: Option<String>,
    pub(super) sending_application: Option<String>,
    pub(super) sending_facility: Option<String>,
}

/// Bytes on their way in, read as far as they can be.
pub(super) struct Arrival {
    pub(super) source: Option<Source>,
    pub(super) raw: Bytes,
    pub(super) sha256: [u8; 32],
    pub(super) received_at: Instant,
    pub(super) header: Header,
    key: Option<RepeatKey>,
    /// What its versions have in common, of a document.
    set: Option<String>,
    content: Result<Content, Refusal>,
    issues: Vec<Issue>,
    started: Timer,
}

impl Arrival {
    /// Reads what came in. What is wrong with it is found out here and answered in [`arrive`], where it can be kept.
    ///
    /// # Errors
    /// [`Cause::Ledger`] if nothing may be taken in.
    pub(super) fn read(app: &App, inbound: Inbound) -> Result<Self, Refusal> {
        if app.ledger.is_refusing() {
            return Err(Refusal::new(
                Cause::Ledger,
                Issue::error("transient", "the ledger disagrees with its last checkpoint: nothing is taken in"),
            ));
        }
        let started = Timer::now();
        let source = app.config.source(&inbound.source).cloned();
        let mut arrival = Self {
            sha256: Sha256::digest(&inbound.raw).into(),
            raw: inbound.raw.clone(),
            received_at: inbound.received_at,
            header: Header::default(),
            key: None,
            set: None,
            content: Err(unknown_source()),
            issues: Vec::new(),
            started,
            source,
        };
        arrival.content = arrival.parse(&inbound);
        Ok(arrival)
    }

    /// What is processed one after the other with it: its repeats, and the other versions of a document.
    pub(super) fn lanes(&self) -> Vec<RepeatKey> {
        let versions = self.set.iter().zip(&self.source).map(|(set, source)| RepeatKey {
            source: source.name.clone(),
            sending_application: String::new(),
            sending_facility: String::new(),
            message_control_id: set.clone(),
        });
        self.key.iter().cloned().chain(versions).collect()
    }

    fn parse(&mut self, inbound: &Inbound) -> Result<Content, Refusal> {
        let format = match &self.source {
            Some(source) => source.format,
            // Read all the same: the sender shall find its control id in the answer, and the exchange by it.
            None => SourceFormat::Hl7v2,
        };
        if inbound.transport == Transport::Http {
            check_content_type(format, inbound.content_type.as_deref())?;
        }
        let content = match format {
            SourceFormat::Hl7v2 => self.parse_hl7v2(),
            SourceFormat::Ccda => self.parse_cda(),
            SourceFormat::FhirR4 => parse_fhir(&self.raw),
            SourceFormat::Fhir(version) => self.parse_fhir(version),
            SourceFormat::Later(name) => Err(Refusal::new(
                Cause::UnsupportedFormat,
                Issue::error("not-supported", format!("{name} is not read by this release; hl7v2, ccda and FHIR are")),
            )),
        };
        // What cannot be read is told first: who sent it is a question only of what is a message at all.
        if self.source.is_none() { content.and(Err(unknown_source())) } else { content }
    }

    /// FHIR of another version becomes R4 here, so that all that follows knows one version.
    fn parse_fhir(&mut self, version: Version) -> Result<Content, Refusal> {
        let limits = Limits { bytes: self.raw.len().max(1), ..Limits::default() };
        let unreadable = |text: String| Refusal::new(Cause::Unreadable, Issue::error("structure", text));
        let tree = if xml::looks_like(&self.raw) {
            let document =
                xml::parse_as(&self.raw, &limits, version.table()).map_err(|error| unreadable(error.to_string()))?;
            // The order of elements is the one thing that is of no account any more in R4.
            if let Some(issue) =
                document.issues.into_iter().find(|issue| !issue.diagnostics.contains("in the order of"))
            {
                return Err(Refusal::new(Cause::Unreadable, issue));
            }
            document.resource
        } else {
            parse(&self.raw, &limits).map_err(|error| unreadable(error.to_string()))?
        };
        let converted = versions::convert(&tree, version, Version::R4, &versions::Options { account: true })
            .map_err(|refused| unreadable(refused.to_string()))?;
        self.issues.extend(converted.issues);
        let loss = converted.loss;
        Ok(Content::Converted(Box::new(Converted {
            resource: converted.resource,
            rules: Rules::of_version(version),
            loss: [loss.total(), loss.mapped.len(), loss.kept.len(), loss.dropped.len()],
            gaps: Gaps::of_fhir(&tree, &loss),
        })))
    }

    /// A document is known by its id, the set it belongs to and its version there (CDA R2, "Document identification,
    /// revisions, and addenda").
    fn parse_cda(&mut self) -> Result<Content, Refusal> {
        let document = ccda::parse(self.raw.to_vec()).map_err(|issue| Refusal::new(Cause::Unreadable, issue))?;
        self.issues.extend(ccda::notes(&document));
        let root = document.root();
        let name = |path: &[&str]| {
            let text = at(root, path)?.text().split_whitespace().collect::<Vec<_>>().join(" ");
            Some(text).filter(|text| !text.is_empty())
        };
        self.header = Header {
            message_control_id: at(root, &["id"]).and_then(instance),
            sending_application: name(&["author", "assignedAuthor", "assignedAuthoringDevice", "softwareName"]),
            sending_facility: name(&["custodian", "assignedCustodian", "representedCustodianOrganization", "name"]),
        };
        self.set = at(root, &["setId"]).and_then(instance);
        match (&self.source, &self.header.message_control_id) {
            // A new version of a document has an id of its own (CDA R2, "ClinicalDocument.id").
            (Some(source), Some(id)) => {
                self.key = Some(RepeatKey {
                    source: source.name.clone(),
                    sending_application: self.header.sending_application.clone().unwrap_or_default(),
                    sending_facility: self.header.sending_facility.clone().unwrap_or_default(),
                    message_control_id: id.clone(),
                });
            }
            (_, None) => self.issues.push(
                Issue::warning("required", "expected the id of the document, found none: a repeat cannot be told")
                    .at("/ClinicalDocument/id"),
            ),
            (None, Some(_)) => {}
        }
        Ok(Content::Cda(Box::new(document)))
    }

    fn parse_hl7v2(&mut self) -> Result<Content, Refusal> {
        let parsed = Message::parse(&self.raw).map_err(|error| {
            let issue = Issue::error("structure", error.to_string());
            Refusal::new(Cause::Unreadable, error.at().map_or(issue.clone(), |at| issue.at(at)))
        })?;
        let message = parsed.message;
        self.issues.extend(parsed.issues.iter().map(format_issue));
        let raw_field = |field: usize| {
            let text = message.segment_at(0).map(|msh| msh.field(field).raw().to_owned())?;
            Some(text).filter(|text| !text.is_empty())
        };
        self.header = Header {
            message_control_id: Some(message.control_id()).filter(|id| !id.is_empty()),
            sending_application: raw_field(3),
            sending_facility: raw_field(4),
        };
        if message.message_code().is_empty() {
            return Err(missing("MSH-9", "a message type"));
        }
        let Some(control_id) = &self.header.message_control_id else {
            return Err(missing("MSH-10", "a message control id"));
        };
        if let Some(source) = &self.source {
            self.key = Some(RepeatKey {
                source: source.name.clone(),
                sending_application: self.header.sending_application.clone().unwrap_or_default(),
                sending_facility: self.header.sending_facility.clone().unwrap_or_default(),
                message_control_id: control_id.clone(),
            });
        }
        Ok(Content::Hl7v2(Box::new(message)))
    }
}

/// The text of an instance identifier (CDA R2, II): `ROOT^EXTENSION`, or the root alone.
fn instance(identifier: Element<'_>) -> Option<String> {
    let root = identifier.attribute("root").map(str::trim).filter(|root| !root.is_empty())?;
    match identifier.attribute("extension").map(str::trim).filter(|extension| !extension.is_empty()) {
        Some(extension) => Some(format!("{root}^{extension}")),
        None => Some(root.to_owned()),
    }
}

/// The element at the end of a path of names, the first of each name.
fn at<'d>(from: Element<'d>, path: &[&str]) -> Option<Element<'d>> {
    path.iter().try_fold(from, |element, name| element.children().find(|child| child.name() == *name))
}

/// Answers repeats from the store, keeps what cannot be processed with its reason, and lets the rest pass.
///
/// # Errors
/// [`Refusal`]; a repeat of something refused is refused alike.
pub(super) async fn arrive(app: &App, arrival: Arrival) -> Result<Accepted, Refusal> {
    let mut issues = arrival.issues.clone();
    if let Some(key) = &arrival.key {
        match repeat_of(app, key, &arrival)? {
            Earlier::Same(repeat) => return answered(app, &repeat).map(Accepted::Repeat),
            Earlier::OtherBytes => issues.push(
                Issue::warning("duplicate", "the same control id came before with other content: processed as new")
                    .at(id_place(&arrival))
                    .rule("duplicate-control-id"),
            ),
            Earlier::None => {}
        }
    }
    let exchange = exchange_id()?;
    let (source, content) = match (&arrival.source, arrival.content) {
        (Some(source), Ok(content)) => (source.clone(), content),
        (_, Err(refusal)) => {
            let kept = commit::Kept {
                exchange,
                source: arrival.source.as_ref().map_or(UNKNOWN_SOURCE, |source| source.name.as_str()),
                format: arrival.source.as_ref().map_or("hl7v2", |source| source.format.as_str()),
                raw: arrival.raw,
                sha256: arrival.sha256,
                received_at: arrival.received_at,
                header: arrival.header,
            };
            return Err(commit::refuse_unread(app, kept, refusal).await);
        }
        (None, Ok(_)) => return Err(unknown_source()),
    };
    let mut arrived = Arrived {
        exchange,
        source,
        content,
        raw: arrival.raw,
        sha256: arrival.sha256,
        received_at: arrival.received_at,
        header: arrival.header,
        issues,
        stages: Vec::with_capacity(5),
        packages: app.packages.current(),
        opened: None,
    };
    let found = match arrived.issues.len() {
        0 => "ok".to_owned(),
        many => format!("ok, {many} issues"),
    };
    arrived.stage(app, "parse", arrival.started, found);
    let doubtful: Vec<Issue> = arrived.issues.extract_if(.., |issue| is_for_a_person(issue)).collect();
    if !doubtful.is_empty() {
        return Err(commit::refuse(app, arrived, Refusal::of(Cause::Held, doubtful)).await);
    }
    if let Err(refusal) = map::select(&arrived) {
        return Err(commit::refuse(app, arrived, refusal).await);
    }
    Ok(Accepted::New(Box::new(arrived)))
}

/// Findings of the lexer after which the reading is a guess, or half of a message: held, and taken by a replay once a
/// person has looked. Before the package is chosen, as MSH-9 may be read wrongly, too.
fn is_for_a_person(issue: &Issue) -> bool {
    let rules = ["delimiters-repeated", "continuation-open", "continuation-alone"];
    issue.is_error() && issue.rule.as_deref().is_some_and(|rule| rules.contains(&rule))
}

/// Reads bytes that were stored earlier, to process them (again).
pub(super) fn stored(app: &App, exchange: &Exchange, raw: Bytes) -> Result<Arrived, Refusal> {
    let inbound = Inbound {
        source: exchange.source.clone(),
        transport: Transport::Mllp,
        received_at: exchange.received,
        raw,
        content_type: None,
    };
    let arrival = Arrival::read(app, inbound)?;
    let source = arrival.source.ok_or_else(unknown_source)?;
    let mut arrived = Arrived {
        exchange: exchange.id,
        source,
        content: arrival.content?,
        raw: arrival.raw,
        sha256: arrival.sha256,
        received_at: arrival.received_at,
        header: arrival.header,
        issues: arrival.issues,
        stages: Vec::with_capacity(5),
        packages: app.packages.current(),
        opened: Some(exchange.state),
    };
    arrived.stage(app, "parse", arrival.started, "ok");
    Ok(arrived)
}

enum Earlier {
    None,
    Same(Repeat),
    OtherBytes,
}

fn repeat_of(app: &App, key: &RepeatKey, arrival: &Arrival) -> Result<Earlier, Refusal> {
    let since = arrival.received_at.before(app.config.store.repeat_window);
    let mut earlier = app.store.repeats(key)?;
    earlier.retain(|repeat| repeat.received >= since);
    let other = !earlier.is_empty();
    Ok(match earlier.into_iter().find(|repeat| repeat.sha256 == arrival.sha256) {
        Some(same) => Earlier::Same(same),
        None if other => Earlier::OtherBytes,
        None => Earlier::None,
    })
}

/// Where a message says how it is called.
fn id_place(arrival: &Arrival) -> &'static str {
    match &arrival.source {
        Some(source) if source.format == SourceFormat::Ccda => "/ClinicalDocument/id",
        _ => "MSH-10",
    }
}

/// What was answered the first time.
fn answered(app: &App, repeat: &Repeat) -> Result<Outcome, Refusal> {
    let Some(answer) = &repeat.answer else {
        return Err(Refusal::new(Cause::Busy, Issue::error("transient", "the same message is being processed"))
            .kept_as(repeat.exchange));
    };
    let exchange = app.store.exchange(&repeat.exchange)?;
    let findings =
        exchange.iter().flat_map(|exchange| &exchange.issues).filter_map(|text| issues::read(text)).collect();
    match std::str::from_utf8(answer).ok().and_then(Cause::parse) {
        Some(cause) => Err(Refusal::of(cause, findings).kept_as(repeat.exchange)),
        None => Ok(Outcome {
            exchange: repeat.exchange,
            state: repeat.state,
            issues: findings,
            ledger_index: exchange.and_then(|exchange| exchange.ledger.first().copied()),
            received_at: repeat.received,
            parts: Vec::new(),
        }),
    }
}

pub(super) fn unknown_source() -> Refusal {
    Refusal::new(Cause::UnknownSource, Issue::error("not-found", "no configured source sends this").at("MSH-3"))
}

fn missing(at: &'static str, what: &str) -> Refusal {
    Refusal::new(Cause::Unreadable, Issue::error("required", format!("expected {what}, found none")).at(at))
}

fn parse_fhir(raw: &[u8]) -> Result<Content, Refusal> {
    let limits = Limits { bytes: raw.len().max(1), ..Limits::default() };
    let unreadable = |text: String| Refusal::new(Cause::Unreadable, Issue::error("structure", text));
    if !xml::looks_like(raw) {
        return parse(raw, &limits).map(Content::Fhir).map_err(|error| unreadable(error.to_string()));
    }
    let document = xml::parse(raw, &limits).map_err(|error| unreadable(error.to_string()))?;
    if document.issues.is_empty() {
        Ok(Content::Fhir(document.resource))
    } else {
        // The tree would not show what is wrong with the XML, so nothing later could.
        Err(Refusal::of(Cause::Unreadable, document.issues))
    }
}

fn check_content_type(format: SourceFormat, content_type: Option<&str>) -> Result<(), Refusal> {
    let given = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let fits: &[&str] = match format {
        SourceFormat::Hl7v2 => {
            &["application/hl7-v2", "application/hl7-v2+er7", "x-application/hl7-v2+er7", "text/plain"]
        }
        SourceFormat::Ccda => &["application/cda+xml", "application/xml", "text/xml"],
        SourceFormat::FhirR4 | SourceFormat::Fhir(_) => {
            &["application/fhir+json", "application/json", "application/fhir+xml", "application/xml", "text/xml"]
        }
        // Refused by the caller with the name of the format.
        SourceFormat::Later(_) => return Ok(()),
    };
    // A source sends one version: read again later, its bytes are of that one too.
    let version = content_type.filter(|kind| kind.to_ascii_lowercase().contains("fhirversion="));
    let version = version.and_then(Format::from_content_type).and_then(Format::version);
    let is_other = format.is_fhir() && version.is_some_and(|version| version.format() != format.as_str());
    if (given.is_empty() || fits.contains(&given.as_str())) && !is_other {
        return Ok(());
    }
    if is_other {
        let text = format!("expected the fhirVersion of this source, which is {}", format.as_str());
        return Err(Refusal::new(Cause::UnsupportedFormat, Issue::error("not-supported", text)));
    }
    let expected = fits.first().copied().unwrap_or_default();
    Err(Refusal::new(
        Cause::UnsupportedFormat,
        Issue::error("not-supported", format!("expected Content-Type {expected} from this source")),
    ))
}

fn format_issue(issue: &FormatIssue) -> Issue {
    let severity = match issue.severity {
        FormatSeverity::Information => Severity::Information,
        FormatSeverity::Warning => Severity::Warning,
        // The reading goes on; whether the content can be taken is for the validation to say.
        FormatSeverity::Error => Severity::Error,
    };
    let made = Issue::new(severity, "structure", issue.detail.clone()).rule(issue.code);
    match &issue.at {
        Some(at) => made.at(at.clone()),
        None => made,
    }
}
