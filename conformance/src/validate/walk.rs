//! The walk over a resource with the definitions that apply to each value.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use definitions::profile::{ElementId, ProfileError};
use model::json::{Json, Object};
use model::types::{Kind, Shape};
use smallvec::SmallVec;

use crate::place::Place;
use crate::report::Report;
use crate::rules;
use crate::scope::Scope;

use super::node::{Node, Present, presents};
use super::plan::{Claim, Plan, TypePlan, is_a};

pub(crate) type Claims = SmallVec<[Claim; 4]>;

/// The state of one validation.
pub(crate) struct Walk<'r> {
    pub(crate) scope: Scope<'r>,
    pub(crate) report: Report,
    /// Above 0 it is only asked whether something conforms: the first error decides, and rules that do not belong to
    /// the profile asked about are passed over.
    pub(crate) asking: u32,
    /// Answers given, by value and profile.
    answers: HashMap<(usize, usize), bool>,
    /// The ids of the elements of the resource.
    ids: HashSet<&'r str>,
    /// Questions not yet answered: what refers back to itself conforms if all else does.
    open: Vec<(usize, usize)>,
}

/// As many values may contain or refer to each other.
const MAX_DEPTH: usize = 60;

impl<'r> Walk<'r> {
    pub(crate) fn new(scope: Scope<'r>) -> Self {
        Self {
            scope,
            report: Report::default(),
            asking: 0,
            answers: HashMap::new(),
            ids: HashSet::new(),
            open: Vec::new(),
        }
    }

    fn is_decided(&self) -> bool {
        self.asking > 0 && self.report.has_error()
    }

    /// What was given to be validated.
    pub(crate) fn root(&mut self, place: &Place<'_>) {
        let Some(node) = Node::resource(self.scope.resource) else { return };
        let mut claims = Claims::new();
        self.own_claims(&node, &mut claims, place);
        for canonical in self.scope.options.profiles {
            match self.scope.validator.plans().profile(canonical) {
                Ok(plan) => self.claim_type(plan, &node, &mut claims, place),
                Err(error) => self.report.error("not-found", format_args!("profile {canonical}: {error}"), place),
            }
        }
        self.resource(node, &claims, place);
    }

    fn claim_type(&mut self, plan: Arc<Plan>, node: &Node<'r>, claims: &mut Claims, place: &Place<'_>) {
        if is_a(node.type_name, &plan.profile.type_name) {
            push(claims, Claim::root(plan));
        } else {
            let text =
                format_args!("expected a {}: the profile {} is for it", plan.profile.type_name, plan.canonical());
            self.report.error("structure", text, place);
        }
    }

    /// The definition of a resource's type and the profiles it claims.
    fn own_claims(&mut self, node: &Node<'r>, claims: &mut Claims, place: &Place<'_>) {
        let plans = self.scope.validator.plans();
        claims.extend(plans.base(node.type_name).map(Claim::root));
        for plan in self.scope.validator.global(node.type_name) {
            push(claims, Claim::root(plan));
        }
        let Some(meta) = node.value.and_then(|value| value.get("meta")) else { return };
        let meta_place = place.member("meta");
        let list = meta_place.member("profile");
        for (index, canonical) in meta.items("profile").iter().enumerate() {
            let Some(canonical) = canonical.as_str() else { continue };
            match plans.profile(canonical) {
                Ok(plan) => self.claim_type(plan, node, claims, &list.item(index)),
                Err(ProfileError::Unknown) => {
                    let text = "the profile is not loaded: it was not checked";
                    self.report.warning("not-found", text, &list.item(index));
                }
                Err(error @ ProfileError::Broken(_)) => {
                    let text = format_args!("the profile is not usable ({error}): it was not checked");
                    self.report.warning("not-found", text, &list.item(index));
                }
            }
        }
    }

    /// A resource with the definitions that apply to it as a whole.
    fn resource(&mut self, node: Node<'r>, claims: &Claims, place: &Place<'_>) {
        let claims = self.imposed(claims);
        let around = std::mem::take(&mut self.ids);
        self.node(node, &claims, place);
        if self.asking == 0 {
            rules::check(&self.scope, place, &mut self.report);
        }
        self.ids = around;
    }

    /// element.html, "id": no two elements of a resource have the same one.
    fn id(&mut self, object: &'r Object, place: &Place<'_>) {
        let Some(id) = object.get("id").and_then(Json::as_str) else { return };
        // Differential and snapshot name the same elements.
        let is_definition = model::resource::resource_type(self.scope.resource) == Some("StructureDefinition");
        if !is_definition && !self.ids.insert(id) {
            self.report.error("business-rule", "expected an id that no other element of the resource has", place);
        }
    }

