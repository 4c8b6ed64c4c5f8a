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

/// The module whose events report every statement.
const SQLX: &str = "sqlx";

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

impl LogFilter {
    /// Returns the enabled levels. Of sqlx only errors are logged, unless the filter names it or enables
    /// everything: at `debug` it logs every statement, and at `warn` each connection that an outage of the
    /// database ends, which is already logged once.
    fn targets(&self) -> Targets {
        let names_it = self.0.iter().any(|(target, _)| target.starts_with(SQLX));
        match self.0.default_level() {
            Some(LevelFilter::DEBUG | LevelFilter::INFO | LevelFilter::WARN) if !names_it => {
                self.0.clone().with_target(SQLX, LevelFilter::ERROR)
            }
            _ => self.0.clone(),
        }
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
        let mut targets = Targets::new().with_default(LevelFilter::INFO);
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
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, filter: &str, log: impl FnOnce()) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let subscriber = tracing_subscriber::registry()
            .with(filter.parse::<LogFilter>().unwrap().targets())
            .with(layer(format, false, move || writer.clone()));
        tracing::subscriber::with_default(subscriber, log);
        let bytes = captured.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_is_one_object_a_line_with_an_rfc_3339_timestamp_in_utc() {
        let output = logged(LogFormat::Json, "info", || {
            let _span = tracing::info_span!("publish", batch = 3).entered();
            tracing::info!(answer = 42, "two\nlines");
            tracing::warn!("again");
        });
        let lines: Vec<serde_json::Value> =
            output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{output}");
        assert_eq!(lines[0]["level"], "INFO");
        assert_eq!(lines[0]["message"], "two\nlines");
        assert_eq!(lines[0]["answer"], 42);
        assert_eq!(lines[0]["span"]["batch"], 3);
        let timestamp = lines[0]["timestamp"].as_str().unwrap();
        assert!(timestamp.ends_with('Z'), "{timestamp}");
        humantime::parse_rfc3339(timestamp).unwrap();
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the database refused a statement")]
    struct Refused(#[source] io::Error);

    #[test]
    fn an_error_is_logged_with_all_its_causes() {
        let refused = || Refused(io::Error::other("disk full"));
        for format in [LogFormat::Json, LogFormat::Text] {
            let output = logged(format, "info", || {
                tracing::error!(error = &refused() as &dyn std::error::Error, "failed");
            });
            assert!(output.contains("the database refused a statement"), "{output}");
            assert!(output.contains("disk full"), "{output}");
        }
        assert_eq!(with_causes(&refused()), "the database refused a statement: disk full");
    }

    #[test]
    fn json_keeps_the_type_of_every_field() {
        let output = logged(LogFormat::Json, "info", || {
            tracing::info!(text = "a \"b\"", whole = -3_i64, part = 2.5, is_on = true, shown = %"c", "kinds");
        });
        let line: serde_json::Value = serde_json::from_str(&output).unwrap();
        let expected = [
            ("text", "a \"b\"".into()),
            ("whole", serde_json::json!(-3)),
            ("part", serde_json::json!(2.5)),
            ("is_on", true.into()),
            ("shown", "c".into()),
            ("target", module_path!().into()),
        ];
        for (name, value) in expected {
            assert_eq!(line[name], value, "{name}");
        }
    }

    #[test]
    fn text_is_coloured_only_on_request() {
        let output = logged(LogFormat::Text, "info", || tracing::info!("hello"));
        assert!(output.contains("INFO") && output.ends_with("hello\n"), "{output}");
        assert!(!output.contains('\u{1b}'), "{output:?}");
    }

    #[test]
    fn a_filter_sets_the_level_and_the_exceptions() {
        let output = logged(LogFormat::Text, "warn, quiet=off,loud=trace", || {
            tracing::info!("not this");
            tracing::warn!("this");
            tracing::error!(target: "quiet::inner", "nor this");
            tracing::trace!(target: "loud", "and this");
        });
        let messages: Vec<_> =
            output.lines().filter_map(|line| line.split_once(": ")).map(|(_, message)| message).collect();
        assert_eq!(messages, ["this", "and this"], "{output}");
    }

    #[test]
    fn statements_are_logged_only_at_trace_or_on_request() {
        for (filter, expected) in [
            ("info", &[][..]),
            ("debug", &["ours"]),
            ("debug,hyper=info", &["ours"]),
            ("trace", &["statement", "connection", "ours"]),
            ("debug,sqlx=debug", &["statement", "connection", "ours"]),
            ("debug,sqlx::query=debug", &["statement", "connection", "ours"]),
            ("info,sqlx=debug", &["statement", "connection"]),
            ("info,sqlx=warn", &["connection"]),
        ] {
            let output = logged(LogFormat::Text, filter, || {
                tracing::debug!(target: "sqlx::query", "statement");
                tracing::warn!(target: "sqlx_core::pool::inner", "connection");
                tracing::debug!(target: "rdev_webhooks_app", "ours");
            });
            let told: Vec<_> = output.lines().filter_map(|line| line.rsplit(' ').next()).collect();
            assert_eq!(told, expected, "{filter}: {output}");
        }
    }

    #[test]
    fn a_filter_without_a_level_of_its_own_logs_at_info() {
        let output = logged(LogFormat::Text, "loud=debug", || {
            tracing::info!("kept");
            tracing::debug!("dropped");
        });
        assert!(output.contains("kept") && !output.contains("dropped"), "{output}");
    }

    #[test]
    fn a_mistyped_level_is_an_error_rather_than_a_module() {
        for text in ["verbose", "info,", "", "sqlx=loud", "=debug", "info,hyper"] {
            let error = text.parse::<LogFilter>().unwrap_err();
            assert!(error.to_string().contains("is not a level"), "{text}: {error}");
        }
    }

    #[test]
    fn starting_twice_does_no_harm() {
        let filter: LogFilter = "info".parse().unwrap();
        init(LogFormat::Text, &filter);
        init(LogFormat::Json, &filter);
    }

    #[test]
    fn a_panic_is_logged_as_an_error_with_its_location() {
        log_panics();
        let output = logged(LogFormat::Json, "info", || {
            std::panic::catch_unwind(|| panic!("out of {}", "cheese")).unwrap_err();
        });
        let line: serde_json::Value = serde_json::from_str(output.trim_end()).unwrap();
        assert_eq!(line["level"], "ERROR");
        assert_eq!(line["message"], "thread panicked");
        assert_eq!(line["panic"], "out of cheese");
        assert!(line["location"].as_str().unwrap().contains("telemetry.rs:"));
    }
}
