//! Emergency grants: one by its id, the open ones, those of a person.

use super::row;
use model::time::Instant;

use crate::disk::DiskStore;
use crate::disk::record::{GrantRow, kind};
use crate::error::Error;
use crate::grant::Grant;
use crate::index::{Direction, Flow, keys};
use crate::traits::Grants;

impl Grants for DiskStore {
    fn grant(&self, id: &str) -> Result<Option<Grant>, Error> {
        let Some(person) = self.shared().index.get(&keys::grant_id(id))? else { return Ok(None) };
        let Some(value) = self.shared().index.get(&keys::grant(&row(&person)?, id))? else { return Ok(None) };
        let row: GrantRow = row(&value)?;
        self.shared().journal.decoded(row.pointer, kind::GRANT).map(Some)
    }

    fn open_grants(&self, now: Instant) -> Result<Vec<Grant>, Error> {
        self.grants_where(keys::GRANTS, &|row| row.ended.is_none() && now < row.expires)
    }

    fn grants_of(&self, person: &str, since: Instant) -> Result<Vec<Grant>, Error> {
        let own = self.grants_where(&keys::grants_of(&keys::hash(&[person])), &|row| row.declared >= since)?;
        Ok(own.into_iter().filter(|grant| grant.person == person).collect())
    }
}

impl DiskStore {
    fn grants_where(&self, prefix: &[u8], wanted: &dyn Fn(&GrantRow) -> bool) -> Result<Vec<Grant>, Error> {
        let mut grants = Vec::new();
        self.shared().index.walk(prefix, None, Direction::Up, &mut |_, value| {
            let row: GrantRow = row(value)?;
            if wanted(&row) {
                grants.push(self.shared().journal.decoded(row.pointer, kind::GRANT)?);
            }
            Ok(Flow::On)
        })?;
        Ok(Grant::oldest_first(grants))
    }
}
