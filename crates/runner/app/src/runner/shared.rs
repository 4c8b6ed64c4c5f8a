//! What the parts of a runner share.

use std::sync::Arc;

use rdev_app::{Ambient, Outages};
use rdev_runner_domain::ports::{
    CiServer, CommandQueue, CommandRepository, CommandSignals, CredentialRepository, PipelineRepository,
    ProjectRepository, SecretSource, StoreError, VersionControl,
};

use rdev_runner_domain::{CommandId, Workspace, Worktree};

use super::availability::Availability;
use super::calls::{Backoff, CALL_TIMEOUT, CallFailed};
use super::metrics::Metrics;
use super::options::RunnerOptions;
use crate::registry::AgentRegistry;
use crate::workspaces::Workspaces;

/// The ports of a runner.
#[derive(Clone)]
pub struct RunnerPorts {
    /// The queue of commands.
    pub queue: Arc<dyn CommandQueue>,
    /// The commands.
    pub commands: Arc<dyn CommandRepository>,
    /// The projects.
    pub projects: Arc<dyn ProjectRepository>,
    /// The signals of the store.
    pub signals: Arc<dyn CommandSignals>,
    /// The credentials, whose old uses the runner deletes.
    pub credentials: Arc<dyn CredentialRepository>,
    /// The pipelines, whose ends the runner finds.
    pub pipelines: Arc<dyn PipelineRepository>,
    /// The CI server; without it pipelines are left to other runners.
    pub ci: Option<Arc<dyn CiServer>>,
    /// The secrets of the agents.
    pub secrets: Arc<dyn SecretSource>,
    /// The rules that a local workspace is checked by before each run; without them it is not checked.
    pub workspaces: Option<Arc<Workspaces>>,
    /// The version control of workspaces; without it no result has changes.
    pub version_control: Option<Arc<dyn VersionControl>>,
}

pub(super) struct Shared {
    pub(super) ports: RunnerPorts,
    pub(super) agents: Arc<AgentRegistry>,
    pub(super) availability: Availability,
    pub(super) ambient: Ambient,
    pub(super) options: RunnerOptions,
    pub(super) outages: Outages,
    pub(super) metrics: Metrics,
}

impl Shared {
    /// Makes one call of the store. A failure is logged once for each outage.
    pub(super) async fn call<T>(
        &self,
        operation: &str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, CallFailed> {
        let late = |_| StoreError::Unavailable("no response in time".into());
        match tokio::time::timeout(CALL_TIMEOUT, call).await.map_err(late).flatten() {
            Ok(value) => {
                self.outages.worked(operation);
                Ok(value)
            }
            Err(error) => {
                self.outages.store_failed(operation, &error);
                Err(CallFailed)
            }
        }
    }

    /// Makes one call of the store that writes.
    pub(super) async fn write<T>(
        &self,
        operation: &str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, CallFailed> {
        let value = self.call(operation, call).await?;
        self.outages.database_answers();
        Ok(value)
    }

    /// Returns the worktree of a run, if it has one. The workspace is that of its project.
    pub(super) async fn worktree(&self, run: CommandId, workspace: &Workspace) -> Option<Worktree> {
        self.ports.version_control.as_ref()?.worktree(run, workspace).await
    }

    /// Removes the worktree of a run that has ended, if it has one.
    pub(super) async fn remove_worktree(&self, command: CommandId) {
        if let Some(version_control) = &self.ports.version_control
            && let Err(error) = version_control.remove_worktree(command).await
        {
            tracing::error!(%command, %error, "worktree cannot be removed; the runner tries again later");
        }
    }

    /// Makes a call of the store until it succeeds.
    pub(super) async fn insist<T, C>(&self, operation: &str, call: impl Fn() -> C) -> T
    where
        C: Future<Output = Result<T, StoreError>>,
    {
        let mut backoff = Backoff::default();
        loop {
            match self.call(operation, call()).await {
                Ok(value) => return value,
                Err(CallFailed) => tokio::time::sleep(backoff.next()).await,
            }
        }
    }
}
