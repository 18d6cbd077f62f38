//! QuestionnaireResponse against its Questionnaire. FHIR R4 questionnaireresponse.html, "Notes"; SDC extensions.

use std::collections::HashMap;
use std::sync::Arc;

use model::json::Json;
use model::outcome::{Issue, Severity};
use model::resource::{id, resource_type};

use super::answer;
use super::enable::{self, Enabled, Frame, is_required};
use super::read::{extension_text, is_true, text};
use crate::place::Place;
use crate::report::Report;
use crate::scope::Scope;

pub(super) fn check(scope: &Scope<'_>, place: &Place<'_>, report: &mut Report) {
    let response = scope.resource;
    let Some(canonical) = text(response, "questionnaire") else {
        report.information("required", "without a questionnaire the answers cannot be checked", place);
        return;
    };
    let Some(questionnaire) = find(scope, canonical) else {
        let expected = "the questionnaire is not known here: the answers cannot be checked";
        let is_example = super::is_example_url(canonical);
        let severity = if is_example { Severity::Information } else { Severity::Warning };
        report.problem(Issue::new(severity, "required", expected), place);
        return;
    };
    let questionnaire = questionnaire.as_ref();
    authored(response, questionnaire, place, report);
    let is_complete = matches!(text(response, "status"), Some("completed" | "amended"));
    let cost = size(questionnaire, 0).saturating_add(size(response, 0));
    let walk = Walk { scope, questionnaire, is_complete, cost };
    let frame = Frame { outer: None, question: questionnaire, answer: response };
    walk.items(questionnaire, response, &frame, place, report);
}

/// A questionnaire that is contained, in the Bundle around, or among the definitions.
enum Found<'r> {
    Here(&'r Json),
    Known(Arc<Json>),
}

impl Found<'_> {
    fn as_ref(&self) -> &Json {
        match self {
            Self::Here(json) => json,
            Self::Known(json) => json,
        }
    }
}

fn find<'r>(scope: &Scope<'r>, canonical: &str) -> Option<Found<'r>> {
    let is_one = |json: &Json| resource_type(json) == Some("Questionnaire");
    if let Some(local) = canonical.strip_prefix('#') {
        let mut contained = scope.resource.items("contained").iter();
        return contained.find(|inner| id(inner) == Some(local) && is_one(inner)).map(Found::Here);
    }
    if let Some(known) = scope.find("Questionnaire", canonical) {
        return Some(Found::Known(known));
    }
    let (url, version) = canonical.split_once('|').map_or((canonical, None), |(url, version)| (url, Some(version)));
    let (bundle, _) = scope.bundle?;
    let mut entries = bundle.items("entry").iter().filter_map(|entry| entry.get("resource"));
    entries
        .find(|resource| {
            let fits = version.is_none() || text(resource, "version") == version;
            is_one(resource) && text(resource, "url") == Some(url) && fits
        })
        .map(Found::Here)
}

fn authored(response: &Json, questionnaire: &Json, place: &Place<'_>, report: &mut Report) {
    let Some(authored) = text(response, "authored") else { return };
    let here = place.member("authored");
    let bound = |name: &str| questionnaire.text_at(&["effectivePeriod", name]);
    if bound("start").is_some_and(|start| super::compare::dates(authored, start).is_lt()) {
        report.warning("business-rule", "expected a questionnaire that was in effect when it was answered", &here);
    }
    if bound("end").is_some_and(|end| super::compare::dates(authored, end).is_gt()) {
        report.warning("business-rule", "expected a questionnaire that was in effect when it was answered", &here);
    }
}

struct Walk<'w> {
    scope: &'w Scope<'w>,
    questionnaire: &'w Json,
    /// Required questions have to be answered.
    is_complete: bool,
    /// What it costs to look for the answers to another question: items of the questionnaire and of the response.
    cost: usize,
}

const DEPTH: usize = 64;

