//! The configuration: strict TOML, every problem found at once, each with its key and a suggestion.
//!
//! An absent file means [`EMBEDDED`]; an absent key means the default named beside it. What each key does is told in
//! `docs/configuration.md`.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Table;

mod destination;
mod fhir;
mod mappings;
mod mllp;
mod read;
mod rules;
mod sections;
mod served;
mod source;
#[cfg(test)]
mod tests;
mod units;
mod validation;

pub(crate) use destination::ANSWERS;
pub use destination::{Destination, DestinationTransport, PeerAddress, Retry};
pub use fhir::{DestinationFhir, Oversize, Posted, Writes};
pub use mappings::Mappings;
pub use mllp::{Acknowledgement, Application, DestinationMllp, Order, PartnerTls, Reply, SourceMllp};
pub use read::Problem;
pub use served::Served;
pub use source::{Ids, Match, Source, SourceFormat, SourceTransport, Validation};
pub use units::Rate;
pub use validation::{Definitions, Validation as ValidationSettings};

use read::Findings;
pub(crate) use read::closest;

/// What holds without a file: loopback only, development tokens, one source for each transport, nothing forwarded.
pub const EMBEDDED: &str = include_str!("config/embedded.toml");

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the gateway listens.
    pub listen: Listen,
    /// How it stores.
    pub store: Store,
    /// How it anchors.
    pub ledger: Ledger,
    /// What holds where no consent decides, and break-glass.
    pub consent: Consent,
    /// Who callers are.
    pub auth: Auth,
    /// How content is validated.
    pub validation: ValidationSettings,
    /// What `/fhir` asks of its callers.
    pub fhir: Served,
    /// Files, folders and packages with search parameters of the site (`[search] parameters`).
    pub search_parameters: Vec<PathBuf>,
    /// Where mapping packages of the site are kept.
    pub mappings: Mappings,
    /// Who sends, in the order in which MLLP connections are matched.
    pub sources: Vec<Source>,
    /// Who is forwarded to.
    pub destinations: Vec<Destination>,
    /// What is not wrong but worth a look, said in the log at start.
    pub notices: Vec<Problem>,
}

/// `[listen]`
#[derive(Debug, Clone)]
pub struct Listen {
    /// Plain HTTP; loopback only.
    pub http: Option<SocketAddr>,
    /// HTTPS.
    pub https: Option<SocketAddr>,
    /// MLLP.
    pub mllp: Option<SocketAddr>,
    /// Whether MLLP runs in TLS with client certificates; always so off loopback.
    pub mllp_tls: bool,
    /// Certificate chain in PEM form; without it a self-signed one for localhost is made.
    pub cert_file: Option<PathBuf>,
    /// Its key in PEM form.
    pub key_file: Option<PathBuf>,
    /// Authorities whose certificates clients show.
    pub client_ca_file: Option<PathBuf>,
    /// Origins whose pages may read answers.
    pub cors_origins: Vec<String>,
    /// Largest HTTP body.
    pub body_limit_bytes: usize,
    /// Largest MLLP frame.
    pub frame_limit_bytes: usize,
    /// How long the rest of a begun frame may take.
    pub frame_timeout: Duration,
    /// How long a connection may be silent between frames.
    pub idle_timeout: Duration,
    /// How long one request or message may take.
    pub request_timeout: Duration,
    /// Silence after which TCP asks whether an MLLP peer is still there.
    pub keepalive: Duration,
    /// MLLP connections of one address at once; `None`: three quarters of all, so that one peer cannot take every place.
    pub connections_per_peer: Option<usize>,
    /// MLLP connections at once.
    pub connections: usize,
    /// Messages processed at once, over all feeds.
    pub concurrency: usize,
    /// How long work under way may take to end after SIGTERM.
    pub drain: Duration,
}

/// Where resources and exchanges are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// In `store/`, the default.
    Sled,
    /// Nowhere: all is gone at the end of the process.
    Memory,
}

/// `[store]`
#[derive(Debug, Clone)]
pub struct Store {
    /// Where it is kept.
    pub backend: Backend,
    /// Memory for the engine's cache.
    pub cache_bytes: u64,
    /// Free space under which nothing more is taken in.
    pub min_free_bytes: u64,
    /// How long a repeat is known as one.
    pub repeat_window: Duration,
}

