//! What has to hold of a resource, decided for one caller: chains, `_has`, words and lists look at what that caller may read
//! and at nothing else, and a resource of which a part was taken out is judged by what is left of it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::ControlFlow;

use http::StatusCode;
use model::id::{Reference, ResourceType};
use model::json::Json;
use search::{Chain, Clause, Has, IndexRow, Link, ListOf, Match, Registry, RowKind, Term, Test, TextSearch};
use store::Search;

use super::{SCAN_MOST, walk, words};
use crate::api::outcome::Failure;
use crate::api::release::{Asking, Held, Released};
use crate::index;

/// Resources that a chain may lead to for the store to be asked for them; beyond, each candidate is followed by itself.
const TARGETS_MOST: usize = 500;
/// Resources looked at to find them.
const LOOKED_MOST: usize = 2_000;

/// Evaluates for one request.
pub(in crate::api::fhir) struct Evaluation<'a> {
    pub(super) asking: &'a Asking<'a>,
    pub(super) registry: &'a Registry,
    pub(super) base: &'a str,
    /// Resources decided for chains and the like.
    looked: Cell<usize>,
    /// Whether a condition, by its place in memory, holds of a resource: asked once.
    known: RefCell<HashMap<(usize, String), bool>>,
    lists: RefCell<HashMap<String, Vec<Reference>>>,
}

/// Clauses as the store can look for them.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    pub(super) search: Search,
    /// The store finds what the clauses mean: of what leaves whole nothing has to be tested.
    exact: bool,
    /// Nothing can be found.
    pub(super) nothing: bool,
    /// What has to hold beside the clauses.
    besides: Vec<Term>,
}

/// Where a plan begins.
#[derive(Default)]
pub(super) struct Start<'q> {
    pub(super) types: &'q [ResourceType],
    pub(super) ids: Option<&'q [String]>,
    /// What is asked of some patients is little enough to be followed one by one.
    pub(super) of_patients: bool,
    pub(super) besides: Vec<Term>,
}

/// A resource that may be a match, as far as it leaves.
struct Candidate<'c> {
    reference: &'c Reference,
    rows: &'c [IndexRow],
    updated: model::time::Instant,
    /// `None`: of a source that may ask for what it has written, and not read it.
    released: Option<&'c Released>,
}

impl<'a> Evaluation<'a> {
    pub(in crate::api::fhir) fn new(asking: &'a Asking<'a>, registry: &'a Registry, base: &'a str) -> Self {
        let (known, lists) = (RefCell::default(), RefCell::default());
        Self { asking, registry, base, looked: Cell::new(0), known, lists }
    }

    /// How the store looks for what these clauses mean.
    pub(super) fn plan(&self, start: Start<'_>, clauses: &[Clause]) -> Result<Plan, Failure> {
        let sees_all = !start.types.is_empty() && start.types.iter().all(|it| self.asking.sees_all(it.as_str()));
        let ids = start.ids.map(<[String]>::to_vec);
        let nothing = ids.as_ref().is_some_and(Vec::is_empty);
        let narrowed = ids.is_some() || start.of_patients || !start.besides.is_empty();
        let mut narrow = Narrow { types: start.types, sees_all, narrowed, ids, terms: Vec::new() };
        for term in &start.besides {
            narrow.terms.push(term.clone());
        }
        let mut exact = true;
        for clause in clauses {
            exact &= self.narrow(clause, &mut narrow)?;
        }
        let nothing =
            nothing || narrow.ids.as_ref().is_some_and(Vec::is_empty) || narrow.terms.iter().any(Term::is_empty);
        let search = Search {
            types: start.types.iter().map(ToString::to_string).collect(),
            ids: narrow.ids.unwrap_or_default(),
            patients: patients(&narrow.terms, self.base),
            terms: narrow.terms.iter().map(index::condition).collect(),
            ..Search::default()
        };
        Ok(Plan { search, exact, nothing, besides: start.besides })
    }

    /// Has the store look for less. Whether it then finds nothing but what the clause means.
    fn narrow(&self, clause: &Clause, narrow: &mut Narrow<'_>) -> Result<bool, Failure> {
        Ok(match clause {
            Clause::Ids(ids) => {
                narrow.only(ids);
                true
            }
            Clause::All(clauses) => {
                let mut exact = true;
                for clause in clauses {
                    exact &= self.narrow(clause, narrow)?;
                }
                exact
            }
            Clause::Has(has) if !narrow.narrowed => match self.referred_by(has, narrow.types)? {
                Some(ids) => {
                    narrow.only(&ids);
                    // An id alone says no type.
                    narrow.types.len() == 1
                }
                None => false,
            },
            Clause::List(list) => {
                let entries = self.entries(list)?;
                narrow.only(&entries.iter().map(|entry| entry.id.to_string()).collect::<Vec<_>>());
                // Another type may have the same id.
                false
            }
            Clause::Near(near) => {
                narrow.terms.push(Term::AnyOf(vec![near.band()]));
                false
            }
            clause => match self.terms(clause, narrow)? {
                Some(terms) => {
                    narrow.terms.extend(terms);
                    true
                }
                None => false,
            },
        })
    }

