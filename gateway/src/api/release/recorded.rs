//! What goes on record about an answer.

use store::{ExchangeId, Grant, Resources};

use super::{Asking, Released};
use crate::api::outcome::Failure;
use crate::emergency::AuditWritten;

impl Asking<'_> {
    /// What goes on record about an answer, for who puts it into a commit of its own; `None` if that is a use of a grant,
    /// which [`Asking::record`] alone records.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) fn to_record(
        &self,
        event: &crate::audit::Event,
        released: &[Released],
    ) -> Result<Option<crate::audit::Event>, Failure> {
        if released.iter().any(|one| self.grant_for(&one.patients).is_some()) {
            return Ok(None);
        }
        self.completed(event.clone(), released).map(Some)
    }

    fn completed(&self, mut event: crate::audit::Event, released: &[Released]) -> Result<crate::audit::Event, Failure> {
        for patient in event.asked_for() {
            // Who was never here has no log that could be looked at.
            if self.noted.has(&patient) || self.app.store.read("Patient", &patient)?.is_some() {
                event = event.patient(patient);
            }
        }
        Ok(crate::audit::with_map(self.noted.complete(event, released), self.app))
    }

    /// Puts an answer on record before its first byte leaves: an ordinary audit event, and a use of each grant that
    /// let something out. Gives the exchange of the last use.
    ///
    /// # Errors
    /// What the store says; nothing is answered then. A use of a grant does not fail for the store's sake.
    pub(crate) async fn record(
        &self,
        event: crate::audit::Event,
        released: &[Released],
    ) -> Result<Option<ExchangeId>, Failure> {
        let event = self.completed(event, released)?;
        let mut used: Vec<&Grant> = Vec::new();
        // Whether or not it was needed for this one: what is seen while a grant is open is a use of it.
        for one in released {
            if let Some((grant, _)) = self.grant_for(&one.patients)
                && !used.iter().any(|known| known.id == grant.id)
            {
                used.push(grant);
            }
        }
        if used.is_empty() {
            crate::api::audited(self.app, event).await?;
            return Ok(None);
        }
        let (mut exchange, mut event) = (None, Some(event));
        for grant in &used {
            let (_, id): (AuditWritten, ExchangeId) =
                crate::emergency::summary::record_use(self.app, self.who, grant, self.now, event.take()).await?;
            exchange = Some(id);
        }
        // One that was ended meanwhile lets nothing out any more.
        for grant in &used {
            let now = self.app.clock.now();
            let grant = self.app.emergency.grant(&self.app.store, &grant.id)?;
            if !grant.is_some_and(|grant| grant.is_open(now)) {
                return Err(crate::emergency::declare::ended());
            }
        }
        Ok(exchange)
    }
}
