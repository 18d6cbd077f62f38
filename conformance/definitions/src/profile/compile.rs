//! From a StructureDefinition with a snapshot to a [`Profile`].

use std::collections::HashMap;

use super::element::{choice_type, extension_value, extensions, read, text};
use super::{
    ContentReference, ContextKind, Derivation, Element, ElementId, ExtensionContext, Kind, Profile, ProfileError,
};
use model::json::Json;

/// More elements than any real definition has: the largest published ones have some thousands.
pub(crate) const MAX_ELEMENTS: usize = 100_000;
/// Deeper than any real path; a definition beyond it is refused before anything recurses over it.
pub(crate) const MAX_DEPTH: usize = 64;

/// Slices within slices (`a/b/c`) beyond it are refused, or slices of the same: trees are walked by recursion.
pub(crate) const MAX_SLICES_OF_SLICES: usize = 8;
/// More children or slices of one element than any real one has: they are searched one by one.
pub(crate) const MAX_BELOW: usize = 5_000;

/// Reads the snapshot of a definition.
pub(crate) fn compile(definition: &Json) -> Result<Profile, ProfileError> {
    let listed = definition.at(&["snapshot", "element"]).and_then(Json::as_array).unwrap_or_default();
    if listed.is_empty() {
        return Err(ProfileError::Broken("the StructureDefinition has no snapshot".to_owned()));
    }
    if listed.len() > MAX_ELEMENTS {
        return Err(ProfileError::Broken("the snapshot has too many elements".to_owned()));
    }
    let profile = head(definition)?;
    Ok(Profile { elements: elements(listed, &profile.type_name)?, ..profile })
}

/// Everything but the elements.
pub(crate) fn head(definition: &Json) -> Result<Profile, ProfileError> {
    let broken = |why: &str| ProfileError::Broken(why.to_owned());
    let url = text(definition, "url").ok_or_else(|| broken("the StructureDefinition has no url"))?;
    let type_name = match definition.text_at(&["type"]) {
        Some(name) => name.rsplit('/').next().unwrap_or(name).to_owned(),
        None => return Err(broken("the StructureDefinition has no type")),
    };
    let kind = match definition.text_at(&["kind"]) {
        Some("primitive-type") => Kind::Primitive,
        Some("complex-type") => Kind::Complex,
        Some("resource") => Kind::Resource,
        Some("logical") => Kind::Logical,
        _ => return Err(broken("the StructureDefinition does not say its kind")),
    };
    Ok(Profile {
        version: text(definition, "version"),
        name: text(definition, "name").unwrap_or_default(),
        title: text(definition, "title"),
        status: text(definition, "status"),
        kind,
        is_abstract: definition.get("abstract").and_then(Json::as_bool).unwrap_or(false),
        derivation: match definition.text_at(&["derivation"]) {
            Some("constraint") => Derivation::Constraint,
            _ => Derivation::Specialization,
        },
        base_definition: text(definition, "baseDefinition"),
        context: definition.items("context").iter().filter_map(context).collect(),
        context_invariants: super::element::texts(definition, "contextInvariant"),
        imposes: extensions(definition, "structuredefinition-imposeProfile")
            .filter_map(extension_value)
            .map(str::to_owned)
            .collect(),
        issues: Vec::new(),
        elements: Vec::new(),
        url,
        type_name,
    })
}

fn context(json: &Json) -> Option<ExtensionContext> {
    let kind = match json.text_at(&["type"])? {
        "element" => ContextKind::Element,
        "extension" => ContextKind::Extension,
        "fhirpath" => ContextKind::Fhirpath,
        _ => return None,
    };
    Some(ExtensionContext { kind, expression: text(json, "expression")? })
}

/// An element whose descendants may still come.
struct Open {
    path: String,
    /// The element and, below it, the slices that are open: `identifier`, `identifier:a`, `identifier:a/b`.
    id: ElementId,
    slice: Option<String>,
}

/// Builds the tree. The order of a snapshot says it: an element stands before its slices and before what is below it.
fn elements(listed: &[Json], type_name: &str) -> Result<Vec<Element>, ProfileError> {
    let mut found: Vec<Element> = Vec::with_capacity(listed.len());
    let mut open: Vec<Open> = Vec::new();
    for json in listed {
        let Some(mut element) = read(json, type_name) else {
            return Err(ProfileError::Broken("an element of the snapshot has no path".to_owned()));
        };
        if element.path.split('.').count() > MAX_DEPTH {
            return Err(ProfileError::Broken("a path of the snapshot is too deep".to_owned()));
        }
        if element.slice_name.as_ref().is_some_and(|name| name.matches('/').count() > MAX_SLICES_OF_SLICES) {
            return Err(ProfileError::Broken("slices of the snapshot are nested too deep".to_owned()));
        }
        let id = ElementId(u32::try_from(found.len()).unwrap_or(u32::MAX));
        if found.is_empty() {
            if element.path.contains('.') {
                return Err(ProfileError::Broken("the snapshot does not start with its root".to_owned()));
            }
            open.push(Open { path: element.path.clone(), id, slice: None });
            name_id(&mut element, None);
            found.push(element);
            continue;
        }
        let path = element.path.clone();
        let parent_path = path.rsplit_once('.').map(|(parent, _)| parent).unwrap_or_default();
        // What is neither a parent of it nor what it may be a slice of is done.
        while let Some(last) = open.last() {
            let stays = last.path == parent_path || (last.path == path && is_slice_of(&element, last));
            if stays || open.len() == 1 {
                break;
            }
            open.pop();
        }
        let Some(last) = open.last() else { break };
        let sliced = last.path == path && is_slice_of(&element, last);
        if !sliced && last.path != parent_path {
            return Err(ProfileError::Broken(format!("{path} stands in the snapshot without its parent")));
        }
        let above = last.id;
        if sliced {
            let parent_id = found.get(above.index()).map(|owner| owner.id.clone()).unwrap_or_default();
            name_id(&mut element, Some(&parent_id));
            if let Some(owner) = found.get_mut(above.index()) {
                owner.slices.push(id);
            }
        } else if found.get(above.index()).is_none_or(|parent| parent.children.len() >= MAX_BELOW) {
            return Err(ProfileError::Broken("an element of the snapshot has too many children".to_owned()));
        } else {
            let parent_id = found.get(above.index()).map(|owner| owner.id.clone()).unwrap_or_default();
            place_below(&mut found, above, id, &mut element);
            name_id(&mut element, Some(&parent_id));
        }
        open.push(Open { path, id, slice: element.slice_name.clone() });
        found.push(element);
    }
    resolve_content(&mut found, listed);
    Ok(found)
}

