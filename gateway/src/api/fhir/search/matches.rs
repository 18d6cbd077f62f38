//! What a query finds for one caller: each match decided by itself, and tested on what leaves of it.

use std::ops::ControlFlow;
use std::time::Duration;

use search::Query;
use store::{Order, Search};

use super::evaluate::{Evaluation, Plan, Start};
use super::{NOBODY, SCAN_MOST};
use crate::api::outcome::Failure;
use crate::api::release::{Held, Released};

/// Whether everything was looked at that a query finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api::fhir) enum Looked {
    AtAll,
    /// [`SCAN_MOST`] were, and there are more.
    AtMost,
}

/// What a candidate is.
#[derive(Debug)]
pub(in crate::api::fhir) enum Judged {
    /// No match, or one that is withheld.
    Nothing,
    /// A match that may leave.
    Match(Released),
    /// A match that a source has written itself: it knows that it is there and may not read it.
    Own,
}

/// The matches of a query.
pub(in crate::api::fhir) struct Matches<'a> {
    evaluation: &'a Evaluation<'a>,
    query: &'a Query,
    plan: Plan,
}

impl<'a> Matches<'a> {
    /// # Errors
    /// What the store says; 400 for what would cost too much, or is not kept here.
    pub(in crate::api::fhir) fn new(evaluation: &'a Evaluation<'a>, query: &'a Query) -> Result<Self, Failure> {
        let start = Start {
            types: &query.types,
            ids: query.ids.as_deref(),
            of_patients: query.patients.is_some(),
            ..Start::default()
        };
        let mut plan = evaluation.plan(start, &query.clauses)?;
        let (since, until) = query.updated_between();
        plan.search.updated_since = since;
        // The latest instant itself still counts; the store's bound does not.
        plan.search.updated_until = until.map(|until| until.after(Duration::from_millis(1)));
        Ok(Self { evaluation, query, plan })
    }

    /// Shows what may leave of each, `None` where it is no match or withheld, with its place, until the visitor breaks or
    /// [`SCAN_MOST`] were looked at.
    pub(super) fn each(
        &self,
        order: Order,
        after: Option<u64>,
        take: &mut dyn FnMut(&Held, Option<Released>) -> ControlFlow<()>,
    ) -> Result<Looked, Failure> {
        let mut failed = None;
        let looked = self.visit(order, after, &mut |held| match self.released(held) {
            Ok(released) => take(held, released),
            Err(failure) => {
                failed = Some(failure);
                ControlFlow::Break(())
            }
        })?;
        failed.map_or(Ok(looked), Err)
    }

    /// What may leave of a match; `None` where it is withheld, and where what was taken out of it makes it none.
    pub(super) fn released(&self, held: &Held) -> Result<Option<Released>, Failure> {
        self.evaluation.fitting(held, &self.plan, &self.query.clauses)
    }

    /// What a candidate is for this caller, who may be the source that wrote it.
    pub(in crate::api::fhir) fn judged(&self, held: &Held) -> Result<Judged, Failure> {
        if let Some(released) = self.released(held)? {
            return Ok(Judged::Match(released));
        }
        let own = self.evaluation.fits_own(held, &self.plan, &self.query.clauses)?;
        Ok(if own { Judged::Own } else { Judged::Nothing })
    }

    /// Shows each candidate, undecided, until the visitor breaks or [`SCAN_MOST`] were shown.
    pub(in crate::api::fhir) fn visit(
        &self,
        order: Order,
        after: Option<u64>,
        visitor: &mut dyn FnMut(&Held) -> ControlFlow<()>,
    ) -> Result<Looked, Failure> {
        let (mut scanned, mut looked) = (0, Looked::AtAll);
        if !self.plan.nothing {
            let plan = Search { order, after: after.map(store::Cursor), ..self.plan.search.clone() };
            self.evaluation.asking.visit(&plan, &mut |held| {
                if !self.query.passes_updated(held.last_updated()) {
                    return ControlFlow::Continue(());
                }
                scanned += 1;
                if scanned > SCAN_MOST {
                    looked = Looked::AtMost;
                    return ControlFlow::Break(());
                }
                visitor(&held)
            })?;
        }
        if scanned == 0 {
            // Nothing there costs what one match costs that is withheld.
            let of = self.query.types.first().map_or("Basic", |of| of.as_str());
            self.evaluation.asking.release_nothing(of, NOBODY)?;
        }
        Ok(looked)
    }

    pub(super) fn evaluation(&self) -> &'a Evaluation<'a> {
        self.evaluation
    }
}
