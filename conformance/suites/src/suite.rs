//! Which suites there are, and running them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::time::{Clock, Instant};

use crate::context::Context;
use crate::result::{Report, Step, SuiteResult, Test};
use crate::{base, consent, ledger, mllp, testscript, us_core};

/// A suite to run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Suite {
    /// FHIR TestScripts of these files and folders.
    TestScript(Vec<PathBuf>),
    /// What every FHIR R4 server has to do.
    FhirBase,
    /// Requirement tables of this file or folder.
    UsCore(PathBuf),
    /// HL7 v2 over MLLP: the suite of a file, or the built-in one.
    Mllp(Option<PathBuf>),
    /// Decision cases of these files, asked over HTTP.
    Consent(Vec<PathBuf>),
    /// The ledger with public keys only.
    Ledger,
}

/// The names that `--suite` takes besides files, with what each is about.
pub const NAMES: [(&str, &str); 6] = [
    ("testscript", "FHIR TestScripts (R4), JSON or XML, from the files and folders given"),
    ("fhir-base", "what every FHIR R4 server has to do: CapabilityStatement, read, search, write, errors"),
    ("us-core", "requirement tables (--requirements): searches, must-support, references, profiles"),
    ("mllp", "HL7 v2 over MLLP: acknowledgements, repeats, framing, malformed messages"),
    ("consent", "decision cases from the files given, asked over HTTP"),
    ("ledger", "checkpoint, tiles, receipts and growth of a ledger, with its public key only"),
];

/// What a suite's name or file does not say. Fault of the caller.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuiteError {
    /// Neither a name nor a file.
    #[error("{name}: no suite of that name and no such file; suites: {known}")]
    Unknown {
        /// As given.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The suite needs something that was not given.
    #[error("{suite}: expected {missing}")]
    Missing {
        /// The suite.
        suite: String,
        /// What to give.
        missing: &'static str,
    },
}

impl Suite {
    /// The suite of a name, or of a file or folder; `inputs` are the files that the command line adds.
    ///
    /// # Errors
    /// [`SuiteError`] naming the suites there are, or what is missing.
    pub fn of(name: &str, inputs: &[PathBuf]) -> Result<Self, SuiteError> {
        let missing = |missing| SuiteError::Missing { suite: name.to_owned(), missing };
        match name {
            "testscript" if inputs.is_empty() => Err(missing("files or folders of TestScripts after the options")),
            "testscript" => Ok(Self::TestScript(inputs.to_vec())),
            "fhir-base" => Ok(Self::FhirBase),
            "us-core" => match inputs.first() {
                Some(tables) => Ok(Self::UsCore(tables.clone())),
                None => Err(missing("--requirements, a file or folder of requirement tables")),
            },
            "mllp" => Ok(Self::Mllp(inputs.first().cloned())),
            "consent" if inputs.is_empty() => Err(missing("files of decision cases after the options")),
            "consent" => Ok(Self::Consent(inputs.to_vec())),
            "ledger" => Ok(Self::Ledger),
            _ if Path::new(name).exists() => Ok(Self::of_file(Path::new(name))),
            _ => Err(SuiteError::Unknown { name: name.to_owned(), known: NAMES.map(|(name, _)| name).join(", ") }),
        }
    }
}

impl Suite {
    /// The suite that a file holds: TOML is a suite of ours, JSON with `cases` holds decision cases, else TestScripts.
    fn of_file(path: &Path) -> Self {
        let is_toml = path.extension().is_some_and(|extension| extension == "toml");
        if is_toml {
            return Self::Mllp(Some(path.to_owned()));
        }
        let begins_as_cases = || {
            let mut start = Vec::new();
            let file = std::fs::File::open(path).ok()?;
            std::io::Read::read_to_end(&mut std::io::Read::take(file, 4096), &mut start).ok()?;
            Some(String::from_utf8_lossy(&start).contains("\"schema_version\""))
        };
        if path.is_file() && begins_as_cases() == Some(true) {
            return Self::Consent(vec![path.to_owned()]);
        }
        Self::TestScript(vec![path.to_owned()])
    }
}

/// Runs suites one after the other, the tests of each side by side; never fails itself.
pub async fn run(context: &Arc<Context>, suites: &[Suite], clock: &dyn Clock) -> Report {
    let started = clock.now();
    let began = std::time::Instant::now();
    let mut results = Vec::new();
    for suite in suites {
        results.push(one(context, suite, started).await);
    }
    Report {
        targets: context.bases.iter().chain(&context.mllp).cloned().collect(),
        started,
        took: began.elapsed(),
        suites: results,
        mask: context.client.mask(),
    }
}

async fn one(context: &Arc<Context>, suite: &Suite, started: Instant) -> SuiteResult {
    // Ids and control ids of two runs against one system must not meet.
    let run_id = format!("t{:x}", started.millis());
    match suite {
        Suite::TestScript(paths) => testscript::run(context, paths).await,
        Suite::FhirBase => base::run(context, &run_id).await,
        Suite::UsCore(tables) => us_core::run(context, tables).await,
        Suite::Mllp(path) => match mllp::load(path.as_deref()) {
            Ok(suite) => mllp::run(context, suite, &run_id).await,
            Err(error) => unread("mllp", error.to_string()),
        },
        Suite::Consent(files) => consent::run(context, files, started, &run_id).await,
        Suite::Ledger => ledger::run(context, &run_id).await,
    }
}

fn unread(name: &str, said: String) -> SuiteResult {
    let steps = vec![Step::error("the suite can be read", said)];
    let test = Test { group: name.to_owned(), name: "read".to_owned(), steps, ..Test::default() };
    SuiteResult { name: name.to_owned(), about: String::new(), tests: vec![test] }
}
