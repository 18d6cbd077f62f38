//! What an operation is asked: parameters of the query and of a Parameters resource, read by the operation's definition.
//!
//! Every problem is found, not only the first; a parameter that is not honoured here is refused by name rather than left out.

use definitions::Definitions;
use http::StatusCode;
use model::json::Json;
use model::outcome::Issue;
use model::time::{Instant, PartialDateTime};

use super::table::Operation;
use crate::api::Call;
use crate::api::format::{self, GENERAL};
use crate::api::outcome::Failure;
use crate::api::query::pairs;

#[cfg(test)]
mod tests;

/// The parameters of one request.
#[derive(Debug, Default)]
pub struct Input {
    given: Vec<Given>,
}

#[derive(Debug)]
struct Given {
    name: String,
    /// Where it stands, for findings.
    place: String,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// The text of a query parameter.
    Text(String),
    /// `value[x]`: the type and the value.
    Value(String, Json),
    Resource(Json),
    /// A parameter of parts, as it stands.
    Parts(Json),
}

/// An input parameter as the definition has it.
struct Defined {
    name: String,
    min: u64,
    repeats: bool,
    /// None for a parameter that consists of parts.
    kind: Option<String>,
}

impl Input {
    /// Reads query and body. `bare` names the parameter that a body is which is no Parameters resource.
    ///
    /// # Errors
    /// 400 with every problem, each with the parameter's name or place; 415 for a body that is no FHIR; 422 for XML that
    /// is not as FHIR asks.
    pub async fn read(
        call: &mut Call,
        operation: &'static Operation,
        bare: Option<&'static str>,
    ) -> Result<Self, Failure> {
        let mut input = Self::default();
        for (name, value) in pairs(&call.query)? {
            if !GENERAL.contains(&name.as_str()) {
                input.given.push(Given { place: name.clone(), name, content: Content::Text(value) });
            }
        }
        let body = call.body().await?;
        if !body.is_empty() {
            let sent = format::tree_of(call, body)?;
            input.take(sent.tree, bare)?;
        }
        input.checked(operation, call.prefers("handling=lenient"))
    }

    fn take(&mut self, tree: Json, bare: Option<&'static str>) -> Result<(), Failure> {
        if model::resource::resource_type(&tree) != Some("Parameters") {
            let Some(name) = bare else {
                return Err(Failure::new(StatusCode::BAD_REQUEST, "structure", "expected a Parameters resource")
                    .at("resourceType"));
            };
            self.given.push(Given { name: name.to_owned(), place: name.to_owned(), content: Content::Resource(tree) });
            return Ok(());
        }
        let mut issues = Vec::new();
        for (index, parameter) in tree.items("parameter").iter().enumerate() {
            let place = format!("Parameters.parameter[{index}]");
            let Some(name) = parameter.text_at(&["name"]) else {
                issues.push(Issue::error("required", "expected a name").at(format!("{place}.name")));
                continue;
            };
            let members = parameter.as_object().map(|object| object.iter().collect::<Vec<_>>()).unwrap_or_default();
            let mut contents = members.into_iter().filter_map(|(member, value)| match member {
                "resource" => Some(Content::Resource(value.clone())),
                "part" => Some(Content::Parts(parameter.clone())),
                _ => member.strip_prefix("value").map(|kind| Content::Value(kind.to_owned(), value.clone())),
            });
            match (contents.next(), contents.next()) {
                (Some(content), None) => self.given.push(Given { name: name.to_owned(), place, content }),
                _ => {
                    let text = format!("{}: expected a value, a resource or parts", shown(name));
                    issues.push(Issue::error("structure", text).at(place));
                }
            }
        }
        if issues.is_empty() { Ok(()) } else { Err(Failure::of(StatusCode::BAD_REQUEST, issues)) }
    }

