//! The deletion of projects whose commands have not ended.

use std::sync::Arc;

use rdev_runner_domain::Access;
use rdev_runner_domain::ports::{Cancellation, CommandRepository, ProjectRepository, StoreError};

/// The most commands that one pass cancels.
const MAX_CANCELLED: u32 = 100;

/// Ends the deletions of projects that have begun. They are in the store alone, so that any process can end them.
#[derive(Clone)]
pub(crate) struct ProjectDeletions {
    projects: Arc<dyn ProjectRepository>,
    commands: Arc<dyn CommandRepository>,
}

impl ProjectDeletions {
    pub(crate) fn new(projects: Arc<dyn ProjectRepository>, commands: Arc<dyn CommandRepository>) -> Self {
        Self { projects, commands }
    }

    /// Cancels commands of projects that are being deleted, and deletes the projects whose commands have all ended.
    /// Returns whether there are more commands to cancel.
    pub(crate) async fn advance(&self) -> Result<bool, StoreError> {
        let cancelled = self.projects.commands_to_cancel(MAX_CANCELLED).await?;
        for id in &cancelled {
            if let Some(Cancellation::Accepted(command)) =
                self.commands.cancel(Access::everything(), *id).await?
            {
                let status = command.state.status().as_str();
                tracing::info!(command = %id, project = %command.project, status, "command cancelled with its project");
            }
        }
        for project in self.projects.finish_deletions().await? {
            tracing::info!(%project, "project deleted");
        }
        Ok(cancelled.len() >= MAX_CANCELLED as usize)
    }
}
