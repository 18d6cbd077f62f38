//! How a FHIR destination is written to: what repeats mean to it, and how much it takes at a time.

use super::read::Section;
use super::units;
use crate::config::DestinationTransport;

/// How a resource is written at the partner. All three may be repeated without making anything twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// `PUT Type/id` under our ids (FHIR R4 http.html, "Update as Create").
    Update,
    /// `PUT Type?identifier=…`: the partner's own ids; later versions replace ("Conditional update").
    Conditional,
    /// `POST Type` with `ifNoneExist`: the partner's own ids; what is there already stays ("Conditional create").
    Create,
}

/// What is posted to the partner's base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posted {
    /// All or nothing.
    Transaction,
    /// Each entry for itself, for partners without transactions.
    Batch,
}

/// What happens to what is larger than the partner takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oversize {
    /// It is given up with a reason; nothing of it is sent.
    Refuse,
    /// It goes in several Bundles, what is referred to first. All or nothing then holds for each of them alone.
    Split,
}

/// How a FHIR destination is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DestinationFhir {
    /// How each resource is written.
    pub writes: Writes,
    /// As what.
    pub posted: Posted,
    /// What happens over the limits.
    pub oversize: Oversize,
    /// Most entries of one Bundle.
    pub most_entries: usize,
    /// Most bytes of one Bundle.
    pub most_bytes: usize,
}

impl Default for DestinationFhir {
    fn default() -> Self {
        Self {
            writes: Writes::Update,
            posted: Posted::Transaction,
            oversize: Oversize::Refuse,
            most_entries: usize::MAX,
            most_bytes: usize::MAX,
        }
    }
}

pub(super) fn destination(section: &mut Section<'_>, transport: DestinationTransport) -> DestinationFhir {
    if transport != DestinationTransport::Fhir {
        for key in ["writes", "bundle", "oversize", "most_entries", "most_bytes"] {
            if section.has(key) {
                let key = section.key(key);
                section.findings.error(key, "is for transport fhir", "remove it, or set transport = \"fhir\"");
            }
        }
    }
    let ways = [("update", Writes::Update), ("conditional", Writes::Conditional), ("create", Writes::Create)];
    let default = DestinationFhir::default();
    let writes = section.word("writes", &ways).unwrap_or(default.writes);
    let kinds = [("transaction", Posted::Transaction), ("batch", Posted::Batch)];
    let posted = section.word("bundle", &kinds).unwrap_or(default.posted);
    if posted == Posted::Batch && writes != Writes::Update {
        // References between entries are resolved in transactions only: FHIR R4 http.html, "Batch Processing Rules".
        let key = section.key("bundle");
        let suggestion = "set writes = \"update\", or bundle = \"transaction\"";
        section.findings.error(key, "in a batch nothing can refer to what the partner gives its own id", suggestion);
    }
    DestinationFhir {
        writes,
        posted,
        oversize: section
            .word("oversize", &[("refuse", Oversize::Refuse), ("split", Oversize::Split)])
            .unwrap_or(default.oversize),
        most_entries: section.number("most_entries", 1, "200").unwrap_or(default.most_entries),
        most_bytes: section
            .take("most_bytes", "\"4MiB\"", |value| match units::size(value)? {
                0..1024 => Err("expected at least 1KiB".to_owned()),
                size => usize::try_from(size).map_err(|_| "expected a smaller size".to_owned()),
            })
            .unwrap_or(default.most_bytes),
    }
}
