//! Tables made by a script; never edited by hand.

#[rustfmt::skip]
mod compartments;
#[rustfmt::skip]
mod r4;

pub(crate) use compartments::COMPARTMENTS;
pub(crate) use r4::{Element, IDENTIFIER, PATIENT, REFERENCES, Row, SUBJECT};
