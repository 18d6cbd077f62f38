//! From a stored version to what a handler may answer with: the consents are asked here and nowhere else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use auth::{Access, Permission};
use bytes::Bytes;
use consent::{AccessRequest, Action, Content, Interaction, Permitted};
use model::json::{Json, Limits, parse};
use model::time::Instant;
use store::{Grant, Resources, Stored};

use super::Who;
use super::noted::Noted;
use super::outcome::Failure;
use crate::app::App;
use crate::known::{Version, Which};

mod followed;
mod held;
mod placed;
mod recorded;
mod told;

pub(crate) use held::{Current, Held, Seen, just_written};

/// What is refused is answered in steps of this, and a random part of a step later: what is left of the difference between
/// withheld and unknown (microseconds, in caches and in what is still written behind the answer) is lost in it.
/// Long enough that the work, audit included, is done within the first one on a busy machine too: only what passes the end
/// of a step can tell.
const STEP: Duration = Duration::from_millis(25);
/// More than a timer of the runtime is late by.
const TICK: Duration = Duration::from_millis(2);

/// A version that may leave. Private members and one maker: a handler that answers with content has asked.
#[derive(Debug, Clone)]
pub struct Released {
    bytes: Bytes,
    reference: String,
    version: u64,
    last_updated: Instant,
    patients: Vec<String>,
    trace: Vec<String>,
    whole: bool,
}

impl Released {
    /// The text, with `meta.versionId` and `meta.lastUpdated`.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// `Type/id`.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// The version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// When that version was written.
    pub fn last_updated(&self) -> Instant {
        self.last_updated
    }

    /// The patients it belongs to.
    pub fn patients(&self) -> &[String] {
        &self.patients
    }

    /// The consents that decided, for the audit event; never for the caller.
    pub fn trace(&self) -> &[String] {
        &self.trace
    }

    /// Whether it leaves as it is stored: nothing was taken out, so that what it is found by is what leaves.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// The resource.
    pub fn json(&self) -> Result<Json, Failure> {
        parse(&self.bytes, &Limits::default()).map_err(|_| damaged())
    }
}

/// Asks for one caller and one interaction; made once a request.
pub(crate) struct Asking<'a> {
    app: &'a App,
    who: &'a Who,
    interaction: Interaction,
    /// What consents are asked for a look at something, made once: without a grant it is the same for every resource.
    access: AccessRequest,
    now: Instant,
    started: std::time::Instant,
    /// Open grants, each with all records of its patient.
    grants: Vec<(Grant, Vec<String>)>,
    rules: Mutex<HashMap<Vec<String>, Rules>>,
    /// Which resources that others refer to are withheld; each is asked once a request.
    withheld: Mutex<HashMap<String, bool>>,
    noted: Noted,
}

/// The consents of some patients and the links they ask for: read once a request, however many resources it decides.
#[derive(Clone)]
struct Rules {
    policies: Arc<consent::Policies>,
    links: Arc<consent::Links>,
}

