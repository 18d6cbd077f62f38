use super::{Counts, Outcome, Report, Step, SuiteResult, Test, Weight};
use crate::client::Mask;

fn test(weight: Weight, outcomes: &[Outcome]) -> Test {
    let steps = outcomes.iter().map(|outcome| Step { outcome: *outcome, ..Step::default() }).collect();
    Test { weight, steps, ..Test::default() }
}

#[test]
fn the_worst_step_decides_and_weight_softens_it() {
    use Outcome::{Error, Failed, Passed, Skipped, Warning};
    assert_eq!(test(Weight::Shall, &[Passed, Failed, Skipped]).outcome(), Failed);
    assert_eq!(test(Weight::Should, &[Passed, Failed, Skipped]).outcome(), Warning);
    assert_eq!(test(Weight::May, &[Error]).outcome(), Error);
    assert_eq!(test(Weight::Shall, &[Skipped]).outcome(), Skipped);
    assert_eq!(test(Weight::Shall, &[]).outcome(), Skipped);
    assert_eq!(test(Weight::Shall, &[Passed, Warning]).outcome(), Warning);
}

#[test]
fn a_run_that_tried_nothing_does_not_hold() {
    let report = |tests: Vec<Test>| Report {
        targets: Vec::new(),
        started: model::time::Instant::from_millis(0),
        took: std::time::Duration::ZERO,
        suites: vec![SuiteResult { tests, ..SuiteResult::default() }],
        mask: Mask::default(),
    };
    assert!(!report(Vec::new()).holds());
    assert!(!report(vec![test(Weight::Shall, &[Outcome::Skipped])]).holds());
    assert!(report(vec![test(Weight::Shall, &[Outcome::Passed]), test(Weight::Should, &[Outcome::Failed])]).holds());
    assert!(!report(vec![test(Weight::Shall, &[Outcome::Passed]), test(Weight::Shall, &[Outcome::Failed])]).holds());
}

#[test]
fn counts_what_it_is_given() {
    let counts = Counts::of([Outcome::Passed, Outcome::Failed, Outcome::Passed, Outcome::Warning].into_iter());
    assert_eq!((counts.passed, counts.failed, counts.warnings, counts.total()), (2, 1, 1, 4));
}
