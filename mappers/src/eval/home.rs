//! Where a segment is at home: a resource, or an item of one of its arrays.

use model::json::{Json, Object};
use smol_str::SmolStr;

use crate::build::{Shared, SharedItem, SharedKind};
use crate::map::AliasId;
use crate::trace::{NO_INDEX, Node};

use super::Eval;

/// What a segment fills first: there is kept what no row of it reads.
#[derive(Clone, Debug)]
pub(super) struct Home {
    pub(super) resource: usize,
    /// The item of the array its rows share: a participant, a note.
    pub(super) item: Option<(SmolStr, u32)>,
}

impl Eval<'_, '_> {
    /// Takes a home's object out, to be filled; none if there is no such item.
    pub(super) fn open(&mut self, home: &Home) -> Option<(Object, Node)> {
        let resource = self.resources.get_mut(home.resource)?;
        let node = resource.node;
        let Some((name, index)) = &home.item else { return Some((std::mem::take(&mut resource.object), node)) };
        let item = resource.object.get_mut(name).and_then(Json::as_array_mut)?.get_mut(*index as usize)?;
        let node = self.trace.child(node, name, *index);
        let value = value_member(item);
        let (holder, node) = match &value {
            Some(member) => (item.get_mut(member)?, self.trace.child(node, member, NO_INDEX)),
            None => (item, node),
        };
        Some((std::mem::take(holder.as_object_mut()?), node))
    }

    /// Puts it back.
    pub(super) fn close(&mut self, home: &Home, object: Object) {
        let Some(resource) = self.resources.get_mut(home.resource) else { return };
        match &home.item {
            None => resource.object = object,
            Some((name, index)) => {
                let items = resource.object.get_mut(name).and_then(Json::as_array_mut);
                let Some(item) = items.and_then(|items| items.get_mut(*index as usize)) else { return };
                match value_member(item) {
                    Some(member) => *item.get_mut(&member).unwrap_or(&mut Json::Null) = Json::Object(object),
                    None => *item = Json::Object(object),
                }
            }
        }
    }

    /// The item of a `[$]` array that a table's rows have filled for their segment.
    pub(super) fn own_item(&self, resource: usize, alias: AliasId, shared: &Shared) -> Option<(SmolStr, u32)> {
        let object = &self.resources.get(resource)?.object;
        let own = |item: &&SharedItem| {
            let items = || object.get(&item.name).and_then(|items| items.item(item.index as usize));
            item.owner == alias && item.kind == SharedKind::Segment && items().and_then(Json::as_object).is_some()
        };
        shared.iter().find(own).map(|item| (item.name.clone(), item.index))
    }
}

/// The value of an item that is an extension with an element as its value: nothing else may stand beside that
/// (FHIR R4 extensibility, ext-1).
fn value_member(item: &Json) -> Option<SmolStr> {
    item.get("url")?;
    let mut members = item.as_object()?.iter();
    members.find(|(name, json)| name.starts_with("value") && json.as_object().is_some()).map(|(name, _)| name.into())
}
