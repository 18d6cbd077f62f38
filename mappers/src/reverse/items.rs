//! Which item of a `[$]` array belongs to a segment.

use model::json::{Json, Object};

use crate::compile::Compiled;
use crate::eval::PLACE;
use crate::map::{Row, Source, Table, Via};
use crate::path::At;

use super::library::Library;
use super::paths::{consts_hold, extension, resolve, step_into};
use super::share::place_of;
use super::{Roles, role};

/// The item of another resource's `[$]` array that refers to this table's resource.
pub(super) fn foreign_item(
    table: &Table,
    row: &Row,
    object: &Object,
    roles: &Roles,
    library: &Library<'_>,
) -> Option<usize> {
    let depth = row.target.steps.iter().position(|step| per_segment(&step.at))?;
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

/// Whether a step leads to the item of a segment's own.
fn per_segment(at: &At) -> bool {
    matches!(at, At::PerSegment | At::SegmentExtension(_))
}

/// The item of a table's own `[$]` array.
pub(crate) fn own_item<'b>(table: &Table, object: &'b Object, item: usize) -> Option<&'b Object> {
    let own =
        |row: &&Row| row.alias == table.alias && row.target.steps.first().is_some_and(|step| per_segment(&step.at));
    let first = table.rows.iter().find(own)?.target.steps.first()?;
    let item = object.get(&first.name)?.item(item)?.as_object()?;
    // An extension with a value has no room beside it.
    let mut values = item.iter().filter(|(name, _)| name.starts_with("value")).filter_map(|(_, json)| json.as_object());
    Some(if item.contains_key("url") { values.next().unwrap_or(item) } else { item })
}

/// How many items a table's own `[$]` array has that its constants fit; none if it has no such array.
pub(crate) fn own_items(table: &Table, object: &Object) -> Option<Vec<usize>> {
    let own = |row: &&Row| row.alias == table.alias && row.target.steps.iter().any(|step| per_segment(&step.at));
    let row = table
        .rows
        .iter()
        .filter(own)
        .find(|row| matches!(row.source, Source::Place(_)) || matches!(row.via, Via::New(_)))?;
    let first = row.target.steps.first()?;
    let items = object.get(&first.name).and_then(Json::as_array).unwrap_or_default();
    let of_url = |item: &usize| step_into(object, first, None, Some(*item)).is_some() || first.at == At::Single;
    // An item that says it is of another segment is written there.
    let elsewhere = |item: &usize| {
        let place = items.get(*item).and_then(place_of).and_then(|place| place.split_once('-'));
        place.is_some_and(|(segment, _)| segment != table.source)
    };
    let fitting = (0..items.len()).filter(of_url).filter(|item| !elsewhere(item)).filter(|item| {
        table
            .rows
            .iter()
            .filter(|row| row.way.is_back(true))
            .filter(|row| row.target.steps.first().is_some_and(|step| per_segment(&step.at)))
            .all(|row| consts_hold(row, object, None, Some(*item)))
    });
    Some(fitting.collect())
}

/// The items of a table's own `[$]` array that are of its kind alone: they refer to what its rows make, and no other
/// table has a row that tells them by its constants.
pub(crate) fn items_of_kind(compiled: &Compiled, library: &Library<'_>, table: &Table, object: &Object) -> Vec<usize> {
    let mut items = own_items(table, object).unwrap_or_default();
    let at_array = |row: &Row| row.target.steps.first().filter(|step| per_segment(&step.at)).is_some();
    let resources = |row: &Row| match &row.via {
        Via::Table { table, .. } => compiled.tables.get(*table).filter(|table| table.resource).map(|table| &table.root),
        _ => None,
    };
    let refers = |row: &Row, item: usize| {
        let reference = resolve(object, &row.target.steps, None, Some(item));
        let root = resources(row);
        root.is_none_or(|root| reference.is_some_and(|reference| library.find_as(reference, root).is_some()))
    };
    let back = table.rows.iter().filter(|row| row.way.is_back(true));
    let rows = back.filter(|row| row.alias == table.alias && at_array(row)).collect::<Vec<_>>();
    let Some(array) = rows.first().and_then(|row| row.target.steps.first()).map(|step| &step.name) else {
        return items;
    };
    let others = compiled.tables.iter().filter(|other| other.alias == table.alias && other.within.is_none());
    let telling: Vec<&Row> = others
        .filter(|other| !std::ptr::eq(*other, table))
        .flat_map(|other| &other.rows)
        .filter(|row| row.alias == table.alias && row.with.iter().any(|with| !with.soft))
        .filter(|row| row.target.steps.first().is_some_and(|step| step.name == *array && step.at != At::Single))
        .collect();
    items.retain(|item| {
        // What names its field needs no guess.
        let place = own_item(table, object, *item).and_then(|item| extension(item, PLACE)).and_then(Json::as_str);
        if let Some(place) = place {
            return place.split('-').next() == Some(table.source.as_str());
        }
        rows.iter().all(|row| refers(row, *item))
            && !telling.iter().any(|row| consts_hold(row, object, Some(*item), Some(*item)))
    });
    items
}
