//! Which resource an identity names, and what becomes of one that a document says more than once.

use formats::cda::Element;
use model::id::uuid_v5;
use model::json::{Json, Object};
use smol_str::SmolStr;
use uuid::Uuid;

use super::path::Value;
use super::run::Run;
use super::table::{Identity, Part, Table};
use crate::eval::{Resource, names};
use crate::map::AliasId;

impl<'a, 'd> Run<'a, 'd> {
    /// The id of an identity, if the document says what it is made of.
    pub(super) fn seed(&mut self, kind: &str, identity: &Identity, element: Element<'d>) -> Option<Uuid> {
        self.name.truncate(0);
        self.name.push(self.context.source);
        self.name.push(kind);
        let mark = self.name.mark();
        for alternative in &identity.alternatives {
            self.name.truncate(mark);
            let mut decided = None;
            for part in alternative {
                match part {
                    Part::Role(role) => {
                        let own = self.role(*role);
                        let id = own.and_then(|number| self.resources.get(number)).map_or("", |resource| &resource.id);
                        self.name.push(id);
                    }
                    Part::Parent => {
                        let id = self.open.last().and_then(|number| self.resources.get(*number));
                        self.name.push(id.map_or("", |resource| &resource.id));
                    }
                    Part::Position => {
                        decided = decided.or(Some(true));
                        self.name.push(&self.key);
                        self.name.push(&content(element));
                    }
                    Part::Path(path) => {
                        let mut found = false;
                        let name = &mut self.name;
                        path.each(element, &|_| false, &mut |value| {
                            if let Some(text) = identifying(&value) {
                                found = true;
                                name.push(&text);
                            }
                            true
                        });
                        if !found {
                            self.name.push("");
                        }
                        decided = decided.or(Some(found));
                    }
                }
            }
            if decided != Some(false) {
                return Some(self.name.uuid(self.context.namespace));
            }
        }
        None
    }

    pub(super) fn add(&mut self, kind: &SmolStr, id: Uuid, role: AliasId) -> usize {
        let number = u32::try_from(self.resources.len()).unwrap_or(u32::MAX);
        let node = self.trace.root(number, kind);
        let (id, name) = names(kind, id);
        let mut object = Object::with_capacity(12);
        object.insert(SmolStr::new_static("resourceType"), Json::String(kind.clone()));
        object.insert(SmolStr::new_static("id"), Json::String(id.clone()));
        self.resources.push(Resource::new(kind.clone(), id, name, object, node, role));
        let own = self.resources.len() - 1;
        let role = usize::from(role);
        if self.first.len() <= role && role < self.compiled.aliases.len() {
            self.first.resize(role + 1, None);
        }
        if let Some(first) = self.first.get_mut(role) {
            first.get_or_insert(own);
        }
        own
    }

    /// Empties a resource that said nothing: nothing refers to it.
    pub(super) fn take_back(&mut self, number: usize) {
        if let Some(role) = self.first.iter().position(|first| *first == Some(number)) {
            let mut others = self.resources.iter().enumerate().skip(number + 1);
            let next = others.find(|(_, other)| usize::from(other.role()) == role).map(|(number, _)| number);
            if let Some(first) = self.first.get_mut(role) {
                *first = next;
            }
        }
        if number + 1 == self.resources.len() {
            self.resources.pop();
        } else if let Some(resource) = self.resources.get_mut(number) {
            resource.object = Object::new();
        }
    }

