//! `_include` and `_revinclude`: what the matches refer to and what refers to them, each decided by itself.
//!
//! Only what leaves is followed: a match that is withheld brings nothing, and an element that was taken out neither.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

use model::id::{Reference, ResourceType};
use search::{Include, Query};
use store::{Search, Term};

use super::search::SCAN_MOST;
use crate::api::outcome::Failure;
use crate::api::release::{Asking, Held, Released};
use crate::index;

/// Resources that come along with one page.
const MOST: usize = 1_000;

/// What came along.
#[derive(Default)]
pub(super) struct Included {
    pub(super) released: Vec<Released>,
    /// There was more than one page may hold.
    pub(super) cut: bool,
    looked: usize,
    seen: HashSet<String>,
}

impl Included {
    /// Whether one more may be looked at.
    fn goes_on(&mut self) -> bool {
        self.looked += 1;
        self.cut |= self.looked > SCAN_MOST || self.released.len() >= MOST;
        !self.cut
    }

    fn take(&mut self, released: Released) {
        if self.seen.insert(released.reference().to_owned()) {
            self.released.push(released);
        }
    }
}

/// Follows the references of a page's matches.
pub(super) fn follow(
    asking: &Asking<'_>,
    query: &Query,
    base: &str,
    matches: &[Released],
) -> Result<Included, Failure> {
    let mut included = Included {
        seen: matches.iter().map(|released| released.reference().to_owned()).collect(),
        ..Included::default()
    };
    if matches.is_empty() {
        return Ok(included);
    }
    for include in &query.includes {
        forward(asking, include, base, matches, &mut included)?;
    }
    for include in &query.reverse_includes {
        backward(asking, include, base, matches, &mut included)?;
    }
    Ok(included)
}

fn forward(
    asking: &Asking<'_>,
    include: &Include,
    base: &str,
    matches: &[Released],
    included: &mut Included,
) -> Result<(), Failure> {
    // In one order whatever the order of the page: what is there may be cut.
    let mut targets: BTreeMap<Reference, ()> = BTreeMap::new();
    for one in matches {
        targets.extend(referred(include, one, base)?.into_iter().map(|target| (target, ())));
    }
    for target in targets.into_keys() {
        if included.seen.contains(&target.to_string()) {
            continue;
        }
        if !included.goes_on() {
            break;
        }
        if let Some(held) = asking.live(&target)?
            && let Some(released) = asking.release(&held)?
        {
            included.take(released);
        }
    }
    Ok(())
}

fn referred(include: &Include, released: &Released, base: &str) -> Result<Vec<Reference>, Failure> {
    let json = released.json()?;
    let name = model::resource::resource_type(&json).and_then(|name| ResourceType::parse(name).ok());
    let registry = crate::parameters::current();
    Ok(name.map_or_else(Vec::new, |name| include.targets(&registry, name, &json, base)))
}

fn backward(
    asking: &Asking<'_>,
    include: &Include,
    base: &str,
    matches: &[Released],
    included: &mut Included,
) -> Result<(), Failure> {
    let wanted: Vec<&str> = matches.iter().map(Released::reference).collect();
    let ids: Vec<String> = wanted.iter().filter_map(|name| name.split_once('/')).map(|(_, id)| id.to_owned()).collect();
    let mut failed = None;
    let mut visitor = |held: Option<Held>| {
        if !included.goes_on() {
            return ControlFlow::Break(());
        }
        let Some(held) = held else { return ControlFlow::Continue(()) };
        let refers = |released: &Released| -> Result<bool, Failure> {
            let targets = referred(include, released, base)?;
            Ok(targets.iter().any(|target| wanted.contains(&target.to_string().as_str())))
        };
        let found = asking.release(&held).and_then(|released| match released {
            Some(released) if refers(&released)? => Ok(Some(released)),
            _ => Ok(None),
        });
        match found {
            Ok(Some(released)) => included.take(released),
            Ok(None) => {}
            Err(failure) => {
                failed = Some(failure);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    };
    asking.visit_mentioning(&places(include, matches), &ids, &mut visitor)?;
    match failed {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

/// Where to look for what refers to these: by the index of Provenance, in the records of the patients of the matches, and
/// over the whole type where a match belongs to nobody.
fn places(include: &Include, matches: &[Released]) -> Search {
    let source = include.source.map_or_else(Vec::new, |source| vec![source.to_string()]);
    let mut search = Search { types: source, ..Search::default() };
    let of = |name: &str| include.source.is_some_and(|source| source.as_str() == name);
    if of("Provenance") && include.parameter.as_deref() == Some("target") {
        let references = matches.iter().filter_map(|one| Reference::parse(one.reference()).ok());
        let matches = references.flat_map(|reference| match index::condition(&search::referring(&reference)) {
            Term::AnyOf(matches) => matches,
            Term::NoneOf(_) | Term::Either(_) => Vec::new(),
        });
        search.terms.push(Term::AnyOf(matches.collect()));
        return search;
    }
    if matches.iter().all(|one| !one.patients().is_empty()) {
        let mut patients: Vec<String> = matches.iter().flat_map(|one| one.patients().iter().cloned()).collect();
        patients.sort();
        patients.dedup();
        search.patients = patients;
    }
    search
}
