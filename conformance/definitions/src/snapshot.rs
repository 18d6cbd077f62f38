//! Snapshots from differentials.
//!
//! FHIR R4 profiling.html, "Snapshot" and "Slicing"; elementdefinition.html, "Rules". The snapshot of the base becomes a
//! tree; each element of the differential is led to its place in it, which may have to be made first: a slice, a typed
//! form of a choice, or the children of a type; then what it says is merged into what stands there.

use std::sync::Arc;

use model::json::Json;

use crate::profile::{Derivation, Kind, Profile, ProfileError, TypeRef, head};

mod merge;
mod steps;
mod tree;

use steps::Step;
use tree::{Name, Node};

/// Where the definitions come from that a snapshot is made of.
pub(crate) trait Types {
    /// The compiled profile of a canonical.
    fn profile(&mut self, canonical: &str) -> Result<Arc<Profile>, ProfileError>;
    /// The definition of a type.
    fn base(&mut self, type_name: &str) -> Option<Arc<Profile>>;
}

/// Compiles a definition that has only a differential.
///
/// An element of the differential that fits nowhere is left out and named in `Profile::issues`.
pub(crate) fn generate(definition: &Json, types: &mut dyn Types) -> Result<Profile, ProfileError> {
    let mut profile = head(definition)?;
    let mut listed: &[Json] = definition.at(&["differential", "element"]).and_then(Json::as_array).unwrap_or_default();
    if listed.len() > crate::profile::MAX_ELEMENTS {
        return Err(ProfileError::Broken("the differential has too many elements".to_owned()));
    }
    let mut builder = Builder {
        types,
        url: profile.url.clone(),
        type_name: profile.type_name.clone(),
        defines: profile.derivation == Derivation::Specialization,
        nodes: 0,
        issues: Vec::new(),
    };
    let mut root = match &profile.base_definition {
        Some(base) => {
            let base = builder.types.profile(base).map_err(|error| match error {
                ProfileError::Unknown => ProfileError::Broken(format!("its base is not loaded: {base}")),
                broken @ ProfileError::Broken(_) => broken,
            })?;
            let constrains_another = profile.derivation == Derivation::Constraint
                && base.type_name != profile.type_name
                && profile.kind != Kind::Logical;
            if constrains_another {
                builder.issues.push(format!("it constrains {}, but its base is of another type", profile.type_name));
            }
            Node::of(&base)
        }
        // Element, Resource and logical models of their own start from nothing.
        None => {
            let first = listed.first().ok_or_else(|| ProfileError::Broken("it has no elements at all".to_owned()))?;
            listed = listed.get(1..).unwrap_or_default();
            let element = crate::profile::element(first, &profile.type_name)
                .ok_or_else(|| ProfileError::Broken("an element of the differential has no path".to_owned()))?;
            Node::new(Name::new(&profile.type_name), element)
        }
    };
    root.name = Name::new(&profile.type_name);
    if builder.defines {
        root.element.types.clear();
    }
    builder.nodes = root.size();
    for (steps, json) in steps::of(listed, &mut builder.issues) {
        builder.take(&mut root, &steps, json)?;
    }
    profile.issues = builder.issues;
    profile.elements = root.flatten()?;
    Ok(profile)
}

struct Builder<'t> {
    types: &'t mut dyn Types,
    url: String,
    type_name: String,
    /// Whether elements may be added.
    defines: bool,
    nodes: usize,
    issues: Vec<String>,
}

