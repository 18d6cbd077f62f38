//! What is decided by something else than itself: a Bundle by its entries, a Binary by the resource that it belongs to.

use std::ops::ControlFlow;
use std::sync::Arc;

use auth::Access;
use consent::Action;
use model::id::Reference;
use model::json::Json;
use store::{Resources, Search, Stored};

use super::{Asking, Released, content, made_up};
use crate::api::outcome::Failure;

/// DocumentReferences that are asked about one Binary.
const NAMING_MOST: usize = 100;

impl Asking<'_> {
    /// A Bundle by its entries: it belongs to the patients that they name.
    pub(super) fn bundle(&self, stored: &Stored) -> Result<Option<Released>, Failure> {
        let (_, json) = content(stored)?;
        let patients: Vec<String> = consent::patients_in(&json)
            .iter()
            .filter_map(|it| it.strip_prefix("Patient/"))
            .map(str::to_owned)
            .collect();
        // Own data alone: not even an entry about somebody else.
        let is_own = |patient: &String| self.is_own(std::slice::from_ref(patient));
        if self.reaches("Bundle") == Access::Own && !patients.iter().all(is_own) {
            return Ok(None);
        }
        let decided = self.in_context(&patients, Action::Access, |context| consent::release_bundle(context, json))?;
        match decided {
            Err(decision) => {
                self.noted.withheld(&patients, &decision);
                Ok(None)
            }
            Ok(permitted) => self.leaving(stored, permitted, patients).map(Some),
        }
    }

    /// A Binary by the resource of its security context (FHIR R4 binary.html, "Security"); without one, by a
    /// DocumentReference that names it and may be read.
    pub(super) fn binary(&self, stored: &Stored) -> Result<Option<Released>, Failure> {
        let (text, json) = content(stored)?;
        if json.get("securityContext").is_some() {
            let named = json.text_at(&["securityContext", "reference"]).and_then(|text| Reference::parse(text).ok());
            let Some(named) = named.filter(|named| named.resource_type.as_str() != "Binary") else { return Ok(None) };
            let followed = match self.live(&named)? {
                Some(held) => held.0,
                // A patient is one by their consents; nobody has to have stored the Patient.
                None if named.resource_type.as_str() == "Patient" => {
                    let id = named.id.as_str();
                    let body = format!(r#"{{"resourceType":"Patient","id":"{id}"}}"#);
                    made_up(("Patient", id), id, body, self.now)
                }
                None => return Ok(None),
            };
            return match self.released_of(&followed)? {
                Some(_) => self.following(stored, (text, json), &followed),
                None => Ok(None),
            };
        }
        let Ok(own) = Reference::parse(&format!("Binary/{}", stored.id)) else { return Ok(None) };
        let search = Search {
            types: vec!["DocumentReference".to_owned()],
            terms: vec![crate::index::condition(&search::attached(&own))],
            ..Search::default()
        };
        let mut naming = Vec::new();
        self.app.store.visit(&search, &mut |found| {
            naming.push(found);
            if naming.len() < NAMING_MOST { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        for document in naming {
            let Some(released) = self.released_of(&document)? else { continue };
            // An attachment that was taken out for its labels takes its content along.
            let left = crate::index::rows(&released.json()?);
            if search.terms.iter().all(|term| term.passes(&left))
                && let Some(released) = self.following(stored, (text.clone(), json.clone()), &document)?
            {
                return Ok(Some(released));
            }
        }
        Ok(None)
    }

    fn following(
        &self,
        stored: &Stored,
        (text, json): (Arc<[u8]>, Json),
        followed: &Stored,
    ) -> Result<Option<Released>, Failure> {
        let (_, followed_json) = content(followed)?;
        let decided = self.in_context(&followed.patients, Action::Access, |context| {
            consent::release_following(context, json, Some(text), &followed_json)
        })?;
        match decided {
            Err(decision) => {
                self.noted.withheld(&followed.patients, &decision);
                Ok(None)
            }
            Ok(permitted) => self.leaving(stored, permitted, followed.patients.clone()).map(Some),
        }
    }
}
