//! From a query string to what has to hold.

use model::id::{Reference, ResourceId, ResourceType};
use model::time::Instant;

use crate::date::{self, Span};
use crate::include::{self, Include};
use crate::parameter::{Kind, parameters};
use crate::row::{
    IDENTIFIER, IDENTIFIER_SYSTEM, IndexRow, Match, PATIENT, RowKind, SUBJECT, TARGET, Term, Test, identifier_key,
    reference_row,
};
use crate::value::{split, unescaped};

/// What a search is refused for; each names the parameter, none quotes a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// A parameter the type does not have.
    #[error("parameter '{name}' is not supported for {resource_type}; supported are {supported}")]
    Unknown {
        /// The parameter as it was given, shortened.
        name: String,
        /// The type.
        resource_type: String,
        /// What is supported.
        supported: String,
    },
    /// A modifier the parameter does not have.
    #[error("modifier '{modifier}' of parameter '{name}' is not supported")]
    Modifier {
        /// The parameter.
        name: String,
        /// The modifier as it was given, shortened.
        modifier: String,
    },
    /// A value that cannot be read.
    #[error("parameter '{name}': expected {expected}")]
    Value {
        /// The parameter.
        name: String,
        /// What was expected.
        expected: &'static str,
    },
    /// A word that is not one of those the parameter takes here: an `_include`, a `_sort`, a `_summary`.
    #[error("parameter '{name}': '{word}' is not supported; supported: {supported}")]
    Word {
        /// The parameter.
        name: String,
        /// The word as it was given, shortened.
        word: String,
        /// What is supported.
        supported: &'static str,
    },
}

/// What happens to parameters that are not known. FHIR R4 search.html, "Handling Errors".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Handling {
    /// They are an error.
    #[default]
    Strict,
    /// They are left out and listed (`Prefer: handling=lenient`).
    Lenient,
}

/// How queries are read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options<'a> {
    /// The base of this server; references below it are its own.
    pub base: &'a str,
    /// What happens to unknown parameters.
    pub handling: Handling,
    /// Entries of a page unless `_count` says otherwise.
    pub default_count: usize,
    /// The most entries of a page.
    pub max_count: usize,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { base: "", handling: Handling::Strict, default_count: 50, max_count: 1000 }
    }
}

/// The order of what is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Sort {
    /// `_sort=-_lastUpdated`, and without `_sort`.
    #[default]
    NewestFirst,
    /// `_sort=_lastUpdated`.
    OldestFirst,
}

/// What the answer says about the number of matches. FHIR R4 search.html, "Paging and totals".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Total {
    /// The number where it is known without further work.
    #[default]
    AsKnown,
    /// `_total=none`
    Silent,
    /// `_total=accurate` and `_total=estimate`: an estimate from an index would count what is withheld.
    Counted,
}

/// What has to hold of a resource to be found. All parts have to hold together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// The type.
    pub resource_type: String,
    /// One of these ids; `None`: any.
    pub ids: Option<Vec<String>>,
    /// It is in the record of one of these patients; `None`: not asked. The terms ask the same more precisely, so a
    /// store that finds by patient begins here.
    pub patients: Option<Vec<String>>,
    /// Each of these holds.
    pub terms: Vec<Term>,
    /// `_lastUpdated` is in one stretch of each of these.
    updated: Vec<Vec<Span>>,
    /// Entries of a page.
    pub count: usize,
    /// The order.
    pub sort: Sort,
    /// `_include`: what the matches refer to.
    pub includes: Vec<Include>,
    /// `_revinclude`: what refers to the matches.
    pub reverse_includes: Vec<Include>,
    /// `_total`
    pub total: Total,
    /// `_summary=count` or `_count=0`: the number of matches alone.
    pub only_count: bool,
    /// The page that is asked for, as it came: whoever makes the links reads it.
    pub page: Option<String>,
    /// The parameters that were used, for the self link; without the page.
    pub used: Vec<(String, String)>,
    /// The names of parameters that were left out.
    pub ignored: Vec<String>,
}

/// Parameters about the answer, not about what is found; whoever writes the answer reads them.
const ABOUT_THE_ANSWER: [&str; 2] = ["_format", "_pretty"];

