//! What has to be known of a message before it is read: whose it is, and which answers it wants.

use formats::hl7v2::Message;

use crate::config::{Config, Match, Source, SourceTransport};

/// When an acknowledgement is wanted. HL7 table 0155.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Always,
    Never,
    OnError,
    OnSuccess,
}

impl When {
    /// An empty field beside one that is given means never.
    fn parse(code: &str) -> Self {
        match code {
            "AL" => Self::Always,
            "ER" => Self::OnError,
            "SU" => Self::OnSuccess,
            _ => Self::Never,
        }
    }

    /// Whether it is wanted after success or failure.
    pub(super) fn on(self, success: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::OnError => !success,
            Self::OnSuccess => success,
        }
    }

    /// Whether it can be wanted at all.
    pub(super) fn may_be(self) -> bool {
        self != Self::Never
    }
}

/// Which acknowledgements the enhanced mode asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) accept: When,
    pub(super) application: When,
}

/// The fields of MSH that matter here.
#[derive(Debug, Default)]
pub(super) struct Header {
    sending_application: String,
    sending_facility: String,
    accept: String,
    application: String,
    /// MSH-9.1.
    code: String,
    /// MSH-13, the whole field.
    sequence: String,
    /// There is nothing but the header.
    is_alone: bool,
}

impl Header {
    /// Reads MSH alone, without the rest of the message; the odd ones (byte order marks, UTF-16) by the whole reader.
    pub(super) fn read(raw: &[u8]) -> Self {
        match raw.strip_prefix(b"MSH").and_then(<[u8]>::first) {
            Some(separator) if separator.is_ascii_punctuation() => Self::split(raw, *separator),
            _ => match Message::parse(raw) {
                Ok(parsed) => Self {
                    sending_application: parsed.message.sending_application(),
                    sending_facility: parsed.message.sending_facility(),
                    accept: parsed.message.accept_acknowledgement(),
                    application: parsed.message.application_acknowledgement(),
                    code: parsed.message.message_code(),
                    sequence: parsed
                        .message
                        .segment_at(0)
                        .map(|msh| msh.field(13).raw().to_owned())
                        .unwrap_or_default(),
                    is_alone: parsed.message.segments().count() == 1,
                },
                Err(_) => Self::default(),
            },
        }
    }

    fn split(raw: &[u8], separator: u8) -> Self {
        let line = raw.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        // MSH-1 is the separator itself, so that MSH-n stands at n - 1.
        let mut fields = line.split(|byte| *byte == separator).skip(1);
        let delimiters = fields.next().unwrap_or_default();
        let component = delimiters.first().copied().unwrap_or(b'^');
        let mut text = |skip: usize| {
            let field = fields.nth(skip).unwrap_or_default();
            let first = field.split(|byte| *byte == component).next().unwrap_or_default();
            String::from_utf8_lossy(first).trim().to_owned()
        };
        let (sending_application, sending_facility) = (text(0), text(0));
        let (code, sequence) = (text(4), text(3));
        let is_alone = raw.get(line.len()..).unwrap_or_default().trim_ascii().is_empty();
        Self { sending_application, sending_facility, accept: text(1), application: text(0), code, sequence, is_alone }
    }

    /// Who sends, by MSH-3 and MSH-4.
    pub(super) fn sender(&self) -> (&str, &str) {
        (&self.sending_application, &self.sending_facility)
    }

    /// Whether it is an acknowledgement and nothing else.
    pub(super) fn is_acknowledgement(&self) -> bool {
        matches!(self.code.as_str(), "ACK" | "MCF")
    }

    /// MSH-13.
    pub(super) fn sequence(&self) -> &str {
        &self.sequence
    }

    /// Whether there is nothing but the header: a message that opens or resets a link.
    pub(super) fn is_alone(&self) -> bool {
        self.is_alone
    }

    /// Whether a message of its own that acknowledges wants to be acknowledged: unless it says never.
    pub(super) fn wants_commit(&self) -> bool {
        !matches!(self.accept.as_str(), "NE" | "ER")
    }

    /// The first MLLP source that fits.
    pub(super) fn source<'c>(&self, config: &'c Config, certificate: Option<&str>) -> Option<&'c Source> {
        let fits = |matches: &Match| {
            matches.sending_application.as_ref().is_none_or(|wanted| *wanted == self.sending_application)
                && matches.sending_facility.as_ref().is_none_or(|wanted| *wanted == self.sending_facility)
                && matches.client_certificate.as_ref().is_none_or(|wanted| Some(wanted.as_str()) == certificate)
        };
        let mut sources = config.sources.iter().filter(|source| source.transport == SourceTransport::Mllp);
        sources.find(|source| fits(&source.matches))
    }

    /// What the enhanced mode asks for; `None` in the original mode.
    pub(super) fn enhanced(&self) -> Option<Wanted> {
        if self.accept.is_empty() && self.application.is_empty() {
            return None;
        }
        Some(Wanted { accept: When::parse(&self.accept), application: When::parse(&self.application) })
    }
}
