//! Every search parameter: those of R4 and an operator's own, compiled type by type when first used.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, OnceLock};

use model::id::ResourceType;
use model::json::Json;
use sha2::{Digest, Sha256};
use smol_str::SmolStr;

use crate::definition::{Definition, Problem};
use crate::extract;
use crate::generated::R4;
use crate::parameter::{Kind, Parameter};
use crate::row::IndexRow;

/// What canonical URLs of R4 begin with; the table holds their ends.
const R4_URL: &str = "http://hl7.org/fhir/SearchParameter/";

/// Changes when the rows of a parameter change their form, so that all are written anew.
const FORM: &str = "2";

/// Types that no `text` stands in: they are based on Resource directly.
const NO_DOMAIN_RESOURCE: [&str; 3] = ["Binary", "Bundle", "Parameters"];

/// The parameters of every type; immutable, shared, replaced as a whole.
pub struct Registry {
    types: Vec<(ResourceType, OnceLock<OfType>)>,
    custom: Vec<Definition>,
}

struct OfType {
    /// Sorted by code.
    parameters: Vec<Parameter>,
    rules: u32,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Registry").field("custom", &self.custom.len()).finish_non_exhaustive()
    }
}

impl Registry {
    /// The parameters of R4 alone.
    pub fn standard() -> Arc<Self> {
        static STANDARD: LazyLock<Arc<Registry>> = LazyLock::new(|| Arc::new(Registry::of(Vec::new())));
        Arc::clone(&STANDARD)
    }

