//! What becomes of one entry of a transaction.

use auth::{Action as Reach, Permission};
use bytes::Bytes;
use http::{Method, StatusCode};
use model::id::{Reference, ResourceId, ResourceType};
use model::json::Json;
use store::{Expect, Method as WrittenBy};

use super::body_of;
use crate::api::fhir::bundle::entry::{Entry, Turn};
use crate::api::fhir::condition::{self, Conditions, Found, Key, Known};
use crate::api::fhir::decide::{Changeable, may_change, may_create, may_update};
use crate::api::fhir::delete::{deletion, stub};
use crate::api::fhir::patch::{self, Patch};
use crate::api::fhir::precondition::{Wanted, version_of};
use crate::api::fhir::write::{must_be, set_id};
use crate::api::outcome::Failure;
use crate::api::release::Asking;
use crate::api::{Call, Who};
use crate::audit::{Kind, random_id};
use crate::pipeline::{Content, FhirChange};

/// What is done.
pub(super) enum Plan {
    Read,
    Create,
    /// A create whose condition finds something: nothing is written.
    Known(Box<Known>),
    Update,
    Patch(Patch),
    Delete,
    /// A conditional delete that finds nothing.
    Nothing,
}

impl PartialEq for Plan {
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// One entry on its way into the store.
pub(super) struct Planned {
    pub(super) place: String,
    pub(super) turn: Turn,
    pub(super) plan: Plan,
    /// What it is about, once that is known.
    pub(super) reference: Option<Reference>,
    resource_type: Option<ResourceType>,
    /// Its condition.
    pub(super) key: Option<Key>,
    wanted: Wanted,
    asked: Wanted,
    pub(super) resource: Option<Json>,
    /// The text that is stored, for who wants it back.
    pub(super) written: Option<Bytes>,
}

impl Planned {
    /// Reads what an entry asks for.
    ///
    /// # Errors
    /// What is wrong with its address, its resource or its conditions; 403 for a type that the caller does not reach.
    pub(super) fn of(call: &Call, who: &Who, entry: &mut Entry) -> Result<Self, Failure> {
        let turn = entry.turn();
        let mut one = Self {
            place: entry.place.clone(),
            turn,
            plan: Plan::Read,
            reference: None,
            resource_type: None,
            key: None,
            wanted: Wanted::Anything,
            asked: Wanted::Anything,
            resource: None,
            written: None,
        };
        if turn == Turn::Read {
            return Ok(one);
        }
        let (name, id) = match entry.path.split_once('/') {
            Some((name, id)) => (name, Some(id)),
            None => (entry.path.as_str(), None),
        };
        let resource_type = ResourceType::parse(name).map_err(|_| {
            let text = "expected an address that begins with a resource type of FHIR R4";
            Failure::new(StatusCode::BAD_REQUEST, "not-supported", text).at(format!("{}.request.url", entry.place))
        })?;
        who.must(Reach::Write(name))?;
        one.resource_type = Some(resource_type);
        one.wanted = match (&entry.if_match, entry.if_none_match.as_deref().map(str::trim)) {
            (Some(etag), _) => Wanted::Version(version_of(etag)?),
            (None, Some("*")) if entry.method == Method::PUT => Wanted::Absent,
            _ => Wanted::unsaid(call, resource_type),
        };
        one.asked = one.wanted;
        let bad_url = |text: &str| Failure::bad(text).at(format!("{}.request.url", entry.place));
        let condition = match (&entry.method, id, &entry.query) {
            (&Method::POST, None, None) => entry.if_none_exist.as_deref(),
            (&Method::POST, ..) => return Err(bad_url("expected a resource type; operations are for batches")),
            (_, None, Some(condition)) => Some(condition.as_str()),
            (_, Some(id), None) => {
                let id = ResourceId::parse(id).map_err(|_| bad_url("expected Type/id"))?;
                one.reference = Some(Reference::new(resource_type, id));
                None
            }
            _ => return Err(bad_url("expected Type/id, or Type?condition")),
        };
        one.key = condition.map(|condition| condition::key(resource_type, condition)).transpose()?;
        let resource = entry.resource.take();
        one.plan = match (&entry.method, resource) {
            (&Method::DELETE, _) => Plan::Delete,
            (&Method::PATCH, Some(resource)) => Plan::Patch(Patch::of_resource(&resource)?),
            (_, Some(resource)) => {
                must_be(&resource, resource_type)?;
                one.resource = Some(resource);
                if entry.method == Method::POST { Plan::Create } else { Plan::Update }
            }
            _ => return Err(Failure::bad("expected a resource")),
        };
        if one.plan == Plan::Update
            && let (Some(reference), Some(resource)) = (&one.reference, &one.resource)
            && model::resource::id(resource) != Some(reference.id.as_str())
        {
            return Err(Failure::bad("the id of the resource must be that of request.url").at(format!("{name}.id")));
        }
        Ok(one)
    }

