use std::path::PathBuf;
use std::sync::Arc;

use model::json::{Json, Limits, parse};

use super::requirement::{self, Profile};
use super::{element, parameter};
use crate::client::{Client, Options};
use crate::context::Context;
use crate::fake::{Asked, Fake, Reply, json as reply};
use crate::result::{Outcome, SuiteResult};

fn json(text: &str) -> Json {
    parse(text.as_bytes(), &Limits::default()).unwrap()
}

const TABLE: &str = r#"---
:resource: Observation
:profile_url: http://x/StructureDefinition/obs
:title: Vital
:interactions:
- :code: read
  :expectation: SHALL
- :code: vread
  :expectation: SHOULD
:searches:
- :names: [patient, category]
  :expectation: SHALL
- :names: [patient, code]
  :expectation: SHOULD
- :names: [patient, date]
  :expectation: SHALL
:search_definitions:
  :patient:
    :paths: [subject]
    :type: Reference
    :comparators: {}
    :values: []
    :multiple_or: MAY
  :category:
    :paths: [category]
    :type: CodeableConcept
    :values: [vital]
  :code:
    :paths: [code]
    :type: CodeableConcept
    :multiple_or: SHALL
  :date:
    :paths: [effective]
    :type: date
    :comparators:
      :gt: SHALL
      :eq: MAY
    :multiple_and: SHOULD
:revincludes: ['Provenance:target']
:must_supports:
  :extensions: []
  :slices:
  - :slice_name: VS
    :path: category
    :discriminator:
      :type: patternCodeableConcept
      :path: ''
      :code: vital
      :system: urn:c
  - :slice_name: q
    :path: value[x]
    :discriminator:
      :type: type
      :code: Quantity
  :elements:
  - :path: status
  - :path: category:VS.coding.code
    :fixed_value: vital
  - :path: valueQuantity:q.unit
  - :path: note
  - :path: reasonCode
  - :path: reasonReference
  :choices:
  - :paths: [reasonCode, reasonReference]
:references:
- :path: Observation.subject
  :profiles:
  - http://hl7.org/fhir/StructureDefinition/Patient
"#;

const OBSERVATION: &str = r#"{"resourceType":"Observation","id":"o1","meta":{"versionId":"1","profile":["http://x/StructureDefinition/obs"]},
    "status":"final","category":[{"coding":[{"system":"urn:c","code":"vital"}]}],
    "code":{"coding":[{"system":"urn:l","code":"1,2"}]},"subject":{"reference":"Patient/p1"},
    "effectiveDateTime":"2024-02-29T10:00:00Z","valueQuantity":{"value":1.50,"unit":"kg"},"reasonCode":[{"text":"x"}]}"#;

fn profiles() -> Vec<Profile> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yml"), TABLE).unwrap();
    requirement::load(folder.path()).unwrap()
}