    /// A clause as terms over rows, where it can be told by them of what nobody has decided yet. That something is not
    /// there cannot: it may have been taken out, and a resource that is left out would tell that it had it.
    fn terms(&self, clause: &Clause, narrow: &Narrow<'_>) -> Result<Option<Vec<Term>>, Failure> {
        Ok(match clause {
            Clause::Rows(term) => (narrow.sees_all || is_positive(term)).then(|| vec![term.clone()]),
            Clause::Not(clause) => match &**clause {
                Clause::Rows(Term::AnyOf(any)) if narrow.sees_all => Some(vec![Term::NoneOf(any.clone())]),
                _ => None,
            },
            Clause::All(clauses) => {
                let mut all = Vec::new();
                for clause in clauses {
                    let Some(terms) = self.terms(clause, narrow)? else { return Ok(None) };
                    all.extend(terms);
                }
                Some(all)
            }
            Clause::Any(clauses) => {
                let mut any = Vec::with_capacity(clauses.len());
                for clause in clauses {
                    let Some(terms) = self.terms(clause, narrow)? else { return Ok(None) };
                    any.push(terms);
                }
                Some(vec![Term::Either(any)])
            }
            Clause::Chain(chain) if !narrow.narrowed => {
                self.targets(chain)?.map(|targets| vec![chain.term(&targets, self.base)])
            }
            _ => None,
        })
    }

    /// What a chain leads to, as far as it may be read; `None` if that is too much.
    fn targets(&self, chain: &Chain) -> Result<Option<Vec<Reference>>, Failure> {
        let mut found = Vec::new();
        for link in &chain.links {
            let complete = self.each_of(link.target, &link.wanted, Few::All, &mut |_, released| {
                found.push(Reference::parse(released.reference()).ok());
                found.len() <= TARGETS_MOST
            })?;
            if !complete {
                return Ok(None);
            }
        }
        let found: Vec<Reference> = found.into_iter().flatten().collect();
        self.persons(&found).map(Some)
    }

    /// The ids of what a `_has` finds to be referred to of these types; `None` if that is too much.
    fn referred_by(&self, has: &Has, types: &[ResourceType]) -> Result<Option<Vec<String>>, Failure> {
        let (mut found, mut failed) = (Vec::new(), None);
        let complete = self.each_of(has.source, &has.wanted, Few::All, &mut |held, released| {
            match self.rows(held, released) {
                Ok(rows) => found.extend(has.referred(&rows, self.base)),
                Err(failure) => failed = Some(failure),
            }
            failed.is_none() && found.len() <= TARGETS_MOST
        })?;
        if let Some(failure) = failed {
            return Err(failure);
        }
        if !complete {
            return Ok(None);
        }
        found.retain(|reference| types.contains(&reference.resource_type));
        found.sort_unstable();
        found.dedup();
        let ids = self.persons(&found)?.into_iter().map(|reference| reference.id.to_string()).collect();
        Ok(Some(ids))
    }

