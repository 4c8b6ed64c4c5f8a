//! The result of a run as the API shows it.

use rdev_http::Text;
use rdev_runner_domain::{AgentResult, CommitHash, Denial, SessionRef, Usage, Usd, WorkspaceChanges};
use serde::Serialize;
use utoipa::ToSchema;

use super::event::JsonText;
use crate::schema_types as types;

/// The result of a run.
#[derive(Serialize, ToSchema)]
#[schema(as = Result)]
pub(crate) struct ResultView<'a> {
    /// The agent's final message.
    text: &'a str,
    /// Why the command did not complete; `null` if it did. A failure: `authentication_failed`, `rate_limited`,
    /// `api_error`, `max_turns`, `max_budget`, `session_not_found`, `start_failed`, `interrupted`, `no_result`,
    /// `empty_result`, `agent_error`. A limit of time: `wall`, `idle`, `tool_idle`, `start`. Else `cancelled` or
    /// `lost`.
    #[schema(required)]
    reason: Option<&'static str>,
    /// A sentence about the outcome, often the agent's own.
    #[schema(required)]
    detail: Option<&'a str>,
    /// The exit code of the agent's process; without one 0, or 1, 124 (a limit of time) or 130 (cancelled).
    exit_code: i32,
    /// How long the agent ran.
    duration_ms: u64,
    /// The session to resume, as the agent reported it.
    #[schema(value_type = Option<types::SessionRef>, required)]
    session: Option<Text<&'a SessionRef>>,
    usage: UsageView,
    /// The cost of this run in US dollars, if the agent reports it.
    #[schema(required)]
    cost_usd: Option<f64>,
    /// What the agent was not allowed to do.
    denials: Vec<DenialView<'a>>,
    /// What the run has changed in its workspace; `null` if that is no git repository, or if the changes are unknown.
    #[schema(required)]
    changes: Option<ChangesView<'a>>,
}

/// What a workspace differs by, at the end of a run, from the commit at which it stood at the beginning. It contains
/// commits that the run has made, and files that are in no commit and not ignored.
#[derive(Serialize, ToSchema)]
#[schema(as = Changes)]
struct ChangesView<'a> {
    /// The commit at which the workspace stood at the beginning.
    #[schema(value_type = types::CommitHash)]
    commit: Text<&'a CommitHash>,
    /// The number of files that differ.
    files: u64,
    /// The number of lines that were added.
    insertions: u64,
    /// The number of lines that were removed.
    deletions: u64,
    /// The differences in the format of `git diff`, at most 256 KiB; `null` in lists.
    #[schema(required)]
    diff: Option<&'a str>,
    /// Whether the diff is only the beginning of the differences.
    is_truncated: bool,
    /// The branch that has the changes, in the repository of the project's workspace, if the run had a worktree.
    #[schema(required)]
    branch: Option<&'a str>,
}

/// Numbers of tokens.
#[derive(Serialize, ToSchema)]
#[schema(as = Usage)]
pub(crate) struct UsageView {
    /// Tokens that the model has read, without those from its cache.
    input_tokens: u64,
    /// Tokens that the model has written.
    output_tokens: u64,
    /// Tokens that the model has read from its cache.
    cache_read_tokens: u64,
    /// Tokens that the model has written to its cache.
    cache_write_tokens: u64,
}

/// A use of a tool that was not allowed.
#[derive(Serialize, ToSchema)]
#[schema(as = Denial)]
struct DenialView<'a> {
    /// The name of the tool, or the kind of the permission.
    tool: &'a str,
    /// The id of the tool call.
    #[schema(required)]
    id: Option<&'a str>,
    /// The arguments.
    #[schema(value_type = Option<serde_json::Value>, required)]
    input: Option<JsonText<'a>>,
}

impl<'a> From<&'a AgentResult> for ResultView<'a> {
    fn from(result: &'a AgentResult) -> Self {
        Self {
            text: &result.text,
            reason: result.outcome.reason(),
            detail: result.detail.as_deref(),
            exit_code: result.exit_code.unwrap_or(result.outcome.default_exit_code()),
            duration_ms: u64::try_from(result.duration.as_millis()).unwrap_or(u64::MAX),
            session: result.session.as_ref().map(Text),
            usage: result.usage.into(),
            cost_usd: result.cost.map(Usd::as_f64),
            denials: result.denials.iter().map(DenialView::from).collect(),
            changes: result.changes.as_ref().map(ChangesView::from),
        }
    }
}

impl From<Usage> for UsageView {
    fn from(usage: Usage) -> Self {
        let Usage { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens } = usage;
        Self { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens }
    }
}

impl<'a> From<&'a WorkspaceChanges> for ChangesView<'a> {
    fn from(changes: &'a WorkspaceChanges) -> Self {
        let WorkspaceChanges { commit, files, insertions, deletions, diff, is_truncated, branch } = changes;
        Self {
            commit: Text(commit),
            files: *files,
            insertions: *insertions,
            deletions: *deletions,
            diff: diff.as_deref(),
            is_truncated: *is_truncated,
            branch: branch.as_deref(),
        }
    }
}

impl<'a> From<&'a Denial> for DenialView<'a> {
    fn from(denial: &'a Denial) -> Self {
        Self {
            tool: &denial.tool,
            id: denial.id.as_deref(),
            input: denial.input.as_deref().map(JsonText::new),
        }
    }
}
