//! What a search asks for.

use model::id::{Reference, ResourceType};
use model::time::Instant;
use smol_str::SmolStr;

use crate::include::Include;
use crate::parameter::Kind;
use crate::registry::Registry;
use crate::row::{IndexRow, Match, Term, Test};
use crate::values::date::Stretch;
use crate::values::near::Near;
use crate::values::reference;

pub(crate) mod about;
pub(crate) mod condition;
pub(crate) mod escape;
pub(crate) mod filter;
pub(crate) mod parse;
pub(crate) mod sort;

pub use sort::{SortBy, SortKey};

/// What happens to parameters that are not known. FHIR R4 search.html, "Handling Errors".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Handling {
    /// They are an error.
    #[default]
    Strict,
    /// They are left out and listed (`Prefer: handling=lenient`).
    Lenient,
}

/// A code of a code system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// The code system.
    pub system: String,
    /// The code.
    pub code: String,
}

/// Codes that a search names by what they have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeSet<'a> {
    /// Those of a value set, by its canonical URL or as `ValueSet/id`.
    ValueSet(&'a str),
    /// A code and all below it in its code system.
    Below {
        /// The code system.
        system: &'a str,
        /// The code.
        code: &'a str,
    },
    /// A code and all above it in its code system.
    Above {
        /// The code system.
        system: &'a str,
        /// The code.
        code: &'a str,
    },
}

/// Why codes cannot be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoCodes {
    /// The value set or code system is not known, or cannot be listed.
    Unknown,
    /// There are more than [`CODES_MOST`].
    TooMany,
}

/// Codes that one value of a search may stand for.
pub const CODES_MOST: usize = 2_000;

/// What only the caller knows.
pub trait Host {
    /// All codes of a set, at most [`CODES_MOST`].
    ///
    /// # Errors
    /// [`NoCodes`]
    fn codes(&self, _set: CodeSet<'_>) -> Result<Vec<Code>, NoCodes> {
        Err(NoCodes::Unknown)
    }
}

/// A host that knows no codes.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHost;

impl Host for NoHost {}

/// How queries are read here.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// The parameters there are.
    pub registry: &'a Registry,
    /// What knows value sets.
    pub host: &'a dyn Host,
    /// The base of this server; references below it are its own.
    pub base: &'a str,
    /// What happens to unknown parameters.
    pub handling: Handling,
    /// The present, for `ap` of dates.
    pub now: Instant,
    /// Entries of a page unless `_count` says otherwise.
    pub default_count: usize,
    /// The most entries of a page.
    pub max_count: usize,
}

impl<'a> Options<'a> {
    /// Strict, for a server without a base that knows no value sets, in 1970.
    pub fn new(registry: &'a Registry) -> Self {
        Self {
            registry,
            host: &NoHost,
            base: "",
            handling: Handling::Strict,
            now: Instant::from_millis(0),
            default_count: 50,
            max_count: 1000,
        }
    }
}

/// What has to hold of a resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Clause {
    /// Its rows hold this.
    Rows(Term),
    /// It has one of these ids.
    Ids(Vec<String>),
    /// It is of one of these types.
    Types(Vec<ResourceType>),
    /// It was last changed within one of these stretches.
    Updated(Vec<Stretch>),
    /// It refers to something of which more has to hold.
    Chain(Chain),
    /// Something refers to it, of which more has to hold.
    Has(Has),
    /// Words stand in it.
    Text(TextSearch),
    /// It is an entry of a list.
    List(ListOf),
    /// It is near a place.
    Near(Near),
    /// All of these hold.
    All(Vec<Clause>),
    /// Any of these holds.
    Any(Vec<Clause>),
    /// This does not hold.
    Not(Box<Clause>),
}

/// `subject:Patient.name=peter`: a reference, and what has to hold of what it leads to. FHIR R4 search.html, "Chained
/// parameters".
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// The code of the reference parameter.
    pub code: SmolStr,
    /// The number of its rows.
    pub param: u32,
    /// A link for each type it may lead to and that has the parameter behind it.
    pub links: Vec<Link>,
}

/// One type that a chain leads to.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// The type.
    pub target: ResourceType,
    /// What has to hold of the target; each.
    pub wanted: Vec<Clause>,
}

