//! Filters of value sets: property, operation and value have to fit one another. FHIR R4 valueset.html, "filter".

use model::json::Json;
use regex::Regex;

use super::know::Member;
use super::read::{choice, companion, extension, extension_value, extensions, text};
use crate::place::Place;
use crate::report::Report;
use crate::scope::Scope;

/// Parameters that a value set declares for its filters.
pub(super) struct Parameters {
    /// Name, whether it is used, index of its extension.
    declared: Vec<(String, bool, usize)>,
}

const PARAMETER: &str = "http://hl7.org/fhir/tools/StructureDefinition/valueset-parameter";
const EXPRESSION: &str = "http://hl7.org/fhir/StructureDefinition/cqf-expression";

impl Parameters {
    /// Reads the declarations.
    pub(super) fn of(value_set: &Json) -> Self {
        let all = value_set.items("extension");
        let declared = extensions(value_set, PARAMETER).filter_map(|declaration| {
            let name = extension(declaration, "name").and_then(|name| choice(name, "value"))?.1.as_str()?;
            let at = all.iter().position(|other| std::ptr::eq(other, declaration))?;
            Some((name.to_owned(), false, at))
        });
        Self { declared: declared.collect() }
    }

    fn take(&mut self, name: &str) -> bool {
        let found = self.declared.iter_mut().find(|(known, ..)| known == name);
        found.map(|found| found.1 = true).is_some()
    }

    /// Says which parameters no filter uses.
    pub(super) fn report_unused(&self, place: &Place<'_>, report: &mut Report) {
        let list = place.member("extension");
        for (_, _, at) in self.declared.iter().filter(|(_, is_used, _)| !is_used) {
            report.warning("business-rule", "expected a filter to use the parameter", &list.item(*at));
        }
    }
}

/// What the values of a property are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Boolean,
    /// A code of the system.
    Concept,
    Date,
    Decimal,
    Integer,
    Text,
}

pub(super) fn check(
    scope: &Scope<'_>,
    filter: &Json,
    system: &str,
    known: Option<&Json>,
    parameters: &mut Parameters,
    place: &Place<'_>,
    report: &mut Report,
) {
    let (Some(property), Some(operation)) = (text(filter, "property"), text(filter, "op")) else { return };
    let Some(kind) = kind(property, system, known) else {
        let text = "the property is not one that the code system is known to have";
        if known.is_some() {
            report.warning("invalid", text, place);
        } else {
            report.information("invalid", text, place);
        }
        return;
    };
    if let Some(allowed) = operations(property, system)
        && !allowed.contains(&operation)
    {
        report.error(
            "invalid",
            format!("expected one of the operations {} for the property", allowed.join(", ")),
            place,
        );
    }
    let expression = companion(filter, "value").and_then(|value| extension_value(value, EXPRESSION));
    match (text(filter, "value"), expression) {
        (Some(_), Some(_)) => report.error("invalid", "expected either a value or an expression", place),
        (Some(value), None) => check_value(scope, (property, operation, value), kind, system, place, report),
        (None, Some((_, expression))) => check_expression(scope, expression, parameters, place, report),
        (None, None) => report.error("invalid", "expected a value", place),
    }
}

fn check_value(
    scope: &Scope<'_>,
    (property, operation, value): (&str, &str, &str),
    kind: Kind,
    system: &str,
    place: &Place<'_>,
    report: &mut Report,
) {
    match operation {
        "exists" => single(scope, value, Kind::Boolean, system, place, report),
        "regex" => {
            if Regex::new(value).is_err() && !value.contains("(?") {
                report.error("invalid", "expected a regular expression", place);
            }
            if property == "concept" {
                report.error(
                    "invalid",
                    "expected a property whose values are texts: regex does not fit concept",
                    place,
                );
            }
        }
        "in" | "not-in" => value.split(',').for_each(|value| single(scope, value, kind, system, place, report)),
        _ => single(scope, value, kind, system, place, report),
    }
}

