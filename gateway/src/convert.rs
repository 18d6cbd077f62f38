//! Translation alone: nothing stored, nobody asked. Serves `anchorline convert` and `POST /convert`.
//!
//! Pure: the namespace of ids is the published one, no clock and no randomness take part, so the same input and
//! configuration give the same bytes anywhere.

use std::io::{self, Read};
use std::ops::ControlFlow;

use formats::hl7v2::{self, Continuations, Message, Split, Splitter, Whole};
use mappers::{CONVERT_NAMESPACE, Context, Packages, SelectError, Selector};
use model::json::{Json, Limits};
use model::outcome::{Issue, Severity};
use model::xml;

pub mod target;

use target::Target;

/// A format by the names of the command line and of `/convert`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Seen from the content: `MSH`, `FHS` or `BHS`, JSON, XML.
    Auto,
    /// HL7 v2, ER7 encoding.
    Hl7v2,
    /// FHIR R4 JSON.
    FhirR4,
    /// A format with a name in the interface that this release does not translate yet.
    Unsupported(&'static str),
}

/// Names of the interface that this release does not translate yet (docs/limits.md).
const LATER: [&str; 7] = ["ccda", "fhir-r4b", "fhir-r5", "fhir-stu3", "fhir-dstu2", "csv", "device"];

impl Format {
    /// Reads a name such as `fhir-r4`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "auto" => Some(Self::Auto),
            "hl7v2" => Some(Self::Hl7v2),
            "fhir-r4" => Some(Self::FhirR4),
            _ => LATER.iter().find(|later| **later == name).map(|later| Self::Unsupported(later)),
        }
    }

    /// Reads a media type such as `application/hl7-v2`; parameters are ignored.
    #[must_use]
    pub fn from_content_type(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/hl7-v2" | "x-application/hl7-v2+er7" | "application/edi-hl7v2" => Some(Self::Hl7v2),
            "application/fhir+json" | "application/json" | "application/fhir+xml" => Some(Self::FhirR4),
            "application/cda+xml" => Some(Self::Unsupported("ccda")),
            "text/csv" => Some(Self::Unsupported("csv")),
            _ => None,
        }
    }

    /// The media type of what is written in this format.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Hl7v2 => "application/hl7-v2",
            Self::FhirR4 => "application/fhir+json",
            Self::Auto | Self::Unsupported(_) => "application/octet-stream",
        }
    }

    /// What the content looks like; `None` if like nothing known.
    #[must_use]
    pub fn detect(input: &[u8]) -> Option<Self> {
        // UTF-16 leaves a NUL beside each letter; byte order marks and MLLP framing may come first.
        let letters: Vec<u8> = input
            .iter()
            .take(64)
            .copied()
            .filter(|byte| byte.is_ascii() && !byte.is_ascii_control() && !byte.is_ascii_whitespace())
            .take(3)
            .collect();
        match letters.as_slice() {
            b"MSH" | b"FHS" | b"BHS" => Some(Self::Hl7v2),
            [b'{', ..] => Some(Self::FhirR4),
            // FHIR declares its namespace on the root element, which comments and a style sheet may keep a little away.
            [b'<', ..] if contains(input.get(..4096).unwrap_or(input), FHIR_NAMESPACE) => Some(Self::FhirR4),
            [b'<', ..] => Some(Self::Unsupported("ccda")),
            _ => None,
        }
    }
}

const FHIR_NAMESPACE: &[u8] = b"http://hl7.org/fhir";

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Conversion {
    /// Format of the input.
    pub from: Format,
    /// Format to write.
    pub to: Format,
    /// Packages to choose from, the most special first; empty: as the message says.
    pub packages: Vec<String>,
    /// Zone of times without one.
    pub timezone: Option<String>,
    /// Whether loss and explanation are asked for; they cost as much as the translation.
    pub reports: Reports,
    /// How HL7 v2 is to be written.
    pub target: Target,
}

/// Whether [`Output::loss`] and [`Output::explain`] are filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reports {
    /// They are null.
    Left,
    /// They say where every piece went.
    Made,
}

/// Longest message of a stream.
pub const MESSAGE_LIMIT_BYTES: usize = 256 << 20;

/// Messages sent in several parts that may be open at once, and their size in all.
const CONTINUATIONS: usize = 16;
const CONTINUATIONS_BYTES: usize = 64 << 20;

/// So much is read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Enough to tell formats apart.
const HEAD_BYTES: usize = 4096;

/// One message of the input.
#[derive(Debug)]
pub struct Part {
    /// Its number in the input, from 1.
    pub number: usize,
    /// Whether the input is a batch: its parts are then always numbered, even if there is one.
    pub of_batch: bool,
    /// What came of it, or why it was refused.
    pub result: Result<Output, Vec<Issue>>,
}

/// A translated message. Holds patient data.
#[derive(Debug)]
pub struct Output {
    /// The result in the format asked for.
    pub bytes: Vec<u8>,
    /// Findings.
    pub issues: Vec<Issue>,
    /// Where every piece of the input went.
    pub loss: Json,
    /// Which rule made each element.
    pub explain: Json,
}

