//! Code systems, value sets, concept maps and units: membership, expansion, translation, without a network.
//!
//! Everything starts at [`Terminology`], which compiles definitions from a [`Source`] once and answers from memory. What
//! cannot be decided here (a code system that is not loaded, a filter in another language) is [`Membership::Unknown`]
//! with its [`Reason`], never an error: FHIR R4 terminology-service.html leaves such answers to a server.
//!
//! ```
//! use std::sync::Arc;
//! use terminology::{Coding, Membership, Options, Source, Terminology};
//!
//! struct Nothing;
//! impl Source for Nothing {
//!     fn find(&self, _kind: &str, _canonical: &str) -> Option<Arc<model::json::Json>> {
//!         None
//!     }
//! }
//!
//! let terminology = Terminology::new(Arc::new(Nothing), Options::default());
//! let answer = terminology.member("http://example.org/vs", &Coding::new("http://example.org/cs", "a"));
//! assert!(matches!(answer, Membership::Unknown(_)));
//! ```

mod answer;
pub mod check_digit;
mod code_system;
mod concepts;
#[cfg(test)]
mod corpus;
mod expand;
mod filter;
mod implicit;
pub mod import;
#[cfg(test)]
mod laws;
mod lookup;
mod member;
mod registry;
pub mod release;
pub mod remote;
mod rule;
mod service;
#[cfg(test)]
mod testing;
mod translate;
pub mod ucum;
mod value_set;

pub use answer::{CodeCheck, Coding, DisplayCheck, Membership, Reason};
pub use code_system::CodeSystem;
pub use concepts::{Completeness, Concept, Concepts, Designation, Value};
pub use expand::{Contains, ExpandError, ExpandRequest, Expansion};
pub use lookup::{CodeValidation, Lookup, LookupError, Subsumption};
pub use service::{Options, Source, Terminology};
pub use translate::{Dependency, Direction, Match, TranslateRequest, Translation};
pub use value_set::ValueSet;
