//! The body of a webhook to create or to change, from options.

use std::time::Duration;

use clap::Args;
use rdev_process::options::duration;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use rdev_cli::json::Object;
use rdev_cli::times::future;
use rdev_cli::{Failure, Outcome, files};

// The settings of a webhook.
#[derive(Debug, Args)]
pub(crate) struct SettingsArgs {
    /// Event types, command.* or *; separate several by commas
    #[arg(long, value_name = "TYPES", value_delimiter = ',')]
    events: Vec<String>,
    /// Only events of these projects
    #[arg(long, value_name = "PROJECTS", value_delimiter = ',')]
    projects: Vec<String>,
    /// Description
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// A value of your own; repeat it for more
    #[arg(long, value_name = "KEY=VALUE")]
    metadata: Vec<String>,
    /// A header that is sent along; repeat it for more. Secret values belong in a file: see --data
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// Maximum deliveries in a second
    #[arg(long, value_name = "N")]
    rate_limit: Option<f64>,
    /// Maximum deliveries in flight
    #[arg(long, value_name = "N")]
    max_in_flight: Option<u32>,
    /// Maximum number of automatic attempts
    #[arg(long, value_name = "N")]
    max_attempts: Option<u32>,
    /// Deadline of an attempt (timeout_ms)
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    attempt_timeout: Option<Duration>,
    /// Format of the bodies: rdev, standard, cloudevents or slack
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Signing scheme: hmac-sha256 or ed25519
    #[arg(long, value_name = "SCHEME")]
    signing: Option<String>,
    /// When it expires: 30d, tomorrow, 2026-01-15T10:30:00Z
    #[arg(long, value_name = "TIME", value_parser = future)]
    expires_at: Option<String>,
    /// Whether it receives deliveries
    #[arg(long, value_name = "BOOL")]
    enabled: Option<bool>,
    /// Body as in the API, to which the other options add: @FILE, - for standard input, or a JSON object
    #[arg(long, value_name = "BODY")]
    data: Option<String>,
}

/// Returns the body: that of `--data` with what the options set. Names in `unset` become null.
pub(crate) fn patch(
    settings: &SettingsArgs,
    texts: &[Option<(&str, &str)>],
    unset: &[String],
) -> Outcome<Object> {
    let mut body = match &settings.data {
        Some(data) => {
            let text = files::json_argument(data)?;
            Object::parse(text.trim()).map_err(|error| Failure::usage(format!("--data {error}")))?
        }
        None => Object::default(),
    };
    let mut set = |path: &[&str], value: Outcome<Box<RawValue>>| {
        body.set(path, value?).map_err(|error| Failure::usage(format!("--data: {error}")))
    };
    for (name, value) in texts.iter().flatten() {
        set(&[name], raw(value))?;
    }
    for (name, values) in [("events", &settings.events), ("projects", &settings.projects)] {
        if !values.is_empty() {
            set(&[name], raw(values))?;
        }
    }
    for (name, value) in [
        ("description", &settings.description),
        ("format", &settings.format),
        ("signing", &settings.signing),
        ("expires_at", &settings.expires_at),
    ] {
        if let Some(value) = value {
            set(&[name], raw(value))?;
        }
    }
    for pair in &settings.metadata {
        let (key, value) = split(pair, '=', "--metadata", "team=core")?;
        set(&["metadata", key], raw(value))?;
    }
    for pair in &settings.header {
        let (name, value) = split(pair, ':', "--header", "'x-team: core'")?;
        set(&["headers", name], raw(value.trim()))?;
    }
    if let Some(limit) = settings.rate_limit {
        set(&["rate_limit"], raw(&limit))?;
    }
    if let Some(limit) = settings.max_in_flight {
        set(&["max_in_flight"], raw(&limit))?;
    }
    if let Some(attempts) = settings.max_attempts {
        set(&["retry", "max_attempts"], raw(&attempts))?;
    }
    if let Some(timeout) = settings.attempt_timeout {
        set(&["timeout_ms"], raw(&u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)))?;
    }
    if let Some(enabled) = settings.enabled {
        set(&["enabled"], raw(&enabled))?;
    }
    for name in unset {
        let path: Vec<_> = name.splitn(2, '.').collect();
        set(&path, raw(&()))?;
    }
    Ok(body)
}

fn raw(value: &(impl Serialize + ?Sized)) -> Outcome<Box<RawValue>> {
    to_raw_value(value).map_err(|error| Failure::usage(error.to_string()))
}

pub(crate) fn split<'a>(pair: &'a str, at: char, option: &str, example: &str) -> Outcome<(&'a str, &'a str)> {
    let parts = pair.split_once(at).filter(|(name, _)| !name.is_empty());
    parts.ok_or_else(|| Failure::usage(format!("{option} {pair}: use for example {option} {example}")))
}
