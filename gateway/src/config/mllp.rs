//! What `[[source]]` and `[[destination]]` say about a conversation over MLLP.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::destination::{DestinationTransport, PeerAddress, address};
use super::read::Section;
use super::source::SourceTransport;
use super::units::wait;

const APPLICATION_TIMEOUT: Duration = Duration::from_secs(3600);
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Files for TLS to a partner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartnerTls {
    /// Authorities that sign its certificate; without it those of the machine.
    pub ca_file: Option<PathBuf>,
    /// Our certificate chain, which the partner asks for.
    pub cert_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
}

/// In which order the messages of one sender are processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As they arrived, over all connections of the sender (source, MSH-3, MSH-4).
    Sender,
    /// As they arrived on each connection; connections side by side.
    Connection,
}

/// Where application acknowledgements of the enhanced mode go that are messages of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Where the sender listens for them.
    pub address: PeerAddress,
    /// How it is spoken to.
    pub tls: PartnerTls,
}

/// The conversation with a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceMllp {
    /// Connections at once; `None`: as many as there are places.
    pub connections: Option<usize>,
    /// In which order messages are processed.
    pub order: Order,
    /// Whether MSH-13 is the number of the sequence number protocol.
    pub sequence_numbers: bool,
    /// Whether a batch is answered by a batch.
    pub batch_answer: bool,
    /// Where deferred application acknowledgements go; `None`: on the same connection only.
    pub reply: Option<Reply>,
}

/// Acknowledgement mode towards a destination. HL7 v2.8.2 chapter 2, "Message processing rules".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledgement {
    /// One answer, of the application: MSH-15 and MSH-16 stay empty.
    Original,
    /// A commit acknowledgement, and later one of the application.
    Enhanced(Application),
}

/// MSH-16 (HL7 table 0155).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Application {
    /// `AL`
    Always,
    /// `NE`
    Never,
    /// `ER`
    Error,
    /// `SU`
    Success,
}

impl Application {
    /// The code of table 0155.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "AL",
            Self::Never => "NE",
            Self::Error => "ER",
            Self::Success => "SU",
        }
    }
}

/// The conversation with a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DestinationMllp {
    /// Which acknowledgements are asked for.
    pub acknowledgement: Acknowledgement,
    /// How long an application acknowledgement is waited for.
    pub application_timeout: Duration,
    /// Silence after which TCP asks whether the partner is still there.
    pub keepalive: Duration,
}

impl DestinationMllp {
    /// One message, one answer.
    pub(crate) fn original(keepalive: Duration) -> Self {
        Self { acknowledgement: Acknowledgement::Original, application_timeout: APPLICATION_TIMEOUT, keepalive }
    }
}

pub(super) fn source(section: &mut Section<'_>, transport: SourceTransport, base: &Path) -> SourceMllp {
    let keys = ["connections", "order", "sequence_numbers", "batch_acknowledgement", "application_ack"];
    only_mllp(section, transport == SourceTransport::Mllp, &keys);
    let orders = [("sender", Order::Sender), ("connection", Order::Connection)];
    let example = "\"same-connection\" or \"mllps://ward.example:2576\"";
    let reply = section.take("application_ack", example, |value| match value.as_str().unwrap_or_default() {
        "same-connection" => Ok(None),
        text => address(text, DestinationTransport::Mllp).map(Some),
    });
    let names = ["application_ack_ca_file", "application_ack_cert_file", "application_ack_key_file"];
    let reply = reply.flatten();
    if reply.is_none() {
        only(section, &names, "is for deferred application acknowledgements", "set application_ack to an address");
    }
    let tls = partner_tls(section, base, names, reply.as_ref());
    SourceMllp {
        connections: section.number("connections", 1, "8"),
        order: section.word("order", &orders).unwrap_or(Order::Connection),
        sequence_numbers: section.take("sequence_numbers", "true", truth).unwrap_or(false),
        batch_answer: section.word("batch_acknowledgement", &[("messages", false), ("batch", true)]).unwrap_or(false),
        reply: reply.map(|address| Reply { address, tls }),
    }
}

pub(super) fn destination(section: &mut Section<'_>, transport: DestinationTransport) -> DestinationMllp {
    let keys = ["acknowledgement", "application_ack", "application_ack_timeout", "keepalive"];
    only_mllp(section, transport == DestinationTransport::Mllp, &keys);
    let modes = [("original", false), ("enhanced", true)];
    let enhanced = section.word("acknowledgement", &modes).unwrap_or(false);
    if !enhanced {
        let keys = ["application_ack", "application_ack_timeout"];
        only(section, &keys, "is for the enhanced mode", "set acknowledgement = \"enhanced\"");
    }
    let words = [
        ("always", Application::Always),
        ("never", Application::Never),
        ("error", Application::Error),
        ("success", Application::Success),
    ];
    let application = section.word("application_ack", &words).unwrap_or(Application::Always);
    DestinationMllp {
        acknowledgement: if enhanced { Acknowledgement::Enhanced(application) } else { Acknowledgement::Original },
        application_timeout: section.take("application_ack_timeout", "\"1h\"", wait).unwrap_or(APPLICATION_TIMEOUT),
        keepalive: section.take("keepalive", "\"60s\"", wait).unwrap_or(KEEPALIVE),
    }
}

/// The three files, which must be there, belong together, and are for TLS only.
pub(super) fn partner_tls(
    section: &mut Section<'_>,
    base: &Path,
    [authority, certificate, key]: [&'static str; 3],
    address: Option<&PeerAddress>,
) -> PartnerTls {
    let mut file = |name: &'static str, example: &str| {
        let path = base.join(section.text(name, example)?);
        if !path.is_file() {
            let key = section.key(name);
            let text = format!("no file at {}", path.display());
            section.findings.error(key, text, "paths are relative to the configuration file");
        }
        Some(path)
    };
    let tls = PartnerTls {
        ca_file: file(authority, "\"partner-ca.pem\""),
        cert_file: file(certificate, "\"our-certificate.pem\""),
        key_file: file(key, "\"our-key.pem\""),
    };
    if tls.cert_file.is_some() != tls.key_file.is_some() {
        let (given, other) = if tls.cert_file.is_some() { (certificate, key) } else { (key, certificate) };
        let given = section.key(given);
        section.findings.error(given, "a certificate and its key go together", format!("set {other}, too"));
    }
    if address.is_some_and(|address| !address.tls) && (tls.cert_file.is_some() || tls.key_file.is_some()) {
        let given = section.key(certificate);
        let text = "a certificate is shown in TLS only";
        section.findings.error(given, text, "begin the address with mllps:// or https://");
    }
    tls
}

fn only_mllp(section: &mut Section<'_>, is_mllp: bool, keys: &[&'static str]) {
    if !is_mllp {
        only(section, keys, "is for transport mllp", "remove it, or set transport = \"mllp\"");
    }
}

fn only(section: &mut Section<'_>, keys: &[&'static str], message: &str, suggestion: &str) {
    for key in keys {
        if section.has(key) {
            let key = section.key(key);
            section.findings.error(key, message, suggestion);
        }
    }
}

fn truth(value: &toml::Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "expected true or false".to_owned())
}
