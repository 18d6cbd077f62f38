//! Operations: what there is (`table`), what is asked of one (`input`), what answers, and work that goes on without its
//! caller (`jobs`).

pub mod input;
pub(crate) mod matching;
pub(crate) mod meta;
pub(crate) mod process_message;
pub mod table;
pub mod terminology;