    /// With the profiles that those profiles impose.
    fn imposed(&self, claims: &Claims) -> Claims {
        let mut all = claims.clone();
        let mut at = 0;
        while let Some(claim) = all.get(at).cloned() {
            for canonical in &claim.plan.profile.imposes {
                if let Ok(plan) = self.scope.validator.plans().profile(canonical) {
                    push(&mut all, Claim::root(plan));
                }
            }
            at += 1;
        }
        all
    }

    /// A resource in another one: contained, of a Bundle entry, of Parameters.
    fn inner(&mut self, node: Node<'r>, element: &Claims, owner: &Node<'r>, is_contained: bool, place: &Place<'_>) {
        let Some(json) = node.value else { return };
        let outer = self.scope;
        if is_contained {
            self.scope.container = Some(outer.resource);
        } else {
            self.scope.container = None;
            if let Some(index) = entry_index(outer.resource, owner) {
                self.scope.bundle = Some((outer.resource, index));
            }
        }
        self.scope.resource = json;
        let mut claims = Claims::new();
        if self.asking == 0 {
            self.own_claims(&node, &mut claims, place);
        }
        for claim in element {
            self.typed(&node, claim, &mut claims, place);
        }
        self.resource(node, &claims, place);
        self.scope = outer;
    }

    /// The type of a value against the types of an element; adds the profiles that the element names for it.
    fn typed(&mut self, node: &Node<'r>, claim: &Claim, claims: &mut Claims, place: &Place<'_>) {
        let element = claim.element();
        if claim.id != ElementId::ROOT && !element.types.is_empty() {
            let fits = element.types.iter().any(|of| is_of(node, &of.code));
            if !fits && node.type_name != "BackboneElement" && node.type_name != "Element" {
                let allowed: Vec<&str> = element.types.iter().map(|of| of.code.as_str()).collect();
                let text = format_args!("expected {}, not {}", allowed.join(" or "), node.type_name);
                self.breach("structure", text, claim, place);
                return;
            }
        }
        match self.scope.validator.plans().type_plan(claim, node.type_name) {
            None => {}
            Some(TypePlan::One(plan)) => {
                if let Some(plan) = plan.upgrade() {
                    push(claims, Claim::root(plan));
                }
            }
            // Whether the definition of an extension is loaded is said of its url.
            Some(TypePlan::Unknown(_)) if node.type_name == "Extension" => {}
            Some(TypePlan::Unknown(canonical)) => {
                let text = format_args!("the profile {canonical} that the element names is not loaded");
                self.breach("structure", text, claim, place);
            }
            Some(TypePlan::Choice(plans)) => {
                let known: Vec<Arc<Plan>> = plans.iter().filter_map(std::sync::Weak::upgrade).collect();
                if !known.iter().any(|plan| self.conforms(*node, plan)) {
                    let names: Vec<&str> = known.iter().map(|plan| plan.canonical()).collect();
                    self.breach(
                        "structure",
                        format_args!("expected one of the profiles {}", names.join(", ")),
                        claim,
                        place,
                    );
                }
            }
        }
    }

    /// An error that a definition finds, with its name.
    pub(crate) fn breach(
        &mut self,
        code: &'static str,
        text: impl std::fmt::Display,
        claim: &Claim,
        place: &Place<'_>,
    ) {
        let issue = model::outcome::Issue::error(code, text.to_string()).rule(claim.plan.canonical());
        self.report.problem(issue, place);
    }

    /// Whether a value conforms to a profile, by that profile alone.
    pub(crate) fn conforms(&mut self, node: Node<'r>, plan: &Arc<Plan>) -> bool {
        if !is_a(node.type_name, &plan.profile.type_name) {
            return false;
        }
        let question = (node.address(), Arc::as_ptr(plan) as usize);
        if let Some(answer) = self.answers.get(&question) {
            return *answer;
        }
        if self.open.contains(&question) || self.open.len() > MAX_DEPTH {
            return true;
        }
        self.open.push(question);
        let report = std::mem::take(&mut self.report);
        self.asking += 1;
        let place = Place::Root(node.type_name);
        let claims: Claims = std::iter::once(Claim::root(Arc::clone(plan))).collect();
        if node.shape.is_some_and(|shape| shape.is_resource) {
            self.resource(node, &claims, &place);
        } else {
            self.node(node, &claims, &place);
        }
        self.asking -= 1;
        let answer = !std::mem::replace(&mut self.report, report).has_error();
        self.open.pop();
        self.answers.insert(question, answer);
        answer
    }

