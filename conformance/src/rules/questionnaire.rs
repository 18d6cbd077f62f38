//! Questionnaires: conditions between their items, and derivation. FHIR R4 questionnaire.html.

use std::collections::HashMap;

use model::json::Json;

use super::read::{choice, companion, extension_value, is_true, scalar, text};
use crate::place::Place;
use crate::report::Report;
use crate::scope::Scope;

pub(super) fn check(scope: &Scope<'_>, place: &Place<'_>, report: &mut Report) {
    let questionnaire = scope.resource;
    let bases = bases(scope, place, report);
    let bases: Vec<(&Base, Origins<'_>)> = bases.iter().map(|base| (base, origins(&base.questionnaire))).collect();
    items(questionnaire, &Order::of(questionnaire), &mut 0, 0, place, report, &bases);
}

/// The items of a questionnaire in reading order, each known by its number.
struct Order<'q> {
    /// By `linkId`: the numbers of its items, rising.
    numbers: HashMap<&'q str, Vec<usize>>,
    /// By number: the number after the last item inside of it.
    ends: Vec<usize>,
}

impl<'q> Order<'q> {
    fn of(questionnaire: &'q Json) -> Self {
        let mut order = Self { numbers: HashMap::new(), ends: Vec::new() };
        order.add(questionnaire, 0);
        order
    }

    fn add(&mut self, json: &'q Json, depth: usize) {
        if depth > DEPTH {
            return;
        }
        for item in json.items("item") {
            let number = self.ends.len();
            if let Some(link) = text(item, "linkId") {
                self.numbers.entry(link).or_default().push(number);
            }
            self.ends.push(number);
            self.add(item, depth + 1);
            let end = self.ends.len();
            if let Some(slot) = self.ends.get_mut(number) {
                *slot = end;
            }
        }
    }

    /// The number of the first item of a `linkId`.
    fn first(&self, link: &str) -> Option<usize> {
        self.numbers.get(link)?.first().copied()
    }

    /// Whether an item of that `linkId` is inside of the item with this number.
    fn is_inside(&self, link: &str, number: usize) -> bool {
        let Some(numbers) = self.numbers.get(link) else { return false };
        let next = numbers.partition_point(|each| *each <= number);
        let end = self.ends.get(number).copied().unwrap_or_default();
        numbers.get(next).is_some_and(|each| *each < end)
    }
}

/// Items nested deeper are not looked at; what reads a resource lets none of them in.
const DEPTH: usize = 64;

/// A questionnaire that this one is derived from.
struct Base {
    questionnaire: std::sync::Arc<Json>,
    /// Items may be added.
    extends: bool,
}

const DERIVATION: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-derivationType";

fn bases(scope: &Scope<'_>, place: &Place<'_>, report: &mut Report) -> Vec<Base> {
    let mut found = Vec::new();
    let list = place.member("derivedFrom");
    let companions = companion(scope.resource, "derivedFrom").and_then(Json::as_array).unwrap_or_default();
    for (at, canonical) in scope.resource.items("derivedFrom").iter().enumerate() {
        let here = list.item(at);
        let Some(base) = canonical.as_str().and_then(|canonical| scope.find("Questionnaire", canonical)) else {
            report.warning("business-rule", "the questionnaire that this one is derived from is not known here", &here);
            continue;
        };
        let kind = companions.get(at).and_then(|companion| extension_value(companion, DERIVATION));
        match kind.and_then(|(_, coding)| text(coding, "code")) {
            Some("extends") => found.push(Base { questionnaire: base, extends: true }),
            Some("compliesWith") => found.push(Base { questionnaire: base, extends: false }),
            Some("inspiredBy") => {}
            Some(_) => report.warning("business-rule", "expected a kind of derivation of FHIR", &here),
            None => report.warning("business-rule", "expected the kind of derivation in an extension", &here),
        }
    }
    found
}

