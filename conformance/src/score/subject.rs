//! What the score asks of a format: how an input is divided, read, converted, and what it says by itself.
//!
//! A format is a module that implements [`Subject`]; measures know no format.

use std::borrow::Cow;
use std::path::Path;
use std::time::Instant;

use mappers::{Loss as Ledger, Package, Packages, Unmapped};
use model::json::Json;
use model::outcome::Issue;

use super::invention::Said;
use super::report::Tally;
use super::way_back::RoundTrip;
use super::{Options, cda, detail, flat, hl7v2, versions};

/// A format of inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// HL7 v2, one message or several in a file.
    Hl7v2,
    /// C-CDA and other CDA R2, one document in a file.
    Ccda,
    /// FHIR STU3, one resource in a file.
    Stu3,
    /// Flat extracts, as comma-separated values.
    Flat,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 4] = [Format::Hl7v2, Format::Ccda, Format::Stu3, Format::Flat];

    /// The name of the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hl7v2 => "hl7v2",
            Self::Ccda => "ccda",
            Self::Stu3 => "fhir-stu3",
            Self::Flat => "flat",
        }
    }

    /// By the kind that a manifest names.
    pub(super) fn of_kind(kind: &str) -> Option<Self> {
        match kind {
            "hl7v2" | "roundtrip-hl7v2" => Some(Self::Hl7v2),
            "ccda" => Some(Self::Ccda),
            "fhir-stu3" => Some(Self::Stu3),
            "flat" => Some(Self::Flat),
            _ => None,
        }
    }

    /// By the ending of a file's name; with the name without it, under which the rest lies beside.
    pub(super) fn of_file(path: &Path) -> Option<(Self, String)> {
        let name = path.file_name()?.to_str()?;
        let message = name.strip_suffix(".hl7").map(|stem| (Self::Hl7v2, stem.to_owned()));
        let resource = || name.strip_suffix(".stu3.json").map(|stem| (Self::Stu3, stem.to_owned()));
        let extract = || name.strip_suffix(".csv").map(|stem| (Self::Flat, stem.to_owned()));
        message.or_else(|| cda::stem(path).map(|stem| (Self::Ccda, stem))).or_else(resource).or_else(extract)
    }

    /// Which sums of the format an input is part of, by its file, size and what lies beside.
    pub(super) fn group(self, path: &Path, bytes: usize, has_facts: bool, is_variant: bool) -> &'static str {
        match self {
            Self::Hl7v2 | Self::Stu3 | Self::Flat => "",
            Self::Ccda => cda::group(path, bytes, has_facts, is_variant),
        }
    }

    /// The pieces of a file that are converted one by one.
    pub(super) fn split(self, raw: &[u8]) -> Parts<'_> {
        match self {
            Self::Hl7v2 => hl7v2::split(raw),
            Self::Ccda => cda::split(raw),
            Self::Stu3 => versions::split(raw),
            Self::Flat => flat::split(raw),
        }
    }

    /// Reads one of them.
    ///
    /// # Errors
    /// Why it cannot be read, without content.
    pub(super) fn read(self, bytes: &[u8]) -> Result<Box<dyn Subject>, String> {
        match self {
            Self::Hl7v2 => hl7v2::read(bytes),
            Self::Ccda => cda::read(bytes),
            Self::Stu3 => versions::read(bytes),
            Self::Flat => flat::read(bytes),
        }
    }

    /// An input with its letters and digits replaced: its form stays.
    pub(super) fn masked(self, text: &str) -> String {
        match self {
            Self::Hl7v2 => hl7v2::masked(text),
            Self::Ccda => cda::masked(text),
            Self::Stu3 | Self::Flat => detail::masked(text),
        }
    }
}

/// What a file is divided into.
pub(super) struct Parts<'r> {
    pub(super) parts: Vec<Cow<'r, [u8]>>,
    /// Whether its envelope is remarked on.
    pub(super) findings: bool,
}

/// What the reader has to say about the form of an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Remarks {
    /// Nothing.
    #[default]
    None,
    /// Something, none of it a warning.
    Information,
    /// A warning or worse.
    Findings,
}

/// An input that was read.
pub(super) trait Subject {
    /// What kind of thing it is, such as `ADT^A01` or a document's LOINC code.
    fn kind(&self) -> String;

    /// Who sent it, by names of systems; `-` if it does not say.
    fn sender(&self) -> String;

    /// Its deepest non-empty pieces, counted without the mapping's help.
    fn pieces(&self) -> usize;

    /// Everything it says.
    fn say(&self, said: &mut Said);

    /// What the reader remarked.
    fn remarks(&self) -> Remarks;

    /// Converts it.
    ///
    /// # Errors
    /// Why nothing was made of it, without content.
    fn convert<'p>(&self, packages: &'p Packages, options: &Options) -> Result<Made<'p>, String>;

    /// Converts what was made back, and compares.
    fn way_back(&self, _made: &Made<'_>, _options: &Options, _out: &mut RoundTrip) {}

    /// Questions to the ledger.
    fn honesty(&self, _made: &Made<'_>, _options: &Options) -> Tally {
        Tally::default()
    }
}

/// What was made of an input.
pub(super) struct Made<'p> {
    /// By which package, if one was needed.
    pub(super) package: Option<&'p Package>,
    /// Whether a table describes its kind; else it was read piece by piece.
    pub(super) described: bool,
    pub(super) output: Json,
    pub(super) issues: Vec<Issue>,
    pub(super) ledger: Ledger,
    /// Where it says something that found no home.
    pub(super) unmapped: Vec<Unmapped>,
    /// How long the conversion took, without what only the score asks for.
    pub(super) micros: u64,
}

/// Runs something; how long it took.
pub(super) fn timed<T>(run: impl FnOnce() -> T) -> (T, u64) {
    let started = Instant::now();
    let done = run();
    (done, u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX))
}
