//! Which consents count for whom, from the next request on.

use std::sync::Arc;

use bytes::Bytes;
use model::time::{FixedClock, Instant};
use store::{Author, Commit, Commits, Config, Expect, NewVersion, PatientLink};

use super::*;

fn store() -> Store {
    let clock = Arc::new(FixedClock(Instant::parse("2026-03-01T10:00:00Z").unwrap()));
    Store::open(&Config::memory(), clock).unwrap()
}

fn consent(id: &str, members: &str) -> NewVersion {
    let text = format!(
        r#"{{"resourceType":"Consent","id":"{id}","status":"active","scope":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}}]}},"dateTime":"2026-01-01","provision":{{"type":"permit"}},{members}}}"#
    );
    let json = parse(text.as_bytes(), &Limits::default()).unwrap();
    NewVersion {
        resource_type: "Consent".into(),
        id: id.into(),
        expect: Expect::Any,
        index: index::rows(&json),
        patients: model::resource::patients_of(&json).iter().map(|id| id.as_str().to_owned()).collect(),
        body: Bytes::from(text),
        deleted: false,
        author: Author { source: "test".into(), exchange: None },
        skip_unchanged: false,
        method: store::Method::Put,
        lean: false,
    }
}

async fn put(store: &Store, resources: Vec<NewVersion>) {
    store.commit(Commit { resources, ..Commit::default() }).await.unwrap();
}

#[tokio::test]
async fn sees_a_consent_from_the_next_request_on_and_no_other_patients() {
    let (store, policies) = (store(), Policies::default());
    assert!(policies.of(&store, &["p"]).unwrap().is_empty());
    put(&store, vec![consent("c", r#""patient":{"reference":"Patient/p"}"#)]).await;
    assert_eq!(policies.of(&store, &["p"]).unwrap().len(), 1);
    assert!(policies.of(&store, &["q"]).unwrap().is_empty());
    put(&store, vec![consent("d", r#""patient":{"reference":"Patient/p"}"#)]).await;
    assert_eq!(policies.of(&store, &["p"]).unwrap().len(), 2);
}

#[tokio::test]
async fn keeps_a_compilation_while_nothing_was_written() {
    let (store, policies) = (store(), Policies::default());
    put(&store, vec![consent("c", r#""patient":{"reference":"Patient/p"}"#)]).await;
    let first = policies.of(&store, &["p"]).unwrap();
    assert!(Arc::ptr_eq(&first, &policies.of(&store, &["p"]).unwrap()));
    put(&store, vec![consent("c", r#""patient":{"reference":"Patient/p"},"patientInstructions":"x""#)]).await;
    assert!(!Arc::ptr_eq(&first, &policies.of(&store, &["p"]).unwrap()));
}

#[tokio::test]
async fn counts_policies_of_the_site_for_everybody() {
    let (store, policies) = (store(), Policies::default());
    let marked = r#""extension":[{"url":"urn:gateway:consent:admin-policy","valueBoolean":true}]"#;
    put(&store, vec![consent("site", marked)]).await;
    assert_eq!(policies.of(&store, &["p"]).unwrap().len(), 1);
    assert_eq!(policies.of(&store, &[]).unwrap().len(), 1);
}

#[tokio::test]
async fn counts_a_consent_of_a_merged_number_for_the_number_that_stands() {
    let (store, policies) = (store(), Policies::default());
    put(&store, vec![consent("c", r#""patient":{"reference":"Patient/old"}"#)]).await;
    let links = vec![PatientLink { replaced: "old".into(), replaced_by: "new".into() }];
    store.commit(Commit { links, ..Commit::default() }).await.unwrap();
    // Twice: as it stands, and as if it named the other number.
    assert_eq!(policies.of(&store, &["new"]).unwrap().len(), 2);
}

/// What one patient's consents decide now: the version of the Consent that permitted; none where nothing did.
fn permitted_by(store: &Store, policies: &Policies) -> Option<u64> {
    let compiled = policies.of(store, &["p"]).unwrap();
    let request = consent::AccessRequest {
        actor: consent::Actor { refs: vec!["Practitioner/a".into()], ..consent::Actor::default() },
        purposes: vec![consent::Purpose::parse("TREAT")],
        action: consent::Action::Access,
        custodian: None,
        btg: None,
        patient: None,
        interaction: consent::Interaction::Read,
    };
    let resource =
        parse(br#"{"resourceType":"Condition","id":"x","subject":{"reference":"Patient/p"}}"#, &Limits::default());
    let facts = consent::ResourceFacts::from(&resource.unwrap());
    let now = Instant::parse("2026-03-01T10:00:00Z").unwrap();
    let decision = consent::decide(&compiled, &request, &facts, &consent::Settings::default(), now);
    let version = decision.matched.first().and_then(|it| it.version.as_ref()).map(|it| it.parse().unwrap());
    version.filter(|_| decision.is_permit())
}

fn of_patient(status: &str, number: u64) -> NewVersion {
    let mut version =
        consent("c", &format!(r#""identifier":[{{"value":"{number}"}}],"patient":{{"reference":"Patient/p"}}"#));
    let text = String::from_utf8(version.body.to_vec()).unwrap().replace(r#""active""#, &format!(r#""{status}""#));
    version.body = Bytes::from(text);
    version
}

#[test]
fn every_write_holds_from_the_next_request_on() {
    use proptest::prelude::*;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let writes = prop::collection::vec(prop::sample::select(&["active", "inactive", "entered-in-error"][..]), 1..12);
    let outcome = runner.run(&writes, |writes| {
        let (store, policies) = (store(), Policies::default());
        for (number, status) in (1_u64..).zip(writes) {
            runtime.block_on(put(&store, vec![of_patient(status, number)]));
            let expected = (status == "active").then_some(number);
            prop_assert_eq!(permitted_by(&store, &policies), expected);
            prop_assert_eq!(permitted_by(&store, &policies), expected, "also from what was kept");
        }
        Ok(())
    });
    outcome.unwrap();
}

/// While others read, and so keep compilations that are out of date the moment they are made.
#[test]
fn a_write_holds_for_whoever_asks_after_it_while_others_ask() {
    use std::sync::atomic::{AtomicU64, Ordering};
    const WRITES: u64 = 150;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (store, policies, written) = (store(), Policies::default(), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while written.load(Ordering::SeqCst) < WRITES {
                    let before = written.load(Ordering::SeqCst);
                    let seen = permitted_by(&store, &policies);
                    assert!(seen.unwrap_or_default() >= before, "{seen:?} was decided by after {before} was written");
                }
            });
        }
        for number in 1..=WRITES {
            runtime.block_on(put(&store, vec![of_patient("active", number)]));
            written.store(number, Ordering::SeqCst);
            assert_eq!(permitted_by(&store, &policies), Some(number));
        }
    });
    runtime.block_on(put(&store, vec![of_patient("inactive", WRITES + 1)]));
    assert_eq!(permitted_by(&store, &policies), None, "a revocation holds at once");
}
