//! The execution of a run by its agent.

use std::collections::BTreeMap;
use std::time::Duration;

use rdev_runner_domain::ports::{CodeAgent, SecretError};
use rdev_runner_domain::{
    Access, AgentResult, AgentRun, FailureReason, LeasedCommand, Outcome, SecretName, Usage, Workspace,
};
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;

use super::calls::Backoff;
use super::outbox::Outbox;
use super::position::Position;
use super::shared::Shared;
use super::sink::RunSink;
use crate::redactor::Redactor;

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

impl Execution<'_> {
    /// Runs the agent, or continues its run, to the end. Everything but its events is in the result.
    pub(super) async fn run(&self) -> AgentResult {
        let draft = self.leased.request.draft();
        let Some(agent) = self.agent else {
            return self.lost(format!("the runner has no provider `{}`", draft.provider));
        };
        let preparing = async { (self.workspace().await, self.secrets().await) };
        let prepared = if self.taken_over.is_some() {
            Some(preparing.await)
        } else {
            self.cancelled.run_until_cancelled(preparing).await
        };
        match prepared {
            None => ended(Outcome::Cancelled, None),
            Some((Some(workspace), Ok(secrets))) => self.execute(agent, workspace, secrets).await,
            Some((Some(workspace), Err(missing))) => self.without_secrets(agent, workspace, missing).await,
            Some((None, _)) => refused(format!("the project `{}` does not exist", draft.project)),
        }
    }

    async fn execute(
        &self,
        agent: &dyn CodeAgent,
        workspace: Workspace,
        secrets: BTreeMap<SecretName, SecretString>,
    ) -> AgentResult {
        let redactor = Redactor::new(secrets.values().map(ExposeSecret::expose_secret));
        let run = AgentRun { request: self.leased.request.clone(), workspace, secrets };
        let sink = RunSink::new(self.shared, self.outbox, &redactor, self.taken_over, self.reported);
        self.began.cancel();
        let result = match self.taken_over {
            None => agent.execute(&run, &sink).await,
            Some(position) => match agent.attach(&run, position.checkpoint.as_deref(), &sink).await {
                Some(result) => result,
                None => self.lost("the runner died, and the agent cannot be continued".to_owned()),
            },
        };
        if result.outcome == Outcome::Failed(FailureReason::StartFailed) {
            self.shared.availability.doubt(agent.provider());
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
        let run = AgentRun { request: self.leased.request.clone(), workspace, secrets: BTreeMap::new() };
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

    async fn workspace(&self) -> Option<Workspace> {
        let name = &self.leased.request.draft().project;
        let get = || self.shared.ports.projects.get(Access::everything(), name);
        let project = self.shared.insist("get a project", get).await;
        project.map(|project| project.settings().workspace.clone())
    }

    /// Returns the secrets of the request, or a sentence about one that is missing.
    async fn secrets(&self) -> Result<BTreeMap<SecretName, SecretString>, String> {
        const OPERATION: &str = "resolve secrets";
        let draft = self.leased.request.draft();
        let mut backoff = Backoff::default();
        loop {
            match self.shared.ports.secrets.resolve(&draft.project, &draft.secrets).await {
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
    }
}
