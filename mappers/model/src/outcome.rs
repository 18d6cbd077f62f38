//! Findings and the OperationOutcome made of them.

use std::fmt;

use crate::json::Json;

/// How bad a finding is. FHIR R4 valueset-issue-severity.html.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The action could not be done at all.
    Fatal,
    /// The content is wrong enough that it is not taken.
    Error,
    /// The content is taken, but somebody should look.
    Warning,
    /// For information.
    Information,
}

impl Severity {
    /// The code of the value set.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fatal => "fatal",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Information => "information",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// FHIR R4 valueset-issue-type.html.
const ISSUE_TYPES: [&str; 31] = [
    "invalid",
    "structure",
    "required",
    "value",
    "invariant",
    "security",
    "login",
    "unknown",
    "expired",
    "forbidden",
    "suppressed",
    "processing",
    "not-supported",
    "duplicate",
    "multiple-matches",
    "not-found",
    "deleted",
    "too-long",
    "code-invalid",
    "extension",
    "too-costly",
    "business-rule",
    "conflict",
    "transient",
    "lock-error",
    "no-store",
    "exception",
    "timeout",
    "incomplete",
    "throttled",
    "informational",
];

/// The code of an issue with this text; `None` for what is no code of FHIR R4 valueset-issue-type.html.
pub fn issue_type(code: &str) -> Option<&'static str> {
    ISSUE_TYPES.into_iter().find(|known| *known == code)
}

/// A finding about content. It travels beside the result and stops nothing by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// How bad it is.
    pub severity: Severity,
    /// A code of FHIR R4 valueset-issue-type.html (`structure`, `value`, `code-invalid` …).
    pub code: &'static str,
    /// What was expected, for a person. Quotes no patient data.
    pub diagnostics: String,
    /// Where: a FHIRPath of element names, an HL7 v2 place (`PID-7`), an XPath, or `row,column`.
    pub at: Option<String>,
    /// Which rule found it, for example `package/file:line`.
    pub rule: Option<String>,
}

impl Issue {
    /// A finding without place and rule.
    pub fn new(severity: Severity, code: &'static str, diagnostics: impl Into<String>) -> Self {
        Self { severity, code, diagnostics: diagnostics.into(), at: None, rule: None }
    }

    /// A finding of severity error.
    pub fn error(code: &'static str, diagnostics: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, diagnostics)
    }

    /// A finding of severity warning.
    pub fn warning(code: &'static str, diagnostics: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, diagnostics)
    }

    /// The finding with its place.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.at = Some(place.into());
        self
    }

    /// The finding with its rule.
    #[must_use]
    pub fn rule(mut self, rule: impl Into<String>) -> Self {
        self.rule = Some(rule.into());
        self
    }

    /// Whether it makes the content unacceptable: error or fatal.
    pub fn is_error(&self) -> bool {
        self.severity <= Severity::Error
    }

    /// Whether `at` is a FHIRPath: starts with a type name that is followed by an element or nothing.
    fn has_fhirpath(&self) -> bool {
        let place = self.at.as_deref().unwrap_or_default();
        let head = place.split(['.', '[']).next().unwrap_or_default();
        head.starts_with(|letter: char| letter.is_ascii_uppercase())
            && head.bytes().any(|byte| byte.is_ascii_lowercase())
            && head.bytes().all(|byte| byte.is_ascii_alphanumeric())
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.severity, self.code)?;
        if let Some(place) = &self.at {
            write!(formatter, " at {place}")?;
        }
        write!(formatter, ": {}", self.diagnostics)?;
        match &self.rule {
            Some(rule) => write!(formatter, " ({rule})"),
            None => Ok(()),
        }
    }
}

/// Whether any finding is an error or fatal.
pub fn any_error(issues: &[Issue]) -> bool {
    issues.iter().any(Issue::is_error)
}

/// The findings as an R4 OperationOutcome (operationoutcome.html).
///
/// A FHIRPath place goes to `expression`, any other to `location`; the rule to the extension
/// `operationoutcome-issue-source`. Without a finding it says so: an OperationOutcome needs at least one issue.
pub fn operation_outcome(issues: &[Issue]) -> Json {
    let all_ok = [Issue::new(Severity::Information, "informational", "no issues found")];
    let issues = if issues.is_empty() { &all_ok } else { issues };
    Json::object([("resourceType", Json::from("OperationOutcome")), ("issue", Json::array(issues.iter().map(issue)))])
}

fn issue(issue: &Issue) -> Json {
    let mut members: Vec<(&str, Json)> = Vec::with_capacity(5);
    if let Some(rule) = &issue.rule {
        let source = Json::object([("url", Json::from(ISSUE_SOURCE)), ("valueString", Json::from(rule.as_str()))]);
        members.push(("extension", Json::array([source])));
    }
    members.push(("severity", Json::from(issue.severity.as_str())));
    members.push(("code", Json::from(issue.code)));
    members.push(("diagnostics", Json::from(issue.diagnostics.as_str())));
    if let Some(place) = &issue.at {
        let name = if issue.has_fhirpath() { "expression" } else { "location" };
        members.push((name, Json::array([Json::from(place.as_str())])));
    }
    Json::object(members)
}

/// FHIR R4 extension-operationoutcome-issue-source.html.
const ISSUE_SOURCE: &str = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-source";

#[cfg(test)]
mod tests;
