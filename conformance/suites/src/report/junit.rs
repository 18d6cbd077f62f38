//! The report as JUnit XML, in the form that Jenkins, GitLab and their like read: a `testsuite` a suite, a `testcase` a
//! test, `failure`, `error` or `skipped` inside.

use crate::report::{command, escape, seconds, shown};
use crate::result::{Counts, Outcome, Report, SuiteResult, Test};

pub(super) fn write(report: &Report) -> String {
    let counts = report.counts();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    out.push_str(&format!("<testsuites name=\"anchorline conformance\" {}>\n", attributes(counts, report.took)));
    for one in &report.suites {
        suite(one, report, &mut out);
    }
    out.push_str("</testsuites>\n");
    out
}

fn attributes(counts: Counts, took: std::time::Duration) -> String {
    format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{}\"",
        counts.total(),
        counts.failed,
        counts.errors,
        counts.skipped,
        seconds(took)
    )
}

fn suite(suite: &SuiteResult, report: &Report, out: &mut String) {
    let counts = Counts::of(suite.tests.iter().map(Test::outcome));
    let took = suite.tests.iter().map(|test| test.took).sum();
    out.push_str(&format!(
        "  <testsuite name=\"{}\" timestamp=\"{}\" {}>\n",
        escape(&suite.name),
        escape(report.started.to_rfc3339().get(..19).unwrap_or_default()),
        attributes(counts, took)
    ));
    for test in &suite.tests {
        case(test, suite, report, out);
    }
    out.push_str("  </testsuite>\n");
}

fn case(test: &Test, suite: &SuiteResult, report: &Report, out: &mut String) {
    let hide = |text: &str| escape(&report.mask.hide(text));
    let class = if test.group.is_empty() { &suite.name } else { &test.group };
    out.push_str(&format!(
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{}\"",
        hide(class),
        hide(&test.name),
        seconds(test.took)
    ));
    let element = match test.outcome() {
        Outcome::Passed => None,
        Outcome::Warning => Some("system-out"),
        Outcome::Failed => Some("failure"),
        Outcome::Error => Some("error"),
        Outcome::Skipped => Some("skipped"),
    };
    let Some(element) = element else {
        out.push_str("/>\n");
        return;
    };
    out.push_str(">\n");
    let first = test.first_problem().map(|step| shown(&format!("{}: {}", step.name, step.got), &report.mask));
    let message = match element {
        "system-out" => String::new(),
        _ => format!(" message=\"{}\"", escape(&first.unwrap_or_else(|| "not tried".to_owned())).replace('\n', " ")),
    };
    out.push_str(&format!("      <{element}{message}>{}</{element}>\n", escape(&detail(test, report))));
    out.push_str("    </testcase>\n");
}

fn detail(test: &Test, report: &Report) -> String {
    let mut text = String::new();
    if test.outcome() == Outcome::Warning {
        text.push_str(&format!("{} does not hold\n", test.weight.as_str()));
    }
    for step in &test.steps {
        text.push_str(&format!("{:<8} {}\n", step.outcome.as_str(), shown(&step.name, &report.mask)));
        if step.outcome == Outcome::Passed {
            continue;
        }
        for (label, said) in [("expected", &step.expected), ("got", &step.got)] {
            if !said.is_empty() {
                text.push_str(&format!("         {label}: {}\n", shown(said, &report.mask)));
            }
        }
        if let Some(command) = command(step, &report.mask) {
            text.push_str(&format!("         {command}\n"));
        }
    }
    text
}
