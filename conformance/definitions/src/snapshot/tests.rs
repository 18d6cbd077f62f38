use std::collections::{BTreeMap, BTreeSet};

use model::json::{Limits, parse};

use crate::profile::{Derivation, DifferentialFault, Element, Profile, ProfileError, SlicingRules, Strength, compile};
use crate::set::tests::corpus;
use crate::{Definitions, Package};

/// The differences between two profiles: kind of difference, place.
fn differences(published: &Profile, made: &Profile) -> Vec<(&'static str, String)> {
    fn by_id(profile: &Profile) -> BTreeMap<&str, &Element> {
        profile.elements.iter().map(|element| (element.id.as_str(), element)).collect()
    }
    let (left, right) = (by_id(published), by_id(made));
    let mut found = Vec::new();
    let mut note = |kind, at: &str| found.push((kind, format!("{}: {at}", published.url)));
    for id in left.keys().filter(|id| !right.contains_key(*id)) {
        note("element missing", id);
    }
    for (id, b) in &right {
        let Some(a) = left.get(id) else {
            note("element too many", id);
            continue;
        };
        let keys = |element: &Element| element.constraints.iter().map(|each| each.key.clone()).collect::<BTreeSet<_>>();
        let mut types = (a.types.clone(), b.types.clone());
        types.0.sort_by(|left, right| left.code.cmp(&right.code));
        types.1.sort_by(|left, right| left.code.cmp(&right.code));
        let checks = [
            ("path", a.path == b.path),
            ("min", a.min == b.min),
            ("max", a.max == b.max),
            ("base max", a.base_max == b.base_max),
            ("slice name", a.slice_name == b.slice_name),
            ("types", types.0 == types.1),
            ("fixed", a.fixed == b.fixed),
            ("pattern", a.pattern == b.pattern),
            ("limits", (&a.min_value, &a.max_value, a.max_length) == (&b.min_value, &b.max_value, b.max_length)),
            ("binding", a.binding == b.binding),
            ("slicing", a.slicing == b.slicing),
            ("constraints missing", keys(a).is_subset(&keys(b))),
            ("constraints too many", keys(b).is_subset(&keys(a))),
            ("condition", a.condition.iter().collect::<BTreeSet<_>>() == b.condition.iter().collect()),
            ("modifier", a.is_modifier == b.is_modifier),
            ("must support", a.must_support == b.must_support),
            ("summary", a.is_summary == b.is_summary),
            ("content reference", a.content_reference.is_some() == b.content_reference.is_some()),
            ("children", a.children.len() == b.children.len()),
            ("slices", a.slices.len() == b.slices.len()),
        ];
        for (kind, _) in checks.into_iter().filter(|(_, same)| !same) {
            note(kind, id);
        }
    }
    found
}

/// Every definition that is published with differential and snapshot, made anew from its differential.
#[test]
fn snapshots_are_as_published() {
    const CORE: &str = "hl7.fhir.r4.core-4.0.1.tgz";
    const US_CORE: &str = "hl7.fhir.us.core-6.1.0-definitions.tgz";
    // R4 was published with tools of another rule for required choices, and its types list less than later ones.
    check(CORE, Derivation::Constraint, 99.1);
    check(CORE, Derivation::Specialization, 88.0);
    check(US_CORE, Derivation::Constraint, 98.4);
}

#[track_caller]
fn check(name: &str, derivation: Derivation, least: f64) {
    let Some(package) = corpus(name) else { return };
    let own: BTreeSet<String> = package.iter().map(|(_, url, _)| url.to_owned()).collect();
    let set = Definitions::r4().with(vec![package]);
    let mut table: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let (mut elements, mut whole, mut all, mut same, mut faults) = (0, 0, 0, 0, 0);
    for url in own {
        let Some(definition) = set.find(Some("StructureDefinition"), &url) else { continue };
        if definition.get("snapshot").is_none() || definition.get("differential").is_none() {
            continue;
        }
        let published = compile(&definition).unwrap();
        if published.derivation != derivation {
            continue;
        }
        all += 1;
        elements += published.elements.len();
        match set.generate(&definition) {
            Err(error) => table.entry("failed").or_default().push(format!("{url}: {error}")),
            Ok(made) => {
                let found = differences(&published, &made);
                let places: BTreeSet<&String> = found.iter().map(|(_, place)| place).collect();
                same += published.elements.len().saturating_sub(places.len());
                whole += usize::from(found.is_empty());
                for (kind, place) in found {
                    table.entry(kind).or_default().push(place);
                }
                // What was published has no faults.
                for issue in made.issues {
                    faults += 1;
                    table.entry("issue").or_default().push(format!("{url}: {}", issue.text));
                }
            }
        }
    }
    let share = 100.0 * f64::from(u32::try_from(same).unwrap()) / f64::from(u32::try_from(elements).unwrap());
    eprintln!("{name}, {derivation:?}: {whole} of {all} the same, {same} of {elements} elements ({share:.2} %)");
    for (kind, places) in &table {
        eprintln!("{:5} {kind}", places.len());
        for place in places.iter().take(if std::env::var_os("SHOW").is_some() { 400 } else { 4 }) {
            eprintln!("        {place}");
        }
    }
    assert!(share >= least);
    assert_eq!(faults, 0);
}

