//! The body of a webhook to create or to change, from options.

use std::time::Duration;

use clap::Args;
use rdev_cli::body::Body;
use rdev_cli::times::{future, milliseconds};
use rdev_cli::{Failure, Outcome};
use rdev_process::options::duration;

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
) -> Outcome<Body> {
    let mut body = Body::new(settings.data.as_deref())?;
    for (name, value) in texts.iter().flatten() {
        body.set(&[name], value)?;
    }
    body.set_list("events", &settings.events)?;
    body.set_list("projects", &settings.projects)?;
    body.set_given(&["description"], settings.description.as_ref())?;
    body.set_given(&["format"], settings.format.as_ref())?;
    body.set_given(&["signing"], settings.signing.as_ref())?;
    body.set_given(&["expires_at"], settings.expires_at.as_ref())?;
    for pair in &settings.metadata {
        let (key, value) = split(pair, '=', "--metadata", "team=core")?;
        body.set(&["metadata", key], value)?;
    }
    for pair in &settings.header {
        let (name, value) = split(pair, ':', "--header", "'x-team: core'")?;
        body.set(&["headers", name], value.trim())?;
    }
    body.set_given(&["rate_limit"], settings.rate_limit.as_ref())?;
    body.set_given(&["max_in_flight"], settings.max_in_flight.as_ref())?;
    body.set_given(&["retry", "max_attempts"], settings.max_attempts.as_ref())?;
    body.set_given(&["timeout_ms"], settings.attempt_timeout.map(milliseconds).as_ref())?;
    body.set_given(&["enabled"], settings.enabled.as_ref())?;
    body.unset(unset)?;
    Ok(body)
}

pub(crate) fn split<'a>(pair: &'a str, at: char, option: &str, example: &str) -> Outcome<(&'a str, &'a str)> {
    let parts = pair.split_once(at).filter(|(name, _)| !name.is_empty());
    parts.ok_or_else(|| Failure::usage(format!("{option} {pair}: use for example {option} {example}")))
}
