//! Which resource an identity names, and what becomes of one that a document says more than once.

use std::fmt::Write as _;

use formats::cda::Element;
use model::id::uuid_v5;
use model::json::{Json, Object};
use sha2::{Digest, Sha256};
use smol_str::SmolStr;
use uuid::Uuid;

use super::path::Value;
use super::run::Run;
use super::table::{Identity, Part, Table};
use crate::eval::{Resource, names};
use crate::identity::seed;
use crate::map::AliasId;

/// What the identity of a resource is made of.
#[derive(Clone, Copy)]
pub(super) struct Seed {
    pub(super) id: Uuid,
    /// The id of its identifier alone, if more than that tells it from others.
    short: Option<Uuid>,
    /// Whether only the identifier is there: the element points to what is described elsewhere.
    bare: bool,
}

impl<'a, 'd> Run<'a, 'd> {
    /// The id of an identity, if the document says what it is made of.
    pub(super) fn seed(&mut self, kind: &str, identity: &Identity, element: Element<'d>) -> Option<Seed> {
        let mut name = std::mem::take(&mut self.name);
        let (mut described, mut first) = (0u32, None);
        let found = seed(&mut name, self.context, kind, &identity.alternatives, |name, at, part| {
            match at {
                0 => (described, first) = (0, None),
                1 => first = Some(name.mark()),
                _ => {}
            }
            match part {
                Part::Role(role) => {
                    let own = self.role(*role);
                    name.push(own.and_then(|number| self.resources.get(number)).map_or("", |resource| &resource.id));
                    None
                }
                Part::Parent => {
                    let around = self.open.last().and_then(|number| self.resources.get(*number));
                    name.push(around.map_or("", |resource| &resource.id));
                    None
                }
                Part::Position => {
                    name.push(&self.key);
                    name.push(&content(element));
                    Some(true)
                }
                Part::Path(path) => {
                    let mut found = false;
                    path.each(element, &|_| false, &mut |value| {
                        if let Some(text) = identifying(&value) {
                            found = true;
                            name.push(&text);
                        }
                        true
                    });
                    if !found {
                        name.push("");
                    }
                    described += u32::from(found && at > 0);
                    Some(found)
                }
            }
        });
        let made = found.map(|(id, number)| {
            let parts = identity.alternatives.get(number).map(Vec::as_slice).unwrap_or_default();
            let paths = parts.iter().all(|part| matches!(part, Part::Path(_)));
            let mut made = Seed { id, short: None, bare: paths && parts.len() > 1 && described == 0 };
            if let Some(first) = first.filter(|_| paths && described > 0) {
                name.truncate(first);
                parts.iter().skip(1).for_each(|_| name.push(""));
                made.short = Some(name.uuid(self.context.namespace));
            }
            made
        });
        self.name = name;
        made
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
        seed: Seed,
        table: &Table,
        each: bool,
        element: Element<'d>,
    ) -> usize {
        let id = seed.id;
        let known = self.ids.get(&id).copied();
        // An identifier alone is that of what is described elsewhere, before or after.
        let other = if seed.bare { Some(id) } else { seed.short };
        let pointed = match seed.bare {
            true => self.short.get(&id).copied(),
            false => seed.short.and_then(|short| self.ids.get(&short).copied()),
        };
        if let Some(other) = other.filter(|_| !each) {
            self.short.entry(other).or_insert(own);
        }
        if let Some(first) = known.or(pointed).filter(|_| !each)
            && self.merged(own, first)
        {
            if known.is_none() {
                self.ids.insert(id, first);
            }
            if let Some(slot) = other.and_then(|other| self.short.get_mut(&other)).filter(|slot| **slot == own) {
                *slot = first;
            }
            if let Some(node) = self.resources.get(own).map(|own| own.node) {
                self.trace.set_resource(node, u32::try_from(first).unwrap_or(u32::MAX));
            }
            self.take_back(own);
            self.again.push((first, element));
            return first;
        }
        if known.is_none() {
            self.ids.insert(id, own);
            return own;
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
            say(attribute.value, out);
        }
        match element.file() {
            Some(file) => say_digest(&file.text_digest(), out),
            None => element.texts().for_each(|(text, _)| say(text.trim(), out)),
        }
        out.push('(');
        element.children().for_each(|child| add(child, out));
        out.push(')');
    }
    /// A file in the document is as large as the document: its digest says as well which one it is.
    fn say(text: &str, out: &mut String) {
        const LONG: usize = 4096;
        if text.len() <= LONG {
            return out.push_str(text);
        }
        say_digest(&Sha256::digest(text), out);
    }
    fn say_digest(digest: &[u8], out: &mut String) {
        for byte in digest {
            // Writing to a String does not fail.
            let _ = write!(out, "{byte:02x}");
        }
    }
    let mut out = String::new();
    add(element, &mut out);
    out
}

