//! A CodeSystem resource, compiled (FHIR R4 codesystem.html).

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use model::json::Json;
use smol_str::SmolStr;

use crate::concepts::{Completeness, Concept, Concepts, Designation, Value};

/// A code system held in memory.
pub struct CodeSystem {
    url: SmolStr,
    version: Option<SmolStr>,
    name: Option<SmolStr>,
    completeness: Completeness,
    case_sensitive: bool,
    entries: Vec<Entry>,
    /// By code, in lower case unless case counts. A code that is listed twice is its first place.
    index: HashMap<SmolStr, u32>,
    /// Names of properties that are declared or used.
    properties: HashSet<SmolStr>,
    /// Parent and child, so that no edge is added twice; empty once compiled.
    edges: HashSet<(u32, u32)>,
}

#[derive(Default)]
struct Entry {
    code: SmolStr,
    display: Option<SmolStr>,
    definition: Option<SmolStr>,
    designations: Vec<Designation>,
    properties: Vec<(SmolStr, Value)>,
    parents: Vec<u32>,
    children: Vec<u32>,
    inactive: bool,
    abstract_: bool,
}

/// What the properties of one code system mean: servers recognise them by URI, and by the usual code when there is none
/// (FHIR R4 codesystem.html#defined-props).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Parent,
    Child,
    Inactive,
    NotSelectable,
    Status,
    Other,
}

impl CodeSystem {
    /// Compiles a CodeSystem resource and its supplements; none if it has no URL or is itself a supplement.
    pub fn compile(resource: &Json, supplements: &[&Json]) -> Option<Self> {
        let url = resource.text_at(&["url"])?;
        let completeness = match resource.text_at(&["content"]) {
            Some("complete") => Completeness::Complete,
            Some("supplement") => return None,
            _ => Completeness::Partial,
        };
        let case_sensitive = resource.get("caseSensitive").and_then(Json::as_bool).unwrap_or(true);
        let mut system = Self {
            url: SmolStr::new(url),
            version: text(resource, "version"),
            name: text(resource, "title").or_else(|| text(resource, "name")),
            completeness,
            case_sensitive,
            entries: Vec::new(),
            index: HashMap::new(),
            properties: HashSet::new(),
            edges: HashSet::new(),
        };
        let meanings = meanings(resource);
        system.properties.extend(meanings.keys().cloned());
        system.read(resource.items("concept"), &meanings);
        system.link(&meanings);
        system.edges = HashSet::new();
        for supplement in supplements {
            system.supplement(supplement);
        }
        Some(system)
    }

    /// A flat, complete code system of codes and displays.
    pub(crate) fn list(url: &str, name: &str, codes: impl Iterator<Item = (String, SmolStr)>) -> Self {
        let mut system = Self {
            url: SmolStr::new(url),
            version: None,
            name: Some(SmolStr::new(name)),
            completeness: Completeness::Complete,
            case_sensitive: true,
            entries: Vec::new(),
            index: HashMap::new(),
            properties: HashSet::new(),
            edges: HashSet::new(),
        };
        for (code, display) in codes {
            let id = u32::try_from(system.entries.len()).unwrap_or(u32::MAX);
            let code = SmolStr::from(code);
            system.index.entry(code.clone()).or_insert(id);
            system.entries.push(Entry { code, display: Some(display), ..Entry::default() });
        }
        system
    }

