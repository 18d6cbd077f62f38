//! One answer against its question: type, options, bounds. FHIR R4 questionnaire.html, valueset-item-type.html.

use std::cmp::Ordering;

use model::json::Json;
use regex::Regex;

use super::base64;
use super::compare;
use super::know::Member;
use super::read::{choice, extension, extension_text, extension_value, extensions, scalar, text};
use crate::place::Place;
use crate::report::Report;
use crate::resolve::named_type;
use crate::scope::Scope;

const BASE: &str = "http://hl7.org/fhir/StructureDefinition/";
const SDC: &str = "http://hl7.org/fhir/uv/sdc/StructureDefinition/";

/// Checks the value of an answer. `place` is that of the answer.
pub(super) fn check(
    scope: &Scope<'_>,
    questionnaire: &Json,
    question: &Json,
    answer: &Json,
    count: usize,
    place: &Place<'_>,
    report: &mut Report,
) {
    let Some((type_name, value)) = choice(answer, "value") else { return };
    let kind = text(question, "type").unwrap_or_default();
    let has_references = question.items("answerOption").iter().any(|option| option.get("valueReference").is_some());
    let types: &[&str] = match kind {
        "boolean" => &["boolean"],
        "decimal" => &["decimal"],
        "integer" => &["integer"],
        "date" => &["date"],
        "dateTime" => &["dateTime"],
        "time" => &["time"],
        "string" | "text" => &["string"],
        "url" => &["uri"],
        "attachment" => &["Attachment"],
        "reference" => &["Reference"],
        "quantity" => &["Quantity"],
        "choice" | "open-choice" if has_references => &["Coding", "date", "time", "integer", "string", "Reference"],
        "choice" | "open-choice" => &["Coding", "date", "time", "integer", "string"],
        _ => return,
    };
    let here = Place::Member { parent: place, name: "value", of_type: Some(type_name) };
    if !types.contains(&type_name) {
        report.error("invariant", format!("expected an answer of type {}", types.join(" or ")), &here);
        return;
    }
    let checked = Answer { scope, questionnaire, question, kind, type_name, value };
    match kind {
        "choice" | "open-choice" => checked.chosen(count, place, report),
        "string" => checked.string(&here, report),
        "text" => checked.length(&here, report),
        "attachment" => checked.attachment(place, report),
        "reference" => checked.reference(&here, report),
        "quantity" => checked.quantity(&here, report),
        "date" | "dateTime" | "time" | "integer" | "decimal" => {
            checked.bounds(&here, report);
            checked.one_of(&here, report);
        }
        _ => {}
    }
}

struct Answer<'a> {
    scope: &'a Scope<'a>,
    questionnaire: &'a Json,
    question: &'a Json,
    kind: &'a str,
    type_name: &'static str,
    value: &'a Json,
}

