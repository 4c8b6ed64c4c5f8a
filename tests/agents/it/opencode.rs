//! OpenCode over the local backend.

mod cancellations;
mod failures;
mod leftovers;
mod limits;
mod restarts;
mod subject;
mod turns;

/// Whether the agents run in pods.
const IS_IN_POD: bool = false;
