//! The command line: a file per command, one reporter for what is printed.

mod args;
mod check_config;
mod conformance;
mod consent;
mod convert;
mod coverage;
mod fetch;
mod fhirpath;
mod input;
mod ledger;
mod mappers;
mod mapping;
mod packages;
mod progress;
mod reporter;
mod run_suites;
mod score;
mod serve;
mod store;
mod terminology;
mod token;
mod validate;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};
use reporter::Reporter;

/// Why a command did not succeed; each becomes one line on standard error and an exit status.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The input was refused, or a check failed: exit status 1.
    #[error("{0}")]
    Refused(String),
    /// The result was printed and is itself the refusal (a failed check): exit status 1 and nothing more to say.
    #[error("")]
    Failed,
    /// Usage or configuration: exit status 2.
    #[error("{0}")]
    Usage(String),
}

impl Failure {
    fn refused(error: impl std::fmt::Display) -> Self {
        Self::Refused(error.to_string())
    }

    fn usage(error: impl std::fmt::Display) -> Self {
        Self::Usage(error.to_string())
    }

    fn status(&self) -> u8 {
        match self {
            Self::Refused(_) | Self::Failed => 1,
            Self::Usage(_) => 2,
        }
    }
}

/// Runs one command and returns its exit status: 0 done, 1 refused or failed, 2 usage or configuration.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let reporter = Reporter::new(arguments.quiet);
    let log_format = arguments.log_format;
    let outcome = match arguments.command {
        Command::Demo(demo) => serve::demo(demo, log_format),
        Command::Serve(options) => serve::serve(options, log_format),
        Command::CheckConfig(check) => check_config::run(&check, &reporter),
        Command::Convert(options) => convert::run(&options, &reporter),
        Command::Validate(options) => validate::run(&options, &reporter),
        Command::Fhirpath(options) => fhirpath::run(&options, &reporter),
        Command::Consent(command) => consent::run(command, &reporter),
        Command::Ledger(command) => ledger::run(command, &reporter),
        Command::Conformance(command) => conformance::run(command, &reporter),
        Command::Mappers(command) => mappers::run(&command, &reporter),
        Command::Token(options) => token::run(&options, &reporter),
        Command::Store(command) => store::run(command, &reporter),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            reporter.failure(&failure.to_string());
            ExitCode::from(failure.status())
        }
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let said = source.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = source.source();
    }
    text
}
