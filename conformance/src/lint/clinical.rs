//! Clinical plausibility: a code against its words, unit, value, category and specimen; dates and sex against each other.
//!
//! Only what is certain is an error. The facts stand in `clinical/seed.csv`, each with its public source; a code that is
//! not in it is not judged, and neither is a name in words the table does not know.

mod example;
mod tree;

use std::sync::LazyLock;

use model::outcome::Severity;

use super::view::{Row, View};
use super::{Files, Finding};

/// One code of the table.
#[derive(Debug)]
struct Known {
    concept: String,
    system: String,
    code: String,
    words: Vec<Vec<String>>,
    units: Vec<Unit>,
    category: String,
    specimen: String,
}

/// A unit and the range of values in it, in millionths.
#[derive(Debug)]
struct Unit {
    code: String,
    low: i128,
    high: i128,
}

static SEED: LazyLock<Vec<Known>> =
    LazyLock::new(|| super::view::rows("seed", include_bytes!("clinical/seed.csv")).iter().map(known).collect());

fn known(row: &Row) -> Known {
    let words = |text: &str| text.split('/').map(words).filter(|words| !words.is_empty()).collect();
    let unit = |text: &str| {
        let (code, range) = text.trim().split_once(' ')?;
        let (low, high) = range.split_once("..")?;
        Some(Unit { code: code.to_owned(), low: millionths(low)?, high: millionths(high)? })
    };
    Known {
        concept: row.cell("concept").to_owned(),
        system: row.cell("system").to_owned(),
        code: row.cell("code").to_owned(),
        words: words(row.cell("words")),
        units: row.cell("units").split(';').filter_map(unit).collect(),
        category: row.cell("category").to_owned(),
        specimen: row.cell("specimen").to_owned(),
    }
}

/// A decimal in millionths; what has more digits or is too large is not compared.
fn millionths(text: &str) -> Option<i128> {
    let (negative, digits) = match text.trim().strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.trim().trim_start_matches('+')),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() || whole.len() > 18 || !digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let value = whole.parse::<i128>().ok()?.checked_mul(1_000_000)?.checked_add(fraction.parse().ok()?)?;
    Some(if negative { -value } else { value })
}

/// Words in lower case.
fn words(text: &str) -> Vec<String> {
    let parts = text.split(|c: char| !c.is_alphanumeric() && c != '*');
    parts.filter(|word| !word.is_empty() && *word != "*").map(str::to_lowercase).collect()
}

/// A name in words or a code, as one finds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Coding {
    system: String,
    code: String,
    display: String,
}

impl Coding {
    fn known(&self) -> Option<&'static Known> {
        SEED.iter().find(|known| known.code == self.code && is_system(&known.system, &self.system))
    }
}

/// The names that stand for a system: its URI, or what HL7 v2 calls it. Without a name the code says it.
fn is_system(uri: &str, named: &str) -> bool {
    let short: &[&str] = match uri {
        "http://loinc.org" => &["LN", "LOINC", "2.16.840.1.113883.6.1", "urn:oid:2.16.840.1.113883.6.1"],
        "http://snomed.info/sct" => &["SCT", "SNM", "SNOMED-CT", "SNOMED CT"],
        _ => &["MDC"],
    };
    named.is_empty() || named == uri || short.iter().any(|short| short.eq_ignore_ascii_case(named))
}

impl Known {
    fn is_named_in(&self, text: &[String]) -> bool {
        let has = |wanted: &String| match wanted.strip_suffix('*') {
            Some(start) => text.iter().any(|word| word.starts_with(start)),
            None => text.contains(wanted),
        };
        self.words.iter().any(|all| all.iter().all(has))
    }
}

/// The concept that a text names, if it is another one than the code's and does not name the code's own too.
fn other_concept(known: &Known, text: &str) -> Option<&'static str> {
    let text = words(text);
    if known.is_named_in(&text) || SEED.iter().any(|one| one.concept == known.concept && one.is_named_in(&text)) {
        return None;
    }
    // One letter is an initial as often as it is an element.
    let long: Vec<String> = text.into_iter().filter(|word| word.chars().count() > 2 || word == "hr").collect();
    SEED.iter()
        .find(|other| other.concept != known.concept && other.is_named_in(&long))
        .map(|other| other.concept.as_str())
}

