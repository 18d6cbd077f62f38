//! ElementDefinitions in differentials and snapshots. FHIR R4 elementdefinition.html.

use std::collections::BTreeMap;

use definitions::profile::Profile;
use model::json::Json;
use model::types::{self, Kind, Shape};

use super::read::{choice, text};
use crate::place::Place;
use crate::report::Report;
use crate::scope::Scope;

pub(super) fn check(scope: &Scope<'_>, base: Option<&Profile>, place: &Place<'_>, report: &mut Report) {
    let structure = scope.resource;
    let is_constraint = text(structure, "derivation") == Some("constraint");
    let type_name = text(structure, "type").map(|name| name.rsplit('/').next().unwrap_or(name));
    for list in ["differential", "snapshot"] {
        let Some(elements) = structure.get(list).map(|list| list.items("element")) else { continue };
        let here = place.member(list);
        let here = here.member("element");
        let mut walk = Walk {
            scope,
            base,
            type_name: type_name.unwrap_or_default(),
            is_snapshot: list == "snapshot",
            is_constraint,
            invariants: BTreeMap::new(),
        };
        for (at, element) in elements.iter().enumerate() {
            walk.element(element, &here.item(at), report);
        }
    }
}

struct Walk<'w> {
    scope: &'w Scope<'w>,
    base: Option<&'w Profile>,
    type_name: &'w str,
    is_snapshot: bool,
    is_constraint: bool,
    /// Expressions of invariants by key.
    invariants: BTreeMap<String, String>,
}

