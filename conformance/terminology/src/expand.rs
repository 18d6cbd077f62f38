//! The expansion of a value set: all its codes, in order (FHIR R4 valueset-operation-expand.html).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use smol_str::SmolStr;

use crate::answer::{Coding, Membership, Reason};
use crate::code_system::fold;
use crate::concepts::{Completeness, Concept, Concepts, Designation};
use crate::lookup::preferred;
use crate::member;
use crate::service::{System, Terminology};
use crate::value_set::{Clause, Content, Given, ValueSet, passing};

/// What to list, and how; the parameters of `$expand`.
#[derive(Clone, Debug)]
pub struct ExpandRequest<'a> {
    /// Words that each have to be in a display, or the code itself.
    pub filter: Option<&'a str>,
    /// How many codes to leave out at the front; makes the answer flat.
    pub offset: usize,
    /// How many codes to give at most; makes the answer flat.
    pub count: Option<usize>,
    /// Leave inactive concepts out.
    pub active_only: bool,
    /// A flat list even if the code system has a hierarchy.
    pub exclude_nested: bool,
    /// Give all designations.
    pub include_designations: bool,
    /// Prefer displays in this language (BCP 47).
    pub language: Option<&'a str>,
    /// The most codes to work through.
    pub limit: usize,
}

impl Default for ExpandRequest<'_> {
    fn default() -> Self {
        Self {
            filter: None,
            offset: 0,
            count: None,
            active_only: false,
            exclude_nested: false,
            include_designations: false,
            language: None,
            limit: 50_000,
        }
    }
}

/// The answer of `$expand`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expansion {
    /// The number of codes before paging.
    pub total: usize,
    /// Where the page begins.
    pub offset: usize,
    /// `system|version` of each code system used, ascending.
    pub used: Vec<SmolStr>,
    /// The codes.
    pub contains: Vec<Contains>,
}

/// One code of an expansion (FHIR R4 valueset-definitions.html#ValueSet.expansion.contains).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contains {
    /// The code system.
    pub system: Option<SmolStr>,
    /// Its version, where the value set names one.
    pub version: Option<SmolStr>,
    /// The code; none for a heading in a stored expansion.
    pub code: Option<SmolStr>,
    /// The text.
    pub display: Option<SmolStr>,
    /// Not to be chosen.
    pub abstract_: bool,
    /// Not in use any more.
    pub inactive: bool,
    /// Texts in other languages and of other kinds.
    pub designations: Vec<Designation>,
    /// Codes below this one.
    pub contains: Vec<Contains>,
}

/// Why there is no expansion.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpandError {
    /// What is loaded does not say what is in the value set.
    #[error("cannot be expanded: {0}")]
    Undecided(#[from] Reason),
    /// It has more codes than the request allows (issue code `too-costly`).
    #[error("more than {limit} codes")]
    TooCostly {
        /// The bound that was met.
        limit: usize,
    },
}

impl Terminology {
    /// Lists the codes of a value set, given by `url` or `url|version`.
    ///
    /// # Errors
    /// `ExpandError::Undecided` if a code system or value set is not loaded, or open like UCUM;
    /// `ExpandError::TooCostly` beyond [`ExpandRequest::limit`].
    pub fn expand(&self, value_set: &str, request: &ExpandRequest<'_>) -> Result<Expansion, ExpandError> {
        let here = match self.value_set(value_set) {
            Ok(compiled) => self.expand_compiled(&compiled, request),
            Err(reason) => Err(reason.into()),
        };
        match here {
            Err(ExpandError::Undecided(reason)) => {
                let elsewhere = self.remote().and_then(|remote| remote.expand(value_set, request));
                elsewhere.ok_or(ExpandError::Undecided(reason))
            }
            here => here,
        }
    }

