//! Any bytes as a CDA document: no panic, every leaf has a place of its own, and the same content reads the same from
//! bytes that are given away.
#![no_main]

use std::collections::BTreeSet;

use formats::cda::{Content, Document, Element, Limits};
use libfuzzer_sys::fuzz_target;

/// The leaves of an element stand without a gap: its attributes, then its content in order.
fn order(element: Element<'_>, next: &mut u32) {
    let start = *next;
    for attribute in element.attributes() {
        if let Some(leaf) = attribute.leaf {
            assert_eq!(leaf, *next);
            *next += 1;
        }
    }
    for content in element.content() {
        match content {
            Content::Element(child) => {
                assert_eq!(child.parent(), Some(element));
                order(child, next);
            }
            Content::Text(text, leaf) => {
                assert_eq!(leaf.is_some(), !text.trim().is_empty());
                if let Some(leaf) = leaf {
                    assert_eq!(leaf, *next);
                    *next += 1;
                }
            }
        }
    }
    assert_eq!(element.leaf_range(), start..*next);
    assert!(element.line() > 0);
}

fuzz_target!(|raw: &[u8]| {
    let limits = Limits { elements: 2000, ..Limits::default() };
    let document = match Document::parse(raw, &limits) {
        Ok(document) => document,
        Err(refused) => {
            assert!(refused.line > 0 && refused.column > 0);
            assert_eq!(Document::from_bytes(raw.to_vec(), &limits).expect_err("refused as well"), refused);
            return;
        }
    };
    let mut next = 0;
    order(document.root(), &mut next);
    assert_eq!(next, document.leaves());
    let paths: BTreeSet<String> = (0..document.leaves()).map(|leaf| document.leaf_path(leaf)).collect();
    assert_eq!(paths.len(), document.leaves() as usize);
    for leaf in 0..document.leaves() {
        let found = document.leaf(leaf).expect("a leaf");
        if found.attribute == Some("ID") {
            assert!(document.with_id(found.value).is_some());
        }
    }
    let moved = Document::from_bytes(raw.to_vec(), &limits).expect("taken as well");
    assert_eq!(moved.root().text(), document.root().text());
});
