//! An outside terminology server for what cannot be decided here.
//!
//! The protocol is apart from the network: [`wire`] makes requests and reads responses, a [`Transport`] (a closure over
//! some HTTP client) carries them, and [`Server`] holds the policy: a bounded cache of answers, a bound on questions under
//! way, and a circuit breaker. Whatever goes wrong becomes [`Membership::Unknown`] with [`Reason::Remote`]: a server that
//! is slow or gone never makes a resource invalid and never makes a validation hang.
//!
//! What leaves the house is the coding, the value set's URL and nothing else of a resource.

pub mod wire;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::time::{Clock, Instant};

use crate::answer::{CodeCheck, Coding, Membership, Reason};
use crate::expand::{ExpandRequest, Expansion};

/// A terminology service somewhere else.
pub trait Remote: Send + Sync {
    /// Whether a code is in a value set (`ValueSet/$validate-code`).
    fn member(&self, value_set: &str, coding: &Coding<'_>) -> Membership;
    /// What is known of a code by itself (`CodeSystem/$validate-code`); none if there is no answer.
    fn validate(&self, coding: &Coding<'_>) -> Option<CodeCheck>;
    /// The codes of a value set (`ValueSet/$expand`); none if there is no answer.
    fn expand(&self, value_set: &str, request: &ExpandRequest<'_>) -> Option<Expansion>;
}

/// Carries a request to the server and brings its response. Has to return within `timeout`.
pub trait Transport: Send + Sync {
    /// Sends `POST [base]/{request.operation}`.
    ///
    /// # Errors
    /// `TransportError` if there is no response within the time.
    fn post(&self, request: &wire::Request, timeout: Duration) -> Result<wire::Response, TransportError>;
}

impl<F> Transport for F
where
    F: Fn(&wire::Request, Duration) -> Result<wire::Response, TransportError> + Send + Sync,
{
    fn post(&self, request: &wire::Request, timeout: Duration) -> Result<wire::Response, TransportError> {
        self(request, timeout)
    }
}

/// No response: a time-out, a refused connection, a broken one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the terminology server did not respond")]
pub struct TransportError;

/// How patient the client is.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// The time for one question.
    pub timeout: Duration,
    /// How long a definite answer is believed.
    pub keep: Duration,
    /// How long the server's "I do not know" is believed.
    pub keep_unknown: Duration,
    /// The most answers kept; the oldest go first.
    pub answers: usize,
    /// The most questions under way; further ones are [`Reason::Remote`] at once.
    pub under_way: usize,
    /// Failures in a row after which nothing is asked for a while.
    pub failures: u32,
    /// That while; then one question is tried.
    pub rest: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            keep: Duration::from_secs(24 * 3600),
            keep_unknown: Duration::from_secs(600),
            answers: 100_000,
            under_way: 8,
            failures: 3,
            rest: Duration::from_secs(30),
        }
    }
}

/// A server behind a transport.
pub struct Server<T, C> {
    transport: T,
    clock: C,
    policy: Policy,
    answers: Mutex<Answers>,
    breaker: Mutex<Breaker>,
    under_way: AtomicUsize,
}

#[derive(Default)]
struct Answers {
    known: HashMap<String, (Answer, Instant)>,
    /// In the order of arrival.
    order: VecDeque<String>,
}

#[derive(Clone)]
enum Answer {
    Member(Option<bool>),
    Code(Option<CodeCheck>),
}

#[derive(Default)]
struct Breaker {
    failures: u32,
    /// Nothing is asked before this time.
    until: Option<Instant>,
}

impl<T: Transport, C: Clock> Server<T, C> {
    /// A server; the clock decides how long answers are believed.
    pub fn new(transport: T, clock: C, policy: Policy) -> Self {
        Self {
            transport,
            clock,
            policy,
            answers: Mutex::default(),
            breaker: Mutex::default(),
            under_way: AtomicUsize::new(0),
        }
    }

