//! Where references lead. FHIR R4 references.html; bundle.html, "Resolving references in Bundles".
//!
//! Only what was given is looked at: contained resources, entries of the Bundle around, resources of Parameters.
//! A reference that leads to none of them may still be good: it is [`Target::Outside`].

use std::cell::Cell;

use model::id::{ResourceId, ResourceType};
use model::json::Json;
use model::resource::{id, resource_type};

use crate::scope::Scope;

/// What a reference leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target<'r> {
    /// A contained resource, or with `#` the one that contains.
    Contained(&'r Json),
    /// The resource of an entry of the Bundle around.
    Bundled {
        /// The resource.
        resource: &'r Json,
        /// The index of its entry.
        entry: usize,
    },
    /// A resource of the Parameters around.
    Parameter(&'r Json),
    /// A local reference (`#x`) to nothing.
    Missing,
    /// More than one entry has the full URL.
    Ambiguous,
    /// Not in what was given.
    Outside,
}

impl<'r> Target<'r> {
    /// The resource, where it was found.
    pub(crate) fn resource(self) -> Option<&'r Json> {
        match self {
            Self::Contained(resource) | Self::Bundled { resource, .. } | Self::Parameter(resource) => Some(resource),
            Self::Missing | Self::Ambiguous | Self::Outside => None,
        }
    }
}

/// The resources of what is validated by the names that references use. Made once for a validation.
#[derive(Default)]
pub(crate) struct Resolver<'r> {
    bundles: Vec<Index<'r>>,
    /// Resources of the Parameters at the root.
    parameters: Vec<&'r Json>,
    /// Values looked at in search of what links lead to.
    effort: Cell<usize>,
}

/// How many values a validation may look at in search of what links lead to: far more than honest resources need.
const EFFORT: usize = 20_000_000;

impl<'r> Resolver<'r> {
    /// Looks for Bundles and Parameters in a resource; next to nothing to do for all others.
    pub(crate) fn of(root: &'r Json) -> Self {
        let mut resolver = Self::default();
        resolver.add(root, 0);
        resolver
    }

    fn add(&mut self, resource: &'r Json, depth: usize) {
        if depth > 32 {
            return;
        }
        match resource_type(resource) {
            Some("Bundle") => {
                self.bundles.push(Index::of(resource));
                for entry in resource.items("entry") {
                    entry.get("resource").into_iter().for_each(|inner| self.add(inner, depth + 1));
                }
            }
            Some("Parameters") => self.add_parameters(resource.items("parameter"), depth),
            _ => {}
        }
        for contained in resource.items("contained") {
            self.add(contained, depth + 1);
        }
    }

    fn add_parameters(&mut self, parameters: &'r [Json], depth: usize) {
        for parameter in parameters {
            if let Some(resource) = parameter.get("resource") {
                self.parameters.push(resource);
                self.add(resource, depth + 1);
            }
            if depth < 32 {
                self.add_parameters(parameter.items("part"), depth + 1);
            }
        }
    }

    /// Whether so many more values may be looked at; counts them.
    pub(crate) fn affords(&self, values: usize) -> bool {
        self.effort.set(self.effort.get().saturating_add(values));
        self.effort.get() <= EFFORT
    }

    /// The index of a Bundle that is part of what is validated.
    pub(crate) fn bundle(&self, bundle: &Json) -> Option<&Index<'r>> {
        self.bundles.iter().find(|index| std::ptr::eq(index.bundle, bundle))
    }

    /// What a reference in the resource of the scope leads to.
    pub(crate) fn resolve(&self, scope: &Scope<'r>, reference: &str) -> Target<'r> {
        if let Some(local) = reference.strip_prefix('#') {
            return contained(scope, local);
        }
        if let Some((bundle, entry)) = scope.bundle {
            return match self.bundle(bundle) {
                Some(index) => index.resolve(entry, reference),
                None => Target::Outside,
            };
        }
        match Named::parse(reference) {
            Some(wanted) if wanted.base.is_empty() => {
                let mut fits = self.parameters.iter().filter(|resource| wanted.is(resource));
                fits.next().map_or(Target::Outside, |resource| Target::Parameter(resource))
            }
            _ => Target::Outside,
        }
    }
}

/// `#id`; `#` alone is the container as its contained resources see it.
fn contained<'r>(scope: &Scope<'r>, local: &str) -> Target<'r> {
    if local.is_empty() {
        return scope.container.map_or(Target::Missing, Target::Contained);
    }
    let all = |resource: &'r Json| resource.items("contained");
    let count = all(scope.resource).len() + scope.container.map_or(0, |around| all(around).len());
    if !scope.resolver.affords(count) {
        return Target::Outside;
    }
    let of = |resource: &'r Json| all(resource).iter().find(|inner| id(inner) == Some(local));
    let found = of(scope.resource).or_else(|| scope.container.and_then(of));
    found.map_or(Target::Missing, Target::Contained)
}

/// The entries of one Bundle by full URL, and by type and id.
pub(crate) struct Index<'r> {
    bundle: &'r Json,
    /// Sorted.
    full_urls: Vec<(&'r str, usize)>,
    /// Sorted.
    names: Vec<((&'r str, &'r str), usize)>,
}

