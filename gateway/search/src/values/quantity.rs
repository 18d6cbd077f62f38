//! Quantities: a key of the unit, a zero byte, and the ends as numbers. FHIR R4 search.html, "quantity".
//!
//! One value has a row for each way to ask for it: without a unit (no key), by the code or the unit as it is written
//! (`c` and that), and by system and code. UCUM goes by its base units (`u` and those) and the value is converted, so
//! that grams find milligrams; any other system goes as it is (`s`, system, `|`, code).

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

use model::json::{Json, Number as JsonNumber};
use octofhir_ucum::{Number, get_canonical_units};

use crate::row::Test;
use crate::values::number::{Approximate, HIGHEST, LOWEST, ordered, parse};
use crate::values::{Sink, Value, after, before, span_value};

const UCUM: &str = "http://unitsofmeasure.org";
const CURRENCY: &str = "urn:iso:std:iso:4217";

pub(crate) fn rows(value: &Value<'_>, sink: &mut Sink<'_>) {
    let text = |json: &'_ Json, name: &str| json.text_at(&[name]).unwrap_or_default().to_owned();
    let json = value.json;
    let number =
        |json: &Json, name: &str| json.get(name).and_then(Json::as_number).map(JsonNumber::as_str).and_then(parse);
    match value.of {
        "Money" => {
            let Some(number) = number(json, "value") else { return };
            let unit = Unit { system: CURRENCY, code: &text(json, "currency"), unit: "" };
            put(End::Number(number), End::Number(number), &unit, sink);
        }
        "Range" => {
            let ends: Vec<&Json> = ["low", "high"].into_iter().filter_map(|name| json.get(name)).collect();
            let Some(measured) = ends.first() else { return };
            let end =
                |name: &str, open: End| json.get(name).and_then(|end| number(end, "value")).map_or(open, End::Number);
            let (low, high) = (end("low", End::Lowest), end("high", End::Highest));
            if matches!((&low, &high), (End::Lowest, End::Highest)) {
                return;
            }
            let (system, code, unit) = (text(measured, "system"), text(measured, "code"), text(measured, "unit"));
            put(low, high, &Unit { system: &system, code: &code, unit: &unit }, sink);
        }
        "SampledData" => {}
        _ => {
            let plain = if json.as_object().is_some() { number(json, "value") } else { value.text().and_then(parse) };
            let Some(number) = plain else { return };
            // A comparator says on which side of the number the value is.
            let (low, high) = match json.text_at(&["comparator"]) {
                None => (End::Number(number), End::Number(number)),
                Some("<") => (End::Lowest, End::Below(number)),
                Some("<=") => (End::Lowest, End::Number(number)),
                Some(">=") => (End::Number(number), End::Highest),
                Some(">") => (End::Above(number), End::Highest),
                Some(_) => return,
            };
            let (system, code, unit) = (text(json, "system"), text(json, "code"), text(json, "unit"));
            put(low, high, &Unit { system: &system, code: &code, unit: &unit }, sink);
        }
    }
}

struct Unit<'a> {
    system: &'a str,
    code: &'a str,
    unit: &'a str,
}

#[derive(Clone, Copy)]
enum End {
    Lowest,
    Highest,
    Number(Number),
    Below(Number),
    Above(Number),
}

impl End {
    fn bytes(self, convert: &dyn Fn(Number) -> Option<Number>) -> Option<[u8; 8]> {
        Some(match self {
            Self::Lowest => LOWEST,
            Self::Highest => HIGHEST,
            Self::Number(number) => ordered(convert(number)?),
            Self::Below(number) => before(ordered(convert(number)?)),
            Self::Above(number) => after(ordered(convert(number)?)),
        })
    }
}

fn put(low: End, high: End, unit: &Unit<'_>, sink: &mut Sink<'_>) {
    let as_it_is = |number: Number| Some(number);
    let mut one = |key: &[u8], convert: &dyn Fn(Number) -> Option<Number>| {
        if let (Some(low), Some(high)) = (low.bytes(convert), high.bytes(convert)) {
            sink.put(span_value(key, low, high));
        }
    };
    one(&[0], &as_it_is);
    for written in [unit.code, unit.unit] {
        if !written.is_empty() && (written == unit.code || unit.code != unit.unit) {
            one(&keyed(&["c", written]), &as_it_is);
        }
    }
    if !unit.code.is_empty() && !unit.system.is_empty() {
        match canonical(unit.system, unit.code) {
            Some(base) => one(&keyed(&["u", &base.unit]), &|number| base.of(number)),
            None => one(&keyed(&["s", unit.system, "|", unit.code]), &as_it_is),
        }
    }
}

fn keyed(parts: &[&str]) -> Vec<u8> {
    let mut key = parts.concat().into_bytes();
    // A key ends at its zero byte: none may stand within.
    key.retain(|byte| *byte != 0);
    key.push(0);
    key
}

/// A unit in base units: a value is `value × factor + offset` of `unit`.
#[derive(Clone, Debug)]
struct Base {
    unit: String,
    factor: Number,
    offset: Number,
}

impl Base {
    fn of(&self, number: Number) -> Option<Number> {
        number.checked_mul(self.factor)?.checked_add(self.offset)
    }
}

/// Units that were looked up: a site uses few, and taking one apart costs more than all else of a row.
const KNOWN_MOST: usize = 2_048;
const UNIT_BYTES: usize = 100;

static KNOWN: LazyLock<RwLock<HashMap<String, Option<Base>>>> = LazyLock::new(RwLock::default);

/// `None` for what is no unit of UCUM, or has no linear scale.
fn canonical(system: &str, code: &str) -> Option<Base> {
    if system != UCUM || code.len() > UNIT_BYTES {
        return None;
    }
    if let Some(known) = KNOWN.read().unwrap_or_else(PoisonError::into_inner).get(code) {
        return known.clone();
    }
    let found = get_canonical_units(code).ok();
    let found = found.map(|it| Base { unit: it.unit, factor: it.factor, offset: it.offset });
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    if known.len() < KNOWN_MOST {
        known.insert(code.to_owned(), found.clone());
    }
    found
}

/// A value of a query, its parts unescaped: `[prefix]number`, `number|system|code` or `number||code`.
pub(crate) fn tests(parts: &[String]) -> Option<(Approximate, Vec<Test>)> {
    let (number, unit) = match parts {
        [number] => (number, None),
        [number, system, code] => (number, Some((system.as_str(), code.as_str()))),
        _ => return None,
    };
    let number = Approximate::read(number)?;
    let as_it_is = |number: Number| Some(number);
    let tests = match unit {
        None | Some(("", "")) => number.tests(&[0], as_it_is)?,
        Some(("", code)) => number.tests(&keyed(&["c", code]), as_it_is)?,
        Some((_, "")) => return None,
        Some((system, code)) => match canonical(system, code) {
            Some(base) => number.tests(&keyed(&["u", &base.unit]), |it| base.of(it))?,
            None => number.tests(&keyed(&["s", system, "|", code]), as_it_is)?,
        },
    };
    Some((number, tests))
}
