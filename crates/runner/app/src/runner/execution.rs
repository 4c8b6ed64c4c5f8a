//! The execution of a run by its agent.

use std::time::Duration;

use rdev_runner_domain::ports::{CodeAgent, SecretError, SecretRequest, VersionControlError};
use rdev_runner_domain::{
    Access, AgentResult, AgentRun, CommitHash, FailureReason, LeaseState, LeasedCommand, Outcome, Project,
    RunBeginning, RunSecrets, Session, SessionRef, Timeout, Usage, Workspace, WorkspaceChanges, Worktree,
    WorktreeRequest,
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

/// How long after the limit of its time the processes of a run may take to end.
const END_GRACE: Duration = Duration::from_secs(60);

/// The warning of a run that may share its files.
const SHARED_FILES: &str =
    "the workspace is no git repository with a commit: runs at the same time share its files";

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

/// How an execution ended.
pub(super) enum Executed {
    /// Everything but the events of the run is in the result.
    Ended(Box<AgentResult>),
    /// The run was to be continued, and the agent has not begun and never will.
    Unbegun,
    /// The run goes on, for what is known, and its place refuses this runner for this reason.
    Refused(String),
}

impl From<AgentResult> for Executed {
    fn from(result: AgentResult) -> Self {
        Self::Ended(Box::new(result))
    }
}

/// The place of a run.
struct Place {
    workspace: Workspace,
    /// The commit with which its worktree began, if it is one.
    worktree_start: Option<CommitHash>,
    /// What the readers of the events should know about it.
    warning: Option<String>,
}

impl Place {
    fn worktree(Worktree { workspace, start, .. }: Worktree, warning: Option<String>) -> Self {
        Self { workspace, worktree_start: Some(start), warning }
    }
}

impl Execution<'_> {
    /// Runs the agent, or continues its run, to the end.
    pub(super) async fn run(&self) -> Executed {
        let draft = self.leased.request.draft();
        let Some(agent) = self.agent else {
            return self.lost(format!("the runner has no provider `{}`", draft.provider)).into();
        };
        if self.taken_over.is_some()
            && let Some(reason) = agent.refusal(draft.command_id).await
        {
            return self.refused(reason);
        }
        let preparing = async {
            let project = match self.project().await {
                Ok(project) => project,
                Err(fault) => return (Err(fault), Ok(RunSecrets::default())),
            };
            match self.place(agent, &project).await {
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
            None => ended(Outcome::Cancelled, None).into(),
            Some((Ok(place), Ok(secrets))) => self.execute(agent, place, secrets).await,
            Some((Ok(place), Err(missing))) => self.without_secrets(agent, place, missing).await.into(),
            Some((Err(fault), _)) => unstarted(fault).into(),
        }
    }

    async fn execute(
        &self,
        agent: &dyn CodeAgent,
        Place { workspace, worktree_start, warning }: Place,
        secrets: RunSecrets,
    ) -> Executed {
        let redactor = Redactor::new(secrets.hidden.iter().map(ExposeSecret::expose_secret));
        let is_worktree = worktree_start.is_some();
        let run = AgentRun { request: self.leased.request.clone(), workspace, is_worktree, secrets };
        let sink = RunSink::new(self.shared, self.outbox, &redactor, self.taken_over, self.reported);
        let mut warnings: Vec<_> = warning.into_iter().collect();
        let commit = match (worktree_start, self.taken_over) {
            (Some(start), _) => Some(start),
            (None, Some(position)) => position.commit.clone(),
            (None, None) => match self.cancelled.run_until_cancelled(self.commit(&run.workspace)).await {
                None => return ended(Outcome::Cancelled, None).into(),
                Some(commit) => commit.unwrap_or_else(|error| {
                    warnings.push(unknown_changes(&error));
                    None
                }),
            },
        };
        if self.taken_over.is_none() {
            if let Err(result) = self.begin(&run.workspace, commit.as_ref()).await {
                return Executed::Ended(result);
            }
            // One that was returned to the queue may have them.
            let warnings = warnings.into_iter().filter(|_| self.leased.last_seq == 0);
            for warning in warnings {
                sink.warn(warning).await;
            }
        }
        self.began.cancel();
        let mut result = match self.taken_over {
            None => agent.execute(&run, &sink).await,
            // What is cut off may begin until it is withdrawn.
            Some(_) if agent.withdraw(&run).await => return self.unbegun(),
            Some(position) => match agent.attach(&run, position.checkpoint.as_deref(), &sink).await {
                Some(result) => result,
                // Its place may not have been reached before.
                None if agent.withdraw(&run).await => return self.unbegun(),
                None => self.lost("the runner died, and the agent cannot be continued".to_owned()),
            },
        };
        let is_unstarted = result.outcome == Outcome::Failed(FailureReason::StartFailed);
        if is_unstarted {
            self.shared.availability.doubt(agent.provider());
        }
        let is_known = result.outcome == Outcome::Completed || (is_unstarted && self.taken_over.is_none());
        if !is_known && let Some(reason) = agent.refusal(run.command_id()).await {
            return self.refused(reason);
        }
        if !agent.capabilities().resume {
            // The result names the session to resume.
            result.session = None;
        }
        if result.outcome != Outcome::Lost {
            result.changes = self.changes(&run, commit.as_ref(), &sink).await;
        }
        sink.finish(result).await.into()
    }

    /// Returns the end of a run that was withdrawn: its command goes back to the queue, unless it is cancelled.
    fn unbegun(&self) -> Executed {
        if self.cancelled.is_cancelled() { ended(Outcome::Cancelled, None).into() } else { Executed::Unbegun }
    }

    /// Returns the end of a run whose place refuses this runner: another one may use it, until the run has had its time.
    fn refused(&self, reason: String) -> Executed {
        let result =
            self.lost(format!("forbidden: no runner with the rights has taken the run over: {reason}"));
        let has_ended = result.duration >= self.leased.request.limits().timeout(Timeout::Wall) + END_GRACE;
        if has_ended { result.into() } else { Executed::Refused(reason) }
    }

    /// Records that the agent is about to begin, with the commit for a runner that takes over. Fails with the result of a
    /// run that must not begin.
    async fn begin(
        &self,
        workspace: &Workspace,
        commit: Option<&CommitHash>,
    ) -> Result<(), Box<AgentResult>> {
        if let Some(commit) = commit {
            self.outbox.set_commit(commit.clone());
        }
        let cluster = match workspace {
            Workspace::Kubernetes(_) => self.shared.options.cluster.clone(),
            _ => None,
        };
        let beginning = RunBeginning { cluster, checkpoint: self.outbox.position().to_string() };
        let lease = &self.leased.lease;
        let begin = || self.shared.ports.queue.begin(lease, &beginning);
        match self.shared.insist("begin a command", begin).await {
            LeaseState::Held { is_cancelled: false, .. } => Ok(()),
            LeaseState::Held { is_cancelled: true, .. } => Err(Box::new(ended(Outcome::Cancelled, None))),
            LeaseState::Lost => {
                Err(Box::new(self.lost("the lease was lost before the agent began".to_owned())))
            }
        }
    }

    /// Refuses a run whose secrets have no values. A run that is taken over has them: it is stopped, and what
    /// it reports is dropped, because it cannot be searched for them.
    async fn without_secrets(
        &self,
        agent: &dyn CodeAgent,
        Place { workspace, worktree_start, .. }: Place,
        missing: String,
    ) -> AgentResult {
        let Some(position) = self.taken_over else { return unstarted(missing) };
        tracing::warn!(command = %self.leased.lease.command, reason = missing, "stopping a run without its secrets");
        let (request, secrets) = (self.leased.request.clone(), RunSecrets::default());
        let run = AgentRun { request, workspace, is_worktree: worktree_start.is_some(), secrets };
        let redactor = Redactor::default();
        self.outbox.close();
        let sink = RunSink::new(self.shared, self.outbox, &redactor, Some(position), self.reported);
        self.cancelled.cancel();
        self.began.cancel();
        if agent.withdraw(&run).await {
            return unstarted(missing);
        }
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

    /// Returns the place of the run, or a sentence about what is wrong with it.
    async fn place(&self, agent: &dyn CodeAgent, project: &Project) -> Result<Place, String> {
        let command = self.leased.lease.command;
        let workspace = project.settings().workspace.clone();
        if self.taken_over.is_some() {
            // It is in its place already.
            return Ok(match self.shared.worktree(command, &workspace).await {
                Some(worktree) => Place::worktree(worktree, None),
                None => Place { workspace, worktree_start: None, warning: None },
            });
        }
        let mut warning = self.check(&workspace).await?;
        if project.settings().max_running > 1
            && agent.uses_workspace()
            && let Some(version_control) = &self.shared.ports.version_control
        {
            let request = self.worktree_request(&workspace).await;
            let opened = version_control.open_worktree(&request).await;
            match opened.map_err(|fault| format!("the run has no worktree of its own: {fault}"))? {
                Some(worktree) => return Ok(Place::worktree(worktree, warning)),
                None => warning = warning.or_else(|| Some(SHARED_FILES.to_owned())),
            }
        }
        Ok(Place { workspace, worktree_start: None, warning })
    }

    /// Checks the workspace. Returns a warning about it, or a sentence about what is wrong with it.
    async fn check(&self, workspace: &Workspace) -> Result<Option<String>, String> {
        let (Some(workspaces), Workspace::Local { path }) = (&self.shared.ports.workspaces, workspace) else {
            return Ok(None);
        };
        let checked = Workspaces::check_before_run(workspaces, path).await;
        let data_dir = checked.map_err(|fault| format!("the workspace {path} {fault}"))?;
        Ok(data_dir.map(|data_dir| {
            let data_dir = data_dir.display();
            format!("the agent can read the server's keys in {data_dir}; --data-dir puts them elsewhere")
        }))
    }

    /// Returns what the run needs a worktree for: a session goes on with its files.
    async fn worktree_request(&self, workspace: &Workspace) -> WorktreeRequest {
        let draft = self.leased.request.draft();
        let (run, workspace) = (draft.command_id, workspace.clone());
        let first = async |session: &SessionRef| {
            let find =
                || self.shared.ports.commands.first_of_session(&draft.project, &draft.provider, session);
            self.shared.insist("find the first command of a session", find).await
        };
        match &draft.session {
            Session::New => WorktreeRequest { workspace, run, name: run, base: None },
            Session::Resume(session) => {
                let name = first(session).await.unwrap_or(run);
                WorktreeRequest { workspace, run, name, base: None }
            }
            Session::Fork(session) => {
                WorktreeRequest { workspace, run, name: run, base: first(session).await }
            }
        }
    }

    /// Returns the commit at which the workspace stands.
    async fn commit(&self, workspace: &Workspace) -> Result<Option<CommitHash>, VersionControlError> {
        match &self.shared.ports.version_control {
            Some(version_control) => version_control.commit(self.leased.lease.command, workspace).await,
            None => Ok(None),
        }
    }

    /// Returns what the run has changed since a commit. The branch of its worktree has all of it then.
    async fn changes(
        &self,
        run: &AgentRun,
        since: Option<&CommitHash>,
        sink: &RunSink<'_>,
    ) -> Option<WorkspaceChanges> {
        let version_control = self.shared.ports.version_control.as_ref()?;
        let branch = match version_control.save_worktree(run.command_id()).await {
            Ok(branch) => branch,
            Err(error) => {
                sink.warn(format!("the branch lacks what the run has not committed: {error}")).await;
                None
            }
        };
        match version_control.changes(run.command_id(), &run.workspace, since?).await {
            Ok(changes) => Some(WorkspaceChanges { branch, ..changes }),
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
fn unstarted(detail: String) -> AgentResult {
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
