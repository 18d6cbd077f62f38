//! How a search finds its candidates: lists of positions, walked together in the order asked.
//!
//! A posting stands under its value in the order of positions, so that lists of equal values are intersected and united
//! without sorting and without reading versions. What a source gives is a superset of the matches: each version is tested
//! by its own rows when it is read. What is passed over must be no match.

use bytes::Bytes;

use crate::codec::Codec;
use crate::disk::record::{PatientEntry, PatientRow};
use crate::disk::sketch::Demand;
use crate::disk::source::{All, Boxed, FEW, List, Sorted, any_of, pointer};
use crate::error::Error;
use crate::index::{Direction, Flow, Index, keys};
use crate::journal::Pointer;
use crate::resource::{Match, RowKind, Term, Test};

/// Values under one prefix that are walked as lists, and lists that are united; more are gathered and sorted.
const VALUES: usize = 16;
/// Positions that a range is gathered to. A range of more holds so much of its type that walking the type finds it soon.
const RANGE: usize = 50_000;

/// Where and which way sources are walked.
#[derive(Clone, Copy)]
pub(super) struct Walk<'a> {
    pub(super) index: &'a Index,
    pub(super) direction: Direction,
    /// Only what comes after this position.
    pub(super) after: Option<u64>,
}

impl<'a> Walk<'a> {
    pub(super) fn reached(self, position: u64, wanted: u64) -> bool {
        match self.direction {
            Direction::Up => position >= wanted,
            Direction::Down => position <= wanted,
        }
    }

    pub(super) fn due(self, position: u64) -> bool {
        self.after.is_none_or(|after| after != position && self.reached(position, after))
    }

