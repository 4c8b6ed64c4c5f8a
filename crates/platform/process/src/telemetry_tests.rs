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
fn each_operation_of_a_library_is_logged_only_at_trace_or_on_request() {
    for (filter, expected) in [
        ("info", &[][..]),
        ("debug", &["ours"]),
        ("debug,hyper=info", &["ours"]),
        ("trace", &["statement", "connection", "request", "ours"]),
        ("debug,sqlx=debug", &["statement", "connection", "ours"]),
        ("debug,sqlx::query=debug", &["statement", "connection", "ours"]),
        ("info,sqlx=debug", &["statement", "connection"]),
        ("info,sqlx=warn", &["connection"]),
        ("info,kube_client=error", &["request"]),
    ] {
        let output = logged(LogFormat::Text, filter, || {
            tracing::debug!(target: "sqlx::query", "statement");
            tracing::warn!(target: "sqlx_core::pool::inner", "connection");
            tracing::error!(target: "kube_client::client", "request");
            tracing::debug!(target: "rdev_webhooks_app", "ours");
        });
        let reported: Vec<_> = output.lines().filter_map(|line| line.rsplit(' ').next()).collect();
        assert_eq!(reported, expected, "{filter}: {output}");
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
    assert!(line["location"].as_str().unwrap().contains("telemetry_tests.rs:"));
}
