use super::*;

fn quantity(text: &str) -> Quantity {
    Quantity::parse(text).unwrap_or_else(|| panic!("{text}: no quantity"))
}

#[test]
fn reads_what_the_conversion_takes() {
    for text in ["4.50 'mg'", "4 days", "1 week", "-1 'Cel'", "1.5 '1'"] {
        assert_eq!(quantity(text).to_string(), text);
    }
    for text in ["4 mg", "'mg'", "4 ''", "4 'm'g'", "1.a", "", "1 2"] {
        assert_eq!(Quantity::parse(text), None, "{text}");
    }
}

#[test]
fn converts_exactly() {
    let in_unit = |text: &str, unit: &str| {
        quantity(text).convert(&Unit::Code(unit.into())).map(|found| found.to_string()).unwrap_or_default()
    };
    assert_eq!(in_unit("1 '[in_i]'", "cm"), "2.54 'cm'");
    assert_eq!(in_unit("5.5 'mmol/L'", "mol/L"), "0.0055 'mol/L'");
    assert_eq!(in_unit("37 'Cel'", "K"), "310.15 'K'");
    assert_eq!(in_unit("98.6 '[degF]'", "Cel").get(..3), Some("37 "));
    assert_eq!(in_unit("1 'kg'", "s"), "");
}

#[test]
fn orders_across_units() {
    let order = |left: &str, right: &str| quantity(left).compare(&quantity(right));
    assert_eq!(order("1 'kg'", "999 'g'"), Some(Ordering::Greater));
    assert_eq!(order("2 days", "1 week"), Some(Ordering::Less));
    assert_eq!(order("1 'mo'", "1 month"), None);
    assert_eq!(order("1 month", "30 days"), Some(Ordering::Equal));
    assert_eq!(order("1 '[IU]'", "1 'mg'"), None);
}

#[test]
fn adds_in_the_finer_unit() {
    let sum = |left: &str, right: &str| quantity(left).plus(&quantity(right)).map(|sum| sum.to_string());
    assert_eq!(sum("3 'm'", "3 'cm'").as_deref(), Some("303 'cm'"));
    assert_eq!(sum("3 'cm'", "3 'm'").as_deref(), Some("303 'cm'"));
    assert_eq!(sum("1 day", "1 hour").as_deref(), Some("25 hours"));
    assert_eq!(sum("1 'm'", "1 's'"), None);
}
