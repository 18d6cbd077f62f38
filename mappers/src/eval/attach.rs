//! A document's text that comes in several segments: one attachment.

use model::json::{Json, Object};

use crate::build::{self, Indexes, Shared};
use crate::function;
use crate::input::Cursor;
use crate::map::Row;
use crate::trace::Node;

use super::put::put;
use super::{Eval, Here};

/// A text that grows.
#[derive(Debug)]
pub(super) struct Attached {
    /// The resource, and the element in it.
    resource: Node,
    element: Node,
    indexes: Indexes,
    text: String,
}

impl Eval<'_, '_> {
    /// Adds the lines of a field to the text of the resource's attachment.
    #[expect(clippy::too_many_arguments, reason = "the parts of one object, borrowed apart")]
    pub(super) fn attach(
        &mut self,
        row: &Row,
        value: Cursor,
        object: &mut Object,
        owner: &str,
        node: Node,
        here: Here,
        shared: &mut Shared,
    ) {
        let lines = self.input.text(value);
        let steps = &row.target.steps;
        let (element, indexes) = match self.attached.iter_mut().find(|attached| attached.resource == node) {
            Some(attached) => {
                attached.text.push('\n');
                attached.text.push_str(&lines);
                put(
                    object,
                    steps,
                    &attached.indexes,
                    Json::from(function::attachment::encoded(attached.text.as_bytes())),
                );
                (attached.element, attached.indexes)
            }
            None => {
                let (indexes, element) = build::locate(object, owner, steps, shared, &mut self.trace, node);
                if build::find(object, steps, &indexes).is_some() {
                    return;
                }
                put(object, steps, &indexes, Json::from(function::attachment::encoded(lines.as_bytes())));
                self.attached.push(Attached { resource: node, element, indexes, text: lines.into_owned() });
                (element, indexes)
            }
        };
        self.mapped(value, element, row.rule);
        self.settle(row, object, &indexes, element, here);
    }
}
