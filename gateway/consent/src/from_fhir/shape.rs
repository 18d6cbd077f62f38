//! The table of elements a Consent may have, and the check against it.
//!
//! FHIR R4 consent.html ("Resource Content") and datatypes.html (Coding, CodeableConcept, Reference, Identifier,
//! Period).

use model::json::Json;
use model::time::PartialDateTime;

use super::{Misunderstood, Span};

/// What an element holds.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    Flag,
    Date,
    Period,
    /// Says nothing about who may do what: not looked into.
    Anything,
    Parts(&'static [Member]),
}

/// An element by name: whether it repeats, and what it holds.
struct Member(&'static str, Count, Shape);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Count {
    One,
    Many,
}

use Count::{Many, One};
use Shape::{Anything, Date, Flag, Parts, Period, Text};

static CODING: [Member; 5] = [
    Member("system", One, Text),
    Member("version", One, Text),
    Member("code", One, Text),
    Member("display", One, Text),
    Member("userSelected", One, Flag),
];

static CONCEPT: [Member; 2] = [Member("coding", Many, Parts(&CODING)), Member("text", One, Text)];

static REFERENCE: [Member; 4] = [
    Member("reference", One, Text),
    Member("type", One, Text),
    Member("identifier", One, Parts(&IDENTIFIER)),
    Member("display", One, Text),
];

static IDENTIFIER: [Member; 6] = [
    Member("use", One, Text),
    Member("type", One, Parts(&CONCEPT)),
    Member("system", One, Text),
    Member("value", One, Text),
    Member("period", One, Period),
    Member("assigner", One, Anything),
];

static PERIOD: [Member; 2] = [Member("start", One, Date), Member("end", One, Date)];

static POLICY: [Member; 2] = [Member("authority", One, Text), Member("uri", One, Text)];

static VERIFICATION: [Member; 3] = [
    Member("verified", One, Flag),
    Member("verifiedWith", One, Parts(&REFERENCE)),
    Member("verificationDate", One, Date),
];

static ACTOR: [Member; 2] = [Member("role", One, Parts(&CONCEPT)), Member("reference", One, Parts(&REFERENCE))];

static DATA: [Member; 2] = [Member("meaning", One, Text), Member("reference", One, Parts(&REFERENCE))];

static PROVISION: [Member; 11] = [
    Member("type", One, Text),
    Member("period", One, Period),
    Member("actor", Many, Parts(&ACTOR)),
    Member("action", Many, Parts(&CONCEPT)),
    Member("securityLabel", Many, Parts(&CODING)),
    Member("purpose", Many, Parts(&CODING)),
    Member("class", Many, Parts(&CODING)),
    Member("code", Many, Parts(&CONCEPT)),
    Member("dataPeriod", One, Period),
    Member("data", Many, Parts(&DATA)),
    Member("provision", Many, Parts(&PROVISION)),
];

static CONSENT: [Member; 19] = [
    Member("resourceType", One, Text),
    Member("meta", One, Anything),
    Member("language", One, Text),
    Member("text", One, Anything),
    Member("contained", Many, Anything),
    Member("identifier", Many, Parts(&IDENTIFIER)),
    Member("status", One, Text),
    Member("scope", One, Parts(&CONCEPT)),
    Member("category", Many, Parts(&CONCEPT)),
    Member("patient", One, Parts(&REFERENCE)),
    Member("dateTime", One, Date),
    Member("performer", Many, Parts(&REFERENCE)),
    Member("organization", Many, Parts(&REFERENCE)),
    Member("sourceAttachment", One, Anything),
    Member("sourceReference", One, Parts(&REFERENCE)),
    Member("policy", Many, Parts(&POLICY)),
    Member("policyRule", One, Parts(&CONCEPT)),
    Member("verification", Many, Parts(&VERIFICATION)),
    Member("provision", One, Parts(&PROVISION)),
];

/// Extensions that make a provision narrower than it reads (Google Cloud Healthcare API, "Consent-enforced access":
/// environment, data source, data tag). Ignoring them would widen it.
const NARROWING: [&str; 3] = [
    "https://g.co/fhir/medicalrecords/Environment",
    "https://g.co/fhir/medicalrecords/DataSource",
    "https://g.co/fhir/medicalrecords/DataTag",
];

/// Checks every element of a Consent.
pub(super) fn check(consent: &Json) -> Result<(), Misunderstood> {
    if consent.get("resourceType").and_then(Json::as_str) != Some("Consent") {
        return Err(Misunderstood::at("resourceType", "expected a Consent"));
    }
    let mut place = Place(String::new());
    parts(consent, &CONSENT, &mut place, 0)
}

