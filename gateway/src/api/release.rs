//! From a stored version to what a handler may answer with: the consents are asked here and nowhere else.

mod placed;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use auth::{Access, Action as Reach, Permission};
use bytes::Bytes;
use consent::{AccessRequest, Action, Interaction};
use model::json::{Json, Limits, parse};
use model::time::Instant;
use store::{ExchangeId, Grant, Resources, Stored};

use super::Who;
use super::noted::Noted;
use super::outcome::Failure;
use crate::app::App;
use crate::emergency::AuditWritten;

/// A version that may leave. Private members and one maker: a handler that answers with content has asked.
#[derive(Debug, Clone)]
pub struct Released {
    bytes: Bytes,
    reference: String,
    version: u64,
    last_updated: Instant,
    patients: Vec<String>,
    trace: Vec<String>,
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
    now: Instant,
    /// Open grants, each with all records of its patient.
    grants: Vec<(Grant, Vec<String>)>,
    rules: Mutex<HashMap<Vec<String>, Rules>>,
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
        let now = app.clock.now();
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
        Ok(Self { app, who, interaction, now, grants, rules: Mutex::default(), noted: Noted::default() })
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
    pub(crate) fn release(&self, stored: &Stored) -> Result<Option<Released>, Failure> {
        let access = match self.who.is_open() {
            true => Access::Direct,
            false => self.who.may(Reach::Read(&stored.resource_type)),
        };
        let released = match access {
            Access::Refused => None,
            Access::Direct => Some(self.whole(stored)),
            // Whatever consents or the implicit policy let out: this reaches the own record and the directory, no further.
            Access::Own if !self.is_own(&stored.patients) => None,
            Access::Own | Access::Decided => self.decided(stored, Action::Access)?,
        };
        // After the decision, so that what a scope leaves out takes as long as what consents withhold.
        let permission = if self.interaction == Interaction::Search { Permission::Search } else { Permission::Read };
        let covered = self.who.is_open() || self.who.covers(permission, &stored.resource_type, &stored.patients);
        Ok(released.filter(|_| covered))
    }

    fn is_own(&self, patients: &[String]) -> bool {
        let own = self.who.own_records();
        patients.is_empty() || patients.iter().any(|patient| own.contains(patient))
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
        let nothing = Stored {
            resource_type: resource_type.to_owned(),
            id: id.to_owned(),
            version: 1,
            last_updated: self.now,
            deleted: false,
            author: store::Author { source: String::new(), exchange: None },
            patients: vec![patient.to_owned()],
            index: Vec::new(),
            body: Bytes::from(body),
            cursor: store::Cursor(0),
        };
        self.release(&nothing).map(drop)
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

    fn whole(&self, stored: &Stored) -> Released {
        self.released(stored, Bytes::from(stored.json()), Vec::new())
    }

    fn decided(&self, stored: &Stored, action: Action) -> Result<Option<Released>, Failure> {
        let rules = self.rules(&stored.patients)?;
        let mut request = self.who.request(action, self.interaction, &self.app.config);
        if let Some((grant, patient)) = self.grant_for(&stored.patients) {
            request.btg = Some(crate::emergency::summary::declared(grant));
            request.patient = Some(format!("Patient/{patient}").into());
        }
        let text: Arc<[u8]> = stored.json().into();
        let json = parse(&text, &Limits::default()).map_err(|_| damaged())?;
        let context = self.context(&rules, &request);
        Ok(match consent::release(&context, json, Some(text)) {
            Err(decision) => {
                self.noted.withheld(&stored.patients, &decision);
                None
            }
            Ok(permitted) => {
                let content = permitted.into_inner();
                let bytes = Bytes::from(content.bytes().into_owned());
                let trace = content.decision.trace().collect();
                Some(self.released(stored, bytes, trace))
            }
        })
    }

    fn rules(&self, patients: &[String]) -> Result<Rules, Failure> {
        if let Some(known) = self.rules.lock().unwrap_or_else(PoisonError::into_inner).get(patients) {
            return Ok(known.clone());
        }
        let ids: Vec<&str> = patients.iter().map(String::as_str).collect();
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

    fn released(&self, stored: &Stored, bytes: Bytes, trace: Vec<String>) -> Released {
        Released {
            bytes: for_patients(self.who, stored, bytes),
            reference: format!("{}/{}", stored.resource_type, stored.id),
            version: stored.version,
            last_updated: stored.last_updated,
            patients: stored.patients.clone(),
            trace,
        }
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
        let mut event = event;
        for patient in event.asked_for() {
            // Who was never here has no log that could be looked at.
            if self.noted.has(&patient) || self.app.store.read("Patient", &patient)?.is_some() {
                event = event.patient(patient);
            }
        }
        let event = crate::audit::with_map(self.noted.complete(event, released), self.app);
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
            super::audited(self.app, event).await?;
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

/// A patient's own token sees of the audit log what is for patients.
fn for_patients(who: &Who, stored: &Stored, bytes: Bytes) -> Bytes {
    if stored.resource_type != "AuditEvent" || who.may(Reach::Read("AuditEvent")) != Access::Own {
        return bytes;
    }
    match parse(&bytes, &Limits::default()) {
        Ok(mut event) => {
            crate::audit::for_patient(&mut event);
            Bytes::from(event.to_bytes())
        }
        // It was read a moment ago; what cannot be read again must not leave unread.
        Err(_) => Bytes::from_static(b"{\"resourceType\":\"AuditEvent\"}"),
    }
}

fn damaged() -> Failure {
    tracing::error!("a stored resource could not be read back");
    Failure::new(http::StatusCode::INTERNAL_SERVER_ERROR, "exception", "an error of the gateway")
}
