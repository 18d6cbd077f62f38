//! Who took part in an event, as IHE BALP 1.1 has it: user, client, server; source and recipient; authoriser.
//!
//! In BALP the client is the destination of what is read, and the source of a query and of what is written.

use model::id::Reference;
use model::json::Writer;

use super::found::FoundBy;
use super::parts::{Coding, DCM, concept, identifier};
use super::resource::JTI;
use super::{Event, Kind, PARTNER_SYSTEM, Who};

const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const ROLE_CLASS: &str = "http://terminology.hl7.org/CodeSystem/v3-RoleClass";
const SECURITY_ROLE: &str = "http://terminology.hl7.org/CodeSystem/extra-security-role-type";
const PROVENANCE_ROLE: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";
const SOURCE_TYPE: &str = "http://terminology.hl7.org/CodeSystem/security-source-type";

const SOURCE: Coding = (DCM, "110153", "Source Role ID");
const DESTINATION: Coding = (DCM, "110152", "Destination Role ID");
const APPLICATION: Coding = (DCM, "110150", "Application");
const RECIPIENT: Coding = (PARTICIPATION, "IRCP", "information recipient");
const AUTHOR: Coding = (PARTICIPATION, "AUT", "author (originator)");
const PROVIDER: Coding = (ROLE_CLASS, "PROV", "healthcare provider");
const AUTHORISER: Coding = (SECURITY_ROLE, "authserver", "authorization server");
const CUSTODIAN: Coding = (PROVENANCE_ROLE, "custodian", "Custodian");
/// What the gateway is as a source of events.
pub(super) const SERVER: Coding = (SOURCE_TYPE, "4", "Application Server");

impl Event {
    /// Who took part; the requestor first.
    pub(super) fn agents(&self) -> Vec<Agent<'_>> {
        match self.kind {
            Kind::Receive => {
                vec![Agent::of(SOURCE, self.asked_by()).requests(), Agent::of(DESTINATION, Party::Gateway)]
            }
            Kind::Disclose => self.disclosing(),
            Kind::Create | Kind::Update => self.asking(AUTHOR, SOURCE, DESTINATION),
            Kind::Delete => self.asking(AUTHOR, APPLICATION, CUSTODIAN),
            Kind::Search | Kind::Find => self.asking(RECIPIENT, SOURCE, DESTINATION),
            _ => self.asking(RECIPIENT, DESTINATION, SOURCE),
        }
    }

    /// The user, the application they ask with, and the gateway.
    fn asking(&self, user: Coding, client: Coding, server: Coding) -> Vec<Agent<'_>> {
        let address = self.client.as_ref().and_then(|client| client.address.as_deref()).map(|address| (address, IP));
        let own = self.client.as_ref().map(|client| (client.server.as_str(), URI));
        let server = Agent { network: own, ..Agent::of(server, Party::Gateway) };
        if let Some(Who::Partner(_)) = self.requestor {
            // A system that sends by itself: there is no user.
            return vec![Agent { network: address, ..Agent::of(client, self.asked_by()).requests() }, server];
        }
        let token = self.token.as_deref().filter(|_| self.kind != Kind::Delete);
        let user = Agent { token, event: Some(self), ..Agent::of(user, self.asked_by()).requests() };
        vec![user, Agent { network: address, ..Agent::of(client, Party::Application) }, server]
    }

    /// The gateway, the recipient, and the system from which the content came.
    fn disclosing(&self) -> Vec<Agent<'_>> {
        let network = self.client.as_ref().map(|client| (client.server.as_str(), URI));
        let mut agents = vec![Agent { network, ..Agent::of(SOURCE, Party::Gateway).requests() }];
        if let Some((who, address)) = &self.recipient {
            let network = address.as_deref().map(|address| (address, URI));
            agents.push(Agent { network, ..Agent::of(DESTINATION, Party::of(who)) });
        }
        agents.extend(self.requestor.iter().map(|origin| Agent::of(AUTHOR, Party::of(origin))));
        agents
    }

    /// Who took part in the decision: user, application, organisation, authoriser.
    pub(super) fn decision_agents(&self) -> Vec<Agent<'_>> {
        let (user, network) = match (&self.recipient, &self.client) {
            (Some((who, address)), _) if self.kind == Kind::Disclose => {
                (Party::of(who), address.as_deref().map(|address| (address, URI)))
            }
            (_, Some(client)) => (self.asked_by(), client.address.as_deref().map(|address| (address, IP))),
            _ => (self.asked_by(), None),
        };
        let policy = self.token.as_ref().map(|jti| format!("{JTI}{jti}"));
        let organisation = match self.organisation.as_deref() {
            Some(text) if Reference::parse(text).is_ok() => Party::Reference(text),
            Some(text) => Party::Named(text),
            None => Party::Named("no organisation named"),
        };
        vec![
            Agent { policy, event: Some(self), ..Agent::of(RECIPIENT, user).requests() },
            Agent { network, ..Agent::of(APPLICATION, Party::Application) },
            Agent::of(PROVIDER, organisation),
            Agent::of(AUTHORISER, Party::Gateway),
        ]
    }

    fn asked_by(&self) -> Party<'_> {
        self.requestor.as_ref().map_or(Party::Named("anonymous"), Party::of)
    }
}

