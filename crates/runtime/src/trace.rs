//! Logs on stderr.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::SystemTime;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// One readable line each.
    #[default]
    Text,
    /// One JSON object each.
    Json,
}

/// A filter that cannot be understood, or logging was started before.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The filter is no `tracing` filter.
    #[error("the log filter {filter:?} is not understood")]
    Filter {
        /// What was given.
        filter: String,
        /// Why.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Logging was started before in this process.
    #[error("logging was started before")]
    Started,
}

/// Starts logging to stderr for the whole process. `filter` is a `tracing` filter, such as `info` or `info,cairn_meta=debug`.
///
/// # Errors
/// See `TraceError`.
pub fn start(format: LogFormat, filter: &str) -> Result<(), TraceError> {
    let env_filter = EnvFilter::try_new(filter).map_err(|source| TraceError::Filter {
        filter: filter.to_owned(),
        source,
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(env_filter)
        .with_timer(SystemTime)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    }
    .map_err(|_| TraceError::Started)
}
