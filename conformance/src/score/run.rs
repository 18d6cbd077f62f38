//! Converts one input and measures the outcome.

use std::collections::{BTreeMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use mappers::{Packages, Unmapped};
use model::json::Json;
use model::outcome::Severity;

use super::converter::{self, Command, Elsewhere};
use super::corpus::{CorpusError, Input, bytes};
use super::facts::{self, Found, Outputs, Tier};
use super::invention::{self, Said, Tables};
use super::report::Tally;
use super::subject::{Format, Made, Remarks, timed};
use super::way_back::RoundTrip;
use super::{Options, Values, expected, narrative};

/// What became of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All its messages were converted, without any finding of warning or worse.
    Converted,
    /// At least one message was converted, and there were findings or refusals.
    ConvertedWithIssues,
    /// No message was converted, for this reason.
    Refused(String),
    /// The program failed. A defect of ours.
    Panicked,
}

impl Outcome {
    /// A word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Converted => "converted",
            Self::ConvertedWithIssues => "converted-with-issues",
            Self::Refused(_) => "refused",
            Self::Panicked => "panicked",
        }
    }
}

/// A fact that was not found.
#[derive(Clone, Debug)]
pub struct Missed {
    /// How much it matters.
    pub tier: Tier,
    /// Where it stands in the input.
    pub src: String,
    /// The resource types that would have counted.
    pub resources: Vec<String>,
    /// Its values, where [`Values::Shown`].
    pub values: Vec<String>,
}

/// What became of the deepest non-empty pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Pieces in the input, counted by its reader.
    pub pieces: usize,
    /// Mapped to an element.
    pub mapped: usize,
    /// Kept without a home of their own.
    pub kept: usize,
    /// Not in the output, with a reason.
    pub dropped: usize,
    /// Messages for which the three do not add up to the pieces: a silent loss.
    pub unbalanced: usize,
}

/// The measures of one input.
#[derive(Clone, Debug)]
pub struct FileScore {
    /// What it is written in.
    pub format: Format,
    /// The set it belongs to.
    pub set: String,
    /// File name.
    pub input: String,
    /// Which sums of its format it is part of, such as `full documents`; empty where there is one sum alone.
    pub group: &'static str,
    /// `CODE^TRIGGER` of the first readable message, `-` without one.
    pub message_type: String,
    /// Messages converted.
    pub messages: usize,
    /// Whether a message table describes its type; else it was read segment by segment.
    pub described: bool,
    /// What became of it.
    pub outcome: Outcome,
    /// Facts found and all, by tier in the order of [`Tier::ALL`].
    pub facts: [Tally; 4],
    /// Of the facts found, those that stand in elements and not only in extensions; and all.
    pub in_elements: [Tally; 4],
    /// Facts not found.
    pub missed: Vec<Missed>,
    /// Facts found only with the help of extensions: kept, but not translated.
    pub kept: Vec<Missed>,
    /// What became of its pieces.
    pub loss: Loss,
    /// What comes back.
    pub round_trip: RoundTrip,
    /// False if a second run gave other bytes.
    pub deterministic: bool,
    /// Findings of the validator that make an output invalid; without content.
    pub invalid: Vec<String>,
    /// Narratives in the output that hold what a browser would run or fetch, by resource type.
    pub unsafe_narratives: Vec<String>,
    /// What it says that found no home, where that was asked for.
    pub unmapped: Vec<Unmapped>,
    /// Whether the reader had anything to remark about the form of the input, information included.
    pub remarked: bool,
    /// For a made variant: whether outcome and number of messages are as expected.
    pub as_expected: Option<bool>,
    /// Leaves of the output, to tell a mapping from a copy of everything to everywhere.
    pub output_leaves: usize,
    /// Who sent it, by MSH-4 and MSH-3: names of systems; `-` if it does not say.
    pub sender: String,
    /// The mapping package that served it; empty for another converter.
    pub package: String,
    /// Leaves of the output that the input or a table of the mapping says, and all.
    pub invention: Tally,
    /// Places in the output whose values nothing says; without the values.
    pub invented: Vec<String>,
    /// By the system that made the expected file: expected leaves that are there, and all.
    pub expected: BTreeMap<String, Tally>,
    /// Questions to the ledger that it answered truly, and all that were asked.
    pub honesty: Tally,
    /// Microseconds for each message.
    pub micros: Vec<u64>,
}