/// FHIR R4 valueset-network-type.html
const IP: &str = "2";
const URI: &str = "5";

/// Who an agent is.
#[derive(Clone, Copy)]
pub(super) enum Party<'a> {
    /// The application a caller asks with: tokens do not name one.
    Application,
    Gateway,
    Reference(&'a str),
    Named(&'a str),
    Identifier(&'a str, &'a str),
}

impl<'a> Party<'a> {
    fn of(who: &'a Who) -> Self {
        match who {
            Who::Reference(text) if Reference::parse(text).is_ok() => Self::Reference(text),
            Who::Reference(text) | Who::Unnamed(text) => Self::Named(text),
            Who::Identifier(system, value) => Self::Identifier(system, value),
            Who::Partner(name) => Self::Identifier(PARTNER_SYSTEM, name),
        }
    }

    fn write(self, out: &mut Writer) {
        match self {
            Self::Application => named(out, "application of the caller"),
            Self::Gateway => observer(out),
            Self::Reference(text) => super::parts::reference(out, text),
            Self::Named(text) => named(out, text),
            Self::Identifier(system, value) => identifier(out, Some(system), value),
        }
    }

    /// What it is found by.
    pub(super) fn found_by(self) -> FoundBy<'a> {
        match self {
            Self::Reference(text) => FoundBy::Reference(text),
            Self::Identifier(system, value) => FoundBy::Identifier(system, value),
            Self::Application | Self::Gateway | Self::Named(_) => FoundBy::Nothing,
        }
    }
}

/// One who took part.
pub(super) struct Agent<'a> {
    kind: Coding,
    pub(super) who: Party<'a>,
    requestor: bool,
    token: Option<&'a str>,
    policy: Option<String>,
    /// Whose roles and purposes the agent has.
    event: Option<&'a Event>,
    network: Option<(&'a str, &'static str)>,
}

impl<'a> Agent<'a> {
    fn of(kind: Coding, who: Party<'a>) -> Self {
        Self { kind, who, requestor: false, token: None, policy: None, event: None, network: None }
    }

    fn requests(self) -> Self {
        Self { requestor: true, ..self }
    }

    /// Members in the order of the definition.
    pub(super) fn write(&self, out: &mut Writer) {
        out.object(|out| {
            concept(out.member("type"), self.kind);
            if let Some(event) = self.event.filter(|event| !event.roles.is_empty()) {
                out.member("role").array(|out| {
                    event.roles.iter().for_each(|role| out.object(|out| out.text_member("text", role)));
                });
            }
            self.who.write(out.member("who"));
            if let Some(jti) = self.token {
                out.text_member("altId", jti);
            }
            out.member("requestor").flag(self.requestor);
            if let Some(policy) = &self.policy {
                out.member("policy").array(|out| out.text(policy));
            }
            if let Some((address, kind)) = self.network {
                out.member("network").object(|out| {
                    out.text_member("address", address);
                    out.text_member("type", kind);
                });
            }
            if let Some(event) = self.event {
                event.purposes("purposeOfUse", out);
            }
        });
    }
}

/// The gateway, as source and as agent: BALP wants the same text in both places.
pub(super) fn observer(out: &mut Writer) {
    named(out, "Anchorline");
}

fn named(out: &mut Writer, text: &str) {
    out.object(|out| out.text_member("display", text));
}
