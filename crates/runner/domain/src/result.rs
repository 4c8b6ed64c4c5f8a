//! The result of a run.

use std::time::Duration;

use crate::macros::named;
use crate::{SessionRef, Timeout, Usage, Usd, WorkspaceChanges};

/// The result of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentResult {
    /// How the run ended.
    pub outcome: Outcome,
    /// A sentence about the outcome, often the agent's own.
    pub detail: Option<String>,
    /// The exit code of the agent's process, if it had one of its own and was not killed.
    pub exit_code: Option<i32>,
    /// The duration of the run.
    pub duration: Duration,
    /// The session, as the agent reported it. The result of a command has it only if it can be resumed.
    pub session: Option<SessionRef>,
    /// The final message.
    pub text: String,
    /// The tokens of this run.
    pub usage: Usage,
    /// The cost of this run, if the agent reports it.
    pub cost: Option<Usd>,
    /// What the agent was not allowed to do.
    pub denials: Vec<Denial>,
    /// What the run has changed in its workspace, as the runner finds it; `None` if the workspace is no git
    /// repository, or if the changes are unknown.
    pub changes: Option<WorkspaceChanges>,
}

/// A use of a tool that was not allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The name of the tool, or the kind of the permission.
    pub tool: String,
    /// The id of the tool call.
    pub id: Option<String>,
    /// The arguments, as JSON.
    pub input: Option<String>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The agent finished its work.
    Completed,
    /// The agent failed.
    Failed(FailureReason),
    /// A client cancelled the command.
    Cancelled,
    /// A limit of time was exceeded.
    TimedOut(Timeout),
    /// No runner could find out what became of the run.
    Lost,
}

named!(
    /// The reason why a run failed.
    FailureReason {
        /// The API of the model refused the credentials (401, 403).
        Authentication = "authentication_failed",
        /// The API of the model refused further requests for now (429, 529).
        RateLimited = "rate_limited",
        /// The API of the model failed in another way.
        ApiError = "api_error",
        /// The run needed more turns than its limit.
        MaxTurns = "max_turns",
        /// The run exceeded its budget.
        MaxBudget = "max_budget",
        /// The session to resume or fork does not exist.
        SessionNotFound = "session_not_found",
        /// The agent could not be started, or refused to start.
        StartFailed = "start_failed",
        /// The agent stopped its work because of a signal or a request that did not come from the runner.
        Interrupted = "interrupted",
        /// The agent ended without a result.
        NoResult = "no_result",
        /// The agent reported success and no answer.
        EmptyResult = "empty_result",
        /// The agent reported another failure.
        AgentError = "agent_error",
    }
);

impl Outcome {
    /// Returns the reason for an outcome other than [`Outcome::Completed`]: the reason of the failure, or the
    /// name of the limit.
    #[must_use]
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Completed => None,
            Self::Failed(reason) => Some(reason.as_str()),
            Self::Cancelled => Some("cancelled"),
            Self::TimedOut(timeout) => Some(timeout.as_str()),
            Self::Lost => Some("lost"),
        }
    }

    /// Returns the exit code of a run whose process had none.
    #[must_use]
    pub const fn default_exit_code(self) -> i32 {
        match self {
            Self::Completed => 0,
            Self::Failed(_) | Self::Lost => 1,
            Self::TimedOut(_) => 124,
            Self::Cancelled => 130,
        }
    }
}
