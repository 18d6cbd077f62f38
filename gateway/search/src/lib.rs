//! FHIR search without storage: parameters, index rows, queries.
//!
//! What a resource is found by is made of it when it is written ([`extract`]); a store keeps those rows as bytes and
//! compares bytes. A query string becomes a [`Query`] over the same rows, or an error that names what is not known.

mod date;
mod generated;
mod parameter;
mod query;
mod row;
mod value;

pub use parameter::{Kind as ParameterKind, Parameter, parameters};
pub use query::{Cursor, Handling, Options, Query, SearchError, Sort, parse};
pub use row::{IndexRow, Match, RowKind, Term, Test, extract, is_identifier};
