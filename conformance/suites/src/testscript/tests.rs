use std::path::Path;
use std::sync::Arc;

use crate::client::{Client, Options};
use crate::context::Context;
use crate::fake::{Asked, Fake, Reply, json};
use crate::result::{Outcome, SuiteResult};

/// A script around these setup and test actions, with a contained Patient as the fixture `one`.
fn script(more: &str, actions: &str) -> String {
    format!(
        r##"{{"resourceType":"TestScript","name":"Sample","status":"draft",
        "contained":[{{"resourceType":"Patient","id":"p1","active":true,"name":[{{"family":"${{family}}"}}]}}],
        "fixture":[{{"id":"one","autocreate":false,"autodelete":false,"resource":{{"reference":"#p1"}}}}],
        "variable":[{{"name":"family","defaultValue":"Lee"}},{{"name":"id","path":"Patient/id","sourceId":"one"}},
                    {{"name":"tag","headerField":"ETag","sourceId":"made"}},{{"name":"none","hint":"a ward"}}],
        {more}"test":[{{"name":"case","action":[{actions}]}}]}}"##
    )
}

async fn run(fake: &Fake, text: &str) -> SuiteResult {
    run_with(fake, text, |_| ()).await
}

async fn run_with(fake: &Fake, text: &str, change: impl FnOnce(&mut Context)) -> SuiteResult {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script.json");
    std::fs::write(&file, text).unwrap();
    run_file(fake, &file, change).await
}

async fn run_file(fake: &Fake, file: &Path, change: impl FnOnce(&mut Context)) -> SuiteResult {
    let client = Client::new(Options { bases: vec![fake.base.clone()], ..Options::default() }).unwrap();
    let mut context = Context::new(client, vec![fake.base.clone()]);
    change(&mut context);
    super::run(&Arc::new(context), &[file.to_owned()]).await
}

