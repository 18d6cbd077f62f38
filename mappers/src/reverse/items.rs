//! Which item of a `[$]` array belongs to a segment.

use model::json::{Json, Object};

use crate::map::{Row, Source, Table};
use crate::path::At;

use super::library::Library;
use super::paths::{consts_hold, resolve};
use super::{Roles, role};

/// The item of another resource's `[$]` array that refers to this table's resource.
pub(super) fn foreign_item(
    table: &Table,
    row: &Row,
    object: &Object,
    roles: &Roles,
    library: &Library<'_>,
) -> Option<usize> {
    let depth = row.target.steps.iter().position(|step| step.at == At::PerSegment)?;
    let array = row.target.steps.get(..=depth)?;
    let anchor = table.rows.iter().find(|other| {
        matches!(other.source, Source::Alias(_))
            && other.alias == row.alias
            && other.target.steps.get(..=depth) == Some(array)
    })?;
    let Source::Alias(alias) = anchor.source else { return None };
    let wanted = role(roles, alias)?;
    let items = array.last().and_then(|step| object.get(&step.name)).and_then(Json::as_array)?;
    let rest = anchor.target.steps.get(depth + 1..)?;
    items.iter().position(|item| {
        let reference =
            item.as_object().and_then(|item| if rest.is_empty() { None } else { resolve(item, rest, None, None) });
        reference.or(Some(item)).and_then(|reference| library.find(reference)) == Some(wanted)
    })
}

/// How many items a table's own `[$]` array has that its constants fit; none if it has no such array.
pub(crate) fn own_items(table: &Table, object: &Object) -> Option<Vec<usize>> {
    let row = table.rows.iter().find(|row| {
        row.alias == table.alias
            && matches!(row.source, Source::Place(_))
            && row.target.steps.iter().any(|step| step.at == At::PerSegment)
    })?;
    let first = row.target.steps.first()?;
    let items = object.get(&first.name).and_then(Json::as_array).unwrap_or_default();
    let fitting = (0..items.len()).filter(|item| {
        table
            .rows
            .iter()
            .filter(|row| row.target.steps.first().is_some_and(|step| step.at == At::PerSegment))
            .all(|row| consts_hold(row, object, None, Some(*item)))
    });
    Some(fitting.collect())
}