fn single(scope: &Scope<'_>, value: &str, kind: Kind, system: &str, place: &Place<'_>, report: &mut Report) {
    let number = value.trim_start_matches(|letter: char| letter.is_ascii_lowercase());
    let fits = match kind {
        Kind::Boolean => matches!(value, "true" | "false"),
        Kind::Concept => {
            if value.trim() != value {
                report.error("invalid", "expected a code without white space around it", place);
            }
            scope.is_code(system, None, value) != Member::NotIn
        }
        Kind::Date => number.get(..4).is_some_and(|year| year.bytes().all(|byte| byte.is_ascii_digit())),
        Kind::Decimal => model::json::Number::parse(number).is_ok(),
        Kind::Integer => number.parse::<i64>().is_ok(),
        Kind::Text => true,
    };
    if !fits {
        let what = match kind {
            Kind::Boolean => "true or false",
            Kind::Concept => "a code of the system",
            Kind::Date => "a date",
            Kind::Decimal | Kind::Integer => "a number",
            Kind::Text => "a text",
        };
        report.error("invalid", format!("expected the value of the filter to be {what}"), place);
    }
}

fn check_expression(
    scope: &Scope<'_>,
    expression: &Json,
    parameters: &mut Parameters,
    place: &Place<'_>,
    report: &mut Report,
) {
    let value = place.member("extension");
    let value = value.item(0);
    let here = Place::Member { parent: &value, name: "value", of_type: Some("Expression") };
    if text(expression, "language") != Some("text/fhirpath") {
        report.error("invalid", "expected an expression in text/fhirpath", &here);
        return;
    }
    let written = text(expression, "expression").unwrap_or_default();
    if let Err(expected) = scope.parses(written) {
        report.error("exception", expected, &here);
        return;
    }
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    for piece in written.split('%').skip(1) {
        let name = piece.split(|letter: char| !is_letter(letter)).next().unwrap_or_default();
        if !parameters.take(name) {
            report.error("exception", "expected the expression to name parameters of the value set only", &here);
        }
    }
}

/// What the values of a property are; nothing for properties that are not known.
fn kind(property: &str, system: &str, known: Option<&Json>) -> Option<Kind> {
    match property {
        "concept" => return Some(Kind::Concept),
        "code" | "status" | "display" => return Some(Kind::Text),
        "inactive" | "notSelectable" => return Some(Kind::Boolean),
        "effectiveDate" | "deprecationDate" | "retirementDate" => return Some(Kind::Date),
        _ => {}
    }
    if system == "http://snomed.info/sct" {
        return match property {
            "constraint" | "expression" | "expressions" | "moduleId" => Some(Kind::Text),
            "parent" | "child" => Some(Kind::Concept),
            // Attributes are concepts themselves: a number with a check digit.
            _ => terminology::check_digit::is_sctid(property).then_some(Kind::Concept),
        };
    }
    let known = known?;
    let defined = known.items("property").iter().find(|defined| text(defined, "code") == Some(property));
    if let Some(defined) = defined {
        return Some(match text(defined, "type") {
            Some("boolean") => Kind::Boolean,
            Some("dateTime") => Kind::Date,
            Some("decimal") => Kind::Decimal,
            Some("integer") => Kind::Integer,
            _ => Kind::Text,
        });
    }
    let filters = known.items("filter");
    filters.iter().any(|filter| text(filter, "code") == Some(property)).then_some(Kind::Text)
}

/// Operations that a property takes, where the specification of its system says so.
fn operations(property: &str, system: &str) -> Option<&'static [&'static str]> {
    let is_attribute = property.bytes().all(|byte| byte.is_ascii_digit());
    match (system, property) {
        ("http://snomed.info/sct", _) if is_attribute => Some(&["=", "in"]),
        (_, "inactive" | "notSelectable") => Some(&["=", "exists"]),
        _ => None,
    }
}
