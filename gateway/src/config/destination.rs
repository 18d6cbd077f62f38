//! `[[destination]]`: who is forwarded to, as whom the consents know them, and how often it is tried.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use formats::hl7v2::Delimiters;
use toml::Table;

use super::fhir::{self, DestinationFhir};
use super::mappings;
use super::mllp::{self, DestinationMllp, PartnerTls};
use super::read::{Findings, Section, closest};
use super::source::{name, required};

/// How a destination is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DestinationTransport {
    /// A transaction Bundle by POST to a FHIR base.
    Fhir,
    /// HL7 v2 over MLLP.
    Mllp,
    /// C-CDA documents by POST to an address.
    Http,
}

/// Where a partner listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerAddress {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Path of a FHIR base, without the last slash.
    pub path: String,
}

/// When a failed delivery is tried again, and when it is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all.
    pub attempts: u32,
    /// Wait after the first; doubled each time.
    pub first: Duration,
    /// Longest wait.
    pub longest: Duration,
    /// How long one attempt may take.
    pub timeout: Duration,
}

/// About two days of trying: a partner's outage over a weekend's night costs nothing.
const PATIENT: Retry = Retry {
    attempts: 200,
    first: Duration::from_secs(1),
    longest: Duration::from_secs(900),
    timeout: Duration::from_secs(30),
};
const STANDARD: Retry = Retry {
    attempts: 20,
    first: Duration::from_secs(1),
    longest: Duration::from_secs(300),
    timeout: Duration::from_secs(30),
};
/// For application acknowledgements: about an hour.
pub(crate) const ANSWERS: Retry = STANDARD;
const QUICK: Retry = Retry {
    attempts: 4,
    first: Duration::from_millis(100),
    longest: Duration::from_secs(2),
    timeout: Duration::from_secs(5),
};
const ONCE: Retry =
    Retry { attempts: 1, first: Duration::ZERO, longest: Duration::ZERO, timeout: Duration::from_secs(30) };

/// A configured receiver.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Its name.
    pub name: String,
    /// How it is reached.
    pub transport: DestinationTransport,
    /// Where it listens.
    pub address: PeerAddress,
    /// Authorities that sign its certificate, and ours.
    pub tls: PartnerTls,
    /// References by which consents know the receiver.
    pub recipient: Vec<String>,
    /// Roles by which consents know the receiver.
    pub roles: Vec<String>,
    /// What the receiver uses the data for; all must be permitted.
    pub purpose: Vec<String>,
    /// When a failed delivery is tried again.
    pub retry: Retry,
    /// Names of mapping packages; the first writes HL7 v2 for it. Empty: the package for the format.
    pub packages: Vec<String>,
    /// Those of them that the configuration gives by folder.
    pub package_folders: Vec<PathBuf>,
    /// Version of HL7 v2 to write, as MSH-12 has it; as the message came, without it.
    pub hl7_version: Option<String>,
    /// MSH-1 and MSH-2 to write; the recommended ones, without it.
    pub hl7_delimiters: Option<Delimiters>,
    /// Names of assigning authorities as this receiver knows them, each with its URI; before those of the source.
    pub authorities: Vec<(String, String)>,
    /// The conversation over MLLP.
    pub mllp: DestinationMllp,
    /// How a FHIR endpoint is written to.
    pub fhir: DestinationFhir,
    /// LOINC code of the documents to write; empty: that of the Composition, else a continuity of care document.
    pub document_type: String,
}

