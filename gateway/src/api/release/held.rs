//! What stands in the store before anybody decided on it: handlers see where it is, never what it says.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use auth::Action as Reach;
use bytes::Bytes;
use consent::Action;
use model::id::Reference;
use model::json::{Json, Limits, parse};
use model::time::Instant;
use store::{IndexRow, Resources, Search, Stored};

use super::{Asking, Released, damaged};
use crate::api::outcome::Failure;
use crate::app::App;
use crate::known::Version;
use crate::merges;
use crate::pipeline::Written;

/// A version that is not decided. Its text is opened by [`Asking::release`] alone.
#[derive(Debug)]
pub(crate) struct Held(pub(super) Stored);

impl Held {
    /// `Type/id`
    pub(crate) fn reference(&self) -> String {
        format!("{}/{}", self.0.resource_type, self.0.id)
    }

    /// The type.
    pub(crate) fn resource_type(&self) -> &str {
        &self.0.resource_type
    }

    /// The id.
    pub(crate) fn id(&self) -> &str {
        &self.0.id
    }

    /// The version.
    pub(crate) fn version(&self) -> u64 {
        self.0.version
    }

    /// By which interaction it was written.
    pub(crate) fn method(&self) -> store::Method {
        self.0.method
    }

    /// When it was written.
    pub(crate) fn last_updated(&self) -> Instant {
        self.0.last_updated
    }

    /// Whether it is a deletion.
    pub(crate) fn is_deleted(&self) -> bool {
        self.0.deleted
    }

    /// The patients it belongs to: for the audit event.
    pub(crate) fn patients(&self) -> &[String] {
        &self.0.patients
    }

    /// Its place in the store's order.
    pub(crate) fn cursor(&self) -> store::Cursor {
        self.0.cursor
    }

    /// Whether it is the review of an emergency access that this person declared.
    pub(crate) fn is_review_of(&self, person: &str) -> bool {
        if self.0.resource_type != "Task" {
            return false;
        }
        let Ok(task) = parse(&self.0.body, &Limits::default()) else { return false };
        let requester = [task.text_at(&["requester", "reference"]), task.text_at(&["requester", "display"])];
        crate::index::is_review(&task) && requester.contains(&Some(person))
    }

    /// Whether it is the review of an emergency access.
    pub(crate) fn is_review(&self) -> bool {
        self.0.resource_type == "Task"
            && parse(&self.0.body, &Limits::default()).is_ok_and(|task| crate::index::is_review(&task))
    }
}

/// The current version of something, as it was looked up.
#[derive(Debug)]
pub(crate) enum Current {
    /// Known from before, no deletion, and decided by itself: nothing had to be read.
    Known(Arc<Version>),
    /// Read from the store.
    Read(Held),
}

impl Current {
    /// Whether it is a deletion.
    pub(crate) fn is_deleted(&self) -> bool {
        matches!(self, Self::Read(held) if held.is_deleted())
    }

    /// The patients it belongs to.
    pub(crate) fn patients(&self) -> &[String] {
        match self {
            Self::Known(version) => version.which().patients,
            Self::Read(held) => held.patients(),
        }
    }
}

/// How much of a version a caller sees.
pub(crate) enum Seen {
    /// All of it, with its version and time.
    Whole(Json),
    /// Something was taken out.
    Part,
    /// For this caller it is not there.
    Nothing,
}

