//! Second stage: the message becomes FHIR R4, by a mapping package or by taking FHIR as it stands.

use std::sync::OnceLock;
use std::time::Instant as Timer;

use formats::cda::Document;
use formats::hl7v2::Message;
use mappers::{Context, Package, SelectError, Selector};
use model::json::Json;
use model::outcome::Issue;
use model::resource::resource_type;
use model::time::Instant;
use store::{Expect, PatientLink};
use versions::Version;

use super::arrive::{Arrived, Content};
use super::gaps::Gaps;
use super::{Cause, Refusal, document, fhir};
use crate::app::App;

/// The rules that made a result.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) digest: String,
}

impl Rules {
    /// Those by which FHIR of another version becomes R4.
    pub(super) fn of_version(version: Version) -> Self {
        static DIGESTS: [OnceLock<String>; Version::ALL.len()] = [const { OnceLock::new() }; Version::ALL.len()];
        let place = Version::ALL.iter().position(|known| *known == version).and_then(|at| DIGESTS.get(at));
        let digest = place.map(|place| place.get_or_init(|| versions::digest(version)).clone());
        Self {
            name: version.format().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            digest: digest.unwrap_or_default(),
        }
    }
}

/// One resource to write.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) resource: Json,
    pub(super) expect: Expect,
    /// Where it stands in the input, for issues about it.
    pub(super) place: String,
}

/// A mapped message; nothing has been checked yet.
#[derive(Debug)]
pub(super) struct Mapped {
    pub(super) entries: Vec<Entry>,
    pub(super) issues: Vec<Issue>,
    /// Id of the patient the message is about.
    pub(super) patient: Option<String>,
    pub(super) merges: Vec<PatientLink>,
    /// Records that the message says are not one person, in pairs.
    pub(super) unmerges: Vec<(String, String)>,
    pub(super) rules: Option<Rules>,
    /// Pieces of the input: all, mapped, kept elsewhere, dropped with a reason.
    pub(super) loss: Option<[usize; 4]>,
    /// Where it says what found no home.
    pub(super) gaps: Option<Gaps>,
    pub(super) started: Timer,
    pub(super) mapped_at: Instant,
}

/// Whether there is a package for the message; nothing is mapped.
pub(super) fn select(arrived: &Arrived) -> Result<(), Refusal> {
    match &arrived.content {
        Content::Hl7v2(_) => package(arrived).map(|_| ()),
        Content::Cda(document) => package_of(arrived, document).map(|_| ()),
        Content::Fhir(_) | Content::Converted(_) => Ok(()),
    }
}

/// Maps. CPU only.
///
/// # Errors
/// [`Cause::UnknownType`], or [`Cause::Held`] for FHIR that cannot be taken as it stands.
pub(super) fn map(app: &App, arrived: &Arrived) -> Result<Mapped, Refusal> {
    let started = Timer::now();
    let message = match &arrived.content {
        Content::Hl7v2(message) => message,
        Content::Cda(document) => return map_document(app, arrived, document, started),
        Content::Fhir(json) => return fhir::take(app, arrived, json, started),
        Content::Converted(converted) => {
            let taken = fhir::take(app, arrived, &converted.resource, started)?;
            let (rules, gaps) = (Some(converted.rules.clone()), Some(converted.gaps.clone()));
            return Ok(Mapped { rules, loss: Some(converted.loss), gaps, ..taken });
        }
    };
    let package = package(arrived)?;
    let mapped = package.map_counted(message, &context(app, arrived));
    let loss = Some(mapped.loss_counts());
    let gaps = Some(Gaps::of(message, mapped.unmapped(), &mapped.issues));
    let entries = take_resources(mapped.bundle);
    Ok(Mapped {
        loss,
        gaps,
        unmerges: unmerges(message, &entries),
        entries,
        issues: mapped.issues,
        patient: mapped.patient.map(|id| id.as_str().to_owned()),
        merges: mapped
            .merges
            .iter()
            .map(|merge| PatientLink {
                replaced: merge.retired.as_str().to_owned(),
                replaced_by: merge.survivor.as_str().to_owned(),
            })
            .collect(),
        rules: Some(rules(package)),
        started,
        mapped_at: app.clock.now(),
    })
}