fn patient(asked: &Asked) -> Reply {
    match asked.method.as_str() {
        "GET" => {
            json(200, r#"{"resourceType":"Patient","id":"p9","active":true,"name":[{"family":"Lee","given":["A"]}]}"#)
        }
        "DELETE" => (204, Vec::new(), String::new()),
        _ => (
            201,
            vec![("Location", "http://x/Patient/p9/_history/1".to_owned()), ("ETag", "W/\"1\"".to_owned())],
            String::new(),
        ),
    }
}

fn operation(code: &str, more: &str) -> String {
    format!(r#"{{"operation":{{"type":{{"code":"{code}"}},"encodeRequestUrl":true{more}}}}}"#)
}

fn assert(more: &str) -> String {
    format!(r#"{{"assert":{{"label":"a"{more},"warningOnly":false}}}}"#)
}

/// The outcome of the last step of a script that reads a Patient and asserts this.
#[track_caller]
fn outcome(result: &SuiteResult) -> Outcome {
    result.tests.iter().find(|test| test.name == "case").unwrap().steps.last().unwrap().outcome
}

#[tokio::test]
async fn sends_what_each_operation_means() {
    for (code, more, expected) in [
        ("read", r#","resource":"Patient","params":"/${id}""#, "GET /fhir/Patient/p1"),
        ("read", r#","targetId":"one""#, "GET /fhir/Patient/p1"),
        ("vread", r#","resource":"Patient","params":"/1/_history/2""#, "GET /fhir/Patient/1/_history/2"),
        ("search", r#","resource":"Patient","params":"?name=a b|c""#, "GET /fhir/Patient?name=a%20b%7Cc"),
        ("search", r#","resource":"Patient","params":"name=a""#, "GET /fhir/Patient?name=a"),
        ("search", r#","resource":"Patient","method":"post","params":"?name=a""#, "POST /fhir/Patient/_search"),
        ("search", r#","params":"/.well-known/smart-configuration""#, "GET /fhir/.well-known/smart-configuration"),
        ("create", r#","resource":"Patient","sourceId":"one""#, "POST /fhir/Patient"),
        ("update", r#","resource":"Patient","params":"/7","sourceId":"one""#, "PUT /fhir/Patient/7"),
        ("update", r#","sourceId":"one""#, "PUT /fhir/Patient/p1"),
        ("delete", r#","targetId":"one""#, "DELETE /fhir/Patient/p1"),
        ("delete", r#","resource":"Patient","params":"?identifier=1""#, "DELETE /fhir/Patient?identifier=1"),
        ("history", r#","resource":"Patient","targetId":"one""#, "GET /fhir/Patient/p1/_history"),
        ("history", r#","resource":"Patient""#, "GET /fhir/Patient/_history"),
        ("capabilities", "", "GET /fhir/metadata"),
        ("transaction", r#","sourceId":"one""#, "POST /fhir"),
        ("validate", r#","sourceId":"one""#, "POST /fhir/Patient/$validate"),
        ("everything", r#","targetId":"one""#, "GET /fhir/Patient/p1/$everything"),
        ("patch", r#","targetId":"one","sourceId":"one""#, "PATCH /fhir/Patient/p1"),
        ("read", r#","url":"Patient/5""#, "GET /fhir/Patient/5"),
    ] {
        let fake = Fake::start(patient).await;
        let result = run(&fake, &script("", &operation(code, more))).await;
        assert_eq!(outcome(&result), Outcome::Passed, "{code}{more}: {result:?}");
        let asked = fake.asked();
        assert_eq!(format!("{} {}", asked[0].method, asked[0].path), expected, "{code}{more}");
    }
}

#[tokio::test]
async fn sends_bodies_headers_and_types() {
    let fake = Fake::start(patient).await;
    let more = r#","resource":"Patient","params":"/7","sourceId":"one","contentType":"json","accept":"xml","responseId":"made",
        "requestHeader":[{"field":"If-Match","value":"W/\"${family}\""}]"#;
    let second = operation("read", r#","targetId":"one","requestHeader":[{"field":"If-None-Match","value":"${tag}"}]"#);
    run(&fake, &script("", &format!("{},{second}", operation("update", more)))).await;
    let asked = fake.asked();
    assert_eq!(asked[0].header("accept"), Some("application/fhir+xml"));
    assert_eq!(asked[0].header("content-type"), Some("application/fhir+json"));
    assert_eq!(asked[0].header("if-match"), Some("W/\"Lee\""));
    assert!(asked[0].body.contains(r#""id":"7""#) && asked[0].body.contains(r#""family":"Lee""#), "{}", asked[0].body);
    // The id that the server gave, and a header of a named answer.
    assert_eq!(asked[1].path, "/fhir/Patient/p9");
    assert_eq!(asked[1].header("if-none-match"), Some("W/\"1\""));
}

#[tokio::test]
async fn checks_every_criterion() {
    for (more, expected) in [
        (r#","responseCode":"200""#, true),
        (r#","responseCode":"200,201""#, true),
        (r#","responseCode":"404,410","operator":"notIn""#, true),
        (r#","responseCode":"201""#, false),
        (r#","response":"okay""#, true),
        (r#","response":"created""#, false),
        (r#","response":"wonderful""#, false),
        (r#","resource":"Patient""#, true),
        (r#","resource":"Bundle""#, false),
        (r#","contentType":"json""#, true),
        (r#","contentType":"application/fhir+json""#, true),
        (r#","contentType":"xml""#, false),
        (r#","headerField":"Content-Type","operator":"contains","value":"fhir""#, true),
        (r#","headerField":"ETag""#, false),
        (r#","headerField":"ETag","operator":"empty""#, true),
        (r#","requestMethod":"get""#, true),
        (r#","requestMethod":"post""#, false),
        (r#","requestURL":"/Patient/p1""#, true),
        (r#","direction":"request","headerField":"Accept","operator":"contains","value":"json""#, true),
        (r#","path":"fhir:Patient/fhir:active/@value","value":"true""#, true),
        (r#","path":"Patient/name/given","operator":"notEquals","value":"B""#, true),
        (r#","path":"Patient/contact","operator":"empty""#, true),
        (r#","path":"$.name[0].family","value":"${family}""#, true),
        (r#","path":"Patient/name[","value":"x""#, false),
        (r#","path":"Patient/id","compareToSourceId":"one","operator":"notEquals""#, true),
        (r#","compareToSourceId":"one","compareToSourcePath":"Patient/active""#, true),
        (r#","path":"Patient/id","operator":"greaterThan","value":"1""#, false),
        (r#","expression":"Patient.name.family","value":"${family}""#, true),
        (r#","expression":"Patient.name.given.count() = 1""#, true),
        (r#","expression":"Patient.contact","operator":"empty""#, true),
        (r#","expression":"Patient.name.exists(","operator":"eval""#, false),
        (r#","expression":"Patient.active = false","operator":"eval""#, false),
        (r#","path":"Patient/id","operator":"roughly","value":"1""#, false),
        (r#","minimumId":"plain""#, true),
        (r#","minimumId":"other""#, false),
        (r#","navigationLinks":true"#, false),
        (r#","sourceId":"nobody","resource":"Patient""#, false),
        (r#","responseCode":"${none}""#, false),
        (r#","responseBody":"Patient""#, false),
        ("", false),
    ] {
        let fake = Fake::start(patient).await;
        let actions = format!("{},{}", operation("read", r#","targetId":"one""#), assert(more));
        let text = script("", &actions).replace(
            r##""contained":["##,
            r##""contained":[{"resourceType":"Patient","id":"plain","name":[{"family":"Lee"}]},
                {"resourceType":"Patient","id":"other","name":[{"family":"Ray"}]},"##,
        );
        let text = text.replace(
            r##""fixture":["##,
            r##""fixture":[{"id":"plain","resource":{"reference":"#plain"}},{"id":"other","resource":{"reference":"#other"}},"##,
        );
        let result = run(&fake, &text).await;
        let wanted = if expected { Outcome::Passed } else { Outcome::Failed };
        assert_eq!(outcome(&result), wanted, "{more}: {:?}", result.tests[1].steps);
    }
}

#[tokio::test]
async fn reads_response_bodies_only_if_told_to() {
    for (more, expected) in [
        (r#","responseBody":"\"resourceType\"\\s*:\\s*\"Patient\"","operator":"matchesRegex""#, Outcome::Passed),
        (r#","responseBody":"Bundle","operator":"contains""#, Outcome::Failed),
        (r#","responseBody":"(","operator":"matchesRegex""#, Outcome::Failed),
    ] {
        let fake = Fake::start(patient).await;
        let actions = format!("{},{}", operation("read", r#","targetId":"one""#), assert(more));
        let result = run_with(&fake, &script("", &actions), |context| context.extensions = true).await;
        assert_eq!(outcome(&result), expected, "{more}");
        let plain = run(&fake, &script("", &actions)).await;
        assert_eq!(outcome(&plain), Outcome::Failed, "{more}");
        let said = &plain.tests[1].steps[1].got;
        assert!(said.contains("responseBody"), "{said}");
    }
}

#[tokio::test]
async fn stops_a_section_at_its_first_problem() {
    let fake = Fake::start(patient).await;
    let actions = [
        operation("read", r#","targetId":"one""#),
        assert(r#","responseCode":"404""#),
        assert(r#","responseCode":"200""#),
    ];
    let teardown =
        format!(r#""teardown":{{"action":[{}]}},"#, operation("delete", r#","resource":"Patient","params":"/x""#));
    let result = run(&fake, &script(&teardown, &actions.join(","))).await;
    let outcomes: Vec<_> = result.tests[1].steps.iter().map(|step| step.outcome).collect();
    assert_eq!(outcomes, [Outcome::Passed, Outcome::Failed, Outcome::Skipped]);
    assert_eq!(fake.asked().last().unwrap().method, "DELETE", "the teardown is tried all the same");
    assert_eq!(result.outcome(), Outcome::Failed);
    let warning = actions.join(",").replacen("\"warningOnly\":false", "\"warningOnly\":true", 1);
    let result = run(&fake, &script("", &warning)).await;
    let outcomes: Vec<_> = result.tests[1].steps.iter().map(|step| step.outcome).collect();
    assert_eq!(outcomes, [Outcome::Passed, Outcome::Warning, Outcome::Passed]);
}

#[tokio::test]
async fn tries_no_test_after_a_failed_setup() {
    let fake = Fake::start(patient).await;
    let setup = format!(
        r#""setup":{{"action":[{},{}]}},"#,
        operation("create", r#","resource":"Patient","sourceId":"one""#),
        assert(r#","responseCode":"500""#)
    );
    let result = run(&fake, &script(&setup, &operation("read", r#","targetId":"one""#))).await;
    assert_eq!(outcome(&result), Outcome::Skipped);
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test]
async fn creates_and_deletes_fixtures_itself() {
    let fake = Fake::start(patient).await;
    let text = script("", &operation("read", r#","targetId":"one""#))
        .replace(r#""autocreate":false,"autodelete":false"#, r#""autocreate":true,"autodelete":true"#);
    run(&fake, &text).await;
    let asked: Vec<String> = fake.asked().iter().map(|asked| format!("{} {}", asked.method, asked.path)).collect();
    assert_eq!(asked, ["POST /fhir/Patient", "GET /fhir/Patient/p9", "DELETE /fhir/Patient/p9"]);
}

#[tokio::test]
async fn asks_for_required_capabilities() {
    for (declared, expected) in [("http://x/caps|2", Outcome::Passed), ("http://x/other", Outcome::Skipped)] {
        let statement = format!(r#"{{"resourceType":"CapabilityStatement","instantiates":["{declared}"]}}"#);
        let fake = Fake::start(move |_| json(200, &statement)).await;
        let metadata = r#""metadata":{"capability":[{"required":true,"validated":true,"description":"d","capabilities":"http://x/caps"}]},"#;
        let result = run(&fake, &script(metadata, &operation("read", r#","targetId":"one""#))).await;
        assert_eq!(outcome(&result), expected);
    }
}

#[tokio::test]
async fn speaks_to_several_destinations() {
    let (first, second) = (Fake::start(patient).await, Fake::start(patient).await);
    let bases = vec![first.base.clone(), second.base.clone()];
    let client = Client::new(Options { bases: bases.clone(), ..Options::default() }).unwrap();
    let context = Arc::new(Context::new(client, bases));
    let folder = tempfile::tempdir().unwrap();
    let actions: Vec<String> =
        (1..4).map(|number| operation("read", &format!(r#","destination":{number},"targetId":"one""#))).collect();
    std::fs::write(folder.path().join("a.json"), script("", &actions.join(","))).unwrap();
    super::run(&context, &[folder.path().to_owned()]).await;
    assert_eq!((first.asked().len(), second.asked().len()), (1, 2));
}

#[tokio::test]
async fn takes_no_file_from_outside_its_folders() {
    let fake = Fake::start(patient).await;
    for reference in ["../secret.json", "/etc/hostname", "./../secret.json", "http://x/y.json", "#none", "nothing"] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret.json"), r#"{"resourceType":"Patient"}"#).unwrap();
        std::fs::create_dir(folder.path().join("in")).unwrap();
        let file = folder.path().join("in/script.json");
        std::fs::write(&file, script("", &operation("capabilities", "")).replace("#p1", reference)).unwrap();
        let result = run_file(&fake, &file, |_| ()).await;
        assert_eq!(result.outcome(), Outcome::Error, "{reference}");
        assert_eq!(outcome(&result), Outcome::Skipped, "{reference}");
    }
}

#[tokio::test]
async fn finds_fixtures_beside_the_script_and_in_named_folders() {
    let fake = Fake::start(patient).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("more")).unwrap();
    std::fs::write(folder.path().join("more/patient-example.json"), r#"{"resourceType":"Patient","id":"e"}"#).unwrap();
    let file = folder.path().join("script.json");
    let text = script("", &operation("read", r#","targetId":"one""#)).replace("#p1", "Patient/example");
    std::fs::write(&file, text).unwrap();
    let more = folder.path().join("more");
    let result = run_file(&fake, &file, |context| context.fixtures = vec![more]).await;
    assert_eq!(outcome(&result), Outcome::Passed, "{result:?}");
}

#[tokio::test]
async fn bad_scripts_are_errors_with_a_reason() {
    let fake = Fake::start(patient).await;
    for text in
        ["", "{", "[]", "{}", r#"{"resourceType":"TestScript"}"#, "{\"resourceType\":\"TestScript\",\"test\":[]}"]
    {
        let result = run(&fake, text).await;
        assert_eq!(result.outcome(), Outcome::Error, "{text}");
    }
    let odd = script("", r#"{},{"operation":{}},{"operation":{"type":{"code":"read"}}}"#);
    assert_eq!(run(&fake, &odd).await.outcome(), Outcome::Error);
    let missing = run_file(&fake, Path::new("/nowhere/script.json"), |_| ()).await;
    assert_eq!(missing.outcome(), Outcome::Error);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error() {
    let fake = Fake::start(patient).await;
    let text = script("", &operation("read", r#","url":"http://127.0.0.1:1/Patient/1""#));
    let result = run(&fake, &text).await;
    assert_eq!(outcome(&result), Outcome::Error);
}

#[tokio::test]
async fn validates_against_the_profiles_a_script_names() {
    for (profile, active, expected) in [
        ("http://x/StructureDefinition/known", "\"active\":true,", Outcome::Passed),
        ("http://x/StructureDefinition/known", "", Outcome::Failed),
        ("http://hl7.org/fhir/StructureDefinition/Patient", "\"active\":true,", Outcome::Passed),
        ("http://x/StructureDefinition/unknown", "\"active\":true,", Outcome::Failed),
    ] {
        let body = format!(r#"{{"resourceType":"Patient",{active}"id":"p9"}}"#);
        let fake = Fake::start(move |_| json(200, &body)).await;
        let profiles = format!(r#""profile":[{{"id":"p","reference":"{profile}"}}],"#);
        let actions =
            format!("{},{}", operation("read", r#","targetId":"one""#), assert(r#","validateProfileId":"p""#));
        let text = script(&profiles, &actions);
        let result = run_with(&fake, &text, |context| context.validate = Some(Arc::new(crate::fake::Judge))).await;
        assert_eq!(outcome(&result), expected, "{profile} {active}");
        assert_eq!(outcome(&run(&fake, &text).await), Outcome::Failed, "without a validator");
    }
}

#[tokio::test]
async fn scripts_and_bodies_may_be_xml() {
    let fake = Fake::start(|asked| {
        let body = r#"<Patient xmlns="http://hl7.org/fhir"><id value="p9"/><active value="true"/></Patient>"#;
        let status = if asked.method == "GET" { 200 } else { 201 };
        (status, vec![("Content-Type", "application/fhir+xml".to_owned())], body.to_owned())
    })
    .await;
    let text = r##"<TestScript xmlns="http://hl7.org/fhir"><name value="Sample"/><status value="draft"/>
        <contained><Patient><id value="p1"/><active value="false"/></Patient></contained>
        <test><name value="case"/>
        <action><operation><type><code value="read"/></type><resource value="Patient"/><accept value="xml"/>
        <encodeRequestUrl value="true"/><params value="/p9"/></operation></action>
        <action><assert><label value="a"/><contentType value="xml"/><warningOnly value="false"/></assert></action>
        <action><assert><label value="b"/><expression value="Patient.active"/><value value="true"/><warningOnly value="false"/></assert></action>
        </test></TestScript>"##;
    let result = run(&fake, text).await;
    let steps: Vec<_> = result.tests[0].steps.iter().map(|step| (step.name.as_str(), step.outcome)).collect();
    assert_eq!(steps, [("read", Outcome::Passed), ("a", Outcome::Passed), ("b", Outcome::Passed)], "{result:?}");
    assert_eq!(fake.asked()[0].header("accept"), Some("application/fhir+xml"));
}
