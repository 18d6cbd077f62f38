use super::*;

#[track_caller]
fn check(path: &str, expect: &[Step]) {
    assert_eq!(steps(path).as_deref(), Some(expect));
}

#[test]
fn paths_are_a_restricted_fhirpath() {
    check("$this", &[]);
    check("coding.code", &[Step::Member("coding".into()), Step::Member("code".into())]);
    check("$this.resolve()", &[Step::Resolve]);
    check(
        "extension('http://example.org/x').value.ofType(Quantity)",
        &[
            Step::Extension("http://example.org/x".into()),
            Step::Member("value".into()),
            Step::OfType("Quantity".into()),
        ],
    );
    assert_eq!(steps("name.first()"), None);
}
