//! Texts that name resource types: references, full URLs, requests; and URIs of code systems.

use model::json::{Json, Object};
use model::outcome::Issue;
use smol_str::{SmolStr, format_smolstr};

use super::coerce::is_id;
use super::{Place, Run};
use crate::version::Version;

/// What was known of the resources around before one was entered.
pub(super) struct Outer(Vec<(SmolStr, Option<SmolStr>)>);

impl Run {
    /// Reads what the entries of a Bundle are, so that references between them can be followed and renamed.
    pub(super) fn entries(&mut self, resource: &Json) {
        for entry in resource.items("entry") {
            let (Some(url), Some(kind)) = (entry.text_at(&["fullUrl"]), entry.text_at(&["resource", "resourceType"]))
            else {
                continue;
            };
            self.types.insert(url.into(), kind.into());
            let target = entry.get("resource").map_or(kind, |resource| self.target_type(resource, kind));
            if target != kind
                && let Some(changed) = rename(url, |name| (name == kind).then(|| target.into()))
            {
                self.renamed.insert(url.into(), changed);
            }
        }
    }

    /// Learns the types of contained resources.
    pub(super) fn enter(&mut self, object: &Object) -> Outer {
        let contained = object.get("contained").and_then(Json::as_array).unwrap_or_default();
        let mut outer = Vec::new();
        for each in contained {
            if let (Some(id), Some(kind)) = (each.text_at(&["id"]), each.text_at(&["resourceType"])) {
                let key = format_smolstr!("#{id}");
                outer.push((key.clone(), self.types.insert(key, kind.into())));
            }
        }
        Outer(outer)
    }

    pub(super) fn leave(&mut self, outer: Outer) {
        for (key, before) in outer.0 {
            match before {
                Some(kind) => self.types.insert(key, kind),
                None => self.types.remove(&key),
            };
        }
    }

    /// The type that a reference of the source leads to, as far as it says.
    pub(super) fn reference_type(&self, reference: &Object) -> Option<SmolStr> {
        let text = reference.get("reference").and_then(Json::as_str);
        if let Some(kind) = text.and_then(|text| self.types.get(text)) {
            return Some(kind.clone());
        }
        if let Some(kind) = reference.get("type").and_then(Json::as_str) {
            let kind = kind.rsplit('/').next().unwrap_or(kind);
            return self.map.from.resource(kind).map(|_| kind.into());
        }
        let mut steps = text?.split("/_history/").next()?.rsplit('/');
        let (_, kind) = (steps.next()?, steps.next()?);
        self.map.from.resource(kind).map(|_| kind.into())
    }

    /// Whether a reference may stand where only some types may be referred to (`A|B`, empty for any).
    pub(super) fn may_lead_to(&self, reference: &Object, targets: &str) -> bool {
        if targets.is_empty() {
            return true;
        }
        let Some(kind) = self.reference_type(reference) else { return true };
        let kind = self.map.type_of(&kind).unwrap_or("Basic");
        targets.split('|').any(|target| target == kind)
    }

    /// Keeps a reference to a contained resource that is not there as a text: R4 would not be valid with it.
    pub(super) fn mend_reference(&mut self, object: &mut Object, kind: &str, at: &Place<'_>) {
        if kind != "Reference" || self.map.to_version != Version::R4 {
            return;
        }
        let text =
            object.get("reference").and_then(Json::as_str).filter(|text| text.len() > 1 && text.starts_with('#'));
        let Some(text) = text.filter(|text| !self.types.contains_key(*text)).map(SmolStr::new) else { return };
        object.remove("reference");
        let url = format!("{}Reference.reference", self.map.from_version.extension_base());
        let kept = Object::of([("url", Json::from(url)), ("valueString", Json::String(text))]);
        if let Json::Array(items) = object.get_or_insert_with("extension", || Json::Array(Vec::new())) {
            items.push(kept.into());
        }
        self.issues.push(
            Issue::warning("not-found", "a reference to a contained resource that is not there").at(at.to_string()),
        );
    }

    /// A text that names a resource type or a code system, as the target names it; none if it stays.
    pub(super) fn rewritten(&self, text: &str, path: &str) -> Option<SmolStr> {
        match path {
            "Coding.system" => self.map.system(text),
            "Reference.reference" => match self.renamed.get(text) {
                Some(changed) => Some(changed.clone()),
                // Another server's URL stays: there it leads to what it says.
                None if text.contains(':') || text.starts_with('#') => None,
                None => rename(text, |kind| self.renamed_type(kind)),
            },
            "Bundle.entry.fullUrl" => self.renamed.get(text).cloned(),
            "Bundle.entry.request.url" | "Bundle.entry.response.location" if !text.contains("://") => {
                rename(text, |kind| self.renamed_type(kind))
            }
            "Reference.type" => self.renamed_type(text),
            _ => None,
        }
    }

    /// The same without knowing the entries around: what the way back makes of a renamed text.
    pub(super) fn undone(&self, text: &str, path: &str) -> Option<SmolStr> {
        match path {
            "Bundle.entry.fullUrl" | "Reference.reference" => rename(text, |kind| self.renamed_type(kind)),
            _ => self.rewritten(text, path),
        }
    }

    fn renamed_type(&self, kind: &str) -> Option<SmolStr> {
        self.map.from.resource(kind)?;
        let target = self.map.type_of(kind).unwrap_or("Basic");
        (target != kind).then(|| target.into())
    }
}

/// Renames the type in `Type`, `Type/id`, `…/Type/id`, `Type/id/_history/1` or `Type?search`.
fn rename(text: &str, of: impl Fn(&str) -> Option<SmolStr>) -> Option<SmolStr> {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let (path, query) = text.split_at_checked(end)?;
    let mut steps: Vec<SmolStr> = path.split('/').map(SmolStr::new).collect();
    let history = steps.iter().position(|step| step == "_history").unwrap_or(steps.len());
    let at = match history {
        0 => return None,
        1 => 0,
        // The last but one is the type if the last can be an id.
        length if steps.get(length - 1).is_some_and(|step| is_id(step)) => length - 2,
        _ => return None,
    };
    let step = steps.get_mut(at)?;
    *step = of(step)?;
    Some(format_smolstr!("{}{query}", steps.join("/")))
}
