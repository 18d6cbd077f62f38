//! FHIR as this product holds it: a lossless tree, resources, ids, time and outcomes.
//!
//! Nothing here does IO, reads a clock by itself (except [`time::SystemClock`]) or draws random numbers: the same
//! input gives the same bytes. Content is never rounded or re-ordered: see [`json`].

pub mod bundle;
pub mod canonical;
mod generated;
pub mod id;
pub mod ips;
pub mod json;
pub mod outcome;
pub mod patch;
pub mod resource;
pub mod time;
pub mod types;
pub mod xml;