#[test]
fn guide_of_differentials_alone_compiles() {
    let Some(package) = corpus("hl7.fhir.uv.ips-2.0.0-differentials.tgz") else { return };
    let own: Vec<String> =
        package.iter().filter(|(kind, ..)| *kind == "StructureDefinition").map(|(_, url, _)| url.to_owned()).collect();
    assert_eq!(own.len(), 32);
    let set = Definitions::r4().with(vec![package]);
    for url in own {
        let made = set.profile(&url).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert!(made.issues.is_empty(), "{url}: {:?}", made.issues);
    }
}

/// A profile of these differential elements.
fn made_of(base: &str, elements: &str) -> Result<Profile, ProfileError> {
    let of_type = base.rsplit('/').next().unwrap();
    let text = format!(
        r#"{{"resourceType":"StructureDefinition","url":"urn:p","type":"{of_type}","kind":"resource",
        "derivation":"constraint","baseDefinition":"{base}","differential":{{"element":[{elements}]}}}}"#
    );
    let definition = parse(text.as_bytes(), &Limits { bytes: 64 << 20, ..Limits::default() }).unwrap();
    let set = Definitions::r4().with(vec![Package::from_resources(vec![definition])]);
    set.profile("urn:p").map(|profile| (*profile).clone())
}

const PATIENT: &str = "http://hl7.org/fhir/StructureDefinition/Patient";
const OBSERVATION: &str = "http://hl7.org/fhir/StructureDefinition/Observation";

#[track_caller]
fn element<'p>(profile: &'p Profile, id: &str) -> &'p Element {
    profile.elements.iter().find(|element| element.id == id).unwrap_or_else(|| panic!("{id}"))
}

