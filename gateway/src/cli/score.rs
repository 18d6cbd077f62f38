//! `anchorline conformance score`: the quality of mappings over a corpus, ours and other converters'.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use conformance::lint::Files;
use conformance::score::facts::Tier;
use conformance::score::{self, Command, Format, Group, Judge, Options, Report, Tables, Values};
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
        formats: Format::ALL
            .into_iter()
            .filter(|it| arguments.input_format.iter().any(|name| name == it.as_str()))
            .collect(),
        unmapped: arguments.unmapped > 0,
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
    print(&ours, &others, arguments, reporter)?;
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

fn print(ours: &Report, others: &[Report], arguments: &ScoreArguments, reporter: Reporter) -> Result<(), Failure> {
    if arguments.format == ReportFormat::Json {
        return reporter.line(&json(ours, others).to_text());
    }
    for format in ours.formats() {
        let of_format = ours.of_format(format);
        let (parts, served) = match format {
            Format::Hl7v2 => (of_format.by_type(), "types the packages serve"),
            _ => (of_format.by_set(), "what the packages serve"),
        };
        for (name, group) in parts.into_iter().chain(of_format.by_group()) {
            reporter.line(&line(name, &group))?;
        }
        reporter.line(&line(served, &of_format.served()))?;
        reporter.line(&line(&format!("all of {}", format.as_str()), &of_format.total()))?;
        for other in others {
            let other = other.of_format(format);
            for (name, group) in other.by_group() {
                reporter.line(&line(&format!("{name}, by {}", other.converter), &group))?;
            }
            reporter.line(&line(&format!("all, by {}", other.converter), &other.total()))?;
        }
    }
    for (place, kept, dropped, files) in ours.unmapped().into_iter().take(arguments.unmapped) {
        reporter.line(&format!("no home: {place}  kept {kept}  dropped {dropped}  in {files} inputs"))?;
    }
    for ((tier, place, resources), count) in ours.misses().into_iter().take(arguments.missed) {
        reporter.line(&format!("missed: {} {place} in {resources}: {count} times", tier.as_str()))?;
    }
    for file in ours.worst().into_iter().take(arguments.missed) {
        reporter.line(&format!("worst: {}/{}: {}", file.set, file.input, file.remarks()))?;
    }
    Ok(())
}

fn line(name: &str, group: &Group) -> String {
    let back = score::Tally { found: group.round_trip.equal, all: group.round_trip.pieces };
    // What was not asked, as of another converter, is not said to be perfect.
    let asked = |tally: score::Tally| if tally.all == 0 { "-".to_owned() } else { tally.percent() };
    let of = |tier| asked(group.tier(tier));
    let [median, p95, _] = group.speed;
    format!(
        "{name:<28} inputs {:>5}  refused {:>4}  core {:>7}  document {:>7}  extended {:>7}  mean {}  trace {:>7}  said {:>7}  back {:>7}  invalid {:>4}  \
         active {:>2}  differ {:>2}  honest {:>7}  as expected {:>7}  us {median}/{p95}",
        group.inputs,
        group.refused + group.panicked,
        of(Tier::Core),
        of(Tier::Document),
        of(Tier::Extended),
        means(group),
        of(Tier::Trace),
        asked(group.invention),
        asked(back),
        group.invalid,
        group.unsafe_narratives,
        group.not_deterministic,
        asked(group.honesty),
        asked(group.as_expected),
    )
}

/// The mean of the inputs' recall, of the core, document and extended facts.
fn means(group: &Group) -> String {
    let mean = |tier: Tier| {
        let at = Tier::ALL.iter().position(|it| *it == tier).unwrap_or_default();
        let points = group.means.get(at).copied().unwrap_or_default();
        if group.tier(tier).all == 0 { "-".to_owned() } else { format!("{}.{:02}", points / 100, points % 100) }
    };
    [Tier::Core, Tier::Document, Tier::Extended].map(mean).join("/")
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
