//! A search parameter that an operator defines: a SearchParameter resource, checked. FHIR R4 searchparameter.html.

use fhirpath::{Expression, Strictness, Type};
use model::id::ResourceType;
use model::json::Json;
use smol_str::SmolStr;

use crate::parameter::Kind;

/// Characters of an expression; those of R4 have at most some hundreds in the part of one type.
const EXPRESSION_BYTES: usize = 16_384;

/// What is wrong with a definition; names the element and no value of a patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The canonical URL of the definition, where it has one.
    pub url: SmolStr,
    /// The element and what was expected.
    pub text: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let url = if self.url.is_empty() { "a SearchParameter without url" } else { self.url.as_str() };
        write!(out, "{url}: {}", self.text)
    }
}

/// A part of a composite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The canonical URL of the parameter it is compared like.
    pub definition: SmolStr,
    /// Where it stands below the element.
    pub expression: SmolStr,
}

/// A checked SearchParameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Canonical URL.
    pub url: SmolStr,
    /// The name in a query.
    pub code: SmolStr,
    /// How values are compared.
    pub kind: Kind,
    /// The types it is for; `Resource` and `DomainResource` stand for all based on them.
    pub bases: Vec<String>,
    /// Where its values stand.
    pub expression: SmolStr,
    /// The types a reference may lead to; none: any.
    pub targets: Vec<ResourceType>,
    /// The parts of a composite.
    pub components: Vec<Part>,
    pub(crate) comparators: Vec<SmolStr>,
    pub(crate) modifiers: Vec<SmolStr>,
    pub(crate) derived_from: Option<String>,
}

impl Definition {
    /// Reads a SearchParameter resource.
    ///
    /// # Errors
    /// Every problem.
    pub fn read(resource: &Json) -> Result<Self, Vec<Problem>> {
        let text = |name: &str| resource.text_at(&[name]).unwrap_or_default();
        let url = SmolStr::new(text("url"));
        let mut found = Vec::new();
        let mut wrong = |text: String| found.push(Problem { url: url.clone(), text });
        if text("resourceType") != "SearchParameter" {
            wrong("resourceType: expected SearchParameter".to_owned());
        }
        if url.is_empty() {
            wrong("url: expected a canonical URL".to_owned());
        }
        let code = text("code");
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if code.is_empty() || code.len() > 64 || !code.bytes().all(letters) {
            wrong("code: expected 1 to 64 letters, digits, '-' and '_'".to_owned());
        }
        if BY_NAME.contains(&code) {
            wrong(format!("code: {code} has its own meaning"));
        }
        let kind = Kind::parse(text("type"));
        match kind {
            None => wrong("type: expected a code of search-param-type".to_owned()),
            Some(Kind::Special) => {
                wrong("type: a parameter of type special has its meaning in text, which nothing can run".to_owned())
            }
            Some(_) => {}
        }
        let names = |name: &str| -> Vec<String> {
            resource.items(name).iter().filter_map(Json::as_str).map(str::to_owned).collect()
        };
        let bases = names("base");
        let abstracts = ["Resource", "DomainResource"];
        for base in &bases {
            if !abstracts.contains(&base.as_str()) && ResourceType::parse(base).is_err() {
                wrong("base: expected a resource type of R4".to_owned());
            }
        }
        if bases.is_empty() {
            wrong("base: expected at least one resource type".to_owned());
        }
        let mut targets = Vec::new();
        for target in names("target").iter().filter(|name| *name != "Resource") {
            match ResourceType::parse(target) {
                Ok(target) => targets.push(target),
                Err(_) => wrong("target: expected a resource type of R4".to_owned()),
            }
        }
        if names("target").iter().any(|name| name == "Resource") {
            targets.clear();
        }
        let expression = typed_choices(text("expression"));
        let expression = expression.as_str();
        if expression.is_empty() {
            wrong("expression: expected a FHIRPath expression".to_owned());
        } else if let Err(text) = runs(expression, &bases) {
            wrong(format!("expression: {text}"));
        }
        let mut components = Vec::new();
        for (index, part) in resource.items("component").iter().enumerate() {
            let (definition, expression) = (part.text_at(&["definition"]), part.text_at(&["expression"]));
            let (Some(definition), Some(expression)) = (definition, expression.map(typed_choices)) else {
                wrong(format!("component[{index}]: expected definition and expression"));
                continue;
            };
            if let Err(text) = runs(&expression, &[]) {
                wrong(format!("component[{index}].expression: {text}"));
            }
            let definition = definition.split('|').next().unwrap_or_default();
            components.push(Part { definition: SmolStr::new(definition), expression: SmolStr::new(expression) });
        }
        if kind == Some(Kind::Composite) && components.len() < 2 {
            wrong("component: a composite has at least two".to_owned());
        }
        let Some(kind) = kind.filter(|_| found.is_empty()) else { return Err(found) };
        let codes = |name: &str| names(name).into_iter().map(SmolStr::from).collect();
        Ok(Self {
            url,
            code: SmolStr::new(code),
            kind,
            bases,
            expression: SmolStr::new(expression),
            targets,
            components,
            comparators: codes("comparator"),
            modifiers: codes("modifier"),
            derived_from: resource
                .text_at(&["derivedFrom"])
                .map(|it| it.split('|').next().unwrap_or_default().to_owned()),
        })
    }

    pub(crate) fn problem(&self, text: String) -> Problem {
        Problem { url: self.url.clone(), text }
    }
}

/// Names that are read by themselves.
pub(crate) const BY_NAME: [&str; 18] = [
    "_content",
    "_text",
    "_list",
    "_has",
    "_filter",
    "_type",
    "_sort",
    "_count",
    "_include",
    "_revinclude",
    "_total",
    "_summary",
    "_elements",
    "_contained",
    "_containedType",
    "_format",
    "_pretty",
    "_page",
];

/// Guides write `valueDateTime` where FHIRPath has `value.ofType(dateTime)`; it can mean nothing else, so it is taken so.
fn typed_choices(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (index, piece) in text.split('\'').enumerate() {
        if index > 0 {
            out.push('\'');
        }
        if index % 2 == 1 {
            out.push_str(piece);
            continue;
        }
        for (index, step) in piece.split(".value").enumerate() {
            let end = step.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(step.len());
            let (suffix, rest) = step.split_at_checked(end).unwrap_or_default();
            let mut letters = suffix.chars();
            let lower: String =
                letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect();
            let is_type = suffix.starts_with(|first: char| first.is_ascii_uppercase());
            let name = [suffix, lower.as_str()].into_iter().find(|name| is_type && Type::find(name).is_some());
            match (index, name) {
                (0, _) => out.push_str(step),
                (_, Some(name)) => {
                    out.push_str(".value.ofType(");
                    out.push_str(name);
                    out.push(')');
                    out.push_str(rest);
                }
                (_, None) => {
                    out.push_str(".value");
                    out.push_str(step);
                }
            }
        }
    }
    out
}

/// Whether an expression can be run on these types; says what is wrong with it.
fn runs(text: &str, bases: &[String]) -> Result<(), String> {
    if text.len() > EXPRESSION_BYTES {
        return Err(format!("expected at most {EXPRESSION_BYTES} characters"));
    }
    let expression = Expression::parse(text).map_err(|error| error.to_string())?;
    for base in bases {
        // A union over several types names elements that each other type does not have: that is no fault.
        if bases.len() == 1
            && let Some(of) = Type::find(base)
        {
            expression.check(Some(of), Strictness::Lenient).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
