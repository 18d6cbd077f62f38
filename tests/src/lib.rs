//! The harness of the tests that cross crates.