    /// As [`Walk::conforms`], for a resource elsewhere in what is validated.
    pub(crate) fn conforms_elsewhere(&mut self, scope: Scope<'r>, plan: &Arc<Plan>) -> bool {
        let Some(node) = Node::resource(scope.resource) else { return false };
        let here = std::mem::replace(&mut self.scope, scope);
        let answer = self.conforms(node, plan);
        self.scope = here;
        answer
    }

    /// Whether a value has all that an element of a profile asks of it.
    pub(crate) fn fulfils(&mut self, node: Node<'r>, claim: &Claim) -> bool {
        let report = std::mem::take(&mut self.report);
        self.asking += 1;
        let mut claims = Claims::new();
        claims.push(claim.clone());
        self.typed(&node, claim, &mut claims, &Place::Root(node.type_name));
        self.node(node, &claims, &Place::Root(node.type_name));
        self.asking -= 1;
        !std::mem::replace(&mut self.report, report).has_error()
    }

    /// One value with the definitions that apply to it.
    fn node(&mut self, node: Node<'r>, claims: &Claims, place: &Place<'_>) {
        if self.is_decided() {
            return;
        }
        self.content(&node, claims, place);
        self.constraints(&node, claims, place);
        if self.asking == 0 {
            match node.shape {
                Some(_) => {
                    if let Some(object) = node.value {
                        rules::element(&self.scope, node.type_name, object, place, &mut self.report);
                    }
                }
                None => {
                    if let Some(text) = node.text() {
                        rules::primitive(&self.scope, node.type_name, text, place, &mut self.report);
                    }
                }
            }
        }
        if node.type_name == "Reference" {
            self.reference(&node, claims, place);
        }
        if let Some((shape, object)) = node.object() {
            if self.asking == 0 && !shape.is_resource {
                self.id(object, place);
            }
            self.members(&node, shape, object, claims, place);
        }
    }

