use super::*;

fn names(name: &str) -> Option<SmolStr> {
    (name == "birthPlace").then(|| "http://example.org/birthPlace".into())
}

#[test]
fn reads_a_field_place_down_to_the_subcomponent() {
    let place = field_place("PID-3[2].4.1").unwrap();
    assert_eq!((place.field, place.repetition, place.component, place.subcomponent), (3, 2, 4, 1));
    assert!(field_place("PID-0").is_none());
    assert!(field_place("PID3").is_none());
    assert!(field_place("PID-3.1.1.1").is_none());
}

#[test]
fn reads_a_part_place() {
    assert_eq!(part_place("CX.4.1").unwrap().component, 4);
    assert_eq!(part_place("CX").unwrap().component, 0);
    assert!(part_place("cx.1").is_none());
}

#[test]
fn knows_which_elements_repeat() {
    let target = target("Patient", "name[+].given[+]", &names).unwrap();
    assert_eq!(target.anchor, 2);
    assert_eq!(target.holds, Holds::Text);
    assert!(super::target("Patient", "name.family", &names).unwrap_err().contains("repeats"));
    assert!(super::target("Patient", "gender[0]", &names).unwrap_err().contains("does not repeat"));
}

#[test]
fn refuses_an_element_r4_does_not_have() {
    assert!(target("Patient", "shoeSize", &names).unwrap_err().contains("unknown target"));
}

#[test]
fn goes_below_a_primitive_by_its_companion_member() {
    let target = target("Patient", "birthDate.extension[birthPlace].valueDateTime", &names).unwrap();
    assert_eq!(target.steps.first().unwrap().name, "_birthDate");
}