    /// Decides what a finished resource is: the first of its id, the same as an earlier one, or another one.
    pub(super) fn settle_identity(
        &mut self,
        own: usize,
        id: Uuid,
        table: &Table,
        each: bool,
        element: Element<'d>,
    ) -> usize {
        let Some(first) = self.ids.get(&id).copied() else {
            self.ids.insert(id, own);
            return own;
        };
        if !each {
            let added = std::mem::take(&mut self.resources.get_mut(own).map(|own| std::mem::take(&mut own.object)));
            let earlier = self.resources.get_mut(first).map(|earlier| &mut earlier.object);
            if let (Some(added), Some(earlier)) = (added, earlier) {
                match merge(earlier, &added) {
                    true => {
                        if let Some(node) = self.resources.get(own).map(|own| own.node) {
                            self.trace.set_resource(node, u32::try_from(first).unwrap_or(u32::MAX));
                        }
                        self.take_back(own);
                        self.again.push((first, element));
                        return first;
                    }
                    false => {
                        if let Some(own) = self.resources.get_mut(own) {
                            own.object = added;
                        }
                    }
                }
            }
        }
        // The same identifier with other content: both are kept, under ids of their own.
        let at = content(element);
        let mut again = uuid_v5(self.context.namespace, &[self.context.source, &table.root, &self.key, &at]);
        let mut count = 1u32;
        while self.ids.contains_key(&again) {
            count += 1;
            let number = count.to_string();
            again = uuid_v5(self.context.namespace, &[self.context.source, &table.root, &self.key, &at, &number]);
        }
        self.ids.insert(again, own);
        let old = self.resources.get(own).map(|own| own.name.clone());
        if let Some(resource) = self.resources.get_mut(own) {
            (resource.id, resource.name) = names(&table.root, again);
            resource.object.insert(SmolStr::new_static("id"), Json::String(resource.id.clone()));
        }
        if let (Some(old), Some(new)) = (old, self.name_of(own).cloned()) {
            // What was made below it refers to it by its new name.
            for resource in self.resources.iter_mut().skip(own + 1) {
                rename(&mut resource.object, &old, &new);
            }
        }
        own
    }
}

/// What an element and everything in it say: what stands elsewhere in the document does not change it.
fn content(element: Element<'_>) -> String {
    fn add(element: Element<'_>, out: &mut String) {
        out.push_str(element.name());
        for attribute in element.attributes().filter(|attribute| attribute.leaf.is_some()) {
            out.push('@');
            out.push_str(attribute.name);
            out.push('=');
            out.push_str(attribute.value);
        }
        element.texts().for_each(|(text, _)| out.push_str(text.trim()));
        out.push('(');
        element.children().for_each(|child| add(child, out));
        out.push(')');
    }
    let mut out = String::new();
    add(element, &mut out);
    out
}

/// What of a value tells one thing from another: of an identifier its root and extension.
fn identifying(value: &Value<'_>) -> Option<String> {
    let element = value.element;
    if matches!(value.part, super::path::Part::Whole) {
        if element.attribute("nullFlavor").is_some() && element.attribute("extension").is_none() {
            return None;
        }
        let (root, extension) = (element.attribute("root"), element.attribute("extension"));
        if root.is_some() || extension.is_some() {
            return Some(format!("{}|{}", root.unwrap_or_default(), extension.unwrap_or_default()));
        }
        let (code, system) = (element.attribute("code"), element.attribute("codeSystem"));
        if code.is_some() {
            return Some(format!("{}|{}", system.unwrap_or_default(), code.unwrap_or_default()));
        }
    }
    let text = value.text();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Members that may differ without the resource being another one.
const LOOSE: [&str; 4] = ["id", "meta", "text", "language"];

/// Adds to a resource what another of the same identity says beside; `false`, and nothing done, where they contradict.
fn merge(earlier: &mut Object, added: &Object) -> bool {
    let agrees = added.iter().all(|(name, value)| {
        LOOSE.contains(&name)
            || earlier
                .get(name)
                .is_none_or(|known| known == value || matches!((known, value), (Json::Array(_), Json::Array(_))))
    });
    if !agrees {
        return false;
    }
    absorb(earlier, added.clone());
    true
}

/// Adds to an object the members it lacks and the items its arrays lack.
pub(super) fn absorb(earlier: &mut Object, added: Object) {
    for (name, value) in added {
        match (earlier.get_mut(&name), value) {
            (None, value) => {
                earlier.insert(name, value);
            }
            (Some(Json::Array(known)), Json::Array(items)) => {
                for item in items {
                    if !known.contains(&item) {
                        known.push(item);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Replaces a reference wherever it stands.
fn rename(object: &mut Object, old: &SmolStr, new: &SmolStr) {
    for (name, value) in object.iter_mut() {
        match value {
            Json::String(text) if name == "reference" && text == old => *text = new.clone(),
            other => rename_in(other, old, new),
        }
    }
}

fn rename_in(json: &mut Json, old: &SmolStr, new: &SmolStr) {
    match json {
        Json::Object(object) => rename(object, old, new),
        Json::Array(items) => items.iter_mut().for_each(|item| rename_in(item, old, new)),
        _ => {}
    }
}
