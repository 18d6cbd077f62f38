//! How good the mappings are, as numbers: facts recovered over a corpus of real inputs.
//!
//! A corpus is a folder of inputs with facts beside them (see [`facts`] for what a fact is and when it counts). Each
//! input is converted in this process; measured are facts by tier, refusals and their reasons, what became of every
//! piece of the input, whether two runs agree, whether the output is valid and what comes back when it is rendered
//! again. An input without facts still counts: it must neither panic nor lose anything in silence.

pub mod corpus;
pub mod facts;
mod page;
mod ratchet;
mod report;
mod run;

use std::path::Path;

use mappers::Packages;
use model::json::Json;
use model::outcome::Issue;

pub use ratchet::{compare as compare_with_ratchet, ratchet};
pub use report::{Group, Report, Tally};
pub use run::{FileScore, Loss, Missed, Outcome, RoundTrip};

use corpus::CorpusError;

/// What to measure.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only sets with these names; empty: all.
    pub sets: Vec<String>,
    /// Only inputs whose message type is one of these, such as `ADT^A01`; empty: all.
    pub types: Vec<String>,
    /// Packages to choose from, as in a source's configuration; empty: the base package.
    pub packages: Vec<String>,
    /// Zone of times without one, as a source's configuration has it; none: such times keep their date alone.
    pub timezone: Option<String>,
    /// Judges an output; none: validity is not measured.
    pub validate: Option<fn(&Json) -> Vec<Issue>>,
    /// Whether the report may name the values that were missed. They are patient data unless the corpus is synthetic.
    pub values: Values,
}

/// Whether values of the inputs may stand in a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Values {
    /// Only places are named.
    #[default]
    Hidden,
    /// The values of missed facts are named: for corpora of samples.
    Shown,
}

/// Converts and measures every input of a corpus.
///
/// `progress` is told the number of inputs done and of all, after each.
///
/// # Errors
/// [`CorpusError`] where the folder, its manifest or a facts file cannot be read: the fault of whoever keeps the
/// corpus. What is wrong with an input is part of the report.
pub fn score(
    corpus: &Path,
    packages: &Packages,
    options: &Options,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Report, CorpusError> {
    let (inputs, other_kinds) = corpus::inputs(corpus)?;
    let inputs: Vec<_> =
        inputs.into_iter().filter(|i| options.sets.is_empty() || options.sets.contains(&i.set)).collect();
    let mut files = Vec::with_capacity(inputs.len());
    for (done, input) in (1..).zip(&inputs) {
        let file = run::run(input, packages, options)?;
        if options.types.is_empty() || options.types.contains(&file.message_type) {
            files.push(file);
        }
        progress(done, inputs.len());
    }
    Ok(Report { files, other_kinds })
}

#[cfg(test)]
mod tests;