/// Looking things up, undecided.
impl Asking<'_> {
    /// The current version, also when it is a deletion.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) fn current(&self, resource_type: &str, id: &str) -> Result<Option<Held>, Failure> {
        Ok(self.app.store.read(resource_type, id)?.map(Held))
    }

    /// The current version, to be decided and no more: not read if it is known.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) fn look_up(&self, resource_type: &str, id: &str) -> Result<Option<Current>, Failure> {
        // These are decided by what else they hold or belong to.
        if !matches!(resource_type, "Binary" | "Bundle")
            && let Some(place) = self.app.store.place(resource_type, id)?
            && let Some(version) = self.app.versions.find(place, resource_type, id)
        {
            return Ok(Some(Current::Known(version)));
        }
        Ok(self.current(resource_type, id)?.map(Current::Read))
    }

    /// The current version, if it is no deletion.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) fn live(&self, reference: &Reference) -> Result<Option<Held>, Failure> {
        Ok(self.current(reference.resource_type.as_str(), reference.id.as_str())?.filter(|held| !held.is_deleted()))
    }

    /// One version.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) fn version(&self, resource_type: &str, id: &str, version: u64) -> Result<Option<Held>, Failure> {
        Ok(self.app.store.vread(resource_type, id, version)?.map(Held))
    }

    /// Versions under this one, newest first, deletions included.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) fn history(&self, of: &Reference, before: Option<u64>, most: usize) -> Result<Vec<Held>, Failure> {
        let (resource_type, id) = (of.resource_type.as_str(), of.id.as_str());
        Ok(self.app.store.history(resource_type, id, before, most)?.into_iter().map(Held).collect())
    }

    /// Shows every version of these types, newest first, deletions included, until the visitor breaks.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) fn history_of(
        &self,
        types: &[&str],
        span: &store::Span,
        visitor: &mut dyn FnMut(Held) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        Ok(self.app.store.history_of(types, span, &mut |stored| visitor(Held(stored)))?)
    }

    /// Whether the caller could have read what was there before a deletion: 410 and the deletion's entry in a history are
    /// for them alone.
    ///
    /// # Errors
    /// As [`Asking::release`].
    pub(crate) fn could_have_read(&self, deletion: &Held) -> Result<bool, Failure> {
        let Stored { resource_type, id, version, .. } = &deletion.0;
        let before = self.app.store.history(resource_type, id, Some(*version), 1)?.into_iter().next().map(Held);
        match before {
            Some(before) if !before.is_deleted() => Ok(self.release(&before)?.is_some()),
            _ => Ok(false),
        }
    }

    /// What a version is found by, as far as it leaves: what was taken out of it finds nothing.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) fn rows_of<'h>(&self, held: &'h Held, released: &Released) -> Result<Cow<'h, [IndexRow]>, Failure> {
        if released.is_whole() {
            return Ok(self.all_rows(&held.0));
        }
        Ok(Cow::Owned(merges::rows(&self.app.store, &released.json()?)?))
    }

    /// What a version is found by that a source has written itself: see [`Asking::has_written`].
    pub(crate) fn own_rows<'h>(&self, held: &'h Held) -> Cow<'h, [IndexRow]> {
        if self.has_written(held) { self.all_rows(&held.0) } else { Cow::Borrowed(&[]) }
    }

    /// Also those that a version may be kept without.
    fn all_rows<'s>(&self, stored: &'s Stored) -> Cow<'s, [IndexRow]> {
        if stored.lean { Cow::Owned(self.app.store.rows_of(stored)) } else { Cow::Borrowed(&stored.index) }
    }

    /// Whether nothing of this type is decided for this caller, and so nothing is taken out of it.
    pub(crate) fn sees_all(&self, resource_type: &str) -> bool {
        self.reaches(resource_type) == auth::Access::Direct
    }

    /// Every record of a patient, this one first.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) fn person(&self, patient: &str) -> Result<Vec<String>, Failure> {
        Ok(merges::person(&self.app.store, patient)?)
    }

    /// Shows each match of a search until the visitor breaks.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) fn visit(
        &self,
        search: &Search,
        visitor: &mut dyn FnMut(Held) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        Ok(self.app.store.visit(search, &mut |stored| visitor(Held(stored)))?)
    }

    /// Whether the consents permit to change what stands there.
    ///
    /// # Errors
    /// What the store says; nothing is written then.
    pub(crate) fn permits_change(&self, held: &Held) -> Result<bool, Failure> {
        let before: Json = parse(&held.0.body, &Limits::default()).map_err(|_| damaged())?;
        Ok(self.release(held)?.is_some() && self.permits_write(&before, Action::Correct)?)
    }

    /// How much of a version the caller sees, for changes by parts.
    ///
    /// # Errors
    /// As [`Asking::release`].
    pub(crate) fn seen(&self, held: &Held) -> Result<Seen, Failure> {
        let text = held.0.json();
        let released = self.release(held)?;
        let is_whole = released.as_ref().is_some_and(|released| released.bytes() == text.as_slice());
        if is_whole || self.has_written(held) {
            return Ok(Seen::Whole(parse(&text, &Limits::default()).map_err(|_| damaged())?));
        }
        Ok(if released.is_some() { Seen::Part } else { Seen::Nothing })
    }

    /// Whether a source has written this version itself: what it sent it may ask for by a condition, unread.
    pub(crate) fn has_written(&self, held: &Held) -> bool {
        self.who.source().is_some_and(|own| own == held.0.author.source)
    }

    /// Whether the roles of the caller reach reads of this type at all.
    pub(super) fn reaches(&self, resource_type: &str) -> auth::Access {
        match self.who.is_open() {
            true => auth::Access::Direct,
            false => self.who.may(Reach::Read(resource_type)),
        }
    }
}

/// What the caller has just written, as it is stored: it tells them no more than they know.
///
/// # Errors
/// What the store says.
pub(crate) fn just_written(app: &App, target: (&str, &str), written: &Written) -> Result<Bytes, Failure> {
    let (resource_type, id) = target;
    let Some(version) = written.versions.first() else { return Ok(Bytes::new()) };
    let stored = app.store.vread(resource_type, id, version.version)?;
    let own = stored.filter(|stored| stored.author.exchange == Some(written.exchange));
    Ok(own.map(|stored| Bytes::from(stored.json())).unwrap_or_default())
}
