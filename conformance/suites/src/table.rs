//! Files that users write: JSON, TOML or YAML, read into one tree.

use std::path::Path;

use model::json::{Json, Limits, Number};
use yaml_rust2::parser::{Event, EventReceiver, Parser};
use yaml_rust2::scanner::TScalarStyle;

#[cfg(test)]
mod tests;

/// Largest file that is read.
const LIMIT_BYTES: u64 = 16 << 20;
/// Deepest nesting.
const DEPTH: usize = 64;

/// Reads a file by the end of its name: `.toml`, `.yml`, `.yaml`, else JSON.
///
/// # Errors
/// One line with the path and what is wrong.
pub fn read(path: &Path) -> Result<Json, String> {
    let said = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let size = std::fs::metadata(path).map_err(|error| said(&error))?.len();
    if size > LIMIT_BYTES {
        return Err(said(&format!("expected at most {} MiB", LIMIT_BYTES >> 20)));
    }
    let text = std::fs::read_to_string(path).map_err(|error| said(&error))?;
    match path.extension().and_then(|name| name.to_str()) {
        Some("toml") => toml(&text),
        Some("yml" | "yaml") => yaml(&text),
        _ => model::json::parse(text.as_bytes(), &Limits::default()).map_err(|error| error.to_string()),
    }
    .map_err(|error| said(&error))
}

/// Reads TOML; dates become text.
///
/// # Errors
/// What the reader says, in one line.
pub fn toml(text: &str) -> Result<Json, String> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line =
            error.span().and_then(|span| text.get(..span.start)).map_or(1, |before| before.lines().count().max(1));
        format!("line {line}: {}", error.message().replace('\n', " "))
    })?;
    Ok(of_toml(toml::Value::Table(table)))
}

fn of_toml(value: toml::Value) -> Json {
    match value {
        toml::Value::String(text) => Json::from(text),
        toml::Value::Integer(number) => Json::from(number),
        toml::Value::Float(number) => Number::parse(&number.to_string()).map_or(Json::Null, Json::Number),
        toml::Value::Boolean(truth) => Json::from(truth),
        toml::Value::Datetime(time) => Json::from(time.to_string()),
        toml::Value::Array(items) => Json::array(items.into_iter().map(of_toml)),
        toml::Value::Table(table) => Json::object(table.into_iter().map(|(name, value)| (name, of_toml(value)))),
    }
}

/// Reads the first document of YAML; aliases are refused, as a few of them can stand for gigabytes.
///
/// Every scalar but `true`, `false` and null is text.
///
/// # Errors
/// The line at which it is no YAML or holds something that is refused.
pub fn yaml(text: &str) -> Result<Json, String> {
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    parser.load(&mut builder, false).map_err(|error| error.to_string())?;
    match builder.refused {
        Some(why) => Err(why.to_owned()),
        None => Ok(builder.root.unwrap_or(Json::Null)),
    }
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Json>,
    refused: Option<&'static str>,
}

enum Open {
    List(Vec<Json>),
    Map(Vec<(String, Json)>, Option<String>),
}

impl Builder {
    fn add(&mut self, value: Json) {
        match self.open.last_mut() {
            None => self.root = self.root.take().or(Some(value)),
            Some(Open::List(items)) => items.push(value),
            Some(Open::Map(members, name)) => match name.take() {
                Some(name) => members.push((name, value)),
                None => match value {
                    Json::String(text) => *name = Some(text.to_string()),
                    Json::Bool(truth) => *name = Some(truth.to_string()),
                    _ => self.refused = Some("expected names of members to be text"),
                },
            },
        }
    }

    fn begin(&mut self, open: Open) {
        if self.open.len() >= DEPTH {
            self.refused = Some("expected less nesting");
        }
        if self.refused.is_none() {
            self.open.push(open);
        }
    }

    fn end(&mut self) {
        match self.open.pop() {
            Some(Open::List(items)) => self.add(Json::Array(items)),
            Some(Open::Map(members, _)) => self.add(Json::object(members)),
            None => {}
        }
    }
}

impl EventReceiver for Builder {
    fn on_event(&mut self, event: Event) {
        if self.refused.is_some() {
            return;
        }
        match event {
            Event::Scalar(text, TScalarStyle::Plain, ..) => self.add(match text.as_str() {
                "true" => Json::from(true),
                "false" => Json::from(false),
                "" | "~" | "null" => Json::Null,
                text => Json::from(text),
            }),
            Event::Scalar(text, ..) => self.add(Json::from(text)),
            Event::SequenceStart(..) => self.begin(Open::List(Vec::new())),
            Event::MappingStart(..) => self.begin(Open::Map(Vec::new(), None)),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(_) => self.refused = Some("expected no aliases"),
            _ => {}
        }
    }
}