/// As many output leaves as pieces, and no more: a converter that says everything everywhere finds every fact.
pub const LEAVES_CAP: usize = 6;

impl FileScore {
    /// Whether the output says far more than the input.
    pub fn is_stuffed(&self) -> bool {
        self.loss.pieces > 0 && self.output_leaves > LEAVES_CAP * self.loss.pieces
    }

    /// What is missing or wrong, in a line; values only where they were asked for.
    pub fn remarks(&self) -> String {
        let file = self;
        let mut remarks = Vec::new();
        if let Outcome::Refused(reason) = &file.outcome {
            remarks.push(reason.clone());
        }
        if file.loss.unbalanced > 0 {
            remarks.push("pieces unaccounted for".to_owned());
        }
        if !file.deterministic {
            remarks.push("two runs differ".to_owned());
        }
        if file.as_expected == Some(false) {
            remarks.push(format!("not as expected ({} messages)", file.messages));
        }
        remarks.extend(file.unsafe_narratives.iter().take(3).map(|place| format!("active narrative in {place}")));
        remarks.extend(file.invalid.iter().take(3).cloned());
        let mut places: Vec<_> = file
            .missed
            .iter()
            .filter(|missed| missed.tier == Tier::Core)
            .map(|missed| match missed.values.as_slice() {
                [] => missed.src.clone(),
                values => format!("{} = {}", missed.src, values.join(" + ")),
            })
            .collect();
        places.dedup();
        let more = places.len().saturating_sub(8);
        places.truncate(8);
        if more > 0 {
            places.push(format!("{more} more"));
        }
        remarks.extend(places);
        remarks.join("; ")
    }
}

pub(super) fn run(
    input: &Input,
    packages: &Packages,
    options: &Options,
    tables: &Tables,
    work: &Path,
) -> Result<FileScore, CorpusError> {
    let raw = bytes(&input.path)?;
    let facts = match &input.facts {
        Some(path) => facts::read(&bytes(path)?).map_err(|reason| CorpusError::Form { path: path.clone(), reason })?,
        None => Vec::new(),
    };
    let converted = match &options.converter {
        Some(command) => Ok(convert_by(command, input, &raw, options, tables, work)),
        None => catch_unwind(AssertUnwindSafe(|| convert(input.format, &raw, packages, options, tables))),
    };
    let panicked = converted.as_ref().map_or(true, |converted| converted.broken);
    let converted = converted.unwrap_or_default();
    let mut expected = BTreeMap::new();
    for path in &input.expected {
        if let Some(system) = expected::system(path)
            && let Some(tally) = expected::compare(&bytes(path)?, &converted.bundles)
        {
            expected.insert(system, tally);
        }
    }
    let mut score = FileScore {
        format: input.format,
        set: input.set.clone(),
        group: input.group(raw.len(), !facts.is_empty()),
        input: input.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        message_type: converted.message_type.clone().unwrap_or_else(|| "-".to_owned()),
        messages: converted.messages,
        described: converted.messages > 0 && !converted.undescribed,
        outcome: if panicked { Outcome::Panicked } else { converted.outcome() },
        facts: [Tally::default(); 4],
        in_elements: [Tally::default(); 4],
        missed: Vec::new(),
        kept: Vec::new(),
        loss: converted.loss,
        round_trip: converted.round_trip,
        deterministic: !converted.differs,
        output_leaves: converted.outputs.leaves(),
        remarked: converted.remarked,
        unsafe_narratives: converted.unsafe_narratives,
        unmapped: converted.unmapped,
        as_expected: None,
        invalid: converted.invalid,
        sender: converted.sender.clone().unwrap_or_else(|| "-".to_owned()),
        package: converted.package,
        invention: converted.invention,
        invented: converted.invented,
        expected,
        honesty: converted.honesty,
        micros: converted.micros,
    };
    score.as_expected = input.expect.as_ref().map(|(expect, messages)| as_expected(&score, expect, *messages));
    for fact in facts {
        let found = converted.outputs.find(&fact);
        let tier = Tier::ALL.iter().position(|tier| *tier == fact.tier).unwrap_or_default();
        if let (Some(tally), Some(elements)) = (score.facts.get_mut(tier), score.in_elements.get_mut(tier)) {
            tally.count(found != Found::Nowhere);
            elements.count(found == Found::InElements);
        }
        let values = if options.values == Values::Shown { fact.all } else { Vec::new() };
        let missed = Missed { tier: fact.tier, src: fact.src, resources: fact.resources, values };
        match found {
            Found::InElements => {}
            Found::WithExtensions => score.kept.push(missed),
            Found::Nowhere => score.missed.push(missed),
        }
    }
    Ok(score)
}