    fn checked(mut self, operation: &Operation, lenient: bool) -> Result<Self, Failure> {
        let defined = defined(operation);
        let mut issues = Vec::new();
        self.given.retain(|given| {
            let Some(known) = defined.iter().find(|known| known.name == given.name) else {
                if !lenient {
                    let names: Vec<&str> = operation.honours.iter().chain(&GENERAL).copied().collect();
                    let text =
                        format!("parameter '{}' is not known here; known are {}", shown(&given.name), names.join(", "));
                    issues.push(Issue::error("not-supported", text).at(shown(&given.place)));
                }
                return false;
            };
            if !operation.honours.contains(&known.name.as_str()) {
                // Also for who prefers leniency: the answer would be another one than was asked for.
                let text = format!("parameter '{}' of ${} is not honoured here", known.name, operation.name);
                issues.push(Issue::error("not-supported", text).at(given.place.clone()));
                return false;
            }
            if let Err(expected) = given.fits(known) {
                issues.push(Issue::error("value", format!("{}: {expected}", known.name)).at(given.place.clone()));
            }
            true
        });
        for known in &defined {
            let count = self.given.iter().filter(|given| given.name == known.name).count();
            if count == 0 && known.min > 0 && operation.honours.contains(&known.name.as_str()) {
                issues.push(Issue::error("required", format!("{}: expected one", known.name)).at(known.name.clone()));
            }
            if count > 1 && !known.repeats {
                issues.push(Issue::error("invalid", format!("{}: expected once", known.name)).at(known.name.clone()));
            }
        }
        if issues.is_empty() { Ok(self) } else { Err(Failure::of(StatusCode::BAD_REQUEST, issues)) }
    }

    fn of(&self, name: &str) -> impl Iterator<Item = &Given> {
        self.given.iter().filter(move |given| given.name == name)
    }

    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// The text of a primitive parameter.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.of(name).find_map(Given::text)
    }

    /// The texts of a primitive parameter that may come several times.
    pub fn texts(&self, name: &str) -> Vec<&str> {
        self.of(name).filter_map(Given::text).collect()
    }

    /// A boolean parameter.
    pub fn boolean(&self, name: &str) -> Option<bool> {
        self.of(name).find_map(|given| match &given.content {
            Content::Text(text) => text.parse().ok(),
            Content::Value(_, value) => value.as_bool(),
            _ => None,
        })
    }

    /// An integer parameter that is not negative.
    pub fn number(&self, name: &str) -> Option<usize> {
        self.of(name).find_map(|given| match &given.content {
            Content::Text(text) => text.parse().ok(),
            Content::Value(_, value) => value.as_number()?.as_u64().and_then(|number| usize::try_from(number).ok()),
            _ => None,
        })
    }

    /// A value of a complex type.
    pub fn value(&self, name: &str) -> Option<&Json> {
        self.of(name).find_map(|given| match &given.content {
            Content::Value(_, value) => Some(value),
            _ => None,
        })
    }

    /// A resource.
    pub fn resource(&self, name: &str) -> Option<&Json> {
        self.of(name).find_map(|given| match &given.content {
            Content::Resource(resource) => Some(resource),
            _ => None,
        })
    }

    /// Parameters that consist of parts, as they stand.
    pub fn parts(&self, name: &str) -> impl Iterator<Item = &Json> {
        self.of(name).filter_map(|given| match &given.content {
            Content::Parts(parameter) => Some(parameter),
            _ => None,
        })
    }
}

impl Given {
    fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            Content::Value(_, value) => value.as_str(),
            _ => None,
        }
    }

    /// Whether it is of the type that the definition asks for.
    fn fits(&self, known: &Defined) -> Result<(), String> {
        let Some(kind) = known.kind.as_deref() else {
            return if matches!(self.content, Content::Parts(_)) { Ok(()) } else { Err("expected parts".to_owned()) };
        };
        let is_resource = kind.starts_with(|first: char| first.is_ascii_uppercase()) && !DATA_TYPES.contains(&kind);
        match &self.content {
            Content::Resource(resource) if is_resource => match model::resource::resource_type(resource) {
                Some(found) if kind == "Resource" || found == kind => Ok(()),
                _ => Err(format!("expected a resource of the type {kind}")),
            },
            _ if is_resource => {
                Err(format!("expected a resource of the type {kind}, in a Parameters resource by POST"))
            }
            Content::Text(text) if !DATA_TYPES.contains(&kind) => primitive(kind, text),
            Content::Value(given, value) => {
                let same = given.eq_ignore_ascii_case(kind);
                match value {
                    Json::Object(_) if same && DATA_TYPES.contains(&kind) => Ok(()),
                    _ if DATA_TYPES.contains(&kind) => Err(format!("expected value{kind}")),
                    Json::Bool(_) if kind == "boolean" && same => Ok(()),
                    Json::Number(number) if kind == "integer" && integral(given) => primitive(kind, number.as_str()),
                    Json::String(text)
                        if same || (textual(kind) && textual_value(given)) || (dated(kind) && dated_value(given)) =>
                    {
                        primitive(kind, text)
                    }
                    _ => Err(format!("expected a value of the type {kind}")),
                }
            }
            _ => Err(format!("expected value{kind}, in a Parameters resource by POST")),
        }
    }
}

