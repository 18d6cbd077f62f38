//! From a decision to what may leave: the one place that makes [`Permitted`].

use std::borrow::Cow;
use std::sync::Arc;

use model::json::Json;
use model::time::Instant;
use smol_str::SmolStr;

use crate::decide::{Decision, Effect, Prepared, Reason, decide};
use crate::facts::{Links, ResourceFacts};
use crate::label::SensitivityMap;
use crate::obligation::Obligations;
use crate::policy::Policies;
use crate::redact::{self, Removed};
use crate::request::AccessRequest;
use crate::settings::{Labelling, Settings};

mod container;
mod known;

pub use container::{attachments, patients_in, release_bundle, release_following, told_of};
pub use known::{Known, Whole, release_known};

/// Something the consents let out. Only this module makes it; whoever renders or sends takes nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permitted<T>(T);

impl<T> Permitted<T> {
    /// What was permitted.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// What was permitted, by value: for the last step, which writes it out.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Permitted<Vec<T>> {
    /// Puts together what was permitted one by one.
    pub fn gather(parts: impl IntoIterator<Item = Permitted<T>>) -> Self {
        Self(parts.into_iter().map(|part| part.0).collect())
    }

    /// Takes apart what was permitted together.
    pub fn split(self) -> impl Iterator<Item = Permitted<T>> {
        self.0.into_iter().map(Permitted)
    }
}

/// A released resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// `Type/id`.
    pub reference: SmolStr,
    /// The resource, without what was removed.
    pub json: Json,
    /// The text it was read from, if that may leave as it stands; `None` once something was removed.
    pub text: Option<Arc<[u8]>>,
    /// Elements that were removed for their labels, as paths in the resource before the removal.
    pub removed: Vec<String>,
    /// Something was removed; the resource then has no narrative and the label `REDACTED`.
    pub redacted: bool,
    /// Why it was released.
    pub decision: Decision,
}

impl Content {
    /// The bytes that leave: the stored text where nothing was removed.
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match &self.text {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(self.json.to_bytes()),
        }
    }
}

/// Everything a release is decided by, except the resource.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The consents.
    pub policies: &'a Policies,
    /// Who asks for what.
    pub request: &'a AccessRequest,
    /// How the site has set the rules.
    pub settings: &'a Settings,
    /// The moment of the decision.
    pub now: Instant,
    /// What other resources say; `None`: not looked up, so that a deny about related or authored data holds.
    pub links: Option<&'a Links>,
    /// The sensitivity map for [`Labelling::Map`]; without one that setting is as [`Labelling::Unavailable`].
    pub map: Option<&'a SensitivityMap>,
}

impl Context<'_> {
    /// The facts of a resource, linked and labelled as the site has it.
    pub fn facts(&self, json: &Json) -> ResourceFacts {
        let mut facts = ResourceFacts::from(json);
        if let Some(links) = self.links {
            facts.link(links);
        }
        if let (Labelling::Map, Some(map)) = (self.settings.labelling, self.map) {
            facts.map_labels(json, map);
        }
        facts
    }

    /// The decision on a resource.
    pub fn decide(&self, facts: &ResourceFacts) -> Decision {
        let decision = match self.settings.labelling {
            Labelling::Map if self.map.is_none() => {
                let settings = self.unlabelled();
                decide(self.policies, self.request, facts, &settings, self.now)
            }
            _ => decide(self.policies, self.request, facts, self.settings, self.now),
        };
        self.mapped(decision)
    }

    /// Nobody has labelled: what holds where the map was to run and is not there.
    fn unlabelled(&self) -> Settings {
        Settings { labelling: Labelling::Unavailable, ..self.settings.clone() }
    }

    /// Notes which map labelled what was decided.
    fn mapped(&self, decision: Decision) -> Decision {
        match (self.settings.labelling, self.map) {
            (Labelling::Map, Some(map)) => Decision { map: Some(map.version().clone()), ..decision },
            _ => decision,
        }
    }

    fn content(&self, json: Json, text: Option<Arc<[u8]>>, facts: &ResourceFacts, decision: Decision) -> Content {
        let mut content = Content {
            reference: SmolStr::new(facts.reference()),
            json,
            text,
            removed: Vec::new(),
            redacted: false,
            decision,
        };
        if redact::has_inline_labels(&content.json) {
            let mut permits = |labels| self.decide(&facts.with_labels(labels)).is_permit();
            let removed = redact::labelled_elements(&mut content.json, &mut permits);
            content.take_note_of(removed);
        }
        content
    }
}