/// Where something was found; makes the findings.
struct Place<'p> {
    file: &'p str,
    line: usize,
}

impl Place<'_> {
    fn error(&self, code: &'static str, message: String) -> Finding {
        Finding::new(Severity::Error, code, self.file, self.line, message)
    }

    fn warning(&self, code: &'static str, message: String) -> Finding {
        Finding::new(Severity::Warning, code, self.file, self.line, message)
    }
}

/// A code against the words beside it.
fn named(place: &Place<'_>, coding: &Coding, text: &str, out: &mut Vec<Finding>) -> bool {
    let Some(known) = coding.known() else { return false };
    let Some(other) = other_concept(known, text) else { return false };
    let message =
        format!("the code {} is {}, the words beside it say {}", known.code, spoken(&known.concept), spoken(other));
    let meant = SEED.iter().find(|one| one.concept == other && one.system == known.system);
    let suggestion = meant
        .map_or_else(|| "a code of what the words say".to_owned(), |one| format!("{} is {}", one.code, spoken(other)));
    out.push(place.error("code-against-display", message).suggest(&suggestion));
    true
}

fn spoken(concept: &str) -> String {
    concept.replace('-', " ")
}

/// Codings that stand for one thing must not be different things.
fn agree(place: &Place<'_>, codings: &[Coding], out: &mut Vec<Finding>) {
    let mut known = codings.iter().filter_map(|coding| coding.known());
    let Some(first) = known.next() else { return };
    if let Some(other) = known.find(|other| other.concept != first.concept) {
        let (one, other) = (
            format!("{} ({})", first.code, spoken(&first.concept)),
            format!("{} ({})", other.code, spoken(&other.concept)),
        );
        out.push(place.error("codes-disagree", format!("{one} and {other} are said to be the same")));
    }
}

/// A unit and a value against what the code has.
fn measured(place: &Place<'_>, coding: &Coding, unit: &str, value: &str, out: &mut Vec<Finding>) {
    let Some(known) = coding.known().filter(|known| !known.units.is_empty()) else { return };
    let unit = unit.trim();
    let usual = usual_unit(unit);
    let listed: Vec<&str> = known.units.iter().map(|unit| unit.code.as_str()).collect();
    let fits = known.units.iter().find(|one| one.code == usual);
    if !unit.is_empty() && fits.is_none() {
        let message = format!("{} ({}) is not measured in the unit given", known.code, spoken(&known.concept));
        // A unit nobody knows may be a way of writing the right one.
        let other = SEED.iter().flat_map(|known| &known.units).any(|unit| unit.code == usual);
        let finding =
            if other { place.error("unit-against-code", message) } else { place.warning("unit-against-code", message) };
        out.push(finding.suggest(&format!("one of {}", listed.join(", "))));
        return;
    }
    let Some(range) = fits else { return };
    if let Some(value) = millionths(value)
        && (value < range.low || value > range.high)
    {
        let message = format!("the value is not one a person can have of {} in {}", spoken(&known.concept), range.code);
        out.push(place.error("impossible-value", message).suggest("mend the value, the unit or the code"));
    }
}

/// What people write, as UCUM; what is not known stays as it is.
fn usual_unit(unit: &str) -> String {
    let lower = unit.to_lowercase();
    let known = match lower.as_str() {
        "mmhg" | "mm hg" | "mm[hg]" => "mm[Hg]",
        "bpm" | "beats/min" | "beats/minute" | "count/min" | "{beats}/min" | "{beat}/min" | "/min" | "per minute"
        | "1/min" | "min-1" => "/min",
        "breaths/min" | "{breaths}/min" | "{resp}/min" => "/min",
        "c" | "cel" | "°c" | "degc" | "celsius" | "[degc]" => "Cel",
        "f" | "°f" | "degf" | "[degf]" | "fahrenheit" => "[degF]",
        "%" | "percent" | "pct" | "%{hemoglobin}" | "%{o2}" => "%",
        "cm" | "centimeter" | "centimetre" => "cm",
        "in" | "inch" | "inches" | "[in_i]" | "[in_us]" => "[in_i]",
        "kg" | "kilogram" => "kg",
        "lb" | "lbs" | "[lb_av]" | "[lb_us]" | "pounds" => "[lb_av]",
        "meq/l" | "mmol/l" => {
            return if lower.starts_with('m') && lower.contains("eq") {
                "meq/L".to_owned()
            } else {
                "mmol/L".to_owned()
            };
        }
        "mg/dl" => "mg/dL",
        "g/dl" | "gm/dl" => "g/dL",
        "g/l" => "g/L",
        "u/l" | "iu/l" | "[iu]/l" | "units/l" => "U/L",
        "umol/l" => "umol/L",
        "kg/m2" | "kg/m^2" | "kg/m²" => "kg/m2",
        "k/ul" | "10*3/ul" | "x10e3/ul" | "10^3/ul" | "thou/ul" | "10*3/mm3" | "thousand/ul" => "10*3/uL",
        "m/ul" | "10*6/ul" | "x10e6/ul" | "10^6/ul" | "mill/ul" => "10*6/uL",
        "10*9/l" | "10^9/l" => "10*9/L",
        "10*12/l" | "10^12/l" => "10*12/L",
        _ => return unit.to_owned(),
    };
    known.to_owned()
}

