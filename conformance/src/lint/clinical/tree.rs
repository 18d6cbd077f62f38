//! Codes in JSON: FHIR resources, and the mapping templates of other programs (lists of codes with a name and a unit).

use model::json::{Json, Limits, locate, parse};

use super::example::sex_specific;
use super::{Coding, Finding, Place, agree, measured, named};

pub(super) fn findings(path: &str, bytes: &[u8], out: &mut Vec<Finding>) {
    let Ok(root) = parse(bytes, &Limits::default()) else { return };
    let sex = patient(&root).and_then(|patient| patient.text_at(&["gender"])).unwrap_or_default();
    let mut walk = Walk { path, bytes, sex, out };
    walk.value("Root", &root);
    walk.order(&root);
}

fn patient(root: &Json) -> Option<&Json> {
    model::bundle::resources(root).find(|resource| resource.text_at(&["resourceType"]) == Some("Patient"))
}

struct Walk<'w> {
    path: &'w str,
    bytes: &'w [u8],
    sex: &'w str,
    out: &'w mut Vec<Finding>,
}

impl Walk<'_> {
    fn at(&self, place: &str) -> Place<'_> {
        Place { file: self.path, line: locate(self.bytes, place).map_or(0, |at| at.line) }
    }

    fn value(&mut self, place: &str, json: &Json) {
        match json {
            Json::Array(items) => {
                for (n, item) in items.iter().enumerate() {
                    self.value(&format!("{place}[{n}]"), item);
                }
            }
            Json::Object(object) => {
                self.codes(place, json);
                for (name, value) in object.iter() {
                    self.value(&format!("{place}.{name}"), value);
                }
            }
            _ => {}
        }
    }

    /// Codings that stand for one thing: `code.coding` of an observation, `codes` of a template.
    fn codes(&mut self, place: &str, json: &Json) {
        let (list, at) = match json.at(&["code", "coding"]).and_then(Json::as_array) {
            Some(list) => (list, format!("{place}.code.coding")),
            None => (json.items("codes"), format!("{place}.codes")),
        };
        let word = |json: &Json, name: &str| json.text_at(&[name]).unwrap_or_default().to_owned();
        let codings: Vec<Coding> = list
            .iter()
            .map(|coding| Coding {
                system: word(coding, "system"),
                code: word(coding, "code"),
                display: word(coding, "display"),
            })
            .collect();
        let mut out = Vec::new();
        let mut wrong = false;
        for (n, coding) in codings.iter().enumerate() {
            let here = self.at(&format!("{at}[{n}]"));
            let name = json.at(&["value"]).map(|value| word(value, "valueName")).unwrap_or_default();
            wrong |= named(&here, coding, &coding.display, &mut out)
                || (coding.display.is_empty() && named(&here, coding, &name, &mut out))
                || (!name.is_empty() && named(&here, coding, &name, &mut out));
            let quantity = json.get("valueQuantity");
            let code = quantity.map(|q| word(q, "code")).filter(|code| !code.is_empty());
            let unit = code
                .or_else(|| quantity.map(|q| word(q, "unit")))
                .unwrap_or_else(|| json.get("value").map(|value| word(value, "unit")).unwrap_or_default());
            let value = quantity.and_then(|q| q.get("value")).and_then(Json::as_number).map(|n| n.as_str().to_owned());
            if !wrong {
                measured(&here, coding, &unit, &value.unwrap_or_default(), &mut out);
            }
            sex_specific(&here, coding, self.sex, &mut out);
            category(&here, coding, json, &mut out);
        }
        if !wrong && !codings.is_empty() {
            agree(&self.at(&at), &codings, &mut out);
        }
        self.out.append(&mut out);
    }

    /// What cannot have happened in this order: nothing before birth, no end before its start.
    fn order(&mut self, root: &Json) {
        let birth = patient(root).and_then(|patient| patient.text_at(&["birthDate"])).unwrap_or_default().to_owned();
        let mut found = Vec::new();
        times("Root", root, &mut |place, name, object| {
            let start = object.text_at(&["start"]).unwrap_or_default();
            let end = object.text_at(&["end"]).unwrap_or_default();
            if earlier(end, start) {
                found.push((format!("{place}.end"), "ends before it starts"));
            }
            for name in
                ["effectiveDateTime", "occurrenceDateTime", "performedDateTime", "deceasedDateTime", "recordedDate"]
            {
                if object.text_at(&[name]).is_some_and(|time| earlier(time, &birth)) {
                    found.push((format!("{place}.{name}"), "is before the patient's birth"));
                }
            }
            if name == "period" && place.contains("resource") && earlier(start, &birth) && !place.contains("identifier")
            {
                found.push((format!("{place}.start"), "is before the patient's birth"));
            }
        });
        for (place, text) in found {
            let name = place.rsplit_once("resource.").map_or(place.as_str(), |(_, rest)| rest).to_owned();
            let finding = self.at(&place).error("impossible-order", format!("{name} {text}"));
            self.out.push(finding);
        }
    }
}

/// The category and the specimen a code belongs to.
fn category(place: &Place<'_>, coding: &Coding, observation: &Json, out: &mut Vec<Finding>) {
    let Some(known) = coding.known() else { return };
    let said: Vec<&str> = observation
        .items("category")
        .iter()
        .flat_map(|category| category.items("coding"))
        .filter_map(|coding| coding.text_at(&["code"]))
        .collect();
    let other = if known.category == "vital-signs" { "laboratory" } else { "vital-signs" };
    if said.contains(&other) && !said.contains(&known.category.as_str()) {
        let text = format!("{} belongs to the category {}, not {other}", known.code, known.category);
        out.push(place.error("category-against-code", text));
    }
    let specimen = observation.text_at(&["specimen", "display"]).unwrap_or_default().to_lowercase();
    if !known.specimen.is_empty() && (specimen.contains("urine") || specimen.contains("cerebrospinal")) {
        out.push(place.error("specimen-against-code", format!("{} is measured in {}", known.code, known.specimen)));
    }
}

fn times(place: &str, json: &Json, see: &mut dyn FnMut(&str, &str, &Json)) {
    match json {
        Json::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                times(&format!("{place}[{n}]"), item, see);
            }
        }
        Json::Object(object) => {
            let name = place.rsplit('.').next().unwrap_or_default();
            see(place, name, json);
            for (name, value) in object.iter() {
                times(&format!("{place}.{name}"), value, see);
            }
        }
        _ => {}
    }
}

/// Whether a time is surely before another: by their dates alone, to the precision of the coarser one.
fn earlier(one: &str, other: &str) -> bool {
    let date = |text: &str| text.split('T').next().unwrap_or_default().to_owned();
    let (one, other) = (date(one), date(other));
    let digits = one.len().min(other.len());
    match (one.get(..digits), other.get(..digits)) {
        (Some(one), Some(other)) => digits >= 4 && one < other,
        _ => false,
    }
}
