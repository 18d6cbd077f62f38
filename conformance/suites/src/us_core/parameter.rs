//! Search parameters: values taken from resources, and whether a resource answers a value.
//!
//! FHIR R4 search.html. The judge is written apart from any server: it looks at the elements that the table names.

use model::json::Json;
use model::time::PartialDateTime;

use super::element::{codings, values};
use super::requirement::Parameter;

/// The prefixes of search.html, "Prefixes" that a table may ask for.
const PREFIXES: [&str; 9] = ["eq", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap"];

/// Everything at the parameter's paths.
pub(super) fn found<'j>(resource: &'j Json, parameter: &Parameter) -> Vec<&'j Json> {
    parameter.paths.iter().flat_map(|path| values(resource, path, &[])).collect()
}

/// Values to search for, so that this resource must be found; the most exact first, its shorter forms behind.
pub(super) fn queries(resource: &Json, parameter: &Parameter) -> Vec<String> {
    for value in found(resource, parameter) {
        let forms = forms(value, &parameter.kind);
        if !forms.is_empty() {
            return forms;
        }
    }
    Vec::new()
}

/// The most exact form of each different value that a resource has.
pub(super) fn every(resource: &Json, parameter: &Parameter) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for value in found(resource, parameter) {
        if let Some(form) = forms(value, &parameter.kind).into_iter().next()
            && !all.contains(&form)
        {
            all.push(form);
        }
    }
    all
}

/// The forms in which one value can be asked for: with and without system, with and without type.
fn forms(value: &Json, kind: &str) -> Vec<String> {
    if let Some(text) = scalar(value) {
        return vec![escape(&text)];
    }
    if let Some(reference) = value.text_at(&["reference"]) {
        let mut parts = reference.rsplit('/');
        let (id, of) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let local = !reference.contains("://") && !reference.starts_with(['#', 'u']) && !of.is_empty();
        return if local { vec![id.to_owned(), format!("{of}/{id}")] } else { Vec::new() };
    }
    if value.get("coding").is_some() || value.get("code").is_some() {
        let first = codings(value).into_iter().next();
        return first.map_or_else(Vec::new, |(system, code)| token(system, code));
    }
    // A point of time never contains a whole period, which is what equality would ask for.
    if let Some(start) = value.text_at(&["start"]) {
        return vec![format!("ge{start}")];
    }
    if let Some(end) = value.text_at(&["end"]) {
        return vec![format!("le{end}")];
    }
    if let (Some(text), false) = (value.text_at(&["value"]), kind == "HumanName") {
        return token(value.text_at(&["system"]), text);
    }
    let words = strings(value);
    // A name or an address: any of its parts; a part of a single letter finds too much to say anything.
    words.into_iter().find(|word| word.chars().count() > 1).map(|word| vec![escape(word)]).unwrap_or_default()
}

fn token(system: Option<&str>, code: &str) -> Vec<String> {
    let code = escape(code);
    match system {
        Some(system) => vec![format!("{}|{code}", escape(system)), code],
        None => vec![code],
    }
}

fn scalar(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.to_string()),
        Json::Number(number) => Some(number.as_str().to_owned()),
        Json::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// Every text in a value, family and city before the rest.
fn strings(value: &Json) -> Vec<&str> {
    const ORDER: [&str; 11] =
        ["family", "given", "city", "state", "postalCode", "line", "district", "country", "text", "prefix", "suffix"];
    ORDER
        .iter()
        .flat_map(|name| match value.get(name) {
            Some(Json::Array(items)) => items.iter().filter_map(Json::as_str).collect(),
            Some(one) => one.as_str().into_iter().collect::<Vec<_>>(),
            None => Vec::new(),
        })
        .collect()
}

/// search.html, "Escaping Search Parameters".
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if ['\\', ',', '|', '$'].contains(&letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        out.push(if letter == '\\' { letters.next().unwrap_or(letter) } else { letter });
    }
    out
}

/// Whether a resource answers a whole value, of which any part between commas may do.
pub(super) fn answers(resource: &Json, parameter: &Parameter, value: &str) -> bool {
    split(value, ',').iter().any(|part| found(resource, parameter).iter().any(|item| fits(item, parameter, part)))
}

/// Parts a value where a separator is not escaped.
fn split(value: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for letter in value.chars() {
        if letter == separator && !escaped {
            parts.push(String::new());
            continue;
        }
        escaped = letter == '\\' && !escaped;
        if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
    }
    parts
}