    /// Reads the nested concepts in document order, without recursion.
    fn read(&mut self, concepts: &[Json], meanings: &HashMap<SmolStr, Meaning>) {
        let mut open: Vec<(Option<u32>, std::slice::Iter<'_, Json>)> = vec![(None, concepts.iter())];
        while let Some((parent, rest)) = open.last_mut() {
            let parent = *parent;
            let Some(concept) = rest.next() else {
                open.pop();
                continue;
            };
            let Some(code) = concept.text_at(&["code"]) else { continue };
            let id = self.add(code, concept, meanings);
            if let Some(parent) = parent {
                self.edge(parent, id);
            }
            let below = concept.items("concept");
            if !below.is_empty() {
                open.push((Some(id), below.iter()));
            }
        }
    }

    fn add(&mut self, code: &str, concept: &Json, meanings: &HashMap<SmolStr, Meaning>) -> u32 {
        let key = self.key(code).into_owned();
        if let Some(&known) = self.index.get(key.as_str()) {
            return known;
        }
        let id = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let mut entry = Entry {
            code: SmolStr::new(code),
            display: text(concept, "display"),
            definition: text(concept, "definition"),
            designations: concept.items("designation").iter().filter_map(designation).collect(),
            ..Entry::default()
        };
        for property in concept.items("property") {
            let Some(name) = text(property, "code") else { continue };
            let Some(value) = value(property) else { continue };
            match meanings.get(&name).copied().unwrap_or_else(|| meaning(&name, None)) {
                Meaning::Inactive => entry.inactive |= value == Value::Boolean(true),
                Meaning::NotSelectable => entry.abstract_ |= value.text() == "true",
                Meaning::Status => entry.inactive |= matches!(value.text().as_ref(), "retired" | "inactive"),
                Meaning::Parent | Meaning::Child | Meaning::Other => {}
            }
            if !self.properties.contains(&name) {
                self.properties.insert(name.clone());
            }
            entry.properties.push((name, value));
        }
        self.entries.push(entry);
        self.index.insert(SmolStr::from(key), id);
        id
    }

    /// Adds the edges that stand in properties. A concept may have several parents this way.
    fn link(&mut self, meanings: &HashMap<SmolStr, Meaning>) {
        let mut edges = Vec::new();
        for (id, entry) in (0_u32..).zip(&self.entries) {
            for (name, value) in &entry.properties {
                let meaning = meanings.get(name).copied().unwrap_or_else(|| meaning(name, None));
                let other = || self.index.get(self.key(&value.text()).as_ref()).copied();
                match meaning {
                    Meaning::Parent => edges.extend(other().map(|parent| (parent, id))),
                    Meaning::Child => edges.extend(other().map(|child| (id, child))),
                    _ => {}
                }
            }
        }
        for (parent, child) in edges {
            self.edge(parent, child);
        }
    }

    fn edge(&mut self, parent: u32, child: u32) {
        if parent == child || !self.edges.insert((parent, child)) {
            return;
        }
        if let Some(entry) = self.entries.get_mut(parent as usize) {
            entry.children.push(child);
        }
        if let Some(entry) = self.entries.get_mut(child as usize) {
            entry.parents.push(parent);
        }
    }

    /// A supplement adds designations and properties to concepts that exist, never concepts
    /// (FHIR R4 codesystem.html#supplements).
    fn supplement(&mut self, supplement: &Json) {
        let language = text(supplement, "language");
        let mut open = vec![supplement.items("concept").iter()];
        while let Some(rest) = open.last_mut() {
            let Some(concept) = rest.next() else {
                open.pop();
                continue;
            };
            open.push(concept.items("concept").iter());
            let Some(code) = concept.text_at(&["code"]) else { continue };
            let Some(id) = self.index.get(self.key(code).as_ref()).copied() else { continue };
            let mut added: Vec<Designation> = concept.items("designation").iter().filter_map(designation).collect();
            if let Some(display) = text(concept, "display") {
                added.push(Designation { language: language.clone(), usage: None, text: display });
            }
            let properties: Vec<(SmolStr, Value)> = concept
                .items("property")
                .iter()
                .filter_map(|property| Some((text(property, "code")?, value(property)?)))
                .collect();
            self.properties.extend(properties.iter().map(|(name, _)| name.clone()));
            if let Some(entry) = self.entries.get_mut(id as usize) {
                entry.designations.append(&mut added);
                entry.properties.extend(properties);
            }
        }
    }

    fn key<'c>(&self, code: &'c str) -> Cow<'c, str> {
        fold(code, self.case_sensitive)
    }

    /// HL7 v2 table 0203 lists `NNxxx` for "NN and the three letters of an ISO 3166 country".
    fn pattern(&self, code: &str) -> Option<&u32> {
        if !self.url.ends_with("/CodeSystem/v2-0203") {
            return None;
        }
        let (kind, country) = code.split_at_checked(code.len().checked_sub(3)?)?;
        let listed = self.index.get(format!("{kind}xxx").as_str())?;
        country.bytes().all(|byte| byte.is_ascii_uppercase()).then_some(listed)
    }

    fn entry(&self, concept: Concept) -> Option<&Entry> {
        self.entries.get(concept.0 as usize)
    }
}

impl Concepts for CodeSystem {
    fn url(&self) -> &str {
        &self.url
    }

    fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn completeness(&self) -> Completeness {
        self.completeness
    }

    fn case_sensitive(&self) -> bool {
        self.case_sensitive
    }

    fn len(&self) -> u32 {
        u32::try_from(self.entries.len()).unwrap_or(u32::MAX)
    }

    fn find(&self, code: &str) -> Option<Concept> {
        let found = self.index.get(self.key(code).as_ref()).or_else(|| self.pattern(code));
        found.copied().map(Concept)
    }