/// Puts an element among the children of another, or among the slices of the choice it is a form of.
fn place_below(found: &mut [Element], above: ElementId, id: ElementId, element: &mut Element) {
    let siblings: Vec<ElementId> = found.get(above.index()).map(|parent| parent.children.clone()).unwrap_or_default();
    // `valueQuantity` beside `value[x]`: a shorthand for the slice of that type. profiling.html, "Limitations of Use"
    // of choices; some tools write it in snapshots.
    let choice = siblings.iter().rev().copied().find(|sibling| {
        found.get(sibling.index()).is_some_and(|sibling| {
            sibling.is_choice && !element.is_choice && {
                let suffix = element.name.strip_prefix(sibling.name.as_str()).unwrap_or_default();
                suffix.chars().next().is_some_and(char::is_uppercase)
                    && sibling.types.iter().any(|of| of.code == choice_type(suffix))
            }
        })
    });
    if let Some(choice) = choice {
        if let Some(owner) = found.get_mut(choice.index()) {
            owner.slices.push(id);
            if element.slice_name.is_none() {
                element.slice_name = Some(element.name.to_string());
            }
            element.name = owner.name.clone();
            element.is_choice = true;
        }
        return;
    }
    // A slice whose sliced element came earlier, with others between them.
    let earlier = element.slice_name.is_some().then(|| {
        siblings
            .iter()
            .rev()
            .copied()
            .find(|sibling| found.get(sibling.index()).is_some_and(|sibling| sibling.path == element.path))
    });
    let list = match earlier.flatten() {
        Some(owner) => found.get_mut(owner.index()).map(|owner| &mut owner.slices),
        None => found.get_mut(above.index()).map(|parent| &mut parent.children),
    };
    if let Some(list) = list {
        list.push(id);
    }
}

/// Whether an element of the same path is a slice of the open one: `a` of the unsliced, `a/b` of `a`.
fn is_slice_of(element: &Element, open: &Open) -> bool {
    match (&element.slice_name, &open.slice) {
        (Some(_), None) => true,
        (Some(name), Some(outer)) => name.strip_prefix(outer.as_str()).is_some_and(|rest| rest.starts_with('/')),
        (None, _) => false,
    }
}

/// Makes the id of an element that has none: that of its parent, its name, its slice. elementdefinition.html, "id".
fn name_id(element: &mut Element, parent: Option<&str>) {
    if !element.id.is_empty() {
        return;
    }
    let last = element.path.rsplit('.').next().unwrap_or_default();
    element.id = match (parent, &element.slice_name) {
        (None, _) => last.to_owned(),
        (Some(parent), Some(slice)) => {
            let owner = parent.rsplit_once(':').map_or(parent, |(owner, _)| owner);
            let owner = if owner.ends_with(last) { owner.to_owned() } else { format!("{parent}.{last}") };
            format!("{owner}:{slice}")
        }
        (Some(parent), None) => format!("{parent}.{last}"),
    };
}

/// `#Bundle.link` is an element of this snapshot, or of another definition (`url#id`).
fn resolve_content(found: &mut [Element], listed: &[Json]) {
    let places: HashMap<String, ElementId> = match found.iter().any(|element| element.content_reference.is_some()) {
        true => found.iter().enumerate().rev().map(|(at, each)| (each.id.clone(), ElementId::at(at))).collect(),
        false => return,
    };
    for (element, json) in found.iter_mut().zip(listed) {
        let Some(ContentReference::Type { path, .. }) = &element.content_reference else { continue };
        let definition = json.text_at(&["contentReference"]).and_then(|whole| whole.split_once('#'));
        let definition = definition.map(|(definition, _)| definition).unwrap_or_default();
        let here = definition.is_empty() || element.path.split('.').next() == definition.rsplit('/').next();
        if let Some(id) = places.get(path).filter(|_| here) {
            element.content_reference = Some(ContentReference::Here(*id));
        }
    }
}
