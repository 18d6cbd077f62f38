//! The reporter of the demonstration: headings, labelled lines, colours on a terminal only.

use std::io::{self, IsTerminal, Write};

/// How a line is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// It happened.
    Plain,
    /// It was permitted, or held.
    Good,
    /// It was withheld or refused, as it should be.
    Stopped,
}

/// Writes to standard output.
#[derive(Debug)]
pub(super) struct Reporter {
    out: io::Stdout,
    is_coloured: bool,
    step: usize,
    failure: Option<io::Error>,
}

impl Reporter {
    pub(super) fn new() -> Self {
        let out = io::stdout();
        // https://no-color.org: any value switches colours off.
        let is_coloured = out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { out, is_coloured, step: 0, failure: None }
    }

    /// A line as it stands.
    pub(super) fn line(&mut self, text: &str) {
        let mut out = self.out.lock();
        if let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush()) {
            // A closed pipe (`| head`) is the reader's choice; anything else is told at the end.
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.failure.get_or_insert(error);
            }
        }
    }

    /// The heading of the next step.
    pub(super) fn step(&mut self, title: &str) {
        self.step += 1;
        let text = format!("{:>2}  {title}", self.step);
        let text = self.coloured("1", &text);
        self.line("");
        self.line(&text);
    }

    /// A fact under a heading.
    pub(super) fn fact(&mut self, label: &str, text: &str) {
        self.told(label, Tone::Plain, text);
    }

    /// A fact with a tone: what it is about stands before it.
    pub(super) fn told(&mut self, label: &str, tone: Tone, text: &str) {
        let text = match tone {
            Tone::Plain => text.to_owned(),
            Tone::Good => self.coloured("32", text),
            Tone::Stopped => self.coloured("33", text),
        };
        let label = self.coloured("2", &format!("{label:<10}"));
        self.line(&format!("    {label} {text}"));
    }

    /// Whether everything could be written.
    ///
    /// # Errors
    /// The first failure that was no closed pipe.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }

    fn coloured(&self, code: &str, text: &str) -> String {
        if self.is_coloured { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
