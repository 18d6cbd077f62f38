//! Documents and messages: their first entry, and that all entries hang together. FHIR R4 documents.html,
//! messaging.html.

use std::collections::BTreeSet;

use model::json::Json;
use model::resource::{id, resource_type};

use super::links::{self, Link, LinkKind};
use super::read::text;
use crate::place::Place;
use crate::report::Report;
use crate::resolve::{Index, Named, Resolver, Target, is_absolute};
use crate::scope::Scope;
use crate::xhtml;

pub(super) fn check(scope: &Scope<'_>, kind: &str, place: &Place<'_>, report: &mut Report) {
    let bundle = scope.resource;
    let list = place.member("entry");
    let head = if kind == "document" { "Composition" } else { "MessageHeader" };
    let Some(first) = bundle.items("entry").first() else {
        report.error("invalid", format!("expected a first entry with a {head}"), place);
        return;
    };
    let item = list.item(0);
    let Some(resource) = first.get("resource") else {
        report.error("invalid", format!("expected a {head} in the first entry"), &item);
        return;
    };
    let Some(index) = scope.resolver.bundle(bundle) else { return };
    let here = item.member("resource");
    let mut linked =
        Linked { bundle, resolver: scope.resolver, index, is_document: kind == "document", seen: BTreeSet::new() };
    if resource_type(resource) != Some(head) {
        report.error("invalid", format!("expected the first resource to be a {head}"), &here);
    } else if kind == "document" {
        composition(resource, &here, &mut linked, report);
    } else {
        for (at, focus) in resource.items("focus").iter().enumerate() {
            linked.part(focus, &here.member("focus").item(at), report);
        }
    }
    linked.check(place, report);
}

/// documents.html, "Document Content": what the Composition refers to is part of the document.
fn composition(composition: &Json, place: &Place<'_>, linked: &mut Linked<'_, '_>, report: &mut Report) {
    for name in ["subject", "encounter", "custodian"] {
        if let Some(reference) = composition.get(name) {
            linked.part(reference, &place.member(name), report);
        }
    }
    let mut list = |json: &Json, name: &str, place: &Place<'_>, report: &mut Report| {
        for (at, reference) in json.items(name).iter().enumerate() {
            linked.part(reference, &place.member(name).item(at), report);
        }
    };
    list(composition, "author", place, report);
    for (at, event) in composition.items("event").iter().enumerate() {
        list(event, "detail", &place.member("event").item(at), report);
    }
    for (at, attester) in composition.items("attester").iter().enumerate() {
        if let Some(party) = attester.get("party") {
            linked.part(party, &place.member("attester").item(at).member("party"), report);
        }
    }
    sections(composition, place, linked, 0, report);
}

fn sections(json: &Json, place: &Place<'_>, linked: &mut Linked<'_, '_>, depth: usize, report: &mut Report) {
    if depth > 32 {
        return;
    }
    for (at, section) in json.items("section").iter().enumerate() {
        let list = place.member("section");
        let here = list.item(at);
        for name in ["author", "entry"] {
            for (at, reference) in section.items(name).iter().enumerate() {
                linked.part(reference, &here.member(name).item(at), report);
            }
        }
        if let Some(focus) = section.get("focus") {
            linked.part(focus, &here.member("focus"), report);
        }
        sections(section, &here, linked, depth + 1, report);
    }
}

/// The entries of a Bundle and what holds them together.
struct Linked<'r, 'i> {
    bundle: &'r Json,
    resolver: &'i Resolver<'r>,
    index: &'i Index<'r>,
    is_document: bool,
    /// References that have been spoken of: entry and text.
    seen: BTreeSet<(usize, String)>,
}

/// How a link of one entry is answered by the others.
enum Answer {
    Entry(usize),
    /// The full URL is there more than once.
    Several,
    /// An entry has the type and the id, but by its full URL it is another resource.
    Apparent,
    Nothing,
    /// Nothing to expect: not a reference of a form that entries answer to.
    Elsewhere,
}

