//! Value sets and hierarchies for `:in`, `:not-in`, `:above` and `:below`: those of the definitions, and stored ones that
//! the caller may read.

use std::ops::ControlFlow;

use model::id::Reference;
use model::json::Json;
use search::{CODES_MOST, Code, CodeSet, Host, NoCodes, Term};
use store::Search;
use terminology::{Contains, ExpandError, ExpandRequest, Expansion, Terminology};

use crate::api::release::{Asking, Released};
use crate::index;

/// Versions of one value set that are looked at.
const VERSIONS_MOST: usize = 100;

/// Lists codes for one caller.
pub(in crate::api::fhir) struct Codes<'a> {
    pub(super) asking: &'a Asking<'a>,
    pub(super) terminology: &'a Terminology,
    pub(super) base: &'a str,
}

impl Host for Codes<'_> {
    fn codes(&self, set: CodeSet<'_>) -> Result<Vec<Code>, NoCodes> {
        let request = ExpandRequest { limit: CODES_MOST, ..ExpandRequest::default() };
        let expansion = match set {
            CodeSet::ValueSet(name) => match self.stored(name) {
                Some(resource) => self.terminology.expand_compiled(&self.terminology.compile(&resource), &request),
                None => self.terminology.expand(name, &request),
            },
            CodeSet::Below { system, code } => self.related(system, code, "is-a", &request),
            CodeSet::Above { system, code } => self.related(system, code, "generalizes", &request),
        };
        let mut codes = Vec::new();
        flat(&expansion.map_err(|error| reason(&error))?.contains, &mut codes);
        if codes.len() > CODES_MOST { Err(NoCodes::TooMany) } else { Ok(codes) }
    }
}

impl Codes<'_> {
    /// A value set that is kept here and may be read: by `ValueSet/id`, or by its URL.
    fn stored(&self, name: &str) -> Option<Json> {
        let own = name.strip_prefix(self.base).filter(|_| !self.base.is_empty());
        let own = own.and_then(|rest| rest.strip_prefix('/')).unwrap_or(name);
        if let Ok(reference) = Reference::parse(own) {
            let is_set = reference.resource_type.as_str() == "ValueSet";
            let held = self.asking.live(&reference).ok().flatten().filter(|_| is_set)?;
            return self.asking.release(&held).ok().flatten().and_then(|released| released.json().ok());
        }
        let (url, version) = name.split_once('|').map_or((name, None), |(url, version)| (url, Some(version)));
        let test = search::Test::Equals(url.as_bytes().to_vec());
        let one = search::Match { param: search::number("url"), test, kind: search::RowKind::Key };
        let by_url = Search {
            types: vec!["ValueSet".to_owned()],
            terms: vec![index::condition(&Term::AnyOf(vec![one]))],
            ..Search::default()
        };
        let (mut found, mut looked) = (None, 0);
        let visited = self.asking.visit(&by_url, &mut |held| {
            looked += 1;
            let released: Option<Released> = self.asking.release(&held).ok().flatten();
            let resource = released.and_then(|released| released.json().ok());
            let fits = |it: &Json| {
                it.text_at(&["url"]) == Some(url) && version.is_none_or(|one| it.text_at(&["version"]) == Some(one))
            };
            found = resource.filter(fits);
            if found.is_none() && looked < VERSIONS_MOST { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        visited.ok().and(found)
    }

    /// A code and those that stand to it in this way in the hierarchy of its system.
    fn related(
        &self,
        system: &str,
        code: &str,
        way: &str,
        request: &ExpandRequest<'_>,
    ) -> Result<Expansion, ExpandError> {
        let filter =
            Json::object([("property", Json::from("concept")), ("op", Json::from(way)), ("value", Json::from(code))]);
        let include = Json::object([("system", Json::from(system)), ("filter", Json::Array(vec![filter]))]);
        let compose = Json::object([("include", Json::Array(vec![include]))]);
        let set = Json::object([("resourceType", Json::from("ValueSet")), ("compose", compose)]);
        self.terminology.expand_compiled(&self.terminology.compile(&set), request)
    }
}

fn reason(error: &ExpandError) -> NoCodes {
    if matches!(error, ExpandError::TooCostly { .. }) { NoCodes::TooMany } else { NoCodes::Unknown }
}

fn flat(contains: &[Contains], codes: &mut Vec<Code>) {
    for one in contains {
        if let (Some(code), false) = (&one.code, one.abstract_) {
            codes.push(Code { system: one.system.as_deref().unwrap_or_default().to_owned(), code: code.to_string() });
        }
        flat(&one.contains, codes);
    }
}
