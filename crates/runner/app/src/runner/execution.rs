//! The execution of a run by its agent.

use std::time::Duration;

use rdev_runner_domain::ports::{CodeAgent, SecretError, SecretRequest, VersionControlError};
use rdev_runner_domain::{
    Access, AgentResult, AgentRun, CommitHash, FailureReason, LeasedCommand, Outcome, Project, RunSecrets,
    Usage, Workspace, WorkspaceChanges,
};
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;

use super::calls::Backoff;
use super::outbox::Outbox;
use super::position::Position;
use super::shared::Shared;
use super::sink::RunSink;
use crate::redactor::Redactor;
use crate::workspaces::Workspaces;

pub(super) struct Execution<'a> {
    pub(super) shared: &'a Shared,
    /// The agent; `None` if this runner has not got it.
    pub(super) agent: Option<&'a dyn CodeAgent>,
    pub(super) leased: &'a LeasedCommand,
    /// The position up to which an earlier runner has stored the run.
    pub(super) taken_over: Option<&'a Position>,
    pub(super) outbox: &'a Outbox,
    /// Cancelled when the agent begins.
    pub(super) began: &'a CancellationToken,
    /// Cancelled when the agent has reported something.
    pub(super) reported: &'a CancellationToken,
    /// Cancelled when the command is.
    pub(super) cancelled: &'a CancellationToken,
}

/// The place of a run.
struct Place {
    workspace: Workspace,
    /// What the readers of the events should know about it.
    warning: Option<String>,
}