/// A document becomes its resources, the Composition among them: `$document` puts them together again, each decided by
/// itself. The bytes that came are kept with the exchange, where no consent could take anything out of them.
fn map_document(app: &App, arrived: &Arrived, document: &Document, started: Timer) -> Result<Mapped, Refusal> {
    let package = package_of(arrived, document)?;
    let mapped = package.map_cda_counted(document, &context(app, arrived));
    let loss = Some(mapped.loss_counts());
    let gaps = Some(Gaps::of_document(document, mapped.unmapped(), &mapped.issues));
    let mut entries = take_resources(mapped.bundle);
    document::link(&mut entries);
    Ok(Mapped {
        loss,
        gaps,
        unmerges: Vec::new(),
        entries,
        issues: mapped.issues,
        patient: mapped.patient.map(|id| id.as_str().to_owned()),
        merges: Vec::new(),
        rules: Some(rules(package)),
        started,
        mapped_at: app.clock.now(),
    })
}

/// What a package is told beside the input.
fn context<'a>(app: &'a App, arrived: &'a Arrived) -> Context<'a> {
    Context {
        namespace: &app.namespace,
        source: &arrived.source.name,
        timezone: arrived.source.timezone.as_deref(),
        authorities: &arrived.source.authorities,
        received: Some(arrived.received_at),
    }
}

fn rules(package: &Package) -> Rules {
    Rules {
        name: package.name().to_owned(),
        version: package.version().to_owned(),
        digest: package.digest().to_owned(),
    }
}

fn package_of<'a>(arrived: &'a Arrived, document: &Document) -> Result<&'a Package, Refusal> {
    let found = arrived.packages.packages().select_document(&arrived.source.packages, document);
    found.map_err(|error| Refusal::new(Cause::UnknownType, Issue::error("not-supported", error.to_string())))
}

/// HL7 v2.8.2 ch. 3, "ADT/ACK - Unlink Patient Information (Event A37)": two PIDs that are two persons.
fn unmerges(message: &Message, entries: &[Entry]) -> Vec<(String, String)> {
    if message.message_code() != "ADT" || message.trigger() != "A37" {
        return Vec::new();
    }
    let patients = entries.iter().filter(|entry| resource_type(&entry.resource) == Some("Patient"));
    let ids: Vec<&str> = patients.filter_map(|entry| model::resource::id(&entry.resource)).collect();
    let pairs = ids.iter().enumerate().flat_map(|(at, one)| ids.iter().skip(at + 1).map(move |other| (one, other)));
    pairs.map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect()
}

fn package(arrived: &Arrived) -> Result<&Package, Refusal> {
    let Content::Hl7v2(message) = &arrived.content else {
        return Err(Refusal::new(Cause::UnknownType, Issue::error("not-supported", "expected an HL7 v2 message")));
    };
    let selector = Selector { names: &arrived.source.packages, format: "hl7v2", message };
    arrived.packages.packages().select(&selector).map_err(|error| match error {
        SelectError::UnknownMessageType => {
            let (code, trigger) = (message.message_code(), message.trigger());
            let known = |text: &str| text.len() <= 3 && text.chars().all(|c| c.is_ascii_alphanumeric());
            // MSH-9 is quoted only where it is a code: a message shifted by a field would show something else.
            let what = if known(&code) && known(&trigger) { format!(" {code}^{trigger}") } else { String::new() };
            let text = format!("no mapping package reads the message type{what}");
            Refusal::new(Cause::UnknownType, Issue::error("not-supported", text).at("MSH-9"))
        }
        other => Refusal::new(Cause::UnknownType, Issue::error("not-supported", other.to_string()).at("MSH-9")),
    })
}

/// The resources of a Bundle by value: a copy of each would cost as much as mapping some of them.
fn take_resources(mut bundle: Json) -> Vec<Entry> {
    let Some(Json::Array(entries)) = bundle.as_object_mut().and_then(|bundle| bundle.remove("entry")) else {
        return Vec::new();
    };
    let resource = |mut entry: Json| entry.as_object_mut().and_then(|entry| entry.remove("resource"));
    let resources = entries.into_iter().filter_map(resource);
    resources.map(|resource| Entry { place: place(&resource), resource, expect: Expect::Any }).collect()
}

fn place(resource: &Json) -> String {
    let kind = model::resource::resource_type(resource).unwrap_or("Resource");
    format!("{kind}/{}", model::resource::id(resource).unwrap_or_default())
}
