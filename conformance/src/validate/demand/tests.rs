use model::json::{Limits, parse};

use super::*;

#[test]
fn demands_stand_in_extensions() {
    let text = r#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/minLength","valueInteger":3},
        {"url":"http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition.mustHaveValue","valueBoolean":true}]}"#;
    let demand = Demand::read(&parse(text.as_bytes(), &Limits::default()).unwrap()).unwrap();
    assert_eq!(demand, Demand { min_length: Some(3), has_value: true, ..Demand::default() });
    assert_eq!(Demand::read(&Json::object([("id", Json::from("x"))])), None);
}
