use std::sync::Arc;

use crate::client::{Client, Options};
use crate::context::Context;
use crate::fake::{Fake, json};
use crate::result::{Outcome, SuiteResult};

async fn run(fake: &Fake, change: impl FnOnce(&mut Context)) -> SuiteResult {
    let client = Client::new(Options { bases: vec![fake.base.clone()], ..Options::default() }).unwrap();
    let mut context = Context::new(client, vec![fake.base.clone()]);
    change(&mut context);
    super::run(&Arc::new(context), "run").await
}

const STATEMENT: &str = r#"{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","status":"active","kind":"instance",
    "date":"2024","format":["json"],"rest":[{"mode":"server","resource":[{"type":"Patient",
    "interaction":[{"code":"read"},{"code":"create"},{"code":"search-type"}],"searchParam":[{"name":"name","type":"string"}]}]}]}"#;

#[tokio::test]
async fn a_server_that_says_yes_to_everything_fails_nearly_everything() {
    let fake = Fake::start(|asked| {
        json(
            200,
            if asked.path.contains("metadata") { STATEMENT } else { r#"{"resourceType":"Bundle","type":"searchset"}"# },
        )
    })
    .await;
    let result = run(&fake, |_| ()).await;
    let good: Vec<&str> =
        result.tests.iter().filter(|test| test.outcome() == Outcome::Passed).map(|test| test.name.as_str()).collect();
    assert_eq!(
        good,
        [
            "The CapabilityStatement is there for everybody and for R4",
            "JSON is answered as application/fhir+json",
            "A declared type can be searched",
            "The declared search parameters of Patient are taken",
        ]
    );
}

#[tokio::test]
async fn writes_nothing_if_told_so() {
    let fake = Fake::start(|_| json(200, STATEMENT)).await;
    run(&fake, |context| {
        context.variables.insert("read-only".to_owned(), "yes".to_owned());
    })
    .await;
    // The one POST goes to an address that stands for no resource.
    let written: Vec<String> =
        fake.asked().into_iter().filter(|asked| asked.method != "GET").map(|asked| asked.path).collect();
    assert_eq!(written, ["/fhir/Patient/anchorline-conformance-no-such-id"]);
}

#[tokio::test]
async fn a_server_without_a_statement_fails() {
    let fake = Fake::start(|_| (500, Vec::new(), String::new())).await;
    assert!(run(&fake, |_| ()).await.outcome().is_bad());
}
