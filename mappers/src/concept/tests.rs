use super::*;

fn concept(code: &str, target: &str) -> Concept {
    Concept { code: code.into(), system: "urn:x".into(), target: target.into(), display: "".into() }
}

fn sex() -> CodeMap {
    let rows = vec![
        (concept("A", "other"), false),
        (concept("O", "other"), true),
        (concept("M", "male"), true),
        (concept("B", ""), true),
    ];
    CodeMap::new("sex", None, rows)
}

#[test]
fn a_code_is_found_in_either_case() {
    assert_eq!(sex().forward("m").unwrap().target, "male");
    assert!(sex().forward("X").is_none());
}

#[test]
fn a_row_without_target_says_there_is_none() {
    assert!(sex().forward("B").is_none());
}

#[test]
fn the_way_back_takes_the_equivalent_row() {
    assert_eq!(sex().backward(None, "other").unwrap(), "O");
    assert!(sex().backward(Some("urn:y"), "other").is_none());
}
