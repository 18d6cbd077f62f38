//! What a CDA document says, read without the mapping: for comparing a document with what comes back of it.
//!
//! Patient and header, and of each kind of entry the code with the value or date that makes it what it is. Found by
//! templates and codes of Consolidated CDA R2.1 and nothing else: neither the engine nor a package takes part.

use std::collections::BTreeSet;

use formats::cda::{Document, Element};

/// A fact: which it is, and its values.
pub(super) type Fact = (&'static str, Vec<String>);

/// Everything that is found.
pub(super) fn read(document: &Document) -> BTreeSet<Fact> {
    let mut facts = BTreeSet::new();
    header(document.root(), &mut facts);
    for n in 0..document.len() {
        if let Some(element) = u32::try_from(n).ok().and_then(|n| document.element(n)) {
            entry(element, &mut facts);
        }
    }
    facts
}

fn header(root: Element<'_>, facts: &mut BTreeSet<Fact>) {
    let mut texts = |what, path: &[&str]| {
        for found in all(root, path) {
            add(facts, what, [text(found)]);
        }
    };
    let role = ["recordTarget", "patientRole"];
    let of = |rest: &[&'static str]| -> Vec<&'static str> { role.iter().chain(rest).copied().collect() };
    texts("patient family", &of(&["patient", "name", "family"]));
    texts("patient given", &of(&["patient", "name", "given"]));
    texts("addr city", &of(&["addr", "city"]));
    texts("addr postalCode", &of(&["addr", "postalCode"]));
    texts("custodian name", &["custodian", "assignedCustodian", "representedCustodianOrganization", "name"]);
    texts("author family", &["author", "assignedAuthor", "assignedPerson", "name", "family"]);
    for id in all(root, &of(&["id"])) {
        add(facts, "patient id", [id.attribute("extension").or(id.attribute("root")).map(fold)]);
    }
    for id in all(root, &["componentOf", "encompassingEncounter", "id"]) {
        add(facts, "encounter id", [id.attribute("extension").or(id.attribute("root")).map(fold)]);
    }
    for (what, path) in [("gender", "administrativeGenderCode"), ("race", "raceCode"), ("ethnicity", "ethnicGroupCode")]
    {
        for code in all(root, &of(&["patient", path])) {
            add(facts, what, [own_code(code)]);
        }
    }
    for time in all(root, &of(&["patient", "birthTime"])) {
        add(facts, "birth", [day(time)]);
    }
    for code in all(root, &["code"]) {
        add(facts, "document type", [own_code(code)]);
    }
}

fn entry(element: Element<'_>, facts: &mut BTreeSet<Fact>) {
    if element.name() == "section" {
        for code in all(element, &["code"]) {
            add(facts, "section", [own_code(code)]);
        }
        return;
    }
    let is = |template: &str| {
        all(element, &["templateId"]).iter().any(|id| {
            id.attribute("root").and_then(|root| root.strip_prefix("2.16.840.1.113883.10.20.22.4.")) == Some(template)
        })
    };
    // What was not done, or is only wished, is another fact.
    let mood = element.attribute("moodCode").unwrap_or_default();
    let code = || any_code(element, &["code"]);
    let value = || any_code(element, &["value"]);
    let number = || all(element, &["value"]).first().and_then(|value| value.attribute("value")).map(plain_number);
    match element.name() {
        "observation" if is("4") => {
            add(facts, "problem", [value()]);
            add(facts, "problem onset", [value(), day_at(element, &["effectiveTime", "low"])]);
        }
        "observation" if is("7") => {
            let allergen = any_code(element, &["participant", "participantRole", "playingEntity", "code"]);
            add(facts, "allergen", [allergen]);
        }
        "observation" if is("9") => add(facts, "reaction", [value()]),
        "observation" if is("78") => add(facts, "smoking status", [value()]),
        "observation" if is("46") => add(facts, "family history", [value()]),
        "observation" if is("2") || is("27") => {
            add(facts, if is("2") { "result" } else { "vital sign" }, [code(), number()]);
        }
        "substanceAdministration" if is("52") => {
            let vaccine = any_code(element, &["consumable", "manufacturedProduct", "manufacturedMaterial", "code"]);
            let when = day_at(element, &["effectiveTime"]).or_else(|| day_at(element, &["effectiveTime", "low"]));
            add(facts, "vaccine", [vaccine.clone()]);
            add(facts, "vaccine date", [vaccine, when]);
            for lot in all(element, &["consumable", "manufacturedProduct", "manufacturedMaterial", "lotNumberText"]) {
                add(facts, "lot", [text(lot)]);
            }
        }
        "substanceAdministration" if is("16") => {
            let path = ["consumable", "manufacturedProduct", "manufacturedMaterial", "code"];
            add(facts, "medication", [any_code(element, &path)]);
        }
        "procedure" | "observation" | "act" if is("14") || is("13") || is("12") => {
            add(facts, "procedure", [Some(mood.to_owned()), code()]);
        }
        "encounter" if is("49") => add(facts, "encounter", [code()]),
        _ => {}
    }
}

/// Adds a fact if all of it is there.
fn add<const N: usize>(facts: &mut BTreeSet<Fact>, what: &'static str, values: [Option<String>; N]) {
    let values: Option<Vec<String>> = values.into_iter().collect();
    if let Some(values) = values.filter(|values| values.iter().all(|value| !value.is_empty())) {
        facts.insert((what, values));
    }
}

/// Every element at the end of a path of names.
fn all<'d>(from: Element<'d>, path: &[&str]) -> Vec<Element<'d>> {
    let mut found = vec![from];
    for name in path {
        found = found.iter().flat_map(|element| element.children().filter(|child| child.name() == *name)).collect();
    }
    found
}

fn fold(text: &str) -> String {
    super::facts::fold(text)
}

fn text(element: Element<'_>) -> Option<String> {
    Some(fold(&element.text())).filter(|text| !text.is_empty())
}

fn own_code(element: Element<'_>) -> Option<String> {
    element.attribute("code").map(fold)
}

/// The code of the first element there that has one, itself or in a translation.
fn any_code(from: Element<'_>, path: &[&str]) -> Option<String> {
    all(from, path)
        .into_iter()
        .find_map(|element| own_code(element).or_else(|| all(element, &["translation"]).into_iter().find_map(own_code)))
}

fn plain_number(text: &str) -> String {
    match super::facts::decimal(text.trim()) {
        Some((negative, whole, fraction)) => format!("{}{whole}.{fraction}", if negative { "-" } else { "" }),
        None => fold(text),
    }
}

/// The day of a time, or the month or year if it says no more.
fn day(element: Element<'_>) -> Option<String> {
    let value = element.attribute("value")?.trim();
    value.get(..value.len().min(8)).map(str::to_owned)
}

fn day_at(from: Element<'_>, path: &[&str]) -> Option<String> {
    all(from, path).into_iter().find_map(day)
}
