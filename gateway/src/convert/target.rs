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
    /// LOINC code of the document to write; empty: that of the Composition, else a continuity of care document.
    pub document_type: String,
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

    /// The context of a way to a document.
    pub(super) fn document(&self) -> RenderContext {
        RenderContext { message_code: self.document_type.clone(), ..RenderContext::default() }
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

/// A type of document: one of the names below, or its LOINC code (C-CDA R2.1, "Document-Level Templates").
///
/// # Errors
/// What was expected.
pub fn document_type(text: &str) -> Result<String, String> {
    const NAMES: [(&str, &str); 3] =
        [("ccd", "34133-9"), ("referral-note", "57133-1"), ("discharge-summary", "18842-5")];
    if let Some((_, code)) = NAMES.iter().find(|(name, _)| *name == text) {
        return Ok((*code).to_owned());
    }
    let is_loinc = text.split_once('-').is_some_and(|(number, check)| {
        (1..=7).contains(&number.len())
            && check.len() == 1
            && number.bytes().chain(check.bytes()).all(|b| b.is_ascii_digit())
    });
    if is_loinc {
        Ok(text.to_owned())
    } else {
        Err("expected ccd, referral-note, discharge-summary or a LOINC code".to_owned())
    }
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
