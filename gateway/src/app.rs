//! Every part of the gateway, built once from the configuration and shared by all who serve.

use std::ops::{ControlFlow, Deref};
use std::sync::Arc;

use model::time::{Clock, Instant};
use store::{EmergencyJournal, ExchangeQuery, Exchanges, Resources, Search, Store};
use tokio::sync::watch;
use uuid::Uuid;

use crate::api::{Jobs, Seal};
use crate::clock::SteadyClock;
use crate::config::{self, Config};
use crate::emergency::Emergency;
use crate::ingress::Ingest;
use crate::keys::{DataDirectory, KeyError};
use crate::known::Versions;
use crate::metrics::Metrics;
use crate::mllp;
use crate::operations::terminology::Compiled;
use crate::packages::Library;
use crate::parameters::{LoadError as LoadSearchError, Parameters};
use crate::pipeline::Lanes;
use crate::policies::Policies;
use crate::sealing::{Ledger, Sealer};
use crate::unmapped::Unmapped;
use crate::validation::{LoadError, Validation};

/// The part of the store's cache, taken beside it, that is for what decisions know of versions.
const VERSIONS_SHARE: u64 = 4;

/// The gateway. Clones share everything.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What [`App`] gives access to.
pub struct Parts {
    /// The configuration it was built from.
    pub config: Config,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The same, for whoever asks whether the clock of the machine was set back.
    pub steady: Arc<SteadyClock>,
    /// Resources, exchanges, deliveries, grants.
    pub store: Store,
    /// Mapping packages, as they stand now.
    pub packages: Library,
    /// Namespace of ids that are made from messages.
    pub namespace: Uuid,
    /// The ledger, for readers and for new records.
    pub ledger: Ledger,
    /// Checks development tokens.
    pub tokens: auth::Verifier,
    /// The secrets of sources that have one.
    pub secrets: auth::SourceSecrets,
    /// The site's rules for decisions.
    pub consent: consent::Settings,
    /// Compiled consents.
    pub policies: Policies,
    /// What decisions know of the versions that were read last.
    pub versions: Versions,
    /// Which codes make a resource sensitive.
    pub sensitivity: consent::SensitivityMap,
    /// Break-glass: what stands in the emergency journal alone, and limits.
    pub emergency: Emergency,
    /// Validators, by source.
    pub validation: Validation,
    /// Terminology that is stored here, compiled.
    pub terminology: Compiled,
    /// What is counted.
    pub metrics: Metrics,
    /// Wakes the senders: something was committed that may have deliveries.
    pub outbox: watch::Sender<u64>,
    /// What resources are found by.
    pub parameters: Parameters,
    /// The way in for every message: places and time limits that all transports share.
    pub ingest: Ingest,
    /// What MLLP remembers from one connection to the next.
    pub mllp: mllp::Memory,
    /// Seals the links of pages.
    pub pages: Seal,
    /// What is done without its caller.
    pub jobs: Jobs,
    /// Keeps equal messages from being processed side by side.
    pub lanes: Lanes,
    /// Keeps writes under the same condition from being done side by side: both would find nothing, and both create.
    pub conditions: Lanes,
    /// What senders say that the mappings have no home for.
    pub unmapped: Unmapped,
    /// Held alone while records are merged, shared by every other write that reads the links of records.
    pub merging: tokio::sync::RwLock<()>,
    data: DataDirectory,
}

