//! `_include` and `_revinclude`: which references of which resources are followed. FHIR R4 search.html, "Including other
//! resources in result".

use model::id::{Reference, ResourceType};
use model::json::Json;
use smol_str::SmolStr;

use crate::extract;
use crate::parameter::{Kind, Parameter};
use crate::registry::Registry;
use crate::values::reference;

/// One `Type:parameter[:Target]`, `Type:*` or `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include {
    /// The type that refers; `None`: any.
    pub source: Option<ResourceType>,
    /// The reference parameter; `None`: every one.
    pub parameter: Option<SmolStr>,
    /// Only resources of this type are referred to, if it says one.
    pub target: Option<ResourceType>,
    /// Also what came along is followed.
    pub iterate: bool,
}

/// What an `_include` is that is not one, without the value it came with.
pub(crate) const FORM: &str = "*, Type:*, Type:parameter or Type:parameter:Target, a reference parameter of that type";

impl Include {
    /// Reads one; `None` for another form, an unknown type or parameter, or a target that the parameter cannot have.
    pub(crate) fn parse(registry: &Registry, text: &str, iterate: bool) -> Option<Self> {
        if text == "*" {
            return Some(Self { source: None, parameter: None, target: None, iterate });
        }
        let mut parts = text.split(':');
        let source = ResourceType::parse(parts.next()?).ok()?;
        let name = parts.next()?;
        let target = match parts.next() {
            Some(name) => Some(ResourceType::parse(name).ok()?),
            None => None,
        };
        if parts.next().is_some() {
            return None;
        }
        let parameter = match name {
            "*" => None,
            name => {
                let known = registry.find(source, name).filter(|it| it.kind == Kind::Reference)?;
                target.is_none_or(|target| known.may_point_to(target)).then_some(())?;
                Some(known.code.clone())
            }
        };
        Some(Self { source: Some(source), parameter, target, iterate })
    }

    /// The parameters that are followed from resources of a type.
    pub fn parameters<'r>(&self, registry: &'r Registry, source: ResourceType) -> impl Iterator<Item = &'r Parameter> {
        let is_source = self.source.is_none_or(|own| own == source);
        let own = if is_source { registry.parameters(source) } else { &[] };
        let (name, target) = (self.parameter.clone(), self.target);
        own.iter().filter(move |parameter| {
            parameter.kind == Kind::Reference
                && name.as_ref().is_none_or(|name| *name == parameter.code)
                && target.is_none_or(|target| parameter.may_point_to(target))
        })
    }

    /// Whether resources of a type may be what it brings.
    pub fn may_point_to(&self, registry: &Registry, source: ResourceType, target: ResourceType) -> bool {
        self.target.is_none_or(|own| own == target)
            && self.parameters(registry, source).any(|parameter| parameter.may_point_to(target))
    }

    /// What a resource refers to by the parameters, each once. References below `base` are to resources of this server;
    /// others are followed nowhere.
    pub fn targets(&self, registry: &Registry, source: ResourceType, resource: &Json, base: &str) -> Vec<Reference> {
        let parameters: Vec<&Parameter> = self.parameters(registry, source).collect();
        let rows = extract::rows(source.as_str(), resource, parameters.iter().copied());
        let mut found = Vec::new();
        for parameter in parameters {
            let referred = reference::referred(&rows, parameter.param, base);
            found.extend(referred.into_iter().filter(|it| {
                self.target.is_none_or(|target| target == it.resource_type) && parameter.may_point_to(it.resource_type)
            }));
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// Every `_include` of a search of this type, as a CapabilityStatement lists them.
pub fn includes(registry: &Registry, resource_type: ResourceType) -> Vec<String> {
    let references = registry.parameters(resource_type).iter().filter(|it| it.kind == Kind::Reference);
    references.map(|parameter| format!("{resource_type}:{}", parameter.code)).collect()
}

/// Every `_revinclude` of a search of this type.
pub fn reverse_includes(registry: &Registry, resource_type: ResourceType) -> Vec<String> {
    let mut found = Vec::new();
    for source in ResourceType::all() {
        let references = registry.parameters(source).iter().filter(|it| it.kind == Kind::Reference);
        let leading = references.filter(|parameter| parameter.may_point_to(resource_type));
        found.extend(leading.map(|parameter| format!("{source}:{}", parameter.code)));
    }
    found
}

#[cfg(test)]
mod tests;