/// A variant with nothing odd about it may carry information-level findings; more is tolerated too, as the base
/// message itself may be odd. What must be reported must be reported.
fn as_expected(score: &FileScore, expect: &str, messages: usize) -> bool {
    let right_number = score.messages == messages;
    match expect {
        "converted" => right_number && matches!(score.outcome, Outcome::Converted | Outcome::ConvertedWithIssues),
        "converted-with-issues" => right_number && score.outcome == Outcome::ConvertedWithIssues,
        "rejected with a reason" => score.messages == 0 && matches!(score.outcome, Outcome::Refused(_)),
        _ => match score.outcome {
            Outcome::Panicked => false,
            Outcome::Converted => right_number && score.remarked,
            Outcome::ConvertedWithIssues => right_number,
            Outcome::Refused(_) => true,
        },
    }
}

#[derive(Default)]
struct Converted {
    message_type: Option<String>,
    messages: usize,
    undescribed: bool,
    issues: bool,
    remarked: bool,
    refusals: Vec<String>,
    outputs: Outputs,
    loss: Loss,
    round_trip: RoundTrip,
    differs: bool,
    invalid: Vec<String>,
    unsafe_narratives: Vec<String>,
    unmapped: Vec<Unmapped>,
    bundles: Vec<Json>,
    sender: Option<String>,
    package: String,
    invention: Tally,
    invented: Vec<String>,
    honesty: Tally,
    micros: Vec<u64>,
    /// The other converter failed.
    broken: bool,
}

impl Converted {
    fn outcome(&self) -> Outcome {
        match (self.messages, self.refusals.first()) {
            (0, Some(reason)) => Outcome::Refused(reason.clone()),
            (0, None) => Outcome::Refused("no message".to_owned()),
            (_, None) if !self.issues => Outcome::Converted,
            _ => Outcome::ConvertedWithIssues,
        }
    }
}

fn convert(format: Format, raw: &[u8], packages: &Packages, options: &Options, tables: &Tables) -> Converted {
    let divided = format.split(raw);
    let mut out = Converted { issues: divided.findings, ..Default::default() };
    for part in &divided.parts {
        let (read, reading) = timed(|| format.read(part));
        let subject = match read {
            Ok(subject) => subject,
            Err(reason) => {
                out.refusals.push(reason);
                continue;
            }
        };
        out.message_type.get_or_insert_with(|| subject.kind());
        out.sender.get_or_insert_with(|| subject.sender());
        let made = match subject.convert(packages, options) {
            Ok(made) => made,
            Err(reason) => {
                out.undescribed = true;
                out.refusals.push(reason);
                continue;
            }
        };
        out.micros.push(reading + made.micros);
        out.undescribed |= !made.described;
        if let Some(package) = made.package {
            package.name().clone_into(&mut out.package);
        }
        out.messages += 1;
        out.remarked |= subject.remarks() > Remarks::None;
        out.issues |= subject.remarks() == Remarks::Findings;
        out.issues |= made.issues.iter().any(|issue| issue.severity != Severity::Information);
        let again = subject.convert(packages, options).map(|again| again.output.to_bytes());
        out.differs |= again != Ok(made.output.to_bytes());
        let mut said = Said::default();
        subject.say(&mut said);
        if out.messages <= options.honesty {
            out.honesty.add(subject.honesty(&made, options));
        }
        count_loss(subject.pieces(), &made, &mut out.loss);
        subject.way_back(&made, options, &mut out.round_trip);
        out.judge(&made.output, &said, options, tables);
        if model::resource::resource_type(&made.output) == Some("Bundle") {
            out.invalid.extend(dangling(&made.output));
        }
        out.unmapped.extend(made.unmapped);
        out.bundles.push(made.output);
    }
    out
}

