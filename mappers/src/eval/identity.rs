//! Which resource an identity names. Ids come from what the message says, never from a random generator.

use model::id::{ResourceId, uuid_v5};
use model::json::Object;
use model::outcome::Issue;
use smol_str::format_smolstr;

use crate::map::{AliasId, Identity, Part};

use super::{Eval, Here, Resource};

impl Eval<'_, '_> {
    /// The resource an identity names: a new one, or the same again.
    pub(super) fn identified(&mut self, kind: &str, alias: AliasId, identity: &Identity, here: Here) -> Option<usize> {
        let seed = self.seed(identity, here)?;
        let mut parts: Vec<&str> = vec![self.context.source, kind];
        parts.extend(seed.iter().map(String::as_str));
        let mut id = ResourceId::from(uuid_v5(self.context.namespace, &parts));
        let first = format_smolstr!("{kind}/{id}");
        let mut count = self.repeats.get(&first).copied().unwrap_or(1);
        while let Some(same) = self.by_name.get(format_smolstr!("{kind}/{id}").as_str()).copied() {
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
            self.repeats.insert(first.clone(), count);
            let again = format!("again {count}");
            let mut parts = parts.clone();
            parts.push(&again);
            id = ResourceId::from(uuid_v5(self.context.namespace, &parts));
        }
        Some(self.add(kind, id.as_str(), alias))
    }

    /// Takes the last resource out again; others may already be referred to.
    pub(super) fn take_back(&mut self, number: usize) -> bool {
        if number + 1 != self.resources.len() {
            return false;
        }
        self.resources.pop();
        if let Some(name) = self.trace.resources.pop()
            && self.by_name.get(&name) == Some(&number)
        {
            self.by_name.remove(&name);
        }
        true
    }

    pub(super) fn add(&mut self, kind: &str, id: &str, alias: AliasId) -> usize {
        let number = u32::try_from(self.resources.len()).unwrap_or(u32::MAX);
        let node = self.trace.root(number, kind);
        let name = format_smolstr!("{kind}/{id}");
        self.by_name.entry(name.clone()).or_insert(self.resources.len());
        self.trace.resources.push(name);
        let mut object = Object::new();
        object.insert("resourceType", kind);
        object.insert("id", id);
        self.resources.push(Resource { kind: kind.into(), id: id.into(), object, node, alias });
        self.resources.len() - 1
    }

    pub(super) fn seed(&self, identity: &Identity, here: Here) -> Option<Vec<String>> {
        for alternative in &identity.alternatives {
            let mut parts = Vec::with_capacity(alternative.len());
            let mut decided = None;
            for part in alternative {
                let text = match part {
                    Part::Alias(alias) => {
                        let resource = self.scopes.resource(*alias).and_then(|number| self.resources.get(number));
                        parts.push(resource.map_or_else(String::new, |resource| resource.id.to_string()));
                        continue;
                    }
                    Part::Position => {
                        decided = decided.or(Some(true));
                        parts.extend(self.message.iter().cloned());
                        let name = self.segment_name(here.segment);
                        let ordinal = self.input.segments.get(here.segment as usize).map_or(0, |s| s.view.ordinal());
                        let mut at = format!("{name}[{ordinal}]");
                        if let Some(piece) = here.value.and_then(|value| self.input.pieces(value.range()).first()) {
                            at.push_str(&format!("-{}[{}]", piece.field, piece.repetition));
                        }
                        parts.push(at);
                        continue;
                    }
                    Part::Place(place) => self.text(place, here).trim().to_owned(),
                };
                decided = decided.or(Some(!text.is_empty()));
                parts.push(text);
            }
            if decided != Some(false) {
                return Some(parts);
            }
        }
        None
    }
}
