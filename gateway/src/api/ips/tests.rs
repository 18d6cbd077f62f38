//! What is shown when the time is over, and of a person with several numbers.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use consent::Interaction;
use model::time::Clock;
use store::{Author, Commit, Commits, Expect, NewVersion, PatientLink};

use super::*;
use crate::api::Who;
use crate::config::Config;
use crate::keys::DataDirectory;

/// A clock that goes on by so many milliseconds each time it is looked at.
#[derive(Debug)]
struct Running(AtomicI64, i64);

impl Clock for Running {
    fn now(&self) -> Instant {
        Instant::from_millis(self.0.fetch_add(self.1, Ordering::Relaxed))
    }
}

fn app(step: i64) -> (App, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDirectory::open(folder.path()).unwrap();
    let config = Config::parse("[store]\nbackend = \"memory\"\nmin_free = \"1B\"\n", Path::new(".")).unwrap();
    let clock = Arc::new(Running(AtomicI64::new(1_772_356_800_000), step));
    (App::open(config, data, clock).unwrap().0, folder)
}

fn version(text: &str) -> NewVersion {
    let json = parse(text.as_bytes(), &Limits::default()).unwrap();
    NewVersion {
        resource_type: resource_type(&json).unwrap().to_owned(),
        id: id(&json).unwrap().to_owned(),
        expect: Expect::Any,
        body: Bytes::from(text.to_owned()),
        index: index::rows(&json),
        patients: model::resource::patients_of(&json).iter().map(|id| id.as_str().to_owned()).collect(),
        deleted: false,
        author: Author { source: "lab".into(), exchange: None },
        skip_unchanged: false,
        method: store::Method::Put,
        lean: false,
    }
}

fn condition(patient: &str, number: usize) -> NewVersion {
    version(&format!(
        r#"{{"resourceType":"Condition","id":"c-{patient}-{number}","subject":{{"reference":"Patient/{patient}"}},"onsetDateTime":"20{:02}","code":{{"text":"{number}"}}}}"#,
        number % 20
    ))
}

fn gathered(app: &App) -> Gathered {
    let who = Who::open();
    let asking = Asking::new(app, &who, Interaction::Summary).unwrap();
    let own = asking.current("Patient", "p").unwrap().unwrap();
    gather(app, &asking, &own).unwrap()
}

fn count(gathered: &Gathered, wanted: &str) -> usize {
    gathered.resources.iter().filter(|resource| resource_type(resource) == Some(wanted)).count()
}

#[tokio::test]
async fn reads_little_of_each_section_once_the_time_is_over_and_says_so() {
    for (step, conditions, cut) in [(0, 30, vec![]), (500, ALWAYS_READ, vec![(Section::Problems, Cut::Time)])] {
        let (app, _folder) = app(step);
        let mut resources = vec![version(r#"{"resourceType":"Patient","id":"p"}"#)];
        resources.extend((0..30).map(|number| condition("p", number)));
        resources.push(version(
            r#"{"resourceType":"AllergyIntolerance","id":"a","patient":{"reference":"Patient/p"},"code":{"text":"Latex"}}"#,
        ));
        app.store.commit(Commit { resources, ..Commit::default() }).await.unwrap();
        let gathered = gathered(&app);
        assert_eq!((count(&gathered, "Condition"), count(&gathered, "AllergyIntolerance")), (conditions, 1), "{step}");
        assert_eq!(gathered.cut, cut);
    }
}

#[tokio::test]
async fn what_weighs_most_comes_from_every_number_of_the_person() {
    let (app, _folder) = app(0);
    let mut resources =
        vec![version(r#"{"resourceType":"Patient","id":"p"}"#), version(r#"{"resourceType":"Patient","id":"old"}"#)];
    resources.extend((0..90).map(|number| condition("p", number)));
    resources.extend((0..90).map(|number| condition("old", number)));
    let links = vec![PatientLink { replaced: "old".into(), replaced_by: "p".into() }];
    app.store.commit(Commit { resources, links, ..Commit::default() }).await.unwrap();
    let gathered = gathered(&app);
    assert_eq!((count(&gathered, "Condition"), count(&gathered, "Patient")), (100, 1));
    assert_eq!(gathered.cut, [(Section::Problems, Cut::More)]);
    // The newest of both: fifty of each, all read as of the one patient.
    let of_old = gathered.resources.iter().filter(|resource| id(resource).is_some_and(|id| id.starts_with("c-old")));
    assert!((45..=55).contains(&of_old.count()));
    assert!(gathered.resources.iter().all(|resource| !resource.to_text().contains("Patient/old")));
}
