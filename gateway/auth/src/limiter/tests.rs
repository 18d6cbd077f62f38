use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60_000;

#[test]
fn five_grants_an_hour_then_no_more_until_the_first_is_over() {
    let mut limiter = EmergencyLimiter::default();
    for minute in 0..5 {
        assert_eq!(limiter.may_declare("a", minute * MINUTE), Ok(()));
        limiter.record_grant("a", minute * MINUTE, minute * MINUTE);
    }
    assert_eq!(limiter.may_declare("a", 10 * MINUTE), Err(RetryAfter(Duration::from_secs(50 * 60))));
    assert_eq!(limiter.may_declare("b", 10 * MINUTE), Ok(()));
    assert_eq!(limiter.may_declare("a", 60 * MINUTE), Ok(()));
    assert_eq!(limiter.may_declare("a", 60 * MINUTE - 1), Err(RetryAfter(Duration::from_secs(1))));
}

#[test]
fn what_is_refused_does_not_count() {
    let mut limiter = EmergencyLimiter::default();
    for _ in 0..100 {
        limiter.may_declare("a", 0).unwrap();
    }
    for _ in 0..20 {
        limiter.find("a", 0).unwrap();
    }
    for minute in 1..60 {
        limiter.find("a", minute * MINUTE).unwrap_err();
    }
    assert_eq!(limiter.find("a", 60 * MINUTE), Ok(()));
}

#[test]
fn grants_from_before_a_restart_count() {
    let mut limiter = EmergencyLimiter::new(Limits {
        grants: Window { count: 1, per: Duration::from_secs(60) },
        ..Limits::default()
    });
    limiter.record_grant("a", 50 * 1000, 100 * 1000);
    limiter.record_grant("b", 10 * 1000, 100 * 1000);
    assert_eq!(limiter.may_declare("a", 100 * 1000), Err(RetryAfter(Duration::from_secs(10))));
    assert_eq!(limiter.may_declare("b", 100 * 1000), Ok(()));
}

#[test]
fn forgets_who_has_done_nothing_within_the_window() {
    let mut limiter = EmergencyLimiter::default();
    for person in 0..1000 {
        limiter.find(&person.to_string(), 0).unwrap();
    }
    limiter.find("last", 61 * MINUTE).unwrap();
    assert_eq!(limiter.finds.len(), 1);
}

#[test]
fn a_limit_of_none_refuses_everything() {
    let limiter = EmergencyLimiter::new(Limits {
        grants: Window { count: 0, per: Duration::from_secs(60) },
        ..Limits::default()
    });
    assert!(limiter.may_declare("a", 0).is_err());
}

proptest! {
    #[test]
    fn no_window_ever_holds_more_than_the_limit(mut moments in prop::collection::vec(0_i64..10 * 3_600_000, 0..200)) {
        moments.sort_unstable();
        let mut limiter = EmergencyLimiter::default();
        let granted: Vec<i64> = moments.into_iter().filter(|at| limiter.may_declare("a", *at).map(|()| limiter.record_grant("a", *at, *at)).is_ok()).collect();
        for (index, at) in granted.iter().enumerate() {
            prop_assert!(granted[index..].iter().take_while(|other| **other < at + 3_600_000).count() <= 5);
        }
    }

    #[test]
    fn waiting_as_long_as_said_is_enough(moments in prop::collection::vec(0_i64..3_600_000, 5..30), now in 0_i64..3_600_000) {
        let mut limiter = EmergencyLimiter::default();
        for at in moments {
            limiter.record_grant("a", at, now.max(at));
        }
        if let Err(RetryAfter(wait)) = limiter.may_declare("a", now) {
            prop_assert!(limiter.may_declare("a", now + i64::try_from(wait.as_millis()).unwrap()).is_ok());
        }
    }
}
