//! What the service sends.

mod credentials;
mod templates;
mod woodpecker;

use std::collections::BTreeMap;

use rdev_client::Reply;
use serde::Deserialize;
use serde_json::value::RawValue;

pub use credentials::{Credential, CredentialUse, CredentialVersion};
pub use templates::{
    AppliedFile, AppliedTemplate, RenderedFile, RenderedTemplate, Template, TemplateVariable,
};
pub use woodpecker::{ActivatedRepository, Pipeline, PipelineSecret};

/// A project.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Project {
    /// The name.
    pub name: String,
    /// What the project is, for people.
    pub description: Option<String>,
    /// The provider of its commands; `None` for the default provider.
    pub provider: Option<String>,
    /// The model of its commands; `None` for the agent's default.
    pub model: Option<String>,
    /// The place in which the agent works.
    pub workspace: Workspace,
    /// The limits.
    pub limits: Limits,
    /// `read-only`, `edit` or `full`.
    pub permissions: String,
    /// The tools that the agent may use in addition.
    pub allowed_tools: Vec<String>,
    /// The tools that the agent may not use.
    pub denied_tools: Vec<String>,
    /// The names of the secrets that the agent finds in its environment.
    pub secrets: Vec<String>,
    /// Further variables of the agent's environment, which are no secrets.
    pub environment: BTreeMap<String, String>,
    /// The repository of its pipelines.
    pub repository: Option<String>,
    /// The number of commands that may run at once.
    pub max_running: u32,
    /// Whether it takes no commands.
    pub archived: bool,
    /// Whether it is being deleted, which waits for its commands to end.
    pub deleting: bool,
    /// When it was created.
    pub created_at: String,
    /// When it was changed last.
    pub updated_at: String,
}

/// What became of the commands of a project.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct ProjectStatistics {
    /// The project.
    pub project: String,
    /// The beginning of the window.
    pub since: String,
    /// Its end.
    pub until: String,
    /// The number of commands by status: of those that have ended, the ones that did in the window.
    pub commands: BTreeMap<String, u64>,
    /// The number of commands that have started, and ended in the window.
    pub runs: u64,
    /// The share of completed commands in those that ended otherwise than by a cancellation.
    pub success_ratio: Option<f64>,
    /// From the start to the end of a run.
    pub duration_ms: RunDurations,
    /// The tokens of the runs.
    pub usage: Usage,
    /// The cost in US dollars of the runs whose agents report one.
    pub cost_usd: f64,
}

/// Durations of runs in milliseconds; `None` without one.
#[derive(Debug, Clone, Copy, Deserialize)]
#[non_exhaustive]
pub struct RunDurations {
    /// Half of the runs did not take longer.
    pub p50: Option<u64>,
    /// Of 100 runs 95 did not take longer.
    pub p95: Option<u64>,
}

/// The place in which an agent works.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Workspace {
    /// `local`, `kubernetes`, or another kind.
    pub kind: String,
    /// The folder.
    pub path: Option<String>,
    /// The namespace of the pod of the kind `kubernetes`.
    #[serde(default)]
    pub namespace: Option<String>,
    /// The labels of that pod.
    #[serde(default)]
    pub selector: Option<String>,
    /// The container of that pod.
    #[serde(default)]
    pub container: Option<String>,
}

/// The limits of a run.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Limits {
    /// From the start of the command to its end.
    pub wall_ms: u64,
    /// Without any output while no tool runs.
    pub idle_ms: u64,
    /// Without any output while a tool runs.
    pub tool_idle_ms: u64,
    /// From the start of the command to the agent's first output.
    pub start_ms: u64,
    /// The number of turns.
    pub max_turns: Option<u32>,
    /// The budget in US dollars.
    pub max_budget_usd: Option<f64>,
}

/// A command.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Command {
    /// The id.
    pub id: String,
    /// The project.
    pub project: String,
    /// The provider.
    #[serde(rename = "type")]
    pub provider: String,
    /// `queued`, `starting`, `running`, `cancelling`; or ended: `completed`, `failed`, `cancelled`, `timed_out`, `lost`.
    pub status: String,
    /// Why it waits.
    pub waiting_for: Option<String>,
    /// Its place in the queue, 1 for the oldest command.
    pub position: Option<u64>,
    /// The session, once it is known.
    pub session: Option<String>,
    /// The result, once the agent has ended.
    pub result: Option<CommandResult>,
    /// The number of its last event.
    pub last_seq: u64,
    /// When it was queued.
    pub created_at: String,
    /// When a runner took it.
    pub started_at: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
    /// The request, of a single command.
    pub request: Option<Reply<CommandRequest>>,
}

