use formats::hl7v2::Message;
use mappers::{Context, Packages, Selector};

use super::samples;
use super::scene::{list, why};

#[track_caller]
fn check(decision: &str, expect: &str) {
    assert_eq!(why(decision), expect);
}

#[test]
fn says_which_consent_permits() {
    check(
        "permit: 4 of 4 resources (Consent/for-clinic/_history/1#provision: permit)",
        "Consent/for-clinic (version 1) permits it",
    );
}

#[test]
fn says_which_consent_forbids() {
    check(
        "deny: withheld by consent (Consent/a/_history/2#provision: deny; Consent/b/_history/1#provision: permit)",
        "Consent/a (version 2) forbids it",
    );
}

#[test]
fn says_that_silence_is_no_consent() {
    check("deny: withheld by implicit-policy", "no consent on file permits it, and silence is no consent");
}

#[test]
fn shows_an_unusual_decision_as_it_is() {
    check("deny: withheld by no-purpose", "deny: withheld by no-purpose");
}

#[test]
fn shortens_runs_of_numbers_only() {
    assert_eq!(list(&["3", "4", "5"]), "3 to 5");
    assert_eq!(list(&["3", "5", "6"]), "3, 5 and 6");
    assert_eq!(list(&["0"]), "0");
    assert_eq!(list(&["asthma", "diabetes"]), "asthma and diabetes");
}

/// The narrative says of what is dropped that it is delimiters and line numbers.
#[test]
fn samples_lose_nothing_but_framing() {
    let packages = Packages::embedded().unwrap();
    for sample in [samples::REGISTRATION, samples::RESULTS, samples::UPDATE, samples::MERGE] {
        let message = Message::parse(&samples::on_the_wire(sample)).unwrap().message;
        let package = packages.select(&Selector { names: &[], format: "hl7v2", message: &message }).unwrap();
        let context = Context::default();
        for (at, why) in package.map(&message, &context).loss().dropped {
            assert!(why.contains("delimiter") || why.contains("the number of the segment"), "{at}: {why}");
        }
    }
}
