use proptest::prelude::*;

use super::Writer;
use crate::json::{Json, Limits, parse};

fn write(json: &Json, out: &mut Writer) {
    match json {
        Json::Object(object) => out.object(|out| {
            for (name, value) in object.iter() {
                write(value, out.member(name));
            }
        }),
        Json::Array(items) => out.array(|out| items.iter().for_each(|item| write(item, out))),
        Json::String(text) => out.text(text),
        Json::Bool(flag) => out.flag(*flag),
        other => out.raw(&other.to_bytes()),
    }
}

fn trees() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        ".{0,12}".prop_map(|text| Json::from(text.as_str())),
        Just(Json::Null),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::array),
            prop::collection::btree_map("[a-z]{1,6}", inner, 0..5).prop_map(Json::object),
        ]
    })
}

proptest! {
    #[test]
    fn writes_what_the_tree_would(tree in trees()) {
        let mut out = Writer::with_capacity(64);
        write(&tree, &mut out);
        let bytes = out.into_bytes();
        prop_assert_eq!(&bytes, &tree.to_bytes());
        let mut pieces = Vec::new();
        tree.pieces(&mut |piece| {
            pieces.extend_from_slice(piece);
            Ok::<(), ()>(())
        }).unwrap();
        prop_assert_eq!(&pieces, &bytes);
        prop_assert_eq!(parse(&bytes, &Limits::default()).unwrap(), tree);
    }
}
