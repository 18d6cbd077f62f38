//! What a document needs and a Bundle may not have: a Composition with sections, and narrative.

use std::collections::BTreeSet;

use model::json::{Json, Object};
use model::outcome::Issue;

use super::members::Members;
use super::node::{Child, Node};
use crate::compile::Compiled;
use crate::reverse::Library;
use crate::tree::table::SectionRule;
use crate::types::RenderContext;

/// A rule of a section that takes what no rule before it took.
const REST: &str = "rest";

/// Template of a comment (C-CDA R2.1, Comment Activity).
const COMMENT: &str = "2.16.840.1.113883.10.20.22.4.64";

/// What a document without an author is by: the software that puts it together.
const SOFTWARE: &str = "urn:anchorline:software";

/// The Bundle with a Composition made of its resources; none where it has one.
pub(super) fn composed(
    bundle: &Json,
    compiled: &Compiled,
    context: &RenderContext,
    issues: &mut Vec<Issue>,
) -> Option<Json> {
    let named = named(bundle);
    let resources: Vec<&Json> = named.iter().filter_map(|entry| entry.get("resource")).collect();
    let kind = |json: &Json| model::resource::resource_type(json).unwrap_or_default().to_owned();
    let has = resources.iter().any(|json| kind(json) == "Composition");
    let asked = Some(context.message_code.as_str()).filter(|code| !code.is_empty());
    if has && asked.is_none() {
        return None;
    }
    let patient = resources.iter().find(|json| kind(json) == "Patient").map(|json| name(json));
    if has {
        return Some(retyped(bundle, asked.unwrap_or_default()));
    }
    if resources.is_empty() {
        issues.push(Issue::error("required", "expected resources to write a document of"));
        return None;
    }
    if patient.is_none() {
        let text = "expected a Patient, found none: the document says that its patient is not known";
        issues.push(Issue::warning("required", text));
    }
    let library = Library::of(&named);
    let members = Members::of(&library);
    let inner: BTreeSet<String> =
        members.iter().filter_map(|number| library.resources.get(number)).map(|json| name(json)).collect();
    let mut sections: Vec<(String, String, Vec<Json>)> = Vec::new();
    let mut placed = BTreeSet::new();
    for rule in &compiled.tree.sections {
        for json in &resources {
            let rest = rule.values.iter().any(|value| value == REST);
            if !takes(rule, json) || inner.contains(&name(json)) || (rest && placed.contains(&name(json))) {
                continue;
            }
            placed.insert(name(json));
            let at = match sections.iter().position(|(code, ..)| *code == rule.code.as_str()) {
                Some(at) => at,
                None => {
                    sections.push((rule.code.to_string(), rule.title.to_string(), Vec::new()));
                    sections.len() - 1
                }
            };
            let reference = Json::object([("reference", Json::from(name(json)))]);
            if let Some((_, _, entries)) = sections.get_mut(at)
                && !entries.contains(&reference)
            {
                entries.push(reference);
            }
        }
    }
    // A file with nothing beside it is a document without structure: its body is the file.
    let file = resources.iter().find(|json| is_file(json) && placed.len() == 1 && placed.contains(&name(json)));
    let own = file.and_then(|file| file.get("type")).and_then(|kind| kind.items("coding").iter().find_map(loinc_of));
    let code = asked.or(own).unwrap_or("34133-9");
    let mut composition = Object::of([
        ("resourceType", Json::from("Composition")),
        ("status", Json::from("final")),
        ("type", loinc(code)),
    ]);
    if let Some(patient) = patient {
        composition.insert("subject", Json::object([("reference", Json::from(patient))]));
    }
    if let Some(time) = context.time {
        composition.insert("date", Json::from(time.to_string()));
    } else if let Some(time) = bundle.text_at(&["timestamp"]).or_else(|| bundle.text_at(&["meta", "lastUpdated"])) {
        composition.insert("date", Json::from(time));
    }
    composition.insert("title", Json::from(title(code)));
    let software = Some(context.sending_application.as_str()).filter(|name| !name.is_empty());
    if software.is_some() {
        composition.insert("author", Json::array([Json::object([("reference", Json::from(SOFTWARE))])]));
    }
    let made = sections.into_iter().map(|(code, title, entries)| {
        Json::object([("title", Json::from(title)), ("code", loinc(&code)), ("entry", Json::Array(entries))])
    });
    match file {
        Some(file) => {
            let entry = Json::object([("reference", Json::from(name(file)))]);
            composition.insert("section", Json::array([Json::object([("entry", Json::array([entry]))])]));
        }
        None => {
            composition.insert("section", Json::array(made));
        }
    }
    let mut entries = vec![Json::object([("resource", Json::Object(composition))])];
    if let Some(name) = software {
        let own = Json::object([("name", Json::from(name)), ("type", Json::from("other"))]);
        let device = [("resourceType", Json::from("Device")), ("deviceName", Json::array([own]))];
        entries.push(Json::object([("fullUrl", Json::from(SOFTWARE)), ("resource", Json::object(device))]));
    }
    entries.extend(named);
    let mut out = Object::of([("resourceType", Json::from("Bundle"))]);
    for name in ["identifier", "timestamp"] {
        if let Some(value) = bundle.get(name) {
            out.insert(name, value.clone());
        }
    }
    out.insert("entry", Json::Array(entries));
    Some(Json::Object(out))
}