    /// Lists the codes of a compiled value set; see [`Terminology::expand`].
    ///
    /// # Errors
    /// As [`Terminology::expand`].
    pub fn expand_compiled(&self, value_set: &ValueSet, request: &ExpandRequest<'_>) -> Result<Expansion, ExpandError> {
        let mut list = List {
            terminology: self,
            rows: Vec::new(),
            seen: HashMap::new(),
            limit: request.limit,
            visited: HashMap::new(),
            held: Vec::new(),
            depth: 0,
        };
        if let Some(missing) = list.candidates(value_set, value_set)? {
            return Err(missing.into());
        }
        list.keep_members(value_set)?;
        let words: Vec<String> = request.filter.map(words).unwrap_or_default();
        let mut rows = list.rows;
        rows.retain(|row| {
            (!request.active_only || !row.entry.inactive)
                && (words.is_empty() || matches(&row.entry, row.designations(), &words))
        });
        let used: HashSet<SmolStr> = rows.iter().filter_map(Row::used).collect();
        let mut used: Vec<SmolStr> = used.into_iter().collect();
        used.sort();
        let total = rows.iter().filter(|row| row.entry.code.is_some()).count();
        let paged = request.offset > 0 || request.count.is_some();
        let flat = paged || request.exclude_nested || !words.is_empty();
        if paged {
            rows.retain(|row| row.entry.code.is_some());
            rows = rows.into_iter().skip(request.offset).take(request.count.unwrap_or(usize::MAX)).collect();
        }
        for row in &mut rows {
            row.finish(request);
        }
        let contains = if flat { rows.into_iter().map(|row| row.entry).collect() } else { nest(rows) };
        Ok(Expansion { total, offset: request.offset, used, contains })
    }
}

/// A code on its way into the expansion.
struct Row {
    entry: Contains,
    /// Where it stands in a hierarchy.
    from: Option<(Arc<dyn Concepts>, Concept)>,
    /// Its place in the stored expansion's hierarchy.
    depth: Option<usize>,
    /// Whether the value set takes it from a hierarchy rather than from an enumeration.
    nested: bool,
}

impl Row {
    fn designations(&self) -> Vec<Designation> {
        match &self.from {
            Some((concepts, concept)) => concepts.designations(*concept),
            None => Vec::new(),
        }
    }

    fn used(&self) -> Option<SmolStr> {
        let (concepts, _) = self.from.as_ref()?;
        let version = concepts.version()?;
        Some(SmolStr::from(format!("{}|{version}", concepts.url())))
    }

    fn finish(&mut self, request: &ExpandRequest<'_>) {
        if request.include_designations || request.language.is_some() {
            for designation in self.designations() {
                if !self.entry.designations.contains(&designation) {
                    self.entry.designations.push(designation);
                }
            }
        }
        if let Some(language) = request.language
            && let Some(text) = preferred(&self.entry.designations, language)
        {
            self.entry.display = Some(text);
        }
        if !request.include_designations {
            self.entry.designations.clear();
        }
    }
}

/// The codes gathered so far, each once.
///
/// First every code is listed that some clause may bring, then each is asked for as any other code is: so an expansion
/// and membership cannot disagree.
struct List<'t> {
    terminology: &'t Terminology,
    rows: Vec<Row>,
    /// System to code, folded where case does not count.
    seen: HashMap<SmolStr, HashSet<SmolStr>>,
    limit: usize,
    /// Value sets that are listed, by address, with what is missing of each: none is listed twice.
    visited: HashMap<*const ValueSet, Option<Reason>>,
    /// Keeps the addresses from being used again.
    held: Vec<Arc<ValueSet>>,
    /// How deep in imports.
    depth: usize,
}

