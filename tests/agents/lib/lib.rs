//! Support for the tests with the real coding agents: their programs, a model that plays a script, and folders
//! whose processes can be listed.
//!
//! Only `scripts/test --agents` builds and runs these tests. It installs the agents.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod model;
mod programs;
mod scene;

pub use model::ScriptedModel;
pub use programs::{claude, opencode};
pub use scene::Scene;

use std::time::{Duration, Instant};

/// The bound of every wait.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Looks again and again until there is something, and returns it.
///
/// # Panics
///
/// Panics if there is nothing within [`PATIENCE`].
pub async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "{what}: it did not happen");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
