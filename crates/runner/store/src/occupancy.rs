//! Why commands wait.

use rdev_runner_domain::{QueueLimits, WaitReason};

/// What occupies the queue, as a queued command sees it.
#[derive(Debug)]
pub struct Occupancy<'a> {
    /// The command's provider.
    pub provider: &'a str,
    /// The number of commands that run.
    pub running: i64,
    /// The number of those of its provider.
    pub of_provider: i64,
    /// The number of those of its project.
    pub of_project: i64,
    /// The limit of its project; `None` if the project does not exist.
    pub max_of_project: Option<i64>,
    /// Whether one of them runs on its session.
    pub is_on_session: bool,
}

impl Occupancy<'_> {
    /// Returns why the command waits.
    #[must_use]
    pub fn reason(&self, limits: &QueueLimits) -> WaitReason {
        let mut providers = limits.providers.iter();
        let of_provider = providers.find(|(name, _)| name.as_str() == self.provider).map(|(_, most)| *most);
        if self.running >= i64::from(limits.max_running) {
            WaitReason::MaxRunning
        } else if of_provider.is_some_and(|most| self.of_provider >= i64::from(most)) {
            WaitReason::Provider
        } else if self.of_project >= self.max_of_project.unwrap_or(0) {
            WaitReason::Project
        } else if self.is_on_session {
            WaitReason::Session
        } else {
            WaitReason::Runner
        }
    }
}
