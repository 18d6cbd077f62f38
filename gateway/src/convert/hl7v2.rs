//! HL7 v2 as `convert` reads and writes it: every message of a file or batch by itself.

use std::ops::ControlFlow;

use formats::hl7v2::{self, Continuations, Message, Split, Splitter, Whole};
use mappers::{CONVERT_NAMESPACE, Context, Package, Selector};
use model::json::Json;
use model::outcome::{Issue, Severity};

use super::{Body, Item, MESSAGE_LIMIT_BYTES, Middle, Output, Reports, Stream, Take, Work, select_issue};

/// Messages sent in several parts that may be open at once, and their size in all.
const CONTINUATIONS: usize = 16;
const CONTINUATIONS_BYTES: usize = 64 << 20;

/// The messages of an HL7 v2 payload, translated as they become whole.
struct Messages<'w> {
    work: Work<'w>,
    splitter: Splitter,
    continuations: Continuations,
    of_batch: bool,
    /// Findings about the envelope that no part has taken yet.
    envelope: Vec<Issue>,
}

pub(super) fn stream<'w>(work: &Work<'w>) -> Box<dyn Stream + 'w> {
    Box::new(Messages {
        work: *work,
        splitter: Splitter::new(MESSAGE_LIMIT_BYTES),
        continuations: Continuations::new(CONTINUATIONS, CONTINUATIONS_BYTES),
        of_batch: false,
        envelope: Vec::new(),
    })
}

impl Stream for Messages<'_> {
    fn push(&mut self, bytes: &[u8], take: &mut Take<'_>) -> ControlFlow<()> {
        self.splitter.push(bytes);
        self.drain(take)
    }

    fn finish(&mut self, take: &mut Take<'_>) -> ControlFlow<()> {
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
        take(Item { number: 1, of_batch: true, result: Err(std::mem::take(&mut self.envelope)) })
    }

    fn is_batch(&self) -> bool {
        self.of_batch
    }
}

impl Messages<'_> {
    fn drain(&mut self, take: &mut Take<'_>) -> ControlFlow<()> {
        while let Some(Split { number, of_batch, bytes, issues }) = self.splitter.next() {
            self.of_batch = of_batch;
            self.envelope.extend(issues.iter().map(format_issue));
            let Some(bytes) = bytes else {
                let text =
                    format!("expected a message of at most {} MiB, found a longer one", MESSAGE_LIMIT_BYTES >> 20);
                let mut issues = vec![Issue::error("too-long", text)];
                issues.append(&mut self.envelope);
                take(Item { number, of_batch, result: Err(issues) })?;
                continue;
            };
            for whole in self.continuations.push(number, bytes) {
                take(self.translated(whole))?;
            }
        }
        ControlFlow::Continue(())
    }

    fn translated(&mut self, whole: Whole) -> Item {
        let mut result = message(&self.work, &whole.bytes);
        let (Ok(Middle { issues, .. }) | Err(issues)) = &mut result;
        if whole.parts > 1 {
            let text = format!("joined of {} messages by their continuation pointers", whole.parts);
            issues.push(Issue::new(Severity::Information, "informational", text).at("DSC").rule("continuation-joined"));
        }
        issues.append(&mut self.envelope);
        Item { number: whole.number, of_batch: self.of_batch, result }
    }
}

fn message(work: &Work<'_>, bytes: &[u8]) -> Result<Middle, Vec<Issue>> {
    let Work { packages, request } = *work;
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
    let made_by = Some(package.name().to_owned());
    Ok(Middle { tree: mapped.bundle, bytes: None, issues, loss: Some(loss), explain, package: made_by })
}

/// Writes a message of what a Bundle says.
pub(super) fn write(work: &Work<'_>, middle: Middle) -> Result<Output, Vec<Issue>> {
    let Work { packages, request } = *work;
    let mut issues = middle.issues;
    if let Some(package) = middle.package.as_deref().and_then(|name| packages.named(name)).filter(is_hl7v2) {
        let rendered = package.render(&middle.tree, &request.target.context(None));
        issues.extend(rendered.issues);
        let loss = middle.loss.unwrap_or(Json::Null);
        return Ok(Output { body: Body::Bytes(rendered.bytes), issues, loss, explain: middle.explain });
    }
    let package =
        packages.select_writer(&request.packages, &middle.tree).map_err(|error| vec![select_issue(&error)])?;
    let context = request.target.context(request.timezone.clone());
    let (rendered, loss) = package.render_with_loss(&middle.tree, &context);
    issues.extend(rendered.issues);
    if rendered.bytes.is_empty() {
        return Err(issues);
    }
    let loss = middle.loss.unwrap_or_else(|| loss.to_json());
    Ok(Output { body: Body::Bytes(rendered.bytes), issues, loss, explain: middle.explain })
}

fn is_hl7v2(package: &&Package) -> bool {
    package.format() == "hl7v2"
}

/// A finding of the lexer as an issue of an OperationOutcome.
#[must_use]
pub fn format_issue(found: &hl7v2::FormatIssue) -> Issue {
    let severity = severity(found.severity);
    let issue = Issue::new(severity, "structure", found.detail.clone()).rule(found.code);
    match &found.at {
        Some(at) => issue.at(at.clone()),
        None => issue,
    }
}

/// A reader's severity as that of an issue.
pub(super) fn severity(found: hl7v2::Severity) -> Severity {
    match found {
        hl7v2::Severity::Information => Severity::Information,
        hl7v2::Severity::Warning => Severity::Warning,
        hl7v2::Severity::Error => Severity::Error,
    }
}
