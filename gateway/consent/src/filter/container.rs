//! What leaves as part of something else, or by the right of something else: the entries of a Bundle, a Binary, and what a
//! resource tells of its neighbours.

use model::id::Reference;
use model::json::{Json, Object};
use model::resource::{self, rewrite_references};
use smol_str::{SmolStr, format_smolstr};

use super::{Content, Context, Permitted};
use crate::decide::{Decision, Reason};
use crate::facts::ResourceFacts;
use crate::redact;

impl Permitted<Content> {
    /// The same without a trace of these withheld resources (`Type/id`): display texts, and in a Composition the entries
    /// with the narrative beside them. It only ever takes away.
    #[must_use]
    pub fn without_traces(mut self, withheld: &[String]) -> Self {
        let withheld: Vec<SmolStr> = withheld.iter().map(SmolStr::new).collect();
        let removed = redact::traces_of(&withheld, &mut self.0.json);
        self.0.take_note_of(removed);
        self
    }
}

/// What a resource says something about: the targets of references with a display text, and all of a Composition. Whoever
/// releases the resource looks whether those may be seen, and takes the traces of the others out.
pub fn told_of(resource: &Json) -> Vec<Reference> {
    let is_document = resource::resource_type(resource) == Some("Composition");
    let mut told = Vec::new();
    collect(resource, is_document, &mut told);
    told.sort();
    told.dedup();
    told
}

fn collect(json: &Json, is_document: bool, told: &mut Vec<Reference>) {
    match json {
        Json::Array(items) => items.iter().for_each(|item| collect(item, is_document, told)),
        Json::Object(object) => {
            if let Some(target) = object.get("reference").and_then(Json::as_str)
                && (is_document || object.contains_key("display"))
            {
                told.extend(Reference::parse(target).ok());
            }
            object.iter().for_each(|(_, value)| collect(value, is_document, told));
        }
        _ => {}
    }
}

/// Decides what says nothing about itself, a Binary, by the resource that it belongs to: that one must be permitted, and
/// the Binary too as data of the same patients.
///
/// # Errors
/// The decision that withholds it.
pub fn release_following(
    context: &Context<'_>,
    json: Json,
    text: Option<std::sync::Arc<[u8]>>,
    followed: &Json,
) -> Result<Permitted<Content>, Decision> {
    let mut facts = context.facts(&json);
    let decision = following(context, &mut facts, &context.facts(followed));
    match decision.is_permit() {
        true => Ok(Permitted(context.content(json, text, &facts, decision))),
        false => Err(decision),
    }
}

pub(super) fn following(context: &Context<'_>, facts: &mut ResourceFacts, followed: &ResourceFacts) -> Decision {
    let first = context.decide(followed);
    if !first.is_permit() || followed.is_directory() {
        return first;
    }
    facts.patients.clone_from(&followed.patients);
    context.decide(facts)
}

/// The patients (`Patient/id`) whose consents decide on a Bundle: those that its entries name.
pub fn patients_in(bundle: &Json) -> Vec<SmolStr> {
    let names = Names::of(bundle);
    let mut patients = Vec::new();
    for entry in bundle.items("entry") {
        let Some(resource) = entry.get("resource") else { continue };
        for patient in resource::patients_of(&names.resolved(resource)) {
            let patient = format_smolstr!("Patient/{patient}");
            if !patients.contains(&patient) {
                patients.push(patient);
            }
        }
    }
    patients
}

