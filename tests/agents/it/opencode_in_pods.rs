//! OpenCode in pods, whose connections break: the same tests as over the local backend.

#[path = "opencode/cancellations.rs"]
mod cancellations;
#[path = "opencode/failures.rs"]
mod failures;
#[path = "opencode/leftovers.rs"]
mod leftovers;
#[path = "opencode/limits.rs"]
mod limits;
#[path = "opencode/restarts.rs"]
mod restarts;
#[path = "opencode/subject.rs"]
mod subject;
#[path = "opencode/turns.rs"]
mod turns;

/// Whether the agents run in pods.
const IS_IN_POD: bool = true;