#[test]
fn tables_may_be_yaml_toml_or_json() {
    let folder = tempfile::tempdir().unwrap();
    let toml =
        "[[profiles]]\nresource = \"Patient\"\n[[profiles.searches]]\nnames = [\"name\"]\nexpectation = \"SHOULD\"\n";
    for (name, text) in [
        ("a.toml", toml.to_owned()),
        ("b.json", r#"{"resource":"Patient","searches":[{"names":["name"],"expectation":"SHOULD"}]}"#.to_owned()),
        ("c.yml", ":resource: Patient\n:searches:\n- :names: [name]\n  :expectation: SHOULD\n".to_owned()),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
        let profiles = requirement::load(&folder.path().join(name)).unwrap();
        assert_eq!(format!("{:?}", profiles[0].searches), "[Search { names: [\"name\"], weight: Should }]", "{name}");
    }
    std::fs::write(folder.path().join("d.json"), "{}").unwrap();
    assert!(requirement::load(folder.path()).unwrap_err().contains("d.json"));
    let empty = tempfile::tempdir().unwrap();
    assert!(requirement::load(empty.path()).is_err());
    assert!(requirement::load(&PathBuf::from("/nowhere")).is_err());
}

#[test]
fn finds_must_support_elements() {
    let profile = &profiles()[0];
    let observation = json(OBSERVATION);
    assert_eq!(element::missing(profile, std::slice::from_ref(&observation)), ["note"]);
    let mut other = observation.clone();
    other.as_object_mut().unwrap().remove("valueQuantity");
    other.as_object_mut().unwrap().remove("category");
    other.as_object_mut().unwrap().remove("reasonCode");
    assert_eq!(
        element::missing(profile, &[other.clone()]),
        [
            "category:VS.coding.code = vital",
            "valueQuantity:q.unit",
            "note",
            "reasonCode",
            "reasonReference",
            "category:VS",
            "value[x]:q"
        ]
    );
    assert_eq!(element::missing(profile, &[other, observation]), ["note"]);
}

#[test]
fn takes_values_from_the_data() {
    let profile = &profiles()[0];
    let observation = json(OBSERVATION);
    let queries = |name: &str| parameter::queries(&observation, profile.parameter(name).unwrap());
    assert_eq!(queries("patient"), ["p1", "Patient/p1"]);
    assert_eq!(queries("category"), ["urn:c|vital", "vital"]);
    assert_eq!(queries("code"), ["urn:l|1\\,2", "1\\,2"]);
    assert_eq!(queries("date"), ["2024-02-29T10:00:00Z"]);
    let text = OBSERVATION.replace(
        r#""effectiveDateTime":"2024-02-29T10:00:00Z""#,
        r#""effectivePeriod":{"start":"2024-02-29T10:00:00Z","end":"2024-03-01"}"#,
    );
    let (period, date) = (json(&text), profile.parameter("date").unwrap());
    assert_eq!(parameter::queries(&period, date), ["ge2024-02-29T10:00:00Z"]);
    assert!(parameter::answers(&period, date, "ge2024-02-29T10:00:00Z"));
}

#[test]
fn a_category_tells_profiles_of_one_type_apart() {
    let mut profile = profiles().remove(0);
    profile.url = "http://x/StructureDefinition/other".to_owned();
    let vital = json(OBSERVATION);
    let lab = json(&OBSERVATION.replace("\"vital\"", "\"lab\""));
    let free = json(r#"{"resourceType":"Observation","id":"o3"}"#);
    let all = || vec![vital.clone(), lab.clone(), free.clone()];
    assert_eq!(super::collect::of_this(&profile, all()), [vital.clone(), free.clone()]);
    // What declares the profile is of it, whatever else it says.
    profile.url = "http://x/StructureDefinition/obs".to_owned();
    assert_eq!(super::collect::of_this(&profile, all()), [vital.clone(), lab.clone()]);
}

#[test]
fn judges_whether_a_resource_answers() {
    let profile = &profiles()[0];
    let observation = json(OBSERVATION);
    for (name, value, expected) in [
        ("patient", "p1", true),
        ("patient", "Patient/p1", true),
        ("patient", "1", false),
        ("category", "urn:c|vital", true),
        ("category", "|vital", false),
        ("category", "urn:d|vital", false),
        ("category", "lab,vital", true),
        ("code", "1\\,2", true),
        ("code", "1,3", false),
        ("date", "2024-02-29", true),
        ("date", "2024", true),
        ("date", "ge2024-02-29", true),
        ("date", "gt2024-02-29", false),
        ("date", "gt2024-02-28", true),
        ("date", "lt2024-02-29", false),
        ("date", "eb2025", true),
        ("date", "ne2024", false),
        ("date", "sa2024", false),
        ("date", "nonsense", false),
    ] {
        assert_eq!(
            parameter::answers(&observation, profile.parameter(name).unwrap(), value),
            expected,
            "{name}={value}"
        );
    }
    let name = super::requirement::Parameter {
        paths: vec!["name".to_owned()],
        kind: "HumanName".to_owned(),
        ..Default::default()
    };
    let patient = json(r#"{"resourceType":"Patient","name":[{"family":"Müller","given":["Ann Bea"]}]}"#);
    assert_eq!(parameter::queries(&patient, &name), ["Müller"]);
    for (value, expected) in [("mull", true), ("BEA", true), ("uller", false)] {
        assert_eq!(parameter::answers(&patient, &name, value), expected, "{value}");
    }
}

#[test]
fn shifts_dates_so_that_they_must_be_found() {
    assert_eq!(parameter::shifted("2024-02-29T10:00:00Z", "gt").unwrap(), "gt2023-02-28");
    assert_eq!(parameter::shifted("2024", "le").unwrap(), "le2025");
    assert_eq!(parameter::shifted("ge2024-01", "gt").unwrap(), "gt2023-01");
    assert_eq!(parameter::shifted("x", "le"), None);
}

/// A server that holds one Observation, its Patient and a Provenance.
fn good(asked: &Asked) -> Reply {
    serve(asked, &|_, answer| answer)
}

fn serve(asked: &Asked, change: &dyn Fn(&str, Reply) -> Reply) -> Reply {
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, &asked.body));
    let query = crate::client::url::decode(query);
    let observation = json(OBSERVATION).to_text();
    let patient = r#"{"resourceType":"Patient","id":"p1"}"#;
    let answer = match path {
        "/fhir/metadata" => reply(
            200,
            r#"{"resourceType":"CapabilityStatement","rest":[{"mode":"server","resource":[{"type":"Observation",
            "supportedProfile":["http://x/StructureDefinition/obs"],"interaction":[{"code":"read"},{"code":"vread"},{"code":"search-type"}],
            "searchParam":[{"name":"patient"},{"name":"category"},{"name":"code"},{"name":"date"}]}]}]}"#,
        ),
        "/fhir/Patient" => bundle(&[patient], &[]),
        "/fhir/Patient/p1" => reply(200, patient),
        "/fhir/Observation/o1" | "/fhir/Observation/o1/_history/1" => reply(200, &observation),
        "/fhir/Observation" | "/fhir/Observation/_search" => {
            let profile = profiles().remove(0);
            let resource = json(OBSERVATION);
            let fits = query.split('&').filter_map(|pair| pair.split_once('=')).all(|(name, value)| {
                profile.parameter(name).is_none_or(|parameter| parameter::answers(&resource, parameter, value))
            });
            let provenance = r#"{"resourceType":"Provenance","id":"v1","target":[{"reference":"Observation/o1"}]}"#;
            let included: &[&str] = if query.contains("_revinclude") { &[provenance] } else { &[] };
            if fits { bundle(&[&observation], included) } else { bundle(&[], &[]) }
        }
        _ => reply(404, r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-found"}]}"#),
    };
    change(&asked.path, answer)
}

