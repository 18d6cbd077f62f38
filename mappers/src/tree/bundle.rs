//! From a document to a Bundle of type document.

use std::collections::HashMap;

use formats::cda::{Document, Element};
use model::id::{ResourceId, uuid_v5};
use model::json::{Json, Object};
use model::outcome::Issue;
use smol_str::{SmolStr, SmolStrBuilder};

use super::run::Run;
use crate::eval::{names, reference};
use crate::package::Package;
use crate::trace::Account;
use crate::types::{Context, Mapped};

/// Turns a document into a Bundle. Never fails: what is wrong with the content is an issue.
pub(crate) fn map_document(package: &Package, document: &Document, context: &Context<'_>, account: Account) -> Mapped {
    let compiled = package.compiled();
    let mut run = Run::new(compiled, document, context, account);
    let root = document.root();
    run.key = document_key(root);
    let mut made = Vec::new();
    run.dispatch(root, &mut made);
    if run.resources.is_empty() {
        let text = "no table of the package reads this document";
        run.issues.push(Issue::error("not-supported", text).at(root.xpath()));
    }
    run.repeats(package);
    run.check();
    let patient = run.resources.iter().find(|resource| resource.kind == "Patient");
    let patient = patient.and_then(|resource| ResourceId::parse(&resource.id).ok());
    add_provenance(package, &mut run);
    let names = run.resources.iter().map(|resource| resource.name.clone());
    run.trace.finish_tree(document, names.collect(), compiled);
    let top = run.resources.iter().find(|resource| resource.kind == "Bundle").map(|resource| &resource.object);
    if !top.is_some_and(is_document) {
        let text = "the document has no id or no time that a document Bundle needs: it is given as a collection";
        run.issues.push(Issue::warning("required", text).at(root.xpath()));
    }
    let (resources, trace, issues) = (run.resources, run.trace, run.issues);
    Mapped { bundle: bundle(resources), issues, patient, merges: Vec::new(), trace }
}

/// What names a document among those of its source: its id, else its time and title.
fn document_key(root: Element<'_>) -> String {
    let child = |name: &str| root.children().find(|child| child.name() == name);
    let attribute =
        |name: &str, attribute: &str| child(name).and_then(|child| child.attribute(attribute)).unwrap_or_default();
    format!("{}|{}|{}", attribute("id", "root"), attribute("id", "extension"), attribute("effectiveTime", "value"))
}

impl Run<'_, '_> {
    /// A Provenance for each clinical resource that the document says again, with the sections where it does.
    fn repeats(&mut self, package: &Package) {
        let again = std::mem::take(&mut self.again);
        // What no document dates is not dated: the time is the document's own.
        let (Some(recorded), Some(home)) = (self.recorded(), self.composition()) else { return };
        let mut told: Vec<(usize, Vec<Json>)> = Vec::new();
        for (number, element) in again {
            let kind = self.resources.get(number).map(|resource| resource.kind.as_str()).unwrap_or_default();
            if SUPPORT.contains(&kind) {
                continue;
            }
            let mut what = Object::of([("reference", Json::String(home.clone()))]);
            if let Some(title) = section_title(element) {
                what.insert("display", title);
            }
            let place = Json::object([("role", Json::from("source")), ("what", Json::Object(what))]);
            match told.iter_mut().find(|(known, _)| *known == number) {
                Some((_, places)) => places.push(place),
                None => told.push((number, vec![place])),
            }
        }
        for (number, places) in told {
            let Some(name) = self.name_of(number).cloned() else { continue };
            let kind = SmolStr::new_static("Provenance");
            let id = uuid_v5(self.context.namespace, &[self.context.source, &kind, &self.key, &name]);
            if self.ids.contains_key(&id) {
                continue;
            }
            let node = self.trace.root(u32::try_from(self.resources.len()).unwrap_or(u32::MAX), &kind);
            let (text, full) = names(&kind, id);
            let object = Object::of([
                ("resourceType", Json::String(kind.clone())),
                ("id", Json::String(text.clone())),
                ("target", Json::array([reference(&name)])),
                ("recorded", recorded.clone()),
                ("agent", Json::array([package.assembler().clone()])),
                ("entity", Json::Array(places)),
            ]);
            self.ids.insert(id, self.resources.len());
            self.resources.push(crate::eval::Resource::new(kind, text, full, object, node, crate::map::SELF));
        }
    }

