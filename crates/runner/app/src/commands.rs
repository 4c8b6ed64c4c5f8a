//! Queues, shows, cancels and deletes commands.

mod inherited;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use rdev_access::Ids;
use rdev_app::Ambient;
use rdev_core::ApiKeyId;
use rdev_runner_domain::ports::{
    Cancellation, CommandQueue, CommandRefusal, CommandRepository, Deletion, ProjectRepository, SecretSource,
    StoreError,
};
use rdev_runner_domain::{
    Access, AgentProvider, AgentRequest, AgentRequestError, Command, CommandFilter, CommandId, CommandState,
    CommandStatus, EventPage, MAX_SECRETS, ModelName, Page, PageRequest, PermissionProfile, Project,
    ProjectName, QueueLimits, RequestDraft, SecretName, Session, ToolRule, Waiting,
};

use crate::{AgentRegistry, LimitChanges};
use inherited::Inherited;

/// Queues, shows, cancels and deletes commands. Cheap to clone.
#[derive(Clone)]
pub struct Commands {
    repository: Arc<dyn CommandRepository>,
    queue: Arc<dyn CommandQueue>,
    projects: Arc<dyn ProjectRepository>,
    agents: Arc<AgentRegistry>,
    limits: Arc<QueueLimits>,
    /// The secrets of the runner, if this process knows them.
    secrets: Option<Arc<dyn SecretSource>>,
    ambient: Ambient,
}

/// A command as a client asks for it. What it leaves out comes from the project.
#[derive(Debug, Clone, PartialEq)]
pub struct NewCommand {
    /// The agent; without one that of the project, and the registry's default if the project names none.
    pub provider: Option<AgentProvider>,
    /// The prompt.
    pub prompt: String,
    /// The session.
    pub session: Session,
    /// The model; without one that of the project, if its provider is the command's, and else the agent's own default.
    pub model: Option<ModelName>,
    /// The permission profile.
    pub permissions: Option<PermissionProfile>,
    /// The allowed tools, which replace those of the project.
    pub allowed_tools: Option<Vec<ToolRule>>,
    /// The denied tools, which replace those of the project.
    pub denied_tools: Option<Vec<ToolRule>>,
    /// The limits over those of the project.
    pub limits: LimitChanges,
    /// The secrets, which replace those of the project.
    pub secrets: Option<BTreeSet<SecretName>>,
}

/// A fault of a command in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandFault {
    /// What is wrong.
    pub fault: AgentRequestError,
    /// Whether the faulty value comes from the project.
    pub is_inherited: bool,
}

impl fmt::Display for CommandFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.fault)?;
        if self.is_inherited {
            f.write_str("; the value is that of the project")?;
        }
        Ok(())
    }
}

/// An error of an operation on a command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandsError {
    /// The command does not exist, or the caller does not see it.
    #[error("the command was not found")]
    NotFound,
    /// The project does not exist, or the caller does not see it.
    #[error("the project was not found")]
    NoProject,
    /// The project is archived and takes no commands.
    #[error("the project is archived")]
    Archived,
    /// The project is being deleted and takes no commands.
    #[error("the project is being deleted")]
    Deleting,
    /// The command has ended and cannot be cancelled.
    #[error("the command has ended")]
    Ended,
    /// The command has not ended and cannot be deleted.
    #[error("the command has not ended")]
    NotEnded,
    /// The request is invalid; all faults at once.
    #[error("the command is invalid")]
    Invalid(Vec<CommandFault>),
    /// The database failed.
    #[error("the command could not be read or stored")]
    Store(#[from] StoreError),
}

impl From<CommandRefusal> for CommandsError {
    fn from(refusal: CommandRefusal) -> Self {
        match refusal {
            CommandRefusal::NoProject => Self::NoProject,
            CommandRefusal::Archived => Self::Archived,
            CommandRefusal::Deleting => Self::Deleting,
        }
    }
}

impl Commands {
    /// Creates the use cases over these ports. `limits` are those of the runners, by which a command waits.
    #[must_use]
    pub fn new(
        repository: Arc<dyn CommandRepository>,
        queue: Arc<dyn CommandQueue>,
        projects: Arc<dyn ProjectRepository>,
        agents: Arc<AgentRegistry>,
        limits: QueueLimits,
        ambient: Ambient,
    ) -> Self {
        Self { repository, queue, projects, agents, limits: Arc::new(limits), secrets: None, ambient }
    }

    /// Refuses commands that name a secret which this source does not have. Without it their runs fail.
    #[must_use]
    pub fn with_secrets(self, secrets: Arc<dyn SecretSource>) -> Self {
        Self { secrets: Some(secrets), ..self }
    }

