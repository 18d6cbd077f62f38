//! From the parameters of a request to a query.

use model::id::ResourceType;

use crate::error::SearchError;
use crate::query::condition::{Reader, Scope, flattened, shortened};
use crate::query::{Clause, Handling, Options, Query};
use crate::row::{Term, Test};

/// Parameters about the answer, not about what is found; whoever writes the answer reads them.
const ABOUT_THE_ANSWER: [&str; 2] = ["_format", "_pretty"];

/// Reads the parameters of a search, already split and percent-decoded. `types`: the type of the path, or none for a
/// search of the whole system, which `_type` then narrows.
///
/// # Errors
/// Every [`SearchError`], naming the parameter: unknown ones (unless lenient), modifiers, values that cannot be read.
pub fn parse(
    types: &[ResourceType],
    pairs: &[(String, String)],
    options: &Options<'_>,
) -> Result<Query, Vec<SearchError>> {
    let mut query = Query { types: types.to_vec(), count: options.default_count, ..Query::default() };
    let mut errors = Vec::new();
    let is_system = types.is_empty();
    for (name, value) in pairs.iter().filter(|(name, _)| is_system && name == "_type") {
        match of_type(value) {
            Ok(named) => {
                query.types = named;
                query.used.push((name.clone(), value.clone()));
            }
            Err(error) => errors.push(error),
        }
    }
    let all: Vec<ResourceType> =
        if query.types.is_empty() { ResourceType::all().collect() } else { query.types.clone() };
    let scope = Scope { types: &all, depth: 0 };
    let reader = Reader::new(options);
    for (name, value) in pairs {
        if ABOUT_THE_ANSWER.contains(&name.as_str()) || is_system && name == "_type" {
            continue;
        }
        if name == "_page" {
            query.page = Some(value.clone());
            continue;
        }
        let result = match query.take_about(&reader, scope, name, value) {
            Some(result) => result,
            None => reader.clause(scope, name, value).map(|clause| query.take(scope, options.base, name, clause)),
        };
        match result {
            Ok(()) => query.used.push((name.clone(), value.clone())),
            Err(error) if options.handling == Handling::Lenient && error.is_unknown() => {
                query.ignored.push(match error {
                    SearchError::Word { name, word, .. } => format!("{name}={word}"),
                    _ => shortened(name),
                });
            }
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(query) } else { Err(errors) }
}

fn of_type(value: &str) -> Result<Vec<ResourceType>, SearchError> {
    let mut types: Vec<ResourceType> = value
        .split(',')
        .map(ResourceType::parse)
        .collect::<Result<_, _>>()
        .map_err(|_| SearchError::Value { name: "_type".to_owned(), expected: "resource types of R4" })?;
    types.sort_unstable();
    types.dedup();
    Ok(types)
}

impl Query {
    /// Adds what has to hold.
    fn take(&mut self, scope: Scope<'_>, base: &str, name: &str, clause: Clause) {
        for clause in flattened(clause) {
            match clause {
                Clause::Ids(ids) => {
                    self.ids = Some(match self.ids.take() {
                        None => ids,
                        Some(before) => before.into_iter().filter(|id| ids.contains(id)).collect(),
                    });
                }
                Clause::Updated(any) => self.updated.push(any),
                clause => {
                    self.note(scope, base, name, &clause);
                    self.clauses.push(clause);
                }
            }
        }
    }

    /// Keeps whose records are asked for.
    fn note(&mut self, scope: Scope<'_>, base: &str, name: &str, clause: &Clause) {
        let code = name.split(['.', ':']).next().unwrap_or_default();
        let is_one_type = scope.types.len() == 1;
        if !["patient", "subject"].contains(&code) || name.contains('.') || !is_one_type {
            return;
        }
        let Clause::Rows(Term::AnyOf(any)) = clause else { return };
        self.references.extend(any.first().map(|one| one.param));
        let patient = |test: &Test| match test {
            Test::Equals(value) => {
                let text = std::str::from_utf8(value).ok()?;
                let own = text.strip_prefix(base).filter(|_| !base.is_empty()).and_then(|rest| rest.strip_prefix('/'));
                own.unwrap_or(text).strip_prefix("Patient/").map(str::to_owned)
            }
            _ => None,
        };
        let asked: Option<Vec<String>> = any.iter().map(|one| patient(&one.test)).collect();
        if let Some(mut asked) = asked {
            asked.sort();
            asked.dedup();
            self.patients = Some(match self.patients.take() {
                // Both have to hold; a resource may belong to two patients, so the shorter list narrows.
                Some(before) if before.len() <= asked.len() => before,
                _ => asked,
            });
        }
    }
}
