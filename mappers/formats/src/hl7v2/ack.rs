//! Acknowledgements. HL7 v2.8.2 chapter 2, "Acknowledgment messages", segments MSA and ERR; HL7 tables 0008, 0357, 0516.

use super::batch::split_batch;
use super::builder::{MessageBuilder, SegmentBuilder};
use super::charset::Charset;
use super::delimiters::Delimiters;
use super::issue::Severity;
use super::message::Message;

/// HL7 table 0008: `A` application (original mode), `C` commit (enhanced mode).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckCode {
    /// `AA`, application accept.
    ApplicationAccept,
    /// `AE`, application error.
    ApplicationError,
    /// `AR`, application reject.
    ApplicationReject,
    /// `CA`, commit accept.
    CommitAccept,
    /// `CE`, commit error.
    CommitError,
    /// `CR`, commit reject.
    CommitReject,
}

impl AckCode {
    /// The code as it is sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApplicationAccept => "AA",
            Self::ApplicationError => "AE",
            Self::ApplicationReject => "AR",
            Self::CommitAccept => "CA",
            Self::CommitError => "CE",
            Self::CommitReject => "CR",
        }
    }
}

/// One error of an acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AckError {
    /// Where, as a [`super::Place`] is written (`PID-3[2].1`); `None` for the message as a whole.
    pub at: Option<String>,
    /// HL7 table 0357, message error condition codes.
    pub condition: u16,
    /// ERR-4.
    pub severity: Severity,
    /// ERR-5, the code that whoever answers has for it, if it has one.
    pub code: Option<String>,
    /// ERR-8, for people: no patient data.
    pub text: String,
}

/// What an acknowledgement says, beside what it takes from the message.
#[derive(Clone, Debug)]
pub struct Acknowledgement<'a> {
    /// MSA-1.
    pub code: AckCode,
    /// MSH-10 of the acknowledgement itself.
    pub control_id: &'a str,
    /// MSH-7 of the acknowledgement, in the form of HL7.
    pub time: &'a str,
    /// MSA-3.
    pub text: &'a str,
    /// One ERR each; one in all for senders before v2.5.
    pub errors: &'a [AckError],
}

/// What an acknowledgement carries for the protocols of chapter 2 beside its answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Control {
    /// MSA-4, the expected sequence number; -1 if the next number is taken as it comes.
    pub expected_sequence: Option<i64>,
    /// It is sent as a message of its own and asks for a commit acknowledgement (MSH-15 `AL`, MSH-16 `NE`).
    pub is_message: bool,
}

/// What an acknowledgement takes from the message it answers.
#[derive(Clone, Debug)]
pub struct Origin {
    delimiters: Delimiters,
    charset: Charset,
    /// MSH-3 to MSH-6, raw.
    parties: [String; 4],
    trigger: String,
    control_id: String,
    processing_id: String,
    version: String,
    declared_charset: String,
}

impl Origin {
    /// From a message that could be read; the usual delimiters take the place of ones that cannot divide an answer.
    pub fn of(message: &Message) -> Self {
        if !message.delimiters().are_complete() {
            return Self::header(message.text().as_bytes());
        }
        let header = |n| message.segment_at(0).map(|msh| msh.field(n).raw().to_owned()).unwrap_or_default();
        Self {
            delimiters: *message.delimiters(),
            charset: message.charset(),
            parties: [header(3), header(4), header(5), header(6)],
            trigger: message.trigger(),
            control_id: header(10),
            processing_id: header(11),
            version: header(12),
            declared_charset: header(18),
        }
    }

    /// From bytes that could not: the first line that looks like a header is read with the usual delimiters, so
    /// that the sender finds its own control id again wherever that is possible.
    pub fn guess(raw: &[u8]) -> Self {
        let batch = split_batch(raw);
        let first = batch.messages.first().map(|part| part.bytes.as_ref()).unwrap_or(raw);
        if let Ok(parsed) = Message::parse(first) {
            return Self::of(&parsed.message);
        }
        Self::header(first)
    }

    fn header(first: &[u8]) -> Self {
        let start = memchr::memmem::find(first, b"MSH").unwrap_or(first.len());
        let rest = first.get(start..).unwrap_or_default();
        let end = rest.iter().position(|b| b.is_ascii_control()).unwrap_or(rest.len()).min(1000);
        let line = String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned();
        let separator = line.chars().nth(3).filter(char::is_ascii_punctuation).unwrap_or('|');
        let usual = Delimiters::default();
        let field = |n: usize| {
            let raw = line.split(separator).nth(n.saturating_sub(1)).unwrap_or_default();
            raw.replace(|c: char| c == char::from(usual.field), " ")
        };
        Self {
            delimiters: usual,
            charset: Charset::UTF_8,
            parties: [field(3), field(4), field(5), field(6)],
            trigger: String::new(),
            control_id: field(10),
            processing_id: field(11),
            version: field(12),
            declared_charset: String::new(),
        }
    }

    fn is_before_2_5(&self) -> bool {
        let mut parts = self.version.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
        let (major, minor) = (parts.next(), parts.next());
        matches!((major, minor), (Some(Ok(2)), Some(Ok(0..=4))) | (Some(Ok(2)), None))
    }
}

/// Writes an acknowledgement: sender and receiver change places, delimiters and character set stay the sender's.
///
/// ERR has the location (ERR-2), table 0357 (ERR-3) and severity (ERR-4) for v2.5 and later, and the older
/// combined ERR-1 for senders of v2.4 and before.
pub fn ack(origin: &Origin, acknowledgement: &Acknowledgement<'_>) -> Vec<u8> {
    ack_with(origin, acknowledgement, Control::default())
}

