//! `anchorline check-config`: everything that is wrong with a configuration, each with its key and a suggestion.

use super::Failure;
use super::args::CheckConfigArguments;
use super::reporter::Reporter;
use crate::config::{Config, ConfigError};

pub(crate) fn run(options: &CheckConfigArguments, reporter: &Reporter) -> Result<(), Failure> {
    match Config::load(&options.file) {
        Ok(config) => {
            for notice in &config.notices {
                reporter.remark(&format!("{}: {notice}", options.file.display()));
            }
            reporter.line(&format!("{}: nothing is wrong", options.file.display()))
        }
        Err(ConfigError::Problems(problems)) => {
            for problem in &problems {
                reporter.line(&problem.to_string())?;
            }
            let count = problems.len();
            Err(Failure::Refused(format!("{}: {count} to mend", options.file.display())))
        }
        Err(other) => Err(Failure::usage(other)),
    }
}