    /// The elements of an object.
    fn members(
        &mut self,
        owner: &Node<'r>,
        shape: &'static Shape,
        object: &'r Object,
        claims: &Claims,
        place: &Place<'_>,
    ) {
        let plans = self.scope.validator.plans();
        let holders: Claims = claims.iter().filter_map(|claim| plans.children_of(claim)).collect();
        let presents = presents(shape, object);
        for present in &presents {
            if self.is_decided() {
                return;
            }
            let element = present.element;
            let child_claims: Claims = holders
                .iter()
                .filter_map(|holder| {
                    let id = holder.child(element.name).or_else(|| {
                        // Older snapshots rename a choice to its one type.
                        element.is_choice.then(|| holder.child(&choice_name(element.name, present.of_type.name)))?
                    })?;
                    Some(holder.with(id))
                })
                .collect();
            let of_type = element.is_choice.then_some(present.of_type.name);
            let here = Place::Member { parent: place, name: element.name, of_type };
            self.values(owner, present, claims, &child_claims, place, &here);
        }
        for holder in &holders {
            for id in holder.required() {
                let child = holder.with(*id);
                let name = child.element().name.as_str();
                let is_there = |present: &&Present<'r>| {
                    present.element.name == name
                        || present.element.is_choice && name == choice_name(present.element.name, present.of_type.name)
                };
                if presents.iter().find(is_there).is_none() {
                    self.absent(&child, shape, place);
                }
            }
        }
    }

    /// An element that is not there although a definition asks for it.
    fn absent(&mut self, child: &Claim, shape: &'static Shape, place: &Place<'_>) {
        let element = child.element();
        let base = shape.elements.iter().find(|of| of.name == element.name).map_or(0, |of| u32::from(of.min));
        // The form has been checked with the base type.
        if element.min > 0 && (base == 0 || self.asking > 0) {
            let choice = if element.is_choice { "[x]" } else { "" };
            let text = format_args!("expected at least {} of {}{choice}", element.min, element.name);
            self.breach("required", text, child, place);
        }
        for slice in &element.slices {
            let slice = child.with(*slice);
            if slice.element().min > 0 {
                self.missing_slice(&slice, 0, place);
            }
        }
    }

    pub(super) fn missing_slice(&mut self, slice: &Claim, found: u32, place: &Place<'_>) {
        let element = slice.element();
        let name = element.slice_name.as_deref().unwrap_or_default();
        let text = format_args!("expected at least {} of {}:{name}, found {found}", element.min, element.path);
        self.breach("required", text, slice, place);
    }

    /// The values of one element.
    fn values(
        &mut self,
        owner: &Node<'r>,
        present: &Present<'r>,
        owner_claims: &Claims,
        claims: &Claims,
        parent: &Place<'_>,
        here: &Place<'_>,
    ) {
        let mut nodes: SmallVec<[(usize, Node<'r>); 4]> = SmallVec::new();
        present.each(|index, node| nodes.push((index, node)));
        let count = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
        for claim in claims {
            self.cardinality(present, claim, count, parent);
        }
        let is_list = present.is_list();
        // The slices that each value belongs to.
        let mut slices: SmallVec<[Claims; 4]> = SmallVec::new();
        if claims.iter().any(|claim| !claim.element().slices.is_empty()) {
            slices.resize_with(nodes.len(), Claims::new);
            let all: Vec<usize> = (0..nodes.len()).collect();
            for claim in claims {
                self.assign(claim, &nodes, &all, &mut slices, is_list, parent, here);
            }
        }
        for (at, (index, node)) in nodes.iter().enumerate() {
            let item;
            let place = if is_list {
                item = here.item(*index);
                &item
            } else {
                here
            };
            let own = slices.get(at).map_or(&[][..], |own| own.as_slice());
            self.value(owner, owner_claims, present, *node, claims, own, place);
        }
    }

    fn cardinality(&mut self, present: &Present<'r>, claim: &Claim, count: u32, parent: &Place<'_>) {
        let element = claim.element();
        let base_max = if present.element.max == u16::MAX { u32::MAX } else { u32::from(present.element.max) };
        if let Some(max) = element.max
            && count > max
            && count <= base_max
        {
            let text = format_args!("expected at most {max} of {}, found {count}", element.path);
            self.breach("structure", text, claim, parent);
        }
        if count < element.min && (count >= u32::from(present.element.min) || self.asking > 0) {
            let text = format_args!("expected at least {} of {}, found {count}", element.min, element.path);
            self.breach("required", text, claim, parent);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one value and all that is known of it")]
    fn value(
        &mut self,
        owner: &Node<'r>,
        owner_claims: &Claims,
        present: &Present<'r>,
        node: Node<'r>,
        claims: &Claims,
        slices: &[Claim],
        place: &Place<'_>,
    ) {
        let mut all: Claims = claims.clone();
        all.extend(slices.iter().cloned());
        if matches!(present.of_type.kind, Kind::Resource) {
            if present.element.name == "contained" && !self.scope.options.contained {
                return;
            }
            self.inner(node, &all, owner, present.element.name == "contained", place);
            return;
        }
        let given = all.clone();
        for claim in &given {
            self.typed(&node, claim, &mut all, place);
        }
        match node.type_name {
            "Extension" => self.extension(owner, owner_claims, &node, present.element.name, slices, &mut all, place),
            // Their elements are listed where they are used.
            "BackboneElement" | "Element" => {}
            name if node.shape.is_some() => {
                if let Some(plan) = self.scope.validator.plans().base(name) {
                    push(&mut all, Claim::root(plan));
                }
            }
            _ => {}
        }
        self.node(node, &all, place);
    }
}

/// Whether a value has a type that an element allows. A data type is named as it is (`code` is not `string` here), a
/// resource may be of any type derived from the one that is named.
pub(crate) fn is_of(node: &Node<'_>, allowed: &str) -> bool {
    node.type_name == allowed
        || matches!(allowed, "Element" | "BackboneElement")
        || node.shape.is_some_and(|shape| shape.is_resource) && is_a(node.type_name, allowed)
}

/// Adds a claim that is not there yet.
pub(crate) fn push(claims: &mut Claims, claim: Claim) {
    if !claims.iter().any(|known| known.is(&claim)) {
        claims.push(claim);
    }
}

/// `value` and `dateTime` give `valueDateTime`.
pub(crate) fn choice_name(element: &str, of_type: &str) -> String {
    let mut name = String::from(element);
    let mut letters = of_type.chars();
    name.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
    name.push_str(letters.as_str());
    name
}

/// Which entry of a Bundle an object is.
fn entry_index(bundle: &Json, entry: &Node<'_>) -> Option<usize> {
    if model::resource::resource_type(bundle) != Some("Bundle") {
        return None;
    }
    let entries = bundle.items("entry");
    // By arithmetic: a Bundle may have very many entries.
    let offset = (std::ptr::from_ref(entry.value?) as usize).checked_sub(entries.as_ptr() as usize)?;
    Some(offset / size_of::<Json>()).filter(|index| *index < entries.len())
}
