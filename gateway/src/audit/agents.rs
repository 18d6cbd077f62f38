//! Who took part in an event, as IHE BALP 1.1 has it: user, client, server; source and recipient; authoriser.
//!
//! In BALP the client is the destination of what is read, and the source of a query and of what is written.

use std::borrow::Cow;

use model::id::Reference;
use model::json::Writer;

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
    pub(super) fn agents(&self, out: &mut Writer) {
        match self.kind {
            Kind::Receive => {
                let by = self.asked_by();
                Agent::of(SOURCE, Party::of(&by)).requests().write(out);
                Agent::of(DESTINATION, Party::Gateway).write(out);
            }
            Kind::Disclose => self.disclosing(out),
            Kind::Create | Kind::Update => self.asking(out, AUTHOR, SOURCE, DESTINATION),
            Kind::Delete => self.asking(out, AUTHOR, APPLICATION, CUSTODIAN),
            Kind::Search | Kind::Find => self.asking(out, RECIPIENT, SOURCE, DESTINATION),
            _ => self.asking(out, RECIPIENT, DESTINATION, SOURCE),
        }
    }

    /// The user, the application they ask with, and the gateway.
    fn asking(&self, out: &mut Writer, user: Coding, client: Coding, server: Coding) {
        let address = self.client.as_ref().and_then(|client| client.address.as_deref()).map(|address| (address, IP));
        let own = self.client.as_ref().map(|client| (client.server.as_str(), URI));
        let server = Agent { network: own, ..Agent::of(server, Party::Gateway) };
        let by = self.asked_by();
        if let Who::Partner(_) = by.as_ref() {
            // A system that sends by itself: there is no user.
            Agent { network: address, ..Agent::of(client, Party::of(&by)).requests() }.write(out);
        } else {
            let token = self.token.as_deref().filter(|_| self.kind != Kind::Delete);
            Agent { token, event: Some(self), ..Agent::of(user, Party::of(&by)).requests() }.write(out);
            Agent { network: address, ..Agent::of(client, Party::Application) }.write(out);
        }
        server.write(out);
    }

    /// The gateway, the recipient, and the system from which the content came.
    fn disclosing(&self, out: &mut Writer) {
        let network = self.client.as_ref().map(|client| (client.server.as_str(), URI));
        Agent { network, ..Agent::of(SOURCE, Party::Gateway).requests() }.write(out);
        if let Some((who, address)) = &self.recipient {
            let network = address.as_deref().map(|address| (address, URI));
            Agent { network, ..Agent::of(DESTINATION, Party::of(who)) }.write(out);
        }
        if let Some(origin) = &self.requestor {
            Agent::of(AUTHOR, Party::of(origin)).write(out);
        }
    }

    /// Who took part in the decision: user, application, organisation, authoriser.
    pub(super) fn decision_agents(&self, out: &mut Writer) {
        let by = self.asked_by();
        let (user, network) = match (&self.recipient, &self.client) {
            (Some((who, address)), _) if self.kind == Kind::Disclose => {
                (who, address.as_deref().map(|address| (address, URI)))
            }
            (_, Some(client)) => (by.as_ref(), client.address.as_deref().map(|address| (address, IP))),
            _ => (by.as_ref(), None),
        };
        let policy = self.token.as_ref().map(|jti| format!("{JTI}{jti}"));
        let user = Agent { policy, event: Some(self), ..Agent::of(RECIPIENT, Party::of(user)).requests() };
        user.write(out);
        Agent { network, ..Agent::of(APPLICATION, Party::Application) }.write(out);
        match &self.organisation {
            Some(reference) => Agent::of(PROVIDER, Party::Reference(reference)).write(out),
            None => Agent::of(PROVIDER, Party::Named("no organisation named")).write(out),
        }
        Agent::of(AUTHORISER, Party::Gateway).write(out);
    }

    fn asked_by(&self) -> Cow<'_, Who> {
        match &self.requestor {
            Some(who) => Cow::Borrowed(who),
            None => Cow::Owned(Who::Unnamed("anonymous".to_owned())),
        }
    }
}

/// FHIR R4 valueset-network-type.html
const IP: &str = "2";
const URI: &str = "5";

/// Who an agent is.
#[derive(Clone, Copy)]
enum Party<'a> {
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
            Who::Reference(text) => Self::Reference(text),
            Who::Unnamed(text) => Self::Named(text),
            Who::Identifier(system, value) => Self::Identifier(system, value),
            Who::Partner(name) => Self::Identifier(PARTNER_SYSTEM, name),
        }
    }

    fn write(self, out: &mut Writer) {
        match self {
            Self::Application => named(out, "application of the caller"),
            Self::Gateway => observer(out),
            Self::Reference(text) if Reference::parse(text).is_ok() => super::parts::reference(out, text),
            Self::Reference(text) | Self::Named(text) => named(out, text),
            Self::Identifier(system, value) => identifier(out, Some(system), value),
        }
    }
}

struct Agent<'a> {
    kind: Coding,
    who: Party<'a>,
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
    fn write(&self, out: &mut Writer) {
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