impl Execution<'_> {
    /// Runs the agent, or continues its run, to the end. Everything but its events is in the result.
    pub(super) async fn run(&self) -> AgentResult {
        let draft = self.leased.request.draft();
        let Some(agent) = self.agent else {
            return self.lost(format!("the runner has no provider `{}`", draft.provider));
        };
        let preparing = async {
            let project = match self.project().await {
                Ok(project) => project,
                Err(fault) => return (Err(fault), Ok(RunSecrets::default())),
            };
            match self.place(&project).await {
                Ok(place) => (Ok(place), self.secrets(&project).await),
                Err(fault) => (Err(fault), Ok(RunSecrets::default())),
            }
        };
        let prepared = if self.taken_over.is_some() {
            Some(preparing.await)
        } else {
            self.cancelled.run_until_cancelled(preparing).await
        };
        match prepared {
            None => ended(Outcome::Cancelled, None),
            Some((Ok(place), Ok(secrets))) => self.execute(agent, place, secrets).await,
            Some((Ok(place), Err(missing))) => self.without_secrets(agent, place.workspace, missing).await,
            Some((Err(fault), _)) => refused(fault),
        }
    }

    async fn execute(
        &self,
        agent: &dyn CodeAgent,
        Place { workspace, warning }: Place,
        secrets: RunSecrets,
    ) -> AgentResult {
        let redactor = Redactor::new(secrets.hidden.iter().map(ExposeSecret::expose_secret));
        let run = AgentRun { request: self.leased.request.clone(), workspace, secrets };
        let sink = RunSink::new(self.shared, self.outbox, &redactor, self.taken_over, self.reported);
        if let Some(warning) = warning {
            sink.warn(warning).await;
        }
        let commit = match self.taken_over {
            Some(position) => position.commit.clone(),
            None => self.commit(&run.workspace, &sink).await,
        };
        self.began.cancel();
        let mut result = match self.taken_over {
            None => agent.execute(&run, &sink).await,
            Some(position) => match agent.attach(&run, position.checkpoint.as_deref(), &sink).await {
                Some(result) => result,
                None => self.lost("the runner died, and the agent cannot be continued".to_owned()),
            },
        };
        if result.outcome == Outcome::Failed(FailureReason::StartFailed) {
            self.shared.availability.doubt(agent.provider());
        }
        if !agent.capabilities().resume {
            // The result names the session to resume.
            result.session = None;
        }
        if let Some(commit) = commit
            && result.outcome != Outcome::Lost
        {
            result.changes = self.changes(&run.workspace, &commit, &sink).await;
        }
        sink.finish(result).await
    }

    /// Refuses a run whose secrets have no values. A run that is taken over has them: it is stopped, and what
    /// it reports is dropped, because it cannot be searched for them.
    async fn without_secrets(
        &self,
        agent: &dyn CodeAgent,
        workspace: Workspace,
        missing: String,
    ) -> AgentResult {
        let Some(position) = self.taken_over else { return refused(missing) };
        tracing::warn!(command = %self.leased.lease.command, reason = missing, "stopping a run without its secrets");
        let run =
            AgentRun { request: self.leased.request.clone(), workspace, secrets: RunSecrets::default() };
        let redactor = Redactor::default();
        self.outbox.close();
        let sink = RunSink::new(self.shared, self.outbox, &redactor, Some(position), self.reported);
        self.cancelled.cancel();
        self.began.cancel();
        // The result may contain the secrets too.
        match agent.attach(&run, position.checkpoint.as_deref(), &sink).await {
            Some(_) => ended(Outcome::Failed(FailureReason::Interrupted), Some(missing)),
            None => self.lost(missing),
        }
    }

    /// Returns the project, or a sentence that says that it is gone.
    async fn project(&self) -> Result<Project, String> {
        let name = &self.leased.request.draft().project;
        let get = || self.shared.ports.projects.get(Access::everything(), name);
        let project = self.shared.insist("get a project", get).await;
        project.ok_or_else(|| format!("the project `{name}` does not exist"))
    }

    /// Returns the workspace of the project, or a sentence about what is wrong with it.
    async fn place(&self, project: &Project) -> Result<Place, String> {
        let workspace = project.settings().workspace.clone();
        // A run that is taken over is in it already.
        let (Some(workspaces), Workspace::Local { path }, None) =
            (&self.shared.ports.workspaces, &workspace, self.taken_over)
        else {
            return Ok(Place { workspace, warning: None });
        };
        let checked = Workspaces::check_before_run(workspaces, path).await;
        let data_dir = checked.map_err(|fault| format!("the workspace {path} {fault}"))?;
        let warning = data_dir.map(|data_dir| {
            let data_dir = data_dir.display();
            format!("the agent can read the server's keys in {data_dir}; --data-dir puts them elsewhere")
        });
        Ok(Place { workspace, warning })
    }

    /// Returns the commit at which the workspace stands, and keeps it for a runner that takes over.
    async fn commit(&self, workspace: &Workspace, sink: &RunSink<'_>) -> Option<CommitHash> {
        let version_control = self.shared.ports.version_control.as_ref()?;
        match version_control.commit(workspace).await {
            Ok(commit) => {
                if let Some(commit) = &commit {
                    self.outbox.set_commit(commit.clone());
                }
                commit
            }
            Err(error) => {
                sink.warn(unknown_changes(&error)).await;
                None
            }
        }
    }

    async fn changes(
        &self,
        workspace: &Workspace,
        since: &CommitHash,
        sink: &RunSink<'_>,
    ) -> Option<WorkspaceChanges> {
        let version_control = self.shared.ports.version_control.as_ref()?;
        match version_control.changes(workspace, since).await {
            Ok(changes) => Some(changes),
            Err(error) => {
                sink.warn(unknown_changes(&error)).await;
                None
            }
        }
    }

    /// Returns the secrets of the request, or a sentence about one that is missing.
    async fn secrets(&self, project: &Project) -> Result<RunSecrets, String> {
        const OPERATION: &str = "resolve secrets";
        let draft = self.leased.request.draft();
        let request = SecretRequest {
            command: draft.command_id,
            project,
            names: &draft.secrets,
            is_takeover: self.taken_over.is_some(),
        };
        let mut backoff = Backoff::default();
        loop {
            match self.shared.ports.secrets.resolve(&request).await {
                Ok(secrets) => {
                    self.shared.outages.worked(OPERATION);
                    return Ok(secrets);
                }
                Err(error @ SecretError::Unavailable(_)) => {
                    self.shared.outages.failed(OPERATION, &error);
                    tokio::time::sleep(backoff.next()).await;
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// Returns the result of a run that cannot be continued.
    fn lost(&self, detail: String) -> AgentResult {
        let (started_at, _) = self.leased.state.times();
        let now = self.shared.ambient.now();
        let duration = started_at.map_or(Duration::ZERO, |started_at| now.since(started_at));
        AgentResult { duration, ..ended(Outcome::Lost, Some(detail)) }
    }
}

fn unknown_changes(error: &VersionControlError) -> String {
    format!("the changes of the workspace are unknown: {error}")
}

/// Returns the result of a run that did not begin.
fn refused(detail: String) -> AgentResult {
    ended(Outcome::Failed(FailureReason::StartFailed), Some(detail))
}

fn ended(outcome: Outcome, detail: Option<String>) -> AgentResult {
    AgentResult {
        outcome,
        detail,
        exit_code: None,
        duration: Duration::ZERO,
        session: None,
        text: String::new(),
        usage: Usage::default(),
        cost: None,
        denials: Vec::new(),
        changes: None,
    }
}
