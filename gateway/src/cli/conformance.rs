//! `anchorline conformance`: the lint of packages, and the way to the other commands.

use conformance::lint;

use super::Failure;
use super::args::{ConformanceCommand, ReportFormat};
use super::reporter::Reporter;

pub(crate) fn run(command: ConformanceCommand, reporter: &Reporter) -> Result<(), Failure> {
    match command {
        ConformanceCommand::Coverage(arguments) => super::coverage::run(&arguments, *reporter),
        ConformanceCommand::Lint { accept, format, packages } => {
            if accept {
                for file in lint::accept(&packages).map_err(|error| Failure::Usage(super::chain(&error)))? {
                    reporter.remark(&format!("written: {}", file.display()));
                }
            }
            lint(format, &packages, *reporter)
        }
        ConformanceCommand::Score(arguments) => super::score::run(&arguments, *reporter),
        ConformanceCommand::Run(options) => super::run_suites::run(&options, *reporter),
        ConformanceCommand::Terminology(command) => super::terminology::run(command, *reporter),
        ConformanceCommand::AddPackage(options) => super::packages::add(&options, *reporter),
    }
}

fn lint(format: ReportFormat, packages: &[std::path::PathBuf], reporter: Reporter) -> Result<(), Failure> {
    let findings = lint::lint(packages).map_err(|error| Failure::Usage(super::chain(&error)))?;
    for finding in &findings {
        reporter.line(&match format {
            ReportFormat::Json => finding.to_json().to_text(),
            ReportFormat::Text => finding.to_line(),
        })?;
    }
    match findings.iter().filter(|finding| finding.is_error()).count() {
        0 => Ok(()),
        errors => Err(Failure::Refused(format!("{errors} errors"))),
    }
}