/// The request of a command, with what came from its project.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct CommandRequest {
    /// What the agent is asked to do.
    pub prompt: String,
    /// The session that it continues.
    pub session: Option<CommandSession>,
    /// The model; `None` for the agent's default.
    pub model: Option<String>,
    /// The limits.
    pub limits: Limits,
    /// `read-only`, `edit` or `full`.
    pub permissions: String,
    /// The tools that the agent may use in addition.
    pub allowed_tools: Vec<String>,
    /// The tools that the agent may not use.
    pub denied_tools: Vec<String>,
    /// The names of the secrets.
    pub secrets: Vec<String>,
    /// Further variables of the agent's environment.
    pub environment: BTreeMap<String, String>,
}

/// The session that a command continues: one of the two.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct CommandSession {
    /// This session itself.
    pub resume: Option<String>,
    /// A copy of this session.
    pub fork: Option<String>,
}

/// The result of a run.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct CommandResult {
    /// The final message.
    pub text: String,
    /// Why it did not complete.
    pub reason: Option<String>,
    /// A sentence about the outcome.
    pub detail: Option<String>,
    /// The exit code of the agent's process, or one for the outcome.
    pub exit_code: i32,
    /// How long the agent ran.
    pub duration_ms: u64,
    /// The session to resume.
    pub session: Option<String>,
    /// The tokens.
    pub usage: Usage,
    /// The cost in US dollars, if the agent reports it.
    pub cost_usd: Option<f64>,
    /// What the agent was not allowed to do.
    pub denials: Vec<Denial>,
    /// What the run has changed in its workspace, if that is known.
    pub changes: Option<Changes>,
}

/// What a workspace differs by from the commit at which it stood at the beginning of a run.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Changes {
    /// The commit.
    pub commit: String,
    /// The number of files that differ.
    pub files: u64,
    /// The number of lines that were added.
    pub insertions: u64,
    /// The number of lines that were removed.
    pub deletions: u64,
    /// The differences in the format of `git diff`; `None` in lists.
    pub diff: Option<String>,
    /// Whether the diff is only the beginning of the differences.
    pub is_truncated: bool,
    /// The branch that has the changes, if the run had a worktree.
    pub branch: Option<String>,
}

/// Numbers of tokens.
#[derive(Debug, Clone, Copy, Deserialize)]
#[non_exhaustive]
pub struct Usage {
    /// Tokens that the model has read, without those from its cache.
    pub input_tokens: u64,
    /// Tokens that the model has written.
    pub output_tokens: u64,
    /// Tokens that the model has read from its cache.
    pub cache_read_tokens: u64,
    /// Tokens that the model has written to its cache.
    pub cache_write_tokens: u64,
}

/// A use of a tool that was not allowed.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Denial {
    /// The name of the tool, or the kind of the permission.
    pub tool: String,
    /// The id of the tool call.
    pub id: Option<String>,
    /// The arguments.
    pub input: Option<Box<RawValue>>,
}

/// Something that happened in the run of a command. The members after `kind` depend on it.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct CommandEvent {
    /// The number among the events of the command: 1, 2, 3, without gaps.
    pub seq: u64,
    /// When the runner received it.
    pub at: String,
    /// `session_started`, `text_delta`, `message`, `thinking`, `tool_call`, `tool_result`, `permission_denied`, `retry`,
    /// `usage`, `warning`, `raw`, or another one of a later version.
    pub kind: String,
    /// The session.
    pub session: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The text.
    pub text: Option<String>,
    /// The tool call that started the subagent that this concerns.
    pub parent: Option<String>,
    /// The id of a tool call.
    pub id: Option<String>,
    /// The name of the called tool.
    pub name: Option<String>,
    /// The arguments of a tool call.
    pub input: Option<Box<RawValue>>,
    /// What a tool returned.
    pub content: Option<String>,
    /// Whether a tool reports a failure.
    pub is_error: Option<bool>,
    /// The tool that was not allowed.
    pub tool: Option<String>,
    /// An explanation.
    pub message: Option<String>,
    /// The number of the attempt that failed.
    pub attempt: Option<u32>,
    /// The wait before the next attempt.
    pub delay_ms: Option<u64>,
    /// The HTTP status of the model's API.
    pub status: Option<u16>,
    /// The tokens since the last report.
    pub usage: Option<Usage>,
}

/// A registered agent.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Provider {
    /// The name, which is the `type` of its commands.
    pub name: String,
    /// Whether commands that name no provider have it.
    pub default: bool,
    /// Whether it can run now.
    pub available: bool,
    /// Why it cannot run.
    pub unavailable_reason: Option<String>,
    /// The version of the installed agent.
    pub version: Option<String>,
    /// What it can do.
    pub capabilities: Capabilities,
}

/// What a provider can do.
#[derive(Debug, Clone, Copy, Deserialize)]
#[non_exhaustive]
pub struct Capabilities {
    /// It can continue a session.
    pub resume: bool,
    /// It can continue a copy of a session.
    pub fork: bool,
    /// It can keep a limit of turns.
    pub max_turns: bool,
    /// It can keep a budget.
    pub max_budget: bool,
    /// It can run with the permissions `full` on the runner's host.
    pub full_permissions: bool,
}
