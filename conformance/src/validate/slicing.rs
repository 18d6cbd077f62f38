//! How the slices of an element are told apart. FHIR R4 profiling.html, "Slicing" and "Discriminator".

use definitions::profile::{Discriminator, DiscriminatorKind, ElementId, SlicingRules, Strength};
use model::json::Json;
use smol_str::SmolStr;

use super::plan::{Claim, Plans};

/// The slices of one element, made ready.
pub(crate) struct Slicing {
    pub(crate) slices: Vec<Slice>,
    pub(crate) rules: SlicingRules,
    pub(crate) ordered: bool,
    /// The slice `@default`: what belongs to no other.
    pub(crate) default: Option<ElementId>,
}

/// One slice: a value belongs to it if it passes all tests.
pub(crate) struct Slice {
    pub(crate) id: ElementId,
    pub(crate) tests: Vec<Test>,
}

/// One discriminator of one slice.
pub(crate) struct Test {
    pub(crate) path: Vec<Step>,
    pub(crate) expect: Expect,
}

/// A step of a discriminator's path: a restricted FHIRPath.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Member(SmolStr),
    OfType(SmolStr),
    Extension(String),
    Resolve,
}

/// What a discriminator asks of the values at its path: one of them has to be so.
#[derive(Debug)]
pub(crate) enum Expect {
    Fixed(Json),
    Pattern(Json),
    /// Each of these members.
    Members(Vec<(SmolStr, Self)>),
    /// One of these.
    Any(Vec<Self>),
    /// A code of this value set.
    Code(String),
    Exists,
    Absent,
    /// Nothing: the slice leaves it open.
    Nothing,
    Types(Vec<SmolStr>),
    Profiles(Vec<String>),
    /// All that the slice says of itself: there is no discriminator.
    Conforms,
    /// The profile does not say what decides.
    Unknown,
}

/// Definitions point at each other; a discriminator does not need to go far.
const MAX_DEPTH: usize = 6;

impl Slicing {
    pub(super) fn compile(plans: &Plans, sliced: &Claim) -> Self {
        let element = sliced.element();
        let (rules, ordered) = element.slicing.as_ref().map_or_else(Default::default, |by| (by.rules, by.ordered));
        let implied: Vec<Discriminator>;
        let discriminators = match &element.slicing {
            Some(by) => by.discriminators.as_slice(),
            None => {
                implied = implied_by(sliced);
                implied.as_slice()
            }
        };
        let mut default = None;
        let mut slices = Vec::new();
        for id in &element.slices {
            let slice = sliced.with(*id);
            if slice.element().slice_name.as_deref() == Some("@default") {
                default = Some(*id);
                continue;
            }
            let mut tests: Vec<Test> = discriminators.iter().map(|by| test(plans, &slice, by)).collect();
            if tests.is_empty() {
                tests.push(Test { path: Vec::new(), expect: Expect::Conforms });
            }
            slices.push(Slice { id: *id, tests });
        }
        Self { slices, rules, ordered, default }
    }
}

/// Extensions are sliced by their url and choices by their type, also where a profile does not say so.
fn implied_by(sliced: &Claim) -> Vec<Discriminator> {
    let element = sliced.element();
    let by = |kind, path: &str| vec![Discriminator { kind, path: path.to_owned() }];
    if element.is_choice {
        by(DiscriminatorKind::Type, "$this")
    } else if matches!(&*element.name, "extension" | "modifierExtension") {
        by(DiscriminatorKind::Value, "url")
    } else {
        Vec::new()
    }
}

fn test(plans: &Plans, slice: &Claim, by: &Discriminator) -> Test {
    let Some(path) = steps(&by.path) else { return Test { path: Vec::new(), expect: Expect::Unknown } };
    let mut at = vec![Position { claim: slice.clone(), of_type: None }];
    for step in &path {
        at = at.iter().flat_map(|position| position.step(plans, step)).collect();
    }
    let expect = match by.kind {
        DiscriminatorKind::Value | DiscriminatorKind::Pattern => {
            any(at.iter().filter_map(|position| value_of(plans, &position.claim, 0)).collect())
                .or_else(|| at.iter().find_map(|position| presence(&position.claim)))
        }
        DiscriminatorKind::Exists => at.iter().find_map(|position| presence(&position.claim)),
        DiscriminatorKind::Type => {
            let types: Vec<SmolStr> = at.iter().flat_map(Position::types).collect();
            (!types.is_empty()).then_some(Expect::Types(types))
        }
        DiscriminatorKind::Profile => {
            let profiles: Vec<String> = at.iter().flat_map(Position::profiles).collect();
            Some(if profiles.is_empty() { Expect::Nothing } else { Expect::Profiles(profiles) })
        }
        DiscriminatorKind::Position => None,
    };
    Test { path, expect: expect.unwrap_or(Expect::Unknown) }
}

