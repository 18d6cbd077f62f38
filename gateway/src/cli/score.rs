//! `anchorline conformance score`: the quality of mappings over a corpus, ours and other converters'.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use conformance::lint::Files;
use conformance::score::facts::Tier;
use conformance::score::{self, Command, Group, Judge, Options, Report, Tables, Values};
use conformance::validate::{Level, Options as Validation, Validator};
use mappers::Packages;
use model::json::{Json, Limits, parse};

use super::Failure;
use super::args::{ReportFormat, ScoreArguments, ValidationLevel};
use super::input;
use super::mapping::{self, Given};
use super::progress::Progress;
use super::reporter::Reporter;

pub(crate) fn run(arguments: &ScoreArguments, reporter: Reporter) -> Result<(), Failure> {
    if arguments.ratchet.is_some() && !(arguments.set.is_empty() && arguments.message_type.is_empty()) {
        return Err(Failure::usage("--ratchet compares whole corpora: leave out --set and --type"));
    }
    let Given { names, files, packages } = mapping::packages(&arguments.package)?;
    let tables = Packages::embedded_files().into_iter().chain(files).collect::<Files>();
    let options = Options {
        sets: arguments.set.clone(),
        types: arguments.message_type.clone(),
        packages: names,
        timezone: arguments.timezone.clone(),
        validate: Some(judge(arguments.level)),
        values: if arguments.show_values { Values::Shown } else { Values::Hidden },
        tables: Some(Arc::new(Tables::of(&tables))),
        honesty: 1,
        details: if arguments.report.is_empty() { 0 } else { 20 },
        ..Options::default()
    };
    let mut commands = Vec::new();
    for text in &arguments.converter {
        let mut command = Command::parse(text).map_err(|error| Failure::Usage(format!("--converter: {error}")))?;
        command.timeout = Duration::from_secs(arguments.timeout_seconds);
        command.memory_bytes = arguments.memory_mib.saturating_mul(1 << 20);
        commands.push(command);
    }
    let ours = measure(&arguments.corpus, &packages, &options, reporter)?;
    let mut others = Vec::new();
    for command in commands {
        let options = Options { converter: Some(command), ..options.clone() };
        others.push(measure(&arguments.corpus, &packages, &options, reporter)?);
    }
    for path in &arguments.report {
        let html = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("html"));
        let text = if html { ours.to_html(&others) } else { json(&ours, &others).pretty() };
        input::write(path, text.as_bytes())?;
    }
    print(&ours, &others, arguments.format, reporter)?;
    ratchet(arguments.ratchet.as_deref(), &ours, reporter)
}

fn judge(level: ValidationLevel) -> Judge {
    let level = match level {
        ValidationLevel::Structure => Level::Structure,
        ValidationLevel::Profile => Level::Profile,
    };
    Judge(Arc::new(move |output: &Json| {
        Validator::r4().validate(output, &Validation { level, ..Validation::default() })
    }))
}

fn measure(corpus: &Path, packages: &Packages, options: &Options, reporter: Reporter) -> Result<Report, Failure> {
    let mut progress = None;
    let found = score::score(corpus, packages, options, &mut |done, all| {
        progress.get_or_insert_with(|| Progress::over(all as u64, reporter)).advance(1, done);
    });
    found.map_err(|error| Failure::Usage(super::chain(&error)))
}

fn json(ours: &Report, others: &[Report]) -> Json {
    let mut report = ours.to_json();
    if let Some(members) = report.as_object_mut()
        && !others.is_empty()
    {
        let compared = others.iter().map(|other| (other.converter.clone(), other.to_json()));
        members.insert("compared", Json::object(compared));
    }
    report
}

fn print(ours: &Report, others: &[Report], format: ReportFormat, reporter: Reporter) -> Result<(), Failure> {
    match format {
        ReportFormat::Json => reporter.line(&json(ours, others).to_text()),
        ReportFormat::Text => {
            for (name, group) in ours.by_type() {
                reporter.line(&line(name, &group))?;
            }
            reporter.line(&line("types the packages serve", &ours.served()))?;
            reporter.line(&line("all", &ours.total()))?;
            for other in others {
                reporter.line(&line(&format!("all, by {}", other.converter), &other.total()))?;
            }
            Ok(())
        }
    }
}

fn line(name: &str, group: &Group) -> String {
    let back = score::Tally { found: group.round_trip.equal, all: group.round_trip.pieces };
    // What was not asked, as of another converter, is not said to be perfect.
    let asked = |tally: score::Tally| if tally.all == 0 { "-".to_owned() } else { tally.percent() };
    let of = |tier| asked(group.tier(tier));
    let [median, p95, _] = group.speed;
    format!(
        "{name:<28} inputs {:>5}  refused {:>4}  core {:>7}  extended {:>7}  trace {:>7}  said {:>7}  back {:>7}  invalid {:>4}  \
         honest {:>7}  us {median}/{p95}",
        group.inputs,
        group.refused + group.panicked,
        of(Tier::Core),
        of(Tier::Extended),
        of(Tier::Trace),
        asked(group.invention),
        asked(back),
        group.invalid,
        asked(group.honesty),
    )
}

/// Compares with what was once reached, or writes it where the operator says so.
fn ratchet(path: Option<&Path>, report: &Report, reporter: Reporter) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    if std::env::var_os("UPDATE_RATCHET").is_some() {
        let mut text = score::ratchet(report).pretty();
        text.push('\n');
        return input::write(path, text.as_bytes());
    }
    let usage = |reason: String| Failure::Usage(format!("{}: {reason}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| usage(error.to_string()))?;
    let kept = parse(&bytes, &Limits::default()).map_err(|error| usage(error.to_string()))?;
    let worse = score::compare_with_ratchet(report, &kept);
    for line in &worse {
        reporter.remark(line);
    }
    match worse.first() {
        None => Ok(()),
        Some(first) => Err(Failure::Refused(format!("{} figures are worse than before, first {first}", worse.len()))),
    }
}
