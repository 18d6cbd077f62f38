//! What extensions of an ElementDefinition ask: lengths, values in place of a value, languages of the narrative.
//!
//! FHIR Extensions Pack (`minLength`, `maxDecimalPlaces`, `narrative-language-control`) and, for R4, the R5 elements
//! `mustHaveValue` and `valueAlternatives` as extensions.

use model::json::Json;

use crate::place::Place;

use super::node::Node;
use super::plan::Claim;
use super::walk::{Claims, Walk};

/// What an element's extensions ask of its values.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Demand {
    min_length: Option<u64>,
    max_decimals: Option<u64>,
    has_value: bool,
    /// Extensions of which one has to be there where there is no value.
    alternatives: Vec<String>,
    /// `_no`, `_yes`, `_resource` or a language.
    languages: Vec<String>,
}

impl Demand {
    /// Reads the extensions of an ElementDefinition; nothing if none of them is one of these.
    pub(super) fn read(element: &Json) -> Option<Self> {
        let mut found = Self::default();
        for extension in element.items("extension") {
            let Some(url) = extension.text_at(&["url"]) else { continue };
            let members = extension.as_object()?.iter();
            let Some(value) = members.into_iter().find(|(name, _)| name.starts_with("value")).map(|(_, value)| value)
            else {
                continue;
            };
            let number = || value.as_number().and_then(model::json::Number::as_u64);
            match url.rsplit(['/', '.']).next().unwrap_or_default() {
                "minLength" => found.min_length = number(),
                "maxDecimalPlaces" => found.max_decimals = number(),
                "mustHaveValue" => found.has_value = value.as_bool() == Some(true),
                "valueAlternatives" => found.alternatives.extend(value.as_str().map(str::to_owned)),
                "narrative-language-control" => found.languages.extend(value.as_str().map(str::to_owned)),
                _ => {}
            }
        }
        (found != Self::default()).then_some(found)
    }
}

impl<'r> Walk<'r> {
    /// The demands of all definitions that apply to a value.
    pub(super) fn demands(&mut self, node: &Node<'r>, claims: &Claims, place: &Place<'_>) {
        for claim in claims {
            if let Some(demand) = claim.demand() {
                self.demand(demand, node, claim, place);
            }
        }
    }

    fn demand(&mut self, demand: &Demand, node: &Node<'r>, claim: &Claim, place: &Place<'_>) {
        if let (Some(least), Some(text)) = (demand.min_length, node.text())
            && (text.chars().count() as u64) < least
        {
            self.breach("invalid", format_args!("expected at least {least} characters"), claim, place);
        }
        if let (Some(most), Some(Json::Number(number))) = (demand.max_decimals, node.value) {
            let digits = number.as_str().split_once('.').map_or("", |(_, digits)| digits);
            let digits = digits.bytes().take_while(u8::is_ascii_digit).count() as u64;
            if digits > most {
                self.breach("invalid", format_args!("expected at most {most} decimal places"), claim, place);
            }
        }
        if node.value.is_none() && demand.has_value {
            self.breach("invalid", "expected a value, not extensions in its place", claim, place);
        }
        if node.value.is_none() && !demand.alternatives.is_empty() {
            let has = |extension: &Node<'_>| {
                let url = extension.value.and_then(|value| value.text_at(&["url"]));
                url.is_some_and(|url| demand.alternatives.iter().any(|known| known == url))
            };
            if !node.children("extension").iter().any(has) {
                let text = format_args!("expected a value or the extension {}", demand.alternatives.join(" or "));
                self.breach("invalid", text, claim, place);
            }
        }
        if !demand.languages.is_empty() {
            self.languages(demand, node, claim, place);
        }
    }

    fn languages(&mut self, demand: &Demand, node: &Node<'r>, claim: &Claim, place: &Place<'_>) {
        let Some(div) = node.value.and_then(|value| value.text_at(&["div"])) else { return };
        let found = crate::xhtml::read(div).map_or_else(|_| Vec::new(), |document| document.language_sections());
        let own = self.scope.resource.text_at(&["language"]);
        for language in &demand.languages {
            let broken = match language.as_str() {
                "_no" => (!found.is_empty()).then_some("no language sections in the narrative"),
                "_yes" => found.is_empty().then_some("language sections in the narrative"),
                "_resource" | "_rl" => own
                    .is_some_and(|own| !found.contains(&own))
                    .then_some("a section of the narrative in the language of the resource"),
                other => (!found.contains(&other)).then_some("a section of the narrative in the language asked for"),
            };
            if let Some(expected) = broken {
                self.breach("business-rule", format_args!("expected {expected}"), claim, place);
            }
        }
    }
}

#[cfg(test)]
mod tests;
