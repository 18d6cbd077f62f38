//! What a query finds for one caller: each match decided by itself, and tested on what leaves of it.

use std::ops::ControlFlow;
use std::time::Duration;

use search::Query;
use store::{Order, Search};

use super::{NOBODY, SCAN_MOST};
use crate::api::outcome::Failure;
use crate::api::release::{Asking, Held, Released};
use crate::index;

/// Whether everything was looked at that a query finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api::fhir) enum Looked {
    AtAll,
    /// [`SCAN_MOST`] were, and there are more.
    AtMost,
}

/// The matches of a query.
pub(in crate::api::fhir) struct Matches<'a> {
    asking: &'a Asking<'a>,
    query: &'a Query,
    plan: Search,
}

impl<'a> Matches<'a> {
    pub(in crate::api::fhir) fn new(asking: &'a Asking<'a>, query: &'a Query) -> Self {
        let (since, until) = query.updated_between();
        let plan = Search {
            types: query.types.iter().map(ToString::to_string).collect(),
            ids: query.ids.clone().unwrap_or_default(),
            terms: query.terms().map(index::condition).collect(),
            updated_since: since,
            // The latest instant itself still counts; the store's bound does not.
            updated_until: until.map(|until| until.after(Duration::from_millis(1))),
            ..Search::default()
        };
        Self { asking, query, plan }
    }

    /// Shows what may leave of each, `None` where it is withheld, with its place, until the visitor breaks or
    /// [`SCAN_MOST`] were looked at.
    pub(super) fn each(
        &self,
        order: Order,
        after: Option<u64>,
        take: &mut dyn FnMut(Option<Released>, u64) -> ControlFlow<()>,
    ) -> Result<Looked, Failure> {
        let mut failed = None;
        let looked = self.visit(order, after, &mut |held| match self.released(held) {
            Ok(released) => take(released, held.cursor().0),
            Err(failure) => {
                failed = Some(failure);
                ControlFlow::Break(())
            }
        })?;
        failed.map_or(Ok(looked), Err)
    }

    /// What may leave of a match; `None` where it is withheld, and where what was taken out of it made it one.
    pub(in crate::api::fhir) fn released(&self, held: &Held) -> Result<Option<Released>, Failure> {
        let Some(released) = self.asking.release(held)? else { return Ok(None) };
        if released.is_whole() {
            return Ok(Some(released));
        }
        let rows = self.asking.rows_of(held, &released)?;
        let holds = self.plan.terms.iter().all(|term| term.passes(&rows));
        Ok(Some(released).filter(|_| holds))
    }

    /// Shows each candidate, undecided, until the visitor breaks or [`SCAN_MOST`] were shown.
    pub(in crate::api::fhir) fn visit(
        &self,
        order: Order,
        after: Option<u64>,
        visitor: &mut dyn FnMut(&Held) -> ControlFlow<()>,
    ) -> Result<Looked, Failure> {
        let (mut scanned, mut looked) = (0, Looked::AtAll);
        if !self.query.is_empty() {
            let plan = Search { order, after: after.map(store::Cursor), ..self.plan.clone() };
            self.asking.visit(&plan, &mut |held| {
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
            let nothing = self.query.types.first().map_or("Basic", |first| first.as_str());
            self.asking.release_nothing(nothing, NOBODY)?;
        }
        Ok(looked)
    }
}
