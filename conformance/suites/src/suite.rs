//! Which suites there are, and running them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::time::Clock;

use crate::context::Context;
use crate::result::{Report, SuiteResult};
use crate::testscript;

/// A suite to run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Suite {
    /// FHIR TestScripts of these files and folders.
    TestScript(Vec<PathBuf>),
}

/// The names that `--suite` takes besides files, with what each is about.
pub const NAMES: [(&str, &str); 1] =
    [("testscript", "FHIR TestScripts (R4), JSON or XML, from the files and folders given")];

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
            _ if Path::new(name).exists() => Ok(Self::TestScript(vec![PathBuf::from(name)])),
            _ => Err(SuiteError::Unknown { name: name.to_owned(), known: NAMES.map(|(name, _)| name).join(", ") }),
        }
    }
}

/// Runs suites one after the other, the tests of each side by side; never fails itself.
pub async fn run(context: &Arc<Context>, suites: &[Suite], clock: &dyn Clock) -> Report {
    let started = clock.now();
    let began = std::time::Instant::now();
    let mut results = Vec::new();
    for suite in suites {
        results.push(one(context, suite).await);
    }
    Report {
        targets: context.bases.iter().chain(&context.mllp).cloned().collect(),
        started,
        took: began.elapsed(),
        suites: results,
        mask: context.client.mask(),
    }
}

async fn one(context: &Arc<Context>, suite: &Suite) -> SuiteResult {
    match suite {
        Suite::TestScript(paths) => testscript::run(context, paths).await,
    }
}
