//! What holds for every document.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// Resolves a path by the rules that XPath has for it, apart from the code that writes it.
fn resolve<'d>(document: &'d Document, path: &str) -> Vec<String> {
    let mut steps = path.trim_start_matches('/').split('/');
    assert_eq!(steps.next(), Some(document.root().name()), "{path}");
    let mut at: Vec<Element<'d>> = vec![document.root()];
    let mut values = Vec::new();
    for step in steps {
        let (name, number) = match step.strip_suffix(']').and_then(|step| step.split_once('[')) {
            Some((name, number)) => (name, Some(number.parse::<usize>().expect("a number"))),
            None => (step, None),
        };
        let pick = |count: usize| number.is_none_or(|number| number == count);
        if let Some(name) = name.strip_prefix('@') {
            values.extend(at.iter().flat_map(|e| e.attribute(name)).map(str::to_owned));
        } else if name == "text()" {
            for element in &at {
                let texts = element.content().filter_map(|content| match content {
                    Content::Text(text, _) => Some(text),
                    Content::Element(_) => None,
                });
                values.extend((1..).zip(texts).filter(|(n, _)| pick(*n)).map(|(_, text)| text.to_owned()));
            }
        } else {
            let named = |e: &Element<'d>| e.children().filter(|c| c.name() == name).collect::<Vec<_>>();
            at = at.iter().flat_map(|e| (1..).zip(named(e)).filter(|(n, _)| pick(*n)).map(|(_, c)| c)).collect();
        }
    }
    if values.is_empty() { at.iter().map(|e| format!("{e:?}")).collect() } else { values }
}

/// Checks all laws on one document.
pub(super) fn check(document: &Document) {
    check_each(document, 1);
}

/// The same, but of the leaves and elements only one in `step` is looked for by its path, which is slow.
pub(super) fn check_each(document: &Document, step: usize) {
    let mut paths = BTreeSet::new();
    for leaf in 0..document.leaves() {
        let path = document.leaf_path(leaf);
        let found = document.leaf(leaf).expect("every number below leaves() is a leaf");
        if (leaf as usize).is_multiple_of(step) {
            assert_eq!(resolve(document, &path), [found.value], "{path} selects its leaf alone");
        }
        assert!(!found.value.trim().is_empty());
        assert!(found.element.leaf_range().contains(&leaf));
        assert!(paths.insert(path), "each path stands once");
    }
    assert_eq!((document.leaf(document.leaves()), document.leaf_path(document.leaves())), (None, String::new()));
    let mut leaf = 0;
    order(document.root(), &mut leaf);
    assert_eq!(leaf, document.leaves());
    for id in (0..document.len() as u32).step_by(step) {
        let element = document.element(id).expect("an element");
        assert_eq!(resolve(document, &element.xpath()), [format!("{element:?}")]);
        assert!(element.children().all(|child| child.parent() == Some(element)));
        assert!(element.line() > 0);
    }
}

/// The leaves of an element stand without a gap: its attributes, then its content in order.
fn order(element: Element<'_>, next: &mut u32) {
    let start = *next;
    for attribute in element.attributes() {
        assert_eq!(
            attribute.leaf.is_some(),
            !attribute.value.trim().is_empty() && attribute.name != "xsi:schemaLocation"
        );
        if let Some(leaf) = attribute.leaf {
            assert_eq!(leaf, *next);
            *next = next.saturating_add(1);
        }
    }
    for content in element.content() {
        match content {
            Content::Element(child) => order(child, next),
            Content::Text(text, leaf) => {
                assert_eq!(leaf.is_some(), !text.trim().is_empty());
                if let Some(leaf) = leaf {
                    assert_eq!(leaf, *next);
                    *next = next.saturating_add(1);
                }
            }
        }
    }
    assert_eq!(element.leaf_range(), start..*next);
}

/// Text of a tree: pieces that XML gives a meaning are written as references or in CDATA sections.
fn tree() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "b", "code", "sdtc:x", "z:y", "text"]);
    let text =
        prop::sample::select(vec![" ", "\n", "t", "&amp;", "<![CDATA[<x>]]>", "<!-- c -->", "é", "&#160;", "]]"]);
    let value = prop::sample::select(vec!["", " ", "v", "a:b", "&lt;", "1\n2", "é"]);
    let attribute =
        prop::sample::subsequence(vec!["code", "ID", "xsi:type", "sdtc:v", "xml:lang", "xsi:schemaLocation"], 0..4);
    let tag = (name, attribute, prop::collection::vec(value, 6));
    let leaf = prop_oneof![3 => text.prop_map(str::to_owned), 1 => Just(String::new())];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        (tag.clone(), prop::collection::vec(inner, 0..6)).prop_map(|((name, attributes, values), children)| {
            let attributes: String =
                attributes.iter().zip(values).map(|(name, value)| format!(" {name}='{value}'")).collect();
            format!("<{name}{attributes}>{}</{name}>", children.concat())
        })
    })
}

const PREFIXES: &str = "xmlns='urn:hl7-org:v3' xmlns:sdtc='urn:hl7-org:sdtc' xmlns:z='urn:z' \
    xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'";

proptest! {
    #[test]
    fn holds_for_every_tree(trees in prop::collection::vec(tree(), 0..6)) {
        check(&parse(&format!("<r {PREFIXES}>{}</r>", trees.concat())));
    }

    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(document) = Document::parse(&bytes, &Limits::default()) {
            check(&document);
        }
    }

    #[test]
    fn never_panics_on_what_looks_like_xml(text in "(<|>|/|a|b:|=|'|\"|&|;|#|x|!|--|\\[CDATA\\[|\\]\\]|\\?|xml| |\n|é|ID){0,40}") {
        if let Ok(document) = Document::parse(text.as_bytes(), &Limits::default()) {
            check(&document);
        }
    }
}