fn any(mut found: Vec<Expect>) -> Option<Expect> {
    match found.len() {
        0 => None,
        1 => found.pop(),
        _ => Some(Expect::Any(found)),
    }
}

fn presence(claim: &Claim) -> Option<Expect> {
    let element = claim.element();
    if element.is_prohibited() {
        return Some(Expect::Absent);
    }
    (element.min > 0).then_some(Expect::Exists)
}

/// What a definition says of a value: fixed, a pattern, a required value set, or something of that below it.
fn value_of(plans: &Plans, claim: &Claim, depth: usize) -> Option<Expect> {
    let element = claim.element();
    if let Some(fixed) = &element.fixed {
        return Some(Expect::Fixed(fixed.value.clone()));
    }
    if let Some(pattern) = &element.pattern {
        return Some(Expect::Pattern(pattern.value.clone()));
    }
    if depth >= MAX_DEPTH || element.is_prohibited() {
        return None;
    }
    // A choice of which one type has to be there.
    let slices = element.slices.iter().map(|id| claim.with(*id)).filter(|slice| slice.element().min > 0);
    if let Some(expect) = any(slices.filter_map(|slice| value_of(plans, &slice, depth + 1)).collect()) {
        return Some(expect);
    }
    let mut members = Vec::new();
    for (holder, id) in children(plans, claim) {
        let child = holder.with(id);
        let name = child.element().name.clone();
        if let Some(expect) = value_of(plans, &child, depth + 1) {
            members.push((name, expect));
            continue;
        }
        let slices = child.element().slices.iter().map(|slice| child.with(*slice));
        for slice in slices.filter(|slice| slice.element().min > 0) {
            members.extend(value_of(plans, &slice, depth + 1).map(|expect| (name.clone(), expect)));
        }
    }
    if !members.is_empty() {
        return Some(Expect::Members(members));
    }
    let binding = element.binding.as_ref().filter(|binding| binding.strength == Strength::Required)?;
    // A binding that the type itself has tells no slice from another.
    let is_own = claim.plan.profile.derivation == definitions::profile::Derivation::Constraint;
    binding.value_set.clone().filter(|_| is_own).map(Expect::Code)
}

/// The children a profile lists below an element: its own, else those of the one profile of its type.
fn children(plans: &Plans, claim: &Claim) -> Vec<(Claim, ElementId)> {
    if claim.plan.profile.derivation != definitions::profile::Derivation::Constraint {
        return Vec::new();
    }
    if let Some(holder) = plans.children_of(claim) {
        let list = holder.element().children.clone();
        return list.into_iter().map(|id| (holder.clone(), id)).collect();
    }
    let profiles = claim.element().types.iter().flat_map(|of| &of.profiles);
    let plans = profiles.filter_map(|canonical| plans.profile(canonical).ok());
    plans
        .flat_map(|plan| {
            let root = Claim::root(plan);
            let list = root.element().children.clone();
            list.into_iter().map(move |id| (root.clone(), id))
        })
        .collect()
}

/// A definition that a path leads to.
struct Position {
    claim: Claim,
    /// The type that the path has chosen.
    of_type: Option<SmolStr>,
}

impl Position {
    fn at(claim: Claim) -> Self {
        Self { claim, of_type: None }
    }

