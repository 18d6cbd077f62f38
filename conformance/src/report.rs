//! What a validation has found so far.

use std::fmt::Display;

use model::outcome::{Issue, Severity};

use crate::place::Place;

/// As many errors are listed for one call, and as many warnings and remarks: neither fills the other's list.
pub(crate) const MAX_ISSUES: usize = 500;

/// The findings of one validation, in the order in which they were made.
#[derive(Default)]
pub(crate) struct Report {
    issues: Vec<Issue>,
    errors: Count,
    others: Count,
}

/// How many findings of a kind are listed, and how many came after the limit.
#[derive(Default)]
struct Count {
    listed: usize,
    more: usize,
}

impl Report {
    /// Adds a finding at a place. The same finding at the same place is kept once.
    pub(crate) fn problem(&mut self, issue: Issue, place: &Place<'_>) {
        self.add(issue.at(place.to_string()));
    }

    /// Adds a finding that has its place already.
    pub(crate) fn add(&mut self, issue: Issue) {
        let count = if issue.is_error() { &mut self.errors } else { &mut self.others };
        if count.listed >= MAX_ISSUES {
            count.more += 1;
        } else if !self.issues.contains(&issue) {
            count.listed += 1;
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
        self.errors.listed > 0
    }

    /// The findings; what came after the limits is summed up, errors apart: a valid resource stays valid however much
    /// there is to remark.
    pub(crate) fn finish(mut self) -> Vec<Issue> {
        let sums = [
            (self.errors.more, Severity::Error, "errors are not listed"),
            (self.others.more, Severity::Information, "warnings and remarks are not listed"),
        ];
        let sums = sums.into_iter().filter(|(more, _, _)| *more > 0);
        self.issues.extend(
            sums.map(|(more, severity, what)| Issue::new(severity, "too-costly", format!("{more} more {what}"))),
        );
        self.issues
    }
}

#[cfg(test)]
mod tests;
