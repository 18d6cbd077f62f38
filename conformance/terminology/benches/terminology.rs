//! Membership, checks and expansion over a code system of 2,000 concepts.

#![expect(clippy::expect_used, reason = "a benchmark may stop with a message")]

use std::sync::Arc;

use divan::{Bencher, black_box};
use model::json::{Json, parse};
use terminology::{Coding, ExpandRequest, Options, Source, Terminology, ucum};

fn main() {
    divan::main();
}

struct Definitions {
    system: Arc<Json>,
    value_sets: [Arc<Json>; 3],
}

impl Source for Definitions {
    fn find(&self, kind: &str, canonical: &str) -> Option<Arc<Json>> {
        match (kind, canonical) {
            ("CodeSystem", "http://example.org/cs") => Some(self.system.clone()),
            ("ValueSet", "http://example.org/all") => self.value_sets.first().cloned(),
            ("ValueSet", "http://example.org/below") => self.value_sets.get(1).cloned(),
            ("ValueSet", "http://example.org/listed") => self.value_sets.get(2).cloned(),
            _ => None,
        }
    }
}

fn service() -> Terminology {
    let read = |text: &str| Arc::new(parse(text.as_bytes(), &Default::default()).expect("JSON"));
    let concepts: Vec<String> = (0..2_000)
        .map(|number| {
            format!(
                r#"{{"code":"c{number}","display":"Concept {number}","property":[{{"code":"parent","valueCode":"c{}"}}]}}"#,
                number / 3
            )
        })
        .collect();
    let value_set = |url: &str, include: &str| {
        read(&format!(
            r#"{{"resourceType":"ValueSet","url":"{url}","compose":{{"include":[{{"system":"http://example.org/cs"{include}}}]}}}}"#
        ))
    };
    let listed: Vec<String> = (0..200).map(|number| format!(r#"{{"code":"c{}"}}"#, number * 7)).collect();
    let system = read(&format!(
        r#"{{"resourceType":"CodeSystem","url":"http://example.org/cs","content":"complete","concept":[{}]}}"#,
        concepts.join(",")
    ));
    let value_sets = [
        value_set("http://example.org/all", ""),
        value_set("http://example.org/below", r#","filter":[{"property":"concept","op":"is-a","value":"c2"}]"#),
        value_set("http://example.org/listed", &format!(r#","concept":[{}]"#, listed.join(","))),
    ];
    Terminology::new(Arc::new(Definitions { system, value_sets }), Options::default())
}

#[divan::bench(args = ["all", "below", "listed"])]
fn member(bencher: Bencher<'_, '_>, value_set: &str) {
    let service = service();
    let value_set = format!("http://example.org/{value_set}");
    bencher.bench(|| service.member(black_box(&value_set), &Coding::new("http://example.org/cs", "c1400")));
}

#[divan::bench]
fn validate_with_display(bencher: Bencher<'_, '_>) {
    let service = service();
    let coding = Coding { display: Some("Concept 1400"), ..Coding::new("http://example.org/cs", "c1400") };
    bencher.bench(|| service.validate(black_box(&coding)));
}

#[divan::bench]
fn expand_a_hierarchy_of_2000(bencher: Bencher<'_, '_>) {
    let service = service();
    bencher.bench(|| service.expand(black_box("http://example.org/all"), &ExpandRequest::default()).expect("expands"));
}

#[divan::bench(args = ["mg/dL", "mm[Hg]", "mL/min/{1.73_m2}"])]
fn validate_unit(code: &str) -> bool {
    ucum::validate(black_box(code)).is_ok()
}

#[divan::bench]
fn convert_unit() -> ucum::Decimal {
    let value = ucum::Decimal::parse("4.50").expect("a number");
    ucum::convert(value, black_box("mg/dL"), black_box("g/L")).expect("converts")
}