impl<'r> Linked<'r, '_> {
    /// A Reference of the first resource that has to lead to an entry.
    fn part(&mut self, reference: &Json, place: &Place<'_>, report: &mut Report) {
        let Some(reference) = text(reference, "reference").filter(|text| !text.starts_with('#')) else { return };
        let expected = "expected the reference to lead to an entry";
        match self.answer(0, reference) {
            Answer::Entry(_) | Answer::Elsewhere => return,
            Answer::Nothing => report.error("not-found", expected, place),
            Answer::Several => report.error("invalid", "expected one entry with that fullUrl", place),
            Answer::Apparent => {
                let text = format!("{expected}: by its fullUrl the entry of that type and id is another one");
                report.error("invalid", text, place);
            }
        }
        self.seen.insert((0, reference.to_owned()));
    }

    fn answer(&self, from: usize, reference: &str) -> Answer {
        let plain = reference.split('#').next().unwrap_or_default();
        if is_absolute(plain) {
            let mut found = self.index.with_full_url(plain.split("/_history/").next().unwrap_or_default());
            return match (found.next(), found.next()) {
                (Some(entry), None) => Answer::Entry(entry),
                (Some(_), Some(_)) => match self.index.resolve(from, plain) {
                    Target::Bundled { entry, .. } => Answer::Entry(entry),
                    _ => Answer::Several,
                },
                // Canonical resources are known to a server, not part of a document.
                _ if Named::parse(plain).is_some_and(|named| CANONICAL.contains(&named.type_name)) => Answer::Elsewhere,
                _ => Answer::Nothing,
            };
        }
        let base = self.bundle.items("entry").get(from).and_then(|entry| text(entry, "fullUrl"));
        if base.and_then(Named::parse).is_some() {
            match self.index.resolve(from, plain) {
                Target::Bundled { entry, .. } => return Answer::Entry(entry),
                Target::Ambiguous => return Answer::Several,
                _ => {}
            }
        }
        match Named::parse(plain) {
            Some(named) if self.index.named(named.type_name, named.id).next().is_some() => Answer::Apparent,
            Some(_) => Answer::Nothing,
            None => Answer::Elsewhere,
        }
    }

    /// Every entry is reached from the first one, along references or against them.
    fn check(&mut self, place: &Place<'_>, report: &mut Report) {
        let entries = self.bundle.items("entry");
        let list = place.member("entry");
        let targets: Vec<BTreeSet<usize>> =
            (0..entries.len()).map(|at| self.targets(at, &list.item(at), report)).collect();
        let has_resource = |at: usize| entries.get(at).is_some_and(|entry| entry.get("resource").is_some());
        let mut visited: BTreeSet<usize> = BTreeSet::new();
        let mut fresh = Vec::new();
        visit(0, &targets, &mut visited, &mut fresh);
        for entry in self.style_sheets() {
            if visited.insert(entry) {
                fresh.push(entry);
            }
        }
        let mut sources: Vec<Vec<usize>> = vec![Vec::new(); entries.len()];
        for (at, own) in targets.iter().enumerate() {
            for target in own {
                if let Some(sources) = sources.get_mut(*target) {
                    sources.push(at);
                }
            }
        }
        loop {
            let backwards: BTreeSet<usize> = std::mem::take(&mut fresh)
                .into_iter()
                .filter_map(|at| sources.get(at))
                .flatten()
                .copied()
                .filter(|at| has_resource(*at) && !visited.contains(at))
                .collect();
            if backwards.is_empty() {
                break;
            }
            for at in backwards {
                let name = entries.get(at).and_then(|entry| resource_type(entry.get("resource")?));
                if name != Some("Provenance") && visited.insert(at) {
                    let text = "the entry is linked to the first one only by its own references";
                    if self.is_document {
                        report.warning("invalid", text, &list.item(at));
                    } else {
                        report.information("informational", text, &list.item(at));
                    }
                }
                visited.remove(&at);
                visit(at, &targets, &mut visited, &mut fresh);
            }
        }
        for at in (0..entries.len()).filter(|at| has_resource(*at) && !visited.contains(at)) {
            let expected = "expected the entry to be reached from the first one by references";
            if self.is_document {
                report.error("informational", expected, &list.item(at));
            } else {
                report.warning("informational", expected, &list.item(at));
            }
        }
    }

    /// The entries that an entry links to. Says what is wrong with its links on the way.
    fn targets(&mut self, at: usize, place: &Place<'_>, report: &mut Report) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let Some(resource) = self.bundle.items("entry").get(at).and_then(|entry| entry.get("resource")) else {
            return found;
        };
        links::each(resource, &place.member("resource"), &mut |link, here| {
            if let Some(entry) = self.link(at, link, here, report)
                && entry != at
            {
                found.insert(entry);
            }
        });
        found
    }

    fn link(&mut self, at: usize, link: Link<'_>, place: &Place<'_>, report: &mut Report) -> Option<usize> {
        match self.answer(at, link.text) {
            Answer::Entry(entry) => {
                if let Some((_, fragment)) = link.text.split_once('#') {
                    self.fragment(entry, fragment, link.kind, place, report);
                }
                return Some(entry);
            }
            Answer::Several if self.seen.insert((at, link.text.to_owned())) => {
                report.error("invalid", "expected one entry with that fullUrl", place);
            }
            Answer::Apparent if self.seen.insert((at, link.text.to_owned())) => {
                let text = "expected the link to lead to an entry: by its fullUrl the entry of that type and id is \
                            another one";
                if self.is_document {
                    report.error("invalid", text, place);
                } else {
                    report.warning("invalid", text, place);
                }
            }
            Answer::Nothing if link.kind == LinkKind::Reference && self.seen.insert((at, link.text.to_owned())) => {
                report.information("not-found", "the reference leads out of the Bundle", place);
            }
            _ => {}
        }
        None
    }

    /// The part of an entry that a link names: one element or one place of the narrative.
    fn fragment(&self, entry: usize, fragment: &str, kind: LinkKind, place: &Place<'_>, report: &mut Report) {
        let Some(resource) = self.bundle.items("entry").get(entry).and_then(|entry| entry.get("resource")) else {
            return;
        };
        match count_ids(self.resolver, resource, fragment) {
            1 => {}
            0 if kind == LinkKind::Narrative => {
                report.error("not-found", "expected the linked resource to have an element of that id", place);
            }
            0 => report.information("not-found", "the linked resource has no element of that id", place),
            _ => report.error("invalid", "expected the linked resource to have one element of that id", place),
        }
    }

    /// Binaries that links of the Bundle name as style sheets.
    fn style_sheets(&self) -> Vec<usize> {
        let urls = self.bundle.items("link").iter().filter(|link| text(link, "relation") == Some("stylesheet"));
        urls.filter_map(|link| text(link, "url")?.split_once('/'))
            .flat_map(|(name, id)| self.index.named(name, id).take(1))
            .collect()
    }
}