    /// Queues a command for a project. Once this has returned it is durable.
    ///
    /// # Errors
    ///
    /// Fails if the caller does not see the project, or if the request has faults.
    pub async fn create(
        &self,
        access: &Access,
        project: &ProjectName,
        new: NewCommand,
        ids: Ids,
    ) -> Result<Command, CommandsError> {
        let id = self.id(ids);
        if let Some(made) = self.made(access, id, ids).await? {
            return Ok(made);
        }
        let project = self.project(access, project).await?;
        let request = self.checked(&project, new, id).await.map_err(CommandsError::Invalid)?;
        Ok(self.repository.create(&request).await??)
    }

    /// Returns all faults of a command. [`Self::create`] makes the same check; this is for a caller who has found
    /// other faults and wants to report all at once.
    ///
    /// # Errors
    ///
    /// Fails if the caller does not see the project.
    pub async fn check(
        &self,
        access: &Access,
        project: &ProjectName,
        new: NewCommand,
        ids: Ids,
    ) -> Result<Vec<CommandFault>, CommandsError> {
        let project = self.project(access, project).await?;
        Ok(self.checked(&project, new, self.id(ids)).await.err().unwrap_or_default())
    }

    /// Queues the request of a command again, as a new command. The project's settings of today change nothing in it.
    ///
    /// # Errors
    ///
    /// Fails if the caller does not see the command, if its project was deleted, or if its provider can no longer
    /// do what the request asks for.
    pub async fn run_again(
        &self,
        access: &Access,
        command: CommandId,
        ids: Ids,
    ) -> Result<Command, CommandsError> {
        let id = self.id(ids);
        if let Some(made) = self.made(access, id, ids).await? {
            return Ok(made);
        }
        let request = self.repository.request(access, command).await?.ok_or(CommandsError::NotFound)?;
        let draft = RequestDraft { command_id: id, ..request.draft().clone() };
        let project = self.project(access, &draft.project).await?;
        let missing = self.missing_secrets(&project, &draft.secrets).await;
        let request = joined(self.agents.check(draft), missing);
        let own = |fault| CommandFault { fault, is_inherited: false };
        let request =
            request.map_err(|faults| CommandsError::Invalid(faults.into_iter().map(own).collect()))?;
        Ok(self.repository.create(&request).await??)
    }

    /// Returns a command.
    ///
    /// # Errors
    ///
    /// Fails if the caller does not see it.
    pub async fn get(&self, access: &Access, id: CommandId) -> Result<Command, CommandsError> {
        self.repository.get(access, id).await?.ok_or(CommandsError::NotFound)
    }

    /// Returns the request of a command.
    ///
    /// # Errors
    ///
    /// Fails if the caller does not see it.
    pub async fn request(&self, access: &Access, id: CommandId) -> Result<AgentRequest, CommandsError> {
        self.repository.request(access, id).await?.ok_or(CommandsError::NotFound)
    }

    /// Returns a page of the commands, newest first.
    ///
    /// # Errors
    ///
    /// Fails if the database fails.
    pub async fn list(
        &self,
        access: &Access,
        filter: &CommandFilter,
        page: PageRequest<CommandId>,
    ) -> Result<Page<Command>, StoreError> {
        self.repository.list(access, filter, page).await
    }

    /// Returns for each command, in input order, its place in the queue; `None` if it does not wait.
    ///
    /// # Errors
    ///
    /// Fails if the database fails.
    pub async fn waiting(&self, commands: &[Command]) -> Result<Vec<Option<Waiting>>, StoreError> {
        let is_queued = |command: &&Command| command.state == CommandState::Queued;
        let queued: Vec<_> = commands.iter().filter(is_queued).map(|command| command.id).collect();
        if queued.is_empty() {
            return Ok(vec![None; commands.len()]);
        }
        let mut waiting = self.queue.waiting(&self.limits, &queued).await?.into_iter();
        let of = |command: &Command| {
            if is_queued(&command) { waiting.next().flatten() } else { None }
        };
        Ok(commands.iter().map(of).collect())
    }

    /// Cancels a command: a queued one ends at once, a started one is stopped by its runner. `key` is the API key that
    /// asks for it, `None` for the administrator's; the log names it.
    ///
    /// # Errors
    ///
    /// Fails if the caller does not see the command, or if it has ended.
    pub async fn cancel(
        &self,
        access: &Access,
        id: CommandId,
        key: Option<ApiKeyId>,
        ids: Ids,
    ) -> Result<Command, CommandsError> {
        match self.repository.cancel(access, id).await?.ok_or(CommandsError::NotFound)? {
            Cancellation::Accepted(command) => {
                let api_key = key.map_or_else(|| "administrator".to_owned(), |key| key.to_string());
                let status = command.state.status().as_str();
                tracing::info!(command = %id, project = %command.project, api_key, status, "command cancelled");
                Ok(*command)
            }
            Cancellation::Ended if ids.may_exist() => {
                // Most likely by the same request, which was interrupted before its response.
                let command = self.get(access, id).await?;
                match command.state.status() {
                    CommandStatus::Cancelled => Ok(command),
                    _ => Err(CommandsError::Ended),
                }
            }
            Cancellation::Ended => Err(CommandsError::Ended),
        }
    }

