//! The resources of a Bundle and what their references lead to.

use std::collections::HashMap;

use model::json::Json;

use crate::map_message::PACKAGE_SYSTEM;

use super::paths::address;

/// The resources of a Bundle, contained ones included, by reference.
pub(crate) struct Library<'b> {
    pub(crate) resources: Vec<&'b Json>,
    by_name: HashMap<String, usize>,
    /// `system|value` of identifiers, by type; what two resources share leads nowhere.
    by_identifier: HashMap<(String, String), Option<usize>>,
    /// References to contained resources, by address.
    inner: HashMap<usize, usize>,
    /// Types of resources that the Bundle's requests are to create.
    created: Vec<&'b str>,
    /// Whether the Bundle is what a mapping package made of a message: its Provenance says so.
    pub(crate) made: bool,
}

impl<'b> Library<'b> {
    /// Takes a Bundle of any type, or one resource alone.
    pub(crate) fn new(bundle: &'b Json) -> Self {
        let mut library = Self::of(bundle.items("entry"));
        if model::resource::resource_type(bundle).is_some_and(|kind| kind != "Bundle") {
            library.add(bundle, None);
        }
        library
    }

    /// Takes the entries of a Bundle.
    pub(crate) fn of(entries: &'b [Json]) -> Self {
        let mut library = Self {
            resources: Vec::new(),
            by_name: HashMap::new(),
            by_identifier: HashMap::new(),
            inner: HashMap::new(),
            created: Vec::new(),
            made: false,
        };
        for entry in entries {
            // Some write the resource itself where its entry should be.
            let own = || Some(entry).filter(|entry| entry.get("resourceType").is_some());
            let Some(resource) = entry.get("resource").or_else(own) else { continue };
            if entry.text_at(&["request", "method"]) == Some("POST") {
                library.created.extend(model::resource::resource_type(resource));
            }
            library.add(resource, entry.get("fullUrl").and_then(Json::as_str));
        }
        library
    }

    fn add(&mut self, resource: &'b Json, url: Option<&str>) {
        let number = self.resources.len();
        let kind = model::resource::resource_type(resource).unwrap_or_default();
        let package = |agent: &Json| agent.text_at(&["who", "identifier", "system"]) == Some(PACKAGE_SYSTEM);
        self.made |= kind == "Provenance" && resource.items("agent").iter().any(package);
        if let Some(id) = resource.get("id").and_then(Json::as_str) {
            self.by_name.insert(format!("{kind}/{id}"), number);
        }
        if let Some(url) = url {
            self.by_name.insert(url.to_owned(), number);
        }
        for identifier in resource.items("identifier") {
            if let Some(key) = identifier_key(kind, identifier) {
                let known = self.by_identifier.entry(key).or_insert(Some(number));
                if *known != Some(number) {
                    *known = None;
                }
            }
        }
        self.resources.push(resource);
        let contained = resource.items("contained");
        if contained.is_empty() {
            return;
        }
        let mut names = HashMap::new();
        for inner in contained {
            if let Some(id) = inner.get("id").and_then(Json::as_str) {
                names.insert(id, self.resources.len());
            }
            self.resources.push(inner);
        }
        self.inward(resource, &names, 0);
    }

    /// Notes which reference names which contained resource.
    fn inward(&mut self, json: &'b Json, names: &HashMap<&str, usize>, depth: usize) {
        // Deeper than any resource of R4 goes.
        if depth > 64 {
            return;
        }
        match json {
            Json::Object(object) => {
                let named = object.get("reference").and_then(Json::as_str).and_then(|text| text.strip_prefix('#'));
                if let Some(number) = named.and_then(|id| names.get(id)) {
                    self.inner.insert(address(json), *number);
                }
                object.iter().for_each(|(_, value)| self.inward(value, names, depth + 1));
            }
            Json::Array(items) => items.iter().for_each(|item| self.inward(item, names, depth + 1)),
            _ => {}
        }
    }

    /// The number of the resource a Reference names; versions, absolute URLs of entries, contained resources and
    /// identifiers alone are understood.
    pub(crate) fn find(&self, reference: &Json) -> Option<usize> {
        if let Some(number) = self.inner.get(&address(reference)) {
            return Some(*number);
        }
        // `Attachment.url` is the address alone.
        let Some(text) = reference.as_str().or_else(|| reference.text_at(&["reference"])) else {
            let kind = reference.get("type").and_then(Json::as_str)?;
            let key = identifier_key(kind, reference.get("identifier")?)?;
            return self.by_identifier.get(&key).copied().flatten();
        };
        if let Some(number) = self.by_name.get(text) {
            return Some(*number);
        }
        if let Some((kind, query)) = text.split_once("?identifier=") {
            let key = (kind.to_owned(), query.to_owned());
            return self.by_identifier.get(&key).copied().flatten();
        }
        let text = text.split_once("/_history").map_or(text, |(text, _)| text);
        let mut tail = text.rsplitn(3, '/');
        let (id, kind) = (tail.next()?, tail.next()?);
        self.by_name.get(&format!("{kind}/{id}")).copied()
    }

    /// Whether the Bundle asks for a resource of a type to be created.
    pub(crate) fn creates(&self, kind: &str) -> bool {
        self.created.contains(&kind)
    }

    /// The type of a resource.
    pub(crate) fn kind(&self, number: usize) -> &'b str {
        self.resources.get(number).and_then(|json| model::resource::resource_type(json)).unwrap_or_default()
    }

    /// The resource of a type a Reference leads to: itself, or what its PractitionerRole names.
    pub(super) fn find_as(&self, reference: &Json, kind: &str) -> Option<usize> {
        let number = self.find(reference)?;
        let resource = self.resources.get(number)?;
        let member = match (self.kind(number), kind) {
            (same, _) if same == kind => return Some(number),
            ("PractitionerRole", "Practitioner") => "practitioner",
            ("PractitionerRole", "Organization") if resource.get("practitioner").is_none() => "organization",
            _ => return None,
        };
        let found = self.find(resource.get(member)?)?;
        (self.kind(found) == kind).then_some(found)
    }
}

fn identifier_key(kind: &str, identifier: &Json) -> Option<(String, String)> {
    let value = identifier.get("value").and_then(Json::as_str)?;
    let system = identifier.get("system").and_then(Json::as_str).unwrap_or_default();
    Some((kind.to_owned(), format!("{system}|{value}")))
}
