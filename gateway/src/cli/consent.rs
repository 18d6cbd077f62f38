//! `anchorline consent decide`: decision cases in, decisions out.

use consent::cases::Suite;
use model::json::{self, Limits};

use super::Failure;
use super::args::ConsentCommand;
use super::input;
use super::reporter::Reporter;

/// Decision cases are larger than a message: a file holds hundreds, each with its resources.
const LIMITS: Limits = Limits { bytes: 256 << 20, depth: 128 };

pub(crate) fn run(command: ConsentCommand, reporter: &Reporter) -> Result<(), Failure> {
    let ConsentCommand::Decide { repeat, file } = command;
    let cases = json::parse(&input::read(&file)?, &LIMITS)
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
