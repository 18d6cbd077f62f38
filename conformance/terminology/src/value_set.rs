//! A ValueSet resource, bound to the code systems that are loaded (FHIR R4 valueset.html).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use model::json::Json;
use smol_str::SmolStr;

use crate::answer::Reason;
use crate::code_system::{designation, fold, text};
use crate::concepts::{Completeness, Concept, Concepts, Designation};
use crate::filter::Filter;
use crate::rule::Rule;
use crate::service::{System, Terminology};
use crate::ucum;

const UCUM: &str = "http://unitsofmeasure.org";
/// Up to this many concepts a filter's answer is kept as a set; above it each question is put to the code system.
const SELECTED: usize = 20_000;

/// A compiled value set.
pub struct ValueSet {
    pub(crate) url: SmolStr,
    pub(crate) version: Option<SmolStr>,
    pub(crate) includes: Vec<Clause>,
    pub(crate) excludes: Vec<Clause>,
    /// `compose.inactive`: false leaves inactive concepts out.
    pub(crate) inactive: bool,
    /// The expansion that stands in the resource; used where the compose cannot be decided.
    pub(crate) given: Option<Given>,
    /// Value sets contained in the resource, by id.
    pub(crate) contained: HashMap<SmolStr, Arc<ValueSet>>,
}

impl ValueSet {
    /// The value set's canonical URL; empty for a contained one without.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The business version.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }
}

/// One include or exclude.
pub(crate) struct Clause {
    pub(crate) system: Option<SmolStr>,
    pub(crate) version: Option<SmolStr>,
    pub(crate) resolved: System,
    pub(crate) content: Content,
    /// All of these have to hold the code as well: canonicals, or `#id` of one that is contained. They are looked up when
    /// a question is asked, so that no answer depends on which value set was compiled first.
    pub(crate) imports: Vec<SmolStr>,
}

pub(crate) enum Content {
    /// The whole code system, or what the imports say when there is no system.
    All,
    /// Concepts one by one.
    Listed(Listed),
    /// Concepts that pass all filters.
    Filtered { filters: Vec<Filter>, selected: Option<HashSet<Concept>> },
    /// Units of measure with the same base units as this one (FHIR R4 ucum.html "UCUM Filter Properties").
    Commensurable(SmolStr),
    /// It cannot be decided which.
    Undecided(Reason),
}

/// An enumeration.
pub(crate) struct Listed {
    pub(crate) items: Vec<Item>,
    /// By code, folded if case does not count.
    pub(crate) index: HashMap<SmolStr, usize>,
    pub(crate) case_sensitive: bool,
}

impl Listed {
    pub(crate) fn find(&self, code: &str) -> Option<&Item> {
        self.items.get(*self.index.get(fold(code, self.case_sensitive).as_ref())?)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) code: SmolStr,
    pub(crate) display: Option<SmolStr>,
    pub(crate) designations: Vec<Designation>,
}

/// A stored expansion.
pub(crate) struct Given {
    /// False if codes are missing from it: a page, or cut short.
    pub(crate) complete: bool,
    pub(crate) items: Vec<GivenItem>,
    /// The codes of each system.
    pub(crate) index: HashMap<SmolStr, GivenCodes>,
}

pub(crate) struct GivenCodes {
    pub(crate) case_sensitive: bool,
    /// Folded if case does not count.
    pub(crate) codes: HashSet<SmolStr>,
}

pub(crate) struct GivenItem {
    pub(crate) system: Option<SmolStr>,
    pub(crate) version: Option<SmolStr>,
    pub(crate) code: Option<SmolStr>,
    pub(crate) display: Option<SmolStr>,
    pub(crate) designations: Vec<Designation>,
    pub(crate) abstract_: bool,
    pub(crate) inactive: bool,
    pub(crate) depth: usize,
}