/// [`ack`] with what the enhanced mode and the sequence number protocol add.
pub fn ack_with(origin: &Origin, acknowledgement: &Acknowledgement<'_>, control: Control) -> Vec<u8> {
    let mut out = MessageBuilder::new(origin.delimiters);
    let before_2_5 = origin.is_before_2_5();
    let [application, facility, our_application, our_facility] = &origin.parties;
    let msh = out.segment("MSH");
    msh.set_raw(3, our_application).set_raw(4, our_facility).set_raw(5, application).set_raw(6, facility);
    msh.field(7, acknowledgement.time).field(9, "ACK");
    if !origin.trigger.is_empty() {
        msh.set(9, 1, 2, 1, &origin.trigger);
        if !before_2_5 {
            msh.set(9, 1, 3, 1, "ACK");
        }
    }
    msh.field(10, acknowledgement.control_id);
    let or = |value: &'_ str, usual: &str| if value.is_empty() { usual.to_owned() } else { value.to_owned() };
    msh.set_raw(11, &or(&origin.processing_id, "P")).set_raw(12, &or(&origin.version, "2.5.1"));
    if control.is_message {
        msh.field(15, "AL").field(16, "NE");
    }
    msh.set_raw(18, &origin.declared_charset);
    let msa = out.segment("MSA");
    msa.field(1, acknowledgement.code.as_str()).set_raw(2, &origin.control_id).field(3, acknowledgement.text);
    if let Some(expected) = control.expected_sequence {
        msa.field(4, &expected.to_string());
    }
    if before_2_5 && !acknowledgement.errors.is_empty() {
        let err = out.segment("ERR");
        for (n, error) in (1..).zip(acknowledgement.errors) {
            old_error(err, n, error);
        }
    } else {
        for error in acknowledgement.errors {
            new_error(out.segment("ERR"), error);
        }
    }
    origin.charset.encode(&out.to_text())
}

/// ERR-1 of v2.4 (datatype ELD): segment, sequence, field, code.
fn old_error(err: &mut SegmentBuilder, repetition: u16, error: &AckError) {
    let at = Location::read(error.at.as_deref().unwrap_or_default());
    err.set(1, repetition, 1, 1, &at.segment).set(1, repetition, 2, 1, &at.ordinal).set(1, repetition, 3, 1, &at.field);
    err.set(1, repetition, 4, 1, &error.condition.to_string());
    err.set(1, repetition, 4, 2, condition_text(error.condition)).set(1, repetition, 4, 3, "HL70357");
}

/// ERR-2 of v2.5 (datatype ERL): segment, sequence, field, repetition, component, subcomponent.
fn new_error(err: &mut SegmentBuilder, error: &AckError) {
    if let Some(at) = &error.at {
        let at = Location::read(at);
        let parts = [&at.segment, &at.ordinal, &at.field, &at.repetition, &at.component, &at.subcomponent];
        for (component, part) in (1..).zip(parts) {
            err.set(2, 1, component, 1, part);
        }
    }
    err.set(3, 1, 1, 1, &error.condition.to_string());
    err.set(3, 1, 2, 1, condition_text(error.condition)).set(3, 1, 3, 1, "HL70357");
    err.field(
        4,
        match error.severity {
            Severity::Information => "I",
            Severity::Warning => "W",
            Severity::Error => "E",
        },
    );
    if let Some(code) = &error.code {
        err.set(5, 1, 1, 1, code).set(5, 1, 3, 1, "L");
    }
    err.field(8, &error.text);
}

#[derive(Default)]
struct Location {
    segment: String,
    ordinal: String,
    field: String,
    repetition: String,
    component: String,
    subcomponent: String,
}

impl Location {
    /// Reads `SEG[n]-F[r].C.S` back; a segment counts from 1 even where the place leaves that out.
    fn read(at: &str) -> Self {
        let (segment, rest) = at.split_once('-').unwrap_or((at, ""));
        let (segment, ordinal) = indexed(segment);
        let mut parts = rest.split('.');
        let (field, repetition) = indexed(parts.next().unwrap_or_default());
        let next = parts.next().unwrap_or_default().to_owned();
        let repetition = if field.is_empty() || !repetition.is_empty() { repetition } else { "1".to_owned() };
        Self {
            ordinal: if segment.is_empty() || !ordinal.is_empty() { ordinal } else { "1".to_owned() },
            segment,
            field,
            repetition,
            component: next,
            subcomponent: parts.next().unwrap_or_default().to_owned(),
        }
    }
}

fn indexed(text: &str) -> (String, String) {
    match text.split_once('[') {
        Some((name, index)) => (name.to_owned(), index.trim_end_matches(']').to_owned()),
        None => (text.to_owned(), String::new()),
    }
}

/// HL7 table 0357.
fn condition_text(condition: u16) -> &'static str {
    match condition {
        0 => "Message accepted",
        100 => "Segment sequence error",
        101 => "Required field missing",
        102 => "Data type error",
        103 => "Table value not found",
        104 => "Value too long",
        198 => "Non-Conformant Cardinality",
        199 => "Other HL7 Error",
        200 => "Unsupported message type",
        201 => "Unsupported event code",
        202 => "Unsupported processing id",
        203 => "Unsupported version id",
        204 => "Unknown key identifier",
        205 => "Duplicate key identifier",
        206 => "Application record locked",
        207 => "Application error",
        _ => "",
    }
}
