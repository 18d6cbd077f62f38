//! The events against the patterns of IHE BALP 1.1.
//!
//! BALP's package is not part of this repository; its requirements are written down here as profiles of our own (agents,
//! entities and codes by slice), and each is shown to refuse an event that lacks what it asks for.

use std::sync::Arc;

use definitions::{Definitions, Package};
use model::json::{Limits, parse};

use super::*;

const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const ENTITY: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const REST: &str = "http://hl7.org/fhir/restful-interaction";

/// A slice: its name, the pattern of its `type`, how often, and what its members ask for.
struct Slice(&'static str, (&'static str, &'static str), &'static str, &'static [(&'static str, u32, &'static str)]);

const NETWORK: &[(&str, u32, &str)] = &[("who", 1, "1"), ("network", 1, "1")];
const USER: &[(&str, u32, &str)] = &[("who", 1, "1"), ("network", 0, "0"), ("media", 0, "0")];
const WHAT: &[(&str, u32, &str)] = &[("what", 1, "1"), ("role", 1, "1")];

struct Pattern {
    kind: Kind,
    event: (&'static str, &'static str),
    subtype: (&'static str, &'static str),
    action: &'static str,
    agents: &'static [Slice],
    entities: &'static [Slice],
}

const PATIENT: Slice = Slice("patient", (ENTITY, "1"), "1", WHAT);
const DATA: Slice = Slice("data", (ENTITY, "2"), "1", WHAT);
const AUDIT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
const BALP_TYPE: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType";
const TRANSACTION: Slice = Slice("transaction", (BALP_TYPE, "XrequestId"), "1", &[("what.identifier.value", 1, "1")]);

const READ: &[Slice] = &[
    Slice("client", (DCM, "110152"), "1", NETWORK),
    Slice("server", (DCM, "110153"), "1", NETWORK),
    Slice("user", (PARTICIPATION, "IRCP"), "1", USER),
];
const WRITE: &[Slice] = &[
    Slice("client", (DCM, "110153"), "1", NETWORK),
    Slice("server", (DCM, "110152"), "1", NETWORK),
    Slice("user", (PARTICIPATION, "AUT"), "1", USER),
];

const PATTERNS: &[Pattern] = &[
    rest(Kind::Read, "read", "R", READ, &[PATIENT, DATA, TRANSACTION]),
    rest(Kind::Vread, "vread", "R", READ, &[PATIENT, DATA, TRANSACTION]),
    rest(Kind::Create, "create", "C", WRITE, &[PATIENT, DATA, TRANSACTION]),
    rest(Kind::Update, "update", "U", WRITE, &[PATIENT, DATA, TRANSACTION]),
    rest(
        Kind::Delete,
        "delete",
        "D",
        &[
            Slice(
                "client",
                (DCM, "110150"),
                "1",
                &[("who", 1, "1"), ("network", 1, "1"), ("altId", 0, "0"), ("role", 0, "0")],
            ),
            Slice(
                "server",
                ("http://terminology.hl7.org/CodeSystem/provenance-participant-type", "custodian"),
                "1",
                NETWORK,
            ),
            Slice(
                "user",
                (PARTICIPATION, "AUT"),
                "1",
                &[("who", 1, "1"), ("altId", 0, "0"), ("policy", 0, "0"), ("network", 0, "0")],
            ),
        ],
        &[
            PATIENT,
            Slice(
                "data",
                (ENTITY, "2"),
                "1",
                &[("what", 1, "1"), ("role", 1, "1"), ("detail", 0, "0"), ("query", 0, "0")],
            ),
            TRANSACTION,
        ],
    ),
    rest(
        Kind::Search,
        "search",
        "E",
        &[
            Slice("client", (DCM, "110153"), "1", NETWORK),
            Slice("server", (DCM, "110152"), "1", NETWORK),
            Slice("user", (PARTICIPATION, "IRCP"), "1", USER),
        ],
        &[
            PATIENT,
            Slice(
                "query",
                (ENTITY, "2"),
                "1",
                &[("role", 1, "1"), ("query", 1, "1"), ("what", 0, "0"), ("detail", 0, "0")],
            ),
            TRANSACTION,
        ],
    ),
    Pattern {
        kind: Kind::Disclose,
        event: (DCM, "110106"),
        subtype: ("http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle", "disclose"),
        action: "R",
        agents: &[Slice("source", (DCM, "110153"), "1", NETWORK), Slice("recipient", (DCM, "110152"), "1", NETWORK)],
        entities: &[PATIENT],
    },
];

const fn rest(
    kind: Kind,
    subtype: &'static str,
    action: &'static str,
    agents: &'static [Slice],
    entities: &'static [Slice],
) -> Pattern {
    Pattern { kind, event: (AUDIT_TYPE, "rest"), subtype: (REST, subtype), action, agents, entities }
}

/// AuthZ-Consent: the decision beside an event.
const DECISION: Pattern = Pattern {
    kind: Kind::Read,
    event: (DCM, "110113"),
    subtype: ("https://profiles.ihe.net/ITI/BALP/CodeSystem/AuthZsubType", "AuthZ-Consent"),
    action: "E",
    agents: &[
        Slice(
            "client",
            (DCM, "110150"),
            "1",
            &[("who", 1, "1"), ("network", 1, "1"), ("role", 0, "0"), ("altId", 0, "0"), ("purposeOfUse", 0, "0")],
        ),
        Slice("user", (PARTICIPATION, "IRCP"), "1", &[("who", 1, "1"), ("altId", 0, "0"), ("network", 0, "0")]),
        Slice(
            "userorg",
            ("http://terminology.hl7.org/CodeSystem/v3-RoleClass", "PROV"),
            "1",
            &[("who", 1, "1"), ("role", 0, "0"), ("policy", 0, "0"), ("network", 0, "0")],
        ),
        Slice(
            "authorizer",
            ("http://terminology.hl7.org/CodeSystem/extra-security-role-type", "authserver"),
            "1",
            &[("who", 1, "1"), ("role", 0, "0"), ("network", 0, "0"), ("purposeOfUse", 0, "0")],
        ),
    ],
    entities: &[
        PATIENT,
        Slice("consent", ("http://hl7.org/fhir/resource-types", "Consent"), "*", &[("what", 1, "1")]),
        Slice(
            "token",
            ("https://profiles.ihe.net/ITI/BALP/CodeSystem/UserAgentTypes", "UserOauthAgent"),
            "1",
            &[("what.identifier.value", 1, "1")],
        ),
    ],
};

fn coding((system, code): (&str, &str)) -> String {
    format!(r#"{{"system":"{system}","code":"{code}"}}"#)
}

fn slices(name: &str, of_concept: bool, slices: &[Slice], closed: bool) -> String {
    let rules = if closed { "closed" } else { "open" };
    let mut elements = format!(
        r#"{{"id":"AuditEvent.{name}","path":"AuditEvent.{name}","slicing":{{"discriminator":[{{"type":"pattern","path":"type"}}],"rules":"{rules}"}},"min":2}}"#
    );
    for Slice(slice, kind, most, members) in slices {
        let id = format!("AuditEvent.{name}:{slice}");
        elements.push_str(&format!(
            r#",{{"id":"{id}","path":"AuditEvent.{name}","sliceName":"{slice}","min":1,"max":"{most}"}}"#
        ));
        let pattern = match of_concept {
            true => format!(r#""patternCodeableConcept":{{"coding":[{}]}}"#, coding(*kind)),
            false => format!(r#""patternCoding":{}"#, coding(*kind)),
        };
        elements.push_str(&format!(r#",{{"id":"{id}.type","path":"AuditEvent.{name}.type","min":1,{pattern}}}"#));
        for (member, min, max) in *members {
            elements.push_str(&format!(
                r#",{{"id":"{id}.{member}","path":"AuditEvent.{name}.{member}","min":{min},"max":"{max}"}}"#
            ));
        }
    }
    elements
}

fn profile(pattern: &Pattern, closed: bool) -> (String, Json) {
    let url = format!("urn:test:balp:{}", pattern.subtype.1);
    let text = format!(
        r#"{{"resourceType":"StructureDefinition","url":"{url}","name":"P","status":"active","fhirVersion":"4.0.1",
        "kind":"resource","abstract":false,"type":"AuditEvent","derivation":"constraint",
        "baseDefinition":"http://hl7.org/fhir/StructureDefinition/AuditEvent","differential":{{"element":[
        {{"id":"AuditEvent","path":"AuditEvent","constraint":[{{"key":"balp-1","severity":"error","human":"the source is an agent",
          "expression":"agent.where(who = %resource.source.observer).exists()"}}]}},
        {{"id":"AuditEvent.type","path":"AuditEvent.type","patternCoding":{}}},
        {{"id":"AuditEvent.subtype","path":"AuditEvent.subtype","slicing":{{"discriminator":[{{"type":"value","path":"$this"}}],"rules":"open"}},"min":1}},
        {{"id":"AuditEvent.subtype:own","path":"AuditEvent.subtype","sliceName":"own","min":1,"max":"1","patternCoding":{}}},
        {{"id":"AuditEvent.action","path":"AuditEvent.action","min":1,"fixedCode":"{}"}},
        {{"id":"AuditEvent.outcome","path":"AuditEvent.outcome","min":1,"fixedCode":"0"}},
        {},{}]}}}}"#,
        coding(pattern.event),
        coding(pattern.subtype),
        pattern.action,
        slices("agent", true, pattern.agents, false),
        slices("entity", false, pattern.entities, closed),
    );
    (url, parse(text.as_bytes(), &Limits::default()).unwrap())
}

#[track_caller]
fn check(pattern: &Pattern, closed: bool, resource: &Json) {
    let (url, definition) = profile(pattern, closed);
    let definitions = Definitions::r4().with(vec![Package::from_resources(vec![definition])]);
    let validator = Validator::of(Arc::new(definitions));
    let asked = [url.clone()];
    let options = Options { profiles: &asked, ..Options::default() };
    let issues = validator.validate(resource, &options);
    assert!(!model::outcome::any_error(&issues), "{url}: {issues:?}\n{}", resource.pretty());
    // The profile can refuse: without its last agent or its entities the event does not pass.
    for member in ["agent", "entity"] {
        let mut less = resource.clone();
        let list = less.as_object_mut().unwrap().get_mut(member).unwrap().as_array_mut().unwrap();
        list.truncate(1);
        assert!(model::outcome::any_error(&validator.validate(&less, &options)), "{url} without {member}");
    }
}

#[test]
fn interactions_and_disclosures_keep_the_patterns() {
    for pattern in PATTERNS {
        let event = full(pattern.kind);
        check(pattern, false, &read(&event)[0]);
    }
}

#[test]
fn a_consent_decision_keeps_the_pattern_and_names_consent_version_and_token() {
    for kind in [Kind::Read, Kind::Search, Kind::Disclose] {
        let event = if kind == Kind::Disclose { full(kind).token("jti-1") } else { full(kind) };
        let event = event.organisation("Organization/h");
        let made = read(&event);
        let decision = &made[1];
        check(&DECISION, true, decision);
        let text = decision.to_text();
        for part in ["Consent/c1/_history/3", "urn:ietf:params:oauth:jti:jti-1", "Organization/h"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
