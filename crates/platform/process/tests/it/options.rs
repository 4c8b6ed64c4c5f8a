use std::time::Duration;

use clap::Parser;
use rdev_process::cli::{UsageError, parse_from};
use rdev_process::options::{
    DrainArgs, FromFile, TelemetryArgs, api_key, positive_duration, secret, secret_file,
};
use rdev_process::telemetry::LogFormat;
use secrecy::{ExposeSecret, SecretString};

const KEY: &str = "a-key-that-is-long-enough-to-be-one";

/// What the program is for
#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    telemetry: TelemetryArgs,

    /// The administrator's key
    // Cargo sets this variable, which here stands for a key that an operator set.
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

/// Returns the line that describes the error, or the other result.
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
    assert_eq!(options.telemetry.log, None);
    assert_eq!(options.telemetry.log_format, None);
    assert_eq!(options.api_key.expose_secret(), KEY);
}

#[test]
fn flags_are_parsed() {
    let options = parse(&["--drain-timeout", "0s", "--log-format=text", "--log", "debug"]).unwrap();
    assert_eq!(options.drain.drain_timeout, Duration::ZERO);
    assert_eq!(options.telemetry.format(), LogFormat::Text);
    assert_eq!(options.telemetry.log.map(|log| log.to_string()).as_deref(), Some("debug"));
}

#[test]
fn logs_are_text_on_a_terminal_and_json_elsewhere() {
    assert_eq!(LogFormat::suiting(true), LogFormat::Text);
    assert_eq!(LogFormat::suiting(false), LogFormat::Json);
}

#[test]
fn every_error_is_one_line_that_names_the_option() {
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
fn a_refused_secret_is_not_shown() {
    let line = line_of(parse_from(["program", "--api-key", "hunter2"]));
    assert!(!line.contains("hunter2"), "{line}");
    assert!(line.starts_with("invalid value for '--api-key <API_KEY>': must have at least 32"), "{line}");
}

#[test]
fn a_refused_secret_from_the_environment_is_not_shown_but_its_variable_is() {
    let line = line_of(parse_from(["program"]));
    assert!(!line.contains(env!("CARGO_PKG_DESCRIPTION")), "{line}");
    assert!(line.starts_with("CARGO_PKG_DESCRIPTION: invalid value for '--api-key"), "{line}");
}

#[test]
fn help_shows_the_programs_purpose_every_variable_and_default_and_no_secret() {
    let Err(UsageError::Shown(error)) = parse(&["--help"]) else {
        panic!("--help is not an error");
    };
    // The positions of line breaks depend on the terminal's width.
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

/// The options of a program with a secret that may be in a file.
#[derive(Debug, Parser)]
struct Secrets {
    #[arg(long, value_parser = secret(api_key))]
    api_key: Option<SecretString>,

    #[arg(long, value_name = "FILE", conflicts_with = "api_key", value_parser = secret_file(api_key))]
    api_key_file: Option<FromFile<SecretString>>,
}

fn from_file(content: &[u8]) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, content).unwrap();
    match parse_from::<Secrets>(["program", "--api-key-file", file.to_str().unwrap()]) {
        Ok(Secrets { api_key_file: Some(key), .. }) => {
            assert!(!format!("{key:?}").contains(KEY), "{key:?}");
            Ok(key.into_value().expose_secret().to_owned())
        }
        Err(UsageError::Wrong(line)) => Err(line),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_secret_in_a_file_may_end_with_line_breaks() {
    for end in ["", "\n", "\r\n", "\n\n"] {
        assert_eq!(from_file(format!("{KEY}{end}").as_bytes()).unwrap(), KEY, "{end:?}");
    }
}

#[test]
fn a_file_without_a_valid_secret_is_reported_without_its_content() {
    for (content, part) in [
        (&b""[..], "is empty"),
        (b"\n", "is empty"),
        (b"hunter2", "at least 32"),
        (b"hunter2\xff", "cannot be read"),
        (&[b'x'; 70_000], "larger"),
    ] {
        let line = from_file(content).unwrap_err();
        assert!(line.contains(part) && line.contains("--api-key-file"), "{line}");
        assert!(!line.contains("hunter2") && !line.contains('\n'), "{line}");
    }
    let missing = parse_from::<Secrets>(["program", "--api-key-file", "/nowhere/key"]);
    let Err(UsageError::Wrong(line)) = missing else { panic!("{missing:?}") };
    assert!(line.contains("/nowhere/key cannot be read"), "{line}");
}

#[test]
fn a_secret_can_be_given_only_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, KEY).unwrap();
    let args = ["program", "--api-key", KEY, "--api-key-file", file.to_str().unwrap()];
    let Err(UsageError::Wrong(line)) = parse_from::<Secrets>(args) else {
        panic!("both options were accepted")
    };
    assert!(line.contains("--api-key <") && line.contains("--api-key-file"), "{line}");
    assert!(!line.contains(KEY), "{line}");
}