    /// Shows each resource of a type that fits and may leave, until the visitor has enough. `false` if it had, or if there
    /// are too many to look at.
    fn each_of(
        &self,
        of: ResourceType,
        clauses: &[Clause],
        few: Few,
        visitor: &mut dyn FnMut(&Held, &Released) -> bool,
    ) -> Result<bool, Failure> {
        let types = [of];
        let (besides, most) = match few {
            Few::All => (Vec::new(), LOOKED_MOST),
            Few::That(term) => (vec![term], SCAN_MOST),
        };
        let plan = self.plan(Start { types: &types, besides, ..Start::default() }, clauses)?;
        if plan.nothing {
            return Ok(true);
        }
        let (mut failed, mut complete, mut seen) = (None, true, 0);
        self.asking.visit(&plan.search, &mut |held| {
            seen += 1;
            let fitting = self.spend().and_then(|()| self.fitting(&held, &plan, clauses));
            complete = match fitting {
                Ok(Some(released)) => visitor(&held, &released),
                Ok(None) => true,
                Err(failure) => {
                    failed = Some(failure);
                    false
                }
            } && seen <= most;
            if complete { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        failed.map_or(Ok(complete), Err)
    }

    fn spend(&self) -> Result<(), Failure> {
        self.looked.set(self.looked.get().saturating_add(1));
        if self.looked.get() > SCAN_MOST { Err(walk::too_costly("follow its references")) } else { Ok(()) }
    }

    /// What may leave of a candidate, if the clauses hold of that.
    pub(super) fn fitting(&self, held: &Held, plan: &Plan, clauses: &[Clause]) -> Result<Option<Released>, Failure> {
        let Some(released) = self.asking.release(held)? else { return Ok(None) };
        if plan.exact && released.is_whole() {
            return Ok(Some(released));
        }
        let rows = self.rows(held, &released)?;
        let holds = self.holds(held, &rows, Some(&released), plan, clauses)?;
        Ok(Some(released).filter(|_| holds))
    }

    /// Whether the clauses hold of a version that a source has written itself.
    pub(super) fn fits_own(&self, held: &Held, plan: &Plan, clauses: &[Clause]) -> Result<bool, Failure> {
        if !self.asking.has_written(held) {
            return Ok(false);
        }
        let rows = index::read(&self.asking.own_rows(held));
        self.holds(held, &rows, None, plan, clauses)
    }

    fn holds(
        &self,
        held: &Held,
        rows: &[IndexRow],
        released: Option<&Released>,
        plan: &Plan,
        clauses: &[Clause],
    ) -> Result<bool, Failure> {
        let Ok(reference) = Reference::parse(&held.reference()) else { return Ok(false) };
        let candidate = Candidate { reference: &reference, rows, updated: held.last_updated(), released };
        Ok(plan.besides.iter().all(|term| term.holds(rows)) && self.all(clauses, &candidate)?)
    }

    /// What a resource is found by, as far as it leaves.
    pub(super) fn rows(&self, held: &Held, released: &Released) -> Result<Vec<IndexRow>, Failure> {
        Ok(index::read(&self.asking.rows_of(held, released)?))
    }

    fn all(&self, clauses: &[Clause], candidate: &Candidate<'_>) -> Result<bool, Failure> {
        for clause in clauses {
            if !self.one(clause, candidate)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn one(&self, clause: &Clause, candidate: &Candidate<'_>) -> Result<bool, Failure> {
        Ok(match clause {
            Clause::Rows(term) => term.holds(candidate.rows),
            Clause::Ids(ids) => ids.iter().any(|id| id == candidate.reference.id.as_str()),
            Clause::Types(types) => types.contains(&candidate.reference.resource_type),
            Clause::Updated(any) => any.iter().any(|it| it.from <= candidate.updated && candidate.updated <= it.to),
            Clause::Near(near) => near.holds(candidate.rows),
            Clause::Chain(chain) => self.chain(chain, candidate)?,
            Clause::Has(has) => self.has(has, candidate.reference)?,
            Clause::Text(wanted) => text(wanted, candidate)?,
            Clause::List(list) => self.entries(list)?.contains(candidate.reference),
            Clause::All(clauses) => self.all(clauses, candidate)?,
            Clause::Any(clauses) => {
                for clause in clauses {
                    if self.one(clause, candidate)? {
                        return Ok(true);
                    }
                }
                false
            }
            Clause::Not(clause) => !self.one(clause, candidate)?,
        })
    }

    fn chain(&self, chain: &Chain, candidate: &Candidate<'_>) -> Result<bool, Failure> {
        for target in chain.referred(candidate.rows, self.base) {
            for link in chain.links.iter().filter(|link| link.target == target.resource_type) {
                for record in self.persons(std::slice::from_ref(&target))? {
                    if self.leads_to(link, &record)? {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    fn leads_to(&self, link: &Link, target: &Reference) -> Result<bool, Failure> {
        self.once(std::ptr::from_ref(link).addr(), target, || {
            self.spend()?;
            let Some(held) = self.asking.live(target)? else { return Ok(false) };
            let Some(released) = self.asking.release(&held)? else { return Ok(false) };
            let rows = self.rows(&held, &released)?;
            self.holds(&held, &rows, Some(&released), &Plan::default(), &link.wanted)
        })
    }

    fn has(&self, has: &Has, own: &Reference) -> Result<bool, Failure> {
        self.once(std::ptr::from_ref(has).addr(), own, || {
            let records = self.persons(std::slice::from_ref(own))?;
            let mut found = false;
            let complete =
                self.each_of(has.source, &has.wanted, Few::That(has.term(&records, self.base)), &mut |_, _| {
                    found = true;
                    false
                })?;
            if found || complete { Ok(found) } else { Err(walk::too_costly("find what refers to them")) }
        })
    }

    fn once(
        &self,
        condition: usize,
        of: &Reference,
        decide: impl FnOnce() -> Result<bool, Failure>,
    ) -> Result<bool, Failure> {
        let key = (condition, of.to_string());
        if let Some(known) = self.known.borrow().get(&key) {
            return Ok(*known);
        }
        let holds = decide()?;
        self.known.borrow_mut().insert(key, holds);
        Ok(holds)
    }

    /// These, and where one is a patient's record, the others of the same person.
    pub(super) fn persons(&self, found: &[Reference]) -> Result<Vec<Reference>, Failure> {
        let mut all = Vec::with_capacity(found.len());
        for reference in found {
            all.push(reference.clone());
            if reference.resource_type.as_str() == "Patient" {
                let records = self.asking.person(reference.id.as_str())?;
                all.extend(records.iter().filter_map(|id| Reference::parse(&format!("Patient/{id}")).ok()));
            }
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// The entries of a list that may be read, without those that are said to be deleted from it.
    fn entries(&self, list: &ListOf) -> Result<Vec<Reference>, Failure> {
        let id = match list {
            ListOf::Id(id) => id,
            ListOf::Function(_) => {
                let text = "parameter '_list': lists by their function ($current-problems …) are not kept here; \
                            expected the id of a List";
                return Err(Failure::new(StatusCode::BAD_REQUEST, "not-supported", text));
            }
        };
        if let Some(known) = self.lists.borrow().get(id) {
            return Ok(known.clone());
        }
        let mut entries = Vec::new();
        if let Ok(reference) = Reference::parse(&format!("List/{id}"))
            && let Some(held) = self.asking.live(&reference)?
            && let Some(released) = self.asking.release(&held)?
        {
            let resource = released.json()?;
            let kept =
                resource.items("entry").iter().filter(|it| it.get("deleted").and_then(Json::as_bool) != Some(true));
            let texts = kept.filter_map(|it| it.text_at(&["item", "reference"]));
            let own = |text: &str| {
                let own = text.strip_prefix(self.base).filter(|_| !self.base.is_empty());
                Reference::parse(own.and_then(|rest| rest.strip_prefix('/')).unwrap_or(text)).ok()
            };
            entries.extend(texts.filter_map(own));
        }
        self.lists.borrow_mut().insert(id.clone(), entries.clone());
        Ok(entries)
    }
}

/// Which resources of a type are looked at.
enum Few {
    /// All that fit: only where these are few.
    All,
    /// Those of which this holds besides.
    That(Term),
}

/// What of the clauses the store is asked.
struct Narrow<'q> {
    types: &'q [ResourceType],
    /// Nothing is decided for this caller, so nothing can have been taken out.
    sees_all: bool,
    /// Few are left before any chain is followed: each is followed by itself.
    narrowed: bool,
    ids: Option<Vec<String>>,
    terms: Vec<Term>,
}

impl Narrow<'_> {
    fn only(&mut self, ids: &[String]) {
        self.ids = Some(match self.ids.take() {
            None => ids.to_vec(),
            Some(before) => before.into_iter().filter(|id| ids.contains(id)).collect(),
        });
    }
}

/// In whose records the store shall look: those of the shortest list of patients that one of the terms asks for. Rows that
/// name a patient need no entry of their own in the index, as the record is one.
pub(in crate::api::fhir) fn patients(terms: &[Term], base: &str) -> Vec<String> {
    let of = |one: &Match| match &one.test {
        Test::Equals(value) => {
            let text = std::str::from_utf8(value).ok()?;
            let own = text.strip_prefix(base).filter(|_| !base.is_empty()).and_then(|rest| rest.strip_prefix('/'));
            own.unwrap_or(text).strip_prefix("Patient/").map(str::to_owned)
        }
        _ => None,
    };
    let named = terms.iter().filter_map(|term| match term {
        Term::AnyOf(any) if any.iter().any(|one| one.kind == RowKind::Detail) => {
            let mut all = any.iter().map(of).collect::<Option<Vec<String>>>()?;
            all.sort_unstable();
            all.dedup();
            Some(all)
        }
        _ => None,
    });
    named.min_by_key(Vec::len).unwrap_or_default()
}

/// Whether a term asks for what is there alone.
fn is_positive(term: &Term) -> bool {
    match term {
        Term::AnyOf(_) => true,
        Term::NoneOf(_) => false,
        Term::Either(alternatives) => alternatives.iter().flatten().all(is_positive),
    }
}

fn text(wanted: &TextSearch, candidate: &Candidate<'_>) -> Result<bool, Failure> {
    let Some(released) = candidate.released else { return Ok(false) };
    Ok(words::holds(&wanted.words, &released.json()?, wanted.whole))
}
