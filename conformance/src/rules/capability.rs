//! CapabilityStatements: search parameters as they are defined. FHIR R4 capabilitystatement.html.

use super::read::text;
use crate::place::Place;
use crate::report::Report;
use crate::scope::Scope;

pub(super) fn check(scope: &Scope<'_>, place: &Place<'_>, report: &mut Report) {
    let rests = place.member("rest");
    for (at, rest) in scope.resource.items("rest").iter().enumerate() {
        let rest_place = rests.item(at);
        let resources = rest_place.member("resource");
        for (at, resource) in rest.items("resource").iter().enumerate() {
            let resource_place = resources.item(at);
            let list = resource_place.member("searchParam");
            for (at, parameter) in resource.items("searchParam").iter().enumerate() {
                let defined = text(parameter, "definition").and_then(|url| scope.find("SearchParameter", url));
                let Some(defined) = defined else { continue };
                if text(&defined, "type") != text(parameter, "type") {
                    // Published statements of R4 are loose here.
                    report.warning("invalid", "expected the type that the definition has", &list.item(at));
                }
            }
        }
    }
}