impl Builder<'_> {
    /// Leads one element of the differential to its place and merges it.
    fn take(&mut self, root: &mut Node, steps: &[Step], json: &Json) -> Result<(), ProfileError> {
        // What a `contentReference` leads to lies elsewhere in the tree that is being changed: looked up before.
        let mut at = root;
        let whole = steps.len();
        for (depth, step) in steps.iter().enumerate() {
            let last = depth + 1 == whole;
            let found = self.child(at, step, last.then_some(json));
            let Some(child) = found else {
                self.issues
                    .push(format!("{} is no element of what it constrains", steps::text(&self.type_name, steps)));
                return Ok(());
            };
            at = child;
            if self.nodes > crate::profile::MAX_ELEMENTS {
                return Err(ProfileError::Broken("the snapshot has too many elements".to_owned()));
            }
        }
        merge::into(at, json, &self.url, &self.type_name, &mut self.issues);
        Ok(())
    }

    /// The child that a step leads to, made if it may be.
    fn child<'n>(&mut self, at: &'n mut Node, step: &Step, json: Option<&Json>) -> Option<&'n mut Node> {
        if at.children.is_empty() {
            self.expand(at);
        }
        let plain = at.children.iter().position(|child| child.name.text == step.name);
        // `valueQuantity`: the slice of that type of `value[x]`.
        let typed = || {
            at.children.iter().enumerate().find_map(|(index, child)| {
                let suffix = step.name.strip_prefix(child.name.choice()?)?;
                let fits = |of: &TypeRef| crate::profile::choice_type(suffix) == of.code;
                let known = suffix.starts_with(char::is_uppercase) && child.element.types.iter().any(fits);
                known.then(|| (index, step.name.clone()))
            })
        };
        let (index, slice) = match plain {
            Some(index) => (index, step.slice.clone()),
            None => match typed() {
                Some((index, name)) => (index, Some(step.slice.clone().unwrap_or(name))),
                None if self.defines => {
                    // The last step carries the definition; others are parents that the differential left out.
                    let element = json.and_then(|json| crate::profile::element(json, &self.type_name))?;
                    self.nodes += 1;
                    at.children.push(Node::new(Name::new(&step.name), element));
                    return at.children.last_mut();
                }
                None => return None,
            },
        };
        let child = at.children.get_mut(index)?;
        match slice {
            None => Some(child),
            Some(name) => self.slice(child, &name),
        }
    }

    /// The slice of that name, made if it is not there. `a/b` is a slice of `a`, if there is one.
    fn slice<'n>(&mut self, mut of: &'n mut Node, name: &str) -> Option<&'n mut Node> {
        for (end, _) in name.match_indices('/') {
            let outer = name.get(..end)?;
            match of.slices.iter().position(|slice| slice.element.slice_name.as_deref() == Some(outer)) {
                Some(index) => of = of.slices.get_mut(index)?,
                None => break,
            }
        }
        if let Some(index) = of.slices.iter().position(|slice| slice.element.slice_name.as_deref() == Some(name)) {
            return of.slices.get_mut(index);
        }
        let mut slice = of.template();
        slice.element.slice_name = Some(name.to_owned());
        slice.element.slicing = None;
        slice.element.min = 0;
        if let Some(base) = of.name.choice() {
            let suffix = name.rsplit('/').next().unwrap_or(name).strip_prefix(base).unwrap_or_default();
            let of_type = crate::profile::choice_type(suffix);
            if slice.element.types.iter().any(|each| each.code == of_type) {
                slice.element.types.retain(|each| each.code == of_type);
            }
        }
        merge::slicing_of(of);
        self.nodes += slice.size();
        of.slices.push(slice);
        of.slices.last_mut()
    }

    /// Gives an element the children that its type has, or the element whose content it has.
    fn expand(&mut self, at: &mut Node) {
        let Some(children) = self.children(at) else { return };
        self.nodes += children.iter().map(Node::size).sum::<usize>();
        at.children = children;
    }

    fn children(&mut self, at: &mut Node) -> Option<Vec<Node>> {
        if let Some(target) = at.content.take() {
            let type_name = target.split('.').next().unwrap_or_default().to_owned();
            let base = self.types.base(&type_name)?;
            let id = base.elements.iter().position(|element| element.id == target)?;
            let node = Node::below(&base, crate::profile::ElementId::at(id));
            at.element.types = node.element.types;
            return Some(node.children);
        }
        let mut codes = at.element.types.iter();
        let first = codes.next()?;
        if codes.any(|other| other.code != first.code) {
            return None;
        }
        let profile = match first.profiles.as_slice() {
            [one] if at.element.types.len() == 1 => match self.types.profile(one) {
                Ok(profile) => Some(profile),
                Err(_) => {
                    self.issues.push(format!("a profile it builds on is not loaded or not usable: {one}"));
                    None
                }
            },
            _ => None,
        };
        let profile = profile.or_else(|| self.types.base(&first.code))?;
        Some(Node::of(&profile).children)
    }
}

#[cfg(test)]
mod tests;
