//! `anchorline store`: moves and checks a data directory that no gateway has open.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::Failure;
use super::args::StoreCommand;
use super::progress::Progress;
use super::reporter::Reporter;

pub(crate) fn run(command: StoreCommand, reporter: &Reporter) -> Result<(), Failure> {
    match command {
        StoreCommand::Export { data, out } => export(&data, &out, *reporter),
        StoreCommand::Import { data, file } => import(&data, &file, *reporter),
        StoreCommand::Check { data } => check(&data, *reporter),
        StoreCommand::Compact { data } => compact(&data, *reporter),
    }
}

fn check(data: &Path, reporter: Reporter) -> Result<(), Failure> {
    let report = store::check(&existing(data)?, &mut bar(reporter)).map_err(|error| failed(&error))?;
    for problem in &report.problems {
        reporter.line(problem)?;
    }
    match report.problems.first() {
        None => reporter.line(&format!(
            "{} commits, {} versions, {} exchanges, {} ledger records: every byte holds and the index agrees",
            report.commits, report.versions, report.exchanges, report.ledger_records
        )),
        Some(first) => Err(Failure::Refused(format!("{first} ({} found)", report.problems.len()))),
    }
}

fn compact(data: &Path, reporter: Reporter) -> Result<(), Failure> {
    let report = store::compact(&existing(data)?).map_err(|error| failed(&error))?;
    reporter.line(&format!(
        "index {} KiB, was {} KiB; the journal ({} KiB) is kept whole",
        report.after_bytes >> 10,
        report.before_bytes >> 10,
        report.journal_bytes >> 10
    ))
}

fn export(data: &Path, out: &Path, reporter: Reporter) -> Result<(), Failure> {
    let config = existing(data)?;
    let mut to: Box<dyn Write> = if out == Path::new("-") {
        Box::new(io::stdout().lock())
    } else {
        Box::new(BufWriter::new(File::create(out).map_err(|error| said(out, &error))?))
    };
    let report = store::export(&config, &mut to, &mut bar(reporter)).map_err(|error| failed(&error))?;
    to.flush().map_err(|error| said(out, &error))?;
    drop(to);
    if out != Path::new("-") {
        // A backup that a power cut takes away is none.
        File::open(out).and_then(|file| file.sync_all()).map_err(|error| said(out, &error))?;
    }
    reporter.remark(&format!("{} commits, {} KiB", report.commits, report.bytes >> 10));
    Ok(())
}

fn import(data: &Path, file: &Path, reporter: Reporter) -> Result<(), Failure> {
    let mut from: Box<dyn Read> = if file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(file).map_err(|error| said(file, &error))?))
    };
    let size = std::fs::metadata(file).map_or(0, |meta| meta.len());
    let mut tell = bar(reporter);
    let config = opened(data);
    let report = store::import(&config, &mut from, &mut |done| tell(done, size)).map_err(|error| failed(&error))?;
    reporter.remark(&format!("{} commits, {} KiB", report.commits, report.bytes >> 10));
    Ok(())
}

/// With the rows that this release makes of what earlier ones wrote.
fn opened(data: &Path) -> store::Config {
    store::Config { derive: crate::index::rules(), ..store::Config::sled(data) }
}

/// The store of a directory that has one: a mistyped name must not be checked and found whole.
fn existing(data: &Path) -> Result<store::Config, Failure> {
    let folder: PathBuf = data.join("store");
    if folder.is_dir() {
        Ok(opened(data))
    } else {
        Err(Failure::Usage(format!("{}: no store is here", data.display())))
    }
}

fn bar(reporter: Reporter) -> impl FnMut(u64, u64) {
    let (mut progress, mut before) = (None::<Progress>, 0);
    move |done: u64, all: u64| {
        let step = done.saturating_sub(std::mem::replace(&mut before, done));
        progress.get_or_insert_with(|| Progress::over(all, reporter)).advance(step, 0);
    }
}

/// Damage is a failed check; what the operator has to change first is usage.
fn failed(error: &store::Error) -> Failure {
    let text = super::chain(error);
    match error {
        store::Error::Locked { .. } | store::Error::NotEmpty => Failure::Usage(text),
        _ => Failure::Refused(text),
    }
}

fn said(path: &Path, error: &io::Error) -> Failure {
    Failure::Refused(format!("{}: {error}", path.display()))
}
