use super::*;

const PERSON: Holder<'_> = Holder { patient: None, person: true, system: false };
const SYSTEM: Holder<'_> = Holder { patient: None, person: false, system: true };
const PATIENT: Holder<'_> = Holder { patient: Some("p"), person: true, system: false };

#[track_caller]
fn check(claim: &str, holder: Holder<'_>, letters: &str, resource_type: &str, patients: &[&str], expect: bool) {
    let scopes = Scopes::of_claim(Some(claim));
    let patients: Vec<String> = patients.iter().map(|it| (*it).to_owned()).collect();
    for letter in letters.chars() {
        let (_, permission) = Permission::ALL.into_iter().find(|(known, _)| *known == letter).unwrap();
        let covers = scopes.cover(permission, resource_type, &patients, holder);
        assert_eq!(covers, expect, "{claim}: {letter} of {resource_type} of {patients:?}");
    }
}

#[test]
fn a_scope_permits_its_letters_for_its_type() {
    check("user/Observation.rs", PERSON, "rs", "Observation", &["p"], true);
    check("user/Observation.rs", PERSON, "cud", "Observation", &["p"], false);
    check("user/Observation.rs", PERSON, "rs", "Condition", &["p"], false);
    check("user/*.cruds", PERSON, "cruds", "Condition", &["p"], true);
    check("user/Patient.r user/Condition.s", PERSON, "s", "Condition", &["p"], true);
    check("user/Patient.r user/Condition.s", PERSON, "r", "Condition", &["p"], false);
}

#[test]
fn the_level_says_whose_data() {
    check("patient/*.rs", PATIENT, "rs", "Observation", &["p"], true);
    check("patient/*.rs", PATIENT, "rs", "Observation", &["q", "p"], true);
    check("patient/*.rs", PATIENT, "rs", "Observation", &["q"], false);
    check("patient/*.rs", PATIENT, "rs", "Practitioner", &[], true);
    check("patient/*.rs", PERSON, "rs", "Observation", &["p"], false);
    check("system/*.cruds", PERSON, "cruds", "Observation", &["p"], false);
    check("system/*.cruds", SYSTEM, "cruds", "Observation", &["p"], true);
    check("user/*.cruds", SYSTEM, "cruds", "Observation", &["p"], false);
}

#[test]
fn what_is_not_understood_permits_nothing() {
    for claim in [
        "",
        " ",
        "openid",
        "launch/patient fhirUser offline_access",
        "user/Observation.rs?category=laboratory",
        "user/Observation.read",
        "user/Observation.*",
        "user/Observation.sr",
        "user/Observation.rr",
        "user/Observation.",
        "user/Observation.RS",
        "user/observation.rs",
        "user/Obs*.rs",
        "user/.rs",
        "user/*",
        "User/*.rs",
        "user/*.rs,user/*.cruds",
        "user/*.rs\tuser/*.cruds",
        "group/*.rs",
        "*/*.cruds",
        "*",
    ] {
        check(claim, PERSON, "cruds", "Observation", &["p"], false);
        check(claim, SYSTEM, "cruds", "Observation", &[], false);
    }
    // What is understood beside it still counts.
    check("openid user/Observation.rs x/y", PERSON, "rs", "Observation", &["p"], true);
}

#[test]
fn without_the_claim_roles_alone_decide() {
    let scopes = Scopes::of_claim(None);
    assert!(!scopes.narrow() && scopes.reach(Permission::Delete, None, PERSON));
    assert!(Scopes::of_claim(Some("")).narrow());
}

#[test]
fn every_type_takes_a_scope_for_every_type() {
    let all = |claim: &str| Scopes::of_claim(Some(claim)).reach(Permission::Read, None, PERSON);
    assert!(all("user/*.rs"));
    assert!(!all("user/Observation.rs user/Patient.rs"));
}
