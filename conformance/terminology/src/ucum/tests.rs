use super::*;

#[track_caller]
fn check(value: &str, from: &str, to: &str, expect: &str) {
    let answer = convert(Decimal::parse(value).unwrap(), from, to);
    assert_eq!(answer.map_or_else(|why| format!("{why:?}"), |value| value.to_string()), expect);
}

#[test]
fn converts_exactly() {
    check("1", "[in_i]", "cm", "2.54");
    check("98.6", "[degF]", "Cel", "37");
    check("37.0", "Cel", "K", "310.15");
    check("4.50", "mg/dL", "g/L", "0.045");
    check("120", "mm[Hg]", "kPa", "15.99864");
    check("0.1", "m", "m", "0.1");
    check("5", "{score}", "1", "5");
}

#[test]
fn refuses_what_has_no_linear_scale_or_another_dimension() {
    check("7.4", "[pH]", "mol/L", "Scale");
    check("1", "kg", "m", "Incommensurable");
    check("1", "[IU]", "mg", "Incommensurable");
    check("1", "pound", "kg", "Expression");
}

#[test]
fn validates_codes_with_annotations_and_bounds() {
    for code in ["mg/dL", "10*3/uL", "{beats}/min", "mL/min/{1.73_m2}", "Cel", "[pH]", "%", "1", "kg.m/s2"] {
        assert_eq!(validate(code), Ok(()), "{code}");
    }
    for code in ["mmHg", "beats/min", "", "mg/", "{", "K/uL ", "µg"] {
        assert_eq!(validate(code), Err(UnitError::Expression), "{code}");
    }
    assert_eq!(validate(&"(".repeat(2_000)), Err(UnitError::Length));
    assert_eq!(validate(&"(".repeat(900)), Err(UnitError::Expression));
}

#[test]
fn canonical_units_are_base_units() {
    let newton = canonical("N").unwrap();
    assert_eq!((newton.unit.as_str(), newton.factor.to_string()), ("g.m.s-2", "1000".to_owned()));
    assert_eq!(canonical("[degF]").unwrap().unit, "K");
    assert_eq!(comparable("[IU]/mL", "[IU]/L"), Ok(true));
}