impl Walk<'_> {
    fn element(&mut self, element: &Json, place: &Place<'_>, report: &mut Report) {
        let Some(path) = text(element, "path") else { return };
        let root = path.split('.').next().unwrap_or_default();
        if !self.type_name.is_empty() && root != self.type_name {
            report.error("not-found", "expected the path to start with the type", place);
        }
        if !self.is_snapshot {
            if !path.contains('.') && element.get("slicing").is_some() {
                report.error("invalid", "expected no slicing of the root", place);
            }
            let is_extension = path == "Extension" || path.ends_with(".extension");
            if self.is_constraint && element.get("meaningWhenMissing").is_some() && !is_extension {
                report.error("not-found", "expected no meaningWhenMissing in a constraint", place);
            }
        }
        self.slicing(element, path, place, report);
        self.types(element, path, place, report);
        self.fixed(element, path, place, report);
        self.table(element, path, place, report);
        let list = place.member("constraint");
        for (at, constraint) in element.items("constraint").iter().enumerate() {
            self.constraint(constraint, path, &list.item(at), report);
        }
    }

    fn slicing(&self, element: &Json, path: &str, place: &Place<'_>, report: &mut Report) {
        let Some(slicing) = element.get("slicing") else { return };
        let here = place.member("slicing");
        let Some((shape, own)) = find(path) else { return };
        if let Some(own) = own
            && own.max == 1
            && !own.is_choice
        {
            report.error("not-found", "expected slicing of elements that repeat or have a choice of types", &here);
        }
        let list = here.member("discriminator");
        for (at, discriminator) in slicing.items("discriminator").iter().enumerate() {
            let Some(wanted) = text(discriminator, "path") else { continue };
            let mut shapes: Vec<&'static Shape> = stated_shapes(element);
            if shapes.is_empty() {
                shapes.extend(shape);
            }
            if !shapes.is_empty() && !shapes.iter().any(|shape| leads(shape, wanted, 0)) {
                report.error("invalid", "expected a path of the element that is sliced", &list.item(at));
            }
        }
    }

    fn types(&self, element: &Json, path: &str, place: &Place<'_>, report: &mut Report) {
        let types = element.items("type");
        let mut codes: Vec<&str> = types.iter().filter_map(|of_type| text(of_type, "code")).map(plain_type).collect();
        if !path.contains('.') {
            codes.push(path);
        }
        let list = place.member("type");
        for (at, of_type) in types.iter().enumerate() {
            let Some(code) = text(of_type, "code").map(plain_type) else { continue };
            let here = list.item(at);
            if of_type.get("targetProfile").is_some()
                && !matches!(code, "Reference" | "canonical" | "CodeableReference")
            {
                report.error("business-rule", "expected targetProfile on references and canonicals only", place);
            }
            self.type_profiles(of_type, code, path, &here, report);
        }
        if codes.is_empty() || !codes.iter().all(|code| is_known_type(code)) {
            return;
        }
        let any = |of: fn(&str) -> bool| codes.iter().any(|code| of(code));
        let mut wants = |name: &str, fits: bool| {
            if element.get(name).is_some() && !fits {
                let expected = format!("expected no {name}: the types of the element have no use for it");
                report.error("business-rule", expected, place);
            }
        };
        wants("binding", any(can_bind));
        wants("maxLength", any(has_length));
        let has = |prefix: &str| choice(element, prefix).is_some();
        for (prefix, fits) in [("minValue", any(has_range)), ("maxValue", any(has_range))] {
            if has(prefix) && !fits {
                let expected = format!("expected no {prefix}: the types of the element have no order");
                report.error("business-rule", expected, place);
            }
        }
        if let Some(binding) = element.get("binding") {
            self.binding(binding, &place.member("binding"), report);
        }
    }

    fn binding(&self, binding: &Json, place: &Place<'_>, report: &mut Report) {
        let Some(canonical) = text(binding, "valueSet") else { return };
        if self.scope.find("ValueSet", canonical).is_some() || canonical.starts_with('#') || canonical.contains('?') {
            return;
        }
        match self.scope.find_any(canonical) {
            Some(_) => report.error("business-rule", "expected a value set", place),
            None => report.warning("business-rule", "the value set is not known here", place),
        }
    }

    fn type_profiles(&self, of_type: &Json, code: &str, path: &str, place: &Place<'_>, report: &mut Report) {
        let list = place.member("profile");
        for (at, canonical) in of_type.items("profile").iter().enumerate() {
            let Some(canonical) = canonical.as_str() else { continue };
            let here = list.item(at);
            let Some(profile) = self.scope.profile(canonical) else {
                report.warning("exception", "the profile is not known here", &here);
                continue;
            };
            if !self.scope.is_a(&profile.type_name, code) {
                report.error("exception", format!("expected a profile of {code}"), &here);
            } else if profile.is_extension() && path.ends_with("xtension") {
                let is_modifier = profile.root().is_modifier;
                if is_modifier != path.ends_with(".modifierExtension") {
                    let what = if is_modifier { "modifierExtension" } else { "extension" };
                    report.error("exception", format!("expected the extension on {what}"), &here);
                }
            }
        }
        let list = place.member("targetProfile");
        for (at, canonical) in of_type.items("targetProfile").iter().enumerate() {
            let Some(canonical) = canonical.as_str() else { continue };
            let here = list.item(at);
            match self.scope.profile(canonical) {
                None => report.warning("exception", "the profile is not known here", &here),
                Some(profile) if profile.kind != definitions::profile::Kind::Resource => {
                    report.error("exception", "expected a profile of a resource", &here);
                }
                Some(_) => {}
            }
        }
    }

    /// What a base has fixed stays so; a value has one of the types of the element.
    fn fixed(&self, element: &Json, path: &str, place: &Place<'_>, report: &mut Report) {
        let known = (!self.is_snapshot)
            .then(|| self.base?.elements.iter().find(|known| known.path == path && known.slice_name.is_none()))
            .flatten();
        let own = choice(element, "fixed");
        if let (Some(fixed), Some((of_type, value))) = (known.and_then(|known| known.fixed.as_ref()), own) {
            let here = Place::Member { parent: place, name: "fixed", of_type: Some(of_type) };
            if fixed.type_name != of_type {
                report.error("invalid", "expected a fixed value of the type that the base has fixed", &here);
            } else if &fixed.value != value {
                report.error("value", "expected the value that the base has fixed", &here);
            }
        }
        if !path.contains('.') {
            return;
        }
        let types = element.items("type");
        if self.is_snapshot && types.is_empty() && element.get("contentReference").is_none() {
            report.error("exception", "expected types or a contentReference in the snapshot", place);
            return;
        }
        let mut codes: Vec<&str> = types.iter().filter_map(|of_type| text(of_type, "code")).map(plain_type).collect();
        if codes.is_empty() {
            codes.extend(known.iter().flat_map(|known| &known.types).map(|of_type| of_type.code.as_str()));
        }
        for name in ["fixed", "pattern", "defaultValue"] {
            let Some((of_type, _)) = choice(element, name) else { continue };
            let fits =
                codes.contains(&of_type) || codes.iter().any(|code| code.contains("fhirpath") || *code == "Element");
            if !codes.is_empty() && !fits {
                let here = Place::Member { parent: place, name, of_type: Some(of_type) };
                report.error("exception", "expected a value of a type that the element has", &here);
            }
        }
    }

    /// elementdefinition.html, the table of what may stand where in a snapshot.
    fn table(&self, element: &Json, path: &str, place: &Place<'_>, report: &mut Report) {
        if !self.is_snapshot {
            return;
        }
        let has = |name: &str| element.get(name).is_some() || choice(element, name).is_some();
        let prohibited: &[&str] = match (self.is_constraint, path.contains('.')) {
            (true, true) => &[],
            (true, false) => {
                &["sliceName", "slicing", "defaultValue", "fixed", "pattern", "minValue", "maxValue", "maxLength"]
            }
            (false, true) => &["sliceName", "fixed", "pattern", "minValue", "maxValue"],
            (false, false) => &["sliceName", "slicing", "defaultValue", "fixed", "pattern", "minValue", "maxValue"],
        };
        for name in prohibited.iter().filter(|name| has(name)) {
            report.error("exception", format!("expected no {name} here"), place);
        }
        if !self.is_constraint && path.contains('.') {
            for name in ["min", "max"].into_iter().filter(|name| !has(name)) {
                report.error("exception", format!("expected {name} in a specialization"), place);
            }
        }
    }

    fn constraint(&mut self, constraint: &Json, path: &str, place: &Place<'_>, report: &mut Report) {
        let (Some(key), Some(expression)) = (text(constraint, "key"), text(constraint, "expression")) else { return };
        let url = text(self.scope.resource, "url").unwrap_or_default();
        let source = text(constraint, "source");
        let is_own = source.is_none_or(|source| source.split('|').next() == Some(url));
        if !self.is_snapshot && !is_own {
            report.error(
                "invalid",
                "expected the source of an invariant in a differential to be its definition",
                place,
            );
            return;
        }
        let known = self.invariants.get(key).map(String::as_str);
        let inherited = (!self.is_snapshot).then(|| self.inherited(key)).flatten();
        if known.or(inherited).is_some_and(|known| known != expression) && key != "ele-1" {
            report.error("invalid", "expected the key of an invariant to stand for one expression", place);
        }
        self.invariants.entry(key.to_owned()).or_insert_with(|| expression.to_owned());
        if is_own {
            // In a differential the types of an element are not known for sure: its form alone is checked there.
            let result = match self.context_of(path) {
                Some(of_type) if self.is_snapshot => self.scope.fits_on(expression, of_type),
                _ => self.scope.parses(expression),
            };
            if let Err(expected) = result {
                report.error("invalid", expected, place);
            }
        }
    }

    fn inherited(&self, key: &str) -> Option<&str> {
        let constraints = self.base?.elements.iter().flat_map(|element| &element.constraints);
        constraints.filter(|known| known.key == key).find_map(|known| known.expression.as_deref())
    }

    /// The type that an expression on an element starts from.
    fn context_of(&self, path: &str) -> Option<&'static str> {
        match find(path)? {
            (Some(shape), _) => Some(shape.path.as_str()),
            (None, Some(element)) if element.types.len() == 1 => element.types.first().map(|of_type| of_type.name),
            _ => None,
        }
    }
}