impl Answer<'_> {
    /// Extensions minValue, maxValue and maxDecimalPlaces.
    fn bounds(&self, place: &Place<'_>, report: &mut Report) {
        let order = |name: &str| {
            let (_, bound) = extension_value(self.question, &format!("{BASE}{name}"))?;
            compare::values(self.type_name, self.value, bound)
        };
        if order("minValue") == Some(Ordering::Less) {
            report.error("invariant", "expected at least the least value that the question takes", place);
        }
        if order("maxValue") == Some(Ordering::Greater) {
            report.error("invariant", "expected at most the greatest value that the question takes", place);
        }
        self.places(self.value, place, report);
    }

    fn places(&self, number: &Json, place: &Place<'_>, report: &mut Report) {
        let limit = extension_text(self.question, &format!("{BASE}maxDecimalPlaces"));
        let limit = limit.and_then(|limit| limit.parse::<usize>().ok());
        if let (Some(limit), Some(number)) = (limit, scalar(number))
            && compare::decimal_places(&number) > limit
        {
            report.error("invariant", format!("expected at most {limit} decimal places"), place);
        }
    }

    /// Options of the same type as the answer.
    fn options(&self) -> Vec<&Json> {
        let options = self.question.items("answerOption").iter();
        options
            .filter_map(|option| choice(option, "value"))
            .filter(|(name, _)| *name == self.type_name)
            .map(|(_, value)| value)
            .collect()
    }

    /// A question that lists its answers takes no other.
    fn one_of(&self, place: &Place<'_>, report: &mut Report) {
        if self.question.items("answerOption").is_empty() {
            return;
        }
        let options = self.options();
        if options.is_empty() {
            let expected = format!("expected the question to have options of type {}", self.type_name);
            report.error("invariant", expected, place);
        } else if !options.iter().any(|option| scalar(option) == scalar(self.value)) {
            report.error("invariant", "expected one of the answers that the question lists", place);
        }
    }

    fn string(&self, place: &Place<'_>, report: &mut Report) {
        let Some(said) = self.value.as_str() else { return };
        self.length(place, report);
        let pattern = extension_text(self.question, &format!("{BASE}regex"));
        // What Java takes and this engine does not (look-around) is left to others.
        let pattern = pattern.and_then(|pattern| Regex::new(&format!("^(?:{pattern})$")).ok());
        if pattern.is_some_and(|pattern| !pattern.is_match(said)) {
            report.error("invariant", "expected an answer of the form that the question asks for (regex)", place);
        }
        if said.contains(['\r', '\n']) {
            report.warning("invariant", "expected one line: the question is of type string, not text", place);
        }
        if let Some(set) = text(self.question, "answerValueSet") {
            match self.scope.has_code(set, said) {
                Member::NotIn => report.error("invariant", "expected a code of the question's value set", place),
                Member::NoSet => report.warning("invariant", "the value set of the question is not known here", place),
                Member::In | Member::Unknown => {}
            }
        }
        self.one_of(place, report);
    }

    fn length(&self, place: &Place<'_>, report: &mut Report) {
        let Some(length) = self.value.as_str().map(|said| said.chars().count()) else { return };
        let least = extension_text(self.question, &format!("{BASE}minLength")).and_then(|text| text.parse().ok());
        if let Some(least) = least.filter(|least: &usize| length < *least) {
            report.error("invariant", format!("expected at least {least} characters"), place);
        }
        let most = self.question.get("maxLength").and_then(scalar).and_then(|text| text.parse().ok());
        if let Some(most) = most.filter(|most: &usize| length > *most) {
            report.error("invariant", format!("expected at most {most} characters"), place);
        }
    }

    fn attachment(&self, place: &Place<'_>, report: &mut Report) {
        let allowed: Vec<&str> = extensions(self.question, &format!("{BASE}mimeType"))
            .filter_map(|extension| choice(extension, "value")?.1.as_str())
            .collect();
        if !allowed.is_empty() {
            let list = allowed.join(", ");
            match text(self.value, "contentType") {
                None => report.error("required", format!("expected a contentType: {list}"), place),
                Some(given) if !allowed.iter().any(|allowed| given.starts_with(allowed)) => {
                    report.error("required", format!("expected a contentType of {list}"), place);
                }
                Some(_) => {}
            }
        }
        let most = extension_text(self.question, &format!("{BASE}maxSize"));
        let size = text(self.value, "data").and_then(base64::decoded_length);
        if let (Some(most), Some(size)) = (most, size)
            && compare::decimals(&size.to_string(), &most) == Some(Ordering::Greater)
        {
            report.error("required", format!("expected an attachment of at most {most} bytes"), place);
        }
    }

    fn reference(&self, place: &Place<'_>, report: &mut Report) {
        let Some(reference) = text(self.value, "reference").filter(|reference| !reference.starts_with('#')) else {
            return;
        };
        let url = format!("{BASE}questionnaire-referenceResource");
        let allowed: Vec<&str> =
            extensions(self.question, &url).filter_map(|extension| choice(extension, "value")?.1.as_str()).collect();
        let named = named_type(reference).or_else(|| text(self.value, "type"));
        if allowed.is_empty() {
            if named.is_none() && looks_restful(reference) {
                report.error("invariant", "expected a reference to a resource of a type of R4", place);
            }
        } else if named.is_some_and(|named| !allowed.contains(&named)) {
            report.error("invariant", format!("expected a reference to {}", allowed.join(" or ")), place);
        }
    }

    fn quantity(&self, place: &Place<'_>, report: &mut Report) {
        for (url, wrong) in [("minQuantity", Ordering::Less), ("maxQuantity", Ordering::Greater)] {
            let found = extension_value(self.question, &format!("{SDC}sdc-questionnaire-{url}"));
            let Some((_, bound)) = found else { continue };
            match self.scope.order_quantities(self.value, bound) {
                Some(order) if order == wrong => {
                    report.error("invariant", format!("expected a quantity within {url} of the question"), place);
                }
                Some(_) => {}
                None => {
                    let expected = format!("expected a unit that compares with that of {url} of the question");
                    report.error("invariant", expected, place);
                }
            }
        }
        if let Some(number) = self.value.get("value") {
            self.places(number, place, report);
        }
        let url = format!("{BASE}questionnaire-unitOption");
        let mut units =
            extensions(self.question, &url).filter_map(|option| Some(choice(option, "value")?.1)).peekable();
        if units.peek().is_some() && !units.any(|unit| self.has_unit(unit)) {
            report.error("invariant", "expected one of the units that the question lists", place);
        }
        let set = extension_text(self.question, &format!("{BASE}questionnaire-unitValueSet"));
        if let (Some(set), Some(code)) = (set, text(self.value, "code")) {
            let coding = Json::object([
                ("system", self.value.get("system").cloned().unwrap_or(Json::Null)),
                ("code", Json::from(code)),
            ]);
            match self.scope.has_coding(&set, &coding) {
                Member::NotIn => report.error("invariant", "expected a unit of the question's value set", place),
                Member::NoSet => report.warning("invariant", "the value set of units is not known here", place),
                Member::In | Member::Unknown => {}
            }
        }
    }

    fn has_unit(&self, unit: &Json) -> bool {
        let same = |of_unit: &str, of_value: &str| {
            text(unit, of_unit).is_none_or(|wanted| text(self.value, of_value) == Some(wanted))
        };
        // A code says the unit; the text beside it is for people.
        same("system", "system") && same("code", "code") && (text(unit, "code").is_some() || same("display", "unit"))
    }

    /// Questions of type choice and open-choice.
    fn chosen(&self, count: usize, place: &Place<'_>, report: &mut Report) {
        let is_open = self.kind == "open-choice";
        let has_options = !self.question.items("answerOption").is_empty();
        let set = text(self.question, "answerValueSet");
        let is_free = is_open && self.type_name == "string";
        if has_options {
            if self.type_name == "Coding" {
                self.coding_option(count, place, report);
            } else if is_free {
                self.free_text(place, report);
            } else {
                self.one_of(place, report);
            }
        } else if let (Some(set), "Coding") = (set, self.type_name) {
            match self.scope.answer_coding(self.questionnaire, set, self.value) {
                Member::NotIn => report.error("code-invalid", "expected a code of the question's value set", place),
                Member::In if !self.scope.has_display(self.value) => {
                    report.error("code-invalid", "expected the display that the code has", place);
                }
                Member::NoSet => {
                    report.warning("code-invalid", "the value set of the question is not known here", place);
                }
                Member::In | Member::Unknown => {}
            }
        } else if extension(self.question, &format!("{SDC}sdc-questionnaire-answerExpression")).is_none() && !is_free {
            report.information("invariant", "the question has neither options nor a value set to check against", place);
        }
    }

    fn coding_option(&self, count: usize, place: &Place<'_>, report: &mut Report) {
        let options = self.question.items("answerOption");
        let codings = options.iter().filter_map(|option| Some((option, option.get("valueCoding")?)));
        let mut codings = codings.peekable();
        if codings.peek().is_none() && self.kind == "choice" {
            report.error("invariant", "expected the question to have options of type Coding", place);
            return;
        }
        let same = |coding: &Json, name: &str| text(coding, name) == text(self.value, name);
        match codings.find(|(_, coding)| same(coding, "system") && same(coding, "code")) {
            None => report.error("invariant", "expected one of the answers that the question lists", place),
            Some((option, _)) => {
                let exclusive = extension_value(option, &format!("{BASE}questionnaire-optionExclusive"));
                if count > 1 && exclusive.is_some_and(|(_, value)| value == &Json::Bool(true)) {
                    report.error("invariant", "expected no other answer beside an exclusive one", place);
                }
            }
        }
    }

    fn free_text(&self, place: &Place<'_>, report: &mut Report) {
        let Some(said) = self.value.as_str() else { return };
        let is_same =
            |coding: &Json, name: &str| text(coding, name).is_some_and(|text| text.eq_ignore_ascii_case(said));
        let options = self.question.items("answerOption").iter().filter_map(|option| option.get("valueCoding"));
        if options.into_iter().any(|coding| is_same(coding, "display") || is_same(coding, "code")) {
            report.warning("invariant", "expected the coded answer, not its text", place);
        }
    }
}

/// `[base]/Type/id` or `Type/id`, whatever the type is.
fn looks_restful(reference: &str) -> bool {
    let path = reference.split_once("://").map_or(reference, |(_, rest)| rest);
    let mut steps = path.rsplit('/');
    let id = steps.next().is_some_and(|id| model::id::ResourceId::parse(id).is_ok());
    let name = steps.next().unwrap_or_default();
    id && name.starts_with(|letter: char| letter.is_ascii_uppercase())
}
