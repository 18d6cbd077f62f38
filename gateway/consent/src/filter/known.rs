//! What a decision asks of a version, read once: a version never changes, and neither does what its text says.

use std::borrow::Cow;

use model::id::Reference;
use model::json::Json;

use super::{Context, Permitted, told_of};
use crate::decide::{Decision, Effect};
use crate::facts::{Links, ResourceFacts};
use crate::label::SensitivityMap;
use crate::redact;
use crate::settings::{Labelling, Settings};

/// What decisions need to know of one resource, so that they need not read it again.
///
/// A function of its text and of how the site labels, and of nothing else: no consent, no request and no other resource has
/// a part in it. It is asked with the settings and the map that it was made with.
#[derive(Clone, Debug)]
pub struct Known {
    /// Labelled, and linked to nothing.
    facts: ResourceFacts,
    told: Box<[Reference]>,
    labelled_inside: bool,
}

/// Says of a resource that all of it leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// Why it was released.
    pub decision: Decision,
}

impl Known {
    /// Reads a resource.
    pub fn of(json: &Json, settings: &Settings, map: Option<&SensitivityMap>) -> Self {
        let mut facts = ResourceFacts::from(json);
        if let (Labelling::Map, Some(map)) = (settings.labelling, map) {
            facts.map_labels(json, map);
        }
        facts.link(&Links::default());
        facts.shrink();
        Self { facts, told: told_of(json).into(), labelled_inside: redact::has_inline_labels(json) }
    }

    /// What the resource says something about, as [`told_of`] has it.
    pub fn told_of(&self) -> &[Reference] {
        &self.told
    }

    /// The memory it takes, roughly.
    pub fn bytes(&self) -> usize {
        let told = self.told.iter().map(|told| told.resource_type.as_str().len() + told.id.as_str().len());
        size_of::<Self>() + self.facts.heap_bytes() + told.map(|text| text + size_of::<Reference>()).sum::<usize>()
    }
}

impl Context<'_> {
    /// The decision on a resource that is known: as on the facts of the resource itself.
    pub fn decide_known(&self, known: &Known) -> Decision {
        self.decide(&self.linked(&known.facts))
    }

    fn linked<'f>(&self, facts: &'f ResourceFacts) -> Cow<'f, ResourceFacts> {
        match self.links {
            Some(links) if !links.speak_of(facts.reference()) => Cow::Borrowed(facts),
            Some(links) => {
                let mut facts = facts.clone();
                facts.link(links);
                Cow::Owned(facts)
            }
            None => Cow::Owned(facts.unlinked()),
        }
    }
}

/// Decides a resource that is known, as [`super::release`] decides it. `None` where some of its elements have labels of
/// their own: they are decided one by one, which takes the resource itself.
///
/// What it tells of others is for the caller to ask about, by [`Known::told_of`].
///
/// # Errors
/// The decision, where the resource is withheld. Whoever asked must get the answer for an unknown id.
pub fn release_known(context: &Context<'_>, known: &Known) -> Result<Option<Permitted<Whole>>, Decision> {
    let decision = context.decide_known(known);
    match decision.effect {
        Effect::Deny(_) => Err(decision),
        Effect::Permit(_) if known.labelled_inside => Ok(None),
        Effect::Permit(_) => Ok(Some(Permitted(Whole { decision }))),
    }
}

#[cfg(test)]
mod tests;
