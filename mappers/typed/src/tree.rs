//! From fhir-sdk elements to the model tree, element by element.

use model::json::{Json, Limits, Object, parse};
use serde::Serialize;

use crate::Error;

/// A resource under construction: members in the order they are added.
pub(crate) struct Tree(Object);

impl Tree {
    pub(crate) fn new(resource_type: &str, id: &str) -> Self {
        Self(Object::from_iter([("resourceType", Json::from(resource_type)), ("id", Json::from(id))]))
    }

    /// Adds an element that is always there.
    pub(crate) fn one<T: Serialize>(mut self, name: &str, value: &T) -> Result<Self, Error> {
        self.0.insert(name, json(value)?);
        Ok(self)
    }

    /// Adds an element if it is there.
    pub(crate) fn optional<T: Serialize>(self, name: &str, value: Option<&T>) -> Result<Self, Error> {
        match value {
            Some(value) => self.one(name, value),
            None => Ok(self),
        }
    }

    /// Adds a repeating element if it is not empty.
    pub(crate) fn list<T: Serialize>(mut self, name: &str, values: &[Option<T>]) -> Result<Self, Error> {
        if !values.is_empty() {
            let items = values.iter().map(json).collect::<Result<Vec<_>, _>>()?;
            self.0.insert(name, Json::Array(items));
        }
        Ok(self)
    }

    /// Adds what needs no model of fhir-sdk.
    pub(crate) fn plain(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.0.insert(name, value);
        self
    }

    pub(crate) fn into_json(self) -> Json {
        Json::Object(self.0)
    }
}

fn json<T: Serialize>(value: &T) -> Result<Json, Error> {
    Ok(parse(&serde_json::to_vec(value)?, &Limits::default())?)
}
