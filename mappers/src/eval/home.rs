//! Where a segment is at home: a resource, or an item of one of its arrays.

use model::json::{Json, Object};
use smol_str::SmolStr;

use crate::build::{Shared, SharedItem, SharedKind};
use crate::map::AliasId;
use crate::trace::Node;

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
        let object = std::mem::take(item.as_object_mut()?);
        let node = self.trace.child(node, name, *index);
        Some((object, node))
    }

    /// Puts it back.
    pub(super) fn close(&mut self, home: &Home, object: Object) {
        let Some(resource) = self.resources.get_mut(home.resource) else { return };
        match &home.item {
            None => resource.object = object,
            Some((name, index)) => {
                let items = resource.object.get_mut(name).and_then(Json::as_array_mut);
                if let Some(item) = items.and_then(|items| items.get_mut(*index as usize)) {
                    *item = Json::Object(object);
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
