//! `anchorline store`: moves and checks the data directory.

use super::Failure;
use super::args::StoreCommand;
use super::reporter::Reporter;

pub(crate) fn run(command: StoreCommand, _reporter: &Reporter) -> Result<(), Failure> {
    Err(Failure::Usage(format!("{command:?}")))
}
