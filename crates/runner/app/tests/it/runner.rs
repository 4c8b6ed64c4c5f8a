//! The runner.

mod agent;
mod changes;
mod crashes;
mod kills;
mod limits;
mod outages;
mod output;
mod pipelines;
mod pods;
mod queue;
mod runs;
mod scene;
mod secrets;
mod version_control;
mod worktrees;