    /// The name of the document's Composition.
    fn composition(&self) -> Option<SmolStr> {
        self.resources.iter().find(|resource| resource.kind == "Composition").map(|home| home.name.clone())
    }

    /// When the document was made, as the resources made of it say.
    fn recorded(&self) -> Option<Json> {
        let of = |kind: &str, member: &str| {
            let resource = self.resources.iter().find(|resource| resource.kind == kind);
            resource.and_then(|resource| resource.object.get(member)).cloned()
        };
        of("Provenance", "recorded").or_else(|| of("Bundle", "timestamp"))
    }
}

/// What clinical content refers to: said wherever it is needed.
const SUPPORT: [&str; 8] =
    ["Device", "Location", "Organization", "Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Specimen"];

/// The title of the section an element stands in.
fn section_title(element: Element<'_>) -> Option<String> {
    let mut at = element;
    while at.name() != "section" {
        at = at.parent()?;
    }
    let title = at.children().find(|child| child.name() == "title")?.text().trim().to_owned();
    (!title.is_empty()).then_some(title)
}

/// Says in the document's Provenance what was made and by which package. FHIR R4 provenance.html.
fn add_provenance(package: &Package, run: &mut Run<'_, '_>) {
    let made = |kind: &str| !matches!(kind, "Bundle" | "Provenance");
    let targets: Vec<Json> = run
        .resources
        .iter()
        .filter(|resource| made(&resource.kind) && !resource.object.is_empty())
        .map(|resource| reference(&resource.name))
        .collect();
    let Some(provenance) = run.resources.iter_mut().find(|resource| resource.kind == "Provenance") else { return };
    if provenance.object.contains_key("target") {
        return;
    }
    provenance.object.insert("target", Json::Array(targets));
    let agents = provenance.object.get_or_insert_with("agent", || Json::Array(Vec::new()));
    if let Some(agents) = agents.as_array_mut() {
        agents.push(package.assembler().clone());
    }
}

fn full_url(id: &str) -> SmolStr {
    let mut out = SmolStrBuilder::new();
    out.push_str("urn:uuid:");
    out.push_str(id);
    out.finish()
}

/// Gives references to resources of the document the fullUrl of their entry.
fn relink(object: &mut Object, links: &HashMap<SmolStr, SmolStr>) {
    for (name, value) in object.iter_mut() {
        match value {
            Json::String(text) if matches!(name, "reference" | "url") => {
                if let Some(link) = links.get(text) {
                    *text = link.clone();
                }
            }
            Json::Object(inner) => relink(inner, links),
            Json::Array(items) => {
                items.iter_mut().filter_map(Json::as_object_mut).for_each(|inner| relink(inner, links))
            }
            _ => {}
        }
    }
}

/// Whether a Bundle may be of type document: it has an identifier and a time (FHIR R4 bundle.html, bdl-9 and bdl-10).
fn is_document(bundle: &Object) -> bool {
    let identifier = bundle.get("identifier");
    let has = |name: &str| identifier.is_some_and(|identifier| identifier.get(name).is_some());
    has("system") && has("value") && bundle.get("timestamp").is_some()
}

/// The document Bundle: the Composition first, then what it leads to, in the order of the document.
fn bundle(resources: Vec<crate::eval::Resource>) -> Json {
    // In a document an entry is referred to by its fullUrl (FHIR R4 bundle.html, "Resolving references in Bundles").
    let mut links: HashMap<SmolStr, SmolStr> = HashMap::new();
    for resource in resources.iter().filter(|resource| !resource.object.is_empty()) {
        links.insert(resource.name.clone(), full_url(&resource.id));
    }
    let mut top = Object::new();
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for mut resource in resources {
        relink(&mut resource.object, &links);
        if resource.object.is_empty() {
            continue;
        }
        if resource.kind == "Bundle" {
            top = resource.object;
            continue;
        }
        let list = if resource.kind == "Composition" && first.is_empty() { &mut first } else { &mut rest };
        list.push(Json::object([
            ("fullUrl", Json::String(full_url(&resource.id))),
            ("resource", Json::Object(resource.object)),
        ]));
    }
    first.append(&mut rest);
    let mut out = Object::with_capacity(8);
    out.insert("resourceType", "Bundle");
    for (name, value) in top.into_iter().filter(|(name, _)| name != "resourceType") {
        out.insert(name, value);
    }
    out.insert("type", if is_document(&out) { "document" } else { "collection" });
    if !first.is_empty() {
        out.insert("entry", Json::Array(first));
    }
    Json::Object(out)
}
