//! Claude Code in pods, whose connections break: the same tests as over the local backend.

#[path = "claude_code/cancellations.rs"]
mod cancellations;
#[path = "claude_code/failures.rs"]
mod failures;
#[path = "claude_code/leftovers.rs"]
mod leftovers;
#[path = "claude_code/limits.rs"]
mod limits;
#[path = "claude_code/restarts.rs"]
mod restarts;
#[path = "claude_code/subject.rs"]
mod subject;
#[path = "claude_code/turns.rs"]
mod turns;

/// Whether the agents run in pods.
const IS_IN_POD: bool = true;