/// Adds what is reached from an entry, to `fresh` what had not been reached before.
fn visit(from: usize, targets: &[BTreeSet<usize>], visited: &mut BTreeSet<usize>, fresh: &mut Vec<usize>) {
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        if visited.insert(at) {
            fresh.push(at);
            open.extend(targets.get(at).into_iter().flatten());
        }
    }
}

/// How many elements have the id: of the resource, in its elements, in its narratives. One, unseen, when too much has
/// been looked at.
pub(super) fn count_ids(resolver: &Resolver<'_>, json: &Json, wanted: &str) -> usize {
    if !resolver.affords(0) {
        return 1;
    }
    let mut seen = 0;
    let found = count(json, wanted, 0, &mut seen);
    resolver.affords(seen);
    found
}

fn count(json: &Json, wanted: &str, depth: usize, seen: &mut usize) -> usize {
    *seen += 1;
    if depth > 64 {
        return 0;
    }
    match json {
        Json::Array(items) => items.iter().map(|item| count(item, wanted, depth + 1, seen)).sum(),
        Json::Object(object) => {
            let own = usize::from(id(json) == Some(wanted));
            let mut inner = 0;
            for (name, value) in object.iter() {
                inner += match value {
                    Json::String(narrative) if name == "div" => {
                        *seen += narrative.len() / 16;
                        let document = xhtml::read(narrative);
                        document.map_or(0, |document| document.anchors().filter(|anchor| *anchor == wanted).count())
                    }
                    value => count(value, wanted, depth + 1, seen),
                };
            }
            own + inner
        }
        _ => 0,
    }
}

/// Resources that have a canonical URL. FHIR R4 resource.html, "Canonical Resources".
pub(super) const CANONICAL: &[&str] = &[
    "ActivityDefinition",
    "CapabilityStatement",
    "ChargeItemDefinition",
    "CodeSystem",
    "CompartmentDefinition",
    "ConceptMap",
    "EffectEvidenceSynthesis",
    "EventDefinition",
    "Evidence",
    "EvidenceVariable",
    "ExampleScenario",
    "GraphDefinition",
    "ImplementationGuide",
    "Library",
    "Measure",
    "MessageDefinition",
    "NamingSystem",
    "OperationDefinition",
    "PlanDefinition",
    "Questionnaire",
    "ResearchDefinition",
    "ResearchElementDefinition",
    "RiskEvidenceSynthesis",
    "SearchParameter",
    "StructureDefinition",
    "StructureMap",
    "TerminologyCapabilities",
    "TestScript",
    "ValueSet",
];
