//! `anchorline serve` and `anchorline demo`: logging, then the gateway itself.

use tracing_subscriber::EnvFilter;

use super::Failure;
use super::args::{DemoArguments, LogFormat, ServeArguments};
use crate::config::Config;

pub(crate) fn serve(options: ServeArguments, log_format: LogFormat) -> Result<(), Failure> {
    logging(log_format, "info");
    let config = match &options.config {
        Some(path) => Config::load(path).map_err(Failure::usage)?,
        None => Config::embedded(),
    };
    crate::serve::run(config, &options.data).map_err(|error| Failure::Usage(super::chain(&error)))
}

pub(crate) fn demo(options: DemoArguments, log_format: LogFormat) -> Result<(), Failure> {
    // The demonstration speaks for itself: logs would drown it.
    logging(log_format, "off");
    crate::demo::run(&crate::demo::Options { data: options.data, exit: options.exit })
        .map_err(|error| Failure::Refused(super::chain(&error)))
}

/// Logs go to standard error; `RUST_LOG` sets levels.
fn logging(format: LogFormat, default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second subscriber in one process (tests) keeps the first; nothing is lost by that.
    let _ = match format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
    };
}
