use super::*;

fn report(warnings: usize, errors: usize) -> Report {
    let mut report = Report::default();
    for n in 0..warnings {
        report.add(Issue::warning("value", format!("remark {n}")));
    }
    for n in 0..errors {
        report.add(Issue::error("value", format!("error {n}")));
    }
    report
}

#[track_caller]
fn check(warnings: usize, errors: usize, listed: usize, sums: &[(&str, Severity)]) {
    let report = report(warnings, errors);
    assert_eq!(report.has_error(), errors > 0);
    let issues = report.finish();
    let (last, first): (Vec<&Issue>, Vec<&Issue>) = issues.iter().partition(|issue| issue.code == "too-costly");
    assert_eq!(first.len(), listed);
    let last: Vec<_> = last.into_iter().map(|issue| (issue.diagnostics.as_str(), issue.severity)).collect();
    assert_eq!(last, sums);
}

#[test]
fn warnings_hide_no_error() {
    let remarks = ("100 more warnings and remarks are not listed", Severity::Information);
    check(600, 3, 503, &[remarks]);
    check(600, 0, 500, &[remarks]);
    check(600, 501, 1000, &[("1 more errors are not listed", Severity::Error), remarks]);
    check(500, 500, 1000, &[]);
}

#[test]
fn the_same_finding_counts_once() {
    let mut report = report(0, 1);
    report.add(Issue::error("value", "error 0".to_owned()));
    assert_eq!(report.finish().len(), 1);
}
