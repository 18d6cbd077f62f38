//! An event as a resource: the interaction or disclosure itself, and the consent decision beside it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::json::Writer;

use super::agents::{SERVER, observer};
use super::parts::{Coding, DCM, coding, identifier, reference, template};
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

/// What most events take.
const ROOM: usize = 2048;

const PERSON: Coding = (ENTITY_TYPE, "1", "Person");
const PATIENT: Coding = (OBJECT_ROLE, "1", "Patient");

impl Event {
    /// The event about one patient, or about nobody, as text.
    pub(super) fn resource_about(&self, id: &str, patient: Option<&str>, about: &About) -> Vec<u8> {
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
            out.member("agent").array(|out| self.agents(out));
            source(out.member("source"));
            self.entities(out, patient, about);
        });
        out.into_bytes()
    }

    /// The decision event (IHE BALP 1.1, "AuthZ-Consent"): which consents decided, for whom, with which outcome.
    pub(super) fn decision_event(&self, id: &str, patient: Option<&str>, decided: &Decided) -> Vec<u8> {
        let consents = decided.consents();
        let subtype = match consents.is_empty() {
            true => (BALP_AUTHZ, "AuthZ-Role", "Authorization Decision using only Roles"),
            false => (BALP_AUTHZ, "AuthZ-Consent", "Authorization Decision using Roles and Consent"),
        };
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
            out.member("agent").array(|out| self.decision_agents(out));
            source(out.member("source"));
            if patient.is_none() && consents.is_empty() && self.token.is_none() {
                return;
            }
            out.member("entity").array(|out| {
                patient.iter().for_each(|patient| patient_entity(out, patient));
                for consent in consents {
                    out.object(|out| {
                        reference(out.member("what"), consent);
                        let kind = ("http://hl7.org/fhir/resource-types", "Consent", "Consent");
                        coding(out.member("type"), kind);
                    });
                }
                if let Some(jti) = &self.token {
                    out.object(|out| {
                        identifier(out.member("what"), None, &format!("{JTI}{jti}"));
                        coding(out.member("type"), (BALP_AGENT, "UserOauthAgent", "User OAuth Agent participant"));
                    });
                }
            });
        });
        out.into_bytes()
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

    fn entities(&self, out: &mut Writer, patient: Option<&str>, about: &About) {
        let request = self.client.as_ref().and_then(|client| client.request.as_deref());
        let shown = self.shown(about);
        let references = || self.entities.iter().chain(&about.entities);
        let has_facts = self.exchange.is_some() || !shown.is_empty();
        if patient.is_none() && references().next().is_none() && self.query.is_none() && request.is_none() && !has_facts
        {
            return;
        }
        out.member("entity").array(|out| {
            patient.iter().for_each(|patient| patient_entity(out, patient));
            for text in references() {
                out.object(|out| {
                    reference(out.member("what"), text);
                    coding(out.member("type"), (ENTITY_TYPE, "2", "System Object"));
                    coding(out.member("role"), (OBJECT_ROLE, "4", "Domain Resource"));
                });
            }
            if let Some(digest) = &self.query {
                out.object(|out| {
                    coding(out.member("type"), (ENTITY_TYPE, "2", "System Object"));
                    coding(out.member("role"), (OBJECT_ROLE, "24", "Query"));
                    out.text_member("query", &STANDARD.encode(format!("sha-256:{digest}")));
                });
            }
            if let Some(request) = request {
                out.object(|out| {
                    identifier(out.member("what"), None, request);
                    coding(out.member("type"), (BALP_ENTITY, "XrequestId", "X-Request-Id"));
                });
            }
            if has_facts {
                self.facts(out, &shown);
            }
        });
    }

    /// The facts by name, each once.
    fn shown<'e>(&'e self, about: &'e About) -> Vec<(&'e str, &'e str)> {
        let traces = about.decided.iter().flat_map(|decided| &decided.traces).map(|it| ("consent", it.as_str()));
        let details = self.details.iter().chain(&about.details).map(|(name, value)| (*name, value.as_str()));
        let mut shown = Vec::new();
        for detail in details.chain(traces) {
            if !shown.contains(&detail) {
                shown.push(detail);
            }
        }
        shown
    }

    /// The exchange it belongs to, and the facts.
    fn facts(&self, out: &mut Writer, shown: &[(&str, &str)]) {
        out.object(|out| {
            match self.exchange {
                Some(exchange) => {
                    identifier(out.member("what"), Some(EXCHANGE_SYSTEM), &exchange.to_string());
                    coding(out.member("type"), (ENTITY_TYPE, "4", "Other"));
                    coding(out.member("role"), (OBJECT_ROLE, "21", "Job Stream"));
                }
                None => {
                    coding(out.member("type"), (ENTITY_TYPE, "4", "Other"));
                    out.text_member("name", "facts of the event");
                }
            }
            if shown.is_empty() {
                return;
            }
            out.member("detail").array(|out| {
                for (name, value) in shown {
                    out.object(|out| {
                        out.text_member("type", name);
                        out.text_member("valueString", value);
                    });
                }
            });
        });
    }
}

fn patient_entity(out: &mut Writer, patient: &str) {
    out.object(|out| {
        reference(out.member("what"), &format!("Patient/{patient}"));
        coding(out.member("type"), PERSON);
        coding(out.member("role"), PATIENT);
    });
}

/// Who tells this: the gateway, as an application server.
fn source(out: &mut Writer) {
    out.object(|out| {
        observer(out.member("observer"));
        out.member("type").array(|out| coding(out, SERVER));
    });
}
