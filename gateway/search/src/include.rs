//! `_include` and `_revinclude`: which elements of which resources are followed. FHIR R4 search.html, "Including other
//! resources in result".

use model::id::{Reference, ResourceType};
use model::json::Json;

use crate::generated::{Element, REFERENCES, Row};
use crate::row::each;

/// One `Type:parameter[:Target]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include {
    /// The type that refers.
    pub source: ResourceType,
    /// The reference parameter.
    pub parameter: &'static str,
    /// Only resources of this type are referred to, if it says one.
    pub target: Option<ResourceType>,
    elements: &'static [Element],
}

/// What an `_include` is that is not one, without the value it came with.
pub(crate) const FORM: &str = "Type:parameter or Type:parameter:Target, a reference parameter of that type";

impl Include {
    /// Reads `Type:parameter[:Target]`; `None` for another form, an unknown type or parameter, or a target that the
    /// parameter cannot have.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let source = ResourceType::parse(parts.next()?).ok()?;
        let name = parts.next()?;
        let target = match parts.next() {
            Some(name) => Some(ResourceType::parse(name).ok()?),
            None => None,
        };
        let (parameter, elements) = rows(source.as_str()).iter().find(|(known, _)| *known == name)?;
        let include = Self { source, parameter, target, elements };
        (parts.next().is_none() && target.is_none_or(|target| include.may_point_to(target))).then_some(include)
    }

    /// Whether the parameter can refer to resources of this type.
    pub fn may_point_to(&self, target: ResourceType) -> bool {
        may(self.elements, target.as_str())
    }

    /// What a resource of the source's type refers to by this parameter, each once. References below `base` are to
    /// resources of this server; others are followed nowhere.
    pub fn targets(&self, resource: &Json, base: &str) -> Vec<Reference> {
        let mut found: Vec<Reference> = Vec::new();
        for (path, types) in self.elements {
            each(resource, path, &mut |element| {
                let Some(text) = element.get("reference").and_then(Json::as_str) else { return };
                let own = text.strip_prefix(base).filter(|_| !base.is_empty()).map(|rest| rest.trim_start_matches('/'));
                let Ok(reference) = Reference::parse(own.unwrap_or(text)) else { return };
                let name = reference.resource_type;
                let fits =
                    (types.is_empty() || types.contains(&name.as_str())) && self.target.is_none_or(|it| it == name);
                if fits && !found.contains(&reference) {
                    found.push(reference);
                }
            });
        }
        found
    }
}

/// Every `_include` of a search of this type, as a CapabilityStatement lists them.
pub fn includes(resource_type: &str) -> Vec<String> {
    rows(resource_type).iter().map(|(parameter, _)| format!("{resource_type}:{parameter}")).collect()
}

/// Every `_revinclude` of a search of this type.
pub fn reverse_includes(resource_type: &str) -> Vec<String> {
    let of = |(source, rows): &(&'static str, &'static [Row])| {
        let source = *source;
        rows.iter()
            .filter(move |(_, elements)| may(elements, resource_type))
            .map(move |(parameter, _)| format!("{source}:{parameter}"))
    };
    REFERENCES.iter().flat_map(of).collect()
}

fn may(elements: &[Element], target: &str) -> bool {
    elements.iter().any(|(_, types)| types.is_empty() || types.contains(&target))
}

fn rows(resource_type: &str) -> &'static [Row] {
    let row = REFERENCES.binary_search_by(|(name, _)| (*name).cmp(resource_type)).ok();
    row.and_then(|place| REFERENCES.get(place)).map_or(&[], |(_, rows)| rows)
}

#[cfg(test)]
mod tests;