/// Why the gateway could not be built. Fault of the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The data directory.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The store.
    #[error("store: {0}")]
    Store(#[from] store::Error),
    /// The ledger.
    #[error("ledger: {0}")]
    Ledger(#[from] ledger::Error),
    /// A source's secret.
    #[error("{0}: expected a secret of at least 16 characters")]
    Secret(std::path::PathBuf),
    /// The organisation's own sensitivity rules.
    #[error("sensitivity: {0}")]
    Sensitivity(String),
    /// A mapping package.
    #[error("mapping packages: {0}")]
    Packages(String),
    /// What MLLP remembers.
    #[error("mllp: {0}")]
    Mllp(std::io::Error),
    /// Search parameters of the site.
    #[error("search.parameters: {0}")]
    Search(#[from] LoadSearchError),
    /// Definitions that are validated with.
    #[error("validation: {0}")]
    Validation(#[from] LoadError),
}

impl App {
    /// Opens everything under `data`. Blocks while the store reads its journal's tail.
    ///
    /// # Errors
    /// [`StartError`], naming what is wrong and where.
    pub fn open(
        config: Config,
        data: DataDirectory,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Option<Sealer>), StartError> {
        let keys = data.keys(config.ledger.key_file.as_deref(), config.ledger.origin.as_deref())?;
        let packages = Library::open(&config, data.path(), clock.now()).map_err(|faults| {
            StartError::Packages(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        })?;
        let sensitivity = crate::sensitivity::load(&config.consent.sensitivity).map_err(|faults| {
            StartError::Sensitivity(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        })?;
        let validation = Validation::open(&config)?;
        let kept = (config.store.backend == config::Backend::Sled).then(|| data.path());
        let parameters = Parameters::open(&config, kept)?;
        let metrics = Metrics::default();
        let steady = Arc::new(SteadyClock::new(clock, metrics.clone()));
        let clock: Arc<dyn Clock> = steady.clone();
        let store = Store::open(&store_config(&config, &data), clock.clone())?;
        parameters.reload(&store)?;
        // Nothing was written by another set since the store opened.
        crate::parameters::settled();
        if let Some(newest) = newest(&store)? {
            steady.go_on_from(newest);
        }
        let (ledger, sealer) = Ledger::open(&data.path().join("ledger"), keys.ledger, &config, &store)?;
        let journal = EmergencyJournal::open(&data.path().join("store"), EmergencyJournal::CAPACITY)?;
        let folder = (config.store.backend == config::Backend::Sled).then(|| data.path().join("mllp"));
        let mllp = mllp::Memory::open(folder.as_deref()).map_err(StartError::Mllp)?;
        let parts = Parts {
            emergency: Emergency::new(journal, metrics.clone())?,
            consent: consent_settings(&config.consent),
            ingest: Ingest::new(config.listen.concurrency, config.listen.request_timeout),
            clock,
            steady,
            unmapped: Unmapped::open(data.path(), &store),
            store,
            packages,
            namespace: keys.namespace,
            ledger,
            tokens: auth::Verifier::of_data_directory(&keys.token),
            secrets: secrets(&config)?,
            versions: Versions::of_bytes(config.store.cache_bytes / VERSIONS_SHARE),
            config,
            policies: Policies::default(),
            parameters,
            sensitivity,
            validation,
            terminology: Compiled::default(),
            metrics,
            mllp,
            outbox: watch::Sender::new(0),
            pages: Seal::new(&keys.page).ok_or(KeyError::Random)?,
            jobs: Jobs::default(),
            lanes: Lanes::default(),
            conditions: Lanes::default(),
            merging: tokio::sync::RwLock::default(),
            data,
        };
        Ok((Self(Arc::new(parts)), sealer))
    }
}

impl Parts {
    /// The data directory.
    pub fn data(&self) -> &std::path::Path {
        self.data.path()
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("App")
    }
}

/// How the store is opened under a configuration: also for the commands that look into a data directory.
pub fn store_config(config: &Config, data: &DataDirectory) -> store::Config {
    let backend = match config.store.backend {
        config::Backend::Sled => store::Backend::Sled,
        config::Backend::Memory => store::Backend::Memory,
    };
    store::Config {
        backend,
        cache_bytes: config.store.cache_bytes,
        min_free_bytes: config.store.min_free_bytes,
        derive: crate::index::rules(),
        ..store::Config::sled(data.path())
    }
}

/// When the newest exchange or audit event was written: every request leaves one of the two.
fn newest(store: &Store) -> Result<Option<Instant>, store::Error> {
    let exchanges = store.exchanges(&ExchangeQuery { limit: 1, ..ExchangeQuery::default() })?.exchanges;
    let mut newest = exchanges.first().map(|exchange| exchange.received);
    let events = Search { types: vec!["AuditEvent".to_owned()], ..Search::default() };
    store.visit(&events, &mut |event| {
        newest = newest.max(Some(event.last_updated));
        ControlFlow::Break(())
    })?;
    Ok(newest)
}

fn secrets(config: &Config) -> Result<auth::SourceSecrets, StartError> {
    let mut secrets = auth::SourceSecrets::default();
    for source in &config.sources {
        if let Some(path) = &source.credentials {
            let content = std::fs::read(path).map_err(|_| StartError::Secret(path.clone()))?;
            let secret = auth::SourceSecret::from_file(&content).ok_or_else(|| StartError::Secret(path.clone()))?;
            secrets.add(&source.name, secret);
        }
    }
    Ok(secrets)
}

fn consent_settings(config: &config::Consent) -> consent::Settings {
    consent::Settings {
        implicit_policy: match config.implicit_policy {
            config::ImplicitPolicy::Deny => consent::ImplicitPolicy::Deny,
            config::ImplicitPolicy::PermitTreatment => consent::ImplicitPolicy::PermitTreatment,
            config::ImplicitPolicy::PermitAll => consent::ImplicitPolicy::PermitAll,
        },
        btg: match config.btg {
            config::BreakGlass::Override => consent::BtgMode::Override,
            config::BreakGlass::ConsentOnly => consent::BtgMode::ConsentOnly,
            config::BreakGlass::Off => consent::BtgMode::Off,
        },
        btg_ttl: config.btg_ttl,
        labelling: match config.labelling {
            config::Labelling::Complete => consent::Labelling::Complete,
            config::Labelling::Map => consent::Labelling::Map,
            config::Labelling::Unavailable => consent::Labelling::Unavailable,
        },
        purposes: config.purposes,
        label_cover: config.label_cover,
        inheritance: config.inheritance,
        base_policy: config.base_policy,
    }
}
