//! Any bytes as a CDA document: no panic, every leaf has a place of its own, and the same content reads the same from
//! bytes that are given away, and without its files, as far as they can be set aside.
#![no_main]

use std::collections::BTreeSet;

use formats::aside::{MARK_LETTER, Sieve};
use formats::cda::{Content, Document, Element, Limits, NotAside, Refused};
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

/// What is said of a document whose files are set aside is true of the whole.
fn without_files(raw: &[u8], whole: &Result<Document, Refused>, limits: &Limits) {
    let mut sieve = Sieve::new(1, Vec::new());
    raw.chunks(5).for_each(|chunk| sieve.push(chunk).expect("memory"));
    let sieved = sieve.finish().expect("memory");
    assert_eq!(sieved.whole().expect("memory"), raw);
    match (Document::without_files(sieved.kept.clone(), &sieved.files, limits), whole) {
        (Err(NotAside::Unsure), _) => {}
        (Err(NotAside::Refused(refused)), Err(whole)) => assert_eq!(&refused, whole),
        (Ok(without), Ok(whole)) => {
            assert_eq!(without.leaves(), whole.leaves());
            for leaf in 0..whole.leaves() {
                let (without, whole) = (without.leaf(leaf).expect("a leaf"), whole.leaf(leaf).expect("a leaf"));
                assert_eq!(without.element.line(), whole.element.line());
                assert!(without.value == whole.value || without.value.starts_with(MARK_LETTER));
            }
            assert_eq!(without.notes(), whole.notes());
        }
        (without, whole) => panic!("expected the same, found {:?} and {:?}", without.err(), whole.as_ref().err()),
    }
}

fuzz_target!(|raw: &[u8]| {
    let limits = Limits { elements: 2000, ..Limits::default() };
    let read = Document::parse(raw, &limits);
    without_files(raw, &read, &limits);
    let document = match read {
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
