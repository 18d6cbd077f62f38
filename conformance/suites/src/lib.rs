//! Test suites against running systems: FHIR endpoints, MLLP listeners, consent and ledger; ours or another's.

pub mod client;
pub mod context;
mod expression;
#[cfg(test)]
mod fake;
mod path;
mod pattern;
pub mod report;
pub mod result;
pub mod run;
pub mod suite;
pub mod testscript;
pub mod wire;
