//! The report as JSON: for other programs, and to compare two runs.

use model::json::Json;

use crate::report::{command, seconds, shown};
use crate::result::{Counts, Outcome, Report, Step, SuiteResult, Test};

pub(super) fn write(report: &Report) -> Json {
    let counts = report.counts();
    Json::object([
        ("version", Json::from(1_i64)),
        ("outcome", Json::from(if report.holds() { "passed" } else { "failed" })),
        ("targets", Json::array(report.targets.iter().map(|target| Json::from(target.as_str())))),
        ("started", Json::from(report.started.to_rfc3339())),
        ("seconds", number(report.took)),
        ("counts", count(counts)),
        ("suites", Json::array(report.suites.iter().map(|one| suite(one, report)))),
    ])
}

fn suite(suite: &SuiteResult, report: &Report) -> Json {
    Json::object([
        ("name", Json::from(suite.name.as_str())),
        ("about", Json::from(suite.about.as_str())),
        ("outcome", Json::from(suite.outcome().as_str())),
        ("counts", count(Counts::of(suite.tests.iter().map(Test::outcome)))),
        ("tests", Json::array(suite.tests.iter().map(|one| test(one, report)))),
    ])
}

fn test(test: &Test, report: &Report) -> Json {
    Json::object([
        ("group", Json::from(report.mask.hide(&test.group))),
        ("name", Json::from(report.mask.hide(&test.name))),
        ("weight", Json::from(test.weight.as_str())),
        ("outcome", Json::from(test.outcome().as_str())),
        ("seconds", number(test.took)),
        ("steps", Json::array(test.steps.iter().map(|one| step(one, report)))),
    ])
}

fn step(step: &Step, report: &Report) -> Json {
    let mut members =
        vec![("name", Json::from(shown(&step.name, &report.mask))), ("outcome", Json::from(step.outcome.as_str()))];
    for (name, text) in [("expected", &step.expected), ("got", &step.got)] {
        if !text.is_empty() {
            members.push((name, Json::from(shown(text, &report.mask))));
        }
    }
    if let Some(exchange) = &step.exchange {
        members.push(("method", Json::from(exchange.request.method.as_str())));
        members.push(("url", Json::from(report.mask.hide(&exchange.request.url))));
        if let Some(status) = exchange.status() {
            members.push(("status", Json::from(i64::from(status))));
        }
    }
    if step.outcome > Outcome::Passed
        && let Some(command) = command(step, &report.mask)
    {
        members.push(("command", Json::from(command)));
    }
    Json::object(members)
}

fn count(counts: Counts) -> Json {
    let pairs = [
        ("tests", counts.total()),
        ("passed", counts.passed),
        ("failed", counts.failed),
        ("errors", counts.errors),
        ("warnings", counts.warnings),
        ("skipped", counts.skipped),
    ];
    Json::object(pairs.map(|(name, value)| (name, Json::from(value as u64))))
}

fn number(time: std::time::Duration) -> Json {
    model::json::Number::parse(&seconds(time)).map_or(Json::Null, Json::Number)
}
