//! Converts one input and measures the outcome.

use std::collections::{BTreeMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Instant;

use formats::hl7v2::{Message, Severity, split_batch};
use mappers::{CONVERT_NAMESPACE, Context, Mapped, Package, Packages, Selector};
use model::json::Json;
use model::outcome::Severity as IssueSeverity;

use super::converter::{self, Command, Elsewhere};
use super::corpus::{CorpusError, Input, bytes};
use super::facts::{self, Found, Outputs, Tier};
use super::invention::{self, Said, Tables};
use super::report::Tally;
use super::way_back::{self, RoundTrip};
use super::{Options, Values, expected, honesty};

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
    /// Pieces in the input, counted by the lexer.
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
    /// The set it belongs to.
    pub set: String,
    /// File name.
    pub input: String,
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
        Some(command) => Ok(convert_by(command, &input.path, &raw, options, tables, work)),
        None => catch_unwind(AssertUnwindSafe(|| convert(&raw, packages, options, tables))),
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
        set: input.set.clone(),
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

fn convert(raw: &[u8], packages: &Packages, options: &Options, tables: &Tables) -> Converted {
    let batch = split_batch(raw);
    let mut out =
        Converted { issues: batch.issues.iter().any(|i| i.severity > Severity::Information), ..Default::default() };
    for part in &batch.messages {
        let started = Instant::now();
        let parsed = match Message::parse(&part.bytes) {
            Ok(parsed) => parsed,
            Err(error) => {
                out.refusals.push(error.to_string());
                continue;
            }
        };
        let message = &parsed.message;
        let message_type = format!("{}^{}", message.message_code(), message.trigger());
        out.message_type.get_or_insert(message_type);
        out.sender.get_or_insert_with(|| sender(message));
        let selector = Selector { names: &options.packages, format: "hl7v2", message };
        let package = match packages.select(&selector).or_else(|_| {
            out.undescribed = true;
            packages.select_by_segments(&selector)
        }) {
            Ok(package) => package,
            Err(error) => {
                out.refusals.push(error.to_string());
                continue;
            }
        };
        let mapped = map(package, message, options);
        out.micros.push(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX));
        package.name().clone_into(&mut out.package);
        out.messages += 1;
        out.remarked |= !parsed.issues.is_empty();
        out.issues |= parsed.issues.iter().any(|issue| issue.severity > Severity::Information);
        out.issues |= mapped.issues.iter().any(|issue| is_finding(issue.severity));
        out.differs |= map(package, message, options).bundle.to_bytes() != mapped.bundle.to_bytes();
        out.outputs.add(&mapped.bundle);
        let mut said = Said::default();
        add_texts(message, &mut said);
        let tally = invention::count(&mapped.bundle, &said, tables, &mut out.invented);
        out.invention.add(tally);
        if out.messages <= options.honesty {
            out.honesty.add(honesty::ask(package, message, &mapped, options));
        }
        count_loss(message, &mapped, &mut out.loss);
        if let Some(judge) = &options.validate {
            let findings = (judge.0)(&mapped.bundle).into_iter().filter(|issue| issue.is_error());
            out.invalid.extend(findings.map(|i| format!("{}: {}", i.at.unwrap_or_default(), i.diagnostics)));
        }
        out.invalid.extend(dangling(&mapped.bundle));
        way_back::measure(package, message, &mapped, options.timezone.as_deref(), &mut out.round_trip);
        out.bundles.push(mapped.bundle);
    }
    out
}

/// The same input by another converter, twice: here, and elsewhere with another zone and locale.
fn convert_by(
    command: &Command,
    path: &Path,
    raw: &[u8],
    options: &Options,
    tables: &Tables,
    work: &Path,
) -> Converted {
    let mut out = Converted::default();
    let mut said = Said::default();
    for part in &split_batch(raw).messages {
        if let Ok(parsed) = Message::parse(&part.bytes) {
            let message = &parsed.message;
            out.message_type.get_or_insert_with(|| format!("{}^{}", message.message_code(), message.trigger()));
            out.sender.get_or_insert_with(|| sender(message));
            out.loss.pieces += message.segments().map(|segment| segment.leaves().count()).sum::<usize>();
            add_texts(message, &mut said);
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
        out.outputs.add(&output);
        let tally = invention::count(&output, &said, tables, &mut out.invented);
        out.invention.add(tally);
        if let Some(judge) = &options.validate {
            let findings = (judge.0)(&output).into_iter().filter(|issue| issue.is_error());
            out.invalid.extend(findings.map(|i| format!("{}: {}", i.at.unwrap_or_default(), i.diagnostics)));
        }
        out.bundles.push(output);
    }
    out
}

/// MSH-4 and MSH-3, as far as they are names of systems.
fn sender(message: &Message) -> String {
    let name = |text: String| -> String {
        let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
        text.chars().filter(plain).take(40).collect::<String>().trim().to_owned()
    };
    let (facility, application) = (name(message.sending_facility()), name(message.sending_application()));
    match (facility.is_empty(), application.is_empty()) {
        (true, true) => "-".to_owned(),
        (true, false) => application,
        (false, true) => facility,
        (false, false) => format!("{facility} / {application}"),
    }
}

/// Every text of a message, by piece and by field.
fn add_texts(message: &Message, said: &mut Said) {
    for segment in message.segments() {
        said.add(segment.name());
        for field in segment.fields() {
            said.add(&field.whole_text());
        }
        for leaf in segment.leaves() {
            said.add(&formats::hl7v2::unescape(leaf.raw, message.delimiters(), message.charset()));
        }
    }
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

fn is_finding(severity: IssueSeverity) -> bool {
    !matches!(severity, IssueSeverity::Information)
}

pub(super) fn map(package: &Package, message: &Message, options: &Options) -> Mapped {
    // Nothing here may depend on the machine or the hour.
    let timezone = options.timezone.as_deref();
    package.map(
        message,
        &Context { namespace: &CONVERT_NAMESPACE, source: "", timezone, authorities: &[], received: None },
    )
}

fn count_loss(message: &Message, mapped: &Mapped, out: &mut Loss) {
    let pieces: usize = message.segments().map(|segment| segment.leaves().count()).sum();
    let loss = mapped.loss();
    out.pieces += pieces;
    out.mapped += loss.mapped.len();
    out.kept += loss.kept.len();
    out.dropped += loss.dropped.len();
    if loss.total() != pieces {
        out.unbalanced += 1;
    }
}
