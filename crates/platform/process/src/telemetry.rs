//! Logging to standard error; standard output is for a program's output to humans.

mod json;
mod writer;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;
use std::str::FromStr;
use std::time::Duration;

use json::JsonLines;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

pub use rdev_core::with_causes;
pub use writer::{dropped_lines, flush};

/// The modules that report each operation, and the level of what is logged of them all the same. An outage is logged once
/// without them.
const TALKATIVE: [(&str, LevelFilter); 2] = [("sqlx", LevelFilter::ERROR), ("kube_client", LevelFilter::OFF)];

/// The format of log lines.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people; coloured on a terminal, unless `NO_COLOR` is set
    Text,
    /// One JSON object per line, with an RFC 3339 timestamp in UTC
    Json,
}

impl LogFormat {
    /// Returns text for a terminal, and JSON otherwise.
    pub fn suiting(terminal: bool) -> Self {
        if terminal { Self::Text } else { Self::Json }
    }
}

/// The filter of the log: a level, and other levels for some modules.
///
/// Its text is `info` or `info,rdev_webhooks_app=debug,sqlx=off`. Without a level of its own, everything else
/// is logged at `info`.
#[derive(Clone, Debug, PartialEq)]
pub struct LogFilter(Targets);

impl Default for LogFilter {
    /// Creates the filter `info`.
    fn default() -> Self {
        Self(Targets::new().with_default(LevelFilter::INFO))
    }
}

impl LogFilter {
    /// Also logs what a module logs at `debug`.
    #[must_use]
    pub fn with_debug(self, module: &str) -> Self {
        Self(self.0.with_target(module, LevelFilter::DEBUG))
    }

    /// Returns the enabled levels. Of some modules less is logged, unless the filter names them or enables
    /// everything: sqlx logs every statement at `debug`, and at `warn` each connection that an outage of the
    /// database ends; the client of Kubernetes logs each request that fails as an error.
    fn targets(&self) -> Targets {
        let default = self.0.default_level();
        if !matches!(default, Some(LevelFilter::DEBUG | LevelFilter::INFO | LevelFilter::WARN)) {
            return self.0.clone();
        }
        let names = |module: &str| self.0.iter().any(|(target, _)| target.starts_with(module));
        let talkative = TALKATIVE.into_iter().filter(|(module, _)| !names(module));
        talkative.fold(self.0.clone(), |targets, (module, level)| targets.with_target(module, level))
    }
}

impl FromStr for LogFilter {
    type Err = InvalidLogFilter;

    fn from_str(text: &str) -> Result<Self, InvalidLogFilter> {
        let level = |level: &str| match LevelFilter::from_str(level) {
            // tracing parses an empty level as `error`.
            Ok(parsed) if !level.is_empty() => Ok(parsed),
            _ => Err(InvalidLogFilter(level.to_owned())),
        };
        let Self(mut targets) = Self::default();
        for part in text.split(',').map(str::trim) {
            // A lone word is a level, never a module: as a module, a mistyped level would disable every other
            // one.
            targets = match part.split_once('=') {
                Some((module, of_module)) if !module.is_empty() => {
                    targets.with_target(module, level(of_module)?)
                }
                _ => targets.with_default(level(part)?),
            };
        }
        Ok(Self(targets))
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The error for a part of a [`LogFilter`] that is neither a level nor `module=level`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{0}` is not a level; use off, error, warn, info, debug or trace, \
     or module=level, separated by commas"
)]
pub struct InvalidLogFilter(String);

/// Starts logging to standard error, including panics. A thread writes the lines, so that the process does
/// not wait for the reader. A program ends with [`flush`].
///
/// Does nothing if this process has already started logging, for example in another test.
pub fn init(format: LogFormat, filter: &LogFilter) {
    let coloured =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let (lines, guard) = writer::non_blocking(io::stderr());
    let dropped = lines.error_counter();
    let started =
        tracing_subscriber::registry().with(filter.targets()).with(layer(format, coloured, lines)).try_init();
    if started.is_ok() {
        writer::keep(guard, dropped);
        log_panics();
    }
}

/// Returns a duration for the log: a number, in a field whose name ends with `_ms`.
#[must_use]
pub fn milliseconds(duration: Duration) -> f64 {
    // Microseconds are exact enough, and easier to read than a long fraction.
    duration.as_micros() as f64 / 1_000.0
}

fn layer<S, W>(format: LogFormat, coloured: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        LogFormat::Text => layer.with_ansi(coloured).boxed(),
        LogFormat::Json => layer.fmt_fields(JsonFields::new()).event_format(JsonLines).boxed(),
    }
}

/// Logs every panic of the process as an error, with its location and, if `RUST_BACKTRACE` requests one, a
/// backtrace. A panic that no subscriber would record goes to the previous hook.
fn log_panics() {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if tracing::enabled!(tracing::Level::ERROR) {
            log_panic(panic);
        } else {
            previous(panic);
        }
    }));
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(backtrace);
    tracing::error!(
        thread = std::thread::current().name(),
        location = panic.location().map(tracing::field::display),
        backtrace = backtrace.map(tracing::field::display),
        panic = panic.payload_as_str().unwrap_or("a payload that is not text"),
        "thread panicked"
    );
}

#[cfg(test)]
#[path = "telemetry_tests.rs"]
mod tests;
