//! Logs: one JSON object a line, never personal data; an error once, with its whole chain, where it ends.

use std::error::Error;

use tracing_subscriber::EnvFilter;

/// Sends logs to standard output as JSON. The level comes from `RUST_LOG`; by default `info`.
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // A second call, in tests, changes nothing.
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_env_filter(filter)
        .try_init();
}

/// An error and what caused it, in one line.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !line.ends_with(&next) {
            line.push_str(": ");
            line.push_str(&next);
        }
        cause = error.source();
    }
    line
}

/// Logs an error that an operator must see; `alarm` names the alarm that it raises.
pub fn error_chain(alarm: &'static str, what: &str, error: &dyn Error) {
    tracing::error!(alarm, error = %chain(error), "{what}");
}

/// Logs an error that will pass or be tried again.
pub fn warn_chain(what: &str, error: &dyn Error) {
    tracing::warn!(error = %chain(error), "{what}");
}
