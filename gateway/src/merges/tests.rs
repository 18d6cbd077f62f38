use std::sync::Arc;

use bytes::Bytes;
use model::time::{FixedClock, Instant};
use store::{Author, Commit, Commits, Config, Expect, NewVersion, Store};

use super::*;

fn store() -> Store {
    let clock = Arc::new(FixedClock(Instant::parse("2026-03-01T10:00:00Z").unwrap()));
    Store::open(&Config::memory(), clock).unwrap()
}

fn link(replaced: &str, replaced_by: &str) -> PatientLink {
    PatientLink { replaced: replaced.to_owned(), replaced_by: replaced_by.to_owned() }
}

/// Merges as a message does: `a>b` retires a into b, `a|b` takes it back.
#[track_caller]
fn say(store: &Store, what: &str) -> Result<Vec<Issue>, Vec<Issue>> {
    let (mut merges, mut unmerges) = (Vec::new(), Vec::new());
    for one in what.split(' ') {
        match one.split_once('>') {
            Some((retired, survivor)) => merges.push(link(retired, survivor)),
            None => unmerges.push(one.split_once('|').map(|(one, other)| (one.to_owned(), other.to_owned())).unwrap()),
        }
    }
    match plan(store, &merges, &unmerges, &[]) {
        Ok(plan) => {
            let commit = Commit { links: plan.links.clone(), unlinks: plan.unlinks.clone(), ..Commit::default() };
            tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(store.commit(commit)).unwrap();
            Ok(plan.issues)
        }
        Err(Ok(issues)) => Err(issues),
        Err(Err(error)) => panic!("{error}"),
    }
}

#[track_caller]
fn check(store: &Store, patient: &str, expected_survivor: &str, expected_person: &str) {
    assert_eq!(survivor(store, patient).unwrap(), expected_survivor, "survivor of {patient}");
    assert_eq!(person(store, patient).unwrap().join(" "), expected_person, "person of {patient}");
}

#[test]
fn chains_lead_to_one_survivor_and_a_repeat_changes_nothing() {
    let store = store();
    assert!(say(&store, "a>b").unwrap().is_empty());
    assert!(say(&store, "b>c").unwrap().is_empty());
    check(&store, "a", "c", "a b c");
    check(&store, "c", "c", "c a b");
    // The same again, and the step left out that is known anyway.
    assert!(say(&store, "a>b a>c").unwrap().is_empty());
    check(&store, "a", "c", "a b c");
    assert_eq!(store.links("a").unwrap(), [link("a", "b")]);
    check(&store, "other", "other", "other");
}

#[test]
fn several_merges_of_one_message_hold_together() {
    let store = store();
    say(&store, "a>s b>s s>t").unwrap();
    check(&store, "b", "t", "b a s t");
}

#[test]
fn a_merge_the_other_way_round_turns_it() {
    let store = store();
    say(&store, "a>b b>c").unwrap();
    let issues = say(&store, "c>a").unwrap();
    assert!(issues[0].diagnostics.contains("the newer holds"), "{issues:?}");
    check(&store, "b", "a", "b a c");
    check(&store, "a", "a", "a b c");
}

#[test]
fn a_record_is_not_merged_into_itself() {
    let store = store();
    assert_eq!(say(&store, "a>a").unwrap().len(), 1);
    check(&store, "a", "a", "a");
}

#[test]
fn a_record_that_is_another_person_already_is_for_a_person_to_look_at() {
    let store = store();
    say(&store, "a>b").unwrap();
    let issues = say(&store, "a>x").unwrap_err();
    assert_eq!((issues[0].severity, issues[0].at.as_deref()), (model::outcome::Severity::Error, Some("MRG-1")));
    check(&store, "a", "b", "a b");
    check(&store, "x", "x", "x");
    // Once the two are said to be one person, it is no contradiction.
    say(&store, "x>b").unwrap();
    assert!(say(&store, "a>x").unwrap()[0].diagnostics.contains("one person already"));
    check(&store, "x", "b", "x a b");
}

#[test]
fn a_merge_is_taken_back_from_either_side() {
    let store = store();
    say(&store, "a>b c>b").unwrap();
    say(&store, "b|a").unwrap();
    check(&store, "a", "a", "a");
    check(&store, "c", "b", "c b");
    assert_eq!(say(&store, "a|b").unwrap()[0].severity, model::outcome::Severity::Warning);
    say(&store, "a>b").unwrap();
    check(&store, "a", "b", "a b c");
    // Taken back and made again by one message.
    say(&store, "a|b a>b").unwrap();
    check(&store, "a", "b", "a b c");
}

#[test]
fn a_person_has_a_bounded_number_of_records() {
    let store = store();
    for number in 1..MOST {
        say(&store, &format!("r{number}>s")).unwrap();
    }
    assert!(say(&store, "one-more>s").is_err());
    assert_eq!(person(&store, "s").unwrap().len(), MOST);
}

