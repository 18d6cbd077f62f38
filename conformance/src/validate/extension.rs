//! Extensions: what their url means, where they may stand. FHIR R4 extensibility.html, defining-extensions.html.

use definitions::profile::{ContextKind, ExtensionContext, ProfileError};
use model::outcome::{Issue, Severity};

use crate::place::Place;

use super::node::Node;
use super::plan::{Claim, Plan, is_a};
use super::slicing::plain;
use super::walk::{Claims, Walk, push};

impl<'r> Walk<'r> {
    /// One extension: adds the definition of its url to what applies to it.
    #[expect(clippy::too_many_arguments, reason = "one extension and what it stands in")]
    pub(super) fn extension(
        &mut self,
        owner: &Node<'r>,
        owner_claims: &Claims,
        node: &Node<'r>,
        element: &str,
        slices: &[Claim],
        claims: &mut Claims,
        place: &Place<'_>,
    ) {
        let Some(url) = node.value.and_then(|value| value.text_at(&["url"])) else { return };
        if !url.contains(':') {
            if self.asking == 0 && owner.type_name != "Extension" {
                self.report.error("invalid", "expected the url of an extension to be absolute", place);
            }
            self.part(owner, owner_claims, slices, place);
            return;
        }
        let plan = match self.scope.validator.plans().profile(url) {
            Ok(plan) => plan,
            Err(error) => {
                self.unknown(url, &error, slices, place);
                return;
            }
        };
        if !plan.profile.is_extension() {
            self.report.error("structure", "expected the url of an extension", place);
            return;
        }
        let is_modifier = plan.profile.root().is_modifier;
        if self.asking == 0 && is_modifier != (element == "modifierExtension") {
            let expected = if is_modifier { "modifierExtension" } else { "extension" };
            let text = format_args!("expected {expected}: the extension is defined so");
            self.report.error("structure", text, place);
        }
        if self.asking == 0 && !plan.profile.context.is_empty() {
            let fits = plan.profile.context.iter().any(|context| self.stands_in(context, owner, owner_claims));
            if !fits {
                let allowed: Vec<&str> =
                    plan.profile.context.iter().map(|context| context.expression.as_str()).collect();
                let text =
                    format!("expected another element for the extension {}: {}", plan.canonical(), allowed.join(", "));
                // Named at the element that has it.
                // HL7 has widened the contexts of its own extensions since R4: an extension of R4 itself in another place
                // may be good by a later release of its definition.
                let severity = if is_own(&plan) { Severity::Warning } else { Severity::Error };
                self.report.problem(Issue::new(severity, "structure", text).rule(plan.canonical()), owner_of(place));
            }
        }
        if self.asking == 0 {
            for invariant in &plan.profile.context_invariants {
                if !self.is_allowed(invariant, owner, node) {
                    let text = format!("expected what the extension {} needs around it", plan.canonical());
                    let severity = if is_own(&plan) { Severity::Warning } else { Severity::Error };
                    self.report
                        .problem(Issue::new(severity, "structure", text).rule(plan.canonical()), owner_of(place));
                }
            }
        }
        push(claims, Claim::root(plan));
    }

    /// A part of a complex extension; `slices` are those of its url in the definition around.
    fn part(&mut self, owner: &Node<'r>, owner_claims: &Claims, slices: &[Claim], place: &Place<'_>) {
        if self.asking > 0 || owner.type_name != "Extension" || !slices.is_empty() {
            return;
        }
        // Only a definition that lists parts says which there are.
        let lists = |claim: &&Claim| claim.plan.profile.is_extension() && claim.plan.profile.url != BASE;
        let mut defined = owner_claims.iter().filter(lists).peekable();
        if let Some(claim) = defined.peek().cloned() {
            // The slicing of parts is open, but a relative url means nothing outside of the definition.
            let text = "expected the url of a part that the extension defines";
            let severity = if claim.plan.profile.url == GL_STRING { Severity::Warning } else { Severity::Error };
            self.report.problem(Issue::new(severity, "invalid", text).rule(claim.plan.canonical()), place);
        }
    }

