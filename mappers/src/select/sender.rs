//! `[[match]]` of a package: whose messages it is for.

use formats::hl7v2::Message;
use serde::Deserialize;

/// One entry of `[[match]]`; every list that is given must have a pattern that fits.
///
/// A pattern is compared without case; `*` stands for any text. HL7 v2.8.2 chapter 2, MSH.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sender {
    /// A component of MSH-3: the name or the universal id.
    #[serde(default)]
    sending_application: Vec<String>,
    /// A component of MSH-4.
    #[serde(default)]
    sending_facility: Vec<String>,
    /// MSH-9 as `ADT^A01`.
    #[serde(default)]
    message: Vec<String>,
    /// MSH-12.1.
    #[serde(default)]
    version: Vec<String>,
    /// The first component of a repetition of MSH-21.
    #[serde(default)]
    profile: Vec<String>,
    /// SFT-1 or SFT-3: who made the sending software, or its name.
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
                "[[match]]: expected at least one of sending_application, sending_facility, message, version, profile, software",
            );
        }
        let blank = lists.iter().flat_map(|list| list.iter()).any(|pattern| pattern.is_empty());
        blank.then_some("[[match]]: expected a pattern, found an empty text")
    }

    /// How many fields it asks about.
    pub(crate) fn asks(&self) -> usize {
        self.lists().iter().filter(|list| !list.is_empty()).count()
    }

    /// Whether the message is one of this sender's.
    pub(crate) fn fits(&self, message: &Message) -> bool {
        let Some(header) = message.segment("MSH") else { return false };
        let components = |field: usize| {
            let first = header.field(field).repetition(1);
            (1..=3).map(|number| first.component(number).text().into_owned()).collect::<Vec<_>>()
        };
        let kind = format!("{}^{}", message.message_code(), message.trigger());
        any(&self.sending_application, || components(3))
            && any(&self.sending_facility, || components(4))
            && any(&self.message, || vec![kind])
            && any(&self.version, || vec![header.field(12).repetition(1).component(1).text().into_owned()])
            && any(&self.profile, || {
                header.field(21).repetitions().map(|one| one.component(1).text().into_owned()).collect()
            })
            && any(&self.software, || {
                let made = message.segments().filter(|segment| segment.name() == "SFT");
                made.flat_map(|segment| {
                    [1, 3].map(|field| segment.field(field).repetition(1).component(1).text().into_owned())
                })
                .collect()
            })
    }
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
