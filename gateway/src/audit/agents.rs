//! Who took part in an event, as IHE BALP 1.1 has it: user, client, server; source and recipient; authoriser.
//!
//! In BALP the client is the destination of what is read, and the source of a query and of what is written.

use model::id::Reference;
use model::json::Json;

use super::parts::{DCM, coding, concept};
use super::resource::JTI;
use super::{Event, Kind, PARTNER_SYSTEM, Who};

const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const ROLE_CLASS: &str = "http://terminology.hl7.org/CodeSystem/v3-RoleClass";
const SECURITY_ROLE: &str = "http://terminology.hl7.org/CodeSystem/extra-security-role-type";
const PROVENANCE_ROLE: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";
const SOURCE_TYPE: &str = "http://terminology.hl7.org/CodeSystem/security-source-type";

impl Event {
    /// Who took part; the requestor first.
    pub(super) fn agents(&self) -> Vec<Json> {
        let source = || concept(DCM, "110153", "Source Role ID");
        let destination = || concept(DCM, "110152", "Destination Role ID");
        let recipient = || concept(PARTICIPATION, "IRCP", "information recipient");
        let author = || concept(PARTICIPATION, "AUT", "author (originator)");
        match self.kind {
            Kind::Receive => vec![
                Agent::of(source(), &self.asked_by()).requests().json(),
                Agent { who: observer(), ..Agent::unnamed(destination()) }.json(),
            ],
            Kind::Disclose => self.disclosing(source(), destination(), author()),
            Kind::Create | Kind::Update => self.asking(author(), source(), destination()),
            Kind::Delete => self.asking(
                author(),
                concept(DCM, "110150", "Application"),
                concept(PROVENANCE_ROLE, "custodian", "Custodian"),
            ),
            Kind::Search | Kind::Find => self.asking(recipient(), source(), destination()),
            _ => self.asking(recipient(), destination(), source()),
        }
    }

    /// The user, the application they ask with, and the gateway.
    fn asking(&self, user: Json, client: Json, server: Json) -> Vec<Json> {
        let network = self.client.as_ref();
        let address = network.and_then(|client| client.address.as_deref());
        let server = Agent {
            who: observer(),
            network: network.map(|client| (client.server.clone(), URI)),
            ..Agent::unnamed(server)
        };
        let by = self.asked_by();
        let network = address.map(|address| (address.to_owned(), IP));
        if let Who::Partner(_) = by {
            // A system that sends by itself: there is no user.
            return vec![Agent { network, ..Agent::of(client, &by).requests() }.json(), server.json()];
        }
        let user = Agent {
            token: self.token.clone().filter(|_| self.kind != Kind::Delete),
            roles: self.roles.clone(),
            purposes: self.purposes.iter().map(|purpose| self.purpose_concept(purpose)).collect(),
            ..Agent::of(user, &by).requests()
        };
        vec![user.json(), Agent { network, ..Agent::unnamed(client) }.json(), server.json()]
    }

    /// The gateway, the recipient, and the system from which the content came.
    fn disclosing(&self, source: Json, destination: Json, author: Json) -> Vec<Json> {
        let network = self.client.as_ref().map(|client| (client.server.clone(), URI));
        let mut agents = vec![Agent { who: observer(), network, ..Agent::unnamed(source).requests() }.json()];
        if let Some((who, address)) = &self.recipient {
            let network = address.clone().map(|address| (address, URI));
            agents.push(Agent { network, ..Agent::of(destination, who) }.json());
        }
        if let Some(origin) = &self.requestor {
            agents.push(Agent::of(author, origin).json());
        }
        agents
    }

