//! Validation of files: what `anchorline validate` prints.
//!
//! JSON or XML, told apart by how they start. Every finding gets the line and column of its element.

use model::json::{self, Json, Limits};
use model::outcome::{Issue, Severity, any_error, operation_outcome};
use model::xml;

use crate::validate::{Options, Validator};

/// What was found about one file.
#[derive(Clone, Debug)]
pub struct FileReport {
    /// The name as it was given.
    pub file: String,
    /// No issue is an error or fatal.
    pub valid: bool,
    /// What was found, in document order.
    pub issues: Vec<Issue>,
}

/// Validates the bytes of one file. What is no FHIR is one fatal issue.
pub fn file(validator: &Validator, name: &str, bytes: &[u8], limits: &Limits, options: &Options<'_>) -> FileReport {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let issues = match read(bytes, limits) {
        Ok((resource, mut issues)) => {
            issues.extend(validator.validate(&resource, options));
            issues.into_iter().map(|issue| with_line(issue, bytes)).collect()
        }
        Err(issue) => vec![issue],
    };
    FileReport { file: name.to_owned(), valid: !any_error(&issues), issues }
}

/// Reads a resource from JSON or XML, with what is wrong with the XML alone (its JSON form cannot say it).
///
/// # Errors
/// A fatal issue if the bytes are neither; it quotes nothing of them.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<(Json, Vec<Issue>), Issue> {
    // RFC 8259, section 8.1: a reader may pass over it.
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    if xml::looks_like(bytes) {
        return match xml::parse(bytes, limits) {
            Ok(document) => Ok((document.resource, document.issues)),
            Err(error) => Err(fatal(format_args!("expected FHIR XML: {error}"))),
        };
    }
    match json::parse(bytes, limits) {
        Ok(resource) => Ok((resource, Vec::new())),
        Err(error) => Err(fatal(format_args!("expected FHIR JSON: {error}"))),
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

fn fatal(text: std::fmt::Arguments<'_>) -> Issue {
    Issue::new(Severity::Fatal, "structure", text.to_string())
}

impl FileReport {
    /// A file that could not be read at all; the reason holds no content.
    pub fn unreadable(name: &str, reason: &str) -> Self {
        let issue = Issue::new(Severity::Fatal, "not-found", format!("the file could not be read: {reason}"));
        Self { file: name.to_owned(), valid: false, issues: vec![issue] }
    }

    /// `{"file", "valid", "outcome"}`.
    pub fn to_json(&self) -> Json {
        Json::object([
            ("file", Json::from(self.file.as_str())),
            ("valid", Json::from(self.valid)),
            ("outcome", operation_outcome(&self.issues)),
        ])
    }

    /// One line for a person: the verdict, and the first thing that is wrong.
    pub fn to_line(&self) -> String {
        let count = |error: bool| self.issues.iter().filter(|issue| issue.is_error() == error).count();
        let (errors, others) = (count(true), count(false));
        let first = self.issues.iter().find(|issue| issue.is_error() || errors == 0);
        let verdict = if self.valid { "valid" } else { "invalid" };
        match first {
            Some(issue) => {
                let place = issue.at.as_deref().map_or(String::new(), |place| format!(" at {place}"));
                let others = if others > 0 { format!(", {others} hints") } else { String::new() };
                format!("{}: {verdict}, {errors} errors{others}; first{place}: {}", self.file, issue.diagnostics)
            }
            None => format!("{}: {verdict}", self.file),
        }
    }
}

/// Adds line and column, which people need to find the place in a file.
fn with_line(mut issue: Issue, text: &[u8]) -> Issue {
    let locate = if xml::looks_like(text) { xml::locate } else { json::locate };
    if let Some(place) = issue.at.as_deref().and_then(|path| locate(text, path)) {
        issue.diagnostics = format!("{} (line {}, column {})", issue.diagnostics, place.line, place.column);
    }
    issue
}

#[cfg(test)]
mod tests;
