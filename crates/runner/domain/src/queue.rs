//! What runners and the queue of commands say to each other.

use std::collections::BTreeMap;
use std::time::Duration;

use rdev_core::LeaseToken;

use crate::macros::{checked_text, named};
use crate::{
    AgentEventKind, AgentProvider, AgentRequest, AgentResult, ClusterId, CommandId, CommandState, Timestamp,
};

checked_text!(
    /// The host of a runner, on which the processes of its agents live on when it dies: 1 to 255 visible
    /// ASCII characters.
    Host,
    HostError,
    "must be 1 to 255 visible ASCII characters",
    |text| (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
);

/// How many commands may run at once, over all runners. A project has a limit of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueLimits {
    /// In all.
    pub max_running: u32,
    /// Of each provider that the runner has.
    pub providers: BTreeMap<AgentProvider, u32>,
}

/// A request for a command to run.
#[derive(Debug, Clone)]
pub struct ClaimRequest {
    /// The host of the runner.
    pub host: Host,
    /// A new token.
    pub token: LeaseToken,
    /// The duration of the lease.
    pub lease_for: Duration,
    /// The limits, and the providers of the runner.
    pub limits: QueueLimits,
}

/// A request for a started command whose runner has died.
#[derive(Debug, Clone)]
pub struct AttachRequest {
    /// The host of the runner.
    pub host: Host,
    /// A new token.
    pub token: LeaseToken,
    /// The duration of the lease.
    pub lease_for: Duration,
    /// The commands that the runner has itself.
    pub except: Vec<CommandId>,
    /// The cluster whose pods the runner reaches.
    pub cluster: Option<ClusterId>,
}

/// What a runner records before the agent of a command begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunBeginning {
    /// The cluster in whose pod the agent begins; `None` for the runner's host.
    pub cluster: Option<ClusterId>,
    /// The first [`RunReport::checkpoint`].
    pub checkpoint: String,
}

/// A command under a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseRef {
    /// The command.
    pub command: CommandId,
    /// The token of the lease.
    pub token: LeaseToken,
}

/// A command that a runner has taken.
#[derive(Debug, Clone, PartialEq)]
pub struct LeasedCommand {
    /// The lease.
    pub lease: LeaseRef,
    /// The request.
    pub request: AgentRequest,
    /// The state.
    pub state: CommandState,
    /// The number of the last stored event.
    pub last_seq: u64,
    /// The last [`RunReport::checkpoint`].
    pub checkpoint: Option<String>,
}

/// What a runner reports about a run. All of it is stored in one transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct RunReport {
    /// The number of the last stored event that the runner knows, so that a repetition of a report is
    /// recognized.
    pub after_seq: u64,
    /// The new events.
    pub events: Vec<(Timestamp, AgentEventKind)>,
    /// Where a runner continues that takes over the run, in the words of the runner; `None` keeps the last.
    pub checkpoint: Option<String>,
    /// The progress of the run.
    pub progress: Progress,
}

/// The progress of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// No change.
    Unchanged,
    /// The agent works.
    Running,
    /// The agent has ended.
    Ended(Box<AgentResult>),
}

/// The answer to a runner that holds a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseState {
    /// The lease is valid, and what was reported is stored.
    Held {
        /// The number of the last stored event.
        last_seq: u64,
        /// Whether a client has cancelled the command.
        is_cancelled: bool,
    },
    /// The command has another lease, or none: nothing was stored.
    Lost,
}

/// Commands that no runner has taken over for too long.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AbandonedCommands {
    /// Those that have ended as lost.
    pub lost: Vec<CommandId>,
    /// Those that were left alone, because they run in pods of another cluster.
    pub elsewhere: Vec<CommandId>,
}

named!(
    /// The reason why a command waits.
    WaitReason {
        /// As many commands run as may run in all.
        MaxRunning = "max_running",
        /// As many commands of its provider run as may.
        Provider = "provider",
        /// As many commands of its project run as may.
        Project = "project",
        /// Another command runs on the session that it continues.
        Session = "session",
        /// Nothing but a runner that takes it, after the commands before it.
        Runner = "runner",
    }
);

/// The place of a command in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// 1 for the oldest command.
    pub position: u64,
    /// Why it waits.
    pub reason: WaitReason,
}
