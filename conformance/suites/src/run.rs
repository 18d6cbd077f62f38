//! Running tests side by side: so many at once, each with a time of its own, results in the suite's order.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::result::{Outcome, Step, Test, Weight};

/// Takes down what happens while it happens, so that a test cut off by its time still shows what it did.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Vec<(Test, Instant)>>>);

impl Recorder {
    /// Begins a test; the steps that follow belong to it.
    pub fn test(&self, group: &str, name: &str, weight: Weight) {
        let test = Test { group: group.to_owned(), name: name.to_owned(), weight, ..Test::default() };
        let mut tests = self.lock();
        close(&mut tests);
        tests.push((test, Instant::now()));
    }

    /// A step of the test begun last.
    pub fn step(&self, step: Step) {
        if let Some((test, _)) = self.lock().last_mut() {
            test.steps.push(step);
        }
    }

    /// The worst of the test begun last so far.
    pub fn outcome(&self) -> Outcome {
        self.lock().last().map(|(test, _)| test.outcome()).unwrap_or_default()
    }

    /// An error of the run itself, in the test begun last or in one of its own.
    fn problem(&self, test: &str, step: &str, what: String) {
        if self.lock().is_empty() {
            self.test("", test, Weight::Shall);
        }
        self.step(Step::error(step, what));
    }

    /// What was taken down.
    pub fn finish(&self) -> Vec<Test> {
        let mut tests = self.lock();
        close(&mut tests);
        tests.drain(..).map(|(test, _)| test).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Test, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn close(tests: &mut [(Test, Instant)]) {
    if let Some((test, started)) = tests.last_mut()
        && test.took.is_zero()
    {
        test.took = started.elapsed();
    }
}

/// Work that takes its steps down.
pub type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One piece of work: a test, or several that depend on each other.
pub struct Job {
    name: String,
    recorder: Recorder,
    work: Work,
}

impl Job {
    /// Work made of a recorder.
    pub fn new<F: Future<Output = ()> + Send + 'static>(name: &str, work: impl FnOnce(Recorder) -> F) -> Self {
        let recorder = Recorder::default();
        let work = Box::pin(work(recorder.clone()));
        Self { name: name.to_owned(), recorder, work }
    }

    /// A job of one test.
    pub fn test<F: Future<Output = ()> + Send + 'static>(
        group: &str,
        name: &str,
        weight: Weight,
        work: impl FnOnce(Recorder) -> F,
    ) -> Self {
        let job = Self::new(name, work);
        job.recorder.test(group, name, weight);
        job
    }
}

/// Bounds of a run.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// As many jobs at once.
    pub parallel: usize,
    /// Longest time for one job.
    pub job: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { parallel: 4, job: Duration::from_secs(300) }
    }
}

/// Runs all jobs; the tests come back in the order of the jobs, whatever finished first.
pub async fn all(jobs: Vec<Job>, bounds: Bounds) -> Vec<Test> {
    let permits = Arc::new(Semaphore::new(bounds.parallel.max(1)));
    let mut running = JoinSet::new();
    let mut begun = Vec::with_capacity(jobs.len());
    for job in jobs {
        let Job { name, recorder, work } = job;
        let (permits, taking, ended) = (Arc::clone(&permits), recorder.clone(), Arc::new(AtomicBool::new(false)));
        begun.push((name.clone(), recorder, Arc::clone(&ended)));
        running.spawn(async move {
            // The semaphore is never closed.
            let Ok(_permit) = permits.acquire().await else { return };
            if tokio::time::timeout(bounds.job, work).await.is_err() {
                taking.problem(&name, "time", format!("not done within {:?}", bounds.job));
            }
            ended.store(true, Ordering::Relaxed);
        });
    }
    while running.join_next().await.is_some() {}
    let mut tests = Vec::new();
    for (name, recorder, ended) in begun {
        if !ended.load(Ordering::Relaxed) {
            // It panicked, which is a defect of this crate; the test must not look as if it had passed.
            recorder.problem(&name, "run", "the test ended unexpectedly: a defect of the suite runner".to_owned());
        }
        tests.extend(recorder.finish());
    }
    tests
}

#[cfg(test)]
mod tests;