impl<'r> Index<'r> {
    fn of(bundle: &'r Json) -> Self {
        let entries = bundle.items("entry");
        let mut full_urls: Vec<_> =
            entries.iter().enumerate().filter_map(|(at, entry)| Some((entry.get("fullUrl")?.as_str()?, at))).collect();
        full_urls.sort_unstable();
        let name = |entry: &'r Json| {
            let resource = entry.get("resource")?;
            Some((resource_type(resource)?, id(resource)?))
        };
        let mut names: Vec<_> = entries.iter().enumerate().filter_map(|(at, entry)| Some((name(entry)?, at))).collect();
        names.sort_unstable();
        Self { bundle, full_urls, names }
    }

    /// The entries of a full URL.
    pub(crate) fn with_full_url(&self, url: &str) -> impl Iterator<Item = usize> {
        let start = self.full_urls.partition_point(|(known, _)| *known < url);
        self.full_urls.iter().skip(start).take_while(move |(known, _)| *known == url).map(|(_, at)| *at)
    }

    /// The entries whose resources have this type and id, whatever their full URL.
    pub(crate) fn named(&self, type_name: &str, id: &str) -> impl Iterator<Item = usize> {
        let start = self.names.partition_point(|(known, _)| *known < (type_name, id));
        self.names.iter().skip(start).take_while(move |(known, _)| *known == (type_name, id)).map(|(_, at)| *at)
    }

    /// The full URL that a reference of an entry means. `None`: it is relative and the entry has no base to offer.
    pub(crate) fn full_url_of(&self, from: usize, reference: &str) -> Option<String> {
        let reference = reference.split('#').next().unwrap_or_default();
        if is_absolute(reference) {
            return Some(reference.to_owned());
        }
        let own = self.bundle.items("entry").get(from)?.get("fullUrl")?.as_str()?;
        let wanted = Named::parse(reference)?;
        if own.starts_with("urn:") {
            let (base, _) = own.rsplit_once(':')?;
            return Some(format!("{base}:{}", wanted.id));
        }
        let base = Named::parse(own)?.base;
        Some(format!("{base}{reference}"))
    }

    /// What a reference of an entry leads to.
    pub(crate) fn resolve(&self, from: usize, reference: &str) -> Target<'r> {
        let Some(url) = self.full_url_of(from, reference) else { return Target::Outside };
        let (plain, version) = match url.split_once("/_history/") {
            Some((plain, version)) => (plain, Some(version)),
            None => (url.as_str(), None),
        };
        let mut found = self.with_full_url(plain).filter_map(|entry| {
            let resource = self.bundle.items("entry").get(entry)?.get("resource")?;
            let fits = version.is_none_or(|version| resource.text_at(&["meta", "versionId"]) == Some(version));
            fits.then_some((entry, resource))
        });
        match (found.next(), found.next()) {
            (None, _) => Target::Outside,
            (Some((entry, resource)), None) => Target::Bundled { resource, entry },
            // The versions of one resource share their full URL.
            (Some(_), Some(_)) => Target::Ambiguous,
        }
    }
}

/// The parts of `[base]Type/id[/_history/version]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Named<'a> {
    /// With its last slash; empty for a relative reference.
    pub(crate) base: &'a str,
    /// A type of R4.
    pub(crate) type_name: &'a str,
    /// A well-formed id.
    pub(crate) id: &'a str,
    /// Of `_history`.
    pub(crate) version: Option<&'a str>,
}

impl<'a> Named<'a> {
    /// Reads a relative reference or the RESTful URL of a resource; nothing for all others.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (plain, version) = match text.split_once("/_history/") {
            Some((plain, version)) => (plain, Some(version)),
            None => (text, None),
        };
        let (rest, id) = plain.rsplit_once('/')?;
        let type_name = rest.rsplit_once('/').map_or(rest, |(_, name)| name);
        let base = rest.get(..rest.len() - type_name.len())?;
        let is_http = base.starts_with("http://") || base.starts_with("https://");
        let is_base = |letter: u8| letter.is_ascii_alphanumeric() || b"\\.:%$-_~/".contains(&letter);
        let well_formed = (base.is_empty() || is_http && base.bytes().all(is_base))
            && ResourceType::parse(type_name).is_ok()
            && ResourceId::parse(id).is_ok()
            && version.is_none_or(|version| ResourceId::parse(version).is_ok());
        well_formed.then_some(Self { base, type_name, id, version })
    }

    fn is(&self, resource: &Json) -> bool {
        resource_type(resource) == Some(self.type_name) && id(resource) == Some(self.id)
    }
}

/// The resource type that a reference names by its form: `Type/id`, a RESTful URL, or `Type?query`.
pub(crate) fn named_type(reference: &str) -> Option<&str> {
    if let Some(named) = Named::parse(reference) {
        return Some(named.type_name);
    }
    let (name, _) = reference.split_once('?')?;
    ResourceType::parse(name).ok().map(|_| name)
}

/// Whether a text is an absolute URL or URN: a scheme in lower case and something after it, no space.
pub(crate) fn is_absolute(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    scheme.starts_with(|letter: char| letter.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte))
        && !rest.is_empty()
        && !rest.contains(' ')
}

#[cfg(test)]
mod tests;
