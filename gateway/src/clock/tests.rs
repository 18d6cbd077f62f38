use std::sync::Mutex;

use super::*;

/// A clock that is set by hand.
#[derive(Clone)]
struct Hand(Arc<Mutex<Instant>>);

impl Clock for Hand {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap()
    }
}

fn clock(at: &str) -> (Hand, SteadyClock) {
    let hand = Hand(Arc::new(Mutex::new(instant(at))));
    let steady = SteadyClock::new(Arc::new(hand.clone()), Metrics::default());
    (hand, steady)
}

fn instant(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

#[test]
fn stands_while_the_machine_is_behind_and_goes_on_after() {
    let (hand, steady) = clock("2026-03-01T10:00:00Z");
    let set = |at: &str| *hand.0.lock().unwrap() = instant(at);
    assert_eq!(steady.now(), instant("2026-03-01T10:00:00Z"));
    set("2026-03-01T11:00:00Z");
    assert_eq!(steady.now(), instant("2026-03-01T11:00:00Z"));
    set("2025-03-01T11:00:00Z");
    assert_eq!(steady.now(), instant("2026-03-01T11:00:00Z"));
    assert!(steady.is_behind());
    set("2026-03-01T11:00:01Z");
    assert_eq!(steady.now(), instant("2026-03-01T11:00:01Z"));
    assert!(!steady.is_behind());
    set("2026-03-01T11:00:00.500Z");
    assert!(!steady.is_behind(), "what time servers correct all day is nothing to notice");
    assert_eq!(steady.now(), instant("2026-03-01T11:00:01Z"));
}

#[test]
fn a_restart_is_no_way_back_and_a_wrong_date_is_no_prison() {
    let (_, steady) = clock("2026-03-01T10:00:00Z");
    steady.go_on_from(instant("2026-03-01T09:00:00Z"));
    assert_eq!(steady.now(), instant("2026-03-01T10:00:00Z"));
    steady.go_on_from(instant("2026-03-02T09:59:00Z"));
    assert_eq!(steady.now(), instant("2026-03-02T09:59:00Z"));
    let (_, steady) = clock("2026-03-01T10:00:00Z");
    steady.go_on_from(instant("2036-03-01T10:00:00Z"));
    assert_eq!(steady.now(), instant("2026-03-01T10:00:00Z"));
}
