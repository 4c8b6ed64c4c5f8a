//! States in words.

use std::time::Duration;

use rdev_access::scopes;
use rdev_core::Scope;
use rdev_pages::{Badge, Icon, Tone};
use rdev_runner_domain::{
    CommandStatus, FailureReason, Outcome, PermissionProfile, Timeout, Usd, WaitReason,
};

/// Returns the state of a command.
pub(crate) fn status(status: CommandStatus) -> Badge {
    let badge = |tone, icon, word| Badge { tone, icon, word };
    match status {
        CommandStatus::Queued => badge(Tone::Plain, Icon::Wait, "Queued"),
        CommandStatus::Starting => badge(Tone::Calm, Icon::Go, "Starting"),
        CommandStatus::Running => badge(Tone::Calm, Icon::Go, "Running"),
        CommandStatus::Cancelling => badge(Tone::Warm, Icon::Off, "Cancelling"),
        CommandStatus::Completed => badge(Tone::Good, Icon::Ok, "Completed"),
        CommandStatus::Failed => badge(Tone::Bad, Icon::No, "Failed"),
        CommandStatus::Cancelled => badge(Tone::Plain, Icon::Off, "Cancelled"),
        CommandStatus::TimedOut => badge(Tone::Bad, Icon::Wait, "Timed out"),
        CommandStatus::Lost => badge(Tone::Bad, Icon::Warn, "Lost"),
    }
}

/// Returns why a command waits.
pub(crate) const fn waiting(reason: WaitReason) -> &'static str {
    match reason {
        WaitReason::MaxRunning => "as many commands run as may in all",
        WaitReason::Provider => "as many commands of its provider run as may",
        WaitReason::Project => "as many commands of its project run as may",
        WaitReason::Session => "another command runs on its session",
        WaitReason::Runner => "the next free runner takes it",
    }
}

/// Returns why a command did not complete, and what to do, as sentences; `None` if it completed.
pub(crate) const fn outcome(outcome: Outcome) -> Option<(&'static str, &'static str)> {
    Some(match outcome {
        Outcome::Completed => return None,
        Outcome::Cancelled => {
            ("The command was cancelled.", "Its session can be resumed if the agent had begun one.")
        }
        Outcome::Lost => (
            "No runner could find out what became of the run.",
            "The runner's host may have been restarted. Look at the workspace before you run it again.",
        ),
        Outcome::TimedOut(timeout) => match timeout {
            Timeout::Wall => ("The run took longer than its limit.", "Resume it, or give it more time."),
            Timeout::Idle => {
                ("The agent said nothing for too long.", "Resume it, or raise the limit of silence.")
            }
            Timeout::ToolIdle => (
                "A tool of the agent said nothing for too long.",
                "Look at the last call of a tool below. Raise the limit if that tool is slow.",
            ),
            Timeout::Start => (
                "The agent said nothing after its start.",
                "Look whether it starts on the runner's host, and whether its host is overloaded.",
            ),
        },
        Outcome::Failed(reason) => match reason {
            FailureReason::Authentication => (
                "The API of the model refused the credentials.",
                "Check the key that the project names as a secret, or the agent's sign-in on the runner's host.",
            ),
            FailureReason::RateLimited => (
                "The API of the model refuses further requests for now.",
                "Wait, then resume it. Fewer commands at once need fewer requests.",
            ),
            FailureReason::ApiError => {
                ("The API of the model failed.", "Resume it once the API works again.")
            }
            FailureReason::MaxTurns => {
                ("The run needed more turns than its limit.", "Resume it, or raise the limit.")
            }
            FailureReason::MaxBudget => ("The run exceeded its budget.", "Resume it, or raise the budget."),
            FailureReason::SessionNotFound => (
                "The session does not exist on the runner's host.",
                "Sessions are kept in the agent's home of the project. Start a new one.",
            ),
            FailureReason::StartFailed => (
                "The agent could not be started.",
                "The detail says why. Look whether it is installed on the runner's host.",
            ),
            FailureReason::Interrupted => (
                "The agent was stopped by something other than the runner.",
                "Look at the memory and the log of the runner's host.",
            ),
            FailureReason::NoResult => {
                ("The agent ended without a result.", "Look at its last output below.")
            }
            FailureReason::EmptyResult => {
                ("The agent reported success and no answer.", "Resume it, and ask for the answer.")
            }
            FailureReason::AgentError => ("The agent reported a failure.", "The detail is the agent's own."),
        },
    })
}

/// Returns what a permission profile allows.
pub(crate) const fn permissions(profile: PermissionProfile) -> &'static str {
    match profile {
        PermissionProfile::ReadOnly => "read-only: read the project",
        PermissionProfile::Edit => "edit: edit files, and use the allowed tools",
        PermissionProfile::Full => "full: anything",
    }
}

/// Returns an amount of money.
pub(crate) fn cost(usd: Usd) -> String {
    let dollars = usd.as_f64();
    if dollars > 0.0 && dollars < 0.01 { format!("${dollars:.4}") } else { format!("${dollars:.2}") }
}

/// Returns how long a run took.
pub(crate) fn run_time(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => rdev_pages::duration(span),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// Returns what a scope permits.
pub(crate) fn scope(scope: &Scope) -> &'static str {
    match scope {
        scope if *scope == scopes::COMMANDS_READ => "read projects, commands and templates",
        scope if *scope == scopes::COMMANDS_WRITE => "queue, cancel and delete commands; includes reading",
        scope if *scope == scopes::PROJECTS_WRITE => "change projects, apply templates and trigger pipelines",
        scope if *scope == scopes::CREDENTIALS_READ => {
            "read the names and uses of credentials, not their values"
        }
        _ => "store and delete credentials; includes reading",
    }
}

/// Returns a number with its thousands apart.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short() {
        assert_eq!([0, 7, 1_000, 12_345, 1_234_567].map(number).join(" "), "0 7 1,000 12,345 1,234,567");
        let dollars = |nanos| cost(Usd::from_nanos(nanos));
        assert_eq!([0, 3_100_000, 1_234_000_000].map(dollars).join(" "), "$0.00 $0.0031 $1.23");
        let spans = [1_520, 61_000, 3_661_000].map(Duration::from_millis).map(run_time);
        assert_eq!(spans.join("; "), "1.52 s; 1 min 1 s; 1 h 1 min");
    }
}
