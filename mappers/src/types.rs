//! What goes into a map and what comes out of it.

use formats::hl7v2::Delimiters;
use model::id::ResourceId;
use model::json::Json;
use model::outcome::Issue;
use model::time::Instant;
use uuid::Uuid;

use crate::trace::{Explained, Loss, Trace, Unmapped};

/// Namespace of the ids that `convert` makes: published, so that anybody gets the same ids from the same message.
///
/// A gateway draws its own namespace instead, so that an id reveals no identifier of a person to who can guess it.
pub const CONVERT_NAMESPACE: Uuid = Uuid::from_u128(0x6f1d_4f0a_6c1e_5b7b_9d52_2f3c_8a40_11e7);

/// What a map needs to know besides the message.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Namespace of the ids (UUID version 5).
    pub namespace: &'a Uuid,
    /// Name of the source: the same identifier from two sources gives two ids. Empty for `convert`.
    pub source: &'a str,
    /// Zone of times without one: an IANA name or `+hh:mm`.
    pub timezone: Option<&'a str>,
    /// Names of assigning authorities (CX.4.1, HD.1) of this source and their URIs; the package's vocabulary map
    /// `AssigningAuthority` comes after them. Empty for `convert`.
    pub authorities: &'a [(String, String)],
    /// When the message was received; nothing is recorded of it if absent.
    pub received: Option<Instant>,
}

impl Default for Context<'_> {
    /// What `convert` uses: the published namespace, no source, no zone.
    fn default() -> Self {
        Self { namespace: &CONVERT_NAMESPACE, source: "", timezone: None, authorities: &[], received: None }
    }
}

/// One patient record merged into another (HL7 v2 A40: MRG into PID).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merge {
    /// The record that stays.
    pub survivor: ResourceId,
    /// The record that is replaced, now inactive.
    pub retired: ResourceId,
}

/// The outcome of a map. Holds patient data.
#[derive(Clone, Debug)]
pub struct Mapped {
    /// A transaction Bundle: `PUT Type/id` entries.
    pub bundle: Json,
    /// Findings, in the order of the message.
    pub issues: Vec<Issue>,
    /// The patient the message is about.
    pub patient: Option<ResourceId>,
    /// Patient records the message merges.
    pub merges: Vec<Merge>,
    pub(crate) trace: Trace,
}

impl Mapped {
    /// What became of each deepest non-empty piece of the message.
    pub fn loss(&self) -> Loss {
        self.trace.loss()
    }

    /// Appends [`Mapped::loss`] as JSON text, as [`Loss::to_json`] has it; costs a fraction of making the lists first.
    pub fn write_loss(&self, out: &mut Vec<u8>) {
        self.trace.write_loss(out);
    }

    /// Appends [`Mapped::explain`] as a JSON array of [`Explained::to_json`].
    pub fn write_explain(&self, out: &mut Vec<u8>) {
        self.trace.write_explain(out);
    }

    /// How many pieces there are, and how many were mapped, kept and dropped. Costs far less than [`Mapped::loss`].
    pub fn loss_counts(&self) -> [usize; 4] {
        self.trace.counts()
    }

    /// Where the message says something that found no home. Costs about what [`Mapped::loss_counts`] does.
    pub fn unmapped(&self) -> Vec<Unmapped> {
        self.trace.unmapped()
    }

    /// Which pieces and which rule made each element.
    pub fn explain(&self) -> Vec<Explained> {
        self.trace.explain()
    }
}

/// What the header of a rendered message says.
#[derive(Clone, Debug, Default)]
pub struct RenderContext {
    /// MSH-9.1, `ADT` or `ORU`; empty: chosen from the resources.
    pub message_code: String,
    /// MSH-9.2, such as `A01`; empty: chosen from the resources.
    pub trigger: String,
    /// MSH-3; empty: as in the Bundle's MessageHeader. The author of a document that is put together of resources.
    pub sending_application: String,
    /// MSH-4; empty: as in the Bundle's MessageHeader.
    pub sending_facility: String,
    /// MSH-5; empty: as in the Bundle's MessageHeader.
    pub receiving_application: String,
    /// MSH-6; empty: as in the Bundle's MessageHeader.
    pub receiving_facility: String,
    /// MSH-10; empty: the Bundle's identifier.
    pub control_id: String,
    /// MSH-7 as an instant; absent: the Bundle's timestamp or that of its Provenance.
    pub time: Option<Instant>,
    /// Zone in which times are written: an IANA name or `+hh:mm`; absent: as they stand.
    pub timezone: Option<String>,
    /// MSH-12, one of [`HL7_VERSIONS`]; empty: as the Bundle's message said, else 2.5.1. What a version that is asked
    /// for does not have goes where the package says, else it is left out with an issue.
    pub version: String,
    /// MSH-1 and MSH-2; none: the recommended ones.
    pub delimiters: Option<Delimiters>,
    /// Names of assigning authorities (HD.1) and the system URIs they stand for, for this receiver.
    pub authorities: Vec<(String, String)>,
}

/// The versions of HL7 v2 a message can be written in.
pub const HL7_VERSIONS: [&str; 12] =
    ["2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1", "2.8.2", "2.9"];

/// A message made from a Bundle. Holds patient data.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The message, segments ended by CR.
    pub bytes: Vec<u8>,
    /// Findings.
    pub issues: Vec<Issue>,
}