#[test]
fn children_come_from_the_type() {
    let made = made_of(PATIENT, r#"{"path":"Patient.name.family","min":1,"mustSupport":true}"#).unwrap();
    let family = element(&made, "Patient.name.family");
    assert_eq!((family.min, family.max, family.must_support), (1, Some(1), true));
    assert_eq!(element(&made, "Patient.name").min, 0);
    assert_eq!(element(&made, "Patient.name.given").base_max, None);
    assert!(made.issues.is_empty());
}

#[test]
fn slices_start_from_what_the_base_says() {
    let made = made_of(
        PATIENT,
        r#"{"path":"Patient.identifier","slicing":{"discriminator":[{"type":"value","path":"system"}],"rules":"open"},"min":1,"mustSupport":true},
        {"path":"Patient.identifier","sliceName":"a","max":"1"},
        {"path":"Patient.identifier.system","min":1,"fixedUri":"urn:a"},
        {"path":"Patient.identifier","sliceName":"b"},
        {"path":"Patient.identifier.value","min":1}"#,
    )
    .unwrap();
    let a = element(&made, "Patient.identifier:a");
    assert_eq!((a.min, a.max, a.must_support, a.slicing.is_none()), (0, Some(1), false, true));
    assert_eq!(element(&made, "Patient.identifier:a.system").min, 1);
    assert_eq!(element(&made, "Patient.identifier:a.value").min, 0);
    assert_eq!(element(&made, "Patient.identifier:b.value").min, 1);
    assert_eq!(element(&made, "Patient.identifier").slices.len(), 2);
}

#[test]
fn ids_lead_to_a_slice_out_of_order_and_without_its_own_element() {
    let made = made_of(
        PATIENT,
        r#"{"id":"Patient.identifier:a.system","path":"Patient.identifier.system","min":1},
        {"id":"Patient.birthDate","path":"Patient.birthDate","min":1},
        {"id":"Patient.identifier:a.value","path":"Patient.identifier.value","min":1},
        {"id":"Patient.identifier","path":"Patient.identifier","slicing":{"discriminator":[{"type":"value","path":"system"}],"rules":"closed"}}"#,
    )
    .unwrap();
    assert_eq!(element(&made, "Patient.identifier:a.system").min, 1);
    assert_eq!(element(&made, "Patient.identifier:a.value").min, 1);
    assert_eq!(element(&made, "Patient.identifier").slicing.as_ref().unwrap().rules, SlicingRules::Closed);
}

#[test]
fn slices_of_slices() {
    let made = made_of(
        OBSERVATION,
        r#"{"path":"Observation.category","slicing":{"discriminator":[{"type":"pattern","path":"$this"}],"rules":"open"}},
        {"path":"Observation.category","sliceName":"a","patternCodeableConcept":{"text":"a"}},
        {"path":"Observation.category","sliceName":"a/b","min":1}"#,
    )
    .unwrap();
    let outer = element(&made, "Observation.category:a");
    assert_eq!(outer.slices.len(), 1);
    let inner = element(&made, "Observation.category:a/b");
    assert_eq!((inner.min, inner.pattern.is_some()), (1, true));
}

#[test]
fn required_form_of_a_choice_excludes_the_others() {
    let made = made_of(OBSERVATION, r#"{"path":"Observation.valueQuantity","min":1}"#).unwrap();
    let choice = element(&made, "Observation.value[x]");
    assert_eq!((choice.min, choice.types.len()), (1, 1));
    assert_eq!(choice.slicing.as_ref().unwrap().rules, SlicingRules::Closed);
    assert_eq!(element(&made, "Observation.value[x]:valueQuantity").types[0].code, "Quantity");
}

#[test]
fn forms_of_a_choice_leave_the_others() {
    let made = made_of(
        OBSERVATION,
        r#"{"path":"Observation.valueQuantity.code","min":1},{"path":"Observation.valueString","maxLength":7}"#,
    )
    .unwrap();
    let choice = element(&made, "Observation.value[x]");
    assert_eq!((choice.min, choice.types.len(), choice.slices.len()), (0, 11, 2));
    assert_eq!(element(&made, "Observation.value[x]:valueQuantity.code").min, 1);
    assert_eq!(element(&made, "Observation.value[x]:valueString").max_length, Some(7));
}

#[test]
fn content_of_another_element_is_its_children() {
    let made = made_of(
        "http://hl7.org/fhir/StructureDefinition/Questionnaire",
        r#"{"path":"Questionnaire.item.item.text","min":1}"#,
    )
    .unwrap();
    assert_eq!(element(&made, "Questionnaire.item.item.text").min, 1);
    assert_eq!(element(&made, "Questionnaire.item.text").min, 0);
    assert!(element(&made, "Questionnaire.item.item").content_reference.is_none());
    assert!(element(&made, "Questionnaire.item.item.item").content_reference.is_some());
}

#[test]
fn invariants_add_up() {
    let made = made_of(
        PATIENT,
        r#"{"path":"Patient","constraint":[{"key":"p-1","severity":"error","human":"x","expression":"name.exists()"}]}"#,
    )
    .unwrap();
    let keys: Vec<&str> = made.root().constraints.iter().map(|each| each.key.as_str()).collect();
    assert!(keys.contains(&"dom-2") && keys.contains(&"p-1"), "{keys:?}");
    assert_eq!(made.root().constraints.last().unwrap().source.as_deref(), Some("urn:p"));
}

#[test]
fn limits_of_an_old_value_set_are_not_those_of_a_new_one() {
    let made = made_of(
        PATIENT,
        r#"{"path":"Patient.communication.language","binding":{"strength":"required","valueSet":"urn:vs"}}"#,
    )
    .unwrap();
    let binding = element(&made, "Patient.communication.language").binding.clone().unwrap();
    assert_eq!((binding.strength, binding.max_value_set), (Strength::Required, None));
}

#[test]
fn what_fits_nowhere_is_named() {
    let made = made_of(
        PATIENT,
        r#"{"path":"Patient.shoeSize","min":1},{"path":"Patient..name"},{"path":"Patient.gender","max":"*"},{"min":1}"#,
    )
    .unwrap();
    assert_eq!(made.issues.len(), 4, "{:?}", made.issues);
    assert_eq!(element(&made, "Patient.gender").max, Some(1));
}

#[test]
fn definitions_that_build_on_themselves_end() {
    let definition = |url: &str, base: &str| {
        let text = format!(
            r#"{{"resourceType":"StructureDefinition","url":"{url}","type":"Patient","kind":"resource","derivation":
            "constraint","baseDefinition":"{base}","differential":{{"element":[{{"path":"Patient.name","min":1}}]}}}}"#
        );
        parse(text.as_bytes(), &Limits::default()).unwrap()
    };
    let chain = (0..100).map(|at| definition(&format!("urn:c{at}"), &format!("urn:c{}", at + 1)));
    let all = [definition("urn:a", "urn:b"), definition("urn:b", "urn:a"), definition("urn:s", "urn:s")];
    let set = Definitions::r4().with(vec![Package::from_resources(all.into_iter().chain(chain).collect())]);
    for url in ["urn:a", "urn:b", "urn:s", "urn:c0", "urn:c99"] {
        assert!(matches!(set.profile(url), Err(ProfileError::Broken(_))), "{url}");
    }
    assert_eq!(set.profile("urn:gone"), Err(ProfileError::Unknown));
}

