//! `[[match]]` of a package: whose messages and documents it is for.

use formats::cda::{Document, Element};
use formats::hl7v2::Message;
use serde::Deserialize;

/// One entry of `[[match]]`; every list that is given must have a pattern that fits.
///
/// A pattern is compared without case; `*` stands for any text. HL7 v2.8.2 chapter 2, MSH; CDA R2, "ClinicalDocument". What is
/// asked of both is one thing with two names: the one of messages, and the one of documents.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sender {
    /// A component of MSH-3: the name or the universal id. Of a document the software that wrote it.
    #[serde(default)]
    sending_application: Vec<String>,
    /// A component of MSH-4. Of a document its custodian, by name or id (`ROOT`, `ROOT^EXTENSION`).
    #[serde(default, alias = "custodian")]
    sending_facility: Vec<String>,
    /// MSH-9 as `ADT^A01`. Of a document its code.
    #[serde(default, alias = "code")]
    message: Vec<String>,
    /// MSH-12.1.
    #[serde(default)]
    version: Vec<String>,
    /// The first component of a repetition of MSH-21. Of a document a template (`ROOT`, `ROOT:EXTENSION`).
    #[serde(default, alias = "template")]
    profile: Vec<String>,
    /// SFT-1 or SFT-3: who made the sending software, or its name. Of a document the software or the model of the authoring device.
    #[serde(default)]
    software: Vec<String>,
}

impl Sender {
    fn lists(&self) -> [&[String]; 6] {
        let Self { sending_application, sending_facility, message, version, profile, software } = self;
        [sending_application, sending_facility, message, version, profile, software].map(Vec::as_slice)
    }

    /// What is wrong with it.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let lists = self.lists();
        if lists.iter().all(|list| list.is_empty()) {
            return Some(
                "[[match]]: expected at least one of sending_application, sending_facility, message, version, profile, software; for documents template, code, custodian, software",
            );
        }
        let blank = lists.iter().flat_map(|list| list.iter()).any(|pattern| pattern.is_empty());
        blank.then_some("[[match]]: expected a pattern, found an empty text")
    }

    /// How many fields it asks about.
    pub(crate) fn asks(&self) -> usize {
        self.lists().iter().filter(|list| !list.is_empty()).count()
    }

    /// Whether what is sent is one of this sender's.
    pub(crate) fn fits(&self, sent: &dyn Sent) -> bool {
        let asked = [
            (&self.sending_application, Asked::Application),
            (&self.sending_facility, Asked::Facility),
            (&self.message, Asked::Kind),
            (&self.version, Asked::Version),
            (&self.profile, Asked::Profile),
            (&self.software, Asked::Software),
        ];
        sent.is_readable() && asked.into_iter().all(|(patterns, what)| any(patterns, || sent.said(what)))
    }
}

/// What `[[match]]` asks of a message or a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Application,
    Facility,
    Kind,
    Version,
    Profile,
    Software,
}

/// What says about itself where it comes from and what it is.
pub(crate) trait Sent {
    /// Whether there is anything to be asked.
    fn is_readable(&self) -> bool;

    /// Everything it says of this.
    fn said(&self, what: Asked) -> Vec<String>;
}

impl Sent for Message {
    fn is_readable(&self) -> bool {
        self.segment("MSH").is_some()
    }

    fn said(&self, what: Asked) -> Vec<String> {
        let Some(header) = self.segment("MSH") else { return Vec::new() };
        let components = |field: usize| {
            let first = header.field(field).repetition(1);
            (1..=3).map(|number| first.component(number).text().into_owned()).collect::<Vec<_>>()
        };
        match what {
            Asked::Application => components(3),
            Asked::Facility => components(4),
            Asked::Kind => vec![format!("{}^{}", self.message_code(), self.trigger())],
            Asked::Version => vec![header.field(12).repetition(1).component(1).text().into_owned()],
            Asked::Profile => header.field(21).repetitions().map(|one| one.component(1).text().into_owned()).collect(),
            Asked::Software => {
                let made = self.segments().filter(|segment| segment.name() == "SFT");
                let names = made.flat_map(|segment| {
                    [1, 3].map(|field| segment.field(field).repetition(1).component(1).text().into_owned())
                });
                names.collect()
            }
        }
    }
}

impl Sent for Document {
    fn is_readable(&self) -> bool {
        true
    }

    fn said(&self, what: Asked) -> Vec<String> {
        let root = self.root();
        match what {
            // A document has no version of its own standard but by its templates.
            Asked::Version => Vec::new(),
            Asked::Profile => at(root, &["templateId"]).flat_map(|template| named(template, ':')).collect(),
            Asked::Kind => at(root, &["code"]).filter_map(|code| code.attribute("code")).map(str::to_owned).collect(),
            Asked::Facility => {
                const CUSTODIAN: [&str; 3] = ["custodian", "assignedCustodian", "representedCustodianOrganization"];
                let [first, second, third] = CUSTODIAN;
                let names = at(root, &[first, second, third, "name"]).map(words);
                names.chain(at(root, &[first, second, third, "id"]).flat_map(|id| named(id, '^'))).collect()
            }
            Asked::Application | Asked::Software => {
                const DEVICE: [&str; 3] = ["author", "assignedAuthor", "assignedAuthoringDevice"];
                let [first, second, third] = DEVICE;
                let name = |last| at(root, &[first, second, third, last]).map(words);
                let names = name("softwareName");
                if what == Asked::Application {
                    return names.collect();
                }
                names.chain(name("manufacturerModelName")).collect()
            }
        }
    }
}

/// Every element at the end of a path of names.
fn at<'d>(from: Element<'d>, path: &[&str]) -> impl Iterator<Item = Element<'d>> + use<'d> {
    let start = vec![from];
    let step = |found: Vec<Element<'d>>, name: &&str| {
        found.into_iter().flat_map(|element| element.children().filter(|child| child.name() == *name)).collect()
    };
    path.iter().fold(start, step).into_iter()
}

fn words(element: Element<'_>) -> String {
    element.text().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// An identifier by its root, and by root and extension.
fn named(id: Element<'_>, between: char) -> Vec<String> {
    let Some(root) = id.attribute("root") else { return Vec::new() };
    let whole = id.attribute("extension").map(|extension| format!("{root}{between}{extension}"));
    std::iter::once(root.to_owned()).chain(whole).collect()
}

/// Whether there is no pattern, or one of the values fits one.
fn any(patterns: &[String], values: impl FnOnce() -> Vec<String>) -> bool {
    if patterns.is_empty() {
        return true;
    }
    let values = values();
    patterns.iter().any(|pattern| values.iter().any(|value| fits(pattern, value.trim())))
}

/// Whether a text is as the pattern says: `*` stands for any characters, case does not count, no text fits nothing.
fn fits(pattern: &str, text: &str) -> bool {
    if text.is_empty() {
        return false;
    }
    let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part).and_then(|at| rest.get(at + part.len()..)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests;
