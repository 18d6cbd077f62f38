//! An event as a resource: the interaction or disclosure itself, and the consent decision beside it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::json::{Json, Object};

use super::agents::{observer, server_type};
use super::parts::{DCM, coding, reference, template};
use super::{About, Decided, EXCHANGE_SYSTEM, Event, Outcome};

const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const OBJECT_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
/// IHE BALP 1.1, CodeSystem "Entity Types that are defined in IHE BasicAudit".
const BALP_ENTITY: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType";
/// IHE BALP 1.1, CodeSystem "Authorization subType events".
const BALP_AUTHZ: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/AuthZsubType";
/// IHE BALP 1.1, CodeSystem of agents of tokens.
const BALP_AGENT: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/UserAgentTypes";
/// Prefix of the id of a token as a URN (IHE BALP 1.1, "AuthZ-Consent", entity token).
pub(super) const JTI: &str = "urn:ietf:params:oauth:jti:";

impl Event {
    /// The event about one patient, or about nobody.
    pub(super) fn resource_about(&self, id: &str, patient: Option<&str>, about: &About) -> Json {
        let template = template(self.kind);
        let mut made = Object::new();
        made.insert("resourceType", "AuditEvent");
        made.insert("id", id);
        // The members of the builders, in the order of the definition.
        for name in ["type", "subtype", "action"] {
            if let Some(value) = template.get(name) {
                made.insert(name, value.clone());
            }
        }
        let (outcome, text) = match about.refused && self.outcome == Outcome::Success {
            true => (Outcome::Refused, Some("not released")),
            false => (self.outcome, self.outcome_text.as_deref()),
        };
        self.head(&mut made, outcome, text);
        made.insert("agent", Json::Array(self.agents()));
        made.insert("source", source());
        let entities = self.entities(patient, about);
        if !entities.is_empty() {
            made.insert("entity", Json::Array(entities));
        }
        made.into()
    }

    /// The decision event (IHE BALP 1.1, "AuthZ-Consent"): which consents decided, for whom, with which outcome.
    pub(super) fn decision_event(&self, id: &str, patient: Option<&str>, decided: &Decided) -> Json {
        let consents = decided.consents();
        let (code, display) = match consents.is_empty() {
            true => ("AuthZ-Role", "Authorization Decision using only Roles"),
            false => ("AuthZ-Consent", "Authorization Decision using Roles and Consent"),
        };
        let mut made = Object::new();
        made.insert("resourceType", "AuditEvent");
        made.insert("id", id);
        made.insert("type", coding(DCM, "110113", "Security Alert"));
        made.insert("subtype", Json::array([coding(BALP_AUTHZ, code, display)]));
        made.insert("action", "E");
        match decided.permitted {
            true => self.head(&mut made, Outcome::Success, None),
            false => self.head(&mut made, Outcome::Refused, Some("not released")),
        }
        made.insert("agent", Json::Array(self.decision_agents()));
        made.insert("source", source());
        let mut entities: Vec<Json> = patient.map(patient_entity).into_iter().collect();
        for consent in consents {
            entities.push(Json::object([
                ("what", reference(consent)),
                ("type", coding("http://hl7.org/fhir/resource-types", "Consent", "Consent")),
            ]));
        }
        if let Some(jti) = &self.token {
            let identifier = Json::object([("value", Json::from(format!("{JTI}{jti}").as_str()))]);
            entities.push(Json::object([
                ("what", Json::object([("identifier", identifier)])),
                ("type", coding(BALP_AGENT, "UserOauthAgent", "User OAuth Agent participant")),
            ]));
        }
        if !entities.is_empty() {
            made.insert("entity", Json::Array(entities));
        }
        made.into()
    }

    fn head(&self, made: &mut Object, outcome: Outcome, text: Option<&str>) {
        made.insert("recorded", self.at.to_rfc3339());
        made.insert("outcome", outcome.code());
        if let Some(text) = text {
            made.insert("outcomeDesc", text);
        }
        if !self.purposes.is_empty() {
            made.insert("purposeOfEvent", Json::array(self.purposes.iter().map(|it| self.purpose_concept(it))));
        }
    }

    pub(super) fn purpose_concept(&self, (system, code): &(String, String)) -> Json {
        let coding = Json::object([("system", Json::from(system.as_str())), ("code", Json::from(code.as_str()))]);
        let mut members = vec![("coding", Json::array([coding]))];
        if let Some(reason) = &self.reason {
            members.push(("text", Json::from(reason.as_str())));
        }
        Json::object(members)
    }

    fn entities(&self, patient: Option<&str>, about: &About) -> Vec<Json> {
        let mut entities: Vec<Json> = patient.map(patient_entity).into_iter().collect();
        for text in self.entities.iter().chain(&about.entities) {
            entities.push(entity(reference(text), ("2", "System Object"), Some(("4", "Domain Resource"))));
        }
        if let Some(digest) = &self.query {
            entities.push(Json::object([
                ("type", coding(ENTITY_TYPE, "2", "System Object")),
                ("role", coding(OBJECT_ROLE, "24", "Query")),
                ("query", Json::from(STANDARD.encode(format!("sha-256:{digest}")).as_str())),
            ]));
        }
        if let Some(request) = self.client.as_ref().and_then(|client| client.request.as_deref()) {
            let identifier = Json::object([("value", Json::from(request))]);
            entities.push(Json::object([
                ("what", Json::object([("identifier", identifier)])),
                ("type", coding(BALP_ENTITY, "XrequestId", "X-Request-Id")),
            ]));
        }
        if let Some(facts) = self.facts(about) {
            entities.push(facts);
        }
        entities
    }

    /// The exchange it belongs to and the facts by name.
    fn facts(&self, about: &About) -> Option<Json> {
        let traces = about.decided.iter().flat_map(|decided| &decided.traces).map(|it| ("consent", it.as_str()));
        let details = self.details.iter().chain(&about.details).map(|(name, value)| (*name, value.as_str()));
        let mut shown: Vec<Json> = Vec::new();
        for (name, value) in details.chain(traces) {
            let detail = Json::object([("type", Json::from(name)), ("valueString", Json::from(value))]);
            if !shown.contains(&detail) {
                shown.push(detail);
            }
        }
        let mut facts = match self.exchange {
            Some(exchange) => {
                let value = Json::from(exchange.to_string().as_str());
                let identifier = Json::object([("system", Json::from(EXCHANGE_SYSTEM)), ("value", value)]);
                let what = Json::object([("identifier", identifier)]);
                entity(what, ("4", "Other"), Some(("21", "Job Stream")))
            }
            None if shown.is_empty() => return None,
            None => {
                Json::object([("type", coding(ENTITY_TYPE, "4", "Other")), ("name", Json::from("facts of the event"))])
            }
        };
        if !shown.is_empty()
            && let Some(object) = facts.as_object_mut()
        {
            object.insert("detail", Json::Array(shown));
        }
        Some(facts)
    }
}

fn patient_entity(patient: &str) -> Json {
    entity(reference(&format!("Patient/{patient}")), ("1", "Person"), Some(("1", "Patient")))
}

fn entity(what: Json, kind: (&str, &str), role: Option<(&str, &str)>) -> Json {
    let mut members = vec![("what", what), ("type", coding(ENTITY_TYPE, kind.0, kind.1))];
    if let Some((code, display)) = role {
        members.push(("role", coding(OBJECT_ROLE, code, display)));
    }
    Json::object(members)
}

/// Who tells this: the gateway, as an application server.
fn source() -> Json {
    Json::object([("observer", observer()), ("type", Json::array([server_type()]))])
}
