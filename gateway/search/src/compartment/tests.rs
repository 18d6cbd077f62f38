use super::{compartment, compartments};

#[test]
fn every_compartment_of_r4_is_there() {
    assert_eq!(compartments().collect::<Vec<_>>(), ["Device", "Encounter", "Patient", "Practitioner", "RelatedPerson"]);
    assert_eq!(compartment("Group"), None);
}

#[test]
fn a_compartment_names_the_parameters_of_its_types() {
    let of = |name: &str, of: &str| {
        compartment(name).unwrap().iter().find(|(known, _)| *known == of).map(|(_, parameters)| parameters.to_vec())
    };
    assert_eq!(of("Patient", "Observation"), Some(vec!["performer", "subject"]));
    assert_eq!(of("Encounter", "Observation"), Some(vec!["encounter"]));
    assert_eq!(of("Patient", "Medication"), None);
}
