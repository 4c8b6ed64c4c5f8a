//! Support for the tests with the real coding agents: their programs, a model that plays a script, and folders
//! whose processes can be listed.
//!
//! Only `scripts/test` with `--agents` or `--all` builds and runs these tests. It installs the agents.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod model;
mod programs;
mod scene;

pub use model::ScriptedModel;
pub use programs::{claude, opencode};
pub use rdev_runner_testkit::eventually;
pub use scene::Scene;

use std::time::Duration;

/// The bound of every wait.
pub const PATIENCE: Duration = Duration::from_secs(60);