impl List<'_> {
    /// Lists what may be in a value set; the reason why there may be more, if so.
    fn candidates(&mut self, value_set: &ValueSet, root: &ValueSet) -> Result<Option<Reason>, ExpandError> {
        let address = std::ptr::from_ref(value_set);
        if let Some(known) = self.visited.get(&address) {
            return Ok(known.clone());
        }
        if self.depth >= member::DEPTH {
            return Ok(Some(Reason::Depth(member::DEPTH)));
        }
        self.depth += 1;
        // What imports itself has met this while it was being listed.
        self.visited.insert(address, Some(Reason::Cycle(value_set.url.clone())));
        let mut missing = value_set.includes.is_empty().then(|| Reason::Empty(value_set.url.clone()));
        for clause in &value_set.includes {
            if let Some(reason) = self.clause(clause, root)? {
                missing = Some(reason);
            }
        }
        self.depth -= 1;
        if let Some(given) = &value_set.given
            && given.complete
            && missing.is_some()
        {
            self.given(given)?;
            missing = None;
        }
        self.visited.insert(address, missing.clone());
        Ok(missing)
    }

    fn clause(&mut self, clause: &Clause, root: &ValueSet) -> Result<Option<Reason>, ExpandError> {
        match (&clause.content, &clause.resolved) {
            _ if clause.system.is_none() => self.imported(clause, root),
            (Content::Undecided(reason), _) => Ok(Some(reason.clone())),
            (Content::Listed(listed), resolved) => {
                for item in &listed.items {
                    let from = match resolved {
                        System::Loaded(concepts) => concepts.find(&item.code).map(|found| (concepts.clone(), found)),
                        _ => None,
                    };
                    let mut row = row(clause, item.code.clone(), from, false);
                    if item.display.is_some() {
                        row.entry.display.clone_from(&item.display);
                    }
                    row.entry.designations.clone_from(&item.designations);
                    self.push(row)?;
                }
                Ok(None)
            }
            (content, System::Loaded(concepts)) => {
                let filters = match content {
                    Content::Filtered { filters, .. } => filters.as_slice(),
                    _ => &[],
                };
                for concept in passing(concepts.as_ref(), filters) {
                    let Some(code) = concepts.code(concept) else { continue };
                    self.push(row(clause, SmolStr::new(code), Some((concepts.clone(), concept)), true))?;
                }
                Ok((concepts.completeness() == Completeness::Partial).then(|| clause.missing()))
            }
            _ => Ok(Some(clause.missing())),
        }
    }

    /// A clause without a system: what its imports have in common is in each of them, so in the first.
    fn imported(&mut self, clause: &Clause, root: &ValueSet) -> Result<Option<Reason>, ExpandError> {
        let Some(first) = clause.imports.first() else { return Ok(None) };
        match first.strip_prefix('#') {
            Some(id) => match root.contained.get(id) {
                Some(contained) => self.candidates(contained, root),
                None => Ok(Some(Reason::ValueSet(first.clone()))),
            },
            None => match self.terminology.value_set(first) {
                Ok(value_set) => {
                    self.held.push(Arc::clone(&value_set));
                    self.candidates(&value_set, &value_set)
                }
                Err(reason) => Ok(Some(reason)),
            },
        }
    }

    fn given(&mut self, given: &Given) -> Result<(), ExpandError> {
        for item in &given.items {
            let entry = Contains {
                system: item.system.clone(),
                version: item.version.clone(),
                code: item.code.clone(),
                display: item.display.clone(),
                abstract_: item.abstract_,
                inactive: item.inactive,
                designations: item.designations.clone(),
                contains: Vec::new(),
            };
            self.push(Row { entry, from: None, depth: Some(item.depth), nested: false })?;
        }
        Ok(())
    }

    fn push(&mut self, row: Row) -> Result<(), ExpandError> {
        if let Some(code) = &row.entry.code {
            let system = row.entry.system.clone().unwrap_or_default();
            let case_sensitive = match &row.from {
                Some((concepts, _)) => concepts.case_sensitive(),
                None => self.terminology.system(&system, None).case_sensitive(),
            };
            if !self.seen.entry(system).or_default().insert(SmolStr::new(fold(code, case_sensitive))) {
                return Ok(());
            }
        }
        if self.rows.len() >= self.limit {
            return Err(ExpandError::TooCostly { limit: self.limit });
        }
        self.rows.push(row);
        Ok(())
    }

    /// Leaves out what is no member after all: taken away by an exclude, or not in all imports.
    fn keep_members(&mut self, value_set: &ValueSet) -> Result<(), ExpandError> {
        let mut undecided = None;
        self.rows.retain(|row| {
            // A heading of a stored expansion is no code.
            let Some(code) = row.entry.code.as_deref() else { return true };
            let coding = Coding { system: row.entry.system.as_deref(), code, ..Coding::default() };
            match member::member(self.terminology, value_set, &coding) {
                Membership::In => true,
                Membership::NotIn => false,
                Membership::Unknown(reason) => {
                    undecided = Some(reason);
                    false
                }
            }
        });
        undecided.map_or(Ok(()), |reason| Err(reason.into()))
    }
}

