//! Operations: what there is (`table`), what is asked of one (`input`), and work that goes on without its caller (`jobs`).

pub mod table;
