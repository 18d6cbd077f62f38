//! Canonicals: the type of what they lead to. FHIR R4 references.html#canonical.

use model::resource::{id, resource_type};

use crate::place::Place;
use crate::report::Report;
use crate::scope::Scope;

const STRUCTURE: &str = "http://hl7.org/fhir/StructureDefinition/";

/// A canonical that is known has to be one of the types that its element names as targets.
pub(crate) fn canonical_target(
    scope: &Scope<'_>,
    text: &str,
    targets: &[&str],
    place: &Place<'_>,
    report: &mut Report,
) {
    if let Some(local) = text.strip_prefix('#') {
        contained(scope, local, place, report);
        return;
    }
    let names: Vec<&str> = targets.iter().filter_map(|target| target.strip_prefix(STRUCTURE)).collect();
    let is_any = names.iter().any(|name| matches!(*name, "Resource" | "DomainResource"));
    if is_any || names.len() != targets.len() || names.is_empty() {
        return;
    }
    // Without its anchor it is the resource that is named.
    let plain = text.split('#').next().unwrap_or(text);
    if names.iter().any(|name| scope.find(name, plain).is_some()) {
        return;
    }
    if scope.find_any(plain).is_some_and(|found| resource_type(&found).is_some_and(|of| !names.contains(&of))) {
        let text = format_args!("expected the canonical of {}", names.join(" or "));
        report.error("invalid", text, place);
    }
}

/// A canonical that starts with `#` names a contained resource.
fn contained(scope: &Scope<'_>, local: &str, place: &Place<'_>, report: &mut Report) {
    let holder = scope.container.unwrap_or(scope.resource);
    let local = local.split('|').next().unwrap_or(local);
    if !local.is_empty()
        && resource_type(holder) != Some("QuestionnaireResponse")
        && !holder.items("contained").iter().any(|one| id(one) == Some(local))
    {
        // Published examples point at resources that they do not contain.
        report.warning("not-found", "expected a contained resource of that id", place);
    }
}