/// The shape of the content of an element of R4 and the element; of a root the shape alone.
fn find(path: &str) -> Option<(Option<&'static Shape>, Option<&'static types::Element>)> {
    let table = types::r4();
    let mut steps = path.split('.');
    let (_, root) = table.find(steps.next()?)?;
    let (mut shape, mut element) = (Some(root), None);
    for step in steps {
        let within = shape?;
        let name = step.strip_suffix("[x]").unwrap_or(step);
        let found = within.elements.iter().find(|element| element.name == name);
        let (own, of_type) = match found {
            Some(own) => (own, if own.types.len() == 1 { own.types.first() } else { None }),
            None => within.find(name).map(|(_, own, of_type)| (own, Some(of_type)))?,
        };
        element = Some(own);
        shape = match of_type.map(|of_type| of_type.kind) {
            Some(Kind::Object(id) | Kind::Reference(id, _)) => Some(table.shape(id)),
            _ => None,
        };
    }
    Some((shape, element))
}

fn stated_shapes(element: &Json) -> Vec<&'static Shape> {
    let codes = element.items("type").iter().filter_map(|of_type| text(of_type, "code"));
    let shapes = codes.filter(|code| !matches!(*code, "BackboneElement" | "Element"));
    shapes.filter_map(|code| Some(types::r4().find(code)?.1)).collect()
}