    /// Candidates of one type for these terms, in the compartments of these patients if any.
    pub(super) fn matching(self, resource_type: &str, terms: &[Term], patients: &[String]) -> Result<Boxed<'a>, Error> {
        if let Some(narrow) = self.narrow(resource_type, terms, patients)? {
            return Ok(narrow);
        }
        let mut gathered: Vec<Boxed<'a>> = Vec::new();
        for term in terms {
            if let Term::AnyOf(matches) = term
                && let Some(positions) = self.gathered(resource_type, matches)?
            {
                gathered.push(Box::new(Sorted::of(self, positions)));
            }
        }
        if gathered.is_empty() {
            return Ok(self.posting(resource_type, keys::LIVE, b"", Demand::default()));
        }
        All::of(self, gathered, Vec::new())
    }

    /// Candidates by patients, equal values and alternatives of these, if the terms have any.
    fn narrow(self, resource_type: &str, terms: &[Term], patients: &[String]) -> Result<Option<Boxed<'a>>, Error> {
        let demand = Demand::of(terms);
        let (mut sources, mut without): (Vec<Boxed<'a>>, Vec<Boxed<'a>>) = (Vec::new(), Vec::new());
        // What names a patient is tried first: few versions have it, and their sketches tell the rest.
        let (first, rest): (Vec<&Term>, Vec<&Term>) = terms.iter().partition(|term| names_patients(term));
        for term in &first {
            if let Term::AnyOf(matches) = term
                && let Some(mut source) = self.equal(resource_type, matches, &demand)?
            {
                let few = source.few()?.is_some_and(|few| few <= FEW);
                if few || source.sketched() {
                    return Ok(Some(source));
                }
                sources.push(source);
            }
        }
        if !patients.is_empty() {
            // Their entries were asked for the rest as far as sketches tell: other lists would cost more than they spare.
            return Ok(Some(self.patients(patients, Some(keys::type_tag(resource_type)), &demand)));
        }
        for term in rest {
            match term {
                Term::AnyOf(matches) => sources.extend(self.equal(resource_type, matches, &demand)?),
                Term::NoneOf(matches) => {
                    for wanted in matches {
                        // What is left out must surely have the value: a value cut short does not say so.
                        let whole = matches!(&wanted.test, Test::Equals(value) if keys::is_whole(value));
                        if whole {
                            without.extend(self.equal(
                                resource_type,
                                std::slice::from_ref(wanted),
                                &Demand::default(),
                            )?);
                        }
                    }
                }
                Term::Either(alternatives) => {
                    let any: Result<Vec<_>, Error> =
                        alternatives.iter().map(|all| self.narrow(resource_type, all, &[])).collect();
                    if let Some(any) = any?.into_iter().collect::<Option<Vec<_>>>() {
                        sources.push(any_of(self, any));
                    }
                }
            }
        }
        if sources.is_empty() { Ok(None) } else { All::of(self, sources, without).map(Some) }
    }

    /// The versions about these patients that may have what is demanded.
    pub(super) fn patients(self, patients: &[String], tag: Option<[u8; 2]>, demand: &Demand) -> Boxed<'a> {
        let one = |patient: &String| -> Boxed<'a> {
            let demand = demand.clone();
            let decode = move |value: &[u8]| {
                let row = PatientRow::decoded(Bytes::copy_from_slice(value)).map_err(|_| Error::unreadable_row())?;
                let wanted =
                    |entry: &PatientEntry| tag.is_none_or(|tag| tag == entry.tag) && demand.may_pass(&entry.sketch);
                Ok(row.entries.into_iter().filter(wanted).map(|entry| entry.pointer).collect())
            };
            Box::new(List::of_several(self, keys::patient(patient), Box::new(decode)))
        };
        any_of(self, patients.iter().map(one).collect())
    }

    /// Every version of a type, superseded ones and deletions among them.
    pub(super) fn history(self, resource_type: &str) -> Boxed<'a> {
        let decode =
            |value: &[u8]| Vec::<Pointer>::decoded(Bytes::copy_from_slice(value)).map_err(|_| Error::unreadable_row());
        Box::new(List::of_several(self, keys::of_type(resource_type), Box::new(decode)))
    }

    fn posting(self, resource_type: &str, param: u32, value: &[u8], demand: Demand) -> Boxed<'a> {
        Box::new(List::of(self, keys::term_is(resource_type, param, value), demand))
    }

    /// The versions that have one of these values, as lists; `None` if a test is for more than some values.
    fn equal(self, resource_type: &str, matches: &[Match], demand: &Demand) -> Result<Option<Boxed<'a>>, Error> {
        let mut lists: Vec<Boxed<'a>> = Vec::new();
        for wanted in matches {
            if wanted.kind != RowKind::Key {
                return Ok(None);
            }
            match &wanted.test {
                Test::Equals(value) => {
                    let there = !keys::is_absolute(value)
                        || self.index.get(&keys::absolute(resource_type, wanted.param, value))?.is_some();
                    if there {
                        lists.push(self.posting(resource_type, wanted.param, value, demand.clone()));
                    }
                }
                Test::Prefix(value) => {
                    let Some(values) = self.values(&keys::term(resource_type, wanted.param, value))? else {
                        return Ok(None);
                    };
                    let list = |prefix| -> Boxed<'a> { Box::new(List::of(self, prefix, demand.clone())) };
                    lists.extend(values.into_iter().map(list));
                }
                _ => return Ok(None),
            }
        }
        if lists.len() <= VALUES {
            return Ok(Some(any_of(self, lists)));
        }
        self.gathered(resource_type, matches)
            .map(|found| found.map(|all| -> Boxed<'a> { Box::new(Sorted::of(self, all)) }))
    }

    /// The prefixes of the postings of each value under a prefix; `None` if there are many.
    fn values(self, prefix: &[u8]) -> Result<Option<Vec<Vec<u8>>>, Error> {
        let mut values: Vec<Vec<u8>> = Vec::new();
        loop {
            let after = values.last().map(|value| [&value[..], &[0xff; 8]].concat());
            let mut next = None;
            self.index.walk_in(1, prefix, after.as_deref(), Direction::Up, &mut |key, _| {
                next = key.split_last_chunk::<8>().map(|(value, _)| value.to_vec());
                Ok(Flow::Stop)
            })?;
            match next {
                None => return Ok(Some(values)),
                Some(_) if values.len() == VALUES => return Ok(None),
                Some(value) => values.push(value),
            }
        }
    }

    /// The versions that have a value passing one of the tests; `None` where postings do not tell or are too many.
    fn gathered(self, resource_type: &str, matches: &[Match]) -> Result<Option<Vec<Pointer>>, Error> {
        let mut found: Vec<Pointer> = Vec::new();
        let mut looked_at = 0;
        for wanted in matches {
            if wanted.kind != RowKind::Key {
                return Ok(None);
            }
            let term = |value: &[u8]| keys::term(resource_type, wanted.param, value);
            let (prefix, from) = match &wanted.test {
                Test::Equals(value) => (keys::term_is(resource_type, wanted.param, value), None),
                Test::Prefix(value) => (term(value), None),
                Test::Between(low, _) => (term(b""), low.as_ref().map(|low| term(low))),
                Test::Span { prefix, low, .. } => {
                    (term(prefix), low.from.map(|from| term(&[&prefix[..], &from].concat())))
                }
                Test::Suffix(_) | Test::Contains(_) | Test::Present => (term(b""), None),
            };
            self.index.walk(&prefix, from.as_deref(), Direction::Up, &mut |key, value| {
                looked_at += 1;
                if looked_at > RANGE {
                    return Ok(Flow::Stop);
                }
                let Some(posted) = keys::posted_value(resource_type, key) else { return Ok(Flow::On) };
                if is_beyond(&wanted.test, &posted) {
                    return Ok(Flow::Stop);
                }
                // A value cut short is tested on the version itself.
                if posted.len() >= keys::VALUE_LIMIT || wanted.test.passes(&posted) {
                    found.extend(pointer(key, value).filter(|pointer| self.due(pointer.position)));
                }
                Ok(Flow::On)
            })?;
            if looked_at > RANGE {
                return Ok(None);
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(Some(found))
    }
}

/// Whether it asks for references to patients.
fn names_patients(term: &Term) -> bool {
    // Also as an absolute URL.
    let is_patient = |value: &[u8]| value.rsplit(|byte| *byte == b'/').nth(1) == Some(b"Patient");
    let names = |wanted: &Match| matches!(&wanted.test, Test::Equals(value) if is_patient(value));
    matches!(term, Term::AnyOf(matches) if !matches.is_empty() && matches.iter().all(names))
}

/// Whether no value from here on passes.
fn is_beyond(test: &Test, value: &[u8]) -> bool {
    match test {
        Test::Between(_, Some(high)) => value > &high[..],
        Test::Span { prefix, low, .. } => low.to.is_some_and(|to| {
            value.get(..prefix.len() + 8).is_some_and(|begin| begin > &[&prefix[..], &to].concat()[..])
        }),
        _ => false,
    }
}
