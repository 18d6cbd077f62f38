//! What a query says.

use super::*;

#[test]
fn reads_pairs_with_escapes_and_plus() {
    let pairs = pairs("identifier=urn%3Ax%7C4711&name=van+Dyk&flag").unwrap();
    let expected = [("identifier", "urn:x|4711"), ("name", "van Dyk"), ("flag", "")];
    assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn refuses_a_cut_escape() {
    assert!(pairs("a=%4").is_err() && pairs("a=%FF").is_err());
}

#[test]
fn writes_what_it_reads() {
    let text = "urn:x|ä b&c=d+e";
    assert_eq!(pairs(&format!("q={}", escaped(text))).unwrap(), [("q".to_owned(), text.to_owned())]);
}
