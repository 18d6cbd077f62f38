//! Parts of resources: `_summary` and `_elements` (FHIR R4 search.html, "Summary", "Elements").

use std::sync::Arc;

use definitions::Definitions;
use definitions::profile::{Element, ElementId, Profile};
use model::id::ResourceType;
use model::json::{Json, Object};

/// What of a resource is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum View {
    /// The elements that the definition marks as its summary.
    Summary,
    /// The narrative, with what no resource can do without.
    Text,
    /// All but the narrative.
    Data,
    /// Named elements.
    Elements(Vec<Wanted>),
}

/// One element that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The type it is asked of; without it, of every match.
    of: Option<&'static str>,
    name: String,
}

impl View {
    /// `_summary`; `count` is the search's own.
    pub(super) fn summary(value: &str) -> Result<Option<Self>, String> {
        match value {
            "true" => Ok(Some(Self::Summary)),
            "text" => Ok(Some(Self::Text)),
            "data" => Ok(Some(Self::Data)),
            "false" | "count" | "" => Ok(None),
            _ => Err(format!("expected true, text, data, count or false, not '{}'", printable(value))),
        }
    }

    /// `_elements`: names of elements at the first level, also as `Type.name`.
    pub(super) fn elements(value: &str, resource_type: &str) -> Result<Option<Self>, String> {
        let (mut wanted, mut unknown) = (Vec::new(), Vec::new());
        for text in value.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            let (of, name) = match text.split_once('.') {
                Some((of, name)) => match ResourceType::parse(of) {
                    Ok(of) => (Some(of.as_str()), name),
                    Err(_) => {
                        unknown.push(text);
                        continue;
                    }
                },
                None => (None, text),
            };
            let of_type = of.or_else(|| ResourceType::parse(resource_type).ok().map(ResourceType::as_str));
            let known = match of_type.and_then(|of| Definitions::r4().base(of)) {
                // No element, and always there; clients name it.
                _ if name == "resourceType" => true,
                Some(profile) => children(&profile, ElementId::ROOT).any(|element| is(element, name)),
                // A search over all types: some of them have it, or none shows anything of it.
                None => name.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            };
            match known {
                true => wanted.push(Wanted { of, name: name.to_owned() }),
                false => unknown.push(text),
            }
        }
        match (unknown.is_empty(), wanted.is_empty()) {
            (false, _) => {
                let named: Vec<String> = unknown.iter().map(|text| printable(text)).collect();
                Err(format!("no element of the type has the name {}", named.join(", ")))
            }
            (true, true) => Ok(None),
            (true, false) => Ok(Some(Self::Elements(wanted))),
        }
    }
}

/// The client's own text, shortened, so that no answer carries what it should not.
fn printable(text: &str) -> String {
    text.chars().filter(|letter| letter.is_ascii_graphic()).take(64).collect()
}

/// Leaves in a resource, or in the entries of a Bundle that was made for the caller, what is asked for.
///
/// A Bundle that is `stored` is a resource like others. Documents are whole, as their signature and meaning are.
pub(super) fn shape(tree: &mut Json, view: &View, definitions: &Definitions, stored: bool) {
    let kind = model::resource::resource_type(tree).unwrap_or_default();
    match kind {
        "Parameters" | "OperationOutcome" => {}
        "Bundle" if !stored => {
            if !matches!(tree.text_at(&["type"]), Some("searchset" | "history")) {
                return;
            }
            let Some(entries) = tree.get_mut("entry").and_then(Json::as_array_mut) else { return };
            for entry in entries {
                let included = entry.text_at(&["search", "mode"]) == Some("include");
                if let Some(resource) = entry.get_mut("resource")
                    && model::resource::resource_type(resource) != Some("OperationOutcome")
                {
                    one(resource, view, definitions, included);
                }
            }
        }
        _ => one(tree, view, definitions, false),
    }
}

