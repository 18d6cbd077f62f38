//! The patient's consent, compiled and decided. Pure: no network, no clock, no storage.
//!
//! Consents are compiled once ([`Policies`]), a request ([`AccessRequest`]) and what a resource says about itself
//! ([`ResourceFacts`]) are decided ([`decide`]), and what is permitted leaves this crate only as [`Permitted`], which
//! nothing else can make. What is not understood denies; `docs/consent.md` has the rules in plain words.

pub mod cases;
mod criteria;
mod decide;
mod explain;
mod facts;
mod filter;
mod from_fhir;
mod label;
#[cfg(test)]
mod laws;
mod obligation;
mod policy;
pub mod r5;
mod redact;
mod request;
#[cfg(test)]
mod samples;
mod settings;
mod vocabulary;

pub use decide::{Decision, Effect, Matched, Reason, decide};
pub use facts::{Links, ResourceFacts};
pub use filter::{
    Candidate, Content, Context, Known, Permitted, Released, Whole, Withheld, attachments, patients_in, release,
    release_all, release_bundle, release_following, release_known, told_of,
};
pub use from_fhir::Misunderstood;
pub use label::{Confidentiality, Labels, MapError, SensitivityMap, Why};
pub use obligation::{Obligation, Obligations};
pub use policy::{Policies, is_admin_policy};
pub use request::{AccessRequest, Action, Actor, Btg, Interaction, Purpose, UnknownWord};
pub use settings::{BasePolicy, BtgMode, ImplicitPolicy, Inheritance, LabelCover, Labelling, Purposes, Settings};
