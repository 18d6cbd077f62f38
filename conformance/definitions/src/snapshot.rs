//! Snapshots from differentials.
//!
//! FHIR R4 profiling.html, "Snapshot" and "Slicing"; elementdefinition.html, "Rules". The snapshot of the base becomes a
//! tree; each element of the differential is led to its place in it, which may have to be made first: a slice, a typed
//! form of a choice, or the children of a type; then what it says is merged into what stands there.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use model::json::Json;

use crate::profile::{Derivation, DifferentialFault, Kind, Profile, ProfileError, SlicingRules, TypeRef, head};

mod merge;
mod steps;
mod tree;

use steps::{Issues, Placed, Step};
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
        kind: profile.kind,
        defines: profile.derivation == Derivation::Specialization,
        outline: Outline::default(),
        nodes: 0,
        issues: Issues::default(),
        way: Vec::new(),
    };
    let base = profile.base_definition.as_deref().filter(|base| *base != ROOT_OF_R5);
    let mut root = match base {
        Some(base) => {
            let base = builder.types.profile(base).map_err(|error| match error {
                ProfileError::Unknown => ProfileError::Broken(format!("its base is not loaded: {base}")),
                broken @ ProfileError::Broken(_) => broken,
            })?;
            let constrains_another = profile.derivation == Derivation::Constraint
                && base.type_name != profile.type_name
                && profile.kind != Kind::Logical;
            if constrains_another {
                let text = format!("it constrains {}, but its base is of another type", profile.type_name);
                builder.issues.say(DifferentialFault::Type, text);
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
    let listed = steps::of(listed, usize::from(base.is_none()), &mut builder.issues);
    builder.outline = Outline::of(&listed);
    let mut ways = Vec::with_capacity(listed.len());
    for placed in &listed {
        builder.issues.at = Some(placed.at);
        builder.way.clear();
        if builder.take(&mut root, &placed.steps, placed.json)? {
            ways.push((placed, builder.way.clone()));
        }
    }
    if !builder.defines {
        builder.order(&ways);
    }
    profile.issues = builder.issues.found;
    profile.elements = root.flatten()?;
    Ok(profile)
}

/// What the differential speaks of, known before it is applied.
#[derive(Default)]
struct Outline {
    /// Elements that it gives slices, as [`steps::text`] writes them.
    sliced: HashSet<String>,
    /// By parent, the names of its last steps that may be shorthands (`valueQuantity`).
    forms: HashMap<String, BTreeSet<String>>,
    /// Elements that it requires.
    required: HashSet<String>,
}

impl Outline {
    fn of(listed: &[Placed<'_>]) -> Self {
        let mut outline = Self::default();
        for Placed { steps, json, .. } in listed {
            let Some((last, above)) = steps.split_last() else { continue };
            let parent = steps::text("", above);
            if last.slice.is_some() {
                outline.sliced.insert(format!("{parent}.{}", last.name));
            }
            if last.name.contains(char::is_uppercase) {
                outline.forms.entry(parent).or_default().insert(last.name.clone());
            }
            let min = json.get("min").and_then(Json::as_number).and_then(model::json::Number::as_u64);
            if min.is_some_and(|min| min > 0) {
                outline.required.insert(steps::text("", steps));
            }
        }
        outline
    }
}

/// The parent of everything in R5. R4 has none, but logical models of guides for R4 name it.
const ROOT_OF_R5: &str = "http://hl7.org/fhir/StructureDefinition/Base";

struct Builder<'t> {
    types: &'t mut dyn Types,
    url: String,
    type_name: String,
    kind: Kind,
    /// Whether elements may be added.
    defines: bool,
    outline: Outline,
    nodes: usize,
    issues: Issues,
    /// Which child and which slice each step led to, for the order.
    way: Vec<usize>,
}

impl Builder<'_> {
    /// Names the elements that stand before one they have to follow (elementdefinition.html: the order is the base's).
    fn order(&mut self, ways: &[(&Placed<'_>, Vec<usize>)]) {
        let mut least: Option<&Vec<usize>> = None;
        let mut late = Vec::new();
        for (placed, way) in ways.iter().rev() {
            if least.is_some_and(|least| way > least) {
                late.push(placed);
            } else {
                least = Some(way);
            }
        }
        for placed in late.into_iter().rev() {
            self.issues.at = Some(placed.at);
            let place = steps::text(&self.type_name, &placed.steps);
            let text = format!("{place} stands before an element that it has to follow");
            self.issues.say(DifferentialFault::Order, text);
        }
    }

    /// Leads one element of the differential to its place and merges it; false if it has none.
    fn take(&mut self, root: &mut Node, steps: &[Step], json: &Json) -> Result<bool, ProfileError> {
        let mut at = root;
        for (depth, step) in steps.iter().enumerate() {
            let last = depth + 1 == steps.len();
            let above = steps.get(..depth).unwrap_or_default();
            let Some(child) = self.child(at, above, step, last.then_some(json)) else {
                let place = steps::text(&self.type_name, steps);
                let text = format!("{place} is no element of what it constrains");
                self.issues.say(DifferentialFault::Unplaced, text);
                return Ok(false);
            };
            at = child;
            if self.nodes > crate::profile::MAX_ELEMENTS {
                return Err(ProfileError::Broken("the snapshot has too many elements".to_owned()));
            }
        }
        if at.unsliced.is_none() && self.outline.sliced.contains(&steps::text("", steps)) {
            self.nodes += at.size();
            at.unsliced = Some(Box::new(at.clone()));
        }
        let of_its_own = json.get("isModifier").is_some();
        merge::into(at, json, &self.url, &self.type_name, &mut self.issues);
        if json.get("type").is_some()
            && let [TypeRef { code, profiles, .. }] = at.element.types.as_slice()
            && (code == "Extension" || !self.defines)
            && let [one] = profiles.as_slice()
            && let Ok(profile) = self.types.profile(one)
        {
            merge::root_of(&mut at.element, &profile, of_its_own);
        }
        Ok(true)
    }

    /// The child that a step leads to, made if it may be.
    fn child<'n>(
        &mut self,
        at: &'n mut Node,
        above: &[Step],
        step: &Step,
        json: Option<&Json>,
    ) -> Option<&'n mut Node> {
        if at.children.is_empty() {
            self.expand(at);
        }
        if let Some(index) = at.children.iter().position(|child| child.name.text == step.name) {
            let child = at.children.get_mut(index)?;
            self.way.push(index);
            return match &step.slice {
                None => {
                    self.way.push(0);
                    Some(child)
                }
                Some(name) => self.slice(child, name),
            };
        }
        // `valueQuantity`: the form of `value[x]` that has that type.
        let typed = at.children.iter().position(|child| {
            let suffix = child.name.choice().and_then(|name| step.name.strip_prefix(name)).unwrap_or_default();
            let of_type = crate::profile::choice_type(suffix);
            suffix.starts_with(char::is_uppercase) && child.element.types.iter().any(|each| each.code == of_type)
        });
        if let Some(index) = typed {
            self.way.push(index);
            return self.form(at.children.get_mut(index)?, above, step);
        }
        if !self.defines || at.children.len() >= crate::profile::MAX_BELOW {
            return None;
        }
        // The last step has the definition; a parent that the differential left out cannot be made.
        let mut element = crate::profile::element(json?, &self.type_name)?;
        // Resources are no elements, and ids and the values of primitives have nothing that could be empty.
        let is_element = |of: &TypeRef| model::types::r4().find(&of.code).is_none_or(|(_, shape)| !shape.is_resource);
        let bare = step.name == "id" || self.kind == Kind::Primitive;
        let is_element = !bare && element.types.iter().all(is_element);
        if is_element && let Some(root) = self.types.base("Element") {
            let mut own = std::mem::take(&mut element.constraints);
            element.constraints.clone_from(&root.root().constraints);
            own.retain(|each| !element.constraints.iter().any(|other| other.key == each.key));
            element.constraints.append(&mut own);
        }
        self.nodes += 1;
        at.children.push(Node::new(Name::new(&step.name), element));
        at.children.last_mut()
    }

    /// The form of a choice that a shorthand names: a slice by type, or, inside a slice, the choice itself.
    ///
    /// profiling.html, "Slicing" (choice elements). If the form is required and the only one that the differential
    /// speaks of, nothing else can be there.
    fn form<'n>(&mut self, choice: &'n mut Node, above: &[Step], step: &Step) -> Option<&'n mut Node> {
        let base = choice.name.choice()?.to_owned();
        let of_type = crate::profile::choice_type(step.name.strip_prefix(base.as_str())?);
        let parent = steps::text("", above);
        let alone = self.outline.forms.get(&parent).is_none_or(|forms| {
            forms.iter().filter(|name| name.starts_with(&base) && **name != step.name).count() == 0
        });
        let inside = above.iter().any(|step| step.slice.is_some());
        if alone && choice.element.slicing.is_none() && choice.slices.is_empty() {
            if inside && step.slice.is_none() {
                choice.element.types.retain(|each| each.code == of_type);
                self.way.push(0);
                return Some(choice);
            }
            if self.outline.required.contains(&format!("{parent}.{}", step.name)) {
                if choice.unsliced.is_none() {
                    choice.unsliced = Some(Box::new(choice.clone()));
                }
                choice.element.types.retain(|each| each.code == of_type);
                choice.element.min = choice.element.min.max(1);
                merge::slicing_of(choice);
                if let Some(slicing) = &mut choice.element.slicing {
                    slicing.rules = SlicingRules::Closed;
                }
            }
        }
        self.slice(choice, step.slice.as_deref().unwrap_or(&step.name))
    }

    /// The slice of that name, made if it is not there. `a/b` is a slice of `a`, if there is one.
    fn slice<'n>(&mut self, mut of: &'n mut Node, name: &str) -> Option<&'n mut Node> {
        for (end, _) in name.match_indices('/').take(crate::profile::MAX_SLICES_OF_SLICES) {
            let outer = name.get(..end)?;
            match of.slices.iter().position(|slice| slice.element.slice_name.as_deref() == Some(outer)) {
                Some(index) => {
                    self.way.extend([index + 1, usize::MAX]);
                    of = of.slices.get_mut(index)?;
                }
                None => break,
            }
        }
        // A slice of a slice follows it and what is below it.
        let known = of.slices.iter().position(|slice| slice.element.slice_name.as_deref() == Some(name));
        self.way.push(known.unwrap_or(of.slices.len()) + 1);
        if let Some(index) = known {
            return of.slices.get_mut(index);
        }
        if of.slices.len() >= crate::profile::MAX_BELOW {
            return None;
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
                    let text = format!("a profile it builds on is not loaded or not usable: {one}");
                    self.issues.say(DifferentialFault::Profile, text);
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