fn one(resource: &mut Json, view: &View, definitions: &Definitions, included: bool) {
    let Some(name) = model::resource::resource_type(resource).map(str::to_owned) else { return };
    let Some(profile) = definitions.base(&name) else { return };
    if let View::Elements(wanted) = view
        && !wanted.iter().any(|wanted| applies(wanted, &name, included))
    {
        return;
    }
    let Some(object) = resource.as_object_mut() else { return };
    match view {
        View::Data => object.retain(|member, _| !matches!(member, "text" | "_text")),
        View::Summary => summarise(object, &profile, ElementId::ROOT),
        View::Text => keep(object, &profile, |member, _| matches!(member, "text")),
        View::Elements(wanted) => keep(object, &profile, |_, element| {
            wanted.iter().any(|wanted| applies(wanted, &name, included) && is(element, &wanted.name))
        }),
    }
    tag(object);
}

/// Names alone are for the matches; `Type.name` for whatever of that type comes along too.
fn applies(wanted: &Wanted, resource_type: &str, included: bool) -> bool {
    match wanted.of {
        Some(of) => of == resource_type,
        None => !included,
    }
}

/// Elements at the first level: those asked for, and those that no reader can do without: mandatory ones, and those that
/// change the meaning of others.
fn keep(object: &mut Object, profile: &Arc<Profile>, wanted: impl Fn(&str, &Element) -> bool) {
    object.retain(|member, _| {
        let name = member.strip_prefix('_').unwrap_or(member);
        matches!(name, "resourceType" | "id" | "meta")
            || children(profile, ElementId::ROOT)
                .any(|element| is(element, name) && (element.min > 0 || element.is_modifier || wanted(name, element)))
    });
}

/// The summary of a resource, or of an element that the resource itself defines.
fn summarise(object: &mut Object, profile: &Arc<Profile>, parent: ElementId) {
    object.retain(|member, value| {
        let name = member.strip_prefix('_').unwrap_or(member);
        if matches!(name, "resourceType" | "id") {
            return true;
        }
        let ids = &profile.element(parent).children;
        let Some(id) = ids.iter().find(|id| is(profile.element(**id), name)) else { return false };
        let element = profile.element(*id);
        if !(element.is_summary || element.is_modifier || element.min > 0) {
            return false;
        }
        // Data types are kept whole; what a backbone element holds is told by the resource's own definition.
        if element.children.iter().any(|child| !matches!(profile.element(*child).name.as_str(), "id" | "extension")) {
            match value {
                Json::Array(values) => {
                    for one in values.iter_mut().filter_map(Json::as_object_mut) {
                        summarise(one, profile, *id);
                    }
                }
                other => {
                    if let Some(one) = other.as_object_mut() {
                        summarise(one, profile, *id);
                    }
                }
            }
        }
        true
    });
}

fn children(profile: &Profile, parent: ElementId) -> impl Iterator<Item = &Element> {
    profile.element(parent).children.iter().map(|id| profile.element(*id))
}

/// Whether a member is of this element: `valueQuantity` is of `value[x]`, which is also asked for as `value`.
fn is(element: &Element, member: &str) -> bool {
    let Some(rest) = member.strip_prefix(element.name.as_str()) else { return false };
    rest.is_empty()
        || element.is_choice && (rest == "[x]" || rest.starts_with(|first: char| first.is_ascii_uppercase()))
}

/// Marks what is not whole, so that nobody writes it back over what is.
fn tag(object: &mut Object) {
    const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";
    let mark = Json::object([("system", Json::from(SYSTEM)), ("code", Json::from("SUBSETTED"))]);
    if !object.contains_key("meta") {
        let mut made = Object::new();
        for name in ["resourceType", "id"] {
            if let Some(value) = object.remove(name) {
                made.insert(name, value);
            }
        }
        made.insert("meta", Json::from(Object::new()));
        for (name, value) in object.iter() {
            made.insert(name, value.clone());
        }
        *object = made;
    }
    let Some(meta) = object.get_mut("meta").and_then(Json::as_object_mut) else { return };
    let tags = meta.get_or_insert_with("tag", || Json::Array(Vec::new()));
    if let Some(tags) = tags.as_array_mut() {
        let known =
            |tag: &Json| tag.text_at(&["system"]) == Some(SYSTEM) && tag.text_at(&["code"]) == Some("SUBSETTED");
        if !tags.iter().any(known) {
            tags.push(mark);
        }
    }
}

#[cfg(test)]
mod tests;