/// The path to the element at hand.
struct Place(String);

impl Place {
    fn fail(&self, why: &'static str) -> Misunderstood {
        Misunderstood::at(if self.0.is_empty() { "Consent" } else { self.0.as_str() }, why)
    }

    fn within<T>(
        &mut self,
        step: &str,
        run: impl FnOnce(&mut Self) -> Result<T, Misunderstood>,
    ) -> Result<T, Misunderstood> {
        let length = self.0.len();
        if length > 0 && !step.starts_with('[') {
            self.0.push('.');
        }
        self.0.push_str(step);
        let result = run(self);
        self.0.truncate(length);
        result
    }
}

/// Deeper than any Consent within the limit of levels; ends the walk on hostile input.
const MAX_DEPTH: usize = 64;

fn parts(json: &Json, members: &'static [Member], place: &mut Place, depth: usize) -> Result<(), Misunderstood> {
    let Some(object) = json.as_object() else { return Err(place.fail("expected an object")) };
    // An empty provision sets no criteria; any other element without a value is not one.
    if object.is_empty() && place.0 != "provision" || depth > MAX_DEPTH {
        return Err(place.fail("expected an element with a value"));
    }
    for (name, value) in object.iter() {
        let step = |place: &mut Place| {
            if name == "id" {
                return text(value, place);
            }
            if name == "extension" {
                return extensions(value, place);
            }
            if let Some(primitive) = name.strip_prefix('_') {
                return sibling(value, primitive, members, place);
            }
            let Some(Member(_, count, shape)) = members.iter().find(|Member(known, ..)| *known == name) else {
                return Err(place.fail("expected an element this gateway knows"));
            };
            match count {
                One => element(value, *shape, place, depth),
                Many => match value.as_array() {
                    Some(items) if !items.is_empty() => {
                        for (index, item) in items.iter().enumerate() {
                            place.within(&format!("[{index}]"), |place| element(item, *shape, place, depth))?;
                        }
                        Ok(())
                    }
                    _ => Err(place.fail("expected an array with at least one value")),
                },
            }
        };
        place.within(name, step)?;
    }
    Ok(())
}

fn element(json: &Json, shape: Shape, place: &mut Place, depth: usize) -> Result<(), Misunderstood> {
    match shape {
        Text => text(json, place),
        Flag if json.as_bool().is_some() => Ok(()),
        Flag => Err(place.fail("expected true or false")),
        Date => match json.as_str().map(PartialDateTime::parse) {
            Some(Ok(_)) => Ok(()),
            _ => Err(place.fail("expected a date")),
        },
        Period => {
            parts(json, &PERIOD, place, depth.saturating_add(1))?;
            Span::read(json).map(|_| ()).map_err(|why| place.fail(why))
        }
        Anything if matches!(json, Json::Null) => Err(place.fail("expected a value")),
        Anything => Ok(()),
        Parts(members) => parts(json, members, place, depth.saturating_add(1)),
    }
}

fn text(json: &Json, place: &Place) -> Result<(), Misunderstood> {
    match json.as_str() {
        Some(text) if !text.is_empty() => Ok(()),
        _ => Err(place.fail("expected text")),
    }
}

/// The id and the extensions of a primitive element stand beside it under `_name`.
fn sibling(json: &Json, primitive: &str, members: &[Member], place: &mut Place) -> Result<(), Misunderstood> {
    let known = members.iter().any(|Member(name, _, shape)| *name == primitive && matches!(shape, Text | Flag | Date));
    let Some(object) = json.as_object().filter(|_| known) else {
        return Err(place.fail("expected an element this gateway knows"));
    };
    for (name, value) in object.iter() {
        match name {
            "id" => text(value, place)?,
            "extension" => extensions(value, place)?,
            _ => return Err(place.fail("expected an id or extensions")),
        }
    }
    Ok(())
}

/// Ordinary extensions may be ignored, except those known to narrow. FHIR R4 extensibility.html.
fn extensions(json: &Json, place: &mut Place) -> Result<(), Misunderstood> {
    let items = json.as_array().filter(|items| !items.is_empty());
    for extension in items.ok_or_else(|| place.fail("expected an array with at least one value"))? {
        match extension.get("url").and_then(Json::as_str) {
            Some(url) if NARROWING.contains(&url) => return Err(place.fail("expected no extension that narrows")),
            Some(_) => {}
            None => return Err(place.fail("expected an extension with a url")),
        }
        if extension.get("extension").is_some() {
            extensions(extension.get("extension").unwrap_or(&Json::Null), place)?;
        }
    }
    Ok(())
}