/// `[ledger]`
#[derive(Debug, Clone)]
pub struct Ledger {
    /// Name of the log; also the name of its key. Absent: the one kept under `keys/`, drawn at first start.
    pub origin: Option<String>,
    /// The log's key in PEM form; without it one is made under `keys/`.
    pub key_file: Option<PathBuf>,
    /// How long a record waits for others before a seal.
    pub seal_interval: Duration,
    /// Most records a seal takes.
    pub seal_size: usize,
    /// Whether records are sealed; off for measuring only.
    pub sealing: bool,
}

/// What holds when no consent decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImplicitPolicy {
    /// Nothing is permitted.
    Deny,
    /// Treatment is permitted.
    PermitTreatment,
    /// Everything is permitted.
    PermitAll,
}

/// How far break-glass reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakGlass {
    /// Over denials, but not over one that names it.
    Override,
    /// Only what consents permit for it.
    ConsentOnly,
    /// Not at all.
    Off,
}

/// Where sensitivity labels come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labelling {
    /// `meta.security` is trusted.
    Complete,
    /// The sensitivity map is run.
    Map,
    /// Everything counts as unlabelled.
    Unavailable,
}

/// `[consent]`
#[derive(Debug, Clone)]
pub struct Consent {
    /// What holds when no consent decides.
    pub implicit_policy: ImplicitPolicy,
    /// How far break-glass reaches.
    pub btg: BreakGlass,
    /// How long a grant lasts.
    pub btg_ttl: Duration,
    /// How many grants a person may declare.
    pub btg_rate: Rate,
    /// Where sensitivity labels come from.
    pub labelling: Labelling,
    /// References of the organisation that holds the data.
    pub custodian: Vec<String>,
    /// Files with the organisation's own sensitivity rules, added to the map that comes with the gateway.
    pub sensitivity: Vec<crate::sensitivity::Named>,
    /// How a request with several purposes is decided.
    pub purposes: consent::Purposes,
    /// Which sensitivity labels a permit has to list.
    pub label_cover: consent::LabelCover,
    /// What a nested provision inherits.
    pub inheritance: consent::Inheritance,
    /// What an opt-in beside a root permit means.
    pub base_policy: consent::BasePolicy,
}

/// How callers are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMode {
    /// Credentials of sources and client certificates only, until the SMART server is there.
    Smart,
    /// And tokens that `anchorline token` makes; loopback only.
    Development,
    /// Everybody is an anonymous administrator; loopback only.
    Open,
}

/// `[auth]`
#[derive(Debug, Clone)]
pub struct Auth {
    /// How callers are known.
    pub mode: AuthMode,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file could not be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is no TOML.
    #[error("{0}")]
    Syntax(String),
    /// The text is TOML but not a configuration.
    #[error("{}", list(.0))]
    Problems(Vec<Problem>),
}

impl Config {
    /// The configuration that holds without a file.
    pub fn embedded() -> Self {
        // The text is ours and a test holds it to be free of problems, so what was found can be let go.
        sections::read(EMBEDDED.parse().unwrap_or_default(), Path::new("."), &mut Findings::default())
    }

    /// Reads a file; paths in it are relative to its directory.
    ///
    /// # Errors
    /// [`ConfigError::Problems`] holds everything that is wrong, not only the first.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
        Self::parse(&text, path.parent().unwrap_or(Path::new(".")))
    }

    /// Reads a text; paths in it are relative to `base`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, base: &Path) -> Result<Self, ConfigError> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| ConfigError::Syntax(error.to_string()))?;
        let mut findings = Findings::default();
        let config = sections::read(table, base, &mut findings);
        if findings.errors.is_empty() {
            Ok(Self { notices: findings.notices, ..config })
        } else {
            Err(ConfigError::Problems(findings.errors))
        }
    }

    /// The source of this name.
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.name == name)
    }

    /// The destination of this name.
    pub fn destination(&self, name: &str) -> Option<&Destination> {
        self.destinations.iter().find(|destination| destination.name == name)
    }

    /// Whether every listener is on loopback.
    pub fn is_loopback(&self) -> bool {
        let listen = &self.listen;
        [listen.http, listen.https, listen.mllp].into_iter().flatten().all(|address| address.ip().is_loopback())
    }
}

/// A duration with its unit, such as `10m`; what was expected otherwise.
///
/// # Errors
/// One sentence for a person.
pub fn duration(text: &str) -> Result<Duration, String> {
    units::duration(&toml::Value::String(text.to_owned()))
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}