    /// Deletes a command that has ended, with its events.
    ///
    /// # Errors
    ///
    /// Fails if the caller does not see the command, or if it has not ended.
    pub async fn delete(&self, access: &Access, id: CommandId) -> Result<(), CommandsError> {
        match self.repository.delete(access, id).await?.ok_or(CommandsError::NotFound)? {
            Deletion::Deleted => Ok(()),
            Deletion::NotEnded => Err(CommandsError::NotEnded),
        }
    }

    /// Returns up to `limit` events of a command after number `after`, oldest first.
    ///
    /// # Errors
    ///
    /// Fails if the caller does not see the command.
    pub async fn events(
        &self,
        access: &Access,
        id: CommandId,
        after: u64,
        limit: u32,
    ) -> Result<EventPage, CommandsError> {
        self.repository.events(access, id, after, limit).await?.ok_or(CommandsError::NotFound)
    }

    fn id(&self, ids: Ids) -> CommandId {
        ids.id(&self.ambient, "command", 0, CommandId::from_parts)
    }

    /// Returns the command that an earlier execution of the same operation has queued.
    async fn made(&self, access: &Access, id: CommandId, ids: Ids) -> Result<Option<Command>, StoreError> {
        if ids.may_exist() { self.repository.get(access, id).await } else { Ok(None) }
    }

    async fn project(&self, access: &Access, name: &ProjectName) -> Result<Project, CommandsError> {
        self.projects.get(access, name).await?.ok_or(CommandsError::NoProject)
    }

    /// Fills in the project's settings, and checks the request and that its secrets exist.
    async fn checked(
        &self,
        project: &Project,
        new: NewCommand,
        command_id: CommandId,
    ) -> Result<AgentRequest, Vec<CommandFault>> {
        let is_inherited = new.secrets.is_none();
        let names = new.secrets.as_ref().unwrap_or(&project.settings().secrets);
        let missing = self.missing_secrets(project, names).await;
        let missing = missing.into_iter().map(|fault| CommandFault { fault, is_inherited });
        joined(self.request_of(project, new, command_id), missing.collect())
    }

    /// Returns a fault for each of the secrets that the runner does not have, as far as this process knows.
    async fn missing_secrets(
        &self,
        project: &Project,
        names: &BTreeSet<SecretName>,
    ) -> Vec<AgentRequestError> {
        let Some(secrets) = &self.secrets else { return Vec::new() };
        let names = names.iter().take(MAX_SECRETS).cloned().collect();
        // A source that does not respond now may do so when the command runs.
        let missing = secrets.missing(project, &names).await.unwrap_or_default();
        missing.into_iter().map(AgentRequestError::SecretMissing).collect()
    }

    /// Fills in the project's settings and checks the request.
    fn request_of(
        &self,
        project: &Project,
        new: NewCommand,
        command_id: CommandId,
    ) -> Result<AgentRequest, Vec<CommandFault>> {
        let settings = project.settings();
        let inherited = Inherited::of(&new);
        let named = |fault| vec![CommandFault { fault, is_inherited: false }];
        let default = || self.agents.default_agent().map(|agent| agent.provider().clone());
        let of_project = settings.provider.clone().map_or_else(default, Ok);
        let provider = new.provider.map_or_else(|| of_project.clone(), Ok).map_err(named)?;
        // A model belongs to a provider.
        let has_model = of_project.is_ok_and(|of_project| of_project == provider);
        let model = new.model.or_else(|| settings.model.clone().filter(|_| has_model));
        let draft = RequestDraft {
            command_id,
            project: project.name.clone(),
            provider,
            prompt: new.prompt,
            session: new.session,
            model,
            permissions: new.permissions.unwrap_or(settings.permissions),
            allowed_tools: new.allowed_tools.unwrap_or_else(|| settings.allowed_tools.clone()),
            denied_tools: new.denied_tools.unwrap_or_else(|| settings.denied_tools.clone()),
            limits: new.limits.over(settings.limits),
            secrets: new.secrets.unwrap_or_else(|| settings.secrets.clone()),
            environment: settings.environment.clone(),
        };
        self.agents.check(draft).map_err(|faults| {
            let fault = |fault| CommandFault { is_inherited: inherited.has(&fault), fault };
            faults.into_iter().map(fault).collect()
        })
    }
}

/// Returns the request, or all faults of both.
fn joined<T, F>(request: Result<T, Vec<F>>, others: Vec<F>) -> Result<T, Vec<F>> {
    match request {
        Ok(request) if others.is_empty() => Ok(request),
        Ok(_) => Err(others),
        Err(faults) => Err(faults.into_iter().chain(others).collect()),
    }
}