fn fits(item: &Json, parameter: &Parameter, value: &str) -> bool {
    if is_date(parameter) {
        return date_fits(item, value);
    }
    if let Some(reference) = item.text_at(&["reference"]) {
        return reference == value || reference.ends_with(&format!("/{value}"));
    }
    if parameter.kind == "string" || parameter.kind == "HumanName" || parameter.kind == "Address" {
        let wanted = folded(&unescape(value));
        let texts = item.as_str().map_or_else(|| strings(item), |text| vec![text]);
        // search.html, "string": equal or starting with, without regard to case and accents.
        return texts.iter().any(|text| {
            let text = folded(text);
            text.starts_with(&wanted) || text.split_whitespace().any(|word| word.starts_with(&wanted))
        });
    }
    let parts = split(value, '|');
    let (system, code) = match parts.as_slice() {
        [system, code, ..] => (Some(unescape(system)), unescape(code)),
        [code] => (None, unescape(code)),
        [] => return false,
    };
    let system_fits = |actual: Option<&str>| match system.as_deref() {
        None => true,
        Some("") => actual.is_none(),
        Some(system) => actual == Some(system),
    };
    let code_fits = |actual: &str| code.is_empty() || actual == code;
    if let Some(text) = scalar(item) {
        // A code's system is that of its value set, which this judge does not look up.
        return code_fits(&text);
    }
    if let Some(actual) = item.text_at(&["value"]) {
        return system_fits(item.text_at(&["system"])) && code_fits(actual);
    }
    codings(item).into_iter().any(|(actual, actual_code)| system_fits(actual) && code_fits(actual_code))
}

/// Lower case, and the letters with accents that FHIR data holds most often without them.
fn folded(text: &str) -> String {
    let plain = |letter: char| match letter {
        'á' | 'à' | 'â' | 'ä' | 'ã' | 'å' => 'a',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'í' | 'ì' | 'î' | 'ï' => 'i',
        'ó' | 'ò' | 'ô' | 'ö' | 'õ' => 'o',
        'ú' | 'ù' | 'û' | 'ü' => 'u',
        'ç' => 'c',
        'ñ' => 'n',
        other => other,
    };
    text.to_lowercase().chars().map(plain).collect()
}

/// Whether values of the parameter are points or spans of time.
pub(super) fn is_date(parameter: &Parameter) -> bool {
    matches!(parameter.kind.as_str(), "date" | "dateTime" | "instant" | "Period")
}

/// First and last millisecond of a time value; `None` ends are open.
type Span = (Option<i64>, Option<i64>);

fn span(item: &Json) -> Option<Span> {
    if let Some(text) = item.as_str() {
        let date = PartialDateTime::parse(text).ok()?;
        return Some((Some(date.earliest().millis()), Some(date.latest().millis())));
    }
    let end = |name: &str| item.text_at(&[name]).and_then(|text| PartialDateTime::parse(text).ok());
    let (start, stop) = (end("start"), end("end"));
    if start.is_none() && stop.is_none() {
        return None;
    }
    Some((start.map(|date| date.earliest().millis()), stop.map(|date| date.latest().millis())))
}

/// search.html, "Prefixes": spans of time are compared with spans of time.
fn date_fits(item: &Json, value: &str) -> bool {
    let prefix = value.get(..2).filter(|word| PREFIXES.contains(word));
    let text = value.get(prefix.map_or(0, str::len)..).unwrap_or_default();
    let (Ok(wanted), Some((start, end))) = (PartialDateTime::parse(text), span(item)) else { return false };
    let (from, to) = (wanted.earliest().millis(), wanted.latest().millis());
    let (start, end) = (start.unwrap_or(i64::MIN), end.unwrap_or(i64::MAX));
    let equal = from <= start && end <= to;
    match prefix.unwrap_or("eq") {
        "ne" => !equal,
        "gt" => end > to,
        "lt" => start < from,
        "ge" => end > to || equal,
        "le" => start < from || equal,
        "sa" => start > to,
        "eb" => end < from,
        // What "approximately" means is the server's to say: all it finds may be right.
        "ap" => true,
        _ => equal,
    }
}

/// A value for this comparator that a resource with this date must answer: a year earlier or later.
pub(super) fn shifted(date: &str, prefix: &str) -> Option<String> {
    let date = date.trim_start_matches(|letter: char| letter.is_ascii_lowercase());
    let year: i32 = date.get(..4)?.parse().ok()?;
    let by = match prefix {
        "gt" | "ge" | "sa" => -1,
        "lt" | "le" | "eb" => 1,
        "ne" => 1,
        _ => 0,
    };
    // Month and day as far as they are given; a time of day would only make the value longer.
    let rest: String = date.chars().skip(4).take(6).collect();
    // A leap day does not exist a year later.
    let rest = if rest == "-02-29" && by != 0 { "-02-28" } else { &rest };
    Some(format!("{prefix}{:04}{rest}", year.checked_add(by)?))
}