/// Decides a stored Bundle entry by entry, each under the labels of the Bundle as well, and takes out what is withheld with
/// every trace of it. A document is withheld with its Composition; a Bundle of which nothing is left is withheld.
///
/// # Errors
/// The decision that withholds the whole.
pub fn release_bundle(context: &Context<'_>, mut bundle: Json) -> Result<Permitted<Content>, Decision> {
    let names = Names::of(&bundle);
    let whole = context.facts(&head_of(&bundle));
    let is_document = matches!(bundle.text_at(&["type"]), Some("document" | "message"));
    let Some(entries) = bundle.get_mut("entry").and_then(Json::as_array_mut) else {
        return Err(Decision::deny(Reason::NoPatient));
    };
    let (mut kept, mut gone): (Vec<Kept>, Vec<SmolStr>) = (Vec::new(), Vec::new());
    let mut binaries = Vec::new();
    let mut refused = None;
    for (index, mut entry) in std::mem::take(entries).into_iter().enumerate() {
        let own = names.of_entry(index);
        let Some(resource) = entry.as_object_mut().and_then(|object| object.remove("resource")) else {
            // A request without content tells of nothing that was decided.
            gone.extend(own);
            continue;
        };
        let resolved = names.resolved(&resource);
        let mut facts = context.facts(&resolved);
        facts.labels.merge(&whole.labels);
        let one = Entry { index, entry, resource, resolved };
        if facts.resource_type == "Binary" {
            binaries.push((one, facts, own));
            continue;
        }
        let decision = context.decide(&facts);
        if decision.is_permit() {
            kept.push(Kept { facts, decision, one });
        } else {
            gone.extend(own);
            if is_document && index == 0 {
                return Err(decision);
            }
            refused.get_or_insert(decision);
        }
    }
    for (one, mut facts, own) in binaries {
        let decision = match follows(&one, &own, &kept) {
            Some(followed) => following(context, &mut facts, followed),
            None => Decision::deny(Reason::NoPatient),
        };
        if decision.is_permit() {
            kept.push(Kept { facts, decision, one });
        } else {
            gone.extend(own);
            refused.get_or_insert(decision);
        }
    }
    kept.sort_by_key(|kept| kept.one.index);
    // Directory entries alone would tell that there was something about somebody.
    let about_somebody = kept.iter().any(|kept| !kept.facts.is_directory());
    let Some(first) = kept.first().filter(|_| about_somebody || refused.is_none()) else {
        return Err(refused.unwrap_or_else(|| Decision::deny(Reason::NoPatient)));
    };
    let decision = kept.iter().map(|kept| &kept.decision).find(|one| one.btg).unwrap_or(&first.decision).clone();
    let mut removed = redact::Removed { traces: !gone.is_empty(), ..redact::Removed::default() };
    let mut left = Vec::with_capacity(kept.len());
    for Kept { facts, decision, one } in kept {
        let mut content = context.content(one.resource, None, &facts, decision);
        let traces = redact::traces_of(&gone, &mut content.json);
        content.take_note_of(traces);
        removed.traces |= content.redacted;
        let mut entry = one.entry;
        if let Some(object) = entry.as_object_mut() {
            object.insert("resource", content.json);
        }
        left.push(entry);
    }
    if let Some(object) = bundle.as_object_mut() {
        object.insert("entry", Json::Array(left));
        if removed.any() {
            // A count of what there was, a signature over what is gone, and links to more of it.
            for name in ["total", "signature", "link"] {
                object.remove(name);
            }
        }
    }
    let mut content = Content {
        reference: SmolStr::new(whole.reference()),
        json: bundle,
        text: None,
        removed: Vec::new(),
        redacted: false,
        decision,
    };
    content.take_note_of(removed);
    Ok(Permitted(content))
}

/// An entry on its way: without its resource, its resource, and that with references as the decision reads them.
struct Entry {
    index: usize,
    entry: Json,
    resource: Json,
    resolved: Json,
}

struct Kept {
    facts: ResourceFacts,
    decision: Decision,
    one: Entry,
}

/// The kept entry that a Binary belongs to: the one its security context names, else one that names it as an attachment.
fn follows<'k>(binary: &Entry, own: &[SmolStr], kept: &'k [Kept]) -> Option<&'k ResourceFacts> {
    if binary.resource.get("securityContext").is_some() {
        let context = binary.resolved.text_at(&["securityContext", "reference"])?;
        return kept.iter().map(|kept| &kept.facts).find(|facts| facts.reference() == context);
    }
    let names_it = |kept: &&Kept| attachments(&kept.one.resource).iter().any(|url| own.iter().any(|name| name == url));
    kept.iter().find(names_it).map(|kept| &kept.facts)
}

/// The addresses of every attachment of a resource.
pub fn attachments(json: &Json) -> Vec<&str> {
    match json {
        Json::Array(items) => items.iter().flat_map(attachments).collect(),
        Json::Object(object) => {
            let own = object.iter().filter(|(name, _)| *name == "url").filter_map(|(_, value)| value.as_str());
            own.chain(object.iter().flat_map(|(_, value)| attachments(value))).collect()
        }
        _ => Vec::new(),
    }
}

/// A Bundle without its content: what its own labels are read from.
fn head_of(bundle: &Json) -> Json {
    let mut head = Object::new();
    for name in ["resourceType", "id", "meta"] {
        if let Some(value) = bundle.get(name) {
            head.insert(name, value.clone());
        }
    }
    head.into()
}

/// What the entries of a Bundle go by: `Type/id` and `fullUrl`. FHIR R4 bundle.html, "Resolving references in Bundles".
struct Names(Vec<(Option<SmolStr>, Option<SmolStr>)>);

impl Names {
    fn of(bundle: &Json) -> Self {
        let name = |entry: &Json| {
            let resource = entry.get("resource");
            let url = entry.get("fullUrl").and_then(Json::as_str);
            let own = resource.and_then(|it| {
                let name = resource::resource_type(it)?;
                // Without an id of its own it is what the end of its address says.
                let id = resource::id(it).or_else(|| url?.rsplit_once(&format!("/{name}/")).map(|(_, id)| id))?;
                Some(format_smolstr!("{name}/{id}"))
            });
            (own, url.map(SmolStr::new))
        };
        Self(bundle.items("entry").iter().map(name).collect())
    }

    fn of_entry(&self, index: usize) -> Vec<SmolStr> {
        let Some((own, url)) = self.0.get(index) else { return Vec::new() };
        own.iter().chain(url).cloned().collect()
    }

    /// The resource with references to entries as `Type/id`, so that consents find the patients they are about.
    fn resolved(&self, resource: &Json) -> Json {
        let mut resolved = resource.clone();
        rewrite_references(&mut resolved, &mut |target| {
            let found = self.0.iter().find(|(_, url)| url.as_deref() == Some(target));
            found.and_then(|(own, _)| own.as_ref()).map(ToString::to_string)
        });
        resolved
    }
}

#[cfg(test)]
mod tests;
