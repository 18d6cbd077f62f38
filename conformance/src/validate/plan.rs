//! A profile as the walk uses it: what is asked of every node of its kind is found once and kept.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, RwLock, Weak};

use definitions::Definitions;
use definitions::profile::{ContentReference, Derivation, Element, ElementId, Profile, ProfileError, TypeRef};
use model::json::Json;
use smol_str::SmolStr;

use super::constraint::{Rule, Rules};
use super::demand::Demand;
use super::slicing::Slicing;

/// A profile and what has been made of it so far.
pub(crate) struct Plan {
    pub(crate) profile: Arc<Profile>,
    elements: Vec<ElementPlan>,
}

#[derive(Default)]
struct ElementPlan {
    /// Children by name, sorted.
    children: Vec<(SmolStr, ElementId)>,
    /// Children that have to be there, or of which a slice has to.
    required: Vec<ElementId>,
    /// Its constraints without those that are checked with the form.
    rules: Vec<Arc<Rule>>,
    slicing: OnceLock<Arc<Slicing>>,
    demand: Option<Demand>,
    /// The one profile that its values of some type have; looked up once.
    type_plans: OnceLock<Vec<(SmolStr, TypePlan)>>,
    content: OnceLock<Option<(Weak<Plan>, ElementId)>>,
}

/// What an element asks of the values of one of its types.
#[derive(Clone)]
pub(crate) enum TypePlan {
    /// This profile.
    One(Weak<Plan>),
    /// One of these.
    Choice(Vec<Weak<Plan>>),
    /// A profile that is not loaded or not usable.
    Unknown(String),
}

/// A definition that applies to a node: an element of a profile.
#[derive(Clone)]
pub(crate) struct Claim {
    pub(crate) plan: Arc<Plan>,
    pub(crate) id: ElementId,
}

impl Claim {
    /// The profile as a whole.
    pub(crate) fn root(plan: Arc<Plan>) -> Self {
        Self { plan, id: ElementId::ROOT }
    }

    pub(crate) fn element(&self) -> &Element {
        self.plan.profile.element(self.id)
    }

    pub(crate) fn with(&self, id: ElementId) -> Self {
        Self { plan: Arc::clone(&self.plan), id }
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        self.id == other.id && Arc::ptr_eq(&self.plan, &other.plan)
    }

    pub(crate) fn child(&self, name: &str) -> Option<ElementId> {
        self.plan.child(self.id, name)
    }

    pub(crate) fn rules(&self) -> &[Arc<Rule>] {
        self.plan.element(self.id).map_or(&[], |element| &element.rules)
    }

    pub(crate) fn required(&self) -> &[ElementId] {
        self.plan.element(self.id).map_or(&[], |element| &element.required)
    }

    pub(super) fn demand(&self) -> Option<&Demand> {
        self.plan.element(self.id)?.demand.as_ref()
    }

    pub(crate) fn has_children(&self) -> bool {
        self.plan.element(self.id).is_some_and(|element| !element.children.is_empty())
    }
}

impl Plan {
    fn new(profile: Arc<Profile>, rules: &Rules, mut demands: HashMap<String, Demand>) -> Self {
        let elements = profile
            .elements
            .iter()
            .map(|element| {
                let child = |id: &ElementId| (profile.element(*id).name.clone(), *id);
                let mut children: Vec<_> = element.children.iter().map(child).collect();
                // Of several elements of one name the first counts.
                children.sort_by(|left, right| left.0.cmp(&right.0));
                children.dedup_by(|left, right| left.0 == right.0);
                let needed = |id: &ElementId| {
                    let child = profile.element(*id);
                    child.min > 0 || child.slices.iter().any(|slice| profile.element(*slice).min > 0)
                };
                ElementPlan {
                    required: element.children.iter().copied().filter(needed).collect(),
                    rules: element.constraints.iter().filter_map(|constraint| rules.compile(constraint)).collect(),
                    children,
                    demand: demands.remove(&element.id),
                    ..ElementPlan::default()
                }
            })
            .collect();
        Self { profile, elements }
    }

    fn element(&self, id: ElementId) -> Option<&ElementPlan> {
        self.elements.get(id.index())
    }

    /// The child of that name, without `[x]`.
    pub(crate) fn child(&self, parent: ElementId, name: &str) -> Option<ElementId> {
        let children = &self.element(parent)?.children;
        let at = children.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
        children.get(at).map(|(_, id)| *id)
    }

    /// How the profile is named in a finding: its canonical.
    pub(crate) fn canonical(&self) -> &str {
        &self.profile.url
    }
}

/// The plans of a validator, by canonical.
pub(crate) struct Plans {
    definitions: Arc<Definitions>,
    rules: Rules,
    by_url: RwLock<HashMap<SmolStr, Result<Arc<Plan>, ProfileError>>>,
    bases: RwLock<HashMap<SmolStr, Option<Arc<Plan>>>>,
}

impl Plans {
    pub(crate) fn new(definitions: Arc<Definitions>) -> Self {
        Self { definitions, rules: Rules::default(), by_url: RwLock::default(), bases: RwLock::default() }
    }

    pub(crate) fn definitions(&self) -> &Definitions {
        &self.definitions
    }

    /// The plan of a profile.
    pub(crate) fn profile(&self, canonical: &str) -> Result<Arc<Plan>, ProfileError> {
        if let Ok(known) = self.by_url.read()
            && let Some(plan) = known.get(canonical)
        {
            return plan.clone();
        }
        let made = self.definitions.profile(canonical).map(|profile| self.make(profile));
        // What is unknown is not kept: names come from outside, and would fill the table.
        if let Ok(plan) = &made
            && let Ok(mut known) = self.by_url.write()
        {
            return known.entry(SmolStr::new(canonical)).or_insert_with(|| Ok(Arc::clone(plan))).clone();
        }
        made
    }

