//! A document's text that comes in several segments: one attachment.

use model::json::Json;

use crate::build::{self, Indexes};
use crate::function;
use crate::input::Cursor;
use crate::map::Row;
use crate::trace::Node;

use super::put::put;
use super::rows::Filling;
use super::{Eval, Here};

/// A text that grows.
#[derive(Debug)]
pub(super) struct Attached<'a> {
    /// Number of the resource.
    resource: usize,
    row: &'a Row,
    element: Node,
    indexes: Indexes,
    text: String,
    /// Whether there is more than the element says.
    grown: bool,
}

impl<'a> Eval<'a, '_> {
    /// Adds the lines of a field to the text of the resource's attachment.
    pub(super) fn attach(&mut self, row: &'a Row, value: Cursor, to: &mut Filling<'_>, here: Here) {
        let lines = self.input.text(value);
        let resource = self.filling;
        let (element, indexes) = match self.attached.iter_mut().find(|attached| attached.resource == resource) {
            Some(attached) => {
                attached.text.push('\n');
                attached.text.push_str(&lines);
                attached.grown = true;
                (attached.element, attached.indexes)
            }
            None => {
                let steps = &row.target.steps;
                let at = build::locate(to.object, to.owner, steps, to.shared, &mut self.trace, to.node);
                if at.exists {
                    return;
                }
                put(to.object, steps, &at.indexes, Json::from(function::attachment::encoded(lines.as_bytes())));
                let (element, indexes) = (at.node, at.indexes);
                let text = lines.into_owned();
                self.attached.push(Attached { resource, row, element, indexes, text, grown: false });
                (element, indexes)
            }
        };
        self.mapped(value, element, row.rule);
        self.settle(row, to.object, &indexes, element, here);
    }

    /// Writes the texts that have grown: once, since each is as long as all its segments.
    pub(super) fn finish_attached(&mut self) {
        for attached in std::mem::take(&mut self.attached).into_iter().filter(|attached| attached.grown) {
            let Some(resource) = self.resources.get_mut(attached.resource) else { continue };
            let text = function::attachment::encoded(attached.text.as_bytes());
            put(&mut resource.object, &attached.row.target.steps, &attached.indexes, Json::from(text));
        }
    }
}