/// Reads the parameters of a search, already split and percent-decoded.
///
/// # Errors
/// [`SearchError`], naming the parameter: unknown ones (unless lenient), modifiers, values that cannot be read.
pub fn parse(resource_type: &str, pairs: &[(String, String)], options: &Options<'_>) -> Result<Query, SearchError> {
    let mut query = Query { resource_type: resource_type.to_owned(), count: options.default_count, ..Query::default() };
    let known = parameters(resource_type);
    for (name, value) in pairs {
        if ABOUT_THE_ANSWER.contains(&name.as_str()) {
            continue;
        }
        if name == "_page" {
            query.page = Some(value.clone());
            continue;
        }
        let (plain, modifier) = name.split_once(':').map_or((name.as_str(), None), |(plain, it)| (plain, Some(it)));
        let kind = known.iter().find(|parameter| parameter.name == plain).map(|parameter| parameter.kind);
        let result = match (plain, kind) {
            ("_count", _) => modifier_free(plain, modifier).and_then(|()| query.take_count(value, options)),
            ("_sort", _) => modifier_free(plain, modifier).and_then(|()| query.take_sort(value)),
            ("_include" | "_revinclude", _) => {
                modifier_free(plain, modifier).and_then(|()| query.take_include(plain, value))
            }
            ("_total", _) => modifier_free(plain, modifier).and_then(|()| query.take_total(value)),
            ("_summary", _) => modifier_free(plain, modifier).and_then(|()| query.take_summary(value)),
            ("_id", _) => modifier_free(plain, modifier).and_then(|()| query.take_ids(value)),
            (_, Some(Kind::Date)) => modifier_free(plain, modifier).and_then(|()| query.take_updated(value)),
            (_, Some(Kind::Token)) => modifier_free(plain, modifier).and_then(|()| query.take_identifier(value)),
            (_, Some(Kind::Reference)) => query.take_reference(plain, modifier, value, options.base),
            (_, None) => Err(unknown(name, resource_type)),
        };
        match result {
            Ok(()) => query.used.push((name.clone(), value.clone())),
            Err(SearchError::Unknown { .. } | SearchError::Modifier { .. })
                if options.handling == Handling::Lenient =>
            {
                query.ignored.push(shortened(name));
            }
            Err(SearchError::Word { name, word, .. }) if options.handling == Handling::Lenient => {
                query.ignored.push(format!("{name}={word}"));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(query)
}

impl Query {
    /// The earliest and the latest `_lastUpdated` that can be found; a store narrows by them.
    pub fn updated_between(&self) -> (Option<Instant>, Option<Instant>) {
        let from = self.updated.iter().filter_map(|any| any.iter().map(|span| span.from).min()).max();
        let to = self.updated.iter().filter_map(|any| any.iter().map(|span| span.to).max()).min();
        (from.filter(|from| *from > Instant::MIN), to.filter(|to| *to < Instant::MAX))
    }

    /// Whether a time of the last change passes.
    pub fn passes_updated(&self, at: Instant) -> bool {
        self.updated.iter().all(|any| any.iter().any(|span| span.from <= at && at <= span.to))
    }

    /// Has whoever asks for a patient find what stands under other records of the same person too: `others` names them.
    ///
    /// # Errors
    /// What `others` says.
    pub fn widen<E>(&mut self, mut others: impl FnMut(&str) -> Result<Vec<String>, E>) -> Result<(), E> {
        if let Some(patients) = &mut self.patients {
            for patient in patients.clone() {
                patients.extend(others(&patient)?);
            }
            patients.sort();
            patients.dedup();
        }
        for term in &mut self.terms {
            let mut more = Vec::new();
            for one in &term.any_of {
                let Test::Equals(value) = &one.test else { continue };
                let text = std::str::from_utf8(value).unwrap_or_default();
                let prefix = match one.param {
                    PATIENT => "",
                    SUBJECT if text.starts_with("Patient/") => "Patient/",
                    _ => continue,
                };
                for other in others(text.strip_prefix(prefix).unwrap_or(text))? {
                    let value = format!("{prefix}{other}").into_bytes();
                    more.push(Match { param: one.param, test: Test::Equals(value), kind: one.kind });
                }
            }
            term.any_of.extend(more);
        }
        Ok(())
    }

    /// Whether nothing can be found, whatever there is.
    pub fn is_empty(&self) -> bool {
        self.ids.as_ref().is_some_and(Vec::is_empty)
            || self.patients.as_ref().is_some_and(Vec::is_empty)
            || self.terms.iter().any(|term| term.any_of.is_empty())
    }

    /// Whether a resource is found: its type, id, rows and the time of its last change.
    pub fn matches(&self, resource_type: &str, id: &str, rows: &[IndexRow], updated: Instant) -> bool {
        resource_type == self.resource_type
            && self.ids.as_ref().is_none_or(|ids| ids.iter().any(|it| it == id))
            && self.terms.iter().all(|term| term.holds(rows))
            && self.passes_updated(updated)
    }

    fn take_count(&mut self, value: &str, options: &Options<'_>) -> Result<(), SearchError> {
        let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        if !digits {
            return Err(SearchError::Value { name: "_count".to_owned(), expected: "a whole number" });
        }
        // More digits than a number holds is more than the limit.
        self.count = value.parse().unwrap_or(usize::MAX).min(options.max_count);
        self.only_count |= self.count == 0;
        Ok(())
    }

    fn take_sort(&mut self, value: &str) -> Result<(), SearchError> {
        self.sort = match value {
            "-_lastUpdated" => Sort::NewestFirst,
            "_lastUpdated" => Sort::OldestFirst,
            _ => return Err(word("_sort", value, "_lastUpdated, -_lastUpdated")),
        };
        Ok(())
    }

    fn take_include(&mut self, name: &str, value: &str) -> Result<(), SearchError> {
        let refused = || word(name, value, include::FORM);
        let include = Include::parse(value).ok_or_else(refused)?;
        let own = ResourceType::parse(&self.resource_type).map_err(|_| refused())?;
        // Only the matches themselves are followed: an include of another type would never give anything.
        let (list, follows_matches) = match name {
            "_include" => (&mut self.includes, include.source == own),
            _ => {
                let targets = include.target.is_none_or(|target| target == own);
                (&mut self.reverse_includes, targets && include.may_point_to(own))
            }
        };
        if !follows_matches {
            return Err(refused());
        }
        if !list.contains(&include) {
            list.push(include);
        }
        Ok(())
    }

    fn take_total(&mut self, value: &str) -> Result<(), SearchError> {
        self.total = match value {
            "none" => Total::Silent,
            "estimate" | "accurate" => Total::Counted,
            _ => return Err(word("_total", value, "none, estimate, accurate")),
        };
        Ok(())
    }

    fn take_summary(&mut self, value: &str) -> Result<(), SearchError> {
        match value {
            "count" => self.only_count = true,
            "false" => {}
            _ => return Err(word("_summary", value, "count, false")),
        }
        Ok(())
    }

    fn take_ids(&mut self, value: &str) -> Result<(), SearchError> {
        let fail = SearchError::Value { name: "_id".to_owned(), expected: "ids of 1 to 64 letters, digits, - and ." };
        let ids: Option<Vec<String>> = split(value, ',', usize::MAX)
            .iter()
            .map(|id| ResourceId::parse(id).ok().map(|id| id.to_string()))
            .collect();
        let ids = ids.ok_or(fail)?;
        self.ids = Some(match self.ids.take() {
            None => ids,
            Some(before) => before.into_iter().filter(|id| ids.contains(id)).collect(),
        });
        Ok(())
    }

    fn take_updated(&mut self, value: &str) -> Result<(), SearchError> {
        let fail = || SearchError::Value {
            name: "_lastUpdated".to_owned(),
            expected: "a date, with eq, ne, gt, lt, ge, le, sa or eb before it",
        };
        let mut any = Vec::new();
        for date in split(value, ',', usize::MAX) {
            any.extend(date::allowed(date).ok_or_else(fail)?);
        }
        self.updated.push(any);
        Ok(())
    }

    fn take_identifier(&mut self, value: &str) -> Result<(), SearchError> {
        let fail =
            || SearchError::Value { name: "identifier".to_owned(), expected: "system|value, |value, value or system|" };
        let mut term = Term::default();
        for token in split(value, ',', usize::MAX) {
            let mut parts = Vec::new();
            for part in split(token, '|', 2) {
                parts.push(unescaped(part).ok_or_else(fail)?);
            }
            let (param, kind, test) = match parts.as_slice() {
                [value] if !value.is_empty() => (IDENTIFIER, RowKind::Key, identifier_key("", value).map(Test::Prefix)),
                [system, value] if !value.is_empty() => {
                    (IDENTIFIER, RowKind::Key, identifier_key(system, value).map(Test::Equals))
                }
                [system, _] if !system.is_empty() => {
                    (IDENTIFIER_SYSTEM, RowKind::Detail, Some(Test::Equals(system.clone().into_bytes())))
                }
                _ => return Err(fail()),
            };
            // A value that is never indexed is never found.
            term.any_of.extend(test.map(|test| Match { param, test, kind }));
        }
        self.terms.push(term);
        Ok(())
    }

    fn take_reference(
        &mut self,
        name: &str,
        modifier: Option<&str>,
        value: &str,
        base: &str,
    ) -> Result<(), SearchError> {
        let fail = || SearchError::Value {
            name: name.to_owned(),
            expected: "id, Type/id or the URL of a resource of this server",
        };
        let param = match name {
            "patient" => PATIENT,
            "subject" => SUBJECT,
            _ => TARGET,
        };
        let typed = match modifier {
            None if param == PATIENT => Some("Patient"),
            None => None,
            Some(modifier) if ResourceType::parse(modifier).is_ok() => Some(modifier),
            Some(modifier) => {
                return Err(SearchError::Modifier { name: name.to_owned(), modifier: shortened(modifier) });
            }
        };
        let mut term = Term::default();
        let mut patients = Some(Vec::new());
        for text in split(value, ',', usize::MAX) {
            let text = unescaped(text).ok_or_else(fail)?;
            let own = text.strip_prefix(base).filter(|_| !base.is_empty()).map(|rest| rest.trim_start_matches('/'));
            if own.is_none() && text.contains("://") {
                // A resource of another server: none of ours refers to it by a relative reference.
                continue;
            }
            let text = own.unwrap_or(&text);
            let mut references = Vec::new();
            if text.contains('/') {
                let reference = Reference::parse(text).map_err(|_| fail())?;
                references
                    .extend(Some(reference).filter(|it| typed.is_none_or(|typed| it.resource_type.as_str() == typed)));
            } else {
                let id = ResourceId::parse(text).map_err(|_| fail())?;
                let types = typed
                    .map_or(&["Patient", "Group", "Device", "Location", "Practitioner", "Organization"][..], |_| &[]);
                for name in types.iter().copied().chain(typed) {
                    references.extend(ResourceType::parse(name).ok().map(|it| Reference::new(it, id.clone())));
                }
            }
            for reference in references {
                match (&mut patients, reference.resource_type.as_str()) {
                    (Some(patients), "Patient") if param != TARGET => patients.push(reference.id.to_string()),
                    (narrow, _) => *narrow = None,
                }
                let row = reference_row(param, &reference);
                term.any_of.extend(row.map(|row| Match { param, test: Test::Equals(row.value), kind: row.kind }));
            }
        }
        self.terms.push(term);
        if let Some(patients) = patients {
            self.patients = Some(match self.patients.take() {
                None => patients,
                Some(before) => {
                    // Both terms have to hold; a resource may belong to two patients, so the shorter list narrows.
                    if before.len() <= patients.len() { before } else { patients }
                }
            });
        }
        Ok(())
    }
}

fn modifier_free(name: &str, modifier: Option<&str>) -> Result<(), SearchError> {
    match modifier {
        None => Ok(()),
        Some(modifier) => Err(SearchError::Modifier { name: name.to_owned(), modifier: shortened(modifier) }),
    }
}

fn word(name: &str, word: &str, supported: &'static str) -> SearchError {
    SearchError::Word { name: name.to_owned(), word: shortened(word), supported }
}

fn unknown(name: &str, resource_type: &str) -> SearchError {
    let mut supported: Vec<&str> = parameters(resource_type).iter().map(|parameter| parameter.name).collect();
    supported.extend(["_count", "_sort", "_include", "_revinclude", "_total", "_summary"]);
    SearchError::Unknown {
        name: shortened(name),
        resource_type: resource_type.to_owned(),
        supported: supported.join(", "),
    }
}

/// A name is the client's own text: shortened, so that an answer carries no more than a name.
fn shortened(name: &str) -> String {
    name.chars().filter(char::is_ascii_graphic).take(64).collect()
}

#[cfg(test)]
mod tests;
