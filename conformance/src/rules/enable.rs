//! Whether a question is asked at all: enableWhen. FHIR R4 questionnaire.html, "enableWhen"; SDC behavior.

use std::cmp::Ordering;

use model::json::Json;

use super::compare;
use super::read::{choice, extension, extension_value, is_true, text};

/// What is known of a question being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Enabled {
    Asked,
    NotAsked,
    /// Decided by an expression that is not understood here.
    Unknown,
}

/// SDC: an expression instead of enableWhen.
const EXPRESSION: &str = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-enableWhenExpression";

/// Questions being answered, from the outside to the inside.
#[derive(Clone, Copy)]
pub(super) struct Frame<'f> {
    /// The frame around.
    pub(super) outer: Option<&'f Frame<'f>>,
    /// The item of the questionnaire; the questionnaire itself in the outermost frame.
    pub(super) question: &'f Json,
    /// The item of the response; the response itself in the outermost frame.
    pub(super) answer: &'f Json,
}

impl<'f> Frame<'f> {
    fn outermost(&self) -> &Frame<'f> {
        let mut frame = self;
        while let Some(outer) = frame.outer {
            frame = outer;
        }
        frame
    }
}

/// Evaluates FHIRPath on the response; nothing if it cannot.
pub(super) type Evaluate<'e> = &'e dyn Fn(&str) -> Option<bool>;

/// Whether an item of the questionnaire is asked. `frame` is where its answers stand or would stand.
pub(super) fn check(item: &Json, frame: &Frame<'_>, evaluate: Evaluate<'_>) -> Enabled {
    if extension(item, EXPRESSION).is_some() {
        let value = extension_value(item, EXPRESSION).map(|(_, value)| value);
        let expression = value.filter(|value| text(value, "language") == Some("text/fhirpath"));
        return match expression.and_then(|value| text(value, "expression")).and_then(evaluate) {
            Some(true) => Enabled::Asked,
            Some(false) => Enabled::NotAsked,
            None => Enabled::Unknown,
        };
    }
    let conditions = item.items("enableWhen");
    let mut met = conditions.iter().map(|condition| is_met(condition, item, frame));
    let is_asked = match (text(item, "enableBehavior"), conditions.len()) {
        (_, 0) => true,
        (Some("any"), _) | (_, 1) => met.any(|met| met),
        (Some("all"), _) => met.all(|met| met),
        // que-12 speaks of it.
        _ => true,
    };
    if is_asked { Enabled::Asked } else { Enabled::NotAsked }
}

fn is_met(condition: &Json, item: &Json, frame: &Frame<'_>) -> bool {
    let Some(question) = text(condition, "question") else { return false };
    let answers = answers(item, question, frame);
    let Some((expected_type, expected)) = choice(condition, "answer") else { return false };
    let operator = text(condition, "operator").unwrap_or_default();
    if operator == "exists" {
        return answers.is_empty() != (expected == &Json::Bool(true));
    }
    answers.iter().any(|answer| {
        choice(answer, "value").is_some_and(|(actual_type, actual)| {
            actual_type == expected_type && compares(actual_type, actual, operator, expected)
        })
    })
}

fn compares(type_name: &str, actual: &Json, operator: &str, expected: &Json) -> bool {
    match type_name {
        "Coding" => {
            let same_system = text(expected, "system").is_none_or(|system| text(actual, "system") == Some(system));
            let is_same = same_system && text(actual, "code") == text(expected, "code");
            is_same == (operator == "=")
        }
        "Quantity" => {
            let (Some(actual), Some(expected)) = (actual.get("value"), expected.get("value")) else { return false };
            compare::values("decimal", actual, expected).is_some_and(|order| fits(order, operator))
        }
        "Reference" => (text(actual, "reference") == text(expected, "reference")) == (operator == "="),
        _ => compare::values(type_name, actual, expected).is_some_and(|order| fits(order, operator)),
    }
}

fn fits(order: Ordering, operator: &str) -> bool {
    match operator {
        "=" => order == Ordering::Equal,
        "!=" => order != Ordering::Equal,
        ">" => order == Ordering::Greater,
        "<" => order == Ordering::Less,
        ">=" => order != Ordering::Less,
        "<=" => order != Ordering::Greater,
        _ => false,
    }
}

/// The answers to another question that count for an item: those below the innermost group that holds both.
fn answers<'f>(item: &Json, question: &str, frame: &Frame<'f>) -> Vec<&'f Json> {
    let questionnaire = frame.outermost().question;
    let Some(target) = path_to(questionnaire, &|item| text(item, "linkId") == Some(question)) else {
        return Vec::new();
    };
    let source = path_to(questionnaire, &|other| std::ptr::eq(other, item)).unwrap_or_default();
    let common = source.iter().zip(&target).take_while(|(one, other)| std::ptr::eq(**one, **other)).last();
    let mut at = Some(frame);
    let focus = match common {
        None => Some(frame.outermost().answer),
        Some((group, _)) => loop {
            match at {
                Some(frame) if std::ptr::eq(frame.question, *group) => break Some(frame.answer),
                Some(frame) => at = frame.outer,
                None => break None,
            }
        },
    };
    let mut found = Vec::new();
    if let Some(focus) = focus {
        collect(focus, question, &mut found, 0);
    }
    found
}

/// The items from the outermost to the one that is looked for, that one included.
fn path_to<'q>(questionnaire: &'q Json, wanted: &dyn Fn(&Json) -> bool) -> Option<Vec<&'q Json>> {
    fn search<'q>(json: &'q Json, wanted: &dyn Fn(&Json) -> bool, path: &mut Vec<&'q Json>) -> bool {
        path.len() < 64
            && json.items("item").iter().any(|item| {
                path.push(item);
                let is_found = wanted(item) || search(item, wanted, path);
                if !is_found {
                    path.pop();
                }
                is_found
            })
    }
    let mut path = Vec::new();
    search(questionnaire, wanted, &mut path).then_some(path)
}

fn collect<'f>(item: &'f Json, question: &str, found: &mut Vec<&'f Json>, depth: usize) {
    if depth > 64 {
        return;
    }
    if text(item, "linkId") == Some(question) {
        found.extend(item.items("answer").iter().filter(|answer| choice(answer, "value").is_some()));
    }
    for inner in item.items("item") {
        collect(inner, question, found, depth + 1);
    }
    for answer in item.items("answer") {
        for inner in answer.items("item") {
            collect(inner, question, found, depth + 1);
        }
    }
}

/// Whether an item has to be answered once it is asked.
pub(super) fn is_required(item: &Json) -> bool {
    is_true(item, "required")
}
