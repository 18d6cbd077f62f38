//! Who asks, and for what.

use model::id::Identifier;
use model::time::Instant;
use smol_str::SmolStr;

use crate::vocabulary::{ACT_REASON, canonical, purpose_index};

/// The word is not one of those the interface knows; holds what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct UnknownWord {
    /// The words that are known.
    pub expected: &'static str,
}

/// Who asks: everything the caller goes by, resolved before the decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actor {
    /// References: person, role, organisation, groups, care teams (`Practitioner/a`); the first is the person.
    pub refs: Vec<SmolStr>,
    /// Business identifiers.
    pub identifiers: Vec<Identifier>,
    /// Role names of the token or the destination; the implicit policy for treatment asks for `clinician`.
    pub roles: Vec<SmolStr>,
    /// May declare break-glass. A role alone never gives this.
    pub emergency_authorised: bool,
    /// The patient (`Patient/id`) the token is bound to: for a patient's own access.
    pub bound_patient: Option<SmolStr>,
    /// Other records (`Patient/id`) that were merged with the bound patient's: the same person.
    pub bound_records: Vec<SmolStr>,
}

/// A purpose of use: a v3-ActReason code, or a code of another system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purpose {
    system: SmolStr,
    code: SmolStr,
    index: Option<u8>,
}

impl Purpose {
    /// Reads `CODE` (v3-ActReason) or `SYSTEM|CODE`.
    pub fn parse(text: &str) -> Self {
        let (system, code) = text.rsplit_once('|').unwrap_or((ACT_REASON, text));
        let system = canonical(if system.is_empty() { ACT_REASON } else { system });
        let index = if system == ACT_REASON { purpose_index(code) } else { None };
        Self { system: SmolStr::new(system), code: SmolStr::new(code), index }
    }

    /// The code system.
    pub fn system(&self) -> &str {
        &self.system
    }

    /// The code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Whether this is the break-glass purpose.
    pub fn is_btg(&self) -> bool {
        self.code == "BTG" && self.system == ACT_REASON
    }

    /// Whether this is the patient's own request.
    pub fn is_patient_request(&self) -> bool {
        self.code == "PATRQT" && self.system == ACT_REASON
    }

    /// The bit of the purpose in the table of known purposes.
    pub(crate) fn bit(&self) -> u64 {
        self.index.map_or(0, |index| 1 << index)
    }
}

/// What is done with the data. FHIR R4 `Consent.provision.action`, code system consentaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Read.
    Access,
    /// Forward to somebody else.
    Disclose,
    /// Take in new data.
    Collect,
    /// Work with.
    Use,
    /// Change.
    Correct,
}

impl Action {
    /// Reads the code.
    ///
    /// # Errors
    /// [`UnknownWord`] for other codes.
    pub fn parse(code: &str) -> Result<Self, UnknownWord> {
        Ok(match code {
            "access" => Self::Access,
            "disclose" => Self::Disclose,
            "collect" => Self::Collect,
            "use" => Self::Use,
            "correct" => Self::Correct,
            _ => return Err(UnknownWord { expected: "access, disclose, collect, use or correct" }),
        })
    }

    /// The code.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Disclose => "disclose",
            Self::Collect => "collect",
            Self::Use => "use",
            Self::Correct => "correct",
        }
    }
}

/// In which exchange the data would leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interaction {
    /// The current version of one resource.
    Read,
    /// An older version of one resource.
    Vread,
    /// The versions of a resource.
    History,
    /// A search.
    Search,
    /// `$everything`.
    Everything,
    /// `$summary`.
    Summary,
    /// A document.
    Document,
    /// Create, update, patch or delete.
    Write,
    /// Sending to a destination.
    Forward,
    /// Bulk export.
    Export,
    /// A notification.
    Subscription,
}

impl Interaction {
    /// Reads the word of the case schema.
    ///
    /// # Errors
    /// [`UnknownWord`] for other words.
    pub fn parse(word: &str) -> Result<Self, UnknownWord> {
        Ok(match word {
            "read" => Self::Read,
            "vread" => Self::Vread,
            "history" => Self::History,
            "search" => Self::Search,
            "everything" => Self::Everything,
            "summary" => Self::Summary,
            "document" => Self::Document,
            "write" => Self::Write,
            "forward" => Self::Forward,
            "export" => Self::Export,
            "subscription" => Self::Subscription,
            _ => {
                return Err(UnknownWord {
                    expected: "read, vread, history, search, everything, summary, document, write, forward, export or \
                               subscription",
                });
            }
        })
    }

    /// Whether a break-glass declaration can reach this: looking at one patient's record, nothing that carries it on.
    pub(crate) fn reads_a_record(self) -> bool {
        match self {
            Self::Read
            | Self::Vread
            | Self::History
            | Self::Search
            | Self::Everything
            | Self::Summary
            | Self::Document => true,
            Self::Write | Self::Forward | Self::Export | Self::Subscription => false,
        }
    }
}

/// A break-glass declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Btg {
    /// The caller said so.
    pub declared: bool,
    /// Why, in the caller's words. At least ten characters count.
    pub reason: String,
    /// When it was declared.
    pub started: Instant,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRequest {
    /// Who asks.
    pub actor: Actor,
    /// For which purposes; each must be permitted.
    pub purposes: Vec<Purpose>,
    /// What for.
    pub action: Action,
    /// The holder of the data, for rules about the custodian. `None`: not known, so a deny that names a custodian
    /// holds.
    pub custodian: Option<Vec<SmolStr>>,
    /// A break-glass declaration, if one was made.
    pub btg: Option<Btg>,
    /// The one patient (`Patient/id`) the request is about, if it is about one.
    pub patient: Option<SmolStr>,
    /// The exchange the data would leave in.
    pub interaction: Interaction,
}