    fn code(&self, concept: Concept) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.entry(concept)?.code))
    }

    fn display(&self, concept: Concept) -> Option<Cow<'_, str>> {
        self.entry(concept)?.display.as_deref().map(Cow::Borrowed)
    }

    fn definition(&self, concept: Concept) -> Option<Cow<'_, str>> {
        self.entry(concept)?.definition.as_deref().map(Cow::Borrowed)
    }

    fn designations(&self, concept: Concept) -> Vec<Designation> {
        self.entry(concept).map(|entry| entry.designations.clone()).unwrap_or_default()
    }

    fn properties(&self, concept: Concept) -> Vec<(SmolStr, Value)> {
        self.entry(concept).map(|entry| entry.properties.clone()).unwrap_or_default()
    }

    fn has_property(&self, name: &str) -> bool {
        self.properties.contains(name)
    }

    fn active(&self, concept: Concept) -> bool {
        self.entry(concept).is_some_and(|entry| !entry.inactive)
    }

    fn selectable(&self, concept: Concept) -> bool {
        self.entry(concept).is_some_and(|entry| !entry.abstract_)
    }

    fn parents(&self, concept: Concept) -> Vec<Concept> {
        self.entry(concept).map(|entry| entry.parents.iter().copied().map(Concept).collect()).unwrap_or_default()
    }

    fn children(&self, concept: Concept) -> Vec<Concept> {
        self.entry(concept).map(|entry| entry.children.iter().copied().map(Concept).collect()).unwrap_or_default()
    }

    fn is_a(&self, concept: Concept, ancestor: Concept) -> bool {
        // Walks up: few concepts have more than one parent, and what was seen ends a cycle in a broken definition.
        if concept == ancestor {
            return true;
        }
        let mut seen: HashSet<u32> = HashSet::new();
        let mut open = vec![concept.0];
        while let Some(id) = open.pop() {
            for parent in self.entry(Concept(id)).map(|entry| entry.parents.as_slice()).unwrap_or_default() {
                if *parent == ancestor.0 {
                    return true;
                }
                if seen.insert(*parent) {
                    open.push(*parent);
                }
            }
        }
        false
    }

    fn closure(&self, concept: Concept) -> Vec<Concept> {
        let mut seen = HashSet::from([concept.0]);
        let mut found = vec![concept];
        let mut next = 0;
        while let Some(&id) = found.get(next) {
            next += 1;
            for &child in self.entry(id).map(|entry| entry.children.as_slice()).unwrap_or_default() {
                if seen.insert(child) {
                    found.push(Concept(child));
                }
            }
        }
        found
    }
}

/// The code as it is compared.
pub(crate) fn fold(code: &str, case_sensitive: bool) -> Cow<'_, str> {
    if case_sensitive || !code.chars().any(char::is_uppercase) {
        Cow::Borrowed(code)
    } else {
        Cow::Owned(code.to_lowercase())
    }
}

pub(crate) fn text(object: &Json, member: &str) -> Option<SmolStr> {
    match object.get(member) {
        Some(Json::String(text)) => Some(text.clone()),
        _ => None,
    }
}

pub(crate) fn designation(json: &Json) -> Option<Designation> {
    let usage =
        json.get("use").and_then(|coding| Some((text(coding, "system").unwrap_or_default(), text(coding, "code")?)));
    Some(Designation { language: text(json, "language"), usage, text: text(json, "value")? })
}

fn value(property: &Json) -> Option<Value> {
    let object = property.as_object()?;
    let (name, json) = object.iter().find(|(name, _)| name.starts_with("value"))?;
    Some(match (name, json) {
        ("valueCode", Json::String(code)) => Value::Code(code.clone()),
        ("valueString", Json::String(string)) => Value::String(string.clone()),
        ("valueDateTime", Json::String(string)) => Value::DateTime(string.clone()),
        ("valueInteger", Json::Number(number)) => Value::Integer(number.as_i64()?),
        ("valueDecimal", Json::Number(number)) => Value::Decimal(SmolStr::new(number.as_str())),
        ("valueBoolean", Json::Bool(value)) => Value::Boolean(*value),
        ("valueCoding", coding) => Value::Coding {
            system: text(coding, "system"),
            code: text(coding, "code")?,
            display: text(coding, "display"),
        },
        _ => return None,
    })
}

fn meanings(resource: &Json) -> HashMap<SmolStr, Meaning> {
    let declared = resource.items("property").iter();
    declared
        .filter_map(|property| {
            let code = text(property, "code")?;
            let meaning = meaning(&code, property.text_at(&["uri"]));
            Some((code, meaning))
        })
        .collect()
}

fn meaning(code: &str, uri: Option<&str>) -> Meaning {
    let name = uri.and_then(|uri| uri.strip_prefix("http://hl7.org/fhir/concept-properties#")).unwrap_or(code);
    match name {
        "parent" | "subsumedBy" => Meaning::Parent,
        "child" => Meaning::Child,
        "inactive" => Meaning::Inactive,
        "notSelectable" | "abstract" => Meaning::NotSelectable,
        "status" => Meaning::Status,
        _ => Meaning::Other,
    }
}

#[cfg(test)]
mod tests;
