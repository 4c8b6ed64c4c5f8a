//! How a verb ends if it does not succeed: its exit code, and what is said on standard error.

use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;

use http::Uri;
use rdev_client::{Error, Problem};
use rdev_process::cli;

use crate::table::printable;
use crate::{Help, Program};

/// The result of a verb.
pub type Outcome<T = ()> = Result<T, Failure>;

/// The end of a verb without success.
#[derive(Debug)]
pub enum Failure {
    /// Standard output was closed: its reader has enough.
    ClosedOutput,
    /// The user interrupted it.
    Interrupted,
    /// It has said itself how it ended. This is its exit code.
    Ended(u8),
    /// An error.
    Reported(Box<Report>),
}

/// An error, for people.
#[derive(Debug)]
pub struct Report {
    code: u8,
    message: String,
    faults: Vec<String>,
    request_id: Option<String>,
    help: Option<Help>,
}

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const NOT_FOUND: u8 = 3;
const REFUSED: u8 = 4;
const CONFLICT: u8 = 5;
const UNAVAILABLE: u8 = 6;
const INTERRUPTED: u8 = 130;

/// The exit codes, for the help page.
pub const EXIT_CODES: &str = "Exit codes of the client commands: 0 done, 1 failed, 2 wrong usage, 3 not \
     found, 4 refused, 5 conflict, 6 unavailable, 130 interrupted.";

impl Failure {
    /// Returns a failure with exit code 1.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(FAILED, message)
    }

    /// Returns a failure of the command line or of a file that it names.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(USAGE, message)
    }

    /// Returns a failure because the service is not ready.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(UNAVAILABLE, message)
    }

    fn new(code: u8, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::Reported(Box::new(Report { code, message, faults: Vec::new(), request_id: None, help: None }))
    }

    /// Adds the command of the program that mends it, unless it has help.
    #[must_use]
    pub fn with_command(self, command: impl Into<String>) -> Self {
        self.with_help(Help::Command(command.into()))
    }

    /// Adds what mends it, unless it has help.
    #[must_use]
    pub fn with_advice(self, advice: impl Into<String>) -> Self {
        self.with_help(Help::Advice(advice.into()))
    }

    fn with_help(mut self, help: Help) -> Self {
        if let Self::Reported(report) = &mut self {
            report.help.get_or_insert(help);
        }
        self
    }

    /// Returns a failure from an error of the client. `key` is the idempotency key of the command.
    #[must_use]
    pub fn from_client(program: &Program, error: &Error, url: &str, key: &str) -> Self {
        let failure = match error {
            Error::Problem(problem) => return Self::from_problem(program, problem, key),
            Error::Invalid(message) => Self::usage(message.as_str()),
            Error::Foreign { status, .. } if !error.is_temporary() => {
                return Self::new(if *status == 404 { NOT_FOUND } else { FAILED }, error.to_string())
                    .with_command(format!("config show   (is {url} the right service?)"));
            }
            _ => Self::unavailable(error.to_string()),
        };
        match error {
            Error::Unreachable { .. } if is_loopback(url) => {
                failure.with_command("serve   (in another terminal)")
            }
            Error::Unreachable { .. } => failure.with_command("config show   (where the URL comes from)"),
            Error::Interrupted { .. } | Error::Timeout { .. } => failure.with_help(repeat_with(key)),
            _ => failure,
        }
    }

    fn from_problem(program: &Program, problem: &Problem, key: &str) -> Self {
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
            help: program.help.iter().find_map(|help| help(problem)).or_else(|| help_for(problem, key)),
        }))
    }

    /// Reports it on standard error and returns the exit code.
    #[must_use]
    pub fn report(self, program: &Program) -> ExitCode {
        match self {
            Self::ClosedOutput => ExitCode::SUCCESS,
            Self::Interrupted => ExitCode::from(INTERRUPTED),
            Self::Ended(code) => ExitCode::from(code),
            Self::Reported(report) => {
                cli::print(io::stderr(), report.text(program));
                ExitCode::from(report.code)
            }
        }
    }
}

impl Report {
    fn text(&self, program: &Program) -> String {
        let mut text = format!("error: {}\n", self.message);
        for fault in &self.faults {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {fault}");
        }
        if let Some(id) = &self.request_id {
            let _ = writeln!(text, "request id: {id}");
        }
        if let Some(help) = &self.help {
            let _ = writeln!(text, "try: {}", program.text(help));
        }
        // A server may quote what others wrote.
        printable(&text)
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

/// Returns what mends a problem that every API has.
fn help_for(problem: &Problem, key: &str) -> Option<Help> {
    let command = |words: &str| Some(Help::Command(words.to_owned()));
    let advice = |advice: &str| Some(Help::Advice(advice.to_owned()));
    match problem.code.as_str() {
        "unauthenticated" => command("config show   (where the key comes from)"),
        "forbidden" => command("keys create --scope SCOPE   (with a key of scope admin)"),
        "not_found" => match problem.instance.split('/').nth(1)? {
            "" => None,
            "api-keys" => command("keys list"),
            noun => command(&format!("{noun} list")),
        },
        "idempotency_key_reused" => advice("the same command without --idempotency-key"),
        "cursor_expired" => advice("the same command with --after now"),
        "unavailable" | "deadline_exceeded" => Some(repeat_with(key)),
        _ => None,
    }
}

fn repeat_with(key: &str) -> Help {
    Help::Advice(format!("the same command with --idempotency-key {key}   (it is carried out once)"))
}

/// Returns whether a URL is of this machine.
#[must_use]
pub fn is_loopback(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let Some(host) = uri.host() else { return false };
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_quotes_does_not_change_the_terminal() {
        let program = Program { name: "things", agent: "things/1.0", help: &[] };
        let Failure::Reported(report) = Failure::failed("it says \u{1b}[2J\u{202e}no") else {
            panic!("it is reported");
        };
        assert_eq!(report.text(&program), "error: it says [2Jno\n");
    }

    #[test]
    fn only_urls_of_this_machine_are_loopback() {
        for url in ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:1/x", "https://127.9.9.9"] {
            assert!(is_loopback(url), "{url}");
        }
        for url in ["http://10.0.0.1", "http://localhost.example.com", "https://example.com", ""] {
            assert!(!is_loopback(url), "{url}");
        }
    }
}