/// Translates every message of the input and hands each to `take` as soon as it is done, in order; returns whether the
/// input is a batch (its parts are then always numbered, even if there is one).
pub fn convert(packages: &Packages, request: &Conversion, input: &[u8], mut take: impl FnMut(Part)) -> bool {
    let mut take = |part| {
        take(part);
        ControlFlow::Continue(())
    };
    let from = detected(request, input);
    if from != Some(Format::Hl7v2) || matches!(request.to, Format::Unsupported(_)) {
        let _ = take(single(packages, request, from, input));
        return false;
    }
    let mut messages = Messages::new(packages, request);
    let _ = messages.push(input, &mut take);
    let _ = messages.finish(&mut take);
    messages.of_batch
}

/// As [`convert`], from a reader, in memory that grows with the largest message and not with the input; what is no
/// HL7 v2 is read whole. `take` may end it early.
///
/// # Errors
/// What the reader says, and [`io::ErrorKind::FileTooLarge`] for other formats above `limit_bytes`.
pub fn convert_stream(
    packages: &Packages,
    request: &Conversion,
    input: &mut dyn Read,
    limit_bytes: u64,
    mut take: impl FnMut(Part) -> ControlFlow<()>,
) -> io::Result<()> {
    let mut head = Vec::new();
    input.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    let from = detected(request, &head);
    if from != Some(Format::Hl7v2) || matches!(request.to, Format::Unsupported(_)) {
        input.take(limit_bytes).read_to_end(&mut head)?;
        if head.len() as u64 > limit_bytes {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let _ = take(single(packages, request, from, &head));
        return Ok(());
    }
    let mut messages = Messages::new(packages, request);
    let mut ended = messages.push(&head, &mut take);
    let mut chunk = vec![0; CHUNK_BYTES];
    while ended.is_continue() {
        let read = match input.read(&mut chunk) {
            Ok(0) => {
                let _ = messages.finish(&mut take);
                break;
            }
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        ended = messages.push(chunk.get(..read).unwrap_or_default(), &mut take);
    }
    Ok(())
}

fn detected(request: &Conversion, input: &[u8]) -> Option<Format> {
    match request.from {
        Format::Auto => Format::detect(input),
        given => Some(given),
    }
}

/// An input that is one message by its format.
fn single(packages: &Packages, request: &Conversion, from: Option<Format>, input: &[u8]) -> Part {
    let refuse = |code, text: String| Err(vec![Issue::error(code, text)]);
    let result = match (from, request.to) {
        (None, _) => refuse("structure", "expected HL7 v2, FHIR JSON or C-CDA, found neither".into()),
        (Some(Format::Unsupported(name)), _) | (_, Format::Unsupported(name)) => {
            refuse("not-supported", format!("{name} is not translated by this release"))
        }
        (Some(_), to) => fhir(packages, request, to, input),
    };
    Part { number: 1, of_batch: false, result }
}

/// The messages of an HL7 v2 payload, translated as they become whole.
struct Messages<'a> {
    packages: &'a Packages,
    request: &'a Conversion,
    splitter: Splitter,
    continuations: Continuations,
    of_batch: bool,
    /// Findings about the envelope that no part has taken yet.
    envelope: Vec<Issue>,
}

impl<'a> Messages<'a> {
    fn new(packages: &'a Packages, request: &'a Conversion) -> Self {
        Self {
            packages,
            request,
            splitter: Splitter::new(MESSAGE_LIMIT_BYTES),
            continuations: Continuations::new(CONTINUATIONS, CONTINUATIONS_BYTES),
            of_batch: false,
            envelope: Vec::new(),
        }
    }

    fn push(&mut self, bytes: &[u8], take: &mut impl FnMut(Part) -> ControlFlow<()>) -> ControlFlow<()> {
        self.splitter.push(bytes);
        self.drain(take)
    }

    fn finish(&mut self, take: &mut impl FnMut(Part) -> ControlFlow<()>) -> ControlFlow<()> {
        self.splitter.finish();
        self.drain(take)?;
        for whole in self.continuations.finish() {
            take(self.translated(whole))?;
        }
        self.envelope.extend(self.splitter.issues().iter().map(format_issue));
        if self.envelope.is_empty() {
            return ControlFlow::Continue(());
        }
        // An envelope around nothing, with something wrong about it.
        self.of_batch = true;
        take(Part { number: 1, of_batch: true, result: Err(std::mem::take(&mut self.envelope)) })
    }

    fn drain(&mut self, take: &mut impl FnMut(Part) -> ControlFlow<()>) -> ControlFlow<()> {
        while let Some(Split { number, of_batch, bytes, issues }) = self.splitter.next() {
            self.of_batch = of_batch;
            self.envelope.extend(issues.iter().map(format_issue));
            let Some(bytes) = bytes else {
                let text =
                    format!("expected a message of at most {} MiB, found a longer one", MESSAGE_LIMIT_BYTES >> 20);
                let mut issues = vec![Issue::error("too-long", text)];
                issues.append(&mut self.envelope);
                take(Part { number, of_batch, result: Err(issues) })?;
                continue;
            };
            for whole in self.continuations.push(number, bytes) {
                take(self.translated(whole))?;
            }
        }
        ControlFlow::Continue(())
    }

    fn translated(&mut self, whole: Whole) -> Part {
        let mut result = message(self.packages, self.request, self.request.to, &whole.bytes);
        let (Ok(Output { issues, .. }) | Err(issues)) = &mut result;
        if whole.parts > 1 {
            let text = format!("joined of {} messages by their continuation pointers", whole.parts);
            issues.push(Issue::new(Severity::Information, "informational", text).at("DSC").rule("continuation-joined"));
        }
        issues.append(&mut self.envelope);
        Part { number: whole.number, of_batch: self.of_batch, result }
    }
}

fn message(packages: &Packages, request: &Conversion, to: Format, bytes: &[u8]) -> Result<Output, Vec<Issue>> {
    let parsed = Message::parse(bytes).map_err(|error| {
        let issue = Issue::error("structure", error.to_string());
        vec![match error.at() {
            Some(at) => issue.at(at),
            None => issue,
        }]
    })?;
    let selector = Selector { names: &request.packages, format: "hl7v2", message: &parsed.message };
    // A type without a table of its own is translated by what its segments say: nothing is stored here.
    let package = packages.select_by_segments(&selector).map_err(|error| vec![select_issue(&error)])?;
    let context = Context {
        namespace: &CONVERT_NAMESPACE,
        source: "",
        timezone: request.timezone.as_deref(),
        authorities: &[],
        received: None,
    };
    let mapped = match request.reports {
        Reports::Left => package.map_counted(&parsed.message, &context),
        Reports::Made => package.map(&parsed.message, &context),
    };
    let mut issues: Vec<Issue> = parsed.issues.iter().map(format_issue).collect();
    issues.extend(mapped.issues.iter().cloned());
    let (loss, explain) = match request.reports {
        Reports::Left => (Json::Null, Json::Null),
        Reports::Made => {
            (mapped.loss().to_json(), Json::array(mapped.explain().iter().map(mappers::Explained::to_json)))
        }
    };
    let bytes = if to == Format::Hl7v2 {
        let rendered = package.render(&mapped.bundle, &request.target.context(None));
        issues.extend(rendered.issues);
        rendered.bytes
    } else {
        mapped.bundle.to_bytes()
    };
    Ok(Output { bytes, issues, loss, explain })
}

fn fhir(packages: &Packages, request: &Conversion, to: Format, input: &[u8]) -> Result<Output, Vec<Issue>> {
    let is_xml = xml::looks_like(input);
    let (tree, mut issues) = conformance::file::read(input, &Limits::default()).map_err(|issue| vec![issue])?;
    let form = conformance::validate::form(&tree);
    if to == Format::Hl7v2 {
        issues.extend(form.into_iter().map(bearable));
    } else {
        issues.extend(form);
    }
    if model::outcome::any_error(&issues) {
        return Err(issues);
    }
    if to != Format::Hl7v2 {
        // A resource that is R4 already stays what it is, byte for byte; XML becomes the same resource in JSON.
        let empty = mappers::Loss::default().to_json();
        let bytes = if is_xml { tree.to_bytes() } else { input.to_vec() };
        return Ok(Output { bytes, issues, loss: empty, explain: Json::array([]) });
    }
    let package = packages.select_writer(&request.packages, &tree).map_err(|error| vec![select_issue(&error)])?;
    let context = request.target.context(request.timezone.clone());
    let (rendered, loss) = package.render_with_loss(&tree, &context);
    issues.extend(rendered.issues);
    if rendered.bytes.is_empty() {
        return Err(issues);
    }
    Ok(Output { bytes: rendered.bytes, issues, loss: loss.to_json(), explain: Json::array([]) })
}

/// What is wrong with a resource's form is a warning where it is only read: nothing of it is stored, and what is right
/// in it is translated.
fn bearable(mut issue: Issue) -> Issue {
    if issue.severity == Severity::Error {
        issue.severity = Severity::Warning;
    }
    issue
}

/// A finding of the lexer as an issue of an OperationOutcome.
#[must_use]
pub fn format_issue(found: &hl7v2::FormatIssue) -> Issue {
    let severity = match found.severity {
        hl7v2::Severity::Information => Severity::Information,
        hl7v2::Severity::Warning => Severity::Warning,
        hl7v2::Severity::Error => Severity::Error,
    };
    let issue = Issue::new(severity, "structure", found.detail.clone()).rule(found.code);
    match &found.at {
        Some(at) => issue.at(at.clone()),
        None => issue,
    }
}

fn select_issue(error: &SelectError) -> Issue {
    match error {
        SelectError::UnknownMessageType => Issue::error("not-supported", error.to_string()).at("MSH-9"),
        _ => Issue::error("not-found", error.to_string()),
    }
}

#[cfg(test)]
mod tests;
