//! Which resource an identity names. Ids come from what the message says, never from a random generator.

use std::collections::HashMap;

use model::json::{Json, Object};
use model::outcome::Issue;
use smol_str::{SmolStr, SmolStrBuilder, format_smolstr};
use uuid::Uuid;

use crate::identity::seed;
use crate::map::{AliasId, Identity, Part};
use crate::quick::trim;

use super::{Eval, Here, Resource};

/// Numbers of the resources by id. An id is made of the type too, so that no two types share one.
#[derive(Debug, Default)]
pub(super) struct Ids {
    /// The id of each resource.
    ids: Vec<Uuid>,
    /// The first of each, once there are many.
    first: HashMap<Uuid, usize>,
    /// How many of `ids` are in `first`.
    indexed: usize,
}

impl Ids {
    /// Up to so many a look at each costs less than hashing one.
    const FEW: usize = 32;

    pub(super) fn get(&self, id: &Uuid) -> Option<usize> {
        if self.ids.len() <= Self::FEW {
            self.ids.iter().position(|known| known == id)
        } else {
            self.first.get(id).copied()
        }
    }

    /// Notes the id of the next resource.
    fn push(&mut self, id: Uuid) {
        self.ids.push(id);
        if self.ids.len() > Self::FEW {
            for (number, id) in self.ids.iter().enumerate().skip(self.indexed) {
                self.first.entry(*id).or_insert(number);
            }
            self.indexed = self.ids.len();
        }
    }

    /// Forgets the last resource.
    fn pop(&mut self) {
        let Some(id) = self.ids.pop() else { return };
        self.indexed = self.indexed.min(self.ids.len());
        if self.first.get(&id) == Some(&self.ids.len()) {
            self.first.remove(&id);
        }
    }

    /// Gives a resource another id: its own is that of an earlier one.
    pub(super) fn rename(&mut self, number: usize, id: Uuid) {
        if let Some(slot) = self.ids.get_mut(number) {
            *slot = id;
        }
        if number < self.indexed {
            self.first.entry(id).or_insert(number);
        }
    }
}

impl Eval<'_, '_> {
    /// The resource an identity names: a new one, or the same again.
    pub(super) fn identified(
        &mut self,
        kind: &SmolStr,
        alias: AliasId,
        identity: &Identity,
        here: Here,
    ) -> Option<usize> {
        let mut id = self.seed(kind, identity, here)?;
        let first = id;
        let mut count = self.repeats.get(&first).copied().unwrap_or(1);
        while let Some(same) = self.ids.get(&id) {
            if !identity.each {
                let role = self.resources.get(same).map(|resource| resource.alias);
                if role != Some(alias) {
                    let text = "two roles of the message name the same record";
                    let issue = Issue::warning("duplicate", text).at(self.segment_place(here.segment));
                    self.issues.push(issue.rule(self.compiled.rule(identity.rule)));
                    return None;
                }
                return Some(same);
            }
            count += 1;
            self.repeats.insert(first, count);
            let mark = self.name.mark();
            self.name.push(&format_smolstr!("again {count}"));
            id = self.name.uuid(self.context.namespace);
            self.name.truncate(mark);
        }
        Some(self.add(kind, id, alias))
    }

    /// Takes the last resource out again; others may already be referred to.
    pub(super) fn take_back(&mut self, number: usize) -> bool {
        if number + 1 != self.resources.len() {
            return false;
        }
        self.resources.pop();
        self.ids.pop();
        true
    }

    pub(super) fn add(&mut self, kind: &SmolStr, id: Uuid, alias: AliasId) -> usize {
        let number = u32::try_from(self.resources.len()).unwrap_or(u32::MAX);
        let node = self.trace.root(number, kind);
        self.ids.push(id);
        let (id, name) = names(kind, id);
        let mut object = Object::with_capacity(12);
        object.insert(SmolStr::new_static("resourceType"), Json::String(kind.clone()));
        object.insert(SmolStr::new_static("id"), Json::String(id.clone()));
        self.resources.push(Resource { kind: kind.clone(), id, name, object, node, alias });
        self.resources.len() - 1
    }

    /// The id of an identity, if the message says what it is made of; its name stays in `self.name`.
    pub(super) fn seed(&mut self, kind: &str, identity: &Identity, here: Here) -> Option<Uuid> {
        let mut name = std::mem::take(&mut self.name);
        let id = seed(&mut name, self.context, kind, &identity.alternatives, |name, _, part| match part {
            Part::Alias(alias) => {
                let resource = self.scopes.resource(*alias).and_then(|number| self.resources.get(number));
                name.push(resource.map_or("", |resource| &resource.id));
                None
            }
            Part::Position => {
                self.message.iter().for_each(|part| name.push(part));
                name.push(&self.position(here));
                Some(true)
            }
            Part::Word(word) => {
                name.push(word);
                None
            }
            Part::Place(place) => {
                let text = self.text(place, here);
                let text = trim(&text);
                name.push(text);
                Some(!text.is_empty())
            }
        });
        self.name = name;
        id.map(|(id, _)| id)
    }

    /// The place of a segment in the message, and of a value in it.
    fn position(&self, here: Here) -> SmolStr {
        let name = self.segment_name(here.segment);
        let ordinal = self.input.segments.get(here.segment as usize).map_or(0, |segment| segment.view.ordinal());
        match here.value.and_then(|value| self.input.pieces(value.range()).first()) {
            Some(piece) => format_smolstr!("{name}[{ordinal}]-{}[{}]", piece.field, piece.repetition),
            None => format_smolstr!("{name}[{ordinal}]"),
        }
    }
}

/// The id as text, and the resource's name `Type/id`.
pub(crate) fn names(kind: &str, id: Uuid) -> (SmolStr, SmolStr) {
    let mut buffer = Uuid::encode_buffer();
    let id: &str = id.hyphenated().encode_lower(&mut buffer);
    let mut name = SmolStrBuilder::new();
    name.push_str(kind);
    name.push('/');
    name.push_str(id);
    (SmolStr::new(id), name.finish())
}