    /// The plan of a type: `Patient`, `HumanName`.
    pub(crate) fn base(&self, type_name: &str) -> Option<Arc<Plan>> {
        if let Ok(known) = self.bases.read()
            && let Some(plan) = known.get(type_name)
        {
            return plan.clone();
        }
        let made = self.definitions.base(type_name).map(|profile| self.make(profile));
        let plan = made?;
        match self.bases.write() {
            Ok(mut known) => known.entry(SmolStr::new(type_name)).or_insert_with(|| Some(plan)).clone(),
            Err(_) => Some(plan),
        }
    }

    /// A profile that has two names (with and without its version) has one plan.
    fn make(&self, profile: Arc<Profile>) -> Arc<Plan> {
        let same = |plan: &Arc<Plan>| Arc::ptr_eq(&plan.profile, &profile).then(|| Arc::clone(plan));
        if let Ok(known) = self.by_url.read()
            && let Some(plan) = known.values().filter_map(|plan| plan.as_ref().ok()).find_map(same)
        {
            return plan;
        }
        if let Ok(known) = self.bases.read()
            && let Some(plan) = known.values().flatten().find_map(same)
        {
            return plan;
        }
        let demands = self.demands(&profile);
        Arc::new(Plan::new(profile, &self.rules, demands))
    }

    /// What extensions of the element definitions of a profile ask, by the ids of the elements.
    fn demands(&self, profile: &Profile) -> HashMap<String, Demand> {
        if profile.derivation == Derivation::Specialization {
            return HashMap::new();
        }
        let canonical = match &profile.version {
            Some(version) => format!("{}|{version}", profile.url),
            None => profile.url.clone(),
        };
        let Some(definition) = self.definitions.find(Some("StructureDefinition"), &canonical) else {
            return HashMap::new();
        };
        let lists = ["snapshot", "differential"].into_iter().filter_map(|list| definition.get(list));
        let elements = lists.flat_map(|list| list.items("element"));
        let id = |element: &Json| {
            let path = || match element.text_at(&["sliceName"]) {
                Some(slice) => Some(format!("{}:{slice}", element.text_at(&["path"])?)),
                None => element.text_at(&["path"]).map(str::to_owned),
            };
            element.text_at(&["id"]).map(str::to_owned).or_else(path)
        };
        elements.filter_map(|element| Some((id(element)?, Demand::read(element)?))).collect()
    }

    /// What a claim asks of its values of a type, if it names profiles for it.
    pub(crate) fn type_plan(&self, claim: &Claim, type_name: &str) -> Option<TypePlan> {
        let plans = claim.plan.element(claim.id)?.type_plans.get_or_init(|| {
            let types = claim.element().types.iter().filter(|of| !of.profiles.is_empty());
            types.map(|of| (of.code.clone(), self.plan_of(of))).collect()
        });
        if plans.is_empty() {
            return None;
        }
        let fits = |(code, _): &&(SmolStr, TypePlan)| code == type_name || is_a(type_name, code);
        plans.iter().find(fits).map(|(_, plan)| plan.clone())
    }

    fn plan_of(&self, of: &TypeRef) -> TypePlan {
        let mut found = Vec::new();
        for canonical in &of.profiles {
            // A profile on a part of a type (`url#Element.id`) is not used by R4 guides.
            match self.profile(canonical) {
                Ok(plan) => found.push(Arc::downgrade(&plan)),
                Err(_) => return TypePlan::Unknown(canonical.clone()),
            }
        }
        match found.len() {
            1 => found.pop().map_or(TypePlan::Unknown(String::new()), TypePlan::One),
            _ => TypePlan::Choice(found),
        }
    }

    /// Where the children of a claim are listed, if not in the definition of its type.
    pub(crate) fn children_of(&self, claim: &Claim) -> Option<Claim> {
        if claim.has_children() {
            return Some(claim.clone());
        }
        let reference = claim.element().content_reference.as_ref()?;
        // What a profile asks of an element it does not ask of what refers to its content; the base type does.
        if claim.plan.profile.derivation == Derivation::Constraint {
            return None;
        }
        let target = claim.plan.element(claim.id)?.content.get_or_init(|| match reference {
            ContentReference::Here(id) => Some((Arc::downgrade(&claim.plan), *id)),
            ContentReference::Type { type_name, path } => {
                let plan = self.base(type_name)?;
                let id = plan.profile.find_path(path)?;
                Some((Arc::downgrade(&plan), id))
            }
        });
        let (plan, id) = target.as_ref()?;
        Some(Claim { plan: plan.upgrade()?, id: *id })
    }

    /// How the slices of an element are told apart.
    pub(crate) fn slicing(&self, claim: &Claim) -> Option<Arc<Slicing>> {
        let element = claim.element();
        if element.slices.is_empty() {
            return None;
        }
        let slot = &claim.plan.element(claim.id)?.slicing;
        Some(Arc::clone(slot.get_or_init(|| Arc::new(Slicing::compile(self, claim)))))
    }
}

/// Whether a type is another one or derived from it.
pub(crate) fn is_a(type_name: &str, base: &str) -> bool {
    if type_name == base {
        return true;
    }
    let table = model::types::r4();
    let mut at = table.find(type_name).map(|(_, shape)| shape);
    while let Some(shape) = at {
        if shape.path == base {
            return true;
        }
        at = shape.base.map(|id| table.shape(id));
    }
    // Primitive types of R4 that are derived from others.
    matches!(
        (type_name, base),
        ("code" | "id" | "markdown", "string")
            | ("canonical" | "oid" | "url" | "uuid", "uri")
            | ("positiveInt" | "unsignedInt", "integer")
    )
}
