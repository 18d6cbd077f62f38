//! ConceptMaps: codes of both sides exist, and are in the value sets that are mapped. FHIR R4 conceptmap.html.

use model::json::Json;
use model::outcome::{Issue, Severity};

use super::code_system::{has_code, is_complete};
use super::know::Member;
use super::read::{choice, text};
use crate::place::Place;
use crate::report::Report;
use crate::scope::Scope;

pub(super) fn check(scope: &Scope<'_>, place: &Place<'_>, report: &mut Report) {
    let map = scope.resource;
    let list = place.member("group");
    for (at, group) in map.items("group").iter().enumerate() {
        let here = list.item(at);
        let sides = ["source", "target"].map(|name| Side::of(scope, group, name));
        for side in sides.iter().filter(|side| side.system.is_none()) {
            report.warning("required", format!("expected the {} of the group", side.name), &here);
        }
        let [source, target] = sides;
        let elements = here.member("element");
        for (at, element) in group.items("element").iter().enumerate() {
            let here = elements.item(at);
            source.code(element, &here, report);
            let targets = here.member("target");
            for (at, one) in element.items("target").iter().enumerate() {
                target.code(one, &targets.item(at), report);
            }
        }
    }
}

/// One side of a group: its code system and the value set that is mapped from or to.
struct Side<'s> {
    scope: &'s Scope<'s>,
    name: &'static str,
    system: Option<&'s str>,
    version: Option<&'s str>,
    value_set: Option<&'s str>,
}

impl<'s> Side<'s> {
    fn of(scope: &'s Scope<'s>, group: &'s Json, name: &'static str) -> Self {
        let version = if name == "source" { "sourceVersion" } else { "targetVersion" };
        Self {
            scope,
            name,
            system: text(group, name),
            version: text(group, version),
            value_set: choice(scope.resource, name).and_then(|(_, value)| value.as_str()),
        }
    }

    fn code(&self, element: &Json, place: &Place<'_>, report: &mut Report) {
        let (Some(system), Some(code)) = (self.system, text(element, "code")) else { return };
        let here = place.member("code");
        let versioned = self.version.map(|version| format!("{system}|{version}"));
        let known = self.scope.find("CodeSystem", versioned.as_deref().unwrap_or(system));
        let Some(known) = known.filter(|known| is_complete(known)) else { return };
        if !has_code(&known, code, 0) {
            // The tables of v2 and v3 have had other codes at other times.
            let moves = system.starts_with("http://terminology.hl7.org/");
            let severity = if moves { Severity::Warning } else { Severity::Error };
            let expected = format!("expected a code of the {} system", self.name);
            report.problem(Issue::new(severity, "required", expected), &here);
            return;
        }
        let coding = Json::object([("system", Json::from(system)), ("code", Json::from(code))]);
        if let Some(set) = self.value_set
            && self.scope.has_coding(set, &coding) == Member::NotIn
        {
            report.error("required", format!("expected a code of the {} value set", self.name), &here);
        }
    }
}
