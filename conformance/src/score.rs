//! How good mappings are, as numbers: what is kept of real inputs, and what is made up.
//!
//! A corpus is a folder of inputs, with facts beside them if there are any (see [`facts`] for what a fact is and when it
//! counts). Measured are facts by tier, what other systems make of the same, invention, validity, robustness,
//! determinism, the way back, FHIR to HL7 v2, speed, the honesty of the ledger and its sums. Inputs without facts count
//! for all that needs none. Another converter can be measured by its command line. `docs/mapping-quality.md` explains
//! the measures.

mod cda;
mod cda_facts;
mod converter;
pub mod corpus;
mod detail;
mod expected;
pub mod facts;
mod flat;
mod hl7v2;
mod honesty;
mod invention;
mod narrative;
mod page;
mod pairs;
mod ratchet;
mod report;
mod run;
mod subject;
mod versions;
mod way_back;

use std::path::Path;
use std::sync::Arc;

use mappers::Packages;
use model::json::Json;
use model::outcome::Issue;

pub use converter::{Command, CommandError};
pub use invention::Tables;
pub use pairs::PairScore;
pub use ratchet::{compare as compare_with_ratchet, ratchet};
pub use report::{Detail, Group, Report, Tally};
pub use run::{FileScore, LEAVES_CAP, Loss, Missed, Outcome};
pub use subject::Format;
pub use way_back::RoundTrip;

use corpus::CorpusError;

/// What to measure.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only inputs of these formats; empty: all.
    pub formats: Vec<Format>,
    /// Only sets with these names; empty: all.
    pub sets: Vec<String>,
    /// Only inputs whose message type is one of these, such as `ADT^A01`; empty: all.
    pub types: Vec<String>,
    /// Packages to choose from, as in a source's configuration; empty: the base package.
    pub packages: Vec<String>,
    /// Zone of times without one, as a source's configuration has it; none: such times keep their date alone.
    pub timezone: Option<String>,
    /// Judges an output; none: validity is not measured.
    pub validate: Option<Judge>,
    /// Measures this converter instead of the mapping packages.
    pub converter: Option<Command>,
    /// What tables may add to an output without inventing it; none: those of the embedded packages.
    pub tables: Option<Arc<Tables>>,
    /// As many messages of an input are asked the questions of honesty, which take two more conversions each.
    pub honesty: usize,
    /// Whether places that found no home are gathered, for who writes tables.
    pub unmapped: bool,
    /// As many of the worst inputs are opened in the report.
    pub details: usize,
    /// Whether the report may name the values that were missed. They are patient data unless the corpus is synthetic.
    pub values: Values,
}

/// Says what is wrong with an output.
#[derive(Clone)]
pub struct Judge(pub Arc<Judgement>);

/// What a [`Judge`] does: the problems of an output.
pub type Judgement = dyn Fn(&Json) -> Vec<Issue> + Send + Sync;

impl std::fmt::Debug for Judge {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Judge")
    }
}

impl From<fn(&Json) -> Vec<Issue>> for Judge {
    fn from(judge: fn(&Json) -> Vec<Issue>) -> Self {
        Self(Arc::new(judge))
    }
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
    let corpus = corpus::read(corpus)?;
    let chosen = |set: &String| options.sets.is_empty() || options.sets.contains(set);
    let of_format = |format: Format| options.formats.is_empty() || options.formats.contains(&format);
    let inputs = corpus.inputs.into_iter().filter(|input| chosen(&input.set) && of_format(input.format));
    let inputs: Vec<_> = inputs.collect();
    let tables = match &options.tables {
        Some(tables) => Arc::clone(tables),
        None => Arc::new(Tables::of(&Packages::embedded_files())),
    };
    let work = converter::Work::new().map_err(|source| CorpusError::Read { path: std::env::temp_dir(), source })?;
    let mut report = Report { converter: name(options), other_kinds: corpus.others, ..Report::default() };
    for (done, input) in (1..).zip(&inputs) {
        let file = run::run(input, packages, options, &tables, work.path())?;
        if options.types.is_empty() || options.types.contains(&file.message_type) {
            report.files.push(file);
        }
        progress(done, inputs.len());
    }
    if options.converter.is_none() && of_format(Format::Hl7v2) {
        for pair in corpus.pairs.iter().filter(|pair| chosen(&pair.set)) {
            report.pairs.push(pairs::run(pair, packages)?);
        }
    }
    report.details = detail::open(&report, &inputs, packages, options, work.path());
    Ok(report)
}

fn name(options: &Options) -> String {
    options.converter.as_ref().map_or_else(|| "anchorline".to_owned(), Command::name)
}

#[cfg(test)]
mod tests;
