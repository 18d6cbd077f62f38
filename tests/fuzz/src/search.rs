//! Any text as the query of a search of a patient's, an observation's and any type: no panic, and what is found of three
//! resources is found again by what the query says of itself (`:not`, `:missing`, a page's own parameters).
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use model::id::ResourceType;
use model::json::{Json, Limits, parse};
use model::time::Instant;
use search::{Definition, Handling, IndexRow, Options, Registry};

static REGISTRY: LazyLock<Arc<Registry>> = LazyLock::new(Registry::standard);

const RESOURCES: [&str; 3] = [
    r#"{"resourceType":"Patient","id":"p","gender":"female","birthDate":"1974-12","name":[{"family":"Müller","given":["A"]}],
        "identifier":[{"system":"urn:m","value":"7","type":{"coding":[{"code":"MR"}]}}],"managingOrganization":{"reference":"Organization/o"}}"#,
    r#"{"resourceType":"Observation","id":"o","status":"final","code":{"coding":[{"system":"urn:l","code":"a"}],"text":"t"},
        "subject":{"reference":"Patient/p"},"effectivePeriod":{"start":"2026-01"},"valueQuantity":{"value":5.40,"code":"mg","system":"http://unitsofmeasure.org"}}"#,
    r#"{"resourceType":"Location","id":"l","position":{"latitude":1.5,"longitude":-2},"name":"here"}"#,
];

static ROWS: LazyLock<Vec<(ResourceType, String, Vec<IndexRow>)>> = LazyLock::new(|| {
    let row = |text: &&str| {
        let json = parse(text.as_bytes(), &Limits::default()).expect("a resource: written here");
        let text = |name: &str| json.get(name).and_then(Json::as_str).expect("written here").to_owned();
        let name = ResourceType::parse(&text("resourceType")).expect("written here");
        (name, text("id"), REGISTRY.extract(name.as_str(), &json))
    };
    RESOURCES.iter().map(row).collect()
});

fuzz_target!(|raw: &[u8]| {
    let Ok(text) = std::str::from_utf8(raw) else { return };
    // A definition as well: whatever is taken for one has to run.
    if let Ok(json) = parse(raw, &Limits::default()) {
        if let Ok(definition) = Definition::read(&json) {
            let (registry, _) = Registry::with(vec![definition]);
            for resource in RESOURCES {
                let json = parse(resource.as_bytes(), &Limits::default()).expect("written here");
                registry.extract(json.get("resourceType").and_then(Json::as_str).unwrap_or_default(), &json);
            }
        }
        return;
    }
    let pairs: Vec<(String, String)> = text
        .split('&')
        .map(|pair| pair.split_once('=').map_or((pair.to_owned(), String::new()), |(name, value)| (name.to_owned(), value.to_owned())))
        .collect();
    let now = Instant::parse("2026-06-15T10:00:00Z").expect("an instant: written here");
    let options = Options { base: "https://here.example/fhir", now, ..Options::new(&REGISTRY) };
    let lenient = Options { handling: Handling::Lenient, ..options };
    let _ = search::parse(&[], &pairs, &options);
    for (name, id, rows) in ROWS.iter() {
        let query = search::parse(&[*name], &pairs, &options);
        assert!(query.is_err() || search::parse(&[*name], &pairs, &lenient).is_ok(), "lenient takes what strict takes");
        let Ok(query) = query else { continue };
        let found = query.matches(*name, id, rows, now);
        assert!(!found || !query.is_empty(), "what finds nothing found something");
        let again = search::parse(&[*name], &query.used, &options).expect("what was used can be used again");
        assert_eq!(again.matches(*name, id, rows, now), found);
    }
});
