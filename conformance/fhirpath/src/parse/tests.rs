use proptest::prelude::*;

use crate::{Context, Expression, Item, Node};

/// Expressions of every kind, as text.
fn text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("{}".to_owned()),
        Just("true".to_owned()),
        (0..1000_i64).prop_map(|value| value.to_string()),
        (0..1000_i64, 0..100_u8).prop_map(|(whole, part)| format!("{whole}.{part:02}")),
        "'[a-z\\\\\\\\ ]{0,5}'".prop_filter("escapes come in pairs", |text| !text.contains('\\')),
        Just("'a\\'b\\n'".to_owned()),
        Just("@2014-02".to_owned()),
        Just("@2014T".to_owned()),
        Just("@2014-02-03T10:20:30.10+02:00".to_owned()),
        Just("@T10:20".to_owned()),
        Just("4 days".to_owned()),
        Just("4.50 'mg'".to_owned()),
        Just("$this".to_owned()),
        Just("%resource".to_owned()),
        Just("%`vs-x y`".to_owned()),
        "[a-z]{1,6}".prop_filter("no keyword", |word| {
            !["is", "as", "in", "or", "and", "xor", "div", "mod", "true", "false", "implies"].contains(&word.as_str())
        }),
        Just("`div`".to_owned()),
        Just("contains".to_owned()),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let operators = prop::sample::select(vec![
            "+", "-", "*", "/", "&", "|", "=", "!=", "~", "!~", "<", "<=", ">", ">=", "and", "or", "xor", "implies",
            "div", "mod", "in", "contains",
        ]);
        prop_oneof![
            (inner.clone(), operators, inner.clone())
                .prop_map(|(left, operator, right)| format!("{left} {operator} {right}")),
            inner.clone().prop_map(|inside| format!("({inside})")),
            inner.clone().prop_map(|inside| format!("-({inside})")),
            inner.clone().prop_map(|inside| format!("({inside}) is FHIR.Quantity")),
            inner.clone().prop_map(|inside| format!("({inside}) as `string`")),
            (inner.clone(), inner.clone()).prop_map(|(base, index)| format!("({base})[{index}]")),
            (inner.clone(), inner.clone()).prop_map(|(base, inside)| format!("({base}).where({inside})")),
            (inner.clone(), inner.clone()).prop_map(|(base, key)| format!("({base}).sort(-({key}), {key} desc)")),
            (inner.clone(), inner.clone()).prop_map(|(base, other)| format!("({base}).combine({other}).count()")),
            inner.clone().prop_map(|base| format!("({base}).name.ofType(HumanName)")),
            inner.prop_map(|base| format!("iif({base}, 1, 'x')")),
        ]
    })
}

proptest! {
    #[test]
    fn prints_what_reads_back(text in text()) {
        let read = Expression::parse(&text).unwrap();
        let printed = read.to_string();
        let again = Expression::parse(&printed).map_err(|error| TestCaseError::fail(format!("{printed}: {error}")))?;
        prop_assert!(read == again, "{} against {}", printed, again);
    }

    #[test]
    fn never_panics_on_any_text(text in "\\PC*") {
        let _ = Expression::parse(&text);
    }

    #[test]
    fn never_panics_on_anything_like_an_expression(parts in prop::collection::vec(prop::sample::select(vec![
        "name", ".", "(", ")", "[", "]", "'a'", "1", "1.5", "@2014", "@T10", "+", "-", "|", "is", "as", "Patient", ",", "$this",
        "%x", "{", "}", "where", "exists()", "and", "days", "'mg'", "`", "//", "/*", "\\", "&", "=", "~", "sort", "desc",
    ]), 0..24)) {
        let text = parts.join(" ");
        if let Ok(read) = Expression::parse(&text) {
            let tree = model::json::parse(br#"{"resourceType":"Patient","name":[{"given":["a"]}]}"#, &Default::default()).unwrap();
            let node = Node::resource(&tree);
            let _ = read.evaluate(&Context::new(node), &[Item::Node(node)]);
            let _ = read.check(Some(node.of()), crate::Strictness::Strict);
        }
    }

    #[test]
    fn evaluates_the_same_from_its_own_print(text in text()) {
        let tree = model::json::parse(br#"{"resourceType":"Patient","name":[{"given":["a"]}]}"#, &Default::default()).unwrap();
        let node = Node::resource(&tree);
        let context = Context::new(node);
        let read = Expression::parse(&text).unwrap();
        let again = Expression::parse(&read.to_string()).unwrap();
        let show = |expression: &Expression| {
            let items = expression.evaluate(&context, &[Item::Node(node)]);
            items.map(|items| items.iter().map(|item| (item.type_name(), item.to_text())).collect::<Vec<_>>())
        };
        prop_assert_eq!(show(&read), show(&again));
    }

    #[test]
    fn obeys_the_laws_of_logic(a in 0..3_usize, b in 0..3_usize) {
        let values = ["true", "false", "{}"];
        let (a, b) = (values[a], values[b]);
        let laws = [
            (format!("({a} and {b})"), format!("({b} and {a})")),
            (format!("({a} or {b})"), format!("({b} or {a})")),
            (format!("({a} and {b}).not()"), format!("({a}.not() or {b}.not())")),
            (format!("({a} or {b}).not()"), format!("({a}.not() and {b}.not())")),
            (format!("({a} implies {b})"), format!("({a}.not() or {b})")),
            (format!("({a} xor {b})"), format!("(({a} and {b}.not()) or ({a}.not() and {b}))")),
        ];
        for (left, right) in laws {
            let law = Expression::parse(&format!("{left} ~ {right}")).unwrap();
            let result = law.evaluate(&Context::default(), &[]).unwrap();
            prop_assert_eq!(result.first().and_then(Item::as_boolean), Some(true), "{} ~ {}", left, right);
        }
    }
}
