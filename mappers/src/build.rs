//! Puts values into a resource along a target path.

use model::json::{Json, Object};
use smol_str::{SmolStr, format_smolstr};

use crate::path::{At, Step};
use crate::trace::{NO_INDEX, Node, Trace};

/// Longest path of a row.
pub(crate) const DEPTH: usize = 12;

/// The indexes a path has in a given resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Indexes([u32; DEPTH]);

/// Items of `[$]` steps: the array's name at its depth, and the item.
pub(crate) type Shared = Vec<(SmolStr, SmolStr, u32)>;

impl Indexes {
    pub(crate) fn get(&self, depth: usize) -> u32 {
        self.0.get(depth).copied().unwrap_or(NO_INDEX)
    }

    pub(crate) fn set(&mut self, depth: usize, index: u32) {
        if let Some(slot) = self.0.get_mut(depth) {
            *slot = index;
        }
    }
}

/// Finds the indexes of a path without changing anything, and makes the trace's nodes for it.
pub(crate) fn locate(
    root: &Object,
    owner: &str,
    steps: &[Step],
    shared: &mut Shared,
    trace: &mut Trace,
    node: Node,
) -> (Indexes, Node) {
    let mut indexes = Indexes([NO_INDEX; DEPTH]);
    let mut here: Option<&Object> = Some(root);
    let mut node = node;
    for (depth, step) in steps.iter().enumerate() {
        let value = here.and_then(|object| object.get(&step.name));
        if step.at == At::Single {
            here = value.and_then(Json::as_object);
            node = trace.child(node, &step.name, NO_INDEX);
            continue;
        }
        let items = value.and_then(Json::as_array).unwrap_or_default();
        let length = u32::try_from(items.len()).unwrap_or(NO_INDEX - 1);
        let of_url = |url: &SmolStr| {
            let found = items.iter().position(|item| item.get("url").and_then(Json::as_str) == Some(url));
            found.and_then(|found| u32::try_from(found).ok()).unwrap_or(length)
        };
        let index = match &step.at {
            At::Single | At::Append | At::AppendExtension(_) => length,
            // The n-th item of this table's own, wherever others left the array.
            At::Index(index) => {
                let key = format_smolstr!("{}#{index}@{depth}", step.name);
                match shared.iter().find(|(kind, name, _)| kind == owner && *name == key) {
                    Some((_, _, index)) => *index,
                    None => {
                        let index = u32::try_from(*index).unwrap_or(length).min(length);
                        shared.push((owner.into(), key, index));
                        index
                    }
                }
            }
            At::Extension(url) => of_url(url),
            At::PerSegment | At::SegmentExtension(_) => {
                let key = match &step.at {
                    At::SegmentExtension(url) => format_smolstr!("{}@{url}", step.name),
                    _ => step.name.clone(),
                };
                match shared.iter().find(|(kind, name, _)| kind == owner && *name == key) {
                    Some((_, _, index)) => *index,
                    None => {
                        shared.push((owner.into(), key, length));
                        length
                    }
                }
            }
        };
        indexes.set(depth, index);
        here = items.get(index as usize).and_then(Json::as_object);
        node = trace.child(node, &step.name, index);
    }
    (indexes, node)
}

/// The value at the end of a path, if there is one.
pub(crate) fn find<'o>(root: &'o Object, steps: &[Step], indexes: &Indexes) -> Option<&'o Json> {
    let (last, before) = steps.split_last()?;
    let mut here = root;
    for (depth, step) in before.iter().enumerate() {
        here = match &step.at {
            At::Single => here.get(&step.name)?.as_object()?,
            _ => here.get(&step.name)?.item(indexes.get(depth) as usize)?.as_object()?,
        };
    }
    match &last.at {
        At::Single => here.get(&last.name),
        _ => here.get(&last.name)?.item(indexes.get(before.len()) as usize),
    }
}

/// The value at the end of a path, to change it, if there is one.
pub(crate) fn slot_if_there<'o>(root: &'o mut Object, steps: &[Step], indexes: &Indexes) -> Option<&'o mut Json> {
    find(root, steps, indexes)?;
    slot(root, steps, indexes)
}

/// The place at the end of a path, made with everything above it; a new place holds null.
pub(crate) fn slot<'o>(root: &'o mut Object, steps: &[Step], indexes: &Indexes) -> Option<&'o mut Json> {
    let (last, before) = steps.split_last()?;
    let mut here = root;
    for (depth, step) in before.iter().enumerate() {
        let next = open(here, step, indexes.get(depth))?;
        if !matches!(next, Json::Object(_)) {
            *next = Json::Object(Object::new());
        }
        here = next.as_object_mut()?;
        if let At::Extension(url) | At::AppendExtension(url) | At::SegmentExtension(url) = &step.at
            && !here.contains_key("url")
        {
            here.insert("url", Json::String(url.clone()));
        }
    }
    open(here, last, indexes.get(before.len()))
}

fn open<'o>(here: &'o mut Object, step: &Step, index: u32) -> Option<&'o mut Json> {
    if step.at == At::Single {
        return Some(here.get_or_insert_with(&step.name, || Json::Null));
    }
    let value = here.get_or_insert_with(&step.name, || Json::Array(Vec::new()));
    if !matches!(value, Json::Array(_)) {
        *value = Json::Array(Vec::new());
    }
    let items = value.as_array_mut()?;
    if index as usize >= items.len() {
        items.push(Json::Null);
        return items.last_mut();
    }
    items.get_mut(index as usize)
}

/// Adds `{url, name: value}` to the extensions of an object; gives back its index.
pub(crate) fn extend(object: &mut Object, url: &str, name: &str, value: Json) -> u32 {
    let item = Json::object([("url", Json::from(url)), (name, value)]);
    let list = object.get_or_insert_with("extension", || Json::Array(Vec::new()));
    let Some(items) = list.as_array_mut() else { return NO_INDEX };
    items.push(item);
    u32::try_from(items.len() - 1).unwrap_or(NO_INDEX)
}
