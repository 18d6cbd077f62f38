//! The report as one page: on top what a manager asks, below every step that is not as it should be.
//!
//! No script, nothing loaded from elsewhere: the page can be mailed, printed and archived.

use crate::report::{command, escape, shown};
use crate::result::{Counts, Outcome, Report, Step, SuiteResult, Test};

const STYLE: &str = "\
:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:75rem;margin:0 auto;padding:1rem 1.5rem 4rem}\
h1{font-size:1.5rem;margin:.5rem 0}h2{font-size:1.2rem;margin:2.5rem 0 .5rem}p{margin:.4rem 0}\
.verdict{padding:1rem 1.25rem;border-radius:.5rem;border:2px solid;margin:1rem 0}.verdict strong{font-size:1.25rem}\
.passed{color:#0a6b2d}.failed,.error{color:#b3261e}.warning{color:#8a5300}.skipped{color:#5f6368}\
@media(prefers-color-scheme:dark){.passed{color:#7bd88f}.failed,.error{color:#ff8a80}.warning{color:#ffc46b}.skipped{color:#a8acb3}}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8884;vertical-align:top}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}details{margin:.25rem 0;border-left:3px solid #8884;padding-left:.75rem}\
summary{cursor:pointer}dl{display:grid;grid-template-columns:6rem 1fr;gap:.2rem .75rem;margin:.4rem 0 .8rem}dt{color:#777}dd{margin:0;overflow-wrap:anywhere}\
code,pre{font:13px/1.45 ui-monospace,monospace}pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;background:#8881;padding:.4rem .6rem;border-radius:.3rem}\
@media print{details{break-inside:avoid}}";

pub(super) fn write(report: &Report) -> String {
    let mut out = String::with_capacity(16 << 10);
    out.push_str("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    out.push_str(&format!("<title>Conformance report</title><style>{STYLE}</style></head><body>\n"));
    summary(report, &mut out);
    for suite in &report.suites {
        section(suite, report, &mut out);
    }
    out.push_str("</body></html>\n");
    out
}

fn summary(report: &Report, out: &mut String) {
    let counts = report.counts();
    let (class, verdict) = if report.holds() { ("passed", "Passed") } else { ("failed", "Not passed") };
    out.push_str("<h1>Conformance report</h1>\n");
    out.push_str(&format!(
        "<div class=\"verdict {class}\"><strong>{verdict}</strong><p>{}</p></div>\n",
        sentence(counts)
    ));
    let targets: Vec<String> = report.targets.iter().map(|target| escape(&report.mask.hide(target))).collect();
    out.push_str(&format!(
        "<p>Tested: {} · {} · {:.1} seconds</p>\n",
        targets.join(", "),
        escape(&report.started.to_rfc3339()),
        report.took.as_secs_f64()
    ));
    out.push_str("<table><thead><tr><th>Suite</th><th>Result</th><th class=n>Passed</th><th class=n>Failed</th>");
    out.push_str("<th class=n>Errors</th><th class=n>Warnings</th><th class=n>Skipped</th></tr></thead><tbody>\n");
    for (index, suite) in report.suites.iter().enumerate() {
        let counts = Counts::of(suite.tests.iter().map(Test::outcome));
        let outcome = suite.outcome().as_str();
        out.push_str(&format!(
            "<tr><td><a href=\"#suite{index}\">{}</a></td><td class={outcome}>{outcome}</td>",
            escape(&suite.name)
        ));
        for number in [counts.passed, counts.failed, counts.errors, counts.warnings, counts.skipped] {
            out.push_str(&format!("<td class=n>{number}</td>"));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n");
    let bad: Vec<&Test> = report.tests().filter(|test| test.outcome().is_bad()).collect();
    if !bad.is_empty() {
        out.push_str("<h2>What has to be mended</h2>\n<ol>\n");
        for test in bad.iter().take(20) {
            let said = test.first_problem().map(|step| shown(&short(step), &report.mask)).unwrap_or_default();
            out.push_str(&format!(
                "<li><strong>{}</strong> {}<br>{}</li>\n",
                escape(&report.mask.hide(&test.group)),
                escape(&report.mask.hide(&test.name)),
                escape(&said)
            ));
        }
        out.push_str("</ol>\n");
        if bad.len() > 20 {
            out.push_str(&format!("<p>and {} more below</p>\n", bad.len() - 20));
        }
    }
}

fn sentence(counts: Counts) -> String {
    let plural = |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let mut parts = vec![format!("{} of {} hold", counts.passed, plural(counts.total(), "test", "tests"))];
    if counts.failed > 0 {
        parts.push(format!("{} failed", counts.failed));
    }
    if counts.errors > 0 {
        parts.push(format!("{} could not be tried", counts.errors));
    }
    if counts.warnings > 0 {
        parts.push(format!("{} (recommended, not required)", plural(counts.warnings, "warning", "warnings")));
    }
    if counts.skipped > 0 {
        parts.push(format!("{} skipped", counts.skipped));
    }
    parts.join(", ") + "."
}

fn short(step: &Step) -> String {
    match (step.expected.as_str(), step.got.as_str()) {
        ("", got) => format!("{}: {got}", step.name),
        (expected, "") => format!("{}: expected {expected}", step.name),
        (expected, got) => format!("{}: expected {expected}, got {got}", step.name),
    }
}

fn section(suite: &SuiteResult, report: &Report, out: &mut String) {
    let index = report.suites.iter().position(|one| std::ptr::eq(one, suite)).unwrap_or_default();
    out.push_str(&format!("<h2 id=\"suite{index}\">{}</h2>\n<p>{}</p>\n", escape(&suite.name), escape(&suite.about)));
    let mut group = None;
    for test in &suite.tests {
        if group != Some(test.group.as_str()) {
            group = Some(test.group.as_str());
            out.push_str(&format!("<h3>{}</h3>\n", escape(&report.mask.hide(&test.group))));
        }
        let outcome = test.outcome();
        let word = outcome.as_str();
        let open = if outcome.is_bad() { " open" } else { "" };
        out.push_str(&format!(
            "<details{open}><summary><span class={word}>{word}</span> {} <small>{} · {} ms</small></summary>\n",
            escape(&report.mask.hide(&test.name)),
            test.weight.as_str(),
            test.took.as_millis()
        ));
        for step in &test.steps {
            details(step, report, out);
        }
        out.push_str("</details>\n");
    }
}

fn details(step: &Step, report: &Report, out: &mut String) {
    let word = step.outcome.as_str();
    out.push_str(&format!(
        "<div><span class={word}>{word}</span> {}</div>\n",
        escape(&shown(&step.name, &report.mask))
    ));
    if step.outcome <= Outcome::Passed && step.got.is_empty() {
        return;
    }
    out.push_str("<dl>");
    for (label, text) in [("Expected", &step.expected), ("Got", &step.got)] {
        if !text.is_empty() {
            out.push_str(&format!("<dt>{label}</dt><dd>{}</dd>", escape(&shown(text, &report.mask))));
        }
    }
    if step.outcome > Outcome::Passed
        && let Some(command) = command(step, &report.mask)
    {
        out.push_str(&format!("<dt>Again</dt><dd><pre>{}</pre></dd>", escape(&command)));
    }
    out.push_str("</dl>\n");
}
