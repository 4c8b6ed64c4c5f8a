//! How a verb ends if it does not succeed: its exit code, and what is said on standard error.

use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;

use rdev_process::cli;
use rdev_webhooks_client::{Error, Problem};

/// The result of a verb.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// The end of a verb without success.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Standard output was closed: its reader has enough.
    ClosedOutput,
    /// The user interrupted it.
    Interrupted,
    /// An error.
    Reported(Box<Report>),
}

/// An error, for people.
#[derive(Debug)]
pub(crate) struct Report {
    code: u8,
    message: String,
    faults: Vec<String>,
    request_id: Option<String>,
    help: Option<String>,
}

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const NOT_FOUND: u8 = 3;
const REFUSED: u8 = 4;
const CONFLICT: u8 = 5;
const UNAVAILABLE: u8 = 6;
const INTERRUPTED: u8 = 130;

/// The exit codes, for the help page.
pub(crate) const EXIT_CODES: &str = "Exit codes of the client commands: 0 done, 1 failed, 2 wrong usage, 3 not \
     found, 4 refused, 5 conflict, 6 unavailable, 130 interrupted.";

impl Failure {
    /// Returns a failure with exit code 1.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(FAILED, message)
    }

    /// Returns a failure of the command line or of a file that it names.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(USAGE, message)
    }

    /// Returns a failure because the service is not ready.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(UNAVAILABLE, message)
    }

    fn new(code: u8, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::Reported(Box::new(Report { code, message, faults: Vec::new(), request_id: None, help: None }))
    }

    /// Adds the command that mends it.
    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        if let Self::Reported(report) = &mut self {
            report.help.get_or_insert(help.into());
        }
        self
    }

    /// Returns a failure from an error of the client. `key` is the idempotency key of the command.
    pub(crate) fn from_client(error: &Error, url: &str, key: &str) -> Self {
        let failure = match error {
            Error::Problem(problem) => return Self::from_problem(problem, key),
            Error::Invalid(message) => Self::usage(message.as_str()),
            Error::Foreign { status, .. } if !error.is_temporary() => {
                let help = format!("rdev-webhooks config show   (is {url} the right service?)");
                return Self::new(if *status == 404 { NOT_FOUND } else { FAILED }, error.to_string())
                    .with_help(help);
            }
            _ => Self::unavailable(error.to_string()),
        };
        match error {
            Error::Unreachable { .. } if super::settings::is_loopback(url) => {
                failure.with_help("rdev-webhooks serve   (in another terminal)")
            }
            Error::Unreachable { .. } => {
                failure.with_help("rdev-webhooks config show   (where the URL comes from)")
            }
            Error::Interrupted { .. } | Error::Timeout { .. } => failure.with_help(repeat_with(key)),
            _ => failure,
        }
    }

    fn from_problem(problem: &Problem, key: &str) -> Self {
        let code = match problem.status {
            404 => NOT_FOUND,
            409 | 412 => CONFLICT,
            429 | 503 => UNAVAILABLE,
            400..=499 => REFUSED,
            _ => FAILED,
        };
        let faults = problem.errors.iter().map(|fault| format!("{}: {}", fault.place(), fault.detail));
        let faults: Vec<_> = faults.filter(|fault| *fault != problem.detail).collect();
        Self::Reported(Box::new(Report {
            code,
            message: problem.detail.clone(),
            faults,
            request_id: Some(problem.request_id.clone()),
            help: help_for(problem, key),
        }))
    }

    /// Reports it on standard error and returns the exit code.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::ClosedOutput => ExitCode::SUCCESS,
            Self::Interrupted => ExitCode::from(INTERRUPTED),
            Self::Reported(report) => {
                cli::print(io::stderr(), report.text());
                ExitCode::from(report.code)
            }
        }
    }
}

impl Report {
    fn text(&self) -> String {
        let mut text = format!("error: {}\n", self.message);
        for fault in &self.faults {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {fault}");
        }
        if let Some(id) = &self.request_id {
            let _ = writeln!(text, "request id: {id}");
        }
        if let Some(help) = &self.help {
            let _ = writeln!(text, "try: {help}");
        }
        text
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ClosedOutput,
            _ => Self::failed(format!("the output cannot be written: {error}")),
        }
    }
}

/// Returns the command that mends a problem.
fn help_for(problem: &Problem, key: &str) -> Option<String> {
    let mut segments = problem.instance.trim_start_matches('/').split('/');
    let (kind, id) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
    let noun = match kind {
        "api-keys" => "keys",
        kind => kind,
    };
    let is_event = |pointer: &str| pointer == "/event" || pointer.starts_with("/events");
    let has_event_fault = problem.errors.iter().any(|fault| fault.pointer.as_deref().is_some_and(is_event));
    Some(match problem.code.as_str() {
        "unauthenticated" => "rdev-webhooks config show   (where the key comes from)".to_owned(),
        "forbidden" => "rdev-webhooks keys create --scope SCOPE   (with a key of scope admin)".to_owned(),
        "not_found" if !noun.is_empty() => format!("rdev-webhooks {noun} list"),
        "delivery_in_flight" | "delivery_finished" => format!("rdev-webhooks deliveries show {id}"),
        "webhook_disabled" if kind == "webhooks" => {
            format!("rdev-webhooks webhooks update {id} --enabled true")
        }
        "webhook_disabled" => format!(
            "rdev-webhooks deliveries show {id}   (its webhook), then rdev-webhooks webhooks update WEBHOOK --enabled true"
        ),
        "version_mismatch" => format!("rdev-webhooks webhooks show {id}"),
        "event_type_subscribed" => format!("rdev-webhooks webhooks list --event {id}"),
        "idempotency_key_reused" => "the same command without --idempotency-key".to_owned(),
        "cursor_expired" => "the same command with --after now".to_owned(),
        "unavailable" | "deadline_exceeded" => repeat_with(key),
        "validation_failed" if has_event_fault => "rdev-webhooks event-types list".to_owned(),
        _ => return None,
    })
}

fn repeat_with(key: &str) -> String {
    format!("the same command with --idempotency-key {key}   (it is carried out once)")
}