/// Whether it is a DocumentReference with a file that is no text.
fn is_file(json: &Json) -> bool {
    let kind = json.text_at(&["content", "0", "attachment", "contentType"]);
    json.text_at(&["resourceType"]) == Some("DocumentReference") && kind.is_some_and(|kind| !kind.starts_with("text/"))
}

/// The code of a coding, if it is one of LOINC.
fn loinc_of(coding: &Json) -> Option<&str> {
    coding.text_at(&["code"]).filter(|_| coding.text_at(&["system"]) == Some("http://loinc.org"))
}

/// The entries of a Bundle, or one of a resource alone, each resource with an id to be referred to by.
fn named(bundle: &Json) -> Vec<Json> {
    let mut out = Vec::new();
    if model::resource::resource_type(bundle).is_some_and(|kind| kind != "Bundle") {
        out.push(Json::object([("resource", bundle.clone())]));
    }
    out.extend(bundle.items("entry").iter().filter(|entry| entry.get("resource").is_some()).cloned());
    for (number, entry) in out.iter_mut().enumerate() {
        let url = entry.text_at(&["fullUrl"]).and_then(|url| url.strip_prefix("urn:uuid:")).map(str::to_owned);
        if let Some(resource) = entry.get_mut("resource").and_then(Json::as_object_mut)
            && !resource.contains_key("id")
        {
            resource.insert("id", url.unwrap_or_else(|| format!("entry-{number}")));
        }
    }
    out
}

/// The Bundle with its Composition of another document type.
fn retyped(bundle: &Json, code: &str) -> Json {
    let mut out = bundle.clone();
    let entries = out.get_mut("entry").and_then(Json::as_array_mut);
    for entry in entries.into_iter().flatten() {
        let Some(resource) = entry.get_mut("resource").and_then(Json::as_object_mut) else { continue };
        if resource.get("resourceType").and_then(Json::as_str) == Some("Composition") {
            resource.insert("type", loinc(code));
        }
    }
    out
}

fn loinc(code: &str) -> Json {
    let coding = Json::object([("system", Json::from("http://loinc.org")), ("code", Json::from(code))]);
    Json::object([("coding", Json::array([coding]))])
}

/// Title of a document by its LOINC code.
fn title(code: &str) -> &'static str {
    match code {
        "57133-1" => "Referral note",
        "18842-5" => "Discharge summary",
        "34133-9" => "Continuity of care document",
        _ => "Clinical document",
    }
}

fn name(json: &Json) -> String {
    let kind = model::resource::resource_type(json).unwrap_or_default();
    format!("{kind}/{}", json.text_at(&["id"]).unwrap_or_default())
}

fn takes(rule: &SectionRule, json: &Json) -> bool {
    if model::resource::resource_type(json) != Some(rule.resource.as_str()) {
        return false;
    }
    if rule.member.is_empty() {
        return true;
    }
    let has = |concept: &Json| {
        let coded = concept
            .items("coding")
            .iter()
            .any(|coding| coding.text_at(&["code"]).is_some_and(|code| rule.values.iter().any(|value| value == code)));
        coded || concept.as_str().is_some_and(|code| rule.values.iter().any(|value| value == code))
    };
    match json.get(&rule.member) {
        Some(Json::Array(items)) => items.iter().any(has),
        Some(one) => has(one),
        None => false,
    }
}

/// Narrative for each section that has none, one line an entry, and a link from each entry to its line.
pub(super) fn narratives(root: &mut Node) {
    let mut anchors = 0u32;
    for section in sections_of(root) {
        if section.elements().any(|child| child.name == "text") {
            comments(section, &mut anchors);
            continue;
        }
        let mut rows = Vec::new();
        for entry in section.elements_mut().filter(|child| child.name == "entry") {
            for statement in entry.elements_mut() {
                anchors += 1;
                let id = format!("n{anchors}");
                let (what, when) = (label(statement), time(statement));
                let mut row = Node::new("tr");
                row.push(Node::text("td", what).with("ID", id.clone()));
                row.push(Node::text("td", when));
                rows.push(row);
                // The schema has no text in an organizer.
                if statement.name != "organizer" && !statement.elements().any(|child| child.name == "text") {
                    let mut text = Node::new("text");
                    text.push(Node::new("reference").with("value", format!("#{id}")));
                    statement.push(text);
                }
            }
        }
        let mut text = Node::new("text");
        if rows.is_empty() {
            text.children.push(Child::Text("No information".to_owned()));
        } else {
            let mut head = Node::new("tr");
            head.push(Node::text("th", "What"));
            head.push(Node::text("th", "When"));
            let (mut table, mut thead, mut tbody) = (Node::new("table"), Node::new("thead"), Node::new("tbody"));
            thead.push(head);
            rows.into_iter().for_each(|row| tbody.push(row));
            table.push(thead);
            table.push(tbody);
            text.push(table);
        }
        section.push(text);
        comments(section, &mut anchors);
    }
}