    /// Who took part in the decision: user, application, organisation, authoriser.
    pub(super) fn decision_agents(&self) -> Vec<Json> {
        let (user, network) = match (&self.recipient, &self.client) {
            (Some((who, address)), _) if self.kind == Kind::Disclose => {
                (who.clone(), address.clone().map(|address| (address, URI)))
            }
            (_, Some(client)) => (self.asked_by(), client.address.clone().map(|address| (address, IP))),
            _ => (self.asked_by(), None),
        };
        let client = Agent { network, ..Agent::unnamed(concept(DCM, "110150", "Application")) };
        let user = Agent {
            policy: self.token.iter().map(|jti| format!("{JTI}{jti}")).collect(),
            roles: self.roles.clone(),
            purposes: self.purposes.iter().map(|purpose| self.purpose_concept(purpose)).collect(),
            ..Agent::of(concept(PARTICIPATION, "IRCP", "information recipient"), &user).requests()
        };
        let provider = concept(ROLE_CLASS, "PROV", "healthcare provider");
        let organisation = match &self.organisation {
            Some(reference) => Agent::of(provider, &Who::Reference(reference.clone())),
            None => Agent { who: named("no organisation named"), ..Agent::unnamed(provider) },
        };
        let authoriser =
            Agent { who: observer(), ..Agent::unnamed(concept(SECURITY_ROLE, "authserver", "authorization server")) };
        vec![user.json(), client.json(), organisation.json(), authoriser.json()]
    }

    fn asked_by(&self) -> Who {
        self.requestor.clone().unwrap_or_else(|| Who::Unnamed("anonymous".to_owned()))
    }
}

/// FHIR R4 valueset-network-type.html
const IP: &str = "2";
const URI: &str = "5";

struct Agent {
    kind: Json,
    who: Json,
    requestor: bool,
    token: Option<String>,
    policy: Vec<String>,
    roles: Vec<String>,
    purposes: Vec<Json>,
    network: Option<(String, &'static str)>,
}

impl Agent {
    /// An application that has no name here: tokens do not name one.
    fn unnamed(kind: Json) -> Self {
        Self {
            kind,
            who: named("application of the caller"),
            requestor: false,
            token: None,
            policy: Vec::new(),
            roles: Vec::new(),
            purposes: Vec::new(),
            network: None,
        }
    }

    fn of(kind: Json, who: &Who) -> Self {
        Self { who: reference_to(who), ..Self::unnamed(kind) }
    }

    fn requests(self) -> Self {
        Self { requestor: true, ..self }
    }

    /// Members in the order of the definition.
    fn json(self) -> Json {
        let texts = |texts: &[String]| Json::array(texts.iter().map(|text| Json::from(text.as_str())));
        let mut members = vec![("type", self.kind)];
        if !self.roles.is_empty() {
            let role = |role: &String| Json::object([("text", Json::from(role.as_str()))]);
            members.push(("role", Json::array(self.roles.iter().map(role))));
        }
        members.push(("who", self.who));
        if let Some(jti) = &self.token {
            members.push(("altId", Json::from(jti.as_str())));
        }
        members.push(("requestor", Json::from(self.requestor)));
        if !self.policy.is_empty() {
            members.push(("policy", texts(&self.policy)));
        }
        if let Some((address, kind)) = self.network {
            let network = [("address", Json::from(address.as_str())), ("type", Json::from(kind))];
            members.push(("network", Json::object(network)));
        }
        if !self.purposes.is_empty() {
            members.push(("purposeOfUse", Json::Array(self.purposes)));
        }
        Json::object(members)
    }
}

/// The gateway, as source and as agent: BALP wants the same text in both places.
pub(super) fn observer() -> Json {
    named("Anchorline")
}

pub(super) fn server_type() -> Json {
    coding(SOURCE_TYPE, "4", "Application Server")
}

fn named(text: &str) -> Json {
    Json::object([("display", Json::from(text))])
}

fn reference_to(who: &Who) -> Json {
    let identifier = |system: &str, value: &str| {
        let pair = [("system", Json::from(system)), ("value", Json::from(value))];
        Json::object([("identifier", Json::object(pair))])
    };
    match who {
        Who::Reference(text) if Reference::parse(text).is_ok() => super::parts::reference(text),
        Who::Reference(text) | Who::Unnamed(text) => named(text),
        Who::Identifier(system, value) => identifier(system, value),
        Who::Partner(name) => identifier(PARTNER_SYSTEM, name),
    }
}