impl<'a> Asking<'a> {
    /// Looks up the caller's open grants, once.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) fn new(app: &'a App, who: &'a Who, interaction: Interaction) -> Result<Self, Failure> {
        let (now, started) = (app.clock.now(), std::time::Instant::now());
        let open = match who.holder() {
            Some(holder) if who.is_break_glass() => {
                app.emergency.open_grants(&app.store, &who.person(), &holder, now)?
            }
            _ => Vec::new(),
        };
        let mut grants = Vec::with_capacity(open.len());
        for grant in open {
            let records = crate::merges::person(&app.store, &grant.patient)?;
            grants.push((grant, records));
        }
        let access = who.request(Action::Access, interaction, &app.config);
        let (rules, withheld, noted) = (Mutex::default(), Mutex::default(), Noted::default());
        Ok(Self { app, who, interaction, access, now, started, grants, rules, withheld, noted })
    }

    /// The grant under which this caller sees a resource of these patients, if there is one, and the patient by it.
    fn grant_for<'p>(&self, patients: &'p [String]) -> Option<(&Grant, &'p str)> {
        self.grants.iter().find_map(|(grant, records)| {
            let patient = patients.iter().find(|patient| records.contains(patient))?;
            Some((grant, patient.as_str()))
        })
    }

    /// What may leave of a version; `None` where it is withheld, which must answer like an unknown id.
    ///
    /// # Errors
    /// What the store says; nothing is released then.
    pub(crate) fn release(&self, held: &Held) -> Result<Option<Released>, Failure> {
        self.released_of(&held.0)
    }

    /// The same of what was looked up.
    ///
    /// # Errors
    /// What the store says; nothing is released then.
    pub(crate) fn release_current(&self, current: &Current) -> Result<Option<Released>, Failure> {
        match current {
            Current::Read(held) => self.release(held),
            Current::Known(version) => {
                let whole = || version.text.clone();
                self.reached(version.which(), whole, || self.decided(version, None, Action::Access))
            }
        }
    }

    fn released_of(&self, stored: &Stored) -> Result<Option<Released>, Failure> {
        let whole = || Bytes::from(stored.json());
        self.reached(stored.into(), whole, || match stored.resource_type.as_str() {
            "Binary" => self.binary(stored),
            "Bundle" => self.bundle(stored),
            _ => self.decided(&*self.known(stored)?, Some(stored), Action::Access),
        })
    }

    fn reached(
        &self,
        which: Which<'_>,
        whole: impl FnOnce() -> Bytes,
        decide: impl FnOnce() -> Result<Option<Released>, Failure>,
    ) -> Result<Option<Released>, Failure> {
        let released = match self.reaches(which.resource_type) {
            Access::Refused => None,
            Access::Direct => Some(self.released(which, whole(), which.patients.to_vec(), Vec::new())),
            // Whatever consents or the implicit policy let out: this reaches the own record and the directory, no further.
            Access::Own if !self.is_own(which.patients) => None,
            Access::Own | Access::Decided => decide()?,
        };
        // After the decision, so that what a scope leaves out takes as long as what consents withhold.
        let patients = released.as_ref().map_or(which.patients, |released| &released.patients);
        let covered = self.is_covered(which.resource_type, patients);
        Ok(released.filter(|_| covered))
    }

    /// Whether the scopes of the token reach a resource of these patients.
    fn is_covered(&self, resource_type: &str, patients: &[String]) -> bool {
        let permission = if self.interaction == Interaction::Search { Permission::Search } else { Permission::Read };
        self.who.is_open() || self.who.covers(permission, resource_type, patients)
    }

    fn is_own(&self, patients: &[String]) -> bool {
        let own = self.who.own_records();
        patients.is_empty() || patients.iter().any(|patient| own.contains(patient))
    }

    /// Waits for the next multiple of [`STEP`] since the request was looked at, and then for a part of a step that is drawn
    /// at random. Whoever answers that something is not there, or that nothing was found, calls this last.
    pub(crate) async fn settle(&self) {
        let steps = self.started.elapsed().as_micros() / STEP.as_micros().max(1) + 1;
        let step = self.started + STEP.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX));
        let until = step + drawn(STEP);
        // A timer counts in milliseconds; the rest of the last one is slept by the clock, on a thread that may sleep.
        if let Some(before) = until.checked_sub(TICK) {
            tokio::time::sleep_until(before.into()).await;
        }
        let last = tokio::task::spawn_blocking(move || {
            std::thread::sleep(until.saturating_duration_since(std::time::Instant::now()));
        });
        // It cannot panic, and a runtime that shuts down answers nobody.
        let _ = last.await;
    }

    /// Does for an id that is not there what a decision about one that is withheld costs, so that the time of a 404 does
    /// not tell the two apart. What it decides is dropped.
    ///
    /// # Errors
    /// As [`Asking::release`]: also a failure must not tell.
    pub(crate) fn release_nothing(&self, resource_type: &str, id: &str) -> Result<(), Failure> {
        let patient = if resource_type == "Patient" { id } else { "nobody" };
        let body = format!(
            r#"{{"resourceType":"{resource_type}","id":"{id}","status":"final","subject":{{"reference":"Patient/{patient}"}},"code":{{"text":"nothing"}},"identifier":[{{"system":"urn:nothing","value":"nothing"}}],"name":[{{"family":"nobody"}}]}}"#
        );
        self.released_of(&made_up((resource_type, id), patient, body, self.now)).map(drop)
    }

    /// Whether the consents permit a write of this content.
    ///
    /// # Errors
    /// What the store says; nothing is written then.
    pub(crate) fn permits_write(&self, resource: &Json, action: Action) -> Result<bool, Failure> {
        let patients: Vec<String> =
            model::resource::patients_of(resource).iter().map(|id| id.as_str().to_owned()).collect();
        let rules = self.rules(&patients)?;
        let request = self.who.request(action, self.interaction, &self.app.config);
        let context = self.context(&rules, &request);
        Ok(context.decide(&context.facts(resource)).is_permit())
    }

    /// A version by itself. `stored` is the version too, where it was read.
    fn decided(&self, version: &Version, stored: Option<&Stored>, action: Action) -> Result<Option<Released>, Failure> {
        let which = version.which();
        let decided =
            self.in_context(which.patients, action, |context| consent::release_known(context, &version.known))?;
        match decided {
            Err(decision) => {
                self.noted.withheld(which.patients, &decision);
                // An id that is not there is read to be decided, and what is withheld must not be answered sooner.
                self.opened(which, stored, |_, _| Ok(None))
            }
            Ok(Some(whole)) if !self.tells_of_withheld(version.known.told_of())? => {
                let trace = whole.into_inner().decision.trace().collect();
                Ok(Some(self.released(which, version.text.clone(), which.patients.to_vec(), trace)))
            }
            // It may leave, but something of it may have to stay.
            Ok(_) => self.opened(which, stored, |stored, (text, json)| {
                let release = |context: &consent::Context<'_>| consent::release(context, json, Some(text));
                match self.in_context(which.patients, action, release)? {
                    Err(decision) => {
                        self.noted.withheld(which.patients, &decision);
                        Ok(None)
                    }
                    Ok(permitted) => self.leaving(stored, permitted, which.patients.to_vec()).map(Some),
                }
            }),
        }
    }

    /// Opens a version, read again where it was known without.
    fn opened<T>(
        &self,
        which: Which<'_>,
        stored: Option<&Stored>,
        open: impl FnOnce(&Stored, (Arc<[u8]>, Json)) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if let Some(stored) = stored {
            return open(stored, content(stored)?);
        }
        let stored = self.app.store.vread(which.resource_type, which.id, which.version)?.ok_or_else(damaged)?;
        open(&stored, content(&stored)?)
    }

    /// What a version says of itself, kept from when it was last asked for.
    fn known(&self, stored: &Stored) -> Result<Arc<Version>, Failure> {
        let (settings, map) = (&self.app.consent, &self.app.sensitivity);
        let version = self.app.versions.of(stored, |json| consent::Known::of(json, settings, Some(map)));
        version.ok_or_else(damaged)
    }

    /// Asks with the consents of these patients, under a grant for one of them where there is one.
    fn in_context<T>(
        &self,
        patients: &[String],
        action: Action,
        ask: impl FnOnce(&consent::Context<'_>) -> T,
    ) -> Result<T, Failure> {
        let rules = self.rules(patients)?;
        let grant = self.grant_for(patients);
        if grant.is_none() && action == Action::Access {
            return Ok(ask(&self.context(&rules, &self.access)));
        }
        let mut request = self.who.request(action, self.interaction, &self.app.config);
        if let Some((grant, patient)) = grant {
            request.btg = Some(crate::emergency::summary::declared(grant));
            request.patient = Some(format!("Patient/{patient}").into());
        }
        Ok(ask(&self.context(&rules, &request)))
    }

    /// The last step: out of the proof, into bytes, without what it tells of others.
    fn leaving(
        &self,
        stored: &Stored,
        permitted: Permitted<Content>,
        patients: Vec<String>,
    ) -> Result<Released, Failure> {
        let content = self.without_withheld(permitted)?.into_inner();
        let bytes = match &content.text {
            Some(text) => text.to_vec(),
            None => model::resource::with_meta(&content.json.to_bytes(), stored.version, &stored.last_updated),
        };
        let whole = content.text.is_some();
        let bytes = Bytes::from(bytes);
        let trace = content.decision.trace().collect();
        let mut released = self.released(stored.into(), bytes, patients, trace);
        released.whole &= whole;
        Ok(released)
    }

    fn rules(&self, patients: &[String]) -> Result<Rules, Failure> {
        if let Some(known) = self.rules.lock().unwrap_or_else(PoisonError::into_inner).get(patients) {
            return Ok(known.clone());
        }
        let ids: Vec<&str> = patients.iter().map(String::as_str).collect();
        if let Some(basis) = self.who.basis() {
            basis.note(&self.app.policies, &self.app.store, patients)?;
        }
        let policies = self.app.policies.of(&self.app.store, &ids)?;
        let links = Arc::new(crate::policies::links(&self.app.store, &policies)?);
        let rules = Rules { policies, links };
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).insert(patients.to_vec(), rules.clone());
        Ok(rules)
    }

    fn context<'c>(&'c self, rules: &'c Rules, request: &'c AccessRequest) -> consent::Context<'c> {
        consent::Context {
            policies: &rules.policies,
            request,
            settings: &self.app.consent,
            now: self.now,
            links: Some(&rules.links),
            map: Some(&self.app.sensitivity),
        }
    }

    fn released(&self, which: Which<'_>, bytes: Bytes, patients: Vec<String>, trace: Vec<String>) -> Released {
        let for_a_patient = which.resource_type == "AuditEvent" && self.reaches("AuditEvent") == Access::Own;
        Released {
            bytes: if for_a_patient { for_patient(&bytes) } else { bytes },
            whole: !for_a_patient,
            reference: format!("{}/{}", which.resource_type, which.id),
            version: which.version,
            last_updated: which.last_updated,
            patients,
            trace,
        }
    }
}

