//! `_include` and `_revinclude`: what the matches refer to and what refers to them, each decided by itself; with `:iterate`
//! also what that refers to in its turn.
//!
//! Only what leaves is followed: a match that is withheld brings nothing, and an element that was taken out neither.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::ControlFlow;

use model::id::{Reference, ResourceType};
use search::{Chain, Include, Query, Registry, Term};
use store::Search;

use super::search::SCAN_MOST;
use super::search::evaluate::patients;
use crate::api::outcome::Failure;
use crate::api::release::{Asking, Released};
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

/// What is followed from, and how.
struct Following<'a> {
    asking: &'a Asking<'a>,
    registry: &'a Registry,
    base: &'a str,
}

/// Follows the references of a page's matches.
pub(super) fn follow(
    asking: &Asking<'_>,
    registry: &Registry,
    query: &Query,
    base: &str,
    matches: &[Released],
) -> Result<Included, Failure> {
    let following = Following { asking, registry, base };
    let mut included = Included {
        seen: matches.iter().map(|released| released.reference().to_owned()).collect(),
        ..Included::default()
    };
    let mut begin = 0;
    let mut is_first = true;
    // Each round follows what the one before has brought. It ends as nothing comes twice.
    while !included.cut {
        let round: Vec<Released> = match is_first {
            true => matches.to_vec(),
            false => included.released.get(begin..).unwrap_or_default().to_vec(),
        };
        begin = included.released.len();
        if round.is_empty() {
            break;
        }
        for include in query.includes.iter().filter(|it| is_first || it.iterate) {
            following.forward(include, &round, &mut included)?;
        }
        for include in query.reverse_includes.iter().filter(|it| is_first || it.iterate) {
            following.backward(include, &round, &mut included)?;
        }
        is_first = false;
    }
    Ok(included)
}

impl Following<'_> {
    fn forward(&self, include: &Include, round: &[Released], included: &mut Included) -> Result<(), Failure> {
        // In one order whatever the order of the page: what is there may be cut.
        let mut targets: BTreeSet<Reference> = BTreeSet::new();
        for one in round {
            let Some(of) = type_of(one).filter(|of| include.parameters(self.registry, *of).next().is_some()) else {
                continue;
            };
            targets.extend(include.targets(self.registry, of, &one.json()?, self.base));
        }
        for target in targets {
            if included.seen.contains(&target.to_string()) {
                continue;
            }
            if !included.goes_on() {
                break;
            }
            if let Some(held) = self.asking.live(&target)?
                && let Some(released) = self.asking.release(&held)?
            {
                included.take(released);
            }
        }
        Ok(())
    }

    fn backward(&self, include: &Include, round: &[Released], included: &mut Included) -> Result<(), Failure> {
        let mut wanted: BTreeMap<ResourceType, Vec<Reference>> = BTreeMap::new();
        for one in round {
            if let Ok(reference) = Reference::parse(one.reference())
                && include.target.is_none_or(|target| target == reference.resource_type)
            {
                wanted.entry(reference.resource_type).or_default().push(reference);
            }
        }
        let sources: Vec<ResourceType> = include.source.map_or_else(|| ResourceType::all().collect(), |it| vec![it]);
        for source in sources {
            let mut any = Vec::new();
            for parameter in include.parameters(self.registry, source) {
                let targets: Vec<Reference> = wanted
                    .iter()
                    .filter(|(of, _)| parameter.may_point_to(**of))
                    .flat_map(|(_, references)| references.iter().cloned())
                    .collect();
                let chain = Chain { code: parameter.code.clone(), param: parameter.own_rows(), links: Vec::new() };
                if let Term::AnyOf(more) = chain.term(&targets, self.base) {
                    any.extend(more);
                }
            }
            if any.is_empty() {
                continue;
            }
            if included.cut {
                break;
            }
            self.referring(include, (source, Term::AnyOf(any)), &wanted, included)?;
        }
        Ok(())
    }

    /// Takes what the store finds to refer to what is wanted, if that is still so in what leaves of it.
    fn referring(
        &self,
        include: &Include,
        (source, term): (ResourceType, Term),
        wanted: &BTreeMap<ResourceType, Vec<Reference>>,
        included: &mut Included,
    ) -> Result<(), Failure> {
        let terms = [term];
        let places = Search {
            types: vec![source.to_string()],
            patients: patients(&terms, self.base),
            terms: terms.iter().map(index::condition).collect(),
            ..Search::default()
        };
        let refers = |released: &Released| -> Result<bool, Failure> {
            if released.is_whole() {
                return Ok(true);
            }
            let targets = include.targets(self.registry, source, &released.json()?, self.base);
            Ok(targets.iter().any(|it| wanted.get(&it.resource_type).is_some_and(|list| list.contains(it))))
        };
        let mut failed = None;
        self.asking.visit(&places, &mut |held| {
            if included.seen.contains(&held.reference()) {
                return ControlFlow::Continue(());
            }
            if !included.goes_on() {
                return ControlFlow::Break(());
            }
            let found = self.asking.release(&held).and_then(|released| match released {
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
        })?;
        failed.map_or(Ok(()), Err)
    }
}

fn type_of(released: &Released) -> Option<ResourceType> {
    Reference::parse(released.reference()).ok().map(|reference| reference.resource_type)
}
