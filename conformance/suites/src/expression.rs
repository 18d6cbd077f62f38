//! FHIRPath in suites: values as text, and whether an expression holds.

use fhirpath::{Context, Expression, Item, Node};
use model::json::Json;
use model::time::{Clock, SystemClock};

#[cfg(test)]
mod tests;

/// The values of an expression.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Values {
    /// Scalars as FHIR writes them, everything else as JSON.
    pub(crate) texts: Vec<String>,
    /// Not empty, and nothing in it is `false`.
    pub(crate) holds: bool,
}

/// Evaluates an expression on a resource.
///
/// # Errors
/// What the engine says: where the expression cannot be read, or why it cannot be evaluated.
pub(crate) fn evaluate(resource: &Json, expression: &str) -> Result<Values, String> {
    let compiled = Expression::parse(expression).map_err(|error| format!("{expression}: {error}"))?;
    let node = Node::resource(resource);
    // A test looks at a system of today: here, and only here, `now()` is the present.
    let context = Context::new(node).with_now(SystemClock.now());
    let items = compiled.evaluate(&context, &[Item::Node(node)]).map_err(|error| format!("{expression}: {error}"))?;
    let holds = !items.is_empty() && items.iter().all(|item| item.as_boolean() != Some(false));
    let texts = items.iter().map(|item| plain(&item.to_json())).collect();
    Ok(Values { texts, holds })
}

fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.to_string(),
        other => other.to_text(),
    }
}
