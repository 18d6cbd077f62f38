use std::io::Write as _;
use std::path::{Path, PathBuf};

use model::bundle;
use model::json::{Limits, parse};

use super::*;
use crate::report::MAX_ISSUES;

fn validate(resource: &Json) -> Vec<Issue> {
    crate::validate::form(resource)
}

fn read(text: &str) -> Json {
    parse(text.as_bytes(), &Limits::default()).expect("JSON")
}

/// Problems as `code place`, in order.
#[track_caller]
fn check(text: &str, expect: &[&str]) {
    let issues = validate(&read(text));
    let found: Vec<String> =
        issues.iter().map(|issue| format!("{} {}", issue.code, issue.at.as_deref().unwrap_or_default())).collect();
    assert_eq!(found, expect, "{issues:#?}");
}

#[test]
fn an_ordinary_patient_is_valid() {
    check(PATIENT, &[]);
}

#[test]
fn deep_nesting_is_walked_to_its_end() {
    let depth = Limits::MAX_DEPTH - 6;
    let open = r#"{"url":"x","extension":["#.repeat(depth / 2);
    let close = "]}".repeat(depth / 2);
    let text = format!(r#"{{"resourceType":"Patient","extension":[{open}{{"url":"x"}}{close}]}}"#);
    let tree = parse(text.as_bytes(), &Limits { depth: Limits::MAX_DEPTH, ..Limits::default() }).expect("JSON");
    assert_eq!(validate(&tree).len(), 1, "the innermost extension has no value");
}

#[test]
fn many_contained_resources_are_checked_in_linear_time() {
    let contained: Vec<String> = (0..20_000).map(|n| format!(r#"{{"resourceType":"Patient","id":"{n}"}}"#)).collect();
    let members: Vec<String> = (0..20_000).map(|n| format!(r##"{{"reference":"#{n}"}}"##)).collect();
    check(
        &format!(
            r#"{{"resourceType":"Provenance","contained":[{}],"target":[{}],"recorded":"2026-01-01T00:00:00Z","agent":[{{"who":{{"display":"x"}}}}]}}"#,
            contained.join(","),
            members.join(",")
        ),
        &[],
    );
}

#[test]
fn ids_of_resources_are_ids() {
    check(r#"{"resourceType":"Patient","id":"a b"}"#, &["value Patient.id"]);
    check(&format!(r#"{{"resourceType":"Patient","id":"{}"}}"#, "a".repeat(65)), &["value Patient.id"]);
    check(r#"{"resourceType":"Patient","name":[{"id":"a b","text":"x"}]}"#, &[]);
}

#[test]
fn full_urls_are_absolute() {
    let bundle = |url: &str| {
        format!(
            r#"{{"resourceType":"Bundle","type":"collection","entry":[{{"fullUrl":"{url}","resource":{{"resourceType":"Patient"}}}}]}}"#
        )
    };
    check(&bundle("http://x/Patient/1"), &[]);
    check(&bundle("urn:uuid:0b9aeb3c-5ddf-4f0a-8a53-3a1f2f2f9b10"), &[]);
    check(&bundle("Patient/1"), &["value Bundle.entry[0]"]);
}

#[test]
fn elements_must_be_known() {
    check(
        r#"{"resourceType":"Patient","surname":"x","name":[{"first":"x"}]}"#,
        &["structure Patient", "structure Patient.name[0]"],
    );
    check(r#"{"resourceType":"Patient","_name":[{"id":"x"}]}"#, &["structure Patient"]);
    check(
        r#"{"resourceType":"Patient","name":[{"resourceType":"HumanName","text":"x"}]}"#,
        &["structure Patient.name[0]"],
    );
    check(r#"{"resourceType":"patient"}"#, &["structure Resource"]);
    check(r#"{"resourceType":"DomainResource"}"#, &["structure Resource"]);
    check(r#"{"id":"x"}"#, &["required Resource"]);
    check("[]", &["structure Resource"]);
}

#[test]
fn names_that_look_like_content_are_not_repeated() {
    let issues = validate(&read(r#"{"resourceType":"Patient","Erika Mustermann":"x"}"#));
    assert_eq!(issues.first().map(|issue| issue.diagnostics.as_str()), Some("unknown element"));
}

#[test]
fn cardinality_is_kept() {
    check(r#"{"resourceType":"Observation"}"#, &["required Observation", "required Observation"]);
    check(r#"{"resourceType":"Patient","name":{"family":"x"}}"#, &["structure Patient.name"]);
    check(r#"{"resourceType":"Patient","gender":["male"]}"#, &["structure Patient.gender"]);
    check(r#"{"resourceType":"Patient","name":[]}"#, &["structure Patient.name"]);
    check(
        r#"{"resourceType":"Patient","name":[{}],"contact":[{"id":"1"}]}"#,
        &["structure Patient.name[0]", "invariant Patient.contact[0]"],
    );
    check(r#"{"resourceType":"Patient","name":["x"]}"#, &["structure Patient.name[0]"]);
    check(r#"{"resourceType":"Patient","name":null}"#, &["structure Patient.name"]);
}

#[test]
fn a_choice_has_one_type() {
    let observation =
        |rest: &str| format!(r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},{rest}}}"#);
    check(&observation(r#""valueQuantity":{"value":1.50}"#), &[]);
    check(&observation(r#""valueQuantity":{"value":1.50},"valueString":"x""#), &["structure Observation"]);
    check(&observation(r#""value":"x""#), &["structure Observation"]);
    check(&observation(r#""valueDecimal":1"#), &["structure Observation"]);
    check(&observation(r#""valueQuantity":{"value":"1.50"}"#), &["structure Observation.value.ofType(Quantity).value"]);
    check(&observation(r#""_valueDateTime":{"extension":[{"url":"http://x","valueCode":"unknown"}]}"#), &[]);
}

#[test]
fn companions_stand_beside_primitives() {
    let unknown =
        r#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}"#;
    let patient = |rest: &str| format!(r#"{{"resourceType":"Patient",{rest}}}"#);
    check(&patient(&format!(r#""_birthDate":{unknown}"#)), &[]);
    check(&patient(&format!(r#""birthDate":"2000","_birthDate":{unknown}"#)), &[]);
    check(&patient(&format!(r#""name":[{{"given":[null,"B"],"_given":[{unknown},null]}}]"#)), &[]);
    check(&patient(&format!(r#""name":[{{"_given":[{unknown}]}}]"#)), &[]);
    check(&patient(&format!(r#""birthDate":null,"_birthDate":{unknown}"#)), &["structure Patient.birthDate"]);
    check(&patient(r#""name":[{"given":[null,"B"]}]"#), &["structure Patient.name[0].given[0]"]);
    check(
        &patient(r#""name":[{"given":["A"],"_given":[null,null]}]"#),
        &["structure Patient.name[0].given", "structure Patient.name[0].given[1]"],
    );
    check(&patient(&format!(r#""name":[{{"given":["A"],"_given":{unknown}}}]"#)), &["structure Patient.name[0].given"]);
    check(&patient(r#""birthDate":"2000","_birthDate":{"id":"x"}"#), &[]);
    check(&patient(r#""_birthDate":{"id":"x"}"#), &["invariant Patient.birthDate"]);
    check(&patient(r#""birthDate":"2000","_birthDate":{"value":"x"}"#), &["structure Patient.birthDate"]);
    check(&patient(r#""birthDate":"2000","_birthDate":"x""#), &["structure Patient.birthDate"]);
    let observation = format!(r#"{{"resourceType":"Observation","_status":{unknown},"code":{{"text":"x"}}}}"#);
    check(&observation, &[]);
}

#[test]
fn primitives_have_their_form() {
    use model::types::Primitive::{self, *};
    #[track_caller]
    fn holds(kind: Primitive, good: &[&str], bad: &[&str]) {
        for text in good {
            assert_eq!(primitive::check(kind, &read(text)), None, "{kind:?} {text}");
        }
        for text in bad {
            assert!(primitive::check(kind, &read(text)).is_some(), "{kind:?} {text}");
        }
    }
    holds(Boolean, &["true", "false"], &["\"true\"", "1", "null"]);
    holds(Decimal, &["1.50", "-0.0", "1E5"], &["\"1.5\"", "true"]);
    holds(Integer, &["0", "-5", "2147483647"], &["1.0", "2147483648", "\"1\"", "1e1"]);
    holds(UnsignedInt, &["0", "7"], &["-1", "1.0"]);
    holds(PositiveInt, &["1"], &["0", "-1"]);
    holds(String, &[r#""x y""#, r#""x\n""#, r#"" x""#], &[r#""""#, r#"" ""#, r#""\u0001""#, "1"]);
    holds(Code, &[r#""a""#, r#""a b""#], &[r#"" a""#, r#""a ""#, r#""a  b""#, r#""""#]);
    holds(Id, &[r#""a-1.B""#], &[r#""a_b""#, r#""a b""#]);
    holds(
        Uri,
        &[r#""http://x""#, r#""urn:oid:1.2.3""#, r#""urn:uuid:0B9AEB3C-5ddf-4f0a-8a53-3a1f2f2f9b10""#, r##""#x""##],
        &[r#""a b""#, r#""urn:oid:1.02""#, r#""urn:oid:3.1""#, r#""urn:oid:1""#, r#""urn:uuid:1""#],
    );
    holds(Oid, &[r#""urn:oid:2.16.840""#], &[r#""2.16.840""#]);
    holds(
        Uuid,
        &[r#""urn:uuid:0b9aeb3c-5ddf-4f0a-8a53-3a1f2f2f9b10""#],
        &[r#""urn:uuid:0B9aeb3c-5ddf-4f0a-8a53-3a1f2f2f9b10""#],
    );
    holds(
        Date,
        &[r#""2024""#, r#""2024-02""#, r#""2024-02-29""#],
        &[r#""2023-02-29""#, r#""2024-02-29T00:00:00Z""#, r#""20240229""#],
    );
    holds(
        DateTime,
        &[r#""2024""#, r#""2024-02-29T10:00:00.5+01:00""#],
        &[r#""2024-02-29T10:00:00""#, r#""2024-02-29T10:00Z""#, r#""24""#],
    );
    holds(Instant, &[r#""2024-02-29T10:00:00Z""#], &[r#""2024-02-29""#]);
    holds(Time, &[r#""10:00:00""#, r#""10:00:00.5""#], &[r#""10:00""#, r#""24:00:00""#, r#""10:00:00Z""#]);
    holds(
        Base64Binary,
        &[r#""QUJD""#, r#""QUI=""#, r#""QU JD\nQUI=""#],
        &[r#""QUJ""#, r#""Q===""#, r#""QU.D""#, r#""QQ==QQ==""#],
    );
}

#[test]
fn narratives_are_well_formed_and_harmless() {
    const NS: &str = "xmlns=\"http://www.w3.org/1999/xhtml\"";
    for good in [
        "<div NS>x</div>",
        "<div NS><p class='a'>x &amp; &#38; &nbsp;</p><br/></div>",
        "<div NS><img src=\"#a\" alt=\"\"/></div>",
        "<div NS><!-- c --><b>x</b></div>",
        " <div lang=\"de\" NS >x</div> ",
    ] {
        assert_eq!(xhtml::check(&good.replace("NS", NS)), None, "{good}");
    }
    for bad in [
        "x",
        "<p NS>x</p>",
        "<div>x</div>",
        "<div NS>x",
        "<div NS><b>x</div>",
        "<div NS>x</div><div NS>y</div>",
        "<div NS>a & b</div>",
        "<div NS><script>x</script></div>",
        "<div NS><p onclick=\"x\">x</p></div>",
        "<div NS><a href=\" javascript:x\">x</a></div>",
        "<div NS><p a=\"1\" a=\"2\">x</p></div>",
        "<div NS><p a=1>x</p></div>",
        "<div NS>x</div >y",
        "<div NS><p a=\"<\">x</p></div>",
        "<div NS><",
        "<div",
    ] {
        assert!(xhtml::check(&bad.replace("NS", NS)).is_some(), "{bad}");
    }
}

#[test]
fn empty_narratives_are_a_warning() {
    for (text, says_something) in
        [("<div>x</div>", true), ("<div> <p>\n</p></div>", false), ("<div><img src=\"#a\"/></div>", true)]
    {
        assert_eq!(xhtml::has_content(text), says_something, "{text}");
    }
}

#[test]
fn codes_of_required_bindings_are_known() {
    check(r#"{"resourceType":"Patient","gender":"m"}"#, &["code-invalid Patient.gender"]);
    let condition = |status: &str| {
        format!(r#"{{"resourceType":"Condition","subject":{{"reference":"Patient/1"}},"clinicalStatus":{status}}}"#)
    };
    let coding =
        |system: &str, code: &str| condition(&format!(r#"{{"coding":[{{"system":"{system}","code":"{code}"}}]}}"#));
    check(&coding("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"), &[]);
    check(
        &coding("http://terminology.hl7.org/CodeSystem/condition-clinical", "aktiv"),
        &["code-invalid Condition.clinicalStatus"],
    );
    check(&coding("http://example.org", "active"), &["code-invalid Condition.clinicalStatus"]);
    check(&condition(r#"{"text":"active"}"#), &["code-invalid Condition.clinicalStatus"]);
}

#[test]
fn references_have_a_form_and_a_target() {
    let observation = |subject: &str| {
        format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},"subject":{{"reference":"{subject}"}}}}"#
        )
    };
    for good in [
        "Patient/1",
        "Patient/1/_history/2",
        "http://x/fhir/Practitioner/1",
        "urn:uuid:0b9aeb3c-5ddf-4f0a-8a53-3a1f2f2f9b10",
        "Patient?identifier=x|1",
        "#",
    ] {
        check(&observation(good), &[]);
    }
    check(&observation("Practitioner/1"), &["invalid Observation.subject.reference"]);
    check(&observation("Pat/1"), &["value Observation.subject.reference"]);
    check(&observation("1"), &["value Observation.subject.reference"]);
    check(&observation("#p"), &["not-found Observation.subject.reference"]);
}

#[test]
fn contained_resources_are_referred_to_and_plain() {
    let observation = |contained: &str, subject: &str| {
        format!(
            r#"{{"resourceType":"Observation","contained":[{contained}],"status":"final","code":{{"text":"x"}},"subject":{{"reference":"{subject}"}}}}"#
        )
    };
    check(&observation(r#"{"resourceType":"Patient","id":"p"}"#, "#p"), &[]);
    check(&observation(r#"{"resourceType":"Patient","id":"p"}"#, "Patient/1"), &["invariant Observation.contained[0]"]);
    check(
        &observation(r#"{"resourceType":"Organization","id":"p"}"#, "#p"),
        &["invalid Observation.subject.reference"],
    );
    check(&observation(r#"{"resourceType":"Patient"}"#, "Patient/1"), &["required Observation.contained[0]"]);
    check(
        &observation(
            r#"{"resourceType":"Patient","id":"p","meta":{"versionId":"1","security":[{"code":"R"}]},"contained":[{"resourceType":"Patient","id":"q"}],"gender":"x"}"#,
            "#p",
        ),
        &[
            "code-invalid Observation.contained[0].gender",
            "invariant Observation.contained[0]",
            "invariant Observation.contained[0]",
            "invariant Observation.contained[0]",
        ],
    );
}

#[test]
fn extensions_have_a_value_or_extensions() {
    let patient = |extension: &str| format!(r#"{{"resourceType":"Patient","extension":[{extension}]}}"#);
    check(&patient(r#"{"url":"http://x","valueString":"x"}"#), &[]);
    check(&patient(r#"{"url":"http://x","extension":[{"url":"a","valueCode":"x"}]}"#), &[]);
    check(&patient(r#"{"url":"http://x"}"#), &["invariant Patient.extension[0]"]);
    check(
        &patient(r#"{"url":"http://x","valueCode":"x","extension":[{"url":"a","valueCode":"x"}]}"#),
        &["invariant Patient.extension[0]"],
    );
    check(&patient(r#"{"valueString":"x"}"#), &["required Patient.extension[0]"]);
}

#[test]
fn bundles_are_checked_through() {
    let bundle = read(
        r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient"}},{"resource":{"resourceType":"Patient","gender":"x","contact":[{"gender":"y"}]}}]}"#,
    );
    let places = ["Bundle.entry[1].resource.gender", "Bundle.entry[1].resource.contact[0].gender"];
    let issues = validate(&bundle);
    assert_eq!(issues.iter().filter_map(|issue| issue.at.as_deref()).collect::<Vec<_>>(), places);
}

#[test]
fn recursive_elements_follow_content_references() {
    check(
        r#"{"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"1","type":"group","item":[{"linkId":"2","type":"nonsense","item":[{"type":"display"}]}]}]}"#,
        &["code-invalid Questionnaire.item[0].item[0].type", "required Questionnaire.item[0].item[0].item[0]"],
    );
}

#[test]
fn problems_past_the_limit_are_counted() {
    let names = vec!["{}"; MAX_ISSUES + 10].join(",");
    let issues = validate(&read(&format!(r#"{{"resourceType":"Patient","name":[{names}]}}"#)));
    assert_eq!(issues.len(), MAX_ISSUES + 1);
    assert_eq!(issues.last().map(|issue| issue.diagnostics.as_str()), Some("10 more errors are not listed"));
}

#[test]
fn what_the_typed_builders_make_is_r4() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mappers/typed/examples");
    let files = json_files(&folder);
    assert!(files.len() >= 7, "{files:?}");
    for file in files {
        let resource = read(&std::fs::read_to_string(&file).expect("readable"));
        assert_eq!(validate(&resource), [], "{}", file.display());
    }
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(json_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The folder of the corpus, or nothing with a word about it: the environment decides (contract, section 5).
fn corpus(test: &str, folder: &str) -> Option<PathBuf> {
    let Some(corpus) = std::env::var_os("ANCHORLINE_CORPUS") else {
        // Not eprintln: the test harness would swallow it.
        let _ = writeln!(std::io::stderr(), "skipped: {test}: ANCHORLINE_CORPUS is not set");
        return None;
    };
    Some(Path::new(&corpus).join(folder))
}

#[test]
fn published_examples_have_no_errors() {
    let Some(folder) = corpus("published_examples_have_no_errors", "fhir-r4/examples") else { return };
    let limits = Limits { depth: 128, ..Limits::default() };
    let (mut count, mut wrong) = (0, Vec::new());
    for file in json_files(&folder) {
        let text = std::fs::read(&file).expect("readable");
        let resource = parse(&text, &limits).expect("JSON");
        count += 1;
        // Published with nested items that have no linkId; the corpus says so.
        let known_invalid = file.ends_with("Questionnaire-qs1.json");
        let issues = validate(&resource);
        if model::outcome::any_error(&issues) != known_invalid {
            wrong.push((file, issues));
        }
    }
    for (file, issues) in &wrong {
        eprintln!("{}: {}", file.display(), issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n    "));
    }
    assert!(count > 500, "only {count} examples");
    assert!(wrong.is_empty(), "{} of {count} examples", wrong.len());
}

/// Every way to spoil one node of a resource that a check of the structure must notice.
fn spoiled(node: &Json) -> Vec<Json> {
    let mut variants = vec![Json::Null, Json::object::<&str>([]), Json::array([])];
    variants.push(match node {
        Json::Object(object) => {
            let mut object = object.clone();
            object.insert("zzz", "x");
            object.into()
        }
        Json::Array(items) => items.first().cloned().unwrap_or(Json::Null),
        Json::String(_) => Json::from(1u64),
        _ => Json::from("x"),
    });
    variants.push(Json::array([node.clone()]));
    variants
}

/// Paths to every node below the root.
fn nodes(value: &Json, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let children: Vec<(String, &Json)> = match value {
        Json::Object(object) => object.iter().map(|(name, member)| (name.to_owned(), member)).collect(),
        Json::Array(items) => items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect(),
        _ => Vec::new(),
    };
    for (step, child) in children {
        path.push(step);
        found.push(path.clone());
        nodes(child, path, found);
        path.pop();
    }
}

fn node_mut<'a>(value: &'a mut Json, path: &[String]) -> &'a mut Json {
    path.iter().fold(value, |value, step| match value {
        Json::Array(items) => &mut items[step.parse::<usize>().expect("an index")],
        other => other.get_mut(step).expect("a member"),
    })
}

/// Spoils every n-th node in every way; gives back the paths whose damage was not noticed.
fn unnoticed(resource: &Json, every: usize) -> Vec<String> {
    let mut paths = Vec::new();
    nodes(resource, &mut Vec::new(), &mut paths);
    let mut missed = Vec::new();
    for path in paths.iter().step_by(every) {
        let original = node_mut(&mut resource.clone(), path).clone();
        for (which, variant) in spoiled(&original).into_iter().enumerate() {
            // A null in an array beside a companion is FHIR.
            if variant == Json::Null && path.last().is_some_and(|step| step.parse::<usize>().is_ok())
                || variant == original
            {
                continue;
            }
            let mut copy = resource.clone();
            *node_mut(&mut copy, path) = variant;
            if validate(&copy).is_empty() {
                missed.push(format!("{} variant {which}", path.join("/")));
            }
        }
    }
    missed
}

#[test]
fn planted_damage_is_noticed() {
    assert_eq!(unnoticed(&read(PATIENT), 1), [""; 0]);
}

#[test]
fn planted_damage_in_published_examples_is_noticed() {
    let Some(folder) = corpus("planted_damage_in_published_examples_is_noticed", "fhir-r4/examples/r4") else { return };
    let mut missed = Vec::new();
    for file in json_files(&folder) {
        let text = std::fs::read(&file).expect("readable");
        let resource = parse(&text, &Limits::default()).expect("JSON");
        if text.len() < 20_000 && validate(&resource).is_empty() {
            missed.extend(unnoticed(&resource, 11).into_iter().map(|path| format!("{}: {path}", file.display())));
        }
    }
    assert!(missed.is_empty(), "{} not noticed:\n{}", missed.len(), missed.join("\n"));
}

fn summary_of(patient: &Json, resources: &[Json]) -> Json {
    model::ips::summary(&model::ips::Summary {
        patient,
        resources,
        cut: &[],
        author: &read(
            r#"{"resourceType":"Device","id":"gateway","deviceName":[{"name":"gateway","type":"user-friendly-name"}]}"#,
        ),
        generated: model::time::Instant::from_millis(0),
        document: uuid::Uuid::from_u128(1),
        composition: uuid::Uuid::from_u128(2),
        base: "https://gateway.example.org/fhir",
    })
}

#[test]
fn patient_summaries_are_r4() {
    let patient = read(PATIENT);
    assert_eq!(validate(&summary_of(&patient, &[])), []);
    let allergy = read(
        r#"{"resourceType":"AllergyIntolerance","id":"a","code":{"text":"<nuts> & \"seeds\""},"patient":{"reference":"Patient/sample-1"}}"#,
    );
    assert_eq!(validate(&summary_of(&patient, &[allergy])), []);
}

#[test]
fn patient_summaries_of_synthetic_records_are_r4() {
    let Some(folder) = corpus("patient_summaries_of_synthetic_records_are_r4", "fhir-r4/bundles/synthea-2019") else {
        return;
    };
    let mut count = 0;
    for file in json_files(&folder) {
        let bundle = parse(&std::fs::read(&file).expect("readable"), &Limits::default()).expect("JSON");
        let resources: Vec<Json> = bundle::resources(&bundle).cloned().collect();
        let Some(patient) = resources.iter().find(|each| model::resource::resource_type(each) == Some("Patient"))
        else {
            continue;
        };
        let summary = summary_of(patient, &resources);
        count += 1;
        assert_eq!(validate(&summary), [], "{}", file.display());
        assert!(bundle::entries(&summary).len() > 5, "{}", file.display());
    }
    assert!(count >= 10, "{count} patients");
}

const PATIENT: &str = include_str!("../../../benches/patient.json");
