//! Validation of files: what `anchorline validate` prints.
//!
//! JSON at the level of [`structure`] for now; profiles, XML and packages are not looked at.

use model::json::{Json, Limits, locate, parse};
use model::outcome::{Issue, Severity, any_error, operation_outcome};

use crate::structure;

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

/// Validates the bytes of one file. What is no FHIR JSON is one fatal issue.
pub fn file(name: &str, bytes: &[u8], limits: &Limits) -> FileReport {
    let issues = match parse(bytes, limits) {
        Ok(resource) => structure::validate(&resource).into_iter().map(|issue| with_line(issue, bytes)).collect(),
        Err(_) if looks_like_xml(bytes) => {
            vec![Issue::new(Severity::Fatal, "not-supported", "expected FHIR JSON; XML is not read here yet")]
        }
        Err(error) => vec![Issue::new(Severity::Fatal, "structure", format!("expected FHIR JSON: {error}"))],
    };
    FileReport { file: name.to_owned(), valid: !any_error(&issues), issues }
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
    if let Some(place) = issue.at.as_deref().and_then(|path| locate(text, path)) {
        issue.diagnostics = format!("{} (line {}, column {})", issue.diagnostics, place.line, place.column);
    }
    issue
}

fn looks_like_xml(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<')
}

#[cfg(test)]
mod tests;
