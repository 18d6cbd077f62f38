//! The one integration binary: evidence that crosses crates, against the real program where that is what users run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that meets the unexpected ends; its helpers are no #[test] functions, which the lints leave alone"
)]

mod abuse;
mod architecture;
mod bad_bodies;
mod bad_input;
mod capability;
mod ccda;
mod consent;
mod consent_corpus;
mod crash;
mod demo;
mod documents;
mod emergency;
mod emergency_rules;
mod faults;
mod fidelity;
mod flat;
mod flow;
mod formats;
mod http;
mod interactions;
mod jobs;
mod labelling;
mod merges;
mod mllp;
mod operations;
mod packages;
mod parameters;
mod partners;
mod patients;
mod privacy;
mod races;
mod search;
mod suites;
mod transactions;
mod unmapped;
mod validation;
mod ways_out;
