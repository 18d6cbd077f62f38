use std::sync::Arc;

use crate::concepts::Concepts;
use crate::release::{Builder, Release};
use crate::testing::resources;
use crate::{Coding, Membership, Options, Terminology};

/// A little hierarchy 1 > 2 > 3 with 3 in the reference set (or answer list) named.
fn loaded(system: &str, set: &str) -> Terminology {
    let folder = tempfile::tempdir().unwrap();
    let mut builder = Builder::new(folder.path(), "t", system, "1", "Test").unwrap();
    let codes = ["1", "2", "3"].map(|code| builder.concept(code));
    builder.edge(codes[1], codes[0]);
    builder.edge(codes[2], codes[1]);
    builder.member(set, codes[2]);
    let release: Arc<dyn Concepts> = Arc::new(Release::open(&builder.finish().unwrap()).unwrap());
    Terminology::new(Arc::new(resources([])), Options { loaded: vec![release], ..Options::default() })
}

#[track_caller]
fn check(terminology: &Terminology, value_set: &str, system: &str, expect: [bool; 3]) {
    for (code, expect) in ["1", "2", "3"].into_iter().zip(expect) {
        let answer = terminology.member(value_set, &Coding::new(system, code));
        assert_eq!(answer, if expect { Membership::In } else { Membership::NotIn }, "{value_set} {code}");
    }
}

#[test]
fn snomed_value_sets_are_read_from_their_url() {
    let system = "http://snomed.info/sct";
    let terminology = loaded(system, "900");
    check(&terminology, "http://snomed.info/sct?fhir_vs", system, [true, true, true]);
    check(&terminology, "http://snomed.info/sct?fhir_vs=isa/2", system, [false, true, true]);
    check(&terminology, "http://snomed.info/sct?fhir_vs=refset/900", system, [false, false, true]);
    for undecided in ["?fhir_vs=ecl/%3C%202", "?fhir_vs=other", "/1/version/2?fhir_vs=isa/2"] {
        let answer = terminology.member(&format!("{system}{undecided}"), &Coding::new(system, "3"));
        assert!(matches!(answer, Membership::Unknown(_)), "{undecided}");
    }
}

#[test]
fn loinc_value_sets_are_read_from_their_url() {
    let system = "http://loinc.org";
    let terminology = loaded(system, "LL1-9");
    check(&terminology, "http://loinc.org/vs", system, [true, true, true]);
    check(&terminology, "http://loinc.org/vs/LL1-9", system, [false, false, true]);
    let none = terminology.member("http://loinc.org/vs/other", &Coding::new(system, "1"));
    assert!(matches!(none, Membership::Unknown(_)));
}

#[test]
fn codes_that_a_release_need_not_list_are_undecided() {
    let check = |system: &str, code: &str, expect: crate::CodeCheck| {
        assert_eq!(loaded(system, "x").validate(&Coding::new(system, code)), expect, "{code}");
    };
    check("http://snomed.info/sct", "73211009:{363698007=56459004}", crate::CodeCheck::Incomplete);
    check("http://snomed.info/sct", "73211009", crate::CodeCheck::UnknownCode);
    check("http://loinc.org", "LA6576-8", crate::CodeCheck::Incomplete);
    check("http://loinc.org", "8480-6", crate::CodeCheck::UnknownCode);
    let whole = loaded("http://snomed.info/sct", "x");
    let expression = Coding::new("http://snomed.info/sct", "73211009:{363698007=56459004}");
    assert!(matches!(whole.member("http://snomed.info/sct?fhir_vs", &expression), Membership::Unknown(_)));
}
