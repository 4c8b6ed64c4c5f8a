//! Spans: how the log lines of one operation belong together.
//!
//! Every span is at `DEBUG`. At the default level a span costs a few nanoseconds; an enabled one costs several
//! microseconds, because its fields are formatted for each delivery. A line at `INFO` or above therefore carries
//! the fields that identify its operation itself, unless its span is enabled and already carries them.

use std::time::Duration;

use tracing::Span;
use tracing::field::{DisplayValue, display};

/// Returns a value as a field of a line in this span; `None`, which omits the field, if the span is enabled and
/// has the field itself.
pub(crate) fn unless_in<T: std::fmt::Display>(span: &Span, value: T) -> Option<DisplayValue<T>> {
    span.is_disabled().then(|| display(value))
}

/// Records how long the operation of a span took.
pub(crate) fn record_duration(span: &Span, duration: Duration) {
    span.record("duration_ms", milliseconds(duration));
}

/// Records the duration of a phase, if there was one.
pub(crate) fn record_phase(span: &Span, field: &'static str, duration: Option<Duration>) {
    if let Some(duration) = duration {
        span.record(field, milliseconds(duration));
    }
}

/// Returns a duration in milliseconds for the log.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1_000.0
}
