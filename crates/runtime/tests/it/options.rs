use std::time::Duration;

use clap::Parser;
use rdev_webhooks_runtime::cli::{UsageError, parse_from};
use rdev_webhooks_runtime::options::{DrainArgs, TelemetryArgs, api_key, positive_duration, secret};
use rdev_webhooks_runtime::telemetry::LogFormat;
use secrecy::{ExposeSecret, SecretString};

const KEY: &str = "a-key-that-is-long-enough-to-be-one";

/// What the program is for
#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    telemetry: TelemetryArgs,

    /// The administrator's key
    // Cargo sets this variable, and here it plays a key that an operator set.
    #[arg(long, env = "CARGO_PKG_DESCRIPTION", hide_env_values = true, value_parser = secret(api_key))]
    api_key: SecretString,

    #[arg(long, env = "RDEV_RETENTION", default_value = "30d", value_parser = positive_duration)]
    retention: Duration,

    #[command(flatten)]
    drain: DrainArgs,
}

fn parse(args: &[&str]) -> Result<Options, UsageError> {
    parse_from(["program", "--api-key", KEY].iter().chain(args))
}

/// The one line that tells what was wrong, or what else came of it.
fn line_of(result: Result<Options, UsageError>) -> String {
    match result {
        Err(UsageError::Wrong(line)) => line,
        other => format!("not an error: {other:?}"),
    }
}

#[test]
fn defaults_are_those_documented() {
    let options = parse(&[]).unwrap();
    assert_eq!(options.drain.drain_timeout, Duration::from_secs(20));
    assert_eq!(options.retention, Duration::from_secs(30 * 86_400));
    assert_eq!(options.telemetry.log.to_string(), "info");
    assert_eq!(options.telemetry.log_format, None);
    assert_eq!(options.api_key.expose_secret(), KEY);
}

#[test]
fn flags_are_taken() {
    let options = parse(&["--drain-timeout", "0s", "--log-format=text", "--log", "debug"]).unwrap();
    assert_eq!(options.drain.drain_timeout, Duration::ZERO);
    assert_eq!(options.telemetry.format(), LogFormat::Text);
    assert_eq!(options.telemetry.log.to_string(), "debug");
}

#[test]
fn logs_are_text_on_a_terminal_and_json_elsewhere() {
    assert_eq!(LogFormat::suiting(true), LogFormat::Text);
    assert_eq!(LogFormat::suiting(false), LogFormat::Json);
}

#[test]
fn every_fault_is_one_line_that_names_the_option() {
    let cases: [(&[&str], &[&str]); 6] = [
        (&["--drain-timeout", "15"], &["--drain-timeout", "'15'", "15s"]),
        (&["--retention", "0s"], &["--retention", "longer than zero"]),
        (&["--log", "verbose"], &["--log", "verbose", "debug"]),
        (&["--log-format", "xml"], &["--log-format", "text, json"]),
        (&["--log-format="], &["--log-format", "text, json"]),
        (&["--drain-timout", "1s"], &["--drain-timout", "similar", "--drain-timeout"]),
    ];
    for (args, expected) in cases {
        let line = line_of(parse(args));
        assert!(!line.contains('\n') && !line.contains("Usage"), "{line}");
        assert!(line.ends_with("; see --help"), "{line}");
        for part in expected {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
}

#[test]
fn a_refused_secret_is_not_repeated() {
    let line = line_of(parse_from(["program", "--api-key", "hunter2"]));
    assert!(!line.contains("hunter2"), "{line}");
    assert!(line.starts_with("invalid value for '--api-key <API_KEY>': must have at least 32"), "{line}");
}

#[test]
fn a_refused_secret_from_the_environment_is_not_repeated_but_its_variable_named() {
    let line = line_of(parse_from(["program"]));
    assert!(!line.contains(env!("CARGO_PKG_DESCRIPTION")), "{line}");
    assert!(line.starts_with("CARGO_PKG_DESCRIPTION: invalid value for '--api-key"), "{line}");
}

#[test]
fn help_shows_the_programs_purpose_every_variable_and_default_and_no_secret() {
    let Err(UsageError::Shown(error)) = parse(&["--help"]) else {
        panic!("--help is an answer of its own");
    };
    // Where the lines break depends on the terminal's width.
    let help = error.render().to_string();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.starts_with("What the program is for"), "{help}");
    for part in [
        "RDEV_LOG_FORMAT",
        "text on a terminal, else json",
        "RDEV_LOG",
        "[default: info]",
        "RDEV_DRAIN_TIMEOUT",
        "[default: 20s]",
        "CARGO_PKG_DESCRIPTION",
    ] {
        assert!(help.contains(part), "{part}: {help}");
    }
    assert!(!help.contains(env!("CARGO_PKG_DESCRIPTION")), "{help}");
}

#[test]
fn secrets_are_not_in_the_debug_output() {
    assert!(!format!("{:?}", parse(&[]).unwrap()).contains(KEY));
}
