//! Links between the pages of one answer: of a search, of a history, of `$everything`.

use http::StatusCode;

use super::cursor::{Part, Seal};
use crate::api::outcome::Failure;
use crate::api::query::joined;
use crate::api::{Call, Who};

/// The parameter that names a page.
pub(in crate::api::fhir) const PAGE: &str = "_page";

/// What the links of an answer are made of.
pub(in crate::api::fhir) struct Links<'a> {
    seal: &'a Seal,
    /// Where it was asked, without parameters.
    address: &'a str,
    /// The parameters that were used, without the page.
    used: &'a [(String, String)],
    /// What is asked, by whom, for what purpose. A link is of no use to anybody else, nor for another search. It is no
    /// proof: what is on the page is decided anew.
    binding: Vec<u8>,
}

impl<'a> Links<'a> {
    pub(in crate::api::fhir) fn new(call: &'a Call, who: &Who, address: &'a str, used: &'a [(String, String)]) -> Self {
        Self { seal: &call.app.pages, address, used, binding: binding(who, address, used) }
    }

    /// The part that a `_page` asks for; without one, the first.
    ///
    /// # Errors
    /// 400 for one of another search or another caller, and for what is none.
    pub(in crate::api::fhir) fn part(&self, page: Option<&str>) -> Result<Part, Failure> {
        let Some(page) = page else { return Ok(Part::First) };
        self.seal.opened(page, &self.binding).ok_or_else(|| {
            let text = "parameter '_page': expected the link of a page of this answer, asked for by the same caller";
            Failure::new(StatusCode::BAD_REQUEST, "value", text).at(PAGE)
        })
    }

    /// The address of a part.
    ///
    /// # Errors
    /// 500 without randomness to seal it with.
    pub(in crate::api::fhir) fn to(&self, part: &Part) -> Result<String, Failure> {
        let mut query = joined(self.used);
        if *part != Part::First {
            let page = self.seal.sealed(part, &self.binding).ok_or_else(|| {
                tracing::error!("no randomness for a link");
                Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "exception", "an error of the gateway")
            })?;
            let separator = if query.is_empty() { "" } else { "&" };
            query.push_str(&format!("{separator}{PAGE}={page}"));
        }
        Ok(if query.is_empty() { self.address.to_owned() } else { format!("{}?{query}", self.address) })
    }
}

fn binding(who: &Who, address: &str, used: &[(String, String)]) -> Vec<u8> {
    let mut binding = Vec::new();
    let purposes: Vec<String> = who.purposes().iter().map(|it| format!("{}|{}", it.system(), it.code())).collect();
    let texts = [who.person(), purposes.join(" "), address.to_owned()];
    for text in texts.iter().chain(used.iter().flat_map(|(name, value)| [name, value])) {
        binding.extend((text.len() as u64).to_be_bytes());
        binding.extend(text.as_bytes());
    }
    binding
}