impl Chain {
    /// What holds of the rows of a resource that refers to one of these.
    pub fn term(&self, targets: &[Reference], base: &str) -> Term {
        Term::AnyOf(targets.iter().flat_map(|target| reference::matches(self.param, target, base)).collect())
    }

    /// What a resource with these rows refers to by the parameter, on this server.
    pub fn referred(&self, rows: &[IndexRow], base: &str) -> Vec<Reference> {
        reference::referred(rows, self.param, base)
    }
}

/// `_has:Observation:patient:code=1234-5`. FHIR R4 search.html, "Reverse Chaining".
#[derive(Clone, Debug, PartialEq)]
pub struct Has {
    /// The type that refers.
    pub source: ResourceType,
    /// The code of the reference parameter.
    pub code: SmolStr,
    /// The number of its rows.
    pub param: u32,
    /// What has to hold of the source; each.
    pub wanted: Vec<Clause>,
}

impl Has {
    /// What a source with these rows refers to, on this server.
    pub fn referred(&self, rows: &[IndexRow], base: &str) -> Vec<Reference> {
        reference::referred(rows, self.param, base)
    }

    /// What holds of the rows of a source that refers to one of these.
    pub fn term(&self, targets: &[Reference], base: &str) -> Term {
        Term::AnyOf(targets.iter().flat_map(|target| reference::matches(self.param, target, base)).collect())
    }
}

/// `_text` and `_content`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextSearch {
    /// Folded words, all of which have to be found; a word in the text may go on where `wildcard` says so.
    pub words: Vec<String>,
    /// Anywhere in the resource (`_content`), not only in its narrative (`_text`).
    pub whole: bool,
}

/// `_list`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListOf {
    /// The entries of `List/id`.
    Id(String),
    /// A list by its function (`$current-problems`).
    Function(String),
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

/// `_summary` but for `count`, which asks for no resource at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Summary {
    /// `true`: the elements marked as summary.
    True,
    /// `text`: narrative, id, meta and mandatory elements.
    Text,
    /// `data`: all but the narrative.
    Data,
}

/// What has to hold of a resource to be found. All parts have to hold together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// One of these types; empty: any (a search of the whole system without `_type`).
    pub types: Vec<ResourceType>,
    /// One of these ids; `None`: any.
    pub ids: Option<Vec<String>>,
    /// It is in the record of one of these patients; `None`: not asked. The clauses ask the same more precisely, so a
    /// store that finds by patient may begin here.
    pub patients: Option<Vec<String>>,
    /// Each of these holds.
    pub clauses: Vec<Clause>,
    /// `_lastUpdated` is in one stretch of each of these.
    pub(crate) updated: Vec<Vec<Stretch>>,
    /// Numbers of the reference parameters that were used: rows that may name a patient.
    pub(crate) references: Vec<u32>,
    /// Entries of a page.
    pub count: usize,
    /// The order: the first key counts most; empty: newest first.
    pub sort: Vec<SortKey>,
    /// `_include`: what the matches refer to.
    pub includes: Vec<Include>,
    /// `_revinclude`: what refers to the matches.
    pub reverse_includes: Vec<Include>,
    /// `_total`
    pub total: Total,
    /// `_summary=count` or `_count=0`: the number of matches alone.
    pub only_count: bool,
    /// `_summary`
    pub summary: Option<Summary>,
    /// `_elements`: names of elements at the top; empty: all.
    pub elements: Vec<String>,
    /// The page that is asked for, as it came.
    pub page: Option<String>,
    /// The parameters that were used, for the self link; without the page.
    pub used: Vec<(String, String)>,
    /// The names of parameters that were left out.
    pub ignored: Vec<String>,
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

    /// The terms over rows that have to hold, without the clauses that need more than the rows of one resource.
    pub fn terms(&self) -> impl Iterator<Item = &Term> {
        self.clauses.iter().filter_map(|clause| match clause {
            Clause::Rows(term) => Some(term),
            _ => None,
        })
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
        let mut terms = Vec::new();
        self.clauses.iter_mut().for_each(|clause| collect(clause, &mut terms));
        for term in terms {
            let (Term::AnyOf(list) | Term::NoneOf(list)) = term else { continue };
            let mut more = Vec::new();
            for one in list.iter().filter(|one| self.references.contains(&one.param)) {
                let Test::Equals(value) = &one.test else { continue };
                let Some(patient) = std::str::from_utf8(value).ok().and_then(|text| text.strip_prefix("Patient/"))
                else {
                    continue;
                };
                for other in others(patient)? {
                    let value = format!("Patient/{other}").into_bytes();
                    more.push(Match { param: one.param, test: Test::Equals(value), kind: one.kind });
                }
            }
            list.extend(more);
        }
        Ok(())
    }

    /// Whether nothing can be found, whatever there is.
    pub fn is_empty(&self) -> bool {
        self.ids.as_ref().is_some_and(Vec::is_empty)
            || self.patients.as_ref().is_some_and(Vec::is_empty)
            || self.terms().any(Term::is_empty)
    }

    /// Whether a resource is found, as far as its type, id, rows and the time of its last change say; clauses that need
    /// more are taken to hold.
    pub fn matches(&self, resource_type: ResourceType, id: &str, rows: &[IndexRow], updated: Instant) -> bool {
        (self.types.is_empty() || self.types.contains(&resource_type))
            && self.ids.as_ref().is_none_or(|ids| ids.iter().any(|it| it == id))
            && self.clauses.iter().all(|clause| clause.matches(resource_type, id, rows, updated).unwrap_or(true))
            && self.passes_updated(updated)
    }
}

