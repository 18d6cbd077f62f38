//! Places, owners and ends of jobs.

use tokio::sync::Notify;

use super::*;

const FEW: Most = Most { jobs: 3, each: 2, running: 1, bytes: 10, kept: Duration::from_secs(3600) };

fn now() -> Instant {
    Instant::parse("2026-03-01T10:00:00Z").unwrap()
}

/// Work that begins, waits for a word and hands in what it is told to.
fn work(word: &Arc<Notify>, body: &'static str) -> Work {
    let word = Arc::clone(word);
    Arc::new(move |ticket, _| {
        let word = Arc::clone(&word);
        Box::pin(async move {
            ticket.begins(now());
            word.notified().await;
            ticket.done(now(), Bytes::from(body), Bytes::from("full"), Arc::default());
        })
    })
}

/// Waits until a job stands so; a job that never does fails the test by its deadline.
async fn until(jobs: &Jobs, id: &str, owner: &Who, is_so: impl Fn(Option<&State>) -> bool) -> Option<State> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let state = jobs.state(id, owner);
        if is_so(state.as_ref()) {
            return state;
        }
        assert!(tokio::time::Instant::now() < deadline, "{id}: {state:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn is_done(state: Option<&State>) -> bool {
    matches!(state, Some(State::Done(_)))
}

fn body(state: Option<State>) -> String {
    match state {
        Some(State::Done(done)) => String::from_utf8(done.body.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_job_runs_when_there_is_a_place_and_its_result_is_kept() {
    let (jobs, owner, word) = (Jobs::with(FEW), Who::open(), Arc::new(Notify::new()));
    jobs.start("a".into(), owner.clone(), work(&word, "first")).unwrap();
    until(&jobs, "a", &owner, |state| matches!(state, Some(State::Running(_)))).await;
    jobs.start("b".into(), owner.clone(), work(&word, "second")).unwrap();
    assert!(matches!(jobs.state("b", &owner), Some(State::Waiting)));
    word.notify_one();
    assert_eq!(body(until(&jobs, "a", &owner, is_done).await), "first");
    until(&jobs, "b", &owner, |state| matches!(state, Some(State::Running(_)))).await;
    word.notify_one();
    // Five and six bytes are more than there is room for.
    assert_eq!(body(until(&jobs, "b", &owner, is_done).await), "full");
    assert_eq!(body(jobs.state("a", &owner)), "first");
}

#[tokio::test]
async fn there_are_so_many_jobs_of_one_caller_and_of_all() {
    let (jobs, word) = (Jobs::with(FEW), Arc::new(Notify::new()));
    let (one, other) = (Who::open(), Who::nobody());
    assert_eq!(one.person(), other.person(), "both go by no name, and count as one");
    jobs.start("a".into(), one.clone(), work(&word, "")).unwrap();
    jobs.start("b".into(), one.clone(), work(&word, "")).unwrap();
    assert_eq!(jobs.start("c".into(), one.clone(), work(&word, "")), Err(Busy));
    assert!(jobs.end("a", &one));
    jobs.start("c".into(), one, work(&word, "")).unwrap();
    let all = Jobs::with(Most { jobs: 1, ..FEW });
    all.start("a".into(), other.clone(), work(&word, "")).unwrap();
    assert_eq!(all.start("b".into(), other, work(&word, "")), Err(Busy));
}

#[tokio::test]
async fn a_job_of_somebody_else_is_not_there() {
    let (jobs, owner, word) = (Jobs::with(FEW), Who::open(), Arc::new(Notify::new()));
    jobs.start("a".into(), owner.clone(), work(&word, "x")).unwrap();
    assert!(jobs.state("a", &Who::nobody()).is_none());
    assert!(!jobs.end("a", &Who::nobody()));
    assert!(jobs.state("a", &owner).is_some());
    assert!(jobs.end("a", &owner));
    assert!(jobs.state("a", &owner).is_none() && !jobs.end("a", &owner));
}

#[tokio::test]
async fn a_result_is_kept_for_its_time() {
    let jobs = Jobs::with(Most { kept: Duration::from_millis(1), ..FEW });
    let (owner, word) = (Who::open(), Arc::new(Notify::new()));
    jobs.start("a".into(), owner.clone(), work(&word, "x")).unwrap();
    word.notify_one();
    until(&jobs, "a", &owner, |state| state.is_none()).await;
}

#[tokio::test]
async fn a_job_that_runs_anew_forgets_what_it_found() {
    let (jobs, owner, word) = (Jobs::with(FEW), Who::open(), Arc::new(Notify::new()));
    jobs.start("a".into(), owner.clone(), work(&word, "x")).unwrap();
    word.notify_one();
    until(&jobs, "a", &owner, is_done).await;
    jobs.again("a", &Who::nobody());
    assert!(is_done(jobs.state("a", &owner).as_ref()), "only its owner lets it run");
    jobs.again("a", &owner);
    assert!(!is_done(jobs.state("a", &owner).as_ref()));
    word.notify_one();
    until(&jobs, "a", &owner, is_done).await;
}

#[tokio::test]
async fn at_the_end_every_task_ends() {
    let (jobs, owner, word) = (Jobs::with(FEW), Who::open(), Arc::new(Notify::new()));
    jobs.start("a".into(), owner.clone(), work(&word, "x")).unwrap();
    for task in jobs.end_all() {
        assert!(task.await.unwrap_err().is_cancelled());
    }
    assert!(jobs.state("a", &owner).is_none());
}