#[test]
fn whatever_is_said_there_are_no_circles_and_everybody_of_a_person_has_one_survivor() {
    let names = ["a", "b", "c", "d", "e"];
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % below as u64).unwrap()
    };
    for _ in 0..60 {
        let store = store();
        for _ in 0..12 {
            let (one, other) = (names[next(5)], names[next(5)]);
            let _ = say(&store, &format!("{one}{}{other}", if next(5) == 0 { "|" } else { ">" }));
            for name in names {
                let records = person(&store, name).unwrap();
                let root = survivor(&store, name).unwrap();
                assert!(records.contains(&root));
                let out = store.links(&root).unwrap().into_iter().filter(|link| link.replaced == root).count();
                assert_eq!(out, 0, "the survivor is in use");
                for record in &records {
                    assert_eq!(survivor(&store, record).unwrap(), root);
                    let into = store.links(record).unwrap().into_iter().filter(|link| link.replaced == *record);
                    assert!(into.count() <= 1, "a record is retired into one other at most");
                }
            }
        }
    }
}

fn json(text: &str) -> Json {
    parse(text.as_bytes(), &Limits::default()).unwrap()
}

#[test]
fn each_record_shows_its_links_and_loses_them_again() {
    let store = store();
    say(&store, "a>s").unwrap();
    let plan = plan(&store, &[], &[], &["a".to_owned(), "s".to_owned()]).unwrap();
    let mut retired = json(
        r#"{"resourceType":"Patient","id":"a","active":true,"link":[{"other":{"reference":"Patient/f"},"type":"seealso"}]}"#,
    );
    plan.show(&mut retired);
    let shown = retired.to_text();
    assert!(shown.contains(r#""active":false"#) && shown.contains("seealso"), "{shown}");
    assert!(shown.contains(r#"{"other":{"reference":"Patient/s"},"type":"replaced-by"}"#), "{shown}");
    let mut survivor = json(r#"{"resourceType":"Patient","id":"s"}"#);
    plan.show(&mut survivor);
    assert_eq!(
        survivor.to_text(),
        r#"{"resourceType":"Patient","id":"s","link":[{"other":{"reference":"Patient/a"},"type":"replaces"}]}"#
    );
    plan.show(&mut survivor);
    assert_eq!(survivor.items("link").len(), 1);
    let apart = super::plan(&store, &[], &[("a".to_owned(), "s".to_owned())], &[]).unwrap();
    apart.show(&mut retired);
    apart.show(&mut survivor);
    assert_eq!(survivor.to_text(), r#"{"resourceType":"Patient","id":"s"}"#);
    assert!(!retired.to_text().contains("replaced-by") && retired.get("active").is_none(), "{}", retired.to_text());
}

#[test]
fn a_survivor_is_found_by_the_identifiers_of_those_it_stands_for() {
    let store = store();
    let patient = |id: &str, number: &str| {
        let text = format!(
            r#"{{"resourceType":"Patient","id":"{id}","identifier":[{{"system":"urn:s","value":"{number}"}}]}}"#
        );
        let json = json(&text);
        NewVersion {
            resource_type: "Patient".into(),
            id: id.into(),
            expect: Expect::Any,
            index: rows(&store, &json).unwrap(),
            patients: vec![id.to_owned()],
            body: Bytes::from(text),
            deleted: false,
            author: Author { source: "test".into(), exchange: None },
            skip_unchanged: true,
            method: store::Method::Put,
            lean: false,
        }
    };
    let put = |version: NewVersion| {
        let commit = Commit { resources: vec![version], ..Commit::default() };
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(store.commit(commit)).unwrap();
    };
    put(patient("a", "A1"));
    say(&store, "a>b b>c").unwrap();
    put(patient("c", "C1"));
    let stored = store.read("Patient", "c").unwrap().unwrap();
    let found = |value: &str| stored.index.iter().any(|row| row.value.starts_with(value.as_bytes()));
    assert!(found("A1") && found("C1"));
    assert!(!store.read("Patient", "a").unwrap().unwrap().index.iter().any(|row| row.value.starts_with(b"C1")));
}

#[test]
fn a_retired_record_keeps_who_it_was_and_gains_what_the_merge_calls_it() {
    let stored =
        br#"{"resourceType":"Patient","id":"a","identifier":[{"system":"urn:s","value":"1"}],"name":[{"family":"X"}]}"#;
    let named = json(
        r#"{"resourceType":"Patient","id":"a","active":false,"identifier":[{"system":"urn:s","value":"1"},{"value":"2"}]}"#,
    );
    let whole = with_identifiers(stored, &named).unwrap();
    assert_eq!(whole.items("identifier").len(), 2);
    assert!(whole.get("name").is_some() && whole.get("active").is_none());
}
