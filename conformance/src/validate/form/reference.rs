//! References: form and type of the target. FHIR R4 references.html.

use model::id::{Reference, ResourceType};
use model::json::Object;
use model::outcome::Issue;

use crate::place::Place;

use super::Walk;

impl Walk<'_, '_> {
    /// Checks what the elements of a Reference cannot say by themselves; `targets` is `A|B`, empty for any type.
    pub(super) fn reference(&mut self, object: &Object, targets: &str, place: &Place<'_>) {
        // Beyond their form alone, references are for the rules and for definitions.
        if !self.alone {
            return;
        }
        let Some(text) = object.get("reference").and_then(|value| value.as_str()) else { return };
        let here = Place::Member { parent: place, name: "reference", of_type: None };
        if let Some(id) = text.strip_prefix('#') {
            self.local(id, targets, &here);
            return;
        }
        // An absolute URL or a URN may be on another server or in the Bundle around: nothing to say here.
        if text.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme)) {
            return;
        }
        match (Reference::parse(text), text.split_once('?')) {
            (Ok(reference), _) => self.target(reference.resource_type.as_str(), targets, &here),
            // A conditional reference, as transactions allow it (http.html, "Conditional References").
            (Err(_), Some((name, _))) if ResourceType::parse(name).is_ok() => self.target(name, targets, &here),
            _ => self.error("value", "expected Type/id, an absolute URL, a URN or #id", &here),
        }
    }

    fn local(&mut self, id: &str, targets: &str, here: &Place<'_>) {
        if id.is_empty() {
            return;
        }
        match self.contained.get(id).copied() {
            Some(name) if !allows(targets, name) => self.error("invalid", expected(targets), here),
            Some(_) => {}
            None => self.error("not-found", "expected a contained resource of that id", here),
        }
    }

    /// A warning only: the target itself is not seen, and published examples of R4 have such references.
    fn target(&mut self, name: &str, targets: &str, here: &Place<'_>) {
        if !allows(targets, name) {
            self.problem(Issue::warning("invalid", expected(targets)), here);
        }
    }
}

fn allows(targets: &str, name: &str) -> bool {
    targets.is_empty() || targets.split('|').any(|target| target == name)
}

fn expected(targets: &str) -> String {
    format!("expected a reference to {}", targets.replace('|', ", "))
}

pub(super) fn is_scheme(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}
