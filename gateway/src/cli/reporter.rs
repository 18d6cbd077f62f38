//! Where everything that a command prints goes through: results to standard output, the rest to standard error.

use std::io::{self, IsTerminal, Write};

use super::Failure;

/// Prints results and remarks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reporter {
    quiet: bool,
}

impl Reporter {
    pub(crate) fn new(quiet: bool) -> Self {
        Self { quiet }
    }

    /// Whether a person watches standard error.
    pub(crate) fn watched(self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// Writes a result to standard output. A closed pipe (`| head`) ends quietly, as users of pipes expect.
    pub(crate) fn result(self, bytes: &[u8]) -> Result<(), Failure> {
        self.result_by(|out| out.write_all(bytes))
    }

    /// The same for a result that is written piece by piece.
    pub(crate) fn result_by(self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        // Standard output looks for line ends in what it is given: a file of one line would be held whole.
        let mut out = io::BufWriter::new(io::stdout().lock());
        match write(&mut out).and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::Refused(format!("standard output: {error}")))
            }
            _ => Ok(()),
        }
    }

    /// A result line.
    pub(crate) fn line(self, text: &str) -> Result<(), Failure> {
        self.result(format!("{text}\n").as_bytes())
    }

    /// A remark for the person at the terminal, unless `--quiet`.
    pub(crate) fn remark(self, text: &str) {
        if !self.quiet {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// The one line that says why a command did not succeed.
    pub(crate) fn failure(self, text: &str) {
        if !text.is_empty() {
            let _ = writeln!(io::stderr(), "anchorline: {}", text.lines().collect::<Vec<_>>().join("; "));
        }
    }
}