fn row(clause: &Clause, code: SmolStr, from: Option<(Arc<dyn Concepts>, Concept)>, nested: bool) -> Row {
    let concept = from.as_ref();
    let entry = Contains {
        system: clause.system.clone(),
        version: clause.version.clone(),
        code: Some(code),
        display: concept.and_then(|(concepts, id)| concepts.display(*id)).map(SmolStr::new),
        abstract_: nested && concept.is_some_and(|(concepts, id)| !concepts.selectable(*id)),
        inactive: concept.is_some_and(|(concepts, id)| !concepts.active(*id)),
        ..Contains::default()
    };
    Row { entry, from, depth: None, nested }
}

/// Deeper levels of an expansion begin at the root again: no answer may be too deep for its reader.
const NESTING: usize = 64;

/// Puts each row below its nearest place: under the first of its parents that is listed, or as deep as the stored
/// expansion has it.
fn nest(rows: Vec<Row>) -> Vec<Contains> {
    let mut places: HashMap<(SmolStr, u32), usize> = HashMap::new();
    for (place, row) in rows.iter().enumerate() {
        if let (Some((_, concept)), Some(system), true) = (&row.from, &row.entry.system, row.nested) {
            places.insert((system.clone(), concept.0), place);
        }
    }
    let mut above: Vec<Option<usize>> = Vec::with_capacity(rows.len());
    let mut depths: Vec<usize> = Vec::with_capacity(rows.len());
    let mut open: Vec<usize> = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        let parent = match (row.depth, &row.from, &row.entry.system) {
            (Some(depth), _, _) => {
                open.truncate(depth);
                let parent = open.last().copied();
                open.push(place);
                parent
            }
            (None, Some((concepts, concept)), Some(system)) if row.nested => {
                let parents = concepts.parents(*concept).into_iter();
                let mut listed = parents.filter_map(|parent| places.get(&(system.clone(), parent.0)).copied());
                // Only upwards in the list: a cycle of a broken definition cannot become one here.
                listed.find(|parent| *parent < place)
            }
            _ => None,
        };
        let depth = parent.and_then(|parent| depths.get(parent)).map_or(0, |depth| depth + 1);
        above.push(parent.filter(|_| depth < NESTING));
        depths.push(if depth < NESTING { depth } else { 0 });
    }
    let mut entries: Vec<Option<Contains>> = rows.into_iter().map(|row| Some(row.entry)).collect();
    let mut roots = Vec::new();
    // From the back: what is below a row is complete, in reverse order, when the row is moved.
    for place in (0..entries.len()).rev() {
        let Some(mut entry) = entries.get_mut(place).and_then(Option::take) else { continue };
        entry.contains.reverse();
        match above.get(place).copied().flatten().and_then(|parent| entries.get_mut(parent)).and_then(Option::as_mut) {
            Some(parent) => parent.contains.push(entry),
            None => roots.push(entry),
        }
    }
    roots.reverse();
    roots
}

fn words(filter: &str) -> Vec<String> {
    filter.split_whitespace().map(str::to_lowercase).collect()
}

fn matches(entry: &Contains, designations: Vec<Designation>, words: &[String]) -> bool {
    let has = |text: &str| {
        let text = text.to_lowercase();
        words.iter().all(|word| text.contains(word.as_str()))
    };
    entry.display.as_deref().is_some_and(has)
        || entry.code.as_deref().is_some_and(has)
        || entry.designations.iter().chain(&designations).any(|designation| has(&designation.text))
}

#[cfg(test)]
mod tests;