    fn unknown(&mut self, url: &str, error: &ProfileError, slices: &[Claim], place: &Place<'_>) {
        if self.asking > 0 || !slices.is_empty() {
            return;
        }
        if let ProfileError::Broken(why) = error {
            self.report.error("invalid", format_args!("the definition of the extension is not usable: {why}"), place);
            return;
        }
        const EXAMPLES: [&str; 4] =
            ["http://example.org/", "https://example.org/", "http://acme.com/", "http://acme.org/"];
        let severity = if EXAMPLES.iter().any(|start| url.starts_with(start)) {
            Severity::Information
        } else if self.scope.options.known_extensions {
            Severity::Error
        } else {
            Severity::Warning
        };
        let text = "the definition of the extension is not loaded: it was not checked";
        self.report.problem(Issue::new(severity, "extension", text), place);
    }

    /// Whether an element is one that an extension is defined for.
    fn stands_in(&self, context: &ExtensionContext, owner: &Node<'r>, claims: &Claims) -> bool {
        match context.kind {
            ContextKind::Element => self.is_element(&context.expression, owner, claims),
            ContextKind::Extension => {
                let url = context.expression.split('#').next().unwrap_or_default();
                // On the value of an extension the one around it counts.
                claims.iter().any(|claim| claim.plan.profile.is_extension() && plain(claim.plan.canonical()) == url)
                    || owner.type_name == "Extension"
                        && owner.value.and_then(|value| value.text_at(&["url"])).is_some_and(|own| {
                            own == url || context.expression.split_once('#').is_some_and(|(_, part)| part == own)
                        })
            }
            ContextKind::Fhirpath => self.is_selected(&context.expression, owner),
        }
    }

    fn is_element(&self, expression: &str, owner: &Node<'r>, claims: &Claims) -> bool {
        let expression = expression.trim_end_matches("[x]");
        let is_resource = owner.shape.is_some_and(|shape| shape.is_resource);
        if let Some((profile, path)) = expression.split_once('#') {
            return claims.iter().any(|claim| plain(&claim.plan.profile.url) == profile && claim.element().id == path);
        }
        if expression.starts_with("http") {
            return claims.iter().any(|claim| claim.plan.profile.url == expression);
        }
        match expression {
            "Element" => return true,
            "CanonicalResource" | "MetadataResource" => {
                let has = |name: &str| owner.shape.is_some_and(|shape| shape.find(name).is_some());
                return is_resource && has("url") && has("status");
            }
            _ => {}
        }
        if !expression.contains('.') {
            return is_a(owner.type_name, expression)
                || claims.iter().any(|claim| claim.element().path == expression && claim.id.index() == 0);
        }
        let same = |path: &str| path.trim_end_matches("[x]") == expression;
        // An element whose content is listed elsewhere goes by that name too.
        let plans = self.scope.validator.plans();
        let listed = claims.iter().filter_map(|claim| plans.children_of(claim));
        claims.iter().cloned().chain(listed).any(|claim| {
            let element = claim.element();
            same(&element.path)
                || element.id.trim_end_matches("[x]") == expression
                // `Observation.value.ofType(Quantity)` and `Observation.valueQuantity` name one type of a choice.
                || element.is_choice
                    && element.path.strip_suffix("[x]").and_then(|path| expression.strip_prefix(path)).is_some_and(
                        |rest| rest.trim_start_matches(".ofType(").trim_end_matches(')').eq_ignore_ascii_case(owner.type_name),
                    )
                // An element of a base type is meant for all that derive from it: `Resource.id`.
                || element.path.split_once('.').is_some_and(|(root, rest)| {
                    expression.split_once('.').is_some_and(|(base, wanted)| wanted == rest && is_a(root, base))
                })
        })
    }
}

/// Whether it is an extension of R4 itself.
pub(super) fn is_own(plan: &Plan) -> bool {
    let profile = &plan.profile;
    profile.is_extension() && profile.version.as_deref() == Some("4.0.1") && profile.url.starts_with(OWN)
}

/// Its part for a URI has another url in the definition of R4 than in the example of R4.
const GL_STRING: &str = "http://hl7.org/fhir/StructureDefinition/hla-genotyping-results-glstring";
const OWN: &str = "http://hl7.org/fhir/StructureDefinition/";
const BASE: &str = "http://hl7.org/fhir/StructureDefinition/Extension";

/// The place of the element that has an extension, from the place of the extension.
fn owner_of<'p>(place: &'p Place<'p>) -> &'p Place<'p> {
    match place {
        Place::Root(_) => place,
        Place::Member { parent, .. } => parent,
        Place::Item { parent, .. } => owner_of(parent),
    }
}