impl Walk<'_> {
    /// The items of a response, an item or an answer against the items of `questions`.
    fn items(&self, questions: &Json, element: &Json, frame: &Frame<'_>, place: &Place<'_>, report: &mut Report) {
        if depth(frame) > DEPTH {
            return;
        }
        let asked = questions.items("item");
        let list = place.member("item");
        let mut matched: Vec<Vec<usize>> = vec![Vec::new(); asked.len()];
        let mut last = 0;
        let mut places: HashMap<&str, usize> = HashMap::with_capacity(asked.len());
        for (index, link) in
            asked.iter().enumerate().filter_map(|(index, question)| Some((index, text(question, "linkId")?)))
        {
            places.entry(link).or_insert(index);
        }
        let given = element.items("item");
        for (at, item) in given.iter().enumerate() {
            let Some(link) = text(item, "linkId") else {
                report.error("required", "expected the item to say which question it answers (linkId)", place);
                continue;
            };
            if let Some(index) = places.get(link).copied() {
                if index < last {
                    report.error("structure", "expected the items in the order of the questionnaire", place);
                }
                last = index;
                matched.get_mut(index).into_iter().for_each(|list| list.push(at));
            } else if let Some(question) = self.anywhere(link) {
                report.error("structure", "expected the item where the questionnaire asks it", place);
                let inner = Frame { outer: Some(frame), question, answer: item };
                self.item(question, item, &inner, &list.item(at), report);
            } else if self.scope.resolver.affords(0) {
                report.error("not-found", "expected linkId to be one of the questionnaire", place);
            }
        }
        for (question, matched) in asked.iter().zip(&matched) {
            self.question(question, given, matched, frame, place, report);
        }
    }

    /// All items that answer one question.
    fn question(
        &self,
        question: &Json,
        given: &[Json],
        matched: &[usize],
        frame: &Frame<'_>,
        place: &Place<'_>,
        report: &mut Report,
    ) {
        let list = place.member("item");
        let enabled = self.enabled(question, frame);
        if matched.is_empty() {
            if enabled == Enabled::Asked && is_required(question) {
                self.missing("expected an answer to every required question", place, report);
            }
            return;
        }
        if matched.len() > 1 && !is_true(question, "repeats") {
            report.error("invalid", "expected one item: the question is not one that repeats", place);
        }
        if text(question, "type") == Some("group") {
            occurrences(question, matched.len(), place, report);
        }
        for at in matched {
            let Some(item) = given.get(*at) else { continue };
            let here = list.item(*at);
            let is_answered = !item.items("answer").is_empty() || !item.items("item").is_empty();
            if enabled == Enabled::NotAsked && is_answered {
                report.error("invalid", "expected no answer: the question is not enabled", &here);
            }
            let inner = Frame { outer: Some(frame), question, answer: item };
            self.item(question, item, &inner, &here, report);
        }
    }

    /// One item against the question it answers.
    fn item(&self, question: &Json, item: &Json, frame: &Frame<'_>, place: &Place<'_>, report: &mut Report) {
        if text(item, "text").is_some_and(|said| text(question, "text") != Some(said)) {
            report.error("invalid", "expected the text of the question, if any", place);
        }
        let answers = item.items("answer");
        let kind = text(question, "type").unwrap_or_default();
        let is_group = matches!(kind, "group" | "question");
        if answers.is_empty() && is_required(question) && !is_group {
            let outer = frame.outer.unwrap_or(frame);
            if !self.is_complete || self.enabled(question, outer) == Enabled::Asked {
                self.missing("expected an answer to the required question", place, report);
            }
        }
        if answers.len() > 1 && !is_true(question, "repeats") {
            report.error("invalid", "expected one answer: the question is not one that repeats", place);
        }
        if !is_group && !answers.is_empty() {
            occurrences(question, answers.len(), place, report);
        }
        let list = place.member("answer");
        for (at, given) in answers.iter().enumerate() {
            let here = list.item(at);
            match kind {
                "group" | "question" => {
                    report.error("structure", format!("expected no answer: the item is of type {kind}"), place);
                    continue;
                }
                "display" => report.error("structure", "expected no answer: the item is a display", place),
                _ => answer::check(self.scope, self.questionnaire, question, given, answers.len(), &here, report),
            }
            self.items(question, given, frame, &here, report);
        }
        let has_items = !item.items("item").is_empty();
        match kind {
            "" => report.error("required", "expected the item of the questionnaire to have a type", place),
            "display" if has_items => report.error("structure", "expected no items below a display", place),
            "group" | "question" => {
                if is_required(question) && !has_items && kind == "group" {
                    report.error("invariant", "expected answers in the required group", place);
                }
                self.items(question, item, frame, place, report);
            }
            _ if has_items => report.error("structure", "expected the items of a question below its answer", place),
            _ => {}
        }
    }

    fn missing(&self, expected: &str, place: &Place<'_>, report: &mut Report) {
        let severity = if self.is_complete { Severity::Error } else { Severity::Warning };
        report.problem(Issue::new(severity, "required", expected), place);
    }

    /// The first question of a `linkId`, wherever it is asked.
    fn anywhere(&self, link: &str) -> Option<&Json> {
        if self.scope.resolver.affords(self.cost) { anywhere(self.questionnaire, link, 0) } else { None }
    }

    fn enabled(&self, question: &Json, frame: &Frame<'_>) -> Enabled {
        let conditions = question.items("enableWhen").len();
        if !self.scope.resolver.affords(conditions.saturating_mul(self.cost)) {
            return Enabled::Unknown;
        }
        enable::check(question, frame, &|expression| self.scope.holds(expression, self.scope.resource))
    }
}

/// How many items there are.
fn size(json: &Json, depth: usize) -> usize {
    if depth > DEPTH {
        return 0;
    }
    let below = |json: &Json| json.items("item").iter().map(|item| size(item, depth + 1)).sum::<usize>();
    let answers = json.items("answer").iter().map(below).sum::<usize>();
    below(json).saturating_add(answers).saturating_add(1)
}

fn depth(frame: &Frame<'_>) -> usize {
    std::iter::successors(Some(frame), |frame| frame.outer).count()
}

/// Extensions questionnaire-minOccurs and -maxOccurs.
fn occurrences(question: &Json, count: usize, place: &Place<'_>, report: &mut Report) {
    let bound = |name: &str| {
        let url = format!("http://hl7.org/fhir/StructureDefinition/questionnaire-{name}");
        extension_text(question, &url).and_then(|text| text.parse::<usize>().ok())
    };
    if let Some(max) = bound("maxOccurs").filter(|max| count > *max) {
        report.error("invalid", format!("expected at most {max} answers"), place);
    }
    if let Some(min) = bound("minOccurs").filter(|min| count < *min) {
        report.error("invalid", format!("expected at least {min} answers"), place);
    }
}

fn anywhere<'q>(json: &'q Json, link: &str, depth: usize) -> Option<&'q Json> {
    if depth > DEPTH {
        return None;
    }
    json.items("item")
        .iter()
        .find_map(|item| if text(item, "linkId") == Some(link) { Some(item) } else { anywhere(item, link, depth + 1) })
}
