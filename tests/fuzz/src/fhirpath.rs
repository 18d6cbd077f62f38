//! Any text as FHIRPath: no panic, no endless run, and what is printed reads back as the same expression.
#![no_main]

use std::sync::LazyLock;

use fhirpath::{AsRule, Context, Expression, Item, Limits, Node, Strictness};
use libfuzzer_sys::fuzz_target;
use model::json::{Json, parse};

const PATIENT: &[u8] = br##"{"resourceType":"Patient","id":"p","contained":[{"resourceType":"Organization","id":"o"}],
"name":[{"use":"official","family":"Beispiel","given":["Nora",null],"_given":[null,{"extension":[{"url":"x","valueString":"y"}]}]}],
"extension":[{"url":"w","valueQuantity":{"value":1.50,"system":"http://unitsofmeasure.org","code":"kg"}}],
"birthDate":"1980-04","deceasedBoolean":false,"managingOrganization":{"reference":"#o"}}"##;

static TREE: LazyLock<Json> = LazyLock::new(|| parse(PATIENT, &Default::default()).expect("the sample is JSON"));

fuzz_target!(|text: &str| {
    let Ok(expression) = Expression::parse(text) else { return };
    let again = Expression::parse(&expression.to_string()).expect("what is printed reads back");
    assert!(again == expression);
    let node = Node::resource(&TREE);
    let _ = expression.check(Some(node.of()), Strictness::Strict);
    let context = Context::new(node).with_limits(Limits { steps: 200_000, items: 10_000, text_bytes: 1 << 16 });
    let _ = expression.evaluate(&context, &[Item::Node(node)]);
    let _ = expression.test(&context.with_as(AsRule::Each), node);
});