/// Compiles a value set and those contained in it.
pub(crate) fn compile(resource: &Json, terminology: &Terminology) -> ValueSet {
    let mut value_set = compile_alone(resource, terminology);
    for contained in resource.items("contained") {
        if contained.text_at(&["resourceType"]) == Some("ValueSet")
            && let Some(id) = text(contained, "id")
        {
            value_set.contained.insert(id, Arc::new(compile_alone(contained, terminology)));
        }
    }
    value_set
}

fn compile_alone(resource: &Json, terminology: &Terminology) -> ValueSet {
    let compose = resource.get("compose");
    let clauses = |name| -> Vec<Clause> {
        let all = compose.map(|compose| compose.items(name)).unwrap_or_default();
        all.iter().map(|json| clause(json, terminology)).collect()
    };
    ValueSet {
        url: text(resource, "url").unwrap_or_default(),
        version: text(resource, "version"),
        includes: clauses("include"),
        excludes: clauses("exclude"),
        inactive: compose.and_then(|compose| compose.get("inactive")).and_then(Json::as_bool).unwrap_or(true),
        given: resource.get("expansion").map(|expansion| given(expansion, terminology)),
        contained: HashMap::new(),
    }
}

fn clause(json: &Json, terminology: &Terminology) -> Clause {
    let system = text(json, "system");
    let version = text(json, "version");
    let resolved = system.as_deref().map_or(System::None, |system| terminology.system(system, version.as_deref()));
    let content = content(json, system.as_ref(), version.as_ref(), &resolved);
    let imports = json.items("valueSet").iter().filter_map(|import| import.as_str().map(SmolStr::new)).collect();
    Clause { system, version, resolved, content, imports }
}

fn content(json: &Json, system: Option<&SmolStr>, version: Option<&SmolStr>, resolved: &System) -> Content {
    let case_sensitive = resolved.case_sensitive();
    let concepts = json.items("concept");
    if !concepts.is_empty() {
        let mut listed = Listed { items: Vec::with_capacity(concepts.len()), index: HashMap::new(), case_sensitive };
        for concept in concepts {
            let Some(code) = text(concept, "code") else { continue };
            let key = SmolStr::new(fold(&code, case_sensitive));
            let next = listed.items.len();
            if *listed.index.entry(key).or_insert(next) == next {
                let designations = concept.items("designation").iter().filter_map(designation).collect();
                listed.items.push(Item { code, display: text(concept, "display"), designations });
            }
        }
        return Content::Listed(listed);
    }
    let filters = json.items("filter");
    if filters.is_empty() {
        return Content::All;
    }
    let missing = |known: &str| match version {
        Some(version) => Reason::Version(SmolStr::new(known), version.clone()),
        None => Reason::System(SmolStr::new(known)),
    };
    let concepts = match resolved {
        System::Loaded(concepts) => concepts,
        System::Rule(Rule::Ucum) => return units(filters),
        _ => return Content::Undecided(missing(system.map_or("", |system| system.as_str()))),
    };
    let mut bound = Vec::new();
    for filter in filters {
        let part = |name| filter.text_at(&[name]).unwrap_or_default();
        match Filter::bind(concepts.as_ref(), part("property"), part("op"), part("value")) {
            Ok(filter) => bound.push(filter),
            Err(reason) => return Content::Undecided(reason),
        }
    }
    let selected = select(concepts.as_ref(), &bound);
    Content::Filtered { filters: bound, selected }
}

/// The one filter that UCUM has: `canonical = unit`.
fn units(filters: &[Json]) -> Content {
    let [filter] = filters else { return Content::Undecided(Reason::Open(SmolStr::new(UCUM))) };
    let part = |name| filter.text_at(&[name]).unwrap_or_default();
    match (part("property"), part("op"), part("value")) {
        ("canonical", "=", unit) if ucum::validate(unit).is_ok() => Content::Commensurable(SmolStr::new(unit)),
        (property, op, _) => Content::Undecided(Reason::Filter {
            system: SmolStr::new(UCUM),
            property: SmolStr::new(property),
            op: SmolStr::new(op),
        }),
    }
}

/// The concepts that pass, unless finding or keeping them would be large.
fn select(concepts: &dyn Concepts, filters: &[Filter]) -> Option<HashSet<Concept>> {
    if concepts.len() as usize > SELECTED {
        return None;
    }
    Some(passing(concepts, filters).collect())
}

