//! What a validation has found so far.

use std::fmt::Display;

use model::outcome::{Issue, Severity};

use crate::place::Place;

/// As many problems are listed for one call.
pub(crate) const MAX_ISSUES: usize = 500;

/// The findings of one validation, in the order in which they were made.
#[derive(Default)]
pub(crate) struct Report {
    issues: Vec<Issue>,
    /// Findings past the limit, and how many of them are errors.
    more: usize,
    more_errors: usize,
}

impl Report {
    /// Adds a finding at a place. The same finding at the same place is kept once.
    pub(crate) fn problem(&mut self, issue: Issue, place: &Place<'_>) {
        self.add(issue.at(place.to_string()));
    }

    /// Adds a finding that has its place already.
    pub(crate) fn add(&mut self, issue: Issue) {
        if self.issues.len() >= MAX_ISSUES {
            self.more += 1;
            self.more_errors += usize::from(issue.is_error());
        } else if !self.issues.contains(&issue) {
            self.issues.push(issue);
        }
    }

    /// Adds an error; `code` is of valueset-issue-type.html. Diagnostics never quote values of the instance.
    pub(crate) fn error(&mut self, code: &'static str, diagnostics: impl Display, place: &Place<'_>) {
        self.problem(Issue::error(code, diagnostics.to_string()), place);
    }

    /// Adds a warning.
    pub(crate) fn warning(&mut self, code: &'static str, diagnostics: impl Display, place: &Place<'_>) {
        self.problem(Issue::warning(code, diagnostics.to_string()), place);
    }

    /// Adds a remark.
    pub(crate) fn information(&mut self, code: &'static str, diagnostics: impl Display, place: &Place<'_>) {
        self.problem(Issue::new(Severity::Information, code, diagnostics.to_string()), place);
    }

    /// Whether anything found is an error.
    pub(crate) fn has_error(&self) -> bool {
        self.more_errors > 0 || self.issues.iter().any(Issue::is_error)
    }

    /// The findings; what came after the limit is summed up.
    pub(crate) fn finish(mut self) -> Vec<Issue> {
        if self.more > 0 {
            let text = format!("{} more problems are not listed", self.more);
            let severity = if self.more_errors > 0 { Severity::Error } else { Severity::Information };
            self.issues.push(Issue::new(severity, "too-costly", text));
        }
        self.issues
    }
}
