//! `_sort`. FHIR R4 search.html, "Sorting".

use smol_str::SmolStr;

use crate::error::SearchError;
use crate::parameter::Kind;
use crate::query::condition::{Reader, Scope, shortened};
use crate::row::IndexRow;

/// Keys of one search.
const KEYS_MOST: usize = 8;

/// What a key sorts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// The id.
    Id,
    /// The time of the last change.
    LastUpdated,
    /// The rows of a parameter of that kind.
    Rows(Kind),
}

/// One key of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortKey {
    /// The code of the parameter.
    pub code: SmolStr,
    /// The number of its rows.
    pub param: u32,
    /// What is compared.
    pub by: SortBy,
    /// The largest first. What has no value comes last in both directions.
    pub descending: bool,
}

impl SortKey {
    /// The value of a resource with these rows in this order: the smallest of its values, or the largest if it is
    /// descending. `None` for `_id` and `_lastUpdated`, which no row holds, and for a resource without a value.
    pub fn value<'r>(&self, rows: &'r [IndexRow]) -> Option<&'r [u8]> {
        let SortBy::Rows(kind) = self.by else { return None };
        let own = rows.iter().filter(|row| row.param == self.param && !row.value.is_empty());
        let values = own.filter_map(|row| part(kind, &row.value, self.descending));
        if self.descending { values.max() } else { values.min() }
    }
}

/// What of a row's value is compared: of a stretch the end that comes first in the order.
fn part(kind: Kind, value: &[u8], descending: bool) -> Option<&[u8]> {
    let end = |ends: &'_ [u8]| -> Option<(usize, usize)> {
        (ends.len() == 16).then_some(if descending { (8, 16) } else { (0, 8) })
    };
    match kind {
        Kind::Number | Kind::Date => end(value).and_then(|(from, to)| value.get(from..to)),
        // The value without a unit; with different units there is no order.
        Kind::Quantity => {
            let ends = value.strip_prefix(&[0])?;
            end(ends).and_then(|(from, to)| ends.get(from..to))
        }
        Kind::String | Kind::Token => value.split(|byte| *byte == 0).next(),
        _ => Some(value),
    }
}

/// Reads the keys of `_sort`.
pub(crate) fn read(reader: &Reader<'_>, scope: Scope<'_>, value: &str) -> Result<Vec<SortKey>, SearchError> {
    const SUPPORTED: &str =
        "parameters of the type with - before them for descending, but for composite and special ones";
    let mut keys: Vec<SortKey> = Vec::new();
    for text in value.split(',') {
        let refused = || SearchError::Word { name: "_sort".to_owned(), word: shortened(text), supported: SUPPORTED };
        let (descending, code) = text.strip_prefix('-').map_or((false, text), |code| (true, code));
        let (by, param) = match code {
            "_id" => (SortBy::Id, 0),
            "_lastUpdated" => (SortBy::LastUpdated, 0),
            _ => {
                let parameter = reader.parameter(scope, code, code).map_err(|_| refused())?;
                if matches!(parameter.kind, Kind::Composite | Kind::Special) {
                    return Err(refused());
                }
                (SortBy::Rows(parameter.kind), parameter.own_rows())
            }
        };
        if keys.len() >= KEYS_MOST {
            return Err(SearchError::TooCostly { name: "_sort".to_owned(), what: "keys", most: KEYS_MOST });
        }
        if keys.iter().all(|key| key.code != code) {
            keys.push(SortKey { code: SmolStr::new(code), param, by, descending });
        }
    }
    Ok(keys)
}