fn bundle(found: &[&str], included: &[&str]) -> Reply {
    let entry = |mode: &str, resource: &str| format!(r#"{{"resource":{resource},"search":{{"mode":"{mode}"}}}}"#);
    let entries: Vec<String> = found
        .iter()
        .map(|resource| entry("match", resource))
        .chain(included.iter().map(|resource| entry("include", resource)))
        .collect();
    reply(200, &format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":[{}]}}"#, entries.join(",")))
}

async fn run(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> SuiteResult {
    let fake = Fake::start(answer).await;
    let client = Client::new(Options { bases: vec![fake.base.clone()], ..Options::default() }).unwrap();
    let mut context = Context::new(client, vec![fake.base.clone()]);
    context.validate = Some(Arc::new(crate::fake::Judge));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yml"), TABLE.replace("  - :path: note\n", "")).unwrap();
    super::run(&Arc::new(context), folder.path()).await
}

#[tokio::test]
async fn a_server_that_does_everything_passes() {
    let result = run(good).await;
    let bad: Vec<_> = result.tests.iter().filter(|test| test.outcome() > Outcome::Passed).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    let skipped: Vec<_> = result.tests.iter().filter(|test| test.outcome() == Outcome::Skipped).collect();
    assert!(skipped.is_empty(), "{skipped:#?}");
    assert!(result.tests.len() > 8, "{result:#?}");
}

#[tokio::test]
async fn finds_what_a_server_does_wrong() {
    type Change = Box<dyn Fn(&str, Reply) -> Reply + Send + Sync>;
    let faults: Vec<(&str, Change)> = vec![
        (
            "ignores the code",
            Box::new(|path, answer| {
                if path.contains("code=urn") {
                    bundle(
                        &[
                            r#"{"resourceType":"Observation","id":"o2","subject":{"reference":"Patient/p1"}}"#,
                            &json(OBSERVATION).to_text(),
                        ],
                        &[],
                    )
                } else {
                    answer
                }
            }),
        ),
        (
            "takes a comma for a letter of the code",
            Box::new(|path, answer| if path.contains("no-resource-has-this") { bundle(&[], &[]) } else { answer }),
        ),
        (
            "loses the resource",
            Box::new(|path, answer| if path.contains("date=gt") { bundle(&[], &[]) } else { answer }),
        ),
        (
            "refuses the search",
            Box::new(|path, answer| if path.contains("category=vital") { reply(400, "{}") } else { answer }),
        ),
        (
            "reads something else",
            Box::new(|path, answer| {
                if path == "/fhir/Observation/o1" {
                    reply(200, r#"{"resourceType":"Observation","id":"o9"}"#)
                } else {
                    answer
                }
            }),
        ),
        (
            "has no POST search",
            Box::new(|path, answer| if path.ends_with("_search") { reply(405, "{}") } else { answer }),
        ),
        (
            "loses the patient",
            Box::new(|path, answer| if path == "/fhir/Patient/p1" { reply(404, "{}") } else { answer }),
        ),
        (
            "no provenance",
            Box::new(|path, answer| if path.contains("_revinclude") { reply(400, "{}") } else { answer }),
        ),
    ];
    for (name, change) in faults {
        let result = run(move |asked| serve(asked, &change)).await;
        assert!(
            result.outcome().is_bad() || result.tests.iter().any(|test| test.outcome() == Outcome::Warning),
            "{name}: {result:#?}"
        );
    }
}

#[tokio::test]
async fn nothing_to_test_with_is_no_success() {
    let result = run(|_| bundle(&[], &[])).await;
    assert!(result.outcome().is_bad(), "{result:#?}");
    let result = run(|_| (500, Vec::new(), String::new())).await;
    assert!(result.outcome().is_bad());
}