    fn step(&self, plans: &Plans, step: &Step) -> Vec<Self> {
        match step {
            Step::Member(name) => self.member(plans, name),
            Step::OfType(name) => {
                let element = self.claim.element();
                let slices = element.slices.iter().map(|id| self.claim.with(*id));
                let mut fits = slices.filter(|slice| slice.element().types.iter().any(|of| of.code == *name));
                let claim = fits.next().unwrap_or_else(|| self.claim.clone());
                vec![Self { claim, of_type: Some(name.clone()) }]
            }
            Step::Extension(url) => {
                let lists = self.member(plans, "extension");
                let slices = lists.iter().flat_map(|list| {
                    let element = list.claim.element();
                    element.slices.iter().map(|id| list.claim.with(*id))
                });
                let is_it = |slice: &Claim| {
                    let types = &slice.element().types;
                    types.iter().any(|of| of.profiles.iter().any(|canonical| plain(canonical) == url))
                        || slice.child("url").is_some_and(|id| {
                            let fixed = slice.with(id).element().fixed.as_ref().map(|fixed| fixed.value.clone());
                            fixed.as_ref().and_then(Json::as_str) == Some(url)
                        })
                };
                let mut found: Vec<Self> = slices.filter(is_it).map(Self::at).collect();
                if found.is_empty() {
                    found.extend(plans.profile(url).ok().map(|plan| Self::at(Claim::root(plan))));
                }
                found
            }
            Step::Resolve => {
                let targets = self.claim.element().types.iter().flat_map(|of| &of.target_profiles);
                targets
                    .filter_map(|canonical| plans.profile(canonical).ok())
                    .map(|p| Self::at(Claim::root(p)))
                    .collect()
            }
        }
    }

    fn member(&self, plans: &Plans, name: &str) -> Vec<Self> {
        let mut found = Vec::new();
        if let Some(holder) = plans.children_of(&self.claim)
            && let Some(id) = holder.child(name)
        {
            let child = holder.with(id);
            // Slices that have to be there say something of the values as well.
            let slices = child.element().slices.iter().map(|slice| child.with(*slice));
            let needed = slices.filter(|slice| slice.element().min > 0 && !slice.element().is_choice);
            found.extend(needed.map(Self::at));
            found.push(Self::at(child));
        }
        for of in &self.claim.element().types {
            if self.of_type.as_ref().is_some_and(|chosen| *chosen != of.code) {
                continue;
            }
            let mut add = |plan| {
                let root = Claim::root(plan);
                found.extend(root.child(name).map(|id| Self::at(root.with(id))));
            };
            of.profiles.iter().filter_map(|canonical| plans.profile(canonical).ok()).for_each(&mut add);
            if of.profiles.is_empty() && !self.claim.has_children() {
                plans.base(&of.code).into_iter().for_each(add);
            }
        }
        found
    }

    fn types(&self) -> Vec<SmolStr> {
        if let Some(chosen) = &self.of_type {
            return vec![chosen.clone()];
        }
        if self.claim.id == ElementId::ROOT {
            return vec![SmolStr::new(&self.claim.plan.profile.type_name)];
        }
        let element = self.claim.element();
        // A choice of which one type has to be there.
        let slices = element.slices.iter().map(|id| self.claim.plan.profile.element(*id));
        let needed = slices.filter(|slice| slice.min > 0).flat_map(|slice| &slice.types);
        let needed: Vec<SmolStr> = needed.map(|of| of.code.clone()).collect();
        if needed.is_empty() { element.types.iter().map(|of| of.code.clone()).collect() } else { needed }
    }

    fn profiles(&self) -> Vec<String> {
        if self.claim.id == ElementId::ROOT {
            return vec![self.claim.plan.profile.url.clone()];
        }
        self.claim.element().types.iter().flat_map(|of| of.profiles.clone()).collect()
    }
}

/// A canonical without its version.
pub(crate) fn plain(canonical: &str) -> &str {
    canonical.split_once('|').map_or(canonical, |(url, _)| url)
}

/// Reads the path of a discriminator; nothing if it is more than the restricted FHIRPath.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut found = Vec::new();
    let mut rest = path.trim();
    while !rest.is_empty() {
        let end = rest.find(['.', '(']).unwrap_or(rest.len());
        let (name, tail) = rest.split_at_checked(end)?;
        if let Some(arguments) = tail.strip_prefix('(') {
            let (argument, tail) = arguments.split_once(')')?;
            let argument = argument.trim().trim_matches(['\'', '"', '`']);
            found.push(match name {
                "ofType" => Step::OfType(SmolStr::new(argument)),
                "extension" => Step::Extension(argument.to_owned()),
                "resolve" => Step::Resolve,
                _ => return None,
            });
            rest = tail;
        } else {
            match name {
                "$this" => {}
                // Older profiles name the type of a choice in the path.
                _ => found.push(Step::Member(SmolStr::new(name.trim_end_matches("[x]")))),
            }
            rest = tail;
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
    }
    Some(found)
}

#[cfg(test)]
mod tests;
