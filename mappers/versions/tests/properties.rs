//! What holds for any tree, however little it has to do with FHIR.

use model::json::{Json, Number};
use proptest::prelude::*;
use versions::{Options, Version, convert, detect};

const NAMES: [&str; 24] = [
    "id",
    "status",
    "_status",
    "extension",
    "modifierExtension",
    "url",
    "valueCode",
    "valueReference",
    "reference",
    "contained",
    "resourceType",
    "reason",
    "reasonCode",
    "context",
    "encounter",
    "requester",
    "agent",
    "participant",
    "actor",
    "medication",
    "code",
    "coding",
    "identifier",
    "value",
];
const TEXTS: [&str; 12] = [
    "active",
    "Patient/1",
    "#a",
    "ProcedureRequest/2",
    "http://hl7.org/fhir/4.0/StructureDefinition/extension-Encounter.status",
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-Encounter.reason",
    "2020-01-01",
    "",
    "true",
    "finished",
    "completed",
    "http://hl7.org/fhir/v3/ActCode",
];
const KINDS: [&str; 12] = [
    "Patient",
    "Encounter",
    "ProcedureRequest",
    "ServiceRequest",
    "MedicationRequest",
    "MedicationOrder",
    "Bundle",
    "Basic",
    "Consent",
    "Condition",
    "Transport",
    "Observation",
];

fn any_value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        prop::sample::select(&TEXTS[..]).prop_map(Json::from),
        any::<bool>().prop_map(Json::Bool),
        (0i64..9).prop_map(|value| Json::Number(Number::from(value))),
        Just(Json::Null),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            prop::collection::vec((prop::sample::select(&NAMES[..]), inner), 0..5).prop_map(Json::object),
        ]
    })
}

fn any_resource() -> impl Strategy<Value = Json> {
    let members = prop::collection::vec((prop::sample::select(&NAMES[..]), any_value()), 0..8);
    (prop::sample::select(&KINDS[..]), members).prop_map(|(kind, members)| {
        Json::object(
            std::iter::once(("resourceType", Json::from(kind)))
                .chain(members.into_iter().filter(|(name, _)| *name != "resourceType")),
        )
    })
}

fn pairs() -> Vec<(Version, Version)> {
    let others = [Version::Dstu2, Version::Stu3, Version::R4b, Version::R5];
    let to = others.into_iter().map(|other| (other, Version::R4));
    to.chain(others.into_iter().skip(1).map(|other| (Version::R4, other))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_is_converted_or_refused_and_always_the_same(resource in any_resource()) {
        let _ = detect(&resource);
        for (from, to) in pairs() {
            let Ok(first) = convert(&resource, from, to, &Options { account: true }) else { continue };
            let again = convert(&resource, from, to, &Options::default()).unwrap();
            prop_assert_eq!(first.resource.to_bytes(), again.resource.to_bytes());
            prop_assert!(first.resource.text_at(&["resourceType"]).is_some());
        }
    }
}
