//! How a message is to be written: its version, delimiters and type.

use formats::hl7v2::Delimiters;
use mappers::{HL7_VERSIONS, RenderContext};

/// What is asked of an HL7 v2 message; by default everything is as the Bundle says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// MSH-12; empty: as the Bundle says, else 2.5.1.
    pub version: String,
    /// MSH-1 and MSH-2.
    pub delimiters: Option<Delimiters>,
    /// MSH-9.1 and MSH-9.2.
    pub message_type: Option<(String, String)>,
}

impl Target {
    /// The context of a way to HL7 v2.
    pub(super) fn context(&self, timezone: Option<String>) -> RenderContext {
        let (message_code, trigger) = self.message_type.clone().unwrap_or_default();
        RenderContext {
            message_code,
            trigger,
            timezone,
            version: self.version.clone(),
            delimiters: self.delimiters,
            ..RenderContext::default()
        }
    }
}

/// A version this product writes.
///
/// # Errors
/// What was expected.
pub fn version(text: &str) -> Result<String, String> {
    if HL7_VERSIONS.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(format!("expected a version of HL7 v2, one of {}", HL7_VERSIONS.join(", ")))
}

/// Delimiters such as `|^~\&`.
///
/// # Errors
/// What was expected.
pub fn delimiters(text: &str) -> Result<Delimiters, String> {
    Delimiters::parse(text)
        .ok_or_else(|| r"expected five different punctuation marks such as |^~\& (MSH-1 and MSH-2)".to_owned())
}

/// A message type such as `ADT^A08`.
///
/// # Errors
/// What was expected.
pub fn message_type(text: &str) -> Result<(String, String), String> {
    let part = |text: &str| text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    match text.split_once('^') {
        Some((code, trigger)) if part(code) && part(trigger) => Ok((code.to_owned(), trigger.to_owned())),
        _ => Err("expected a message type such as ADT^A08".to_owned()),
    }
}
