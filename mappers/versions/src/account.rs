//! What became of each piece of a resource.

use model::json::{Json, Object};

/// A piece of the input and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// FHIRPath of the piece in the input: `Encounter.participant[0].individual.reference`.
    pub at: String,
    /// FHIRPath in the output, or the reason why it is not there.
    pub to: String,
    /// The row that says so (`fhir-stu3/rows/clinical.csv:12`); none where the same element takes it over.
    pub rule: Option<String>,
}

/// What became of the pieces of a resource: every value that is no object, array or null is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// In an element of the other version.
    pub mapped: Vec<Entry>,
    /// In an extension.
    pub kept: Vec<Entry>,
    /// Nowhere; `to` is the reason.
    pub dropped: Vec<Entry>,
}

impl Loss {
    /// The number of pieces.
    pub fn total(&self) -> usize {
        self.mapped.len() + self.kept.len() + self.dropped.len()
    }

    /// The report of `convert --loss`.
    pub fn to_json(&self) -> Json {
        let list = |entries: &[Entry], second: &'static str| {
            let one = |entry: &Entry| {
                Json::Object(Object::of([
                    ("at", Json::from(entry.at.as_str())),
                    (second, Json::from(entry.to.as_str())),
                ]))
            };
            Json::array(entries.iter().map(one))
        };
        Json::Object(Object::of([
            ("total", Json::from(u64::try_from(self.total()).unwrap_or(u64::MAX))),
            ("mapped", list(&self.mapped, "to")),
            ("kept", list(&self.kept, "where")),
            ("dropped", list(&self.dropped, "why")),
        ]))
    }

    /// The report of `convert --explain`: which pieces and which row made each piece of the output.
    pub fn explain(&self) -> Json {
        let one = |entry: &Entry| {
            let rule = entry.rule.as_deref().unwrap_or("same element");
            Json::Object(Object::of([
                ("to", Json::from(entry.to.as_str())),
                ("from", Json::array([Json::from(entry.at.as_str())])),
                ("rule", Json::from(rule)),
            ]))
        };
        Json::array(self.mapped.iter().chain(&self.kept).map(one))
    }
}
