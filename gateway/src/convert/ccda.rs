//! C-CDA as `convert` reads and writes it: one document, one Bundle.

use std::borrow::Cow;

use formats::aside::File;
use formats::cda::{self, Document, NotAside, Refusal, Refused};
use mappers::{CONVERT_NAMESPACE, Context};
use model::json::Json;
use model::outcome::{Issue, Severity};

use super::hl7v2::severity;
use super::{Body, Middle, Output, Reports, Work, select_issue};

/// The root of every CDA document (CDA R2, "Clinical Document").
const ROOT: &str = "ClinicalDocument";

/// Reads a document and maps it.
pub(super) fn read(work: &Work<'_>, input: Cow<'_, [u8]>) -> Result<Middle, Vec<Issue>> {
    let document = match input {
        Cow::Borrowed(bytes) => Document::parse(bytes, &cda::Limits::default()),
        Cow::Owned(bytes) => Document::from_bytes(bytes, &cda::Limits::default()),
    };
    let document = document.map_err(|refused| refusal(&refused)).and_then(rooted).map_err(|issue| vec![issue])?;
    map(work, &document)
}

/// The same without the files in it; `None` where only the whole document tells what it says.
pub(super) fn read_without(work: &Work<'_>, kept: Vec<u8>, files: &[File]) -> Option<Result<Middle, Vec<Issue>>> {
    let read = match Document::without_files(kept, files, &cda::Limits::default()) {
        Ok(document) => rooted(document),
        Err(NotAside::Refused(refused)) => Err(refusal(&refused)),
        Err(NotAside::Unsure) => return None,
    };
    let document = match read {
        Ok(document) => document,
        Err(issue) => return Some(Err(vec![issue])),
    };
    let mapped = map(work, &document);
    (!document.is_asked()).then_some(mapped)
}

/// A longer document is refused before anything else.
pub(super) fn limit_bytes() -> usize {
    cda::Limits::default().bytes
}

/// What there is to say of such a one.
pub(super) fn too_long() -> Issue {
    refusal(&Refused { kind: Refusal::TooLong { limit: limit_bytes() }, line: 1, column: 1 })
}

fn map(work: &Work<'_>, document: &Document) -> Result<Middle, Vec<Issue>> {
    let package =
        work.packages.select_document(&work.request.packages, document).map_err(|error| vec![select_issue(&error)])?;
    let context = Context {
        namespace: &CONVERT_NAMESPACE,
        source: "",
        timezone: work.request.timezone.as_deref(),
        authorities: &[],
        received: None,
    };
    let mapped = match work.request.reports {
        Reports::Left => package.map_cda_counted(document, &context),
        Reports::Made => package.map_cda(document, &context),
    };
    let (loss, explain) = match work.request.reports {
        Reports::Left => (Json::Null, Json::Null),
        Reports::Made => {
            (mapped.loss().to_json(), Json::array(mapped.explain().iter().map(mappers::Explained::to_json)))
        }
    };
    let mut issues = notes(document);
    issues.extend(mapped.issues);
    let package = Some(package.name().to_owned());
    Ok(Middle { tree: mapped.bundle, bytes: None, issues, loss: Some(loss), explain, package })
}

/// Writes a document of what a Bundle says.
pub(super) fn write(work: &Work<'_>, middle: Middle) -> Result<Output, Vec<Issue>> {
    let mut issues = middle.issues;
    let package =
        work.packages.of_format("ccda", &work.request.packages).map_err(|error| vec![select_issue(&error)])?;
    let context = work.request.target.document();
    let (written, loss) = match work.request.reports {
        Reports::Left => (package.write_cda(&middle.tree, &context), None),
        Reports::Made => {
            let (written, loss) = package.write_cda_with_loss(&middle.tree, &context);
            (written, Some(loss.to_json()))
        }
    };
    issues.extend(written.issues);
    if written.bytes.is_empty() {
        return Err(issues);
    }
    let loss = middle.loss.or(loss).unwrap_or(Json::Null);
    Ok(Output { body: Body::Bytes(written.bytes), issues, loss, explain: middle.explain })
}

/// Reads the bytes of a document.
///
/// # Errors
/// What is wrong with them, without content.
pub(crate) fn parse(bytes: Vec<u8>) -> Result<Document, Issue> {
    Document::from_bytes(bytes, &cda::Limits::default()).map_err(|refused| refusal(&refused)).and_then(rooted)
}

/// The document if it is one of CDA by its root.
fn rooted(document: Document) -> Result<Document, Issue> {
    if document.root().name() == ROOT {
        return Ok(document);
    }
    Err(Issue::error("structure", format!("expected the root element {ROOT} of the namespace urn:hl7-org:v3")).at("/*"))
}

fn refusal(refused: &Refused) -> Issue {
    Issue::error(refused.code(), refused.to_string())
}

/// What was repaired when the document was read.
pub(crate) fn notes(document: &Document) -> Vec<Issue> {
    let issue = |note: &cda::Note| {
        let severity = severity(note.severity);
        let code = if severity == Severity::Information { "informational" } else { "structure" };
        Issue::new(severity, code, format!("line {}: {}", note.line, note.detail)).rule(note.code)
    };
    document.notes().iter().map(issue).collect()
}
