//! What a running script knows: fixtures, answers, what was created, variables.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use model::json::Json;

use super::script::{Script, Variable};
use crate::client::Exchange;
use crate::context::Context;
use crate::{expression, path, wire};

/// A fixture, a request or an answer: what `sourceId` names.
#[derive(Clone, Debug, Default)]
pub(super) struct Source {
    pub(super) body: Option<Json>,
    pub(super) raw: Bytes,
    pub(super) headers: Vec<(String, String)>,
    pub(super) status: Option<u16>,
}

impl Source {
    pub(super) fn of_body(body: &Json) -> Self {
        Self { body: Some(body.clone()), ..Self::default() }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

pub(super) struct State<'s> {
    pub(super) context: &'s Context,
    pub(super) script: &'s Script,
    pub(super) fixtures: BTreeMap<String, Source>,
    /// Answers and requests under the ids that the script gave them.
    pub(super) named: BTreeMap<String, Source>,
    /// Type and id of what was made from a fixture.
    pub(super) created: BTreeMap<String, (String, String)>,
    pub(super) answer: Option<Source>,
    pub(super) request: Option<Source>,
    pub(super) exchange: Option<Arc<Exchange>>,
}

impl<'s> State<'s> {
    pub(super) fn new(context: &'s Context, script: &'s Script) -> Self {
        Self {
            context,
            script,
            fixtures: BTreeMap::new(),
            named: BTreeMap::new(),
            created: BTreeMap::new(),
            answer: None,
            request: None,
            exchange: None,
        }
    }

    /// The endpoint of a destination, counted from 1; the last one stands for all that follow.
    pub(super) fn base(&self, destination: usize) -> &'s str {
        let index = destination.max(1).min(self.context.bases.len()).saturating_sub(1);
        self.context.bases.get(index).map(String::as_str).unwrap_or_default()
    }

    /// Takes down what went over the wire.
    pub(super) fn keep(&mut self, exchange: &Arc<Exchange>, body: Option<Json>) {
        let request = &exchange.request;
        self.request = Some(Source { body, raw: request.body.clone(), headers: request.headers.clone(), status: None });
        self.answer = exchange.answer.as_ref().ok().map(|answer| Source {
            body: wire::body(answer),
            raw: answer.body.clone(),
            headers: answer.headers.clone(),
            status: Some(answer.status),
        });
        self.exchange = Some(Arc::clone(exchange));
    }

    /// What a source id names; without one the last answer.
    pub(super) fn source(&self, id: Option<&str>) -> Result<&Source, String> {
        match id {
            None => self.answer.as_ref().ok_or_else(|| "there is no answer to look at".to_owned()),
            Some(id) => self
                .named
                .get(id)
                .or_else(|| self.fixtures.get(id))
                .ok_or_else(|| format!("nothing is called {id}: no fixture, request or answer")),
        }
    }

    /// A text with every `${name}` replaced.
    pub(super) fn fill(&self, text: &str) -> Result<String, String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            let Some((name, behind)) = after.split_once('}') else {
                out.push_str("${");
                rest = after;
                continue;
            };
            out.push_str(&self.variable(name)?);
            rest = behind;
        }
        out.push_str(rest);
        Ok(out)
    }

    fn variable(&self, name: &str) -> Result<String, String> {
        if let Some(value) = self.context.variables.get(name) {
            return Ok(value.clone());
        }
        let variable = self.script.variables.iter().find(|variable| variable.name == name);
        let variable = variable.ok_or_else(|| format!("no variable is called {name}"))?;
        let value = self.value(variable)?.filter(|value| !value.is_empty());
        value.or_else(|| variable.default.clone()).ok_or_else(|| {
            let hint = variable.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("the variable {name} has no value{hint}; set it with --variable {name}=VALUE")
        })
    }

    /// The value at the place a variable names, if there is one.
    fn value(&self, variable: &Variable) -> Result<Option<String>, String> {
        if variable.header.is_none() && variable.expression.is_none() && variable.path.is_none() {
            return Ok(None);
        }
        let Ok(source) = self.source(variable.source.as_deref()) else { return Ok(None) };
        if let Some(header) = &variable.header {
            return Ok(source.header(header).map(str::to_owned));
        }
        let found = match (&source.body, &variable.expression, &variable.path) {
            (Some(body), Some(expression), _) => expression::evaluate(body, expression)?.texts.into_iter().next(),
            (Some(body), None, Some(path)) => {
                path::values(body, path).map_err(|error| error.to_string())?.into_iter().next()
            }
            _ => None,
        };
        // A server may answer a create without a body: the id then stands in Location (http.html, "create").
        Ok(found.or_else(|| {
            let wanted = variable.expression.as_deref().or(variable.path.as_deref())?;
            let kind = wanted.strip_suffix(".id").or_else(|| wanted.strip_suffix("/id"))?;
            let place = source.header("location").or_else(|| source.header("content-location"))?;
            let (found, id) = located(place)?;
            (found == kind).then_some(id)
        }))
    }
}

/// Type and id in the address of a resource or of one of its versions.
pub(super) fn located(address: &str) -> Option<(String, String)> {
    let path = address.split(['?', '#']).next()?;
    let path = path.split("/_history").next()?;
    let mut parts = path.rsplit('/').filter(|part| !part.is_empty());
    let (id, kind) = (parts.next()?, parts.next()?);
    kind.starts_with(|letter: char| letter.is_ascii_uppercase()).then(|| (kind.to_owned(), id.to_owned()))
}
