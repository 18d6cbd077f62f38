//! Provenance of what the gateway made: from which message, by which package. FHIR R4 provenance.html.

use fhir_sdk::r4b::codes::ProvenanceEntityRole;
use fhir_sdk::r4b::resources as r4b;
use model::json::Json;
use model::time::Instant;

use crate::Error;
use crate::element::{Code, Party, concept, concepts, date_time, instant, reference};
use crate::tree::Tree;

/// Where resources come from.
#[derive(Clone, Debug)]
pub struct Provenance<'a> {
    /// The id of the resource.
    pub id: &'a str,
    /// What was made: literal references, with or without version; at least one.
    pub targets: &'a [String],
    /// When the message arrived.
    pub occurred: Option<Instant>,
    /// When this was recorded.
    pub recorded: Instant,
    /// Why, for example purposes of use.
    pub reasons: &'a [Code<'a>],
    /// Who took part; at least one.
    pub agents: &'a [ProvenanceAgent<'a>],
    /// What it was made from.
    pub sources: &'a [ProvenanceSource<'a>],
}

/// Who took part in making a resource.
#[derive(Clone, Copy, Debug)]
pub enum ProvenanceAgent<'a> {
    /// Who sent the message (`author`).
    Author(Party<'a>),
    /// What put the resources together: the gateway (`assembler`).
    Assembler(Party<'a>),
}

/// What a resource was made from.
#[derive(Clone, Copy, Debug)]
pub enum ProvenanceSource<'a> {
    /// The message, by the exchange id.
    Exchange(&'a str),
    /// The mapping package: name, version and digest of all its files.
    Package {
        /// Its name.
        name: &'a str,
        /// Its version.
        version: &'a str,
        /// SHA-256 in hex digits.
        digest: &'a str,
    },
    /// Something else that is a resource or has an identifier.
    Other(Party<'a>),
}

/// Builds a Provenance.
///
/// # Errors
/// [`Error`] if a required element is missing.
pub fn provenance(provenance: &Provenance<'_>) -> Result<Json, Error> {
    let targets = provenance.targets.iter().map(|target| reference(&Party::reference(target)).map(Some));
    let mut builder = r4b::Provenance::builder()
        .target(targets.collect::<Result<_, _>>()?)
        .recorded(instant(provenance.recorded)?)
        .reason(concepts(provenance.reasons)?)
        .activity(concept(&Code::new(DATA_OPERATION, "CREATE", "create"))?)
        .agent(provenance.agents.iter().map(|each| agent(each).map(Some)).collect::<Result<_, _>>()?)
        .entity(provenance.sources.iter().map(|each| entity(each).map(Some)).collect::<Result<_, _>>()?);
    if let Some(occurred) = provenance.occurred {
        builder = builder.occurred(r4b::ProvenanceOccurred::DateTime(date_time(occurred)?));
    }
    let built = builder.build()?;
    let mut tree = Tree::new("Provenance", provenance.id).list("target", &built.target)?;
    if let Some(occurred) = provenance.occurred {
        tree = tree.plain("occurredDateTime", occurred.to_rfc3339());
    }
    Ok(tree
        .plain("recorded", provenance.recorded.to_rfc3339())
        .list("reason", &built.reason)?
        .optional("activity", built.activity.as_ref())?
        .list("agent", &built.agent)?
        .list("entity", &built.entity)?
        .into_json())
}

const DATA_OPERATION: &str = "http://terminology.hl7.org/CodeSystem/v3-DataOperation";
/// FHIR R4 codesystem-provenance-agent-type.html.
const AGENT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";
const EXCHANGE: &str = "urn:gateway:exchange";
const PACKAGE: &str = "urn:gateway:mapping-package";

fn agent(agent: &ProvenanceAgent<'_>) -> Result<r4b::ProvenanceAgent, Error> {
    let (kind, who) = match agent {
        ProvenanceAgent::Author(who) => (Code::new(AGENT_TYPE, "author", "Author"), who),
        ProvenanceAgent::Assembler(who) => (Code::new(AGENT_TYPE, "assembler", "Assembler"), who),
    };
    Ok(r4b::ProvenanceAgent::builder().r#type(concept(&kind)?).who(reference(who)?).build()?)
}

fn entity(source: &ProvenanceSource<'_>) -> Result<r4b::ProvenanceEntity, Error> {
    let what = match source {
        ProvenanceSource::Exchange(id) => reference(&Party::identifier(EXCHANGE, id))?,
        ProvenanceSource::Package { name, version, digest } => {
            let value = format!("{name}@{version}#sha256={digest}");
            let display = format!("mapping package {name} {version}");
            reference(&Party { display: Some(&display), ..Party::identifier(PACKAGE, &value) })?
        }
        ProvenanceSource::Other(party) => reference(party)?,
    };
    Ok(r4b::ProvenanceEntity::builder().role(ProvenanceEntityRole::Source).what(what).build()?)
}
