//! FHIR search without storage: parameters, index rows, queries.
//!
//! What a resource is found by is made of it when it is written ([`Registry::extract`]); a store keeps those rows as
//! bytes and compares bytes. A query string becomes a [`Query`] over the same rows, or errors that name what is not known.

mod compartment;
mod definition;
mod error;
mod extract;
mod fold;
mod generated;
mod include;
mod own;
mod parameter;
mod query;
mod registry;
mod row;
mod text;
mod values;

pub use compartment::{compartment, compartments};
pub use definition::{Definition, Problem};
pub use error::SearchError;
pub use fold::fold;
pub use include::{Include, includes, reverse_includes};
pub use own::{attached, identified, is_identifier, referring};
pub use parameter::{Kind as ParameterKind, Parameter};
pub use query::parse::parse;
pub use query::{
    CODES_MOST, Chain, Clause, Code, CodeSet, Handling, Has, Host, Link, ListOf, NoCodes, NoHost, Options, Query,
    SortBy, SortKey, Summary, TextSearch, Total,
};
pub use registry::Registry;
pub use row::{Bounds, IndexRow, Match, RowKind, Term, Test, number};
pub use text::words;
pub use values::date::Stretch;
pub use values::near::Near;