#[test]
fn more_elements_than_any_real_definition_are_refused() {
    let many = vec![r#"{"path":"Patient.name","min":0}"#; 100_001].join(",");
    assert!(matches!(made_of(PATIENT, &many), Err(ProfileError::Broken(_))));
    // Each element of the differential brings a whole type: a slice of contact, its name, a telecom of it.
    let slices: Vec<String> = (0..4_000)
        .map(|at| {
            format!(
                r#"{{"path":"Patient.contact","sliceName":"s{at}"}},{{"path":"Patient.contact.name.given"}},
                {{"path":"Patient.contact.telecom.value"}},{{"path":"Patient.contact.address.city"}}"#
            )
        })
        .collect();
    assert!(matches!(made_of(PATIENT, &slices.join(",")), Err(ProfileError::Broken(_))));
}

#[test]
fn ids_without_slices_do_not_count() {
    let made = made_of(
        PATIENT,
        r#"{"id":"1","path":"Patient.identifier","slicing":{"discriminator":[{"type":"value","path":"system"}],"rules":"open"}},
        {"id":"Patient.identifier","path":"Patient.identifier","sliceName":"a"},
        {"id":"Patient.identifier.system","path":"Patient.identifier.system","min":1}"#,
    )
    .unwrap();
    assert_eq!(element(&made, "Patient.identifier:a.system").min, 1);
    assert!(element(&made, "Patient.identifier").children.is_empty());
}

#[test]
fn one_strange_id_leaves_the_others() {
    let made = made_of(
        PATIENT,
        r#"{"id":"Patient.identifier:a.system","path":"Patient.identifier.system","min":1},
        {"id":"x-17","path":"Patient.identifier.value","min":1}"#,
    )
    .unwrap();
    assert_eq!(element(&made, "Patient.identifier:a.system").min, 1);
    assert_eq!(element(&made, "Patient.identifier:a.value").min, 1);
}

#[track_caller]
fn faults(elements: &str, expect: &[(Option<usize>, DifferentialFault)]) {
    let made = made_of(PATIENT, elements).unwrap();
    let found: Vec<_> = made.issues.iter().map(|issue| (issue.element, issue.kind)).collect();
    assert_eq!(found, expect, "{:?}", made.issues);
}

#[test]
fn faults_name_their_element() {
    use DifferentialFault::{Cardinality, Order, Path, Type, Unplaced};
    faults(r#"{"path":"Patient"},{"path":"Patient.shoeSize"}"#, &[(Some(1), Unplaced)]);
    faults(r#"{"path":"Patient"},{"min":1}"#, &[(Some(1), Path)]);
    faults(r#"{"path":"Patient.communication.language","min":0}"#, &[(Some(0), Cardinality)]);
    faults(r#"{"path":"Patient.birthDate","type":[{"code":"dateTime"}]}"#, &[(Some(0), Type)]);
    faults(r#"{"path":"Patient.contained","type":[{"code":"Organization"}]}"#, &[]);
    faults(r#"{"path":"Patient.birthDate"},{"path":"Patient.identifier"}"#, &[(Some(0), Order)]);
    faults(r#"{"path":"Patient.name.given"},{"path":"Patient.name"}"#, &[(Some(0), Order)]);
    faults(r#"{"path":"Patient.name"},{"path":"Patient.name.family"},{"path":"Patient.birthDate"}"#, &[]);
}

#[test]
fn slices_within_slices_end() {
    let mut name = String::from("s");
    let mut elements = Vec::new();
    for _ in 0..600 {
        elements.push(format!(r#"{{"path":"Patient.contact","sliceName":"{name}"}}"#));
        name.push_str("/s");
    }
    let made = made_of(PATIENT, &elements.join(",")).unwrap();
    assert_eq!(element(&made, "Patient.contact:s/s/s").slices.len(), 1);
    assert!(made.elements.len() > 600);
}

#[test]
fn slices_of_what_is_in_slices_stay_bounded() {
    // From the innermost outwards: what is kept for new slices would double with each level.
    let path = |depth: usize| format!("Questionnaire{}", ".item".repeat(depth));
    let elements: Vec<String> = (1..40)
        .rev()
        .flat_map(|depth| {
            let path = path(depth);
            [format!(r#"{{"path":"{path}","min":0}}"#), format!(r#"{{"path":"{path}","sliceName":"a"}}"#)]
        })
        .collect();
    let made = made_of("http://hl7.org/fhir/StructureDefinition/Questionnaire", &elements.join(","));
    assert!(matches!(made, Err(ProfileError::Broken(_))));
}