    /// The parameters of R4 and these, and what is wrong with those that were left out. What a definition of R4 serves
    /// already (the other is derived from it, or says the same) stays as it is there.
    ///
    /// A problem is a code that is taken, a part of a composite that is not known, or a number that collides.
    pub fn with(definitions: Vec<Definition>) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut own: Vec<Definition> = Vec::new();
        let standard = Self::standard();
        for mut definition in definitions {
            let mut kept = Vec::new();
            for base in std::mem::take(&mut definition.bases) {
                match Self::place(&standard, &own, &definition, &base) {
                    Ok(Placed::New) => kept.push(base),
                    Ok(Placed::Served) => {}
                    Err(problem) => problems.push(problem),
                }
            }
            definition.bases = kept;
            if !definition.bases.is_empty() {
                own.push(definition);
            }
        }
        let registry = Self::of(own);
        let faults: Vec<Problem> = registry.custom.iter().flat_map(|definition| registry.faults(definition)).collect();
        if faults.is_empty() {
            return (registry, problems);
        }
        // What a composite lacks when one of these is gone is found by the next round; each leaves out at least one.
        let good = |it: &Definition| faults.iter().all(|fault| fault.url != it.url);
        let (registry, more) = Self::with(registry.custom.iter().filter(|it| good(it)).cloned().collect());
        problems.extend(faults);
        problems.extend(more);
        (registry, problems)
    }

    fn of(custom: Vec<Definition>) -> Self {
        Self { types: ResourceType::all().map(|name| (name, OnceLock::new())).collect(), custom }
    }

    fn place(standard: &Self, own: &[Definition], definition: &Definition, base: &str) -> Result<Placed, Problem> {
        let types = types_of(base);
        for name in &types {
            if let Some(known) = standard.find(*name, &definition.code) {
                let same = known.expression() == definition.expression.as_str();
                let derived = definition.derived_from.as_deref() == Some(known.url.as_str());
                return match known.kind == definition.kind && (same || derived || definition.url == known.url) {
                    true => Ok(Placed::Served),
                    false => Err(definition.problem(format!(
                        "code: {name} has a parameter of that code already ({}); a definition that is derived from it, \
                         or that says the same, would do",
                        known.url
                    ))),
                };
            }
            let taken = own.iter().find(|other| {
                other.code == definition.code && other.bases.iter().any(|base| types_of(base).contains(name))
            });
            if let Some(other) = taken {
                if other.url == definition.url
                    || (other.kind == definition.kind && other.expression == definition.expression)
                {
                    return Ok(Placed::Served);
                }
                return Err(definition.problem(format!("code: {} has that code for {name} already", other.url)));
            }
        }
        Ok(Placed::New)
    }

    /// What only all together can say of a definition.
    fn faults(&self, definition: &Definition) -> Vec<Problem> {
        let mut problems = Vec::new();
        for component in &definition.components {
            if self.kind_of(&component.definition).is_none() {
                problems
                    .push(definition.problem(format!("component.definition: {} is not known", component.definition)));
            }
        }
        let names: BTreeSet<ResourceType> = definition.bases.iter().flat_map(|base| types_of(base)).collect();
        for name in names {
            let mut known: BTreeMap<u32, &str> = BTreeMap::new();
            for parameter in self.parameters(name) {
                for number in parameter.numbers() {
                    if let Some(other) = known.insert(number, &parameter.code) {
                        let text = format!("code: its rows cannot be told from those of {other}; choose another code");
                        problems.push(definition.problem(text));
                    }
                }
            }
        }
        problems
    }

    /// The parameters of a type, sorted by code: what a CapabilityStatement lists.
    pub fn parameters(&self, resource_type: ResourceType) -> &[Parameter] {
        self.of_type(resource_type).map_or(&[], |found| &found.parameters)
    }

    /// A parameter of a type.
    pub fn find(&self, resource_type: ResourceType, code: &str) -> Option<&Parameter> {
        let parameters = self.parameters(resource_type);
        let place = parameters.binary_search_by(|parameter| parameter.code.as_str().cmp(code)).ok()?;
        parameters.get(place)
    }

    /// The rows of a resource, sorted, each once. `_id`, `_lastUpdated` and the type are the store's own.
    pub fn extract(&self, resource_type: &str, resource: &Json) -> Vec<IndexRow> {
        let Ok(name) = ResourceType::parse(resource_type) else { return Vec::new() };
        let own = ["_id", "_lastUpdated"];
        let parameters = self
            .parameters(name)
            .iter()
            .filter(|parameter| parameter.has_rows() && !own.contains(&parameter.code.as_str()));
        let mut rows = extract::rows(resource_type, resource, parameters);
        if let Some(attached) = crate::own::rows(resource_type, resource) {
            rows.extend(attached);
            rows.sort_unstable();
            rows.dedup();
        }
        rows
    }

    /// Says what the rows of a type were made by: another number, other rows.
    pub fn rules(&self, resource_type: &str) -> u32 {
        let name = ResourceType::parse(resource_type).ok();
        name.and_then(|name| self.of_type(name)).map_or(0, |found| found.rules)
    }

    /// The definitions beside those of R4, without what R4 serves.
    pub fn custom(&self) -> &[Definition] {
        &self.custom
    }

    fn of_type(&self, resource_type: ResourceType) -> Option<&OfType> {
        let place = self.types.binary_search_by_key(&resource_type, |(name, _)| *name).ok()?;
        self.types.get(place).map(|(_, cell)| cell.get_or_init(|| self.compile(resource_type)))
    }

    fn compile(&self, resource_type: ResourceType) -> OfType {
        let mut parameters: Vec<Parameter> = Vec::new();
        for base in bases_of(resource_type) {
            parameters.extend(TABLE.get(base).into_iter().flatten().filter_map(|line| read(line)));
            let own = self.custom.iter().filter(|definition| definition.bases.iter().any(|it| it == base));
            parameters.extend(own.map(|definition| self.parameter(definition)));
        }
        parameters.sort_by(|left, right| left.code.cmp(&right.code));
        parameters.dedup_by(|second, first| first.code == second.code);
        for parameter in &mut parameters {
            parameter.infer();
        }
        share(&mut parameters);
        let mut digest = Sha256::new();
        digest.update(FORM);
        for parameter in parameters.iter().filter(|parameter| parameter.has_rows()) {
            for text in [parameter.code.as_str(), parameter.kind.as_str(), parameter.expression()] {
                digest.update(text);
                digest.update([0]);
            }
            for component in &parameter.components {
                digest.update(component.expression());
                digest.update([1]);
            }
        }
        let rules = digest.finalize().iter().take(4).fold(0, |number, byte| (number << 8) | u32::from(*byte));
        OfType { parameters, rules }
    }

    fn parameter(&self, definition: &Definition) -> Parameter {
        let mut parameter = Parameter::new(
            definition.code.clone(),
            definition.kind,
            definition.url.clone(),
            definition.expression.clone(),
        );
        parameter.targets.clone_from(&definition.targets);
        parameter.comparators.clone_from(&definition.comparators);
        parameter.modifiers.clone_from(&definition.modifiers);
        for part in &definition.components {
            if let Some((code, kind)) = self.kind_of(&part.definition) {
                parameter.components.push(Parameter::new(code, kind, part.definition.clone(), part.expression.clone()));
            }
        }
        parameter
    }

    /// Code and kind of a definition by its URL.
    fn kind_of(&self, url: &str) -> Option<(SmolStr, Kind)> {
        let own = self.custom.iter().find(|definition| definition.url == url);
        own.map(|definition| (definition.code.clone(), definition.kind)).or_else(|| standard_kind(url))
    }
}

