use std::path::Path;
use std::sync::Arc;

use model::time::{Instant, SystemClock};
use store::{Delivery, DeliveryState, ExchangeId};

use super::*;
use crate::config::Config;

fn destination(retry: &str) -> Destination {
    let text = format!(
        "[[destination]]\nname='d'\ntransport='mllp'\naddress='127.0.0.1:1'\nrecipient=['Organization/x']\nretry='{retry}'"
    );
    Config::parse(&text, Path::new(".")).unwrap().destinations.remove(0)
}

fn delivery() -> Delivery {
    Delivery {
        exchange: ExchangeId::from_random([0; 16]),
        destination: "d".to_owned(),
        number: 0,
        state: DeliveryState::Pending,
        due: None,
        attempts: 0,
        decision: None,
        last_error: None,
        recorded: None,
        changed: Instant::MIN,
    }
}

fn wait(retry: &str, attempts: u32) -> Duration {
    let now = Instant::from_millis(0);
    let change = later(&destination(retry), &delivery(), attempts, now, ("x", Duration::ZERO));
    change.due.unwrap().since(now)
}

#[test]
fn waits_double_up_to_a_limit_and_are_shortened_by_at_most_half() {
    for (attempts, full) in [(1, 1_000), (2, 2_000), (5, 16_000), (12, 300_000), (4_000_000_000, 300_000)] {
        let wait = wait("standard", attempts).as_millis();
        assert!((full / 2..=full).contains(&wait), "after {attempts}: {wait}");
    }
}

#[test]
fn a_partner_that_asks_for_a_longer_wait_gets_it() {
    let now = Instant::from_millis(0);
    let change = later(&destination("quick"), &delivery(), 1, now, ("x", Duration::from_secs(90)));
    assert_eq!(change.due.unwrap().since(now), Duration::from_secs(90));
}

#[test]
fn what_a_partner_refuses_is_not_sent_again() {
    assert!(!Failure::Refused("AR".to_owned()).is_retryable());
    for failure in [Failure::Timeout, Failure::Broken, Failure::Garbage("x"), Failure::NotNow("AE".to_owned())] {
        assert!(failure.is_retryable(), "{failure}");
    }
}

#[tokio::test]
async fn a_partner_that_is_down_is_a_failure_to_try_again() {
    let sender = Sender::new(&destination("once"), mpsc::channel(1).0, Arc::new(SystemClock)).unwrap();
    let recorded = record::Recorded::for_test(b"MSH|");
    let failure = sender.send(&recorded).await.unwrap_err();
    assert!(matches!(failure, Failure::Connect(_)), "{failure}");
}
