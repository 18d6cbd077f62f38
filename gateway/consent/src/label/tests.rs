use super::*;
use crate::facts::ResourceFacts;
use crate::samples::{condition, labelled};

#[track_caller]
fn effective(codes: &[&str], expected: Confidentiality) {
    let facts = ResourceFacts::from(&labelled(codes));
    assert_eq!(facts.labels().effective(Labelling::Complete), expected, "{codes:?}");
}

#[test]
fn the_highest_code_counts_and_an_unknown_one_is_the_highest() {
    effective(&["U"], Confidentiality::Unrestricted);
    effective(&["L", "R", "M"], Confidentiality::Restricted);
    effective(&["N", "X"], Confidentiality::VeryRestricted);
}

#[test]
fn a_sensitivity_alone_is_restricted_and_a_handling_instruction_is_none() {
    effective(&["PSY"], Confidentiality::Restricted);
    effective(&["SOMETHINGNEW"], Confidentiality::Restricted);
    effective(&["NORDSCLCD"], Confidentiality::Normal);
    effective(&["N", "HIV"], Confidentiality::Normal);
    effective(&[], Confidentiality::Normal);
}

#[test]
fn without_labelling_what_has_no_label_is_restricted() {
    let none = Labels::default();
    assert_eq!(none.effective(Labelling::Unavailable), Confidentiality::Restricted);
    assert_eq!(none.effective(Labelling::Complete), Confidentiality::Normal);
}

#[test]
fn a_label_that_cannot_be_read_is_very_restricted() {
    for security in [r#"[{"display":"secret"}]"#, r#""R""#, "[null]"] {
        let facts = ResourceFacts::from(&condition(&format!(r#","meta":{{"security":{security}}}"#)));
        assert_eq!(facts.labels().effective(Labelling::Complete), Confidentiality::VeryRestricted, "{security}");
    }
}

#[test]
fn labels_of_contained_resources_count_for_the_whole() {
    let facts = ResourceFacts::from(&condition(
        r#","contained":[{"resourceType":"Observation","meta":{"security":[{"system":"@conf","code":"V"}]}}]"#,
    ));
    assert_eq!(facts.labels().effective(Labelling::Complete), Confidentiality::VeryRestricted);
}

#[track_caller]
fn criterion(in_a_deny: bool, listed: &[&str], resource: &[&str], holds: bool) {
    let mut criterion = LabelCriterion::default();
    for code in listed {
        let system = if code.len() == 1 { CONFIDENTIALITY } else { ACT_CODE };
        criterion.list(Some(system), code, in_a_deny).unwrap();
    }
    let facts = ResourceFacts::from(&labelled(resource));
    let effective = facts.labels().effective(Labelling::Complete);
    let found = match in_a_deny {
        true => criterion.denies(facts.labels(), effective),
        false => criterion.permits(facts.labels(), effective, LabelCover::All),
    };
    assert_eq!(found, holds, "{listed:?} on {resource:?}");
}

#[test]
fn a_deny_reaches_its_level_and_above_and_every_label_below_a_listed_one() {
    criterion(true, &["R"], &["V"], true);
    criterion(true, &["R"], &["N"], false);
    criterion(true, &["V", "M"], &["N"], true);
    criterion(true, &["BH"], &["OPIOIDUD"], true);
    criterion(true, &["ETH"], &["N", "ETHUD"], true);
    criterion(true, &["PSY"], &["R", "HIV"], false);
    criterion(true, &["SPI"], &["PSYTHPN"], true);
    criterion(true, &["LOCALCODE"], &["LOCALCODE"], true);
}

#[test]
fn a_permit_covers_its_level_and_below_or_all_labels() {
    criterion(false, &["N"], &["L"], true);
    criterion(false, &["N"], &["R"], false);
    criterion(false, &["L", "R"], &["N"], true);
    criterion(false, &["PSY"], &["R", "PSY"], true);
    criterion(false, &["PSY"], &["R", "PSY", "HIV"], false);
    criterion(false, &["PSY", "HIV"], &["R", "PSY", "HIV"], true);
    criterion(false, &["PSY"], &["N"], false);
    criterion(false, &["BH"], &["R", "OPIOIDUD"], true);
    criterion(false, &["SPI"], &["R", "PSY"], false);
    criterion(false, &["LOCALCODE"], &["LOCALCODE", "PSY"], false);
}

#[test]
fn a_label_without_a_system_denies_by_code_and_never_permits() {
    let mut deny = LabelCriterion::default();
    deny.list(None, "PSY", true).unwrap();
    let mut permit = LabelCriterion::default();
    permit.list(None, "PSY", false).unwrap();
    let labels = |system: Option<&str>| {
        let mut labels = Labels::default();
        labels.add_code(system, "PSY");
        labels
    };
    for system in [None, Some(ACT_CODE)] {
        assert!(deny.denies(&labels(system), Confidentiality::Restricted));
        assert!(!permit.permits(&labels(system), Confidentiality::Restricted, LabelCover::Any));
    }
    let mut listed = LabelCriterion::default();
    listed.list(Some(ACT_CODE), "BH", true).unwrap();
    assert!(listed.denies(&labels(None), Confidentiality::Restricted), "the resource names no system");
}

#[test]
fn an_unknown_confidentiality_in_a_provision_is_not_understood() {
    assert_eq!(LabelCriterion::default().list(Some(CONFIDENTIALITY), "X", true), Err(()));
}