impl Run<'_, '_> {
    /// Adds what a resource says to an earlier one of the same identity; `false`, and nothing done, where they
    /// contradict. What a default put there contradicts nothing.
    fn merged(&mut self, own: usize, first: usize) -> bool {
        let soft = |soft: &[(usize, SmolStr)], number: usize| -> Vec<SmolStr> {
            soft.iter().filter(|(of, _)| *of == number).map(|(_, name)| name.clone()).collect()
        };
        let (soft_own, soft_first) = (soft(&self.soft, own), soft(&self.soft, first));
        let Some(added) = self.resources.get_mut(own).map(|own| std::mem::take(&mut own.object)) else { return false };
        let Some(earlier) = self.resources.get_mut(first).map(|earlier| &mut earlier.object) else { return false };
        let mut news = added.clone();
        for name in &soft_own {
            if earlier.contains_key(name) {
                news.remove(name);
                news.remove(&format!("_{name}"));
            }
        }
        let softer = |name: &str| soft_first.iter().any(|soft| soft == name) && news.contains_key(name);
        let agrees = news.iter().all(|(name, value)| {
            LOOSE.contains(&name)
                || name.starts_with('_')
                || softer(name)
                || earlier.get(name).is_none_or(|known| both_lists(known, value) || agree(known, value))
        });
        if !agrees {
            if let Some(own) = self.resources.get_mut(own) {
                own.object = added;
            }
            return false;
        }
        let replaced: Vec<SmolStr> = soft_first.iter().filter(|name| softer(name)).cloned().collect();
        for name in &replaced {
            earlier.remove(name);
            earlier.remove(&format!("_{name}"));
        }
        absorb(earlier, news);
        self.soft.retain(|(of, name)| *of != own && !(*of == first && replaced.contains(name)));
        true
    }
}

fn both_lists(known: &Json, value: &Json) -> bool {
    matches!((known, value), (Json::Array(_), Json::Array(_)))
}

/// Whether two values say nothing against each other: the same, one more exact, or one with more in it.
fn agree(known: &Json, value: &Json) -> bool {
    match (known, value) {
        (Json::Object(known), Json::Object(value)) => value
            .iter()
            .all(|(name, value)| name.starts_with('_') || known.get(name).is_none_or(|known| agree(known, value))),
        (Json::Array(known), Json::Array(value)) => {
            value.iter().all(|item| known.contains(item)) || known.iter().all(|item| value.contains(item))
        }
        (Json::String(known), Json::String(value)) => known == value || finer(known, value) || finer(value, known),
        _ => known == value,
    }
}

/// Whether a date or time is the other with more digits.
fn finer(long: &str, short: &str) -> bool {
    let is_date = |text: &str| text.len() >= 4 && text.bytes().take(4).all(|byte| byte.is_ascii_digit());
    is_date(short) && long.strip_prefix(short).is_some_and(|rest| rest.starts_with(['-', 'T']))
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

/// Adds to an object what another of the same identity says more: members, items, digits of dates.
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
            (Some(Json::Object(known)), Json::Object(more)) => absorb(known, more),
            (Some(Json::String(known)), Json::String(value)) if finer(&value, known) => *known = value,
            _ => {}
        }
    }
}

/// Replaces a reference wherever it stands.
fn rename(object: &mut Object, old: &SmolStr, new: &SmolStr) {
    for (name, value) in object.iter_mut() {
        match value {
            Json::String(text) if matches!(name, "reference" | "url") && text == old => *text = new.clone(),
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
