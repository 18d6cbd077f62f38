//! Test suites against running systems: FHIR endpoints, MLLP listeners, consent and ledger; ours or another's.

pub mod base;
pub mod client;
mod consent;
pub mod context;
mod expression;
#[cfg(test)]
mod fake;
mod ledger;
mod mllp;
pub mod path;
mod pattern;
pub mod report;
pub mod result;
pub mod run;
pub mod suite;
pub mod table;
pub mod testscript;
pub mod us_core;
pub mod wire;