impl Converted {
    /// What can be asked of any output, whoever made it.
    fn judge(&mut self, output: &Json, said: &Said, options: &Options, tables: &Tables) {
        self.outputs.add(output);
        let tally = invention::count(output, said, tables, &mut self.invented);
        self.invention.add(tally);
        narrative::unsafe_ones(output, &mut self.unsafe_narratives);
        if let Some(judge) = &options.validate {
            let findings = (judge.0)(output).into_iter().filter(|issue| issue.is_error());
            self.invalid.extend(findings.map(|i| format!("{}: {}", i.at.unwrap_or_default(), i.diagnostics)));
        }
    }
}

/// The same input by another converter, twice: here, and elsewhere with another zone and locale.
fn convert_by(
    command: &Command,
    input: &Input,
    raw: &[u8],
    options: &Options,
    tables: &Tables,
    work: &Path,
) -> Converted {
    let mut out = Converted::default();
    let mut said = Said::default();
    let path = &input.path;
    for part in &input.format.split(raw).parts {
        if let Ok(subject) = input.format.read(part) {
            out.message_type.get_or_insert_with(|| subject.kind());
            out.sender.get_or_insert_with(|| subject.sender());
            out.loss.pieces += subject.pieces();
            subject.say(&mut said);
        }
    }
    let run = match command.run(path, work, Elsewhere::No) {
        Ok(run) => run,
        Err(converter::Failure::Refused(reason)) => {
            out.refusals.push(reason);
            return out;
        }
        Err(converter::Failure::Broken(reason)) => {
            out.refusals.push(reason.to_owned());
            out.broken = true;
            return out;
        }
    };
    out.differs = command.run(path, work, Elsewhere::Yes).map(|again| again.bytes) != Ok(run.bytes);
    out.messages = run.outputs.len();
    let each = run.took.as_micros() / (out.messages.max(1) as u128);
    out.micros = vec![u64::try_from(each).unwrap_or(u64::MAX); out.messages];
    for output in run.outputs {
        out.judge(&output, &said, options, tables);
        out.bundles.push(output);
    }
    out
}

/// References to a resource that is not in the Bundle: a message says nothing about resources elsewhere.
fn dangling(bundle: &Json) -> Vec<String> {
    let name = |resource: &Json| {
        let resource_type = model::resource::resource_type(resource)?;
        Some(format!("{resource_type}/{}", model::resource::id(resource)?))
    };
    let mut known: HashSet<String> = model::bundle::resources(bundle).filter_map(name).collect();
    known.extend(model::bundle::entries(bundle).filter_map(|entry| entry.full_url().map(str::to_owned)));
    let references = model::bundle::resources(bundle).flat_map(model::resource::references);
    references
        .filter(|reference| !reference.target.starts_with('#') && !known.contains(reference.target))
        .map(|reference| format!("{}: refers to nothing in the Bundle", reference.path))
        .collect()
}

fn count_loss(pieces: usize, made: &Made<'_>, out: &mut Loss) {
    let ledger = &made.ledger;
    out.pieces += pieces;
    out.mapped += ledger.mapped.len();
    out.kept += ledger.kept.len();
    out.dropped += ledger.dropped.len();
    if ledger.total() != pieces {
        out.unbalanced += 1;
    }
}
