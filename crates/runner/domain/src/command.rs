//! The state of a command, and its transitions.

use std::time::Duration;

use crate::macros::named;
use crate::{AgentResult, FailureReason, Outcome, Timeout, Timestamp};

/// The state of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandState {
    /// The command waits for a runner.
    Queued,
    /// A runner has taken the command and starts the agent.
    Starting {
        /// When the runner took it.
        started_at: Timestamp,
    },
    /// The agent works.
    Running {
        /// When the runner took the command.
        started_at: Timestamp,
    },
    /// The agent is being stopped at a client's request.
    Cancelling {
        /// When the runner took the command.
        started_at: Timestamp,
    },
    /// The command has ended.
    Ended {
        /// When a runner took the command; `None` if none did.
        started_at: Option<Timestamp>,
        /// When it ended.
        ended_at: Timestamp,
        /// How it ended.
        outcome: Outcome,
    },
}

named!(
    /// The state of a command without its data.
    CommandStatus {
        /// The command waits for a runner.
        Queued = "queued",
        /// A runner starts the agent.
        Starting = "starting",
        /// The agent works.
        Running = "running",
        /// The agent is being stopped.
        Cancelling = "cancelling",
        /// The agent finished its work.
        Completed = "completed",
        /// The agent failed.
        Failed = "failed",
        /// A client cancelled the command.
        Cancelled = "cancelled",
        /// A limit of time was exceeded.
        TimedOut = "timed_out",
        /// No runner could find out what became of the run.
        Lost = "lost",
    }
);

/// The webhook event that reports a transition. It is published in the transaction that stores the new state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publication {
    /// `command.started`.
    Started,
    /// `command.completed`.
    Completed {
        /// The exit code of the agent.
        exit_code: i32,
        /// The duration of the run.
        duration: Duration,
    },
    /// `command.failed`: every end that is not a success.
    Failed {
        /// The exit code of the agent.
        exit_code: i32,
        /// The duration of the run.
        duration: Duration,
        /// The reason of the failure, or `cancelled`, `timed_out` or `lost`.
        reason: &'static str,
    },
}

impl Publication {
    /// Returns the type of the event.
    #[must_use]
    pub const fn event_type(self) -> &'static str {
        match self {
            Self::Started => "command.started",
            Self::Completed { .. } => "command.completed",
            Self::Failed { .. } => "command.failed",
        }
    }
}

/// A transition: the new state and its report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The new state.
    pub state: CommandState,
    /// The event to publish with it.
    pub publication: Option<Publication>,
}

/// The reason why a transition is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransitionError {
    /// No runner has taken the command.
    #[error("the command has not started")]
    NotStarted,
    /// A runner has taken the command before.
    #[error("the command has already started")]
    AlreadyStarted,
    /// The command has ended.
    #[error("the command has ended")]
    Ended,
}

impl CommandState {
    /// Returns the state without its data.
    #[must_use]
    pub const fn status(&self) -> CommandStatus {
        match self {
            Self::Queued => CommandStatus::Queued,
            Self::Starting { .. } => CommandStatus::Starting,
            Self::Running { .. } => CommandStatus::Running,
            Self::Cancelling { .. } => CommandStatus::Cancelling,
            Self::Ended { outcome, .. } => match outcome {
                Outcome::Completed => CommandStatus::Completed,
                Outcome::Failed(_) => CommandStatus::Failed,
                Outcome::Cancelled => CommandStatus::Cancelled,
                Outcome::TimedOut(_) => CommandStatus::TimedOut,
                Outcome::Lost => CommandStatus::Lost,
            },
        }
    }

    /// Creates a state from its stored parts; `reason` is [`Outcome::reason`]. `None` if they do not fit together.
    #[must_use]
    pub fn from_parts(
        status: CommandStatus,
        reason: Option<&str>,
        started_at: Option<Timestamp>,
        ended_at: Option<Timestamp>,
    ) -> Option<Self> {
        let outcome = match status {
            CommandStatus::Queued => return Some(Self::Queued),
            CommandStatus::Starting => return started_at.map(|started_at| Self::Starting { started_at }),
            CommandStatus::Running => return started_at.map(|started_at| Self::Running { started_at }),
            CommandStatus::Cancelling => return started_at.map(|started_at| Self::Cancelling { started_at }),
            CommandStatus::Completed => Outcome::Completed,
            CommandStatus::Failed => Outcome::Failed(FailureReason::parse(reason?)?),
            CommandStatus::Cancelled => Outcome::Cancelled,
            CommandStatus::TimedOut => Outcome::TimedOut(Timeout::parse(reason?)?),
            CommandStatus::Lost => Outcome::Lost,
        };
        ended_at.map(|ended_at| Self::Ended { started_at, ended_at, outcome })
    }

