//! What a summary may show of a patient, by the index rows that lead to it: undecided, so for [`Asking::release`] alone.

use model::json::{Limits, parse};
use store::{KeyRow, Resources, Stored};

use super::{Asking, Held};
use crate::api::outcome::Failure;
use crate::index;

impl Asking<'_> {
    /// The version that a summary row of this patient leads to; `None` if the row is of a version that was superseded.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) fn placed(&self, row: &KeyRow, patient: &str) -> Result<Option<Held>, Failure> {
        let found = self.app.store.follow(row)?.filter(|stored| leads_here(stored, patient, &row.value));
        Ok(found.map(Held))
    }
}

fn leads_here(stored: &Stored, patient: &str, value: &[u8]) -> bool {
    let written = stored.index.iter().any(|row| row.param == index::summary_param() && row.value == value);
    // A version of an earlier release has its rows in the index alone.
    written
        || parse(&stored.body, &Limits::default())
            .is_ok_and(|json| index::summary_value(patient, &json).is_some_and(|own| own == value))
}
