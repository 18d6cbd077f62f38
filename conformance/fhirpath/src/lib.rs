//! FHIRPath 2.0 over the lossless tree: compile once, evaluate many times.
//!
//! The language is FHIRPath 2.0.0 (ANSI/HL7 NMN R1-2020) as FHIR R4 uses it (fhirpath.html), with those functions of
//! the draft of FHIRPath 3.0.0 that the official suite for R4 asks for. Decimals are exact and keep their digits, dates
//! keep their precision, and element types come from the R4 tables of the model.
//!
//! Where the specification leaves room:
//! - Integers have 32 bits; a sum beyond is empty. Decimals have 28 digits; one that has more is rounded when it is
//!   calculated with, and shown as it was written.
//! - Of two dateTimes of which only one says its offset, `=` is empty if some offset makes them the same; their order
//!   takes the missing offset for UTC.
//! - `as` and `ofType` let a primitive pass only as its own type (`code` is no `string` to them), an object also as
//!   what it is based on; `is` follows the hierarchy for both.
//! - A Quantity of FHIR with a comparator has no value to compare.
//! - `children()` and `descendants()` have no order; positions in them are refused by the check, not at run time.
//! - Regular expressions have no look-around: they are matched in linear time.
//!
//! Nothing here reads a clock, a file or the network; the caller's [`Host`] answers what the tree does not say. Depth,
//! steps and text sizes are bounded, so that no expression and no input can hang or overflow the stack.

mod ast;
mod check;
mod compare;
mod context;
mod decimal;
mod error;
mod eval;
mod expression;
mod function;
mod item;
mod node;
mod parse;
mod print;
mod quantity;
mod temporal;
mod types;

pub use check::Strictness;
pub use context::{AsRule, Context, Host, Limits, NoHost};
pub use error::{EvalError, SemanticError};
pub use expression::Expression;
pub use item::{Item, TypeInfo};
pub use node::Node;
pub use parse::SyntaxError;
pub use quantity::{Quantity, Unit};
pub use rust_decimal::Decimal;
pub use temporal::{CalendarUnit, Date, DateTime, Time};
pub use types::Type;

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;
