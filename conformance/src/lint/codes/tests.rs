use super::*;

/// The displays of a made-up system.
struct Systems;

impl CodeSystems for Systems {
    fn display(&self, system: &str, code: &str) -> Option<Option<String>> {
        (system == "urn:x").then(|| match code {
            "M" => Some("Male".to_owned()),
            "F" => Some("Female".to_owned()),
            _ => None,
        })
    }
}

/// Codes of findings and their lines about a code table.
#[track_caller]
fn check(rows: &str, expect: &[(&str, usize)]) {
    let text = format!("code,system,target,display,equivalence,guide\n{rows}");
    let files = [("p/package.toml".to_owned(), Vec::new()), ("p/codes/X.csv".to_owned(), text.into_bytes())];
    let mut out = Vec::new();
    findings(&View::of("p", &files.into_iter().collect()), &Systems, &mut out);
    let found: Vec<_> = out.iter().map(|finding| (finding.code, finding.line)).collect();
    assert_eq!(found, expect, "{out:#?}");
}

#[test]
fn asks_for_a_target_or_for_unmatched() {
    check("A,,x,,,own\nB,,,,,own\nC,,,,unmatched,own\n", &[("code-without-target", 3)]);
}

#[test]
fn makes_nothing_of_the_null() {
    check("\"\"\"\"\"\",,male,,,own\n", &[("null-code", 2)]);
}

#[test]
fn knows_check_digits() {
    assert!(is_sctid("119297000") && is_sctid("112283007") && !is_sctid("119297001") && !is_sctid("12"));
    assert!(is_loinc("8867-4") && is_loinc("8462-4") && is_loinc("2823-3") && !is_loinc("8867-5"));
    check("A,http://snomed.info/sct,119297001,Blood,,own\n", &[("code-unknown", 2)]);
}

#[test]
fn compares_targets_with_their_system() {
    check("A,urn:x,M,Male,,own\n", &[]);
    check("A,urn:x,M,Male gender,,own\n", &[]);
    check("A,urn:x,M,Female,,own\n", &[("code-against-display", 2)]);
    check("A,urn:x,M,Unknown,,own\n", &[("code-against-display", 2)]);
    check("A,urn:x,Q,Male,,own\n", &[("code-unknown", 2)]);
}

#[test]
fn sees_targets_that_are_exchanged() {
    check("@table,urn:x,,,,own\nM,,female,,,own\nF,,male,,,own\n", &[("codes-crossed", 3), ("codes-crossed", 4)]);
    check("@table,urn:x,,,,own\nM,,male,,,own\nF,,female,,,own\n", &[]);
}

#[test]
fn wants_one_way_back() {
    check("A,urn:x,M,,,own\nB,urn:x,M,,,own\nC,urn:x,M,,wider,own\n", &[("target-twice", 3)]);
}