/// All concepts that pass, each once.
pub(crate) fn passing<'c>(concepts: &'c dyn Concepts, filters: &'c [Filter]) -> Box<dyn Iterator<Item = Concept> + 'c> {
    let accepted = move |concept: &Concept| filters.iter().all(|filter| filter.accepts(concepts, *concept));
    match filters.iter().find_map(|filter| filter.candidates(concepts)) {
        Some(mut candidates) => {
            candidates.sort_unstable();
            candidates.dedup();
            Box::new(candidates.into_iter().filter(accepted))
        }
        None => Box::new((0..concepts.len()).map(Concept).filter(accepted)),
    }
}

/// Extensions that say an expansion is not the whole value set.
const CUT_SHORT: &[&str] = &[
    "http://hl7.org/fhir/StructureDefinition/valueset-toocostly",
    "http://hl7.org/fhir/StructureDefinition/valueset-unclosed",
];

fn given(expansion: &Json, terminology: &Terminology) -> Given {
    let mut given = Given { complete: true, items: Vec::new(), index: HashMap::new() };
    let mut open = vec![expansion.items("contains").iter()];
    while let Some(rest) = open.last_mut() {
        let Some(entry) = rest.next() else {
            open.pop();
            continue;
        };
        let depth = open.len().saturating_sub(1);
        open.push(entry.items("contains").iter());
        let flag = |name| entry.get(name).and_then(Json::as_bool) == Some(true);
        let item = GivenItem {
            system: text(entry, "system"),
            version: text(entry, "version"),
            code: text(entry, "code"),
            display: text(entry, "display"),
            designations: entry.items("designation").iter().filter_map(designation).collect(),
            abstract_: flag("abstract"),
            inactive: flag("inactive"),
            depth,
        };
        if let Some(code) = item.code.clone() {
            let system = item.system.clone().unwrap_or_default();
            let codes = given.index.entry(system).or_insert_with_key(|system| GivenCodes {
                case_sensitive: terminology.system(system, None).case_sensitive(),
                codes: HashSet::new(),
            });
            codes.codes.insert(SmolStr::new(fold(&code, codes.case_sensitive)));
        }
        given.items.push(item);
    }
    let number = |name| expansion.get(name).and_then(Json::as_number).and_then(model::json::Number::as_u64);
    let listed = given.items.iter().filter(|item| item.code.is_some()).count() as u64;
    let marked = expansion.items("extension").iter().any(|extension| {
        extension.text_at(&["url"]).is_some_and(|url| CUT_SHORT.contains(&url))
            && extension.get("valueBoolean").and_then(Json::as_bool) != Some(false)
    });
    let page = number("offset").unwrap_or(0) > 0 || number("total").is_some_and(|total| total > listed);
    // Nothing listed is taken as "not expanded" rather than as an empty value set.
    given.complete = !marked && !page && listed > 0 && !limited(expansion);
    given
}

/// Parameters by which an expansion was narrowed: what is missing may still be in the value set.
fn limited(expansion: &Json) -> bool {
    expansion.items("parameter").iter().any(|parameter| match parameter.text_at(&["name"]) {
        Some("filter" | "count" | "limitedExpansion") => true,
        Some("activeOnly") => parameter.get("valueBoolean").and_then(Json::as_bool) == Some(true),
        _ => false,
    })
}

impl Clause {
    /// The reason why the whole system is not to be had, if so.
    pub(crate) fn missing(&self) -> Reason {
        let system = self.system.clone().unwrap_or_default();
        match (&self.resolved, &self.version) {
            (System::Loaded(concepts), _) if concepts.completeness() == Completeness::Partial => {
                Reason::Partial(system)
            }
            (System::WrongVersion, Some(version)) => Reason::Version(system, version.clone()),
            (System::Rule(_) | System::Loaded(_), _) => Reason::Open(system),
            _ => Reason::System(system),
        }
    }
}
