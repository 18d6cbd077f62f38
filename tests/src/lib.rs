//! The harness of the tests that cross crates: the real program, in its own data directory, over real sockets.
//!
//! Nothing here knows how the gateway works inside; it starts `anchorline`, talks MLLP and HTTP to it, stops or kills it,
//! and reads what it logged. Every wait has a deadline, every process is ended when its handle is dropped.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a harness that meets the unexpected ends the test")]

pub mod canary;
pub mod consents;
pub mod fault;
pub mod http;
pub mod measured;
pub mod mllp;
pub mod process;
pub mod raw;

use std::path::PathBuf;

/// The folder of outside test data, if there is one: `$ANCHORLINE_CORPUS`.
///
/// Unset, the test `name` is reported as skipped and `None` is the answer. Set but missing is a failure.
///
/// # Panics
/// If the variable names a folder that is not there.
#[must_use]
pub fn corpus(name: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("ANCHORLINE_CORPUS") else {
        eprintln!("skipped: {name} (ANCHORLINE_CORPUS is not set)");
        return None;
    };
    let folder = PathBuf::from(folder);
    assert!(folder.is_dir(), "ANCHORLINE_CORPUS names no folder");
    Some(folder)
}