/// The text of a version as it leaves, and the tree it is decided by: as it was sent, since when this gateway took a
/// resource in is no date of the data, and a permit for a period must not cover what has none.
fn content(stored: &Stored) -> Result<(Arc<[u8]>, Json), Failure> {
    let json = parse(&stored.body, &Limits::default()).map_err(|_| damaged())?;
    Ok((stored.json().into(), json))
}

/// A version that nobody stored, of one patient: decided in place of one that is not there.
fn made_up((resource_type, id): (&str, &str), patient: &str, body: String, now: Instant) -> Stored {
    Stored {
        resource_type: resource_type.to_owned(),
        id: id.to_owned(),
        version: 1,
        last_updated: now,
        deleted: false,
        author: store::Author { source: String::new(), exchange: None },
        patients: vec![patient.to_owned()],
        index: Vec::new(),
        body: Bytes::from(body),
        method: store::Method::Put,
        lean: false,
        cursor: store::Cursor(0),
    }
}

/// A patient's own token sees of the audit log what is for patients.
fn for_patient(bytes: &Bytes) -> Bytes {
    match parse(bytes, &Limits::default()) {
        Ok(mut event) => {
            crate::audit::for_patient(&mut event);
            Bytes::from(event.to_bytes())
        }
        // It was read a moment ago; what cannot be read again must not leave unread.
        Err(_) => Bytes::from_static(b"{\"resourceType\":\"AuditEvent\"}"),
    }
}

/// A time below `most`, evenly drawn; half of it where there is no randomness.
fn drawn(most: Duration) -> Duration {
    let share = crate::keys::random::<4>().map_or(u32::MAX / 2, u32::from_le_bytes);
    most.mul_f64(f64::from(share) / f64::from(u32::MAX))
}

fn damaged() -> Failure {
    tracing::error!("a stored resource could not be read back");
    Failure::new(http::StatusCode::INTERNAL_SERVER_ERROR, "exception", "an error of the gateway")
}