/// Whether a path of a discriminator exists in a type. What cannot be followed (resolve) is taken to exist.
fn leads(shape: &Shape, path: &str, depth: usize) -> bool {
    let (step, rest) = match path.find(['.', '(']) {
        Some(at) if path.get(at..=at) == Some("(") => return true,
        Some(at) => (path.get(..at).unwrap_or_default(), path.get(at + 1..).unwrap_or_default()),
        None => (path, ""),
    };
    if depth > 16 || matches!(step, "$this" | "resolve" | "") {
        return depth <= 16;
    }
    let found = shape.elements.iter().find(|element| element.name == step);
    let found = found.map(|element| element.types.as_slice());
    let single = || shape.find(step).map(|(_, _, of_type)| std::slice::from_ref(of_type));
    let Some(found) = found.or_else(single) else { return step == "resourceType" };
    rest.is_empty()
        || found.iter().any(|of_type| match of_type.kind {
            Kind::Object(id) | Kind::Reference(id, _) => leads(types::r4().shape(id), rest, depth + 1),
            Kind::Resource => true,
            Kind::Primitive(_) => matches!(rest, "value" | "extension" | "id") || rest.contains('('),
        })
}

/// FHIRPath's own types stand for the primitive that holds them.
fn plain_type(code: &str) -> &str {
    code.rsplit_once("fhirpath/System.").map_or(code, |_| "http://hl7.org/fhirpath")
}

fn is_known_type(code: &str) -> bool {
    types::r4().find(code).is_some() || has_length(code) || matches!(code, "boolean" | "base64Binary" | "xhtml")
}

fn can_bind(code: &str) -> bool {
    matches!(
        code,
        "string" | "uri" | "code" | "oid" | "url" | "uuid" | "CodeableConcept" | "Coding" | "Extension" | "Range"
    ) || has_unit(code)
}

fn has_unit(code: &str) -> bool {
    matches!(code, "Age" | "Distance" | "Duration" | "Quantity" | "MoneyQuantity" | "SimpleQuantity")
}

fn has_range(code: &str) -> bool {
    matches!(
        code,
        "integer"
            | "decimal"
            | "instant"
            | "date"
            | "dateTime"
            | "time"
            | "positiveInt"
            | "unsignedInt"
            | "Count"
            | "Money"
    ) || has_unit(code)
}

fn has_length(code: &str) -> bool {
    matches!(
        code,
        "integer"
            | "decimal"
            | "instant"
            | "string"
            | "uri"
            | "date"
            | "dateTime"
            | "time"
            | "canonical"
            | "code"
            | "id"
            | "markdown"
            | "oid"
            | "positiveInt"
            | "unsignedInt"
            | "url"
            | "uuid"
    )
}
