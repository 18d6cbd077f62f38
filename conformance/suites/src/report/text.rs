//! The report for a terminal.

use crate::report::{command, shown};
use crate::result::{Outcome, Report};

pub(super) fn write(report: &Report) -> String {
    let mut out = String::new();
    for suite in &report.suites {
        out.push_str(&format!("{}: {}\n", suite.name, suite.about));
        let mut group = "";
        for test in &suite.tests {
            if test.group != group {
                group = &test.group;
                out.push_str(&format!("  {}\n", report.mask.hide(group)));
            }
            let weight =
                if test.outcome() == Outcome::Warning { format!(" ({})", test.weight.as_str()) } else { String::new() };
            out.push_str(&format!("    {:<8} {}{weight}\n", test.outcome().as_str(), report.mask.hide(&test.name)));
            for step in test.steps.iter().filter(|step| step.outcome > Outcome::Passed) {
                out.push_str(&format!("             {}\n", shown(&step.name, &report.mask)));
                for (label, text) in [("expected", &step.expected), ("got", &step.got)] {
                    if !text.is_empty() {
                        out.push_str(&format!("               {label}: {}\n", shown(text, &report.mask)));
                    }
                }
                if let Some(command) = command(step, &report.mask) {
                    out.push_str(&format!("               {command}\n"));
                }
            }
        }
    }
    let counts = report.counts();
    out.push_str(&format!(
        "{}: {} tests, {} passed, {} failed, {} errors, {} warnings, {} skipped in {:.1} s\n",
        if report.holds() { "passed" } else { "failed" },
        counts.total(),
        counts.passed,
        counts.failed,
        counts.errors,
        counts.warnings,
        counts.skipped,
        report.took.as_secs_f64()
    ));
    out
}