/// Looks at rows, code tables, examples and expectations of the packages named.
pub(super) fn findings(view: &View, files: &Files, out: &mut Vec<Finding>) {
    for level in ["segments", "datatypes", "rows"] {
        for (_, rows) in view.level(level) {
            rows.iter().filter(|row| row.is_of(&view.name)).for_each(|row| mapping_row(view, row, out));
        }
    }
    for (_, rows) in view.level("codes") {
        rows.iter().filter(|row| row.is_of(&view.name)).for_each(|row| code_row(view, row, out));
    }
    let prefix = format!("{}/", view.name);
    for (path, bytes) in files.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix)) {
        file(path, bytes, out);
    }
}

/// One file, by its ending: a message, a FHIR resource, or another program's mapping in JSON.
pub(super) fn file(path: &str, bytes: &[u8], out: &mut Vec<Finding>) {
    if path.ends_with(".json") {
        tree::findings(path, bytes, out);
    } else if path.ends_with(".hl7") && !path.contains("/expected/") {
        example::findings(path, bytes, out);
    }
}

/// A row that sets a code by itself: against its words, and against the codes its condition asks for.
fn mapping_row(view: &View, row: &Row, out: &mut Vec<Finding>) {
    let place = Place { file: &row.file, line: row.line };
    let mut said = Vec::new();
    for cell in [row.cell("via"), row.cell("with")] {
        for piece in cell.split(';') {
            let value = piece.split_once('=').map_or(piece, |(_, value)| value);
            let mut parts = value.trim().split('|');
            let (Some(system), Some(code)) = (parts.next(), parts.next()) else { continue };
            let system = view.url(system).unwrap_or_else(|| system.to_owned());
            said.push(Coding { system, code: code.to_owned(), display: parts.next().unwrap_or_default().to_owned() });
        }
    }
    let asked: Vec<Coding> = row
        .cell("when")
        .split_whitespace()
        .flat_map(|word| word.rsplit('='))
        .filter(|word| word.contains('-') || word.bytes().all(|b| b.is_ascii_digit()))
        .map(|word| Coding { code: word.to_owned(), ..Coding::default() })
        .filter(|coding| coding.known().is_some())
        .collect();
    for coding in &said {
        let words = format!("{} {}", coding.display, row.cell("when").replace(['=', '!'], " "));
        if !named(&place, coding, &words, out) {
            for other in &asked {
                agree(&place, &[coding.clone(), other.clone()], out);
            }
        }
        let unit = row.cell("with").split(';').find_map(|piece| piece.split_once("unit=").map(|(_, unit)| unit));
        measured(&place, coding, unit.unwrap_or_default(), "", out);
    }
}

/// A row of a code table: the target against its display, and against what the code is called.
fn code_row(view: &View, row: &Row, out: &mut Vec<Finding>) {
    let system = view.url(row.cell("system")).unwrap_or_default();
    let place = Place { file: &row.file, line: row.line };
    let target = Coding { system, code: row.cell("target").to_owned(), display: row.cell("display").to_owned() };
    if !named(&place, &target, &format!("{} {}", target.display, row.cell("code")), out) {
        let source = Coding { code: row.cell("code").to_owned(), ..Coding::default() };
        agree(&place, &[source, target], out);
    }
}

#[cfg(test)]
mod tests;
