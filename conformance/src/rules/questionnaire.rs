//! Questionnaires: conditions between their items, and derivation. FHIR R4 questionnaire.html.

use model::json::Json;

use super::read::{choice, companion, extension_value, is_true, scalar, text};
use crate::place::Place;
use crate::report::Report;
use crate::scope::Scope;

pub(super) fn check(scope: &Scope<'_>, place: &Place<'_>, report: &mut Report) {
    let questionnaire = scope.resource;
    let bases = bases(scope, place, report);
    let mut above = Vec::new();
    items(questionnaire, questionnaire, &mut above, place, report, &bases);
}

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

/// `above`: the items around, from the outside.
fn items<'q>(
    element: &'q Json,
    questionnaire: &'q Json,
    above: &mut Vec<&'q Json>,
    place: &Place<'_>,
    report: &mut Report,
    bases: &[Base],
) {
    if above.len() > 64 {
        return;
    }
    let list = place.member("item");
    for (at, item) in element.items("item").iter().enumerate() {
        let here = list.item(at);
        conditions(item, questionnaire, above, &here, report);
        for base in bases {
            derived(item, base, &here, report);
        }
        above.push(item);
        items(item, questionnaire, above, &here, report, bases);
        above.pop();
    }
}

fn conditions(item: &Json, questionnaire: &Json, above: &[&Json], place: &Place<'_>, report: &mut Report) {
    // que-12. As published, the expression of the invariant lets two conditions pass.
    if item.items("enableWhen").len() == 2 && item.get("enableBehavior").is_none() {
        report.error("invariant", "expected enableBehavior: there is more than one enableWhen (que-12)", place);
    }
    for condition in item.items("enableWhen") {
        let Some(question) = text(condition, "question") else {
            report.error("business-rule", "expected enableWhen to name a question", place);
            continue;
        };
        if find(item, question, 0).is_some() {
            report.error(
                "business-rule",
                "expected enableWhen to ask for a question that is not inside of the item",
                place,
            );
            continue;
        }
        let Some(target) = find(questionnaire, question, 0) else {
            report.error("business-rule", "expected enableWhen to name a question of the questionnaire", place);
            continue;
        };
        if std::ptr::eq(target, item) {
            report.error("business-rule", "expected enableWhen to name another question", place);
        } else if !above.iter().any(|around| std::ptr::eq(*around, target)) && !is_before(target, item, questionnaire) {
            report.warning("business-rule", "expected enableWhen to name a question that comes before", place);
        }
    }
}

fn find<'q>(json: &'q Json, link: &str, depth: usize) -> Option<&'q Json> {
    if depth > 64 {
        return None;
    }
    json.items("item")
        .iter()
        .find_map(|item| if text(item, "linkId") == Some(link) { Some(item) } else { find(item, link, depth + 1) })
}

/// Whether one item comes before another in reading order.
fn is_before(one: &Json, other: &Json, questionnaire: &Json) -> bool {
    fn first<'q>(json: &'q Json, one: &Json, other: &Json, depth: usize) -> Option<&'q Json> {
        if depth > 64 {
            return None;
        }
        json.items("item").iter().find_map(|item| {
            if std::ptr::eq(item, one) || std::ptr::eq(item, other) {
                Some(item)
            } else {
                first(item, one, other, depth + 1)
            }
        })
    }
    first(questionnaire, one, other, 0).is_some_and(|found| std::ptr::eq(found, one))
}

/// An item against the one of the same linkId in a base: it may narrow it, not widen it.
fn derived(item: &Json, base: &Base, place: &Place<'_>, report: &mut Report) {
    let Some(link) = text(item, "linkId") else { return };
    let Some(origin) = find(&base.questionnaire, link, 0) else {
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
