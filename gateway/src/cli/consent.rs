//! `anchorline consent …`: decision cases in, decisions out; resources in, labels and reasons out; R5 in, R4 out.

use std::path::Path;

use consent::cases::Suite;
use model::json::{self, Limits};

use super::Failure;
use super::args::ConsentCommand;
use super::input;
use super::reporter::Reporter;

mod label;

/// Decision cases are larger than a message: a file holds hundreds, each with its resources.
const LIMITS: Limits = Limits { bytes: 256 << 20, depth: 128 };

pub(crate) fn run(command: ConsentCommand, reporter: &Reporter) -> Result<(), Failure> {
    match command {
        ConsentCommand::Decide { repeat, file } => decide(&file, repeat, reporter),
        ConsentCommand::Convert { file } => convert(&file, reporter),
        ConsentCommand::Label { sensitivity, config, measure, files } => {
            let map = label::map(&sensitivity, config.as_deref())?;
            label::run(&map, &files, measure, reporter)
        }
    }
}

fn convert(file: &Path, reporter: &Reporter) -> Result<(), Failure> {
    let refuse = |why: String| Failure::Refused(format!("{}: {why}", file.display()));
    let consent = json::parse(&input::read(file)?, &LIMITS).map_err(|error| refuse(error.to_string()))?;
    let converted = consent::r5::convert(&consent)
        .map_err(|faults| refuse(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))?;
    if !converted.left_out.is_empty() {
        reporter.remark(&format!("left out, as it only describes: {}", converted.left_out.join(", ")));
    }
    let mut line = converted.consent.to_bytes();
    line.push(b'\n');
    reporter.result(&line)
}

fn decide(file: &Path, repeat: u32, reporter: &Reporter) -> Result<(), Failure> {
    let cases = json::parse(&input::read(file)?, &LIMITS)
        .map_err(|error| Failure::Refused(format!("{}: {error}", file.display())))?;
    let suite = Suite::read(&cases).map_err(|error| Failure::Refused(format!("{}: {error}", file.display())))?;
    if repeat > 1 {
        suite.repeat(repeat.saturating_sub(1) as usize);
    }
    let mut failed = 0_usize;
    let mut lines = Vec::new();
    for result in suite.run() {
        failed += usize::from(result.pass == Some(false));
        result.json.write(&mut lines);
        lines.push(b'\n');
    }
    reporter.result(&lines)?;
    match failed {
        0 => Ok(()),
        some => Err(Failure::Refused(format!("{some} decisions are not as expected"))),
    }
}
