use std::time::Duration;

use super::{Bounds, Job, all};
use crate::result::{Outcome, Step, Weight};

fn job(name: &'static str, wait: u64, outcome: Outcome) -> Job {
    Job::test("group", name, Weight::Shall, move |recorder| async move {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        recorder.step(Step { name: "step".to_owned(), outcome, ..Step::default() });
    })
}

#[tokio::test]
async fn keeps_the_order_whatever_ends_first() {
    let jobs = vec![job("a", 60, Outcome::Passed), job("b", 1, Outcome::Failed), job("c", 20, Outcome::Passed)];
    let tests = all(jobs, Bounds { parallel: 3, job: Duration::from_secs(5) }).await;
    let names: Vec<_> = tests.iter().map(|test| (test.name.as_str(), test.outcome())).collect();
    assert_eq!(names, [("a", Outcome::Passed), ("b", Outcome::Failed), ("c", Outcome::Passed)]);
}

#[tokio::test]
async fn runs_no_more_at_once_than_allowed() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let jobs = (0..12)
        .map(|_| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            Job::test("g", "n", Weight::Shall, move |_| async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(5)).await;
                now.fetch_sub(1, Ordering::SeqCst);
            })
        })
        .collect();
    all(jobs, Bounds { parallel: 3, job: Duration::from_secs(5) }).await;
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_test_cut_off_shows_what_it_did() {
    let slow = Job::test("g", "slow", Weight::Shall, |recorder| async move {
        recorder.step(Step::passed("first"));
        tokio::time::sleep(Duration::from_secs(60)).await;
    });
    let tests = all(vec![slow], Bounds { parallel: 1, job: Duration::from_millis(50) }).await;
    let outcomes: Vec<_> = tests[0].steps.iter().map(|step| step.outcome).collect();
    assert_eq!(outcomes, [Outcome::Passed, Outcome::Error]);
}

#[tokio::test]
async fn a_test_that_panics_has_not_passed() {
    let bad = Job::test("g", "bad", Weight::Shall, |recorder| async move {
        recorder.step(Step::passed("first"));
        panic!("a defect");
    });
    let tests = all(vec![bad, job("good", 1, Outcome::Passed)], Bounds::default()).await;
    assert_eq!(tests[0].outcome(), Outcome::Error);
    assert_eq!(tests[1].outcome(), Outcome::Passed);
}
