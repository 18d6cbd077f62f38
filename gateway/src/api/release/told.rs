//! What a resource tells of others that are withheld.

use std::sync::{Arc, PoisonError};

use auth::Access;
use consent::{Action, Content, Permitted};
use model::id::Reference;

use super::{Asking, Current};
use crate::api::outcome::Failure;

impl Asking<'_> {
    /// Whether one of these is there and withheld.
    pub(super) fn tells_of_withheld(&self, told: &[Reference]) -> Result<bool, Failure> {
        for reference in told {
            if self.is_withheld(reference, &reference.to_string())? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes out what a resource tells of others that are withheld: the display texts of references to them, and in a
    /// Composition their entries with the narrative beside them.
    pub(super) fn without_withheld(&self, permitted: Permitted<Content>) -> Result<Permitted<Content>, Failure> {
        let mut withheld = Vec::new();
        for reference in consent::told_of(&permitted.get().json) {
            let name = reference.to_string();
            if self.is_withheld(&reference, &name)? {
                withheld.push(name);
            }
        }
        Ok(if withheld.is_empty() { permitted } else { permitted.without_traces(&withheld) })
    }

    /// Whether a resource that another refers to is there and withheld.
    fn is_withheld(&self, reference: &Reference, name: &str) -> Result<bool, Failure> {
        if let Some(known) = self.withheld.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Ok(*known);
        }
        let found = self.look_up(reference.resource_type.as_str(), reference.id.as_str())?;
        let withheld = match found.filter(|found| !found.is_deleted()) {
            None => false,
            Some(found) => match self.reaches(reference.resource_type.as_str()) {
                Access::Refused => true,
                _ if !self.is_covered(reference.resource_type.as_str(), found.patients()) => true,
                Access::Direct => false,
                Access::Own if !self.is_own(found.patients()) => true,
                Access::Own | Access::Decided => {
                    let version = match &found {
                        Current::Known(version) => Arc::clone(version),
                        Current::Read(held) => self.known(&held.0)?,
                    };
                    // Decided without a look at what it refers to in its turn: two may refer to each other.
                    !self.in_context(found.patients(), Action::Access, |context| {
                        context.decide_known(&version.known).is_permit()
                    })?
                }
            },
        };
        self.withheld.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), withheld);
        Ok(withheld)
    }
}
