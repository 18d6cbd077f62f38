//! `anchorline validate`: FHIR files against R4 and profiles, one line a file, in the order they were given.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, SyncSender};

use conformance::file::{self, FileReport};
use conformance::validate::{Level, Options, Validator};
use model::json::Limits;
use terminology::remote::Policy;

use super::Failure;
use super::args::{ReportFormat, ValidateArguments, ValidationLevel};
use super::input;
use super::progress::Progress;
use super::reporter::Reporter;
use crate::{terminology_server, validation};

/// Bundles of a whole record are larger than a message.
const LIMITS: Limits = Limits { bytes: 1 << 30, depth: 128 };
/// Reports on their way to the printer.
const WAITING: usize = 64;

pub(crate) fn run(options: &ValidateArguments, reporter: &Reporter) -> Result<(), Failure> {
    let loaded = validation::load(&options.ig, &options.package, options.cache.as_deref());
    let loaded = loaded.map_err(|error| Failure::Usage(super::chain(&error)))?;
    if !loaded.missing.is_empty() {
        let names: Vec<String> = loaded.missing.iter().map(|it| format!("{}#{}", it.name, it.version)).collect();
        reporter.remark(&format!("not installed, so what they define is unknown: {}", names.join(", ")));
    }
    let remote = match &options.terminology_server {
        Some(address) => {
            let remote = terminology_server::connect(address, options.ca.as_deref(), Policy::default());
            Some(remote.map_err(|error| Failure::Usage(format!("--terminology-server: {}", super::chain(&error))))?)
        }
        None => None,
    };
    let validator = validation::validator(loaded.definitions, options.terminology.as_deref(), remote);
    let validator = validator.map_err(|error| Failure::Usage(super::chain(&error)))?;
    let sizes = options.files.iter().filter_map(|path| std::fs::metadata(path).ok()).map(|meta| meta.len()).sum();
    let progress = Progress::over(sizes, *reporter);
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let next = AtomicUsize::new(0);
    let mut bad = 0_usize;
    std::thread::scope(|scope| {
        let (sender, reports) = mpsc::sync_channel(WAITING);
        for _ in 0..processors.min(options.files.len()) {
            let (sender, validator, next) = (sender.clone(), &validator, &next);
            scope.spawn(move || work(options, validator, next, &sender));
        }
        drop(sender);
        print(reports, *reporter, &progress, &mut bad)
    })?;
    match bad {
        0 => Ok(()),
        _ => Err(Failure::Failed),
    }
}

/// One file's line, by its number.
struct Line {
    number: usize,
    text: String,
    valid: bool,
    size: usize,
}

/// Takes the next file until there is none.
fn work(options: &ValidateArguments, validator: &Validator, next: &AtomicUsize, sender: &SyncSender<Line>) {
    let asked = Options {
        profiles: &options.profile,
        level: match options.level {
            ValidationLevel::Structure => Level::Structure,
            ValidationLevel::Profile => Level::Profile,
        },
        best_practice: options.best_practice,
        ..Options::default()
    };
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(path) = options.files.get(number) else { return };
        let (report, size) = validate(path, validator, &asked);
        let text = match options.format {
            ReportFormat::Json => report.to_json().to_text(),
            ReportFormat::Text => report.to_line(),
        };
        // Nobody prints any more: standard output failed.
        if sender.send(Line { number, text, valid: report.valid, size }).is_err() {
            return;
        }
    }
}

fn validate(path: &Path, validator: &Validator, options: &Options<'_>) -> (FileReport, usize) {
    let name = path.display().to_string();
    match input::read(path) {
        Ok(bytes) => (file::file(validator, &name, &bytes, &LIMITS, options), bytes.len()),
        Err(failure) => (FileReport::unreadable(&name, &failure.to_string()), 0),
    }
}

/// Prints the lines in the order of the files, whichever is done first.
fn print(
    reports: mpsc::Receiver<Line>,
    reporter: Reporter,
    progress: &Progress,
    bad: &mut usize,
) -> Result<(), Failure> {
    let mut waiting: BTreeMap<usize, Line> = BTreeMap::new();
    let mut printed = 0;
    for line in reports {
        progress.advance(line.size as u64, printed + waiting.len() + 1);
        waiting.insert(line.number, line);
        while let Some(line) = waiting.remove(&printed) {
            *bad += usize::from(!line.valid);
            reporter.line(&line.text)?;
            printed += 1;
        }
    }
    Ok(())
}
