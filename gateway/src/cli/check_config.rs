//! `anchorline check-config`: everything that is wrong with a configuration, each with its key and a suggestion, and with
//! the mapping packages and the sensitivity rules that it leads to, each with file and line.

use super::Failure;
use super::args::CheckConfigArguments;
use super::reporter::Reporter;
use crate::config::{Config, ConfigError};
use crate::{packages, parameters, sensitivity};

pub(crate) fn run(options: &CheckConfigArguments, reporter: &Reporter) -> Result<(), Failure> {
    let config = match Config::load(&options.file) {
        Ok(config) => config,
        Err(ConfigError::Problems(problems)) => return refused(options, reporter, &problems),
        Err(other) => return Err(Failure::usage(other)),
    };
    for notice in &config.notices {
        reporter.remark(&format!("{}: {notice}", options.file.display()));
    }
    if let Err(faults) = sensitivity::load(&config.consent.sensitivity) {
        return refused(options, reporter, &faults);
    }
    match parameters::load(&config.search_parameters) {
        Ok((_, left_out)) => left_out.iter().for_each(|problem| {
            reporter.remark(&format!("{}: search parameter left out: {problem}", options.file.display()))
        }),
        Err(error) => return refused(options, reporter, &[error]),
    }
    match packages::check(&config, Some(&options.data)) {
        Ok(own) if own.is_empty() => reporter.line(&format!("{}: nothing is wrong", options.file.display())),
        Ok(own) => reporter.line(&format!(
            "{}: nothing is wrong; mapping packages of the site: {}",
            options.file.display(),
            own.join(", ")
        )),
        Err(faults) => refused(options, reporter, &faults),
    }
}

fn refused(
    options: &CheckConfigArguments,
    reporter: &Reporter,
    found: &[impl std::fmt::Display],
) -> Result<(), Failure> {
    for problem in found {
        reporter.line(&problem.to_string())?;
    }
    Err(Failure::Refused(format!("{}: {} to mend", options.file.display(), found.len())))
}
