//! Rules never panic, whatever the tree.

use model::json::Json;
use proptest::prelude::*;

use crate::validate::{Options, Validator};

/// Names that rules look for, so that random trees reach them.
const NAMES: &[&str] = &[
    "resourceType",
    "id",
    "type",
    "item",
    "answer",
    "linkId",
    "enableWhen",
    "question",
    "operator",
    "answerBoolean",
    "valueString",
    "valueQuantity",
    "valueCoding",
    "entry",
    "resource",
    "fullUrl",
    "link",
    "relation",
    "url",
    "reference",
    "contained",
    "text",
    "div",
    "meta",
    "security",
    "concept",
    "code",
    "property",
    "group",
    "element",
    "target",
    "population",
    "compose",
    "include",
    "system",
    "filter",
    "op",
    "value",
    "differential",
    "path",
    "slicing",
    "discriminator",
    "extension",
    "parameter",
    "name",
    "signature",
    "data",
    "section",
    "author",
    "subject",
    "questionnaire",
    "derivedFrom",
    "constraint",
    "key",
    "expression",
    "content",
    "count",
    "size",
    "base",
];

const TEXTS: &[&str] = &[
    "",
    "a",
    "#",
    "#a",
    "Patient/a",
    "urn:uuid:a",
    "http://x.org/Patient/a",
    "document",
    "searchset",
    "message",
    "group",
    "choice",
    "=",
    "Observation?x=y",
    "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>x</p></div>",
    "é\u{0}\n",
    "2020-02-30T25:61:00+99:99",
    "1e999999999",
    "%",
    "AAA=",
    "a.b.c",
    "complete",
    "Patient.name",
    "true",
];

fn tree() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(|number| Json::Number(number.into())),
        proptest::sample::select(TEXTS).prop_map(Json::from),
    ];
    leaf.prop_recursive(6, 96, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            proptest::collection::vec((proptest::sample::select(NAMES), inner), 0..6)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

const TYPES: &[&str] = &[
    "Bundle",
    "CapabilityStatement",
    "CodeSystem",
    "ConceptMap",
    "Measure",
    "MeasureReport",
    "OperationDefinition",
    "Questionnaire",
    "QuestionnaireResponse",
    "SearchParameter",
    "StructureDefinition",
    "ValueSet",
    "Patient",
    "Parameters",
    "Composition",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn rules_never_panic(of in proptest::sample::select(TYPES), body in tree()) {
        let mut resource = match body {
            Json::Object(_) => body,
            other => Json::object([("entry", other.clone()), ("item", other.clone()), ("concept", other)]),
        };
        if let Some(object) = resource.as_object_mut() {
            object.insert("resourceType", of);
        }
        Validator::r4().validate(&resource, &Options::default());
    }
}
