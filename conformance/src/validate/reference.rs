//! What references lead to: types, profiles, aggregation, versions. FHIR R4 references.html, elementdefinition.html.

use definitions::profile::{Aggregation, TypeRef, Versioning};
use model::resource::resource_type;

use crate::place::Place;
use crate::resolve::{Named, Target, named_type};
use crate::rules;
use crate::scope::Scope;

use super::node::Node;
use super::plan::{Claim, is_a};
use super::walk::{Claims, Walk};

impl<'r> Walk<'r> {
    /// A Reference against the targets that its definitions name.
    pub(super) fn reference(&mut self, node: &Node<'r>, claims: &Claims, place: &Place<'_>) {
        let Some(value) = node.value else { return };
        let text = value.text_at(&["reference"]);
        let target = match text {
            Some(text) => self.scope.resolver.resolve(&self.scope, text),
            None => Target::Outside,
        };
        let said = value.text_at(&["type"]);
        for claim in claims {
            let of: Vec<TypeRef> = claim.element().types.iter().filter(|of| of.code == "Reference").cloned().collect();
            if of.is_empty() {
                continue;
            }
            self.target(text, said, target, &of, claim, place);
            if let Some(text) = text {
                self.aggregation(target, &of, claim, place);
                self.versioning(text, &of, claim, place);
            }
        }
    }

    /// A canonical against the types of resources that its definitions name.
    pub(super) fn canonical(&mut self, node: &Node<'r>, claims: &Claims, place: &Place<'_>) {
        let Some(text) = node.text() else { return };
        for claim in claims {
            let of = claim.element().types.iter().filter(|of| of.code == "canonical");
            let targets: Vec<&str> = of.flat_map(|of| &of.target_profiles).map(String::as_str).collect();
            rules::canonical_target(&self.scope, text, &targets, place, &mut self.report);
        }
    }

    fn target(
        &mut self,
        text: Option<&str>,
        said: Option<&str>,
        target: Target<'r>,
        of: &[TypeRef],
        claim: &Claim,
        place: &Place<'_>,
    ) {
        let targets: Vec<&str> = of.iter().flat_map(|of| &of.target_profiles).map(String::as_str).collect();
        if targets.is_empty() || of.iter().any(|of| of.target_profiles.is_empty()) {
            return;
        }
        let plans = self.scope.validator.plans();
        let mut types: Vec<String> = Vec::new();
        for canonical in &targets {
            let name = match canonical.strip_prefix(STRUCTURE) {
                Some(name) if model::types::r4().find(name).is_some() => name.to_owned(),
                _ => match plans.profile(canonical) {
                    Ok(plan) => plan.profile.type_name.clone(),
                    Err(_) => {
                        let text = format_args!("the target profile {canonical} is not loaded: it was not checked");
                        self.report.warning("not-found", text, place);
                        return;
                    }
                },
            };
            if !types.contains(&name) {
                types.push(name);
            }
        }
        let allowed = |name: &str| types.iter().any(|of| is_a(name, of));
        let resource = target.resource();
        let found = resource.and_then(resource_type);
        if let Some(name) = found {
            if !allowed(name) {
                let text = format_args!("expected a reference to {}, not to {name}", types.join(", "));
                self.breach("structure", text, claim, place);
                return;
            }
        } else if let Some(name) = text.and_then(named_type)
            && !allowed(name)
        {
            let expected = format!("expected a reference to {}, not to {name}", types.join(", "));
            if self.scope.options.check_references {
                self.breach("structure", expected, claim, place);
            } else {
                self.report.warning("structure", expected, place);
            }
            return;
        }
        if let Some(name) = said
            && found.is_none()
            && model::types::r4().resource(name).is_some()
            && !allowed(name)
        {
            let expected = format_args!("expected a reference to {}, not to {name}", types.join(", "));
            self.breach("structure", expected, claim, place);
            return;
        }
        if let Some(resource) = resource {
            self.target_profile(resource, target, &targets, claim, place);
        }
    }

    fn target_profile(
        &mut self,
        resource: &'r model::json::Json,
        target: Target<'r>,
        targets: &[&str],
        claim: &Claim,
        place: &Place<'_>,
    ) {
        let is_base = |canonical: &&str| {
            canonical
                .strip_prefix(STRUCTURE)
                .is_some_and(|name| resource_type(resource).is_some_and(|of| is_a(of, name)))
        };
        if targets.iter().any(is_base) {
            return;
        }
        let scope = self.scope_of(resource, target);
        for canonical in targets {
            if let Ok(plan) = self.scope.validator.plans().profile(canonical)
                && self.conforms_elsewhere(scope, &plan)
            {
                return;
            }
        }
        let text = format_args!("expected the target to conform to {}", targets.join(" or "));
        self.breach("structure", text, claim, place);
    }

    /// What stands around the target of a reference.
    fn scope_of(&self, resource: &'r model::json::Json, target: Target<'r>) -> Scope<'r> {
        let here = self.scope;
        match target {
            Target::Contained(_) => {
                let container = match here.container {
                    Some(container) if std::ptr::eq(container, resource) => None,
                    Some(container) => Some(container),
                    None => Some(here.resource),
                };
                Scope { resource, container, ..here }
            }
            Target::Bundled { entry, .. } => {
                let bundle = here.bundle.map(|(bundle, _)| (bundle, entry));
                Scope { resource, container: None, bundle, ..here }
            }
            _ => Scope { resource, container: None, ..here },
        }
    }

    fn aggregation(&mut self, target: Target<'r>, of: &[TypeRef], claim: &Claim, place: &Place<'_>) {
        let modes: Vec<Aggregation> = of.iter().flat_map(|of| of.aggregation.iter().copied()).collect();
        if modes.is_empty() || of.iter().any(|of| of.aggregation.is_empty()) {
            return;
        }
        let fits = match target {
            Target::Contained(_) | Target::Missing => modes.contains(&Aggregation::Contained),
            // Another entry can be referred to as what it is elsewhere.
            Target::Bundled { .. } | Target::Parameter(_) | Target::Ambiguous => {
                modes.contains(&Aggregation::Bundled) || modes.contains(&Aggregation::Referenced)
            }
            // Without a Bundle around nothing says whether the target is to travel along.
            Target::Outside if self.scope.bundle.is_none() && !self.scope.options.check_references => {
                modes.contains(&Aggregation::Referenced) || modes.contains(&Aggregation::Bundled)
            }
            Target::Outside => modes.contains(&Aggregation::Referenced),
        };
        if !fits {
            let names: Vec<&str> = modes.iter().map(|mode| name(*mode)).collect();
            let text = format_args!("expected a target that is {}", names.join(" or "));
            self.breach("structure", text, claim, place);
        }
    }

    fn versioning(&mut self, text: &str, of: &[TypeRef], claim: &Claim, place: &Place<'_>) {
        let Some(named) = Named::parse(text) else { return };
        let broken = |of: &TypeRef| match of.versioning {
            Some(Versioning::Specific) => named.version.is_none(),
            Some(Versioning::Independent) => named.version.is_some(),
            Some(Versioning::Either) | None => false,
        };
        if of.iter().all(broken) {
            let expected = if named.version.is_some() { "without" } else { "with" };
            self.breach("structure", format_args!("expected a reference {expected} a version"), claim, place);
        }
    }
}

fn name(mode: Aggregation) -> &'static str {
    match mode {
        Aggregation::Contained => "contained",
        Aggregation::Referenced => "referenced",
        Aggregation::Bundled => "bundled",
    }
}

const STRUCTURE: &str = "http://hl7.org/fhir/StructureDefinition/";