impl Content {
    fn take_note_of(&mut self, removed: Removed) {
        if removed.any() {
            redact::mark(&mut self.json);
            self.text = None;
            self.redacted = true;
            self.removed.extend(removed.elements);
        }
    }
}

/// Decides one resource and takes out the elements whose own labels are not permitted.
///
/// `text` is the stored text of `json`; it is given back with the content where nothing was removed.
///
/// # Errors
/// The decision, where the resource is withheld. Whoever asked must get the answer for an unknown id.
pub fn release(context: &Context<'_>, json: Json, text: Option<Arc<[u8]>>) -> Result<Permitted<Content>, Decision> {
    let facts = context.facts(&json);
    let decision = context.decide(&facts);
    match decision.effect {
        Effect::Permit(_) => Ok(Permitted(context.content(json, text, &facts, decision))),
        Effect::Deny(_) => Err(decision),
    }
}

/// A resource that would be part of an answer.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    /// The resource.
    pub json: Json,
    /// Its stored text.
    pub text: Option<Arc<[u8]>>,
    /// Resources on whose content its selection rests (`_has`, chained parameters, `_include`): if one of them is
    /// withheld, so is the candidate.
    pub selected_by: Vec<&'a Json>,
    /// The resource that this one, a Binary, belongs to: it is decided as in [`release_following`]. A Binary of nobody is
    /// withheld.
    pub follows: Option<Json>,
}

/// A resource that stays.
#[derive(Clone, Debug, PartialEq)]
pub struct Withheld {
    /// `Type/id`.
    pub reference: SmolStr,
    /// Why. Never for the caller.
    pub decision: Decision,
}

/// What is left of an answer.
#[derive(Clone, Debug)]
pub struct Released {
    /// What may leave, in the order of the candidates.
    pub permitted: Permitted<Vec<Content>>,
    /// What stays, in the order of the candidates.
    pub withheld: Vec<Withheld>,
    /// Break-glass was needed for at least one of them.
    pub btg: bool,
}

impl Released {
    /// What is owed for the release as a whole.
    pub fn obligations(&self) -> Obligations {
        let owed = |content: &Content| Some(content.decision.obligations()).filter(|it| !it.is_empty());
        self.permitted.get().iter().find_map(owed).unwrap_or_default()
    }
}

/// Decides resources that would leave together: each by itself, then without a trace of those that stay.
///
/// Of a document (a Composition among them) the references to what stays go, and the narratives beside them.
pub fn release_all<'a>(context: &Context<'_>, candidates: impl IntoIterator<Item = Candidate<'a>>) -> Released {
    let mut contents = Vec::new();
    let mut withheld = Vec::new();
    let unlabelled =
        (context.settings.labelling == Labelling::Map && context.map.is_none()).then(|| context.unlabelled());
    let settings = unlabelled.as_ref().unwrap_or(context.settings);
    let prepared = Prepared::new(context.policies, context.request, settings, context.now);
    for candidate in candidates {
        let mut facts = context.facts(&candidate.json);
        let mut decision = match &candidate.follows {
            Some(followed) => container::following(context, &mut facts, &context.facts(followed)),
            None => context.mapped(prepared.decide(&facts)),
        };
        if decision.is_permit() && !context.permits_all(&candidate.selected_by) {
            decision = Decision::deny(Reason::Selection);
        }
        if decision.is_permit() {
            contents.push(context.content(candidate.json, candidate.text, &facts, decision));
        } else {
            withheld.push(Withheld { reference: SmolStr::new(facts.reference()), decision });
        }
    }
    let gone: Vec<SmolStr> = withheld.iter().map(|it| it.reference.clone()).collect();
    for content in &mut contents {
        let removed = redact::traces_of(&gone, &mut content.json);
        content.take_note_of(removed);
    }
    let btg = contents.iter().any(|content| content.decision.btg);
    Released { permitted: Permitted(contents), withheld, btg }
}

impl Context<'_> {
    fn permits_all(&self, resources: &[&Json]) -> bool {
        resources.iter().all(|json| self.decide(&self.facts(json)).is_permit())
    }
}

#[cfg(test)]
mod tests;