pub(super) fn read(tables: Vec<Table>, base: &Path, findings: &mut Findings) -> Vec<Destination> {
    let mut names = HashSet::new();
    tables
        .into_iter()
        .enumerate()
        .map(|(index, table)| {
            let mut section = Section::new(format!("destination[{}]", index + 1), table, findings);
            let name = name(&mut section, &mut names, "\"clinic\"");
            let transports = [
                ("fhir", Some(DestinationTransport::Fhir)),
                ("mllp", Some(DestinationTransport::Mllp)),
                ("http", Some(DestinationTransport::Http)),
                ("file", None),
            ];
            let given = section.word("transport", &transports);
            match given {
                Some(Some(_)) => {}
                Some(None) => {
                    let key = section.key("transport");
                    section.findings.error(
                        key,
                        "destinations that are folders are not in this release",
                        "write \"fhir\", \"mllp\" or \"http\"",
                    );
                }
                None => required(&mut section, "transport", "write \"fhir\", \"mllp\" or \"http\""),
            }
            let transport = given.flatten().unwrap_or(DestinationTransport::Fhir);
            let example = match transport {
                DestinationTransport::Fhir => "\"https://clinic.example/fhir\"",
                DestinationTransport::Mllp => "\"127.0.0.1:6661\" or \"mllps://clinic.example:2575\"",
                DestinationTransport::Http => "\"https://clinic.example/documents\"",
            };
            let address =
                section.take("address", example, |value| address(value.as_str().unwrap_or_default(), transport));
            if address.is_none() && given.is_some() {
                required(&mut section, "address", &format!("for example {example}"));
            }
            let formats: &[(&str, DestinationTransport)] = &[
                ("fhir-r4", DestinationTransport::Fhir),
                ("hl7v2", DestinationTransport::Mllp),
                ("ccda", DestinationTransport::Http),
            ];
            if let Some(format) = section.word("format", formats)
                && format != transport
            {
                let key = section.key("format");
                section.findings.error(
                    key,
                    "this transport carries another format",
                    "fhir carries fhir-r4, mllp carries hl7v2, http carries ccda",
                );
            }
            let files = ["ca_file", "cert_file", "key_file"];
            let tls = mllp::partner_tls(&mut section, base, files, address.as_ref());
            let conversation = mllp::destination(&mut section, transport);
            let fhir = fhir::destination(&mut section, transport);
            let recipient = section.texts("recipient", "[\"Organization/clinic\"]").unwrap_or_default();
            if recipient.is_empty() {
                let key = section.key("recipient");
                section.findings.notice(
                    key,
                    "is not given: no consent can permit, all is withheld",
                    "for example [\"Organization/clinic\"]",
                );
            }
            let purpose = section.texts("purpose", "[\"TREAT\"]").unwrap_or_else(|| vec!["TREAT".to_owned()]);
            if purpose.is_empty() || purpose.iter().any(String::is_empty) {
                let key = section.key("purpose");
                section.findings.error(key, "expected at least one purpose", "for example [\"TREAT\"]");
            }
            if purpose.iter().any(|code| code.rsplit('|').next().is_some_and(|code| code.eq_ignore_ascii_case("BTG"))) {
                let key = section.key("purpose");
                // Break-glass is one person's act for one patient; a standing feed cannot declare it.
                section.findings.error(key, "BTG cannot be the purpose of a destination", "use TREAT or ETREAT");
            }
            let retries = [("standard", STANDARD), ("patient", PATIENT), ("quick", QUICK), ("once", ONCE)];
            let (packages, package_folders) = mappings::packages(&mut section, base);
            let authorities = mappings::authorities(&mut section);
            let hl7_version = section.take("hl7_version", "\"2.5.1\"", version);
            let hl7_delimiters = section.take("hl7_delimiters", "'|^~\\&'", delimiters);
            if transport != DestinationTransport::Mllp && (hl7_version.is_some() || hl7_delimiters.is_some()) {
                let key = section.key("hl7_version");
                section.findings.error(key, "only HL7 v2 has versions and delimiters", "take it out, or use mllp");
            }
            let document_type = section.take("document_type", "\"ccd\"", |value| {
                crate::convert::target::document_type(value.as_str().unwrap_or_default())
            });
            if transport != DestinationTransport::Http && document_type.is_some() {
                let key = section.key("document_type");
                section.findings.error(key, "is for transport http", "remove it, or set transport = \"http\"");
            }
            let destination = Destination {
                name,
                transport,
                address: address.unwrap_or(PeerAddress {
                    host: String::new(),
                    port: 0,
                    tls: false,
                    path: String::new(),
                }),
                tls,
                mllp: conversation,
                fhir,
                document_type: document_type.unwrap_or_default(),
                recipient,
                roles: section.texts("roles", "[\"clinician\"]").unwrap_or_default(),
                purpose,
                retry: section.word("retry", &retries).unwrap_or(STANDARD),
                packages,
                package_folders,
                hl7_version,
                hl7_delimiters,
                authorities,
            };
            section.finish();
            destination
        })
        .collect()
}

pub(super) fn address(text: &str, transport: DestinationTransport) -> Result<PeerAddress, String> {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (scheme, rest),
        None => ("", text),
    };
    let schemes: &[(&str, bool)] = match transport {
        DestinationTransport::Fhir | DestinationTransport::Http => &[("https", true), ("http", false)],
        DestinationTransport::Mllp => &[("", false), ("mllp", false), ("mllps", true)],
    };
    let Some((_, tls)) = schemes.iter().find(|(name, _)| *name == scheme) else {
        let names: Vec<&str> = schemes.iter().map(|(name, _)| *name).filter(|name| !name.is_empty()).collect();
        return Err(match closest(scheme, &names) {
            Some(near) if !scheme.is_empty() => format!("expected {near}://"),
            _ => format!("expected an address that begins with {}://", names.join(":// or ")),
        });
    };
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at_checked(slash).unwrap_or((rest, "")),
        None => (rest, ""),
    };
    let (host, port) = match authority.parse::<SocketAddr>() {
        Ok(address) => (address.ip().to_string(), address.port()),
        Err(_) => match authority.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') => {
                (host.to_owned(), port.parse().map_err(|_| "expected a port number".to_owned())?)
            }
            _ => match (transport, tls) {
                (DestinationTransport::Fhir | DestinationTransport::Http, true) => (authority.to_owned(), 443),
                (DestinationTransport::Fhir | DestinationTransport::Http, false) => (authority.to_owned(), 80),
                (DestinationTransport::Mllp, _) => return Err("expected an address with its port".to_owned()),
            },
        },
    };
    if host.is_empty() || host.contains(['@', ' ', '?', '#']) {
        return Err("expected a host name".to_owned());
    }
    let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if !tls && !loopback {
        return Err("patient data leaves this machine in TLS only: expected https:// or mllps://".to_owned());
    }
    Ok(PeerAddress { host, port, tls: *tls, path: path.trim_end_matches('/').to_owned() })
}

fn version(value: &toml::Value) -> Result<String, String> {
    let text = value.as_str().unwrap_or_default();
    match mappers::HL7_VERSIONS.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(format!("expected a version of HL7 v2: {}", mappers::HL7_VERSIONS.join(", "))),
    }
}

fn delimiters(value: &toml::Value) -> Result<Delimiters, String> {
    let found = Delimiters::parse(value.as_str().unwrap_or_default());
    let expected = "expected five different delimiters: field, component, repetition, escape, subcomponent";
    found.ok_or_else(|| expected.to_owned())
}
