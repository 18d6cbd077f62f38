//! Any definitions and codes: no panic, no endless run, and expansion and membership agree.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use model::json::{Json, Limits, parse};
use terminology::{Coding, Contains, ExpandRequest, Membership, Options, Source, Terminology, ucum};

/// The input is a JSON array of definitions.
struct Input(Vec<Arc<Json>>);

impl Source for Input {
    fn find(&self, kind: &str, canonical: &str) -> Option<Arc<Json>> {
        let url = canonical.split('|').next().unwrap_or_default();
        let is = |one: &&Arc<Json>| one.text_at(&["resourceType"]) == Some(kind) && one.text_at(&["url"]) == Some(url);
        self.0.iter().find(is).cloned()
    }

    fn concept_maps(&self) -> Vec<Arc<Json>> {
        self.0.iter().filter(|one| one.text_at(&["resourceType"]) == Some("ConceptMap")).cloned().collect()
    }
}

fuzz_target!(|raw: &[u8]| {
    if let Ok(text) = std::str::from_utf8(raw) {
        units(text);
    }
    let Ok(Json::Array(definitions)) = parse(raw, &Limits::default()) else { return };
    let definitions: Vec<Arc<Json>> = definitions.into_iter().map(Arc::new).collect();
    let urls: Vec<String> = definitions.iter().filter_map(|one| one.text_at(&["url"]).map(str::to_owned)).collect();
    let terminology = Terminology::new(Arc::new(Input(definitions)), Options::default());
    let request = ExpandRequest { limit: 500, exclude_nested: true, ..ExpandRequest::default() };
    for url in &urls {
        let Ok(expansion) = terminology.expand(url, &request) else { continue };
        for entry in &expansion.contains {
            check(&terminology, url, entry);
        }
        let nested = terminology.expand(url, &ExpandRequest { limit: 500, ..ExpandRequest::default() });
        assert_eq!(nested.map(|one| one.total), Ok(expansion.total));
    }
});

fn check(terminology: &Terminology, url: &str, entry: &Contains) {
    let (Some(system), Some(code)) = (entry.system.as_deref(), entry.code.as_deref()) else { return };
    let coding = Coding { version: None, display: entry.display.as_deref(), ..Coding::new(system, code) };
    assert_ne!(terminology.member(url, &coding), Membership::NotIn, "expanded but no member");
    let _ = (terminology.validate(&coding), terminology.lookup(&coding));
    let _ = terminology.subsumes(system, None, code, code);
    let request = terminology::TranslateRequest { coding, ..Default::default() };
    let _ = terminology.translate(&request);
}

/// The same bytes as units: two, at a blank.
fn units(text: &str) {
    let (from, to) = text.split_once(' ').unwrap_or((text, "1"));
    let _ = ucum::canonical(from);
    let Ok(value) = ucum::Decimal::parse("1.50") else { return };
    if ucum::convert(value, from, to).is_ok() {
        assert_eq!(ucum::comparable(from, to), Ok(true));
    }
}
