//! Puts values into a resource along a target path.

use model::json::{Json, Object};
use smol_str::SmolStr;

use crate::map::AliasId;
use crate::path::{At, Step};
use crate::trace::{NO_INDEX, Node, Trace};

/// Longest path of a row.
pub(crate) const DEPTH: usize = 12;

/// The indexes a path has in a given resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Indexes([u32; DEPTH]);

/// An item of an array that a table's rows share.
#[derive(Debug)]
pub(crate) struct SharedItem {
    /// Role of the resource the array is in.
    pub(crate) owner: AliasId,
    pub(crate) name: SmolStr,
    pub(crate) kind: SharedKind,
    pub(crate) index: u32,
}

/// What the rows share an item as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SharedKind {
    /// `[$]`
    Segment,
    /// `[$name]`: the extension of this URL.
    Extension(SmolStr),
    /// `[n]`, at this depth of the path.
    Number(usize, usize),
}

/// The items a table's rows share.
pub(crate) type Shared = Vec<SharedItem>;

/// Where a path leads in a given resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Located {
    pub(crate) indexes: Indexes,
    pub(crate) node: Node,
    /// Whether there is a value already.
    pub(crate) exists: bool,
    /// Whether an element written `[x]` on the way has a value of another type: nothing may be put here.
    pub(crate) taken: bool,
}

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
    owner: AliasId,
    steps: &[Step],
    shared: &mut Shared,
    trace: &mut Trace,
    node: Node,
) -> Located {
    walk(root, owner, steps, shared, node, |node, name, index| trace.child(node, name, index))
}

/// The same for who has no use for the trace's nodes.
pub(crate) fn seek(root: &Object, owner: AliasId, steps: &[Step], shared: &mut Shared) -> Located {
    walk(root, owner, steps, shared, 0, |node, _, _| node)
}

#[inline]
fn walk(
    root: &Object,
    owner: AliasId,
    steps: &[Step],
    shared: &mut Shared,
    node: Node,
    mut child: impl FnMut(Node, &SmolStr, u32) -> Node,
) -> Located {
    let mut indexes = Indexes([NO_INDEX; DEPTH]);
    let mut here: Option<&Object> = Some(root);
    let mut node = node;
    let (mut exists, mut taken) = (false, false);
    for (depth, step) in steps.iter().enumerate() {
        let value = here.and_then(|object| object.get(&step.name));
        if matches!(step.at, At::Single) {
            taken |= value.is_none() && here.is_some_and(|object| has_other_type(object, step));
            exists = value.is_some();
            here = value.and_then(Json::as_object);
            node = child(node, &step.name, NO_INDEX);
            continue;
        }
        let items = value.and_then(Json::as_array).unwrap_or_default();
        let length = u32::try_from(items.len()).unwrap_or(NO_INDEX - 1);
        let index = match &step.at {
            At::Single | At::Append | At::AppendExtension(_) => length,
            // The n-th item of this table's own, wherever others left the array.
            At::Index(index) => {
                let first = u32::try_from(*index).unwrap_or(length).min(length);
                shared_index(shared, owner, &step.name, SharedKind::Number(*index, depth), first)
            }
            At::Extension(url) => {
                let found = items.iter().position(|item| item.get("url").and_then(Json::as_str) == Some(url));
                found.and_then(|found| u32::try_from(found).ok()).unwrap_or(length)
            }
            At::PerSegment => shared_index(shared, owner, &step.name, SharedKind::Segment, length),
            At::SegmentExtension(url) => {
                shared_index(shared, owner, &step.name, SharedKind::Extension(url.clone()), length)
            }
        };
        indexes.set(depth, index);
        let item = items.get(index as usize);
        exists = item.is_some();
        here = item.and_then(Json::as_object);
        node = child(node, &step.name, index);
    }
    Located { indexes, node, exists, taken }
}

/// Whether the element of a step, written `[x]`, stands with another type (`boundsPeriod` beside `boundsDuration`).
fn has_other_type(object: &Object, step: &Step) -> bool {
    let Some(choice) = step.choice else { return false };
    let own = step.name.trim_start_matches('_');
    object.iter().map(|(name, _)| name.trim_start_matches('_')).any(|name| {
        name != own && name.strip_prefix(choice).is_some_and(|kind| kind.starts_with(|c: char| c.is_ascii_uppercase()))
    })
}

/// The item that the table's rows share, the one at `first` if there is none yet.
fn shared_index(shared: &mut Shared, owner: AliasId, name: &SmolStr, kind: SharedKind, first: u32) -> u32 {
    let known = shared.iter().find(|item| item.owner == owner && item.kind == kind && item.name == *name);
    match known {
        Some(item) => item.index,
        None => {
            shared.push(SharedItem { owner, name: name.clone(), kind, index: first });
            first
        }
    }
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

/// Where an array that a path appends to has an item already.
pub(crate) fn place_of(root: &Object, steps: &[Step], indexes: &Indexes, item: &Json) -> Option<u32> {
    let (last, before) = steps.split_last()?;
    let items = if before.is_empty() { root.get(&last.name) } else { find(root, before, indexes)?.get(&last.name) };
    position(items?.as_array()?, item)
}

/// So far back an array is searched for an item that is there already: lists of tens of thousands take no time for it.
const NEAR: usize = 2048;

fn position(items: &[Json], item: &Json) -> Option<u32> {
    let found = items.iter().enumerate().rev().take(NEAR).find(|(_, known)| *known == item);
    found.and_then(|(at, _)| u32::try_from(at).ok())
}

/// Takes the last item of an array that a path appends to out again, if an earlier one is the same; says which.
pub(crate) fn drop_repeat(root: &mut Object, steps: &[Step], indexes: &Indexes) -> Option<u32> {
    let (last, before) = steps.split_last()?;
    if !matches!(last.at, At::Append) || indexes.get(before.len()) == 0 {
        return None;
    }
    let items = if before.is_empty() {
        root.get_mut(&last.name)
    } else {
        slot(root, before, indexes).and_then(|value| value.get_mut(&last.name))
    };
    let items = items.and_then(Json::as_array_mut)?;
    let (newest, others) = items.split_last()?;
    let same = position(others, newest)?;
    items.pop();
    Some(same)
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
            *next = Json::Object(Object::with_capacity(4));
        }
        here = next.as_object_mut()?;
        if let At::Extension(url) | At::AppendExtension(url) | At::SegmentExtension(url) = &step.at {
            here.get_or_insert_named(&URL, || Json::String(url.clone()));
        }
    }
    open(here, last, indexes.get(before.len()))
}

static URL: SmolStr = SmolStr::new_static("url");
static EXTENSION: SmolStr = SmolStr::new_static("extension");

fn open<'o>(here: &'o mut Object, step: &Step, index: u32) -> Option<&'o mut Json> {
    if matches!(step.at, At::Single) {
        return Some(here.get_or_insert_named(&step.name, || Json::Null));
    }
    // Most arrays have one item.
    let value = here.get_or_insert_named(&step.name, || Json::Array(Vec::with_capacity(1)));
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
pub(crate) fn extend(object: &mut Object, url: impl Into<SmolStr>, name: &'static str, value: Json) -> u32 {
    let item = Json::Object(Object::of([("url", Json::String(url.into())), (name, value)]));
    let list = object.get_or_insert_named(&EXTENSION, || Json::Array(Vec::with_capacity(1)));
    let Some(items) = list.as_array_mut() else { return NO_INDEX };
    items.push(item);
    u32::try_from(items.len() - 1).unwrap_or(NO_INDEX)
}