    /// Returns when a runner took the command, and when it ended.
    #[must_use]
    pub const fn times(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        match *self {
            Self::Queued => (None, None),
            Self::Starting { started_at }
            | Self::Running { started_at }
            | Self::Cancelling { started_at } => (Some(started_at), None),
            Self::Ended { started_at, ended_at, .. } => (started_at, Some(ended_at)),
        }
    }

    /// Returns how the command ended.
    #[must_use]
    pub const fn outcome(&self) -> Option<Outcome> {
        match *self {
            Self::Ended { outcome, .. } => Some(outcome),
            _ => None,
        }
    }

    /// Gives the command to a runner. A command starts once and never again, unless it is [requeued](Self::requeue).
    pub const fn start(self, now: Timestamp) -> Result<Change, TransitionError> {
        match self {
            Self::Queued => Ok(Change {
                state: Self::Starting { started_at: now },
                publication: Some(Publication::Started),
            }),
            Self::Ended { .. } => Err(TransitionError::Ended),
            Self::Starting { .. } | Self::Running { .. } | Self::Cancelling { .. } => {
                Err(TransitionError::AlreadyStarted)
            }
        }
    }

    /// Returns the command to the queue, because its agent did not begin. One that is being stopped ends.
    pub fn requeue(self, now: Timestamp) -> Result<Change, TransitionError> {
        match self {
            Self::Queued => Err(TransitionError::NotStarted),
            Self::Starting { .. } | Self::Running { .. } => Ok(Change::silent(Self::Queued)),
            Self::Cancelling { .. } => Ok(end(None, now, Outcome::Cancelled, None, Duration::ZERO)),
            Self::Ended { .. } => Err(TransitionError::Ended),
        }
    }

    /// Records that the agent works. Changes nothing if it is known, or if the agent is being stopped.
    pub const fn run(self) -> Result<Change, TransitionError> {
        match self {
            Self::Queued => Err(TransitionError::NotStarted),
            Self::Starting { started_at } => Ok(Change::silent(Self::Running { started_at })),
            Self::Running { .. } | Self::Cancelling { .. } => Ok(Change::silent(self)),
            Self::Ended { .. } => Err(TransitionError::Ended),
        }
    }

    /// Cancels the command at a client's request. A queued command ends at once. A second request changes
    /// nothing.
    pub fn cancel(self, now: Timestamp) -> Result<Change, TransitionError> {
        match self {
            Self::Queued => Ok(end(None, now, Outcome::Cancelled, None, Duration::ZERO)),
            Self::Starting { started_at } | Self::Running { started_at } => {
                Ok(Change::silent(Self::Cancelling { started_at }))
            }
            Self::Cancelling { .. } => Ok(Change::silent(self)),
            Self::Ended { .. } => Err(TransitionError::Ended),
        }
    }

    /// Records the result of the run. An agent that finished its work before it was stopped has completed.
    pub fn finish(self, result: &AgentResult, now: Timestamp) -> Result<Change, TransitionError> {
        let started_at = self.started()?;
        Ok(end(Some(started_at), now, result.outcome, result.exit_code, result.duration))
    }

    /// Gives up a run that no runner holds any more.
    pub fn lose(self, now: Timestamp) -> Result<Change, TransitionError> {
        let started_at = self.started()?;
        Ok(end(Some(started_at), now, Outcome::Lost, None, now.since(started_at)))
    }

    /// Returns when a runner took the command, which has not ended.
    const fn started(self) -> Result<Timestamp, TransitionError> {
        match self {
            Self::Queued => Err(TransitionError::NotStarted),
            Self::Starting { started_at }
            | Self::Running { started_at }
            | Self::Cancelling { started_at } => Ok(started_at),
            Self::Ended { .. } => Err(TransitionError::Ended),
        }
    }
}

impl Change {
    const fn silent(state: CommandState) -> Self {
        Self { state, publication: None }
    }
}

fn end(
    started_at: Option<Timestamp>,
    now: Timestamp,
    outcome: Outcome,
    exit_code: Option<i32>,
    duration: Duration,
) -> Change {
    let state = CommandState::Ended { started_at, ended_at: now, outcome };
    let exit_code = exit_code.unwrap_or(outcome.default_exit_code());
    let publication = match outcome {
        Outcome::Completed => Publication::Completed { exit_code, duration },
        Outcome::Failed(reason) => Publication::Failed { exit_code, duration, reason: reason.as_str() },
        Outcome::Cancelled | Outcome::TimedOut(_) | Outcome::Lost => {
            Publication::Failed { exit_code, duration, reason: state.status().as_str() }
        }
    };
    Change { state, publication: Some(publication) }
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
