//! `anchorline conformance`: the lint of packages and the score of mappings.

use std::path::Path;
use std::sync::Arc;

use conformance::score::{self, Group, Judge, Options};
use conformance::{lint, structure};
use mappers::Packages;

use super::Failure;
use super::args::{ConformanceCommand, ReportFormat};
use super::input;
use super::progress::Progress;
use super::reporter::Reporter;

pub(crate) fn run(command: ConformanceCommand, reporter: &Reporter) -> Result<(), Failure> {
    match command {
        ConformanceCommand::Lint { format, packages } => lint(format, &packages, *reporter),
        ConformanceCommand::Score { corpus, report, format } => score(&corpus, report.as_deref(), format, *reporter),
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

fn score(corpus: &Path, report: Option<&Path>, format: ReportFormat, reporter: Reporter) -> Result<(), Failure> {
    let packages = Packages::embedded()
        .map_err(|errors| Failure::Usage(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))?;
    let options = Options { validate: Some(Judge(Arc::new(structure::validate))), ..Options::default() };
    let mut progress = None;
    let found = score::score(corpus, &packages, &options, &mut |done, all| {
        progress.get_or_insert_with(|| Progress::over(all as u64, reporter)).advance(1, done);
    })
    .map_err(|error| Failure::Usage(super::chain(&error)))?;
    drop(progress);
    if let Some(path) = report {
        let html = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("html"));
        let text = if html { found.to_html(&[]) } else { found.to_json().pretty() };
        input::write(path, text.as_bytes())?;
    }
    match format {
        ReportFormat::Json => reporter.line(&found.to_json().to_text()),
        ReportFormat::Text => {
            for (name, group) in found.by_type() {
                reporter.line(&line(name, &group))?;
            }
            reporter.line(&line("types the packages serve", &found.served()))?;
            reporter.line(&line("all", &found.total()))
        }
    }
}

fn line(name: &str, group: &Group) -> String {
    use conformance::score::facts::Tier;
    let of = |tier| group.tier(tier).percent();
    format!("{name:<28} core {:>7}  extended {:>7}  trace {:>7}", of(Tier::Core), of(Tier::Extended), of(Tier::Trace))
}
