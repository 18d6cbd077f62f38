//! An event as a resource: the interaction or disclosure itself, and the consent decision beside it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::json::Writer;

use super::agents::{Agent, SERVER, observer};
use super::found;
use super::parts::{DCM, coding, identifier, reference, template};
use super::{About, Decided, EXCHANGE_SYSTEM, Event, Made, Outcome};

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

/// What most events take.
const ROOM: usize = 2048;

/// One thing an event is about.
enum Entity<'a> {
    Patient(&'a str),
    Resource(&'a str),
    /// The digest of a query.
    Query(&'a str),
    /// The id of the request.
    Request(&'a str),
    /// The exchange it belongs to, and facts by name.
    Facts(Option<String>, Vec<(&'a str, &'a str)>),
    Consent(&'a str),
    Token(&'a str),
}

impl Event {
    /// The event about one patient, or about nobody: its text, and what it is found by.
    pub(super) fn resource_about(&self, id: &str, patient: Option<&str>, about: &About) -> Made {
        let (agents, entities) = (self.agents(), self.entities(patient, about));
        let mut out = Writer::with_capacity(ROOM);
        out.object(|out| {
            out.text_member("resourceType", "AuditEvent");
            out.text_member("id", id);
            for (name, value) in template(self.kind) {
                out.member(name).raw(value);
            }
            match about.refused && self.outcome == Outcome::Success {
                true => self.head(out, Outcome::Refused, Some("not released")),
                false => self.head(out, self.outcome, self.outcome_text.as_deref()),
            }
            parts(out, &agents, &entities);
        });
        Made { index: found::rows(agents.iter().map(|agent| agent.who.found_by())), text: out.into_bytes() }
    }

    /// The decision event (IHE BALP 1.1, "AuthZ-Consent"): which consents decided, for whom, with which outcome.
    pub(super) fn decision_event(&self, id: &str, patient: Option<&str>, decided: &Decided) -> Made {
        let consents = decided.consents();
        let subtype = match consents.is_empty() {
            true => (BALP_AUTHZ, "AuthZ-Role", "Authorization Decision using only Roles"),
            false => (BALP_AUTHZ, "AuthZ-Consent", "Authorization Decision using Roles and Consent"),
        };
        let agents = self.decision_agents();
        let mut entities: Vec<Entity<'_>> = patient.map(Entity::Patient).into_iter().collect();
        entities.extend(consents.into_iter().map(Entity::Consent));
        entities.extend(self.token.as_deref().map(Entity::Token));
        let mut out = Writer::with_capacity(ROOM);
        out.object(|out| {
            out.text_member("resourceType", "AuditEvent");
            out.text_member("id", id);
            coding(out.member("type"), (DCM, "110113", "Security Alert"));
            out.member("subtype").array(|out| coding(out, subtype));
            out.text_member("action", "E");
            match decided.permitted {
                true => self.head(out, Outcome::Success, None),
                false => self.head(out, Outcome::Refused, Some("not released")),
            }
            parts(out, &agents, &entities);
        });
        Made { index: found::rows(agents.iter().map(|agent| agent.who.found_by())), text: out.into_bytes() }
    }

    fn head(&self, out: &mut Writer, outcome: Outcome, text: Option<&str>) {
        out.text_member("recorded", &self.at.to_rfc3339());
        out.text_member("outcome", outcome.code());
        if let Some(text) = text {
            out.text_member("outcomeDesc", text);
        }
        self.purposes("purposeOfEvent", out);
    }

    /// The purposes of use, under this name, if there are any.
    pub(super) fn purposes(&self, name: &str, out: &mut Writer) {
        if self.purposes.is_empty() {
            return;
        }
        out.member(name).array(|out| {
            for (system, code) in &self.purposes {
                out.object(|out| {
                    out.member("coding").array(|out| {
                        out.object(|out| {
                            out.text_member("system", system);
                            out.text_member("code", code);
                        });
                    });
                    if let Some(reason) = &self.reason {
                        out.text_member("text", reason);
                    }
                });
            }
        });
    }

    fn entities<'e>(&'e self, patient: Option<&'e str>, about: &'e About) -> Vec<Entity<'e>> {
        let mut entities: Vec<Entity<'_>> = patient.map(Entity::Patient).into_iter().collect();
        entities.extend(self.entities.iter().chain(&about.entities).map(|text| Entity::Resource(text)));
        entities.extend(self.query.as_deref().map(Entity::Query));
        entities.extend(self.client.as_ref().and_then(|client| client.request.as_deref()).map(Entity::Request));
        let facts = self.facts(about);
        if self.exchange.is_some() || !facts.is_empty() {
            entities.push(Entity::Facts(self.exchange.map(|exchange| exchange.to_string()), facts));
        }
        entities
    }

    /// The facts by name, each once.
    fn facts<'e>(&'e self, about: &'e About) -> Vec<(&'e str, &'e str)> {
        let traces = about.decided.iter().flat_map(|decided| &decided.traces).map(|it| ("consent", it.as_str()));
        let details = self.details.iter().chain(&about.details).map(|(name, value)| (*name, value.as_str()));
        let mut facts = Vec::new();
        for fact in details.chain(traces) {
            if !facts.contains(&fact) {
                facts.push(fact);
            }
        }
        facts
    }
}

impl Entity<'_> {
    fn write(&self, out: &mut Writer) {
        out.object(|out| match self {
            Self::Patient(id) => {
                reference(out.member("what"), &format!("Patient/{id}"));
                coding(out.member("type"), (ENTITY_TYPE, "1", "Person"));
                coding(out.member("role"), (OBJECT_ROLE, "1", "Patient"));
            }
            Self::Resource(text) => {
                reference(out.member("what"), text);
                coding(out.member("type"), (ENTITY_TYPE, "2", "System Object"));
                coding(out.member("role"), (OBJECT_ROLE, "4", "Domain Resource"));
            }
            Self::Query(digest) => {
                coding(out.member("type"), (ENTITY_TYPE, "2", "System Object"));
                coding(out.member("role"), (OBJECT_ROLE, "24", "Query"));
                out.text_member("query", &STANDARD.encode(format!("sha-256:{digest}")));
            }
            Self::Request(id) => {
                identifier(out.member("what"), None, id);
                coding(out.member("type"), (BALP_ENTITY, "XrequestId", "X-Request-Id"));
            }
            Self::Facts(exchange, facts) => {
                match exchange {
                    Some(exchange) => {
                        identifier(out.member("what"), Some(EXCHANGE_SYSTEM), exchange);
                        coding(out.member("type"), (ENTITY_TYPE, "4", "Other"));
                        coding(out.member("role"), (OBJECT_ROLE, "21", "Job Stream"));
                    }
                    None => {
                        coding(out.member("type"), (ENTITY_TYPE, "4", "Other"));
                        out.text_member("name", "facts of the event");
                    }
                }
                details(out, facts);
            }
            Self::Consent(version) => {
                reference(out.member("what"), version);
                coding(out.member("type"), ("http://hl7.org/fhir/resource-types", "Consent", "Consent"));
            }
            Self::Token(jti) => {
                identifier(out.member("what"), None, &format!("{JTI}{jti}"));
                coding(out.member("type"), (BALP_AGENT, "UserOauthAgent", "User OAuth Agent participant"));
            }
        });
    }
}

fn details(out: &mut Writer, facts: &[(&str, &str)]) {
    if facts.is_empty() {
        return;
    }
    out.member("detail").array(|out| {
        for (name, value) in facts {
            out.object(|out| {
                out.text_member("type", name);
                out.text_member("valueString", value);
            });
        }
    });
}

/// Who took part, who tells this (the gateway, as an application server), and what it is about.
fn parts(out: &mut Writer, agents: &[Agent<'_>], entities: &[Entity<'_>]) {
    out.member("agent").array(|out| agents.iter().for_each(|agent| agent.write(out)));
    out.member("source").object(|out| {
        observer(out.member("observer"));
        out.member("type").array(|out| coding(out, SERVER));
    });
    if !entities.is_empty() {
        out.member("entity").array(|out| entities.iter().for_each(|entity| entity.write(out)));
    }
}
