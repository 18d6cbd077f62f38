//! Tables made by a script; never edited by hand.

#[rustfmt::skip]
mod compartments;
#[rustfmt::skip]
pub(crate) mod fold;

pub(crate) use compartments::COMPARTMENTS;

/// The search parameters of R4. Made by generator/parameters.py, which says what its fields are.
pub(crate) const R4: &str = include_str!("generated/r4.tsv");