/// Lets parameters that find what others find together do without rows of their own: `combo-code` is `code` and
/// `component-code`, `patient` is `subject` where that is a Patient.
fn share(parameters: &mut [Parameter]) {
    let parts = |one: &Parameter| -> Vec<String> {
        one.components.iter().map(|part| format!("{} {}", part.kind.as_str(), part.expression())).collect()
    };
    let served: Vec<Vec<[u32; 4]>> = parameters
        .iter()
        .map(|one| {
            if one.is_patient_of_subject(parameters) {
                return parameters.iter().filter(|it| it.code == "subject").map(Parameter::numbers).collect();
            }
            let own = one.branches();
            let smaller = |it: &&Parameter| {
                let theirs = it.branches();
                it.kind == one.kind
                    && one.kind != Kind::Special
                    && theirs.is_subset(&own)
                    && (theirs.len(), &it.code) < (own.len(), &one.code)
                    && parts(it) == parts(one)
            };
            let all: Vec<&Parameter> = parameters.iter().filter(smaller).collect();
            let together: BTreeSet<&str> = all.iter().flat_map(|it| it.branches()).collect();
            if together == own { all.iter().map(|it| it.numbers()).collect() } else { Vec::new() }
        })
        .collect();
    // One that is served itself serves nobody.
    let with_rows: BTreeSet<u32> =
        parameters.iter().zip(&served).filter(|(_, by)| by.is_empty()).map(|(one, _)| one.param).collect();
    for (parameter, by) in parameters.iter_mut().zip(served) {
        if by.iter().all(|[param, ..]| with_rows.contains(param)) {
            parameter.serve_by(by);
        }
    }
}

enum Placed {
    New,
    /// A parameter that is there finds the same.
    Served,
}

/// The types that a base stands for.
fn types_of(base: &str) -> Vec<ResourceType> {
    ResourceType::all().filter(|name| bases_of(*name).contains(&base)).collect()
}

fn bases_of(resource_type: ResourceType) -> Vec<&'static str> {
    let name = resource_type.as_str();
    let mut bases = vec!["Resource"];
    if !NO_DOMAIN_RESOURCE.contains(&name) {
        bases.push("DomainResource");
    }
    bases.push(name);
    bases
}

/// The lines of the table by type.
static TABLE: LazyLock<BTreeMap<&'static str, Vec<&'static str>>> = LazyLock::new(|| {
    let mut table: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in R4.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split_once('\t').map_or("", |(name, _)| name);
        table.entry(name).or_default().push(line);
    }
    table
});

/// Code and kind by the end of the URL.
static KINDS: LazyLock<BTreeMap<&'static str, (&'static str, Kind)>> = LazyLock::new(|| {
    let lines = TABLE.values().flatten().filter_map(|line| {
        let mut fields = line.split('\t').skip(1);
        let (code, kind, url) = (fields.next()?, fields.next()?, fields.next()?);
        Some((url, (code, Kind::parse(kind)?)))
    });
    lines.collect()
});

fn standard_kind(url: &str) -> Option<(SmolStr, Kind)> {
    let (code, kind) = KINDS.get(url.strip_prefix(R4_URL)?)?;
    Some((SmolStr::new_static(code), *kind))
}

/// One line of the table.
fn read(line: &'static str) -> Option<Parameter> {
    let mut fields = line.split('\t').skip(1);
    let mut field = || fields.next();
    let (code, kind, url) = (field()?, Kind::parse(field()?)?, field()?);
    let (expression, targets, components) = (field()?, field()?, field()?);
    let mut parameter = Parameter::new(
        SmolStr::new_static(code),
        kind,
        SmolStr::new(format!("{R4_URL}{url}")),
        SmolStr::new_static(expression),
    );
    let names = targets.split(',').filter(|name| !name.is_empty() && *name != "*");
    parameter.targets = names.filter_map(|name| ResourceType::parse(name).ok()).collect();
    for part in components.split(';').filter(|part| !part.is_empty()) {
        let (url, expression) = part.split_once(' ')?;
        let (code, kind) = KINDS.get(url)?;
        parameter.components.push(Parameter::new(
            SmolStr::new_static(code),
            *kind,
            SmolStr::new(format!("{R4_URL}{url}")),
            SmolStr::new_static(expression),
        ));
    }
    Some(parameter)
}

#[cfg(test)]
mod tests;
