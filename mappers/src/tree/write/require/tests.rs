//! What each kind of row of `required.csv` writes.

use super::{Node, Requirement, Write, apply, find, is_like};
use crate::tree::path::parse;

/// An act as rows write it, with a time and a code.
fn act() -> Node {
    let mut act = Node::new("act");
    act.push(Node::new("templateId").with("root", "2.999.1").with("extension", "2015-08-01"));
    act.push(Node::new("code").with("code", "A"));
    act.push(Node::new("effectiveTime").with("value", "20240311"));
    act
}

#[track_caller]
fn check((element, path, unless, write): (&str, &str, &str, &str), expect: &str) {
    let paths = unless.split('|').filter(|path| !path.is_empty()).map(|path| parse(path).unwrap()).collect();
    let (element, path) = (parse(element).unwrap(), parse(path).unwrap());
    let row = Requirement { element, path, unless: paths, write: Write::parse(write).unwrap() };
    let mut node = act();
    let (first, rest) = row.element.steps.split_first().unwrap();
    if is_like(&node, first) {
        let copied = match &row.write {
            Write::Copy(path) => find(&node, &path.steps).cloned(),
            _ => None,
        };
        apply(&mut node, rest, &row, copied.as_ref());
    }
    let mut text = String::new();
    node.elements().filter(|child| child.name != "templateId").for_each(|child| child.write(&mut text));
    assert_eq!(text, expect);
}

const CODE: &str = r#"<code code="A"/>"#;
const TIME: &str = r#"<effectiveTime value="20240311"/>"#;

#[test]
fn a_missing_element_says_that_it_is_missing() {
    check(("act", "statusCode/@nullFlavor", "", "NI"), &format!(r#"{CODE}{TIME}<statusCode nullFlavor="NI"/>"#));
}

#[test]
fn what_stands_is_left_as_it_is() {
    check(("act", "code/@nullFlavor", "", "NI"), &format!("{CODE}{TIME}"));
    check(("act", "statusCode/@nullFlavor", "code/@code", "NI"), &format!("{CODE}{TIME}"));
    check(("act/code", "@code", "", "B"), &format!("{CODE}{TIME}"));
}

#[test]
fn a_row_is_for_elements_of_its_template_and_version() {
    let made = format!(r#"{CODE}{TIME}<statusCode code="active"/>"#);
    check(("act[template=2.999.1]", "statusCode/@code", "", "active"), &made);
    check(("act[template=2.999.1:2015-08-01]", "statusCode/@code", "", "active"), &made);
    check(("act[template=2.999.1:2014-06-09]", "statusCode/@code", "", "active"), &format!("{CODE}{TIME}"));
    check(("act[!code]", "statusCode/@code", "", "active"), &format!("{CODE}{TIME}"));
    check(("act[code/@code!=A]", "statusCode/@code", "", "active"), &format!("{CODE}{TIME}"));
}

#[test]
fn a_fixed_code_stands_before_the_own_one() {
    check(
        ("act", "code[@code=CONC]/@codeSystem", "", "+2.999"),
        &format!(r#"<code code="CONC" codeSystem="2.999"/>{CODE}{TIME}"#),
    );
}

#[test]
fn a_value_is_replaced_copied_and_taken_away() {
    check(("act/code", "@code", "", "!B"), &format!(r#"<code code="B"/>{TIME}"#));
    let interval = r#"<effectiveTime value="20240311"><low value="20240311"/></effectiveTime>"#;
    check(("act/effectiveTime", "low", "", "=effectiveTime"), &format!("{CODE}{interval}"));
    check(("act", "effectiveTime/low", "", "=effectiveTime"), &format!("{CODE}{interval}"));
    check(("act", "code", "", "-"), TIME);
    check(("act", "effectiveTime/@value", "", "-"), &format!("{CODE}<effectiveTime/>"));
}