/// A comment refers to the narrative (C-CDA R2.1, Comment Activity): one that does not stands there as a paragraph too.
fn comments(section: &mut Node, anchors: &mut u32) {
    fn below(node: &mut Node, anchors: &mut u32, out: &mut Vec<Node>) {
        for child in node.elements_mut() {
            if child.has_template(COMMENT)
                && let Some(text) = child.elements_mut().find(|child| child.name == "text")
                && !text.elements().any(|child| child.name == "reference")
            {
                *anchors += 1;
                let id = format!("c{anchors}");
                out.push(Node::text("paragraph", text.words()).with("ID", id.clone()));
                text.push(Node::new("reference").with("value", format!("#{id}")));
            }
            below(child, anchors, out);
        }
    }
    let mut said = Vec::new();
    for entry in section.elements_mut().filter(|child| child.name == "entry") {
        below(entry, anchors, &mut said);
    }
    if let Some(text) = section.elements_mut().find(|child| child.name == "text") {
        said.into_iter().for_each(|paragraph| text.push(paragraph));
    }
}

/// The sections below an element, inner ones as parts of theirs.
fn sections_of(node: &mut Node) -> Vec<&mut Node> {
    let mut out = Vec::new();
    for child in node.elements_mut() {
        match child.name.as_str() {
            "section" => out.push(child),
            "component" | "structuredBody" => out.extend(sections_of(child)),
            _ => {}
        }
    }
    out
}

/// What a statement is about, in words.
fn label(node: &Node) -> String {
    let child = |name: &str| node.elements().find(move |child| child.name == name);
    if node.name == "act"
        && let Some(inner) = child("entryRelationship").and_then(|inner| inner.elements().next())
    {
        return label(inner);
    }
    let substance = find(node, &["participant", "participantRole", "playingEntity", "code"])
        .or_else(|| find(node, &["consumable", "manufacturedProduct", "manufacturedMaterial", "code"]));
    if let Some(said) = substance.and_then(words) {
        return said;
    }
    let value = child("value").and_then(|value| {
        words(value).or_else(|| {
            let unit = value.attribute("unit").unwrap_or_default();
            value.attribute("value").map(|number| format!("{number} {unit}").trim().to_owned())
        })
    });
    let code = child("code").and_then(words);
    let parts = node.elements().filter(|child| child.name == "component").flat_map(Node::elements);
    let inner: Vec<String> = parts.filter(|part| !part.has_template(COMMENT)).map(label).collect();
    let own = match (code, value) {
        (Some(code), Some(value)) => format!("{code}: {value}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "Not named".to_owned(),
    };
    if inner.is_empty() { own } else { format!("{own} ({})", inner.join("; ")) }
}

fn words(node: &Node) -> Option<String> {
    if node.attribute("representation").is_some() {
        return None;
    }
    let original = node.elements().find(|child| child.name == "originalText").map(Node::words);
    let text = node
        .attribute("displayName")
        .map(str::to_owned)
        .or(original)
        .or_else(|| node.attribute("code").map(str::to_owned));
    let own = Some(node.words()).filter(|text| !text.trim().is_empty());
    text.or(own).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn find<'n>(node: &'n Node, path: &[&str]) -> Option<&'n Node> {
    let (first, rest) = path.split_first()?;
    let found = node.elements().find(|child| child.name == *first)?;
    if rest.is_empty() { Some(found) } else { find(found, rest) }
}

/// The date of a statement, as it is written for people.
fn time(node: &Node) -> String {
    let own = node.elements().find(|child| child.name == "effectiveTime").and_then(|time| {
        let low = time.elements().find(|child| child.name == "low").and_then(|low| low.attribute("value"));
        time.attribute("value").or(low).map(str::to_owned)
    });
    let inner = || {
        node.elements()
            .find(|child| child.name == "entryRelationship")
            .and_then(|inner| inner.elements().next())
            .map(time)
    };
    let Some(digits) = own else { return inner().unwrap_or_default() };
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    match digits.len() {
        0..=4 => digits.clone(),
        5..=7 => format!("{}-{}", part(0, 4), part(4, 6)),
        _ => format!("{}-{}-{}", part(0, 4), part(4, 6), part(6, 8)),
    }
}
