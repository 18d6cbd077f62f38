//! FHIR search without storage: parameters, index rows, queries.
//!
//! What a resource is found by is made of it when it is written ([`extract`]); a store keeps those rows as bytes and
//! compares bytes. A query string becomes a [`Query`] over the same rows, or an error that names what is not known.

mod compartment;
mod date;
mod generated;
mod include;
mod parameter;
mod query;
mod row;
mod value;

pub use compartment::{compartment, compartments};
pub use include::{Include, includes, reverse_includes};
pub use parameter::{Kind as ParameterKind, Parameter, parameters};
pub use query::{Handling, Options, Query, SearchError, Sort, Total, parse};
pub use row::{IndexRow, Match, RowKind, Term, Test, attached, extract, is_identifier, referring};