    /// Looks its condition up, and gives it an id.
    ///
    /// # Errors
    /// 412 if the condition finds several, 404 for a patch that finds nothing, 400 for another id than that of what is found.
    pub(super) async fn settle(&mut self, conditions: &mut Conditions<'_>) -> Result<(), Failure> {
        let Some(resource_type) = self.resource_type else { return Ok(()) };
        let found = match &self.key {
            Some(key) => conditions.find(key).await?,
            None => Found::Nothing,
        };
        let own = self.resource.as_ref().and_then(model::resource::id).map(str::to_owned);
        match (found, &self.plan) {
            (Found::Several, _) => return Err(condition::several("the condition")),
            (Found::One(known), Plan::Create) => {
                self.reference = Some(known.reference.clone());
                self.plan = Plan::Known(known);
            }
            (Found::Nothing, Plan::Create) => self.name(resource_type, random_id())?,
            (Found::One(known), _) => {
                if own.is_some_and(|own| own != known.reference.id.as_str()) {
                    let text = "the id of the resource must be that of the one the condition finds";
                    return Err(Failure::bad(text).at(format!("{resource_type}.id")));
                }
                if self.wanted == Wanted::Anything {
                    self.wanted = Wanted::Version(known.version);
                }
                self.name(resource_type, known.reference.id.to_string())?;
            }
            (Found::Nothing, Plan::Update) if self.key.is_some() => {
                if matches!(self.asked, Wanted::Version(_)) {
                    return Err(crate::api::fhir::precondition::other_version());
                }
                // An id of the client's own that is taken is not the resource that the client takes it for.
                self.wanted = Wanted::Absent;
                if own.is_none() {
                    self.plan = Plan::Create;
                }
                self.name(resource_type, own.unwrap_or_else(random_id))?;
            }
            (Found::Nothing, Plan::Patch(_)) if self.key.is_some() => {
                return Err(Failure::unknown("what the condition asks for"));
            }
            (Found::Nothing, Plan::Delete) if self.key.is_some() => self.plan = Plan::Nothing,
            (Found::Nothing, _) => {}
        }
        Ok(())
    }

    fn name(&mut self, resource_type: ResourceType, id: String) -> Result<(), Failure> {
        let parsed = ResourceId::parse(&id)
            .map_err(|_| Failure::bad("expected an id as FHIR has it").at(format!("{resource_type}.id")))?;
        if let Some(resource) = &mut self.resource {
            set_id(resource, &id);
        }
        self.reference = Some(Reference::new(resource_type, parsed));
        Ok(())
    }

    /// Whether it writes the resource of its reference.
    pub(super) fn writes(&self) -> bool {
        matches!(self.plan, Plan::Create | Plan::Update | Plan::Patch(_) | Plan::Delete)
    }

    /// Whether a read is of what this entry writes: it cannot be tried before.
    pub(super) fn is_read_by(&self, read: &Entry) -> bool {
        let path = self.reference.as_ref().map(ToString::to_string);
        self.writes() && path.is_some_and(|path| read.path == path || read.path.starts_with(&format!("{path}/")))
    }

    pub(super) fn asks_for_a_version(&self) -> bool {
        !self.asked.is_unsaid()
    }

    /// The number of the version that it will write; what it then expects makes that true.
    ///
    /// # Errors
    /// What the store says.
    pub(super) fn next_version(&mut self, asking: &Asking<'_>) -> Result<u64, Failure> {
        if self.plan == Plan::Create {
            return Ok(1);
        }
        let Some(reference) = &self.reference else { return Ok(1) };
        let current = asking.current(reference.resource_type.as_str(), reference.id.as_str())?;
        let Some(current) = current else { return Ok(1) };
        if !current.is_deleted() && self.wanted == Wanted::Anything {
            self.wanted = Wanted::Version(current.version());
        }
        Ok(current.version() + 1)
    }

    /// Decides it, and makes the change to write.
    ///
    /// # Errors
    /// As for the interaction by itself.
    pub(super) fn change(
        &mut self,
        call: &Call,
        who: &Who,
        asking: &Asking<'_>,
        rewrite: impl Fn(&mut Json),
    ) -> Result<Option<FhirChange>, Failure> {
        let place = format!("{}.resource", self.place);
        let change = match (&self.plan, &self.reference, &self.resource) {
            (Plan::Create, Some(_), Some(resource)) => {
                may_create(call, who, asking, resource)?;
                let method = if self.turn == Turn::Create { WrittenBy::Post } else { WrittenBy::Put };
                FhirChange::write(resource.clone(), body_of(resource), Expect::Absent).by(method)
            }
            (Plan::Update, Some(reference), Some(resource)) => {
                let expect = may_update(call, who, asking, resource, reference, self.wanted)?;
                FhirChange::write(resource.clone(), body_of(resource), expect)
            }
            (Plan::Patch(patch), Some(reference), _) => {
                let changed = patch::change(call, who, asking, reference, self.wanted, patch)?;
                let mut changed = changed.ok_or_else(|| Failure::unknown(&reference.to_string()))?;
                if let Content::Written { resource, body } = &mut changed.content {
                    rewrite(resource);
                    *body = body_of(resource);
                }
                changed
            }
            (Plan::Delete, Some(reference), _) => match may_change(who, asking, reference, Permission::Delete)? {
                Changeable::Here(held, _) if held.is_review() => {
                    let text = "the review of an emergency access is closed, never deleted";
                    return Err(Failure::forbidden(text));
                }
                Changeable::Here(held, _) => {
                    self.wanted.holds_for(held.version())?;
                    deletion(reference, &held)
                }
                Changeable::Gone => return Ok(None),
                Changeable::Nothing if who.is_open() => return Ok(None),
                Changeable::Nothing => return Err(Failure::unknown(&reference.to_string())),
            },
            _ => return Ok(None),
        };
        if let Content::Written { body, .. } = &change.content {
            self.written = Some(body.clone());
        }
        Ok(Some(change.at(place)))
    }

    /// For the audit event of a refusal.
    pub(super) fn kind(&self) -> Kind {
        match self.plan {
            Plan::Create => Kind::Create,
            Plan::Delete => Kind::Delete,
            _ => Kind::Update,
        }
    }

    pub(super) fn stub(&self) -> Json {
        match (&self.resource, &self.reference) {
            (Some(resource), _) => resource.clone(),
            (None, Some(reference)) => stub(reference),
            (None, None) => Json::Null,
        }
    }
}