/// All terms in a clause but those of targets and sources.
fn collect<'c>(clause: &'c mut Clause, terms: &mut Vec<&'c mut Term>) {
    match clause {
        Clause::Rows(term) => flat(term, terms),
        Clause::All(clauses) | Clause::Any(clauses) => clauses.iter_mut().for_each(|clause| collect(clause, terms)),
        Clause::Not(clause) => collect(clause, terms),
        Clause::Chain(chain) => {
            chain.links.iter_mut().flat_map(|link| &mut link.wanted).for_each(|clause| collect(clause, terms));
        }
        Clause::Has(has) => has.wanted.iter_mut().for_each(|clause| collect(clause, terms)),
        _ => {}
    }
}

fn flat<'c>(term: &'c mut Term, terms: &mut Vec<&'c mut Term>) {
    match term {
        Term::Either(alternatives) => alternatives.iter_mut().flatten().for_each(|term| flat(term, terms)),
        term => terms.push(term),
    }
}

impl Clause {
    /// Whether it holds, as far as type, id, rows and time say; `None` if it takes more than those.
    pub fn matches(&self, resource_type: ResourceType, id: &str, rows: &[IndexRow], updated: Instant) -> Option<bool> {
        let one = |clause: &Self| clause.matches(resource_type, id, rows, updated);
        match self {
            Self::Rows(term) => Some(term.holds(rows)),
            Self::Ids(ids) => Some(ids.iter().any(|it| it == id)),
            Self::Types(types) => Some(types.contains(&resource_type)),
            Self::Updated(any) => Some(any.iter().any(|span| span.from <= updated && updated <= span.to)),
            Self::Near(near) => Some(near.holds(rows)),
            Self::Not(clause) => one(clause).map(|holds| !holds),
            // One that fails, or one that holds, decides; else what is not known stays so.
            Self::All(clauses) => decided(clauses.iter().map(one), false),
            Self::Any(clauses) => decided(clauses.iter().map(one), true),
            Self::Chain(_) | Self::Has(_) | Self::Text(_) | Self::List(_) => None,
        }
    }
}

fn decided(mut answers: impl Iterator<Item = Option<bool>>, by: bool) -> Option<bool> {
    let mut known = Some(!by);
    loop {
        match answers.next() {
            Some(Some(answer)) if answer == by => return Some(by),
            Some(Some(_)) => {}
            Some(None) => known = None,
            None => return known,
        }
    }
}

/// How a kind of value is called in messages.
pub(crate) fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Number => "a number, with eq, ne, gt, lt, ge, le, sa, eb or ap before it",
        Kind::Date => "a date, with eq, ne, gt, lt, ge, le, sa, eb or ap before it",
        Kind::String => "text",
        Kind::Token => "system|code, |code, code or system|",
        Kind::Reference => "id, Type/id or a URL",
        Kind::Composite => "values of its parts with $ between them",
        Kind::Quantity => "number, number|system|code or number||code, with a prefix before it",
        Kind::Uri => "a URI",
        Kind::Special => "latitude|longitude|distance|unit",
    }
}

#[cfg(test)]
mod tests;