/// `number`: how many items were passed so far.
fn items(
    element: &Json,
    order: &Order<'_>,
    number: &mut usize,
    depth: usize,
    place: &Place<'_>,
    report: &mut Report,
    bases: &[(&Base, Origins<'_>)],
) {
    if depth > DEPTH {
        return;
    }
    let list = place.member("item");
    for (at, item) in element.items("item").iter().enumerate() {
        let here = list.item(at);
        conditions(item, *number, order, &here, report);
        for (base, origins) in bases {
            derived(item, base, origins, &here, report);
        }
        *number += 1;
        items(item, order, number, depth + 1, &here, report, bases);
    }
}

fn conditions(item: &Json, number: usize, order: &Order<'_>, place: &Place<'_>, report: &mut Report) {
    // que-12. As published, the expression of the invariant lets two conditions pass.
    if item.items("enableWhen").len() == 2 && item.get("enableBehavior").is_none() {
        report.error("invariant", "expected enableBehavior: there is more than one enableWhen (que-12)", place);
    }
    for condition in item.items("enableWhen") {
        let Some(question) = text(condition, "question") else {
            report.error("business-rule", "expected enableWhen to name a question", place);
            continue;
        };
        if order.is_inside(question, number) {
            report.error(
                "business-rule",
                "expected enableWhen to ask for a question that is not inside of the item",
                place,
            );
            continue;
        }
        match order.first(question) {
            None => report.error("business-rule", "expected enableWhen to name a question of the questionnaire", place),
            Some(target) if target == number => {
                report.error("business-rule", "expected enableWhen to name another question", place);
            }
            // Items around come before in reading order too.
            Some(target) if target > number => {
                report.warning("business-rule", "expected enableWhen to name a question that comes before", place);
            }
            Some(_) => {}
        }
    }
}

/// The items of a base by `linkId`; of several with one, the first.
type Origins<'b> = HashMap<&'b str, &'b Json>;

fn origins(questionnaire: &Json) -> Origins<'_> {
    fn add<'b>(json: &'b Json, depth: usize, origins: &mut Origins<'b>) {
        if depth > DEPTH {
            return;
        }
        for item in json.items("item") {
            if let Some(link) = text(item, "linkId") {
                origins.entry(link).or_insert(item);
            }
            add(item, depth + 1, origins);
        }
    }
    let mut origins = HashMap::new();
    add(questionnaire, 0, &mut origins);
    origins
}

/// An item against the one of the same linkId in a base: it may narrow it, not widen it.
fn derived(item: &Json, base: &Base, origins: &Origins<'_>, place: &Place<'_>, report: &mut Report) {
    let Some(link) = text(item, "linkId") else { return };
    let Some(origin) = origins.get(link).copied() else {
        if !base.extends {
            report.error("not-found", "expected the item to be one of the questionnaire it complies with", place);
        }
        return;
    };
    let mut differ = |name: &str, expected: &str| report.error("business-rule", expected, &place.member(name));
    if text(item, "type").is_some() && text(item, "type") != text(origin, "type") {
        differ("type", "expected the type that the item has in the questionnaire it is derived from");
    }
    if !is_true(origin, "repeats") && is_true(item, "repeats") {
        differ("repeats", "expected no repetition: the questionnaire it is derived from has none");
    }
    if is_true(origin, "required") && item.get("required") == Some(&Json::Bool(false)) {
        differ("required", "expected a required item, as in the questionnaire it is derived from");
    }
    let length = |json: &Json| json.get("maxLength").and_then(scalar)?.parse::<u64>().ok();
    if let Some(most) = length(origin) {
        match length(item) {
            Some(own) if own > most => differ("maxLength", "expected no more than the length in the base"),
            Some(_) => {}
            None => report.error("business-rule", format!("expected a maxLength of at most {most}"), place),
        }
    }
    options(item, origin, place, report);
}

fn options(item: &Json, origin: &Json, place: &Place<'_>, report: &mut Report) {
    let known = origin.items("answerOption");
    let own = item.items("answerOption");
    if !known.is_empty() {
        if item.get("answerValueSet").is_some() {
            report.error("business-rule", "expected options as in the base, not a value set", place);
        } else if own.is_empty() {
            report.error("business-rule", "expected the options of the base, or some of them", place);
        }
        let list = place.member("answerOption");
        for (at, option) in own.iter().enumerate() {
            let is_known = choice(option, "value").is_none_or(|value| {
                known.iter().filter_map(|option| choice(option, "value")).any(|known| is_same(value, known))
            });
            if !is_known {
                report.error("business-rule", "expected an option that the base has", &list.item(at));
            }
        }
    }
    if origin.get("answerValueSet").is_some() && !own.is_empty() {
        report.error("business-rule", "expected a value set as in the base, not options", place);
    }
}

fn is_same(one: (&str, &Json), other: (&str, &Json)) -> bool {
    let same = |name: &str| text(one.1, name) == text(other.1, name);
    one.0 == other.0
        && match one.0 {
            "Coding" => same("system") && same("version") && same("code"),
            "Reference" => same("reference"),
            _ => scalar(one.1) == scalar(other.1),
        }
}
