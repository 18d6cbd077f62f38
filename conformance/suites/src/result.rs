//! What a run found: suites, tests, steps. A step is one request or one expectation.

use std::sync::Arc;
use std::time::Duration;

use model::time::Instant;

use crate::client::{Exchange, Mask};

/// How something ended; ordered from best to worst, so that the worst of many is their maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Not tried, since something before it failed or it does not apply here.
    #[default]
    Skipped,
    /// As expected.
    Passed,
    /// Not as expected, but not required.
    Warning,
    /// Not as expected.
    Failed,
    /// It could not be tried: no answer, or a suite that cannot be understood.
    Error,
}

impl Outcome {
    /// The word for it in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Passed => "passed",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Error => "error",
        }
    }

    /// Whether the system under test, or the suite, has to be mended.
    pub fn is_bad(self) -> bool {
        self >= Self::Failed
    }
}

/// How much a test's expectation weighs: the words of RFC 2119 as FHIR uses them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Has to hold.
    #[default]
    Shall,
    /// Ought to hold: a failure is a warning.
    Should,
    /// May hold: a failure is a warning.
    May,
}

impl Weight {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shall => "SHALL",
            Self::Should => "SHOULD",
            Self::May => "MAY",
        }
    }

    /// Reads the word; anything unknown is `SHALL`, the strictest.
    pub fn parse(word: &str) -> Self {
        match word {
            "SHOULD" => Self::Should,
            "MAY" => Self::May,
            _ => Self::Shall,
        }
    }
}

/// One request or one expectation.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// What it is, for a person.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What should have been; empty if the name says it.
    pub expected: String,
    /// What was instead, or what went wrong; empty if all is well.
    pub got: String,
    /// The request that it is about.
    pub exchange: Option<Arc<Exchange>>,
    /// A command that shows it again, for steps that are no HTTP request.
    pub command: Option<String>,
}

impl Step {
    /// A step that went well.
    pub fn passed(name: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: Outcome::Passed, ..Self::default() }
    }

    /// A step whose expectation does not hold.
    pub fn failed(name: impl Into<String>, expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            outcome: Outcome::Failed,
            expected: expected.into(),
            got: got.into(),
            ..Self::default()
        }
    }

    /// A step that could not be done.
    pub fn error(name: impl Into<String>, got: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: Outcome::Error, got: got.into(), ..Self::default() }
    }

    /// A step that was not tried, with the reason.
    pub fn skipped(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: Outcome::Skipped, got: why.into(), ..Self::default() }
    }

    /// The step with what went over the wire.
    #[must_use]
    pub fn with(mut self, exchange: &Arc<Exchange>) -> Self {
        self.exchange = Some(Arc::clone(exchange));
        self
    }

    /// The step with a command that shows it again.
    #[must_use]
    pub fn command(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }
}

/// Steps that stand and fall together.
#[derive(Clone, Debug, Default)]
pub struct Test {
    /// What it belongs to: a script, a profile, a topic.
    pub group: String,
    /// What is tested, in a sentence.
    pub name: String,
    /// How much it weighs.
    pub weight: Weight,
    /// The steps in their order.
    pub steps: Vec<Step>,
    /// How long it took.
    pub took: Duration,
}

impl Test {
    /// The worst of its steps; what need not hold is at worst a warning.
    pub fn outcome(&self) -> Outcome {
        let worst = self.steps.iter().map(|step| step.outcome).max().unwrap_or_default();
        if worst == Outcome::Failed && self.weight != Weight::Shall { Outcome::Warning } else { worst }
    }

    /// The first step that is not as it should be.
    pub fn first_problem(&self) -> Option<&Step> {
        let worst = self.steps.iter().map(|step| step.outcome).max()?;
        if worst <= Outcome::Passed {
            return None;
        }
        self.steps.iter().find(|step| step.outcome == worst)
    }
}

/// Everything that one suite found.
#[derive(Clone, Debug, Default)]
pub struct SuiteResult {
    /// Its name.
    pub name: String,
    /// What it is about, for a reader who does not know it.
    pub about: String,
    /// The tests in the suite's order.
    pub tests: Vec<Test>,
}

impl SuiteResult {
    /// The worst of its tests; a suite without tests could not be tried.
    pub fn outcome(&self) -> Outcome {
        self.tests.iter().map(Test::outcome).max().unwrap_or(Outcome::Error)
    }
}

/// How many ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// As expected.
    pub passed: usize,
    /// Not as expected, not required.
    pub warnings: usize,
    /// Not as expected.
    pub failed: usize,
    /// Could not be tried.
    pub errors: usize,
    /// Not tried.
    pub skipped: usize,
}

impl Counts {
    /// Counts outcomes.
    pub fn of(outcomes: impl Iterator<Item = Outcome>) -> Self {
        outcomes.fold(Self::default(), |mut counts, outcome| {
            match outcome {
                Outcome::Passed => counts.passed += 1,
                Outcome::Warning => counts.warnings += 1,
                Outcome::Failed => counts.failed += 1,
                Outcome::Error => counts.errors += 1,
                Outcome::Skipped => counts.skipped += 1,
            }
            counts
        })
    }

    /// All of them.
    pub fn total(&self) -> usize {
        self.passed + self.warnings + self.failed + self.errors + self.skipped
    }
}

/// A whole run: what every report is made of.
#[derive(Clone, Debug)]
pub struct Report {
    /// The systems that were tested.
    pub targets: Vec<String>,
    /// When it began.
    pub started: Instant,
    /// How long it took.
    pub took: Duration,
    /// The suites, in the order asked for.
    pub suites: Vec<SuiteResult>,
    /// Hides the secrets of the run; every report goes through it.
    pub mask: Mask,
}

impl Report {
    /// All tests.
    pub fn tests(&self) -> impl Iterator<Item = &Test> {
        self.suites.iter().flat_map(|suite| &suite.tests)
    }

    /// How the tests ended.
    pub fn counts(&self) -> Counts {
        Counts::of(self.tests().map(Test::outcome))
    }

    /// Whether nothing failed that has to hold, and anything at all was tried.
    pub fn holds(&self) -> bool {
        let counts = self.counts();
        counts.failed == 0 && counts.errors == 0 && counts.passed + counts.warnings > 0
    }
}

#[cfg(test)]
mod tests;
