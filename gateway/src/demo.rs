//! `anchorline demo`: the main job on bundled samples, on this machine alone.

use std::path::PathBuf;

/// How the demonstration runs.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where it keeps its data; a new folder under the system's temporary folder otherwise.
    pub data: Option<PathBuf>,
    /// Whether it ends when the job is done.
    pub exit: bool,
}

/// Why the demonstration did not come through.
#[derive(Debug, thiserror::Error)]
#[error("the demonstration is not in this build")]
pub struct DemoError;

/// Runs the demonstration.
///
/// # Errors
/// [`DemoError`].
pub fn run(_options: &Options) -> Result<(), DemoError> {
    Err(DemoError)
}