    /// Asks, if the breaker and the bound on questions allow it.
    fn ask(&self, request: &wire::Request) -> Option<wire::Response> {
        let now = self.clock.now();
        {
            let mut breaker = lock(&self.breaker);
            if breaker.until.is_some_and(|until| now < until) {
                return None;
            }
            // After the rest one question is tried: the others go on resting until it is answered.
            if breaker.until.is_some() {
                breaker.until = Some(after(now, self.policy.rest));
            }
        }
        let _place = Place::take(&self.under_way, self.policy.under_way)?;
        let response = self.transport.post(request, self.policy.timeout).ok();
        // A server that says 4xx is there; it does not know the value set, for example.
        let alive = response.as_ref().is_some_and(|response| response.status < 500 && response.status != 429);
        let mut breaker = lock(&self.breaker);
        if alive {
            *breaker = Breaker::default();
            return response;
        }
        breaker.failures = breaker.failures.saturating_add(1);
        if breaker.failures >= self.policy.failures {
            breaker.until = Some(after(self.clock.now(), self.policy.rest));
        }
        None
    }

    fn known(&self, key: &str) -> Option<Answer> {
        let answers = lock(&self.answers);
        let (answer, until) = answers.known.get(key)?;
        (self.clock.now() < *until).then(|| answer.clone())
    }

    fn keep(&self, key: String, answer: Answer) {
        let definite = matches!(answer, Answer::Member(Some(_)) | Answer::Code(Some(_)));
        let time = if definite { self.policy.keep } else { self.policy.keep_unknown };
        let until = after(self.clock.now(), time);
        let mut answers = lock(&self.answers);
        if answers.known.insert(key.clone(), (answer, until)).is_none() {
            answers.order.push_back(key);
        }
        while answers.order.len() > self.policy.answers {
            if let Some(oldest) = answers.order.pop_front() {
                answers.known.remove(&oldest);
            }
        }
    }
}

impl<T: Transport, C: Clock> Remote for Server<T, C> {
    fn member(&self, value_set: &str, coding: &Coding<'_>) -> Membership {
        let key = key(value_set, coding, None);
        let found = match self.known(&key) {
            Some(Answer::Member(found)) => found,
            _ => {
                let Some(response) = self.ask(&wire::validate_in_value_set(value_set, coding)) else {
                    return Membership::Unknown(Reason::Remote);
                };
                let found = wire::read_member(&response);
                self.keep(key, Answer::Member(found));
                found
            }
        };
        match found {
            Some(true) => Membership::In,
            Some(false) => Membership::NotIn,
            None => Membership::Unknown(Reason::Remote),
        }
    }

    fn validate(&self, coding: &Coding<'_>) -> Option<CodeCheck> {
        let key = key("", coding, coding.display);
        if let Some(Answer::Code(found)) = self.known(&key) {
            return found;
        }
        let response = self.ask(&wire::validate_in_code_system(coding)?)?;
        let found = wire::read_code(&response, coding);
        self.keep(key, Answer::Code(found.clone()));
        found
    }

    fn expand(&self, value_set: &str, request: &ExpandRequest<'_>) -> Option<Expansion> {
        wire::read_expansion(&self.ask(&wire::expand(value_set, request))?)
    }
}

/// A question under way; the place is free again when this is dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(under_way: &'a AtomicUsize, limit: usize) -> Option<Self> {
        let before = under_way.fetch_add(1, Ordering::Relaxed);
        let place = Self(under_way);
        (before < limit).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn key(value_set: &str, coding: &Coding<'_>, display: Option<&str>) -> String {
    let parts = [value_set, coding.system.unwrap_or_default(), coding.version.unwrap_or_default(), coding.code];
    format!("{}\u{1f}{}", parts.join("\u{1f}"), display.unwrap_or_default())
}

fn after(now: Instant, time: Duration) -> Instant {
    let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    Instant::from_millis(now.millis().saturating_add(millis))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
