//! OpenCode over the local backend.

mod cancellations;
mod failures;
mod leftovers;
mod limits;
mod restarts;
mod subject;
mod turns;
