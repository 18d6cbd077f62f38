//! From a resource to its rows.

use fhirpath::{AsRule, Context, Item, Limits, Node};
use model::json::Json;

use crate::parameter::{Kind, Parameter};
use crate::row::{IndexRow, RowKind};
use crate::values::reference::ByType;
use crate::values::{self, Sink, composite};

/// Work for one expression: those of R4 take some tens of steps; an operator's own may not hold up a write.
const STEPS: u64 = 200_000;

/// Rows of one parameter; a resource that would have more is found by the first of them.
const ROWS_MOST: usize = 2_000;

/// Rows of one composite and element: every code with every value.
const PAIRS_MOST: usize = 256;

/// The rows of a resource by these parameters, sorted, each once.
pub(crate) fn rows<'p>(
    resource_type: &str,
    resource: &Json,
    parameters: impl Iterator<Item = &'p Parameter>,
) -> Vec<IndexRow> {
    let host = ByType;
    let root = Node::resource(resource);
    let limits = Limits { steps: STEPS, items: 50_000, text_bytes: 1 << 20 };
    let context = Context::new(root).with_as(AsRule::Each).with_host(&host).with_limits(limits);
    let focus = [Item::Node(root)];
    let mut rows = Vec::with_capacity(64);
    for parameter in parameters {
        let Some(expression) = parameter.source.expression() else { continue };
        // An expression that fails on this resource finds nothing in it.
        let Ok(items) = expression.evaluate(&context, &focus) else { continue };
        if !items.iter().any(is_valued) {
            continue;
        }
        let from = rows.len();
        let kind = kind(resource_type, parameter);
        let mut sink = Sink { parameter, kind, rows: &mut rows };
        match parameter.kind {
            Kind::Composite => items.iter().for_each(|item| composed(&context, item, &mut sink)),
            _ => items.iter().for_each(|item| values::each(item, &mut |value| values::rows(value, &mut sink))),
        }
        rows.truncate(from.saturating_add(ROWS_MOST));
        if parameter.kind != Kind::Composite && !rows.iter().skip(from).any(|row| row.param == parameter.param) {
            // There is a value, if none that can be found by: `:missing` tells the two apart.
            rows.push(IndexRow { param: parameter.param, value: Vec::new(), kind });
        }
    }
    rows.sort_unstable();
    rows.dedup();
    rows
}

/// Whether there is anything to search by. A primitive with extensions alone, such as the reason why it is absent, has no
/// value: FHIR R4 search.html, "Modifiers", `:missing`.
fn is_valued(item: &Item<'_>) -> bool {
    match item {
        Item::Node(node) => node.value().is_some_and(|value| !matches!(value, Json::Null)),
        _ => true,
    }
}

/// Which rows get an entry of their own: what people ask by alone. Composites are found by their parts; numbers and
/// quantities are asked for with a code or a patient. Two audit events are written with every read: they are found by whose
/// record they tell of, as everything is, and by who took part; all else is looked at from there.
pub(crate) fn kind(resource_type: &str, parameter: &Parameter) -> RowKind {
    let is_detail = match parameter.kind {
        Kind::Composite | Kind::Number | Kind::Quantity => true,
        _ => resource_type == "AuditEvent" && parameter.code != "agent",
    };
    if is_detail { RowKind::Detail } else { RowKind::Key }
}

/// The kind of the rows of a variant: texts and typed identifiers are details.
pub(crate) fn kind_of(kind: RowKind, parameter: &Parameter, number: u32) -> RowKind {
    let is_detail = number == parameter.text || number == parameter.of_type;
    if is_detail { RowKind::Detail } else { kind }
}

fn composed<'a>(context: &Context<'a>, item: &Item<'a>, sink: &mut Sink<'_>) {
    let parameter = sink.parameter;
    let mut parts: Vec<Vec<IndexRow>> = Vec::with_capacity(parameter.components.len());
    for component in &parameter.components {
        let Some(expression) = component.source.expression() else { return };
        let Ok(items) = expression.evaluate(context, std::slice::from_ref(item)) else { return };
        if !items.iter().any(is_valued) {
            return;
        }
        let mut found = Vec::new();
        let mut part = Sink { parameter: component, kind: sink.kind, rows: &mut found };
        items.iter().for_each(|item| values::each(item, &mut |value| values::rows(value, &mut part)));
        found.retain(|row| row.param == component.param);
        parts.push(found);
    }
    // Two numbers at the end stand side by side: each has its own bounds.
    let pair = composite::ends_in_numbers(&parameter.components).then(|| (parts.pop(), parts.pop()));
    let last: Vec<Vec<u8>> = match pair {
        Some((to, from)) => composite::pairs(&from.unwrap_or_default(), &to.unwrap_or_default()),
        None => parts.pop().unwrap_or_default().into_iter().map(|row| row.value).collect(),
    };
    let mut frames: Vec<Vec<u8>> = vec![Vec::new()];
    for (component, found) in parameter.components.iter().zip(&parts) {
        let mut next = Vec::new();
        for frame in &frames {
            for row in found {
                let forms = composite::forms(component.kind, &row.value);
                next.extend(forms.iter().map(|form| [frame.as_slice(), &composite::framed(form, &[])].concat()));
            }
        }
        next.truncate(PAIRS_MOST);
        frames = next;
    }
    let values = frames.iter().flat_map(|frame| last.iter().map(move |value| [frame.as_slice(), value].concat()));
    let before = sink.rows.len();
    values.take(PAIRS_MOST).for_each(|value| sink.put(value));
    if sink.rows.len() == before {
        // All parts are there, if none that can be found by.
        sink.put(Vec::new());
    }
}