/// The complex types that operations of R4 take.
const DATA_TYPES: [&str; 4] = ["Coding", "CodeableConcept", "Meta", "Identifier"];

/// Types that differ by what they are for, not in how they are read.
fn textual(kind: &str) -> bool {
    matches!(kind, "string" | "code" | "uri" | "url" | "canonical" | "id" | "markdown")
}

fn textual_value(kind: &str) -> bool {
    textual(&kind.to_ascii_lowercase())
}

fn integral(kind: &str) -> bool {
    matches!(kind, "Integer" | "PositiveInt" | "UnsignedInt")
}

fn dated(kind: &str) -> bool {
    matches!(kind, "date" | "dateTime")
}

fn dated_value(kind: &str) -> bool {
    matches!(kind, "Date" | "DateTime")
}

fn primitive(kind: &str, text: &str) -> Result<(), String> {
    let fits = match kind {
        "boolean" => matches!(text, "true" | "false"),
        "integer" => text.parse::<u32>().is_ok(),
        "instant" => Instant::parse(text).is_ok(),
        "date" | "dateTime" => PartialDateTime::parse(text).is_ok(),
        _ => !text.trim().is_empty(),
    };
    match (fits, kind) {
        (true, _) => Ok(()),
        (false, "boolean") => Err("expected true or false".to_owned()),
        (false, "integer") => Err("expected a whole number, not below 0".to_owned()),
        (false, "instant") => Err("expected an instant with its time zone".to_owned()),
        (false, "date" | "dateTime") => Err("expected a date".to_owned()),
        (false, _) => Err(format!("expected a value of the type {kind}")),
    }
}

/// The input parameters of an operation's definition.
fn defined(operation: &Operation) -> Vec<Defined> {
    let definition = Definitions::r4().find(Some("OperationDefinition"), operation.definition);
    let Some(definition) = definition else { return Vec::new() };
    let inputs = definition.items("parameter").iter().filter(|one| one.text_at(&["use"]) == Some("in"));
    let read = inputs.filter_map(|one| {
        Some(Defined {
            name: one.text_at(&["name"])?.to_owned(),
            min: one.get("min").and_then(Json::as_number).and_then(model::json::Number::as_u64).unwrap_or(0),
            repeats: one.text_at(&["max"]) != Some("1"),
            kind: one.text_at(&["type"]).map(str::to_owned),
        })
    });
    read.collect()
}

/// The input parameters that may stand in a query, and whether each may come several times.
pub fn primitives(operation: &Operation) -> Vec<(String, bool)> {
    let honoured = defined(operation).into_iter().filter(|one| operation.honours.contains(&one.name.as_str()));
    let primitive = honoured.filter(|one| {
        one.kind.as_deref().is_some_and(|kind| kind.starts_with(|first: char| first.is_ascii_lowercase()))
    });
    primitive.map(|one| (one.name, one.repeats)).collect()
}

/// The client's own text, shortened, so that no answer carries what it should not.
fn shown(name: &str) -> String {
    name.chars().filter(|letter| letter.is_ascii_graphic()).take(64).collect()
}

/// A Parameters resource of these parameters.
pub fn parameters(parameters: impl IntoIterator<Item = Json>) -> Json {
    Json::object([("resourceType", Json::from("Parameters")), ("parameter", Json::array(parameters))])
}

/// One parameter: its name, and `value[x]`, `resource` or `part` with what it holds.
pub fn parameter(name: &str, member: &'static str, content: impl Into<Json>) -> Json {
    Json::object([("name", Json::from(name)), (member, content.into())])
}
